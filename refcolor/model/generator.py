"""The generator: two encoders, the dense correspondence, and a decoder.

`paper_generator` and `fine_generator` say what each consists of.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from refcolor.model.attention import Attended, ProjectedCorrespondence, build_attention
from refcolor.model.blocks import NORMS, ResidualBlock
from refcolor.model.decoder import Decoder
from refcolor.model.encoder import Context, Encoder, UpPath, tokens
from refcolor.params import ModelParams

MATCHED = 64  # channels of queries, keys and values of the fine generator


@dataclass(frozen=True)
class Keys:
    """The positions of a reference.

    features: (B, D, h, w). colors: (B, 3, h, w) float32, their mean colours; None without
    transport.
    """

    features: Tensor
    colors: Tensor | None


@dataclass(frozen=True)
class Output:
    """The output of the generator.

    picture: (B, 3, H, W) in [-1, 1].
    logits: (B, N_s, N_r) float32 attention logits, None without attention.
    cells: (rows, columns) of the sketch positions, N_s = rows * columns.
    key_cells: (rows, columns) of the positions of each reference; N_r is the sum of their products.
    """

    picture: Tensor
    logits: Tensor | None
    cells: tuple[int, int]
    key_cells: tuple[tuple[int, int], ...]


class Generator(nn.Module):
    """G(I_s, I_r) of the paper, or the generator with fine queries.

    stride: sides of pictures are multiples of it. query_stride, key_stride: side in pixels of an
    attention cell of the sketch and of the reference.
    """

    def __init__(
        self,
        params: ModelParams,
        *,
        encoders: tuple[Encoder, Encoder],
        contexts: tuple[Context | UpPath | None, Context | UpPath | None],
        attention: nn.Module,
        trunk: nn.Sequential | None,
        decoder: Decoder,
    ) -> None:
        """encoders, contexts: of the sketch and of the reference.

        trunk: its output is concatenated with its input; None leaves both out.
        """
        super().__init__()
        self.stride, self.transport = params.stride, bool(params.transport)
        self.query_stride, self.key_stride = params.cell_sizes
        self.sketch_encoder, self.reference_encoder = encoders
        self.sketch_context: Context | UpPath | None
        self.reference_context: Context | UpPath | None
        self.sketch_context, self.reference_context = contexts
        self.attention = attention
        self.trunk = trunk
        self.decoder = decoder

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
        return self.color(sketch, [self.encode(x) for x in references], bias)

    def encode(self, reference: Tensor) -> Keys:
        """Encode a reference: (B, 3, H', W')."""
        return Keys(
            features=tokens(self.reference_encoder(reference), self.reference_context),
            colors=F.avg_pool2d(reference.float(), self.key_stride) if self.transport else None,
        )

    def color(self, sketch: Tensor, keys: Sequence[Keys], bias: Tensor | None = None) -> Output:
        """Colour sketches with the colours of encoded references; arguments as in `forward`."""
        maps = self.sketch_encoder(sketch)
        queries = tokens(maps, self.sketch_context)
        attended: Attended = self.attention(
            sketch=queries, reference=concatenate_positions([x.features for x in keys]), bias=bias
        )
        features = attended.features
        if self.trunk is not None:
            features = torch.cat([self.trunk(features), features], dim=1)
        rows, columns = queries.shape[-2:]
        means = [x.colors for x in keys if x.colors is not None]
        colors = None
        if means:
            assert attended.weights is not None  # Params has no transport without attention
            transported = attended.weights @ concatenate_positions(means).flatten(2).mT
            colors = torch.unflatten(transported.mT, 2, (rows, columns))
        skips = maps[1::2][: len(self.decoder.joins)]
        return Output(
            picture=self.decoder(features, skips, colors),
            logits=attended.logits,
            cells=(rows, columns),
            key_cells=tuple((x.features.shape[-2], x.features.shape[-1]) for x in keys),
        )


def paper_generator(params: ModelParams) -> Generator:
    """Make the paper's generator, with `model.context` and `model.transport` where they are on.

    Width 16 and five levels give the published network: d = 992, about 82 M parameters.
    """
    norm, widths = NORMS[params.norm], params.level_widths
    channels = widths[-1] if params.context else 2 * sum(widths)
    return Generator(
        params,
        encoders=(Encoder(1, widths, norm=norm), Encoder(3, widths, norm=norm)),
        contexts=(
            Context(channels, params.context, norm=norm),
            Context(channels, params.context, norm=norm),
        )
        if params.context
        else (None, None),
        attention=build_attention(params.attention, channels, norm=norm),
        trunk=nn.Sequential(*(ResidualBlock(channels, norm=norm) for _ in range(params.blocks))),
        decoder=Decoder(
            2 * channels,
            widths,
            norm=norm,
            transport=bool(params.transport),
            convex=bool(params.convex_upsampling),
        ),
    )


def fine_generator(params: ModelParams) -> Generator:
    """Make the generator with fine queries and coarser keys.

    Each side has a U-Net that ends at the size of its cells, and there is no trunk. An addition to
    the paper, for the reasons in docs/paper.md.
    """
    norm, widths = NORMS[params.norm], params.level_widths
    query, key = (size.bit_length() - 1 for size in (params.query_stride, params.key_stride))
    return Generator(
        params,
        encoders=(Encoder(1, widths, norm=norm), Encoder(3, widths, norm=norm)),
        contexts=(UpPath(widths[query:], norm=norm), UpPath(widths[key:], norm=norm)),
        attention=ProjectedCorrespondence(
            sketch=widths[query], reference=widths[key], channels=MATCHED
        ),
        trunk=None,
        decoder=Decoder(
            widths[query] + MATCHED,
            widths[: query + 1],
            norm=norm,
            transport=bool(params.transport),
            convex=bool(params.convex_upsampling),
            blocks=params.blocks,
        ),
    )


def build_generator(params: ModelParams) -> Generator:
    """Make a generator with random weights from torch's global generator."""
    return fine_generator(params) if params.query_stride else paper_generator(params)


def concatenate_positions(maps: Sequence[Tensor]) -> Tensor:
    """Concatenate the positions of maps of any sizes.

    maps: (B, D, h, w) each.  Returns (B, D, N, 1) with N positions, map by map and row by row; a
    single map is returned unchanged.
    Raises ValueError for no map.
    """
    if not maps:
        raise ValueError("there must be at least one reference, got none")
    return maps[0] if len(maps) == 1 else torch.cat([x.flatten(2) for x in maps], dim=2)[..., None]
