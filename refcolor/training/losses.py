"""The loss terms of the paper, eq. 5 to 9: pure, unweighted, batch means.

Pictures are (B, 3, H, W) in [-1, 1]. Lists of features come from the frozen VGG-19 of `vgg`.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from refcolor.training.augment import Match


def reconstruction(prediction: Tensor, target: Tensor) -> Tensor:
    """Eq. 6: mean absolute error. (B, 3, H, W) each."""
    return F.l1_loss(prediction, target)


def adversarial_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Eq. 7, the discriminator's side: 1/2 [(D(real) - 1)^2 + D(fake)^2]."""
    return 0.5 * ((real.float() - 1).square().mean() + fake.float().square().mean())


def adversarial_generator(fake: Tensor) -> Tensor:
    """Eq. 7, the generator's side: (D(fake) - 1)^2."""
    return (fake.float() - 1).square().mean()


def perceptual(prediction: Sequence[Tensor], target: Sequence[Tensor]) -> Tensor:
    """Eq. 8: mean absolute feature difference of each layer, summed over the layers."""
    terms = [MeanDifference.apply(x, y) for x, y in zip(prediction, target, strict=True)]
    return torch.stack(terms).sum()


class MeanDifference(torch.autograd.Function):
    """Mean absolute difference of two tensors of one shape, in float32.

    The difference itself keeps the precision of the tensors. For the largest maps of VGG-19 the
    float32 copies of `F.l1_loss` take as long as the convolutions.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
        """Save the difference, whose signs the gradient needs."""
        difference = x - y
        ctx.save_for_backward(difference)
        return difference.abs().sum(dtype=torch.float32) / difference.numel()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Return the gradients of both tensors, which have opposite signs."""
        (difference,), (gradient,) = ctx.saved_tensors, gradients
        x = difference.sign().mul_(gradient / difference.numel())
        return x, -x if ctx.needs_input_grad[1] else None


def gram(features: Tensor) -> Tensor:
    """Gram matrix of each picture: (B, C, H, W) -> (B, C, C) float32, divided by C * H * W."""
    channels, height, width = features.shape[1:]
    flat = features.float().flatten(2)
    with torch.autocast(features.device.type, enabled=False):
        return flat @ flat.mT / (channels * height * width)


def style(prediction: Tensor, target: Tensor) -> Tensor:
    """Eq. 9: mean absolute difference of the Gram matrices of one layer (relu5_1)."""
    return F.l1_loss(gram(prediction), gram(target))


def choose_negatives(match: Match, uniform: Tensor, *, cells: tuple[int, int]) -> Tensor:
    """Choose the negative key of each query at random among keys more than one cell from the match.

    uniform: (B, N_s) float32 in [0, 1), selects among those keys.
    cells: (rows, columns) of the reference; with no such key any key is chosen.
    Returns (B, N_s) int64. The distance is Chebyshev's.
    """
    rows, columns = cells
    row, column = match.key // columns, match.key % columns
    left = (column - 1).clamp_min(0)
    width = (column + 2).clamp_max(columns) - left
    height = (row + 2).clamp_max(rows) - (row - 1).clamp_min(0)
    # The n-th key outside the block of 3 x 3 keys: step over the block in each of its rows.
    negative = (uniform * (rows * columns - width * height)).long()
    for block_row in (row - 1, row, row + 1):
        start = block_row * columns + left
        behind = (negative >= start) & (block_row >= 0) & (block_row < rows)
        negative = torch.where(behind, negative + width, negative)
    return negative.clamp_max(rows * columns - 1)


def triplet(logits: Tensor, match: Match, negative: Tensor, *, margin: float) -> Tensor:
    """Eq. 5: mean over known queries of max(0, S(q, k_neg) - S(q, k_pos) + margin).

    logits: (B, N_s, N_r) attention logits, negative: (B, N_s) keys. 0 without any known query.
    """
    positive_logits = logits.gather(2, match.key[..., None]).squeeze(2)
    negative_logits = logits.gather(2, negative[..., None]).squeeze(2)
    return _mean_over_known(F.relu(negative_logits - positive_logits + margin), match)


def match(logits: Tensor, match: Match) -> Tensor:
    """Cross-entropy over the keys against the known match, a softer eq. 5."""
    return _mean_over_known(F.cross_entropy(logits.mT, match.key, reduction="none"), match)


def _mean_over_known(values: Tensor, match: Match) -> Tensor:
    return torch.where(match.known, values, 0.0).sum() / match.known.sum().clamp_min(1)
