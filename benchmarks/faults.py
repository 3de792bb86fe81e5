"""Faults of public re-implementations of the paper, one by one, as patches from outside.

The product has no switch for them. `active` patches refcolor for a block, so that a training has a
single fault, and the first weights, pictures, order and random numbers of the right one.
Each was read in the file and commit that `source` names; none of their code is here.
"""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor

from refcolor.errors import RefcolorError
from refcolor.model.attention import Attended, DenseCorrespondence, similarity
from refcolor.model.decoder import Decoder
from refcolor.params import Params
from refcolor.training import augment, losses

Patch = AbstractContextManager[object]
Stage = Literal["train", "evaluate"]

# Repository and commit of the sources.
SNAILPONG = "Snailpong/reference_based_sketch_image_colorization@c575cd5"
JUNGJAEWON = "Jungjaewon/Reference_based_Skectch_Image_Colorization"
SEUNGJAE_WON = "seungjae-won/paper-to-code-Reference-Based-Sketch-Image-Colorization@9aa692c"


def scrambled_tokens(settings: Params) -> Patch:
    """Read (B, D, h, w) as (B, h * w, D) without moving an axis, and back in the same way.

    A token is then D consecutive values of a few channels, and is not a position.
    """
    right = DenseCorrespondence.forward

    def scrambled(maps: Tensor) -> Tensor:
        batch, channels, rows, columns = maps.shape
        tokens = maps.reshape(batch, rows * columns, channels)
        return tokens.mT.unflatten(2, (rows, columns))

    def forward(
        self: DenseCorrespondence, *, sketch: Tensor, reference: Tensor, bias: Tensor | None = None
    ) -> Attended:
        attended = right(self, sketch=scrambled(sketch), reference=scrambled(reference), bias=bias)
        features = attended.features.flatten(2).mT.reshape(sketch.shape)
        return dataclasses.replace(attended, features=features)

    return patch.object(DenseCorrespondence, "forward", forward)


def softmax_before_scale(settings: Params) -> Patch:
    """Divide by sqrt(d) after the softmax: rows of the attention sum to 1 / sqrt(d).

    The logits that the triplet loss gets stay those of eq. 2, so that its margin means the same.
    """
    right = DenseCorrespondence.forward

    def forward(
        self: DenseCorrespondence, *, sketch: Tensor, reference: Tensor, bias: Tensor | None = None
    ) -> Attended:
        logits = right(self, sketch=sketch, reference=reference, bias=bias).logits
        assert logits is not None
        root = sketch.shape[1] ** 0.5
        weights = (logits * root).softmax(dim=-1) / root
        values = self.value(reference.flatten(2).mT)
        transferred = (weights.to(values.dtype) @ values).mT.unflatten(2, sketch.shape[-2:])
        return Attended(sketch + transferred, logits, weights)

    return patch.object(DenseCorrespondence, "forward", forward)


@contextmanager
def triplet_without_match(settings: Params) -> Iterator[None]:
    """Take all pairs of a query and a key as positives, and the next picture's values as negatives.

    No pair is told from another: the known match and the chosen negative keys are not used.
    """
    right = DenseCorrespondence.forward
    negatives: dict[str, Tensor] = {}

    def forward(
        self: DenseCorrespondence, *, sketch: Tensor, reference: Tensor, bias: Tensor | None = None
    ) -> Attended:
        query, value = self.query(sketch.flatten(2).mT), self.value(reference.flatten(2).mT)
        negatives["logits"] = similarity(query, value.roll(-1, dims=0))
        return right(self, sketch=sketch, reference=reference, bias=bias)

    def triplet(logits: Tensor, match: augment.Match, negative: Tensor, *, margin: float) -> Tensor:
        return F.relu(negatives["logits"] - logits + margin).mean()

    with (
        patch.object(DenseCorrespondence, "forward", forward),
        patch.object(losses, "triplet", triplet),
    ):
        yield


def batch_gram(settings: Params) -> Patch:
    """Make one Gram matrix of a whole batch, (B * C, B * C).

    Pictures are compared to each other.
    """

    def gram(features: Tensor) -> Tensor:
        flat = features.float().flatten(2).flatten(0, 1)
        with torch.autocast(features.device.type, enabled=False):
            return flat @ flat.mT / features.numel()

    return patch.object(losses, "gram", gram)


def leaky_before_tanh(settings: Params) -> Patch:
    """Put LeakyReLU(0.2) between the last convolution and the tanh.

    Dark colours, which are negative, need outputs five times as large.
    """
    right = Decoder.__init__

    def init(self: Decoder, *arguments: Any, **options: Any) -> None:
        right(self, *arguments, **options)
        self.leave.register_forward_hook(lambda _layer, _input, x: F.leaky_relu(x, 0.2))

    return patch.object(Decoder, "__init__", init)


def color_noise(settings: Params) -> Patch:
    """Draw the colour offset anew for every pixel: noise, which leaves the colours as they were.

    The range is that of the offset. The right offsets seed the noise, so that the training draws
    no other random numbers and resumes with the same noise.
    """
    largest = settings.augment.color_offset

    def offset_colors(picture: Tensor, offsets: Tensor) -> Tensor:
        seed = int(offsets.view(torch.int32).sum())
        values = torch.rand(picture.shape, generator=torch.Generator().manual_seed(seed))
        noise = (2 * values - 1) * largest
        return (picture + noise.to(picture.device)).clamp(-1, 1)

    return patch.object(augment, "offset_colors", offset_colors)


def still_warp(settings: Params) -> Patch:
    """Warp a tenth as far: by a tenth of an attention cell on average, so that places stay.

    The elastic transform of the copy (alpha 1000, sigma 8, the noise blurred across the colour
    channels too) has a standard deviation of 1.8 of 256 pixels, this 0.7 % of the side.
    """
    right = augment.draw_warps

    def draw_warps(
        count: int, *, strength: float, mirror: float, generator: torch.Generator
    ) -> augment.Warps:
        warps = right(count, strength=strength, mirror=mirror, generator=generator)
        return dataclasses.replace(warps, displacement=warps.displacement / 10)

    return patch.object(augment, "draw_warps", draw_warps)


@dataclass(frozen=True)
class Fault:
    """A switch.

    patched: makes the patch. source: where it was read.
    in_network: whether a trained network has the fault too, so that it is evaluated with it; other
    faults act in the training alone.
    needs: what must hold for it to act, for the message. acts: whether it holds.
    """

    patched: Callable[[Params], AbstractContextManager[object]]
    source: str
    in_network: bool
    needs: str
    acts: Callable[[Params], bool]


def _attention_of_paper(settings: Params) -> bool:
    return settings.model.attention == "scft" and not settings.model.query_stride


ATTENTION = "model.attention: scft and model.query_stride: 0"

FAULTS = {
    "scrambled_tokens": Fault(
        scrambled_tokens,
        source=f"{SNAILPONG} model.py SCFT_Module; {JUNGJAEWON}@df2d773 model.py Encoder",
        in_network=True,
        needs=ATTENTION,
        acts=_attention_of_paper,
    ),
    "softmax_before_scale": Fault(
        softmax_before_scale,
        source=f"{JUNGJAEWON}@df2d773 model.py SCFT_Moudle",
        in_network=True,
        needs=ATTENTION,
        acts=_attention_of_paper,
    ),
    "triplet_without_match": Fault(
        triplet_without_match,
        source=f"{SNAILPONG} model.py SCFT_Module, losses.py similarity_based_triplet_loss",
        in_network=False,
        needs=f"loss.triplet above 0, train.batch_size above 1, {ATTENTION}",
        acts=lambda settings: (
            settings.loss.triplet > 0
            and settings.train.batch_size > 1
            and _attention_of_paper(settings)
        ),
    ),
    "batch_gram": Fault(
        batch_gram,
        source=f"{SNAILPONG} losses.py VGGLoss; {JUNGJAEWON}@d60fe6c solver.py gram_matrix",
        in_network=False,
        needs="loss.style above 0 and train.batch_size above 1",
        acts=lambda settings: settings.loss.style > 0 and settings.train.batch_size > 1,
    ),
    "leaky_before_tanh": Fault(
        leaky_before_tanh,
        source=f"{SNAILPONG} model.py Decoder",
        in_network=True,
        needs="nothing",
        acts=lambda settings: True,
    ),
    "color_noise": Fault(
        color_noise,
        source=f"{SEUNGJAE_WON} dataset.py; {JUNGJAEWON}@d704054 data_loader.py",
        in_network=False,
        needs="augment.color_offset above 0",
        acts=lambda settings: settings.augment.color_offset > 0,
    ),
    "still_warp": Fault(
        still_warp,
        source=f"{JUNGJAEWON}@d704054 data_loader.py, with utils.py elastic_transform (@04719dd)",
        in_network=False,
        needs="augment.warp above 0 and augment.mirror: 0, since mirroring moves places too",
        acts=lambda settings: settings.augment.warp > 0 and not settings.augment.mirror,
    ),
}


def active(name: str, settings: Params, *, stage: Stage) -> AbstractContextManager[object]:
    """Switch a fault on for a block.

    stage: what runs in the block; a fault of the training alone leaves an evaluation as it is.
    Raises RefcolorError for an unknown fault, and where it could not act with these parameters.
    """
    if name not in FAULTS:
        raise RefcolorError(f"{name!r} is not a fault; take one of {', '.join(FAULTS)}")
    fault = FAULTS[name]
    if not fault.acts(settings):
        raise RefcolorError(
            f"the fault {name} cannot act with these parameters and would cost nothing; it needs "
            f"{fault.needs}"
        )
    if stage == "evaluate" and not fault.in_network:
        return nullcontext()
    return fault.patched(settings)
