"""The generator: two encoders, the dense correspondence, a residual trunk and a U-Net decoder."""

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
    """What the generator returns.

    picture: (B, 3, H, W) in [-1, 1].
    logits: (B, N_s, N_r) float32 attention logits, None without attention.
    cells: (rows, columns) of the sketch positions, N_s = rows * columns.
    """

    picture: Tensor
    logits: Tensor | None
    cells: tuple[int, int]


class Encoder(nn.Module):
    """Two 3x3 convolutions a level; every level but the first begins with stride 2."""

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
    """A U-Net at the size of the attention: every position sees further levels of half the size.

    Beyond the paper: a position of its encoders sees a third of the picture's side, so that the
    middle of a coat cannot know that it is one.
    """

    def __init__(self, channels: int, levels: int, *, norm: Norm) -> None:
        """levels: number of halvings; each has half as many channels more than `channels`."""
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
        """(B, C, h, w) -> (B, C, h, w), of any h and w."""
        skips = []
        for down in self.downs:
            skips.append(x)
            x = down(x)
        for up, skip in zip(self.ups, reversed(skips), strict=True):
            x = up(torch.cat([F.interpolate(x, size=skip.shape[-2:]), skip], dim=1))
        return x


class Decoder(nn.Module):
    """From the smallest size up, with skips from the sketch's encoder only."""

    def __init__(self, channels_in: int, widths: list[int], *, norm: Norm, transport: bool) -> None:
        """widths: channels of the encoder's levels, large to small pictures.

        transport: whether the decoder starts from colours that the attention carries.
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
        """skips: last maps of the levels above the smallest, large to small.

        colors: (B, 3, h, w) float32 in [-1, 1], carried colours; None without transport.
        """
        x = self.enter(beside(x, colors))
        for join, skip in zip(self.joins, reversed(skips), strict=True):
            x = join(beside(torch.cat([F.interpolate(x, scale_factor=2.0), skip], dim=1), colors))
        # No activation before the tanh: a rectified input would leave dark colours out of reach.
        picture = self.leave(beside(x, colors)).float()
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
        """Colour sketches after references.

        sketch: (B, 1, H, W), reference: (B, 3, H', W'), both in [-1, 1], sketch 1 = paper. Sides
        are multiples of `stride`; with attention the two sizes may differ.
        Several references of any sizes are attended to together: their positions come one
        reference after another, N_r being all of them.
        bias: (N_s, N_r) float32, added to the attention logits.
        Raises ValueError for other sides, for no reference, and without attention for a bias and
        for more than one reference.
        """
        references = [reference] if isinstance(reference, Tensor) else list(reference)
        for name, picture in (("sketch", sketch), *(("reference", one) for one in references)):
            if picture.shape[-2] % self.stride or picture.shape[-1] % self.stride:
                raise ValueError(
                    f"{name} sides must be multiples of {self.stride}, got "
                    f"{picture.shape[-2]} x {picture.shape[-1]}; pad it"
                )
        maps = self.sketch_encoder(sketch)
        attended: Attended = self.attention(
            sketch=tokens(maps, self.sketch_context),
            reference=side_by_side(
                [tokens(self.reference_encoder(one), self.reference_context) for one in references]
            ),
            bias=bias,
        )
        trunk = self.trunk(attended.features)
        rows, columns = maps[-1].shape[-2:]
        colors = None
        if self.transport:
            assert attended.weights is not None  # the parameters refuse transport without attention
            means = [F.avg_pool2d(one.float(), self.stride) for one in references]
            carried = attended.weights @ side_by_side(means).flatten(2).mT
            colors = torch.unflatten(carried.mT, 2, (rows, columns))
        picture = self.decoder(torch.cat([trunk, attended.features], dim=1), maps[1:-1:2], colors)
        return Output(picture=picture, logits=attended.logits, cells=(rows, columns))


def tokens(maps: list[Tensor], context: Context | None) -> Tensor:
    """Give what positions are compared by: V of eq. 1, or the last map in its context."""
    return pyramid(maps) if context is None else context(maps[-1])


def resized(colors: Tensor, picture: Tensor) -> Tensor:
    """Interpolate (B, 3, h, w) colours to the size of a picture."""
    return F.interpolate(colors, size=picture.shape[-2:], mode="bilinear")


def beside(x: Tensor, colors: Tensor | None) -> Tensor:
    """Put carried colours beside the channels of a map, where there are any."""
    return x if colors is None else torch.cat([x, resized(colors, x).to(x.dtype)], dim=1)


def pyramid(maps: list[Tensor]) -> Tensor:
    """V of eq. 1: all maps average-pooled to the size of the last one, side by side."""
    height, width = maps[-1].shape[-2:]
    return torch.cat([F.adaptive_avg_pool2d(x, (height, width)) for x in maps], dim=1)


def side_by_side(maps: Sequence[Tensor]) -> Tensor:
    """Give the positions of several maps as those of one.

    maps: (B, D, h, w) each, of any h and w.  Returns (B, D, N, 1), N being all positions, map by
    map and row by row; a single map is returned as it is.
    Raises ValueError for no map.
    """
    if not maps:
        raise ValueError("there must be at least one reference, got none")
    return maps[0] if len(maps) == 1 else torch.cat([x.flatten(2) for x in maps], dim=2)[..., None]


def build_generator(params: ModelParams) -> Generator:
    """Make a generator with fresh weights from torch's global random state."""
    return Generator(params)
