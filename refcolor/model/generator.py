"""The generator: two encoders, attention, a residual trunk and a U-Net decoder."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from refcolor.model.attention import Attended, build_attention
from refcolor.model.blocks import NORMS, ConvBlock, Norm, ResidualBlock
from refcolor.params import ModelParams


@dataclass(frozen=True)
class Output:
    """The output of the generator.

    picture: (B, 3, H, W) in [-1, 1].
    logits: (B, N_s, N_r) float32 attention logits, None without attention.
    cells: (rows, columns) of the sketch positions, N_s = rows * columns.
    """

    picture: Tensor
    logits: Tensor | None
    cells: tuple[int, int]


class Encoder(nn.Module):
    """Two 3x3 convolutions per level; all levels except the first begin with stride 2."""

    def __init__(self, channels_in: int, widths: list[int], *, norm: Norm) -> None:
        """widths: channels of each level."""
        super().__init__()
        self.levels = nn.ModuleList()
        for level, width in enumerate(widths):
            first = ConvBlock(channels_in, width, norm=norm, stride=2 if level else 1)
            self.levels.append(nn.ModuleList([first, ConvBlock(width, width, norm=norm)]))
            channels_in = width

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the maps f_1 ... f_2L of all layers, large to small."""
        maps = []
        for level in self.levels:
            for layer in level.children():
                x = layer(x)
                maps.append(x)
        return maps


class Context(nn.Module):
    """A U-Net on the attention grid, which enlarges the receptive field.

    An addition to the paper, whose encoders have a receptive field of a third of the picture's
    side: too small to recognise the middle of a coat.
    """

    def __init__(self, channels: int, levels: int, *, norm: Norm) -> None:
        """levels: number of halvings; each adds half of `channels`."""
        super().__init__()
        widths = [channels + channels * level // 2 for level in range(levels + 1)]
        self.downs = nn.ModuleList(
            nn.Sequential(
                ConvBlock(above, below, norm=norm, stride=2), ConvBlock(below, below, norm=norm)
            )
            for above, below in pairwise(widths)
        )
        self.ups = nn.ModuleList(
            ConvBlock(below + above, above, norm=norm) for below, above in pairwise(widths[::-1])
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C, h, w), for any h and w."""
        skips = []
        for down in self.downs:
            skips.append(x)
            x = down(x)
        for up, skip in zip(self.ups, reversed(skips), strict=True):
            x = up(torch.cat([F.interpolate(x, size=skip.shape[-2:]), skip], dim=1))
        return x


class Decoder(nn.Module):
    """A U-Net decoder with skip connections from the sketch encoder only."""

    def __init__(self, channels_in: int, widths: list[int], *, norm: Norm, transport: bool) -> None:
        """widths: channels of the encoder's levels, largest map first.

        transport: whether the decoder gets the colours of transport.
        """
        super().__init__()
        colors = 3 if transport else 0
        self.enter = ConvBlock(channels_in + colors, widths[-1], norm=norm)
        self.joins = nn.ModuleList(
            ConvBlock(below + width + colors, width, norm=norm)
            for below, width in pairwise(widths[::-1])
        )
        self.leave = nn.Conv2d(widths[0] + colors, 3, 3, padding=1)

    def forward(self, x: Tensor, skips: list[Tensor], colors: Tensor | None = None) -> Tensor:
        """skips: last maps of the levels above the smallest, largest first.

        colors: (B, 3, h, w) float32 in [-1, 1], transported colours; None without transport.
        """
        x = self.enter(with_colors(x, colors))
        for join, skip in zip(self.joins, reversed(skips), strict=True):
            x = join(
                with_colors(torch.cat([F.interpolate(x, scale_factor=2.0), skip], dim=1), colors)
            )
        # No ReLU before the tanh: dark colours need negative inputs.
        picture = self.leave(with_colors(x, colors)).float()
        if colors is not None:
            picture = picture + torch.atanh(resized(colors, picture).clamp(-0.98, 0.98))
        return torch.tanh(picture)


class Generator(nn.Module):
    """G(I_s, I_r) of the paper."""

    def __init__(self, params: ModelParams) -> None:
        """Width 16 and five levels give the published network: d = 992, about 82 M parameters."""
        super().__init__()
        norm = NORMS[params.norm]
        widths = [params.width * 2**level for level in range(params.levels)]
        channels = widths[-1] if params.context else 2 * sum(widths)
        self.stride, self.transport = params.stride, bool(params.transport)
        self.sketch_encoder = Encoder(1, widths, norm=norm)
        self.reference_encoder = Encoder(3, widths, norm=norm)
        self.sketch_context = self.reference_context = None
        if params.context:
            self.sketch_context = Context(channels, params.context, norm=norm)
            self.reference_context = Context(channels, params.context, norm=norm)
        self.attention = build_attention(params.attention, channels, norm=norm)
        self.trunk = nn.Sequential(
            *(ResidualBlock(channels, norm=norm) for _ in range(params.blocks))
        )
        self.decoder = Decoder(2 * channels, widths, norm=norm, transport=self.transport)

    def forward(
        self,
        *,
        sketch: Tensor,
        reference: Tensor | Sequence[Tensor],
        bias: Tensor | None = None,
    ) -> Output:
        """Colour sketches with the colours of references.

        sketch: (B, 1, H, W) in [-1, 1], 1 = paper.
        reference: (B, 3, H', W') in [-1, 1], or several of any sizes; N_r is the number of the
            positions of all references, one reference after another.
        bias: (N_s, N_r) float32, added to the attention logits.
        Sides must be multiples of `stride`; with attention H', W' may differ from H, W.
        Raises ValueError for other sides, for no reference, and without attention for a bias and
        for several references.
        """
        references = [reference] if isinstance(reference, Tensor) else list(reference)
        for name, picture in (("sketch", sketch), *(("reference", x) for x in references)):
            if picture.shape[-2] % self.stride or picture.shape[-1] % self.stride:
                raise ValueError(
                    f"{name} sides must be multiples of {self.stride}, got "
                    f"{picture.shape[-2]} x {picture.shape[-1]}; pad it"
                )
        maps = self.sketch_encoder(sketch)
        attended: Attended = self.attention(
            sketch=tokens(maps, self.sketch_context),
            reference=concatenate_positions(
                [tokens(self.reference_encoder(x), self.reference_context) for x in references]
            ),
            bias=bias,
        )
        trunk = self.trunk(attended.features)
        rows, columns = maps[-1].shape[-2:]
        colors = None
        if self.transport:
            assert attended.weights is not None  # Params has no transport without attention
            means = [F.avg_pool2d(x.float(), self.stride) for x in references]
            transported = attended.weights @ concatenate_positions(means).flatten(2).mT
            colors = torch.unflatten(transported.mT, 2, (rows, columns))
        picture = self.decoder(torch.cat([trunk, attended.features], dim=1), maps[1:-1:2], colors)
        return Output(picture=picture, logits=attended.logits, cells=(rows, columns))


def tokens(maps: list[Tensor], context: Context | None) -> Tensor:
    """Return the input of the attention: V of eq. 1, or with `model.context` the output of it."""
    return pyramid(maps) if context is None else context(maps[-1])


def resized(colors: Tensor, picture: Tensor) -> Tensor:
    """Interpolate (B, 3, h, w) colours to the size of a picture."""
    return F.interpolate(colors, size=picture.shape[-2:], mode="bilinear")


def with_colors(x: Tensor, colors: Tensor | None) -> Tensor:
    """Append transported colours to the channels of a map; None returns the map."""
    return x if colors is None else torch.cat([x, resized(colors, x).to(x.dtype)], dim=1)


def pyramid(maps: list[Tensor]) -> Tensor:
    """Compute V of eq. 1: all maps average-pooled to the size of the last, concatenated."""
    height, width = maps[-1].shape[-2:]
    return torch.cat([F.adaptive_avg_pool2d(x, (height, width)) for x in maps], dim=1)


def concatenate_positions(maps: Sequence[Tensor]) -> Tensor:
    """Concatenate the positions of maps of any sizes.

    maps: (B, D, h, w) each.  Returns (B, D, N, 1) with N positions, map by map and row by row; a
    single map is returned unchanged.
    Raises ValueError for no map.
    """
    if not maps:
        raise ValueError("there must be at least one reference, got none")
    return maps[0] if len(maps) == 1 else torch.cat([x.flatten(2) for x in maps], dim=2)[..., None]


def build_generator(params: ModelParams) -> Generator:
    """Make a generator with random weights from torch's global generator."""
    return Generator(params)
