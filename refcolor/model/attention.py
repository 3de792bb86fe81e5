"""Attention from sketch to reference: eq. 2 to 4 of the paper, and alternatives.

Tokens are positions: (B, D, h, w) becomes (B, h * w, D) by moving an axis, not by `view`.
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from refcolor.model.blocks import Norm


@dataclass(frozen=True)
class Attended:
    """The output of an attention module.

    features: (B, D, h, w), input of the trunk.
    logits: (B, N_s, N_r) float32, similarity plus bias; None without attention.
    weights: (B, N_s, N_r) float32, softmax of the logits over the keys; None without attention.
    """

    features: Tensor
    logits: Tensor | None = None
    weights: Tensor | None = None


class DenseCorrespondence(nn.Module):
    """SCFT: cross-attention of sketch positions to reference positions, eq. 2 to 4."""

    def __init__(self, channels: int) -> None:
        """W_q, W_k and W_v are square and without bias.

        The initialisation is orthogonal: with torch's default all keys are nearly equal.
        """
        super().__init__()
        self.query = nn.Linear(channels, channels, bias=False)
        self.key = nn.Linear(channels, channels, bias=False)
        self.value = nn.Linear(channels, channels, bias=False)
        for layer in (self.query, self.key, self.value):
            nn.init.orthogonal_(layer.weight)

    def forward(self, *, sketch: Tensor, reference: Tensor, bias: Tensor | None = None) -> Attended:
        """Attend to the reference and add the result to the sketch features.

        sketch, reference: (B, D, h, w); the two may differ in h and w.
        bias: (N_s, N_r) float32, added to the logits of every picture of the batch.
        """
        cells = sketch.shape[-2:]
        v_s, v_r = sketch.flatten(2).mT, reference.flatten(2).mT
        logits = biased(similarity(self.query(v_s), self.key(v_r)), bias)
        weights = logits.softmax(dim=-1)
        transferred = weights.to(v_r.dtype) @ self.value(v_r)
        return Attended((v_s + transferred).mT.unflatten(2, cells), logits, weights)


class ProjectedCorrespondence(nn.Module):
    """Maps of two sizes and widths, compared and carried in few channels.

    Beyond the paper: its W_q, W_k and W_v are square, and what they carry is added to the sketch's
    features. Here it stands beside them.
    """

    def __init__(self, *, sketch: int, reference: int, channels: int) -> None:
        """sketch, reference: channels of the two maps; channels: of queries, keys and values."""
        super().__init__()
        self.query = nn.Linear(sketch, channels, bias=False)
        self.key = nn.Linear(reference, channels, bias=False)
        self.value = nn.Linear(reference, channels, bias=False)
        for layer in (self.query, self.key, self.value):
            nn.init.orthogonal_(layer.weight)

    def forward(self, *, sketch: Tensor, reference: Tensor, bias: Tensor | None = None) -> Attended:
        """Put what sketch positions receive beside their features.

        sketch: (B, D_s, h, w), reference: (B, D_r, h', w').
        bias: (N_s, N_r) float32, added to the logits of every picture of the batch.
        """
        positions = reference.flatten(2).mT
        logits = biased(similarity(self.query(sketch.flatten(2).mT), self.key(positions)), bias)
        weights = logits.softmax(dim=-1)
        values = self.value(positions)
        received = (weights.to(values.dtype) @ values).mT.unflatten(2, sketch.shape[-2:])
        return Attended(torch.cat([sketch, received], dim=1), logits, weights)


class StopGradientAttention(nn.Module):
    """SGA: the attention weights transfer features, and losses on the picture do not train them.

    A cross block attends to the reference, a self block to its result. `logits` are those of the
    cross block before the stop-gradient, so the triplet and match terms train them as in SCFT.

    As in the authors' code (their README and SGA_code): attention on the features themselves,
    softmax over the keys and then normalisation over the queries, the blocks and their order.
    Different: S(q, k) of SCFT with the factor 1 / sqrt(d), because their plain product is nearly
    one-hot from the first step on and margin 12 would have another scale; W_q and W_k, initialised
    as identity and trained only by triplet and match: without these terms the logits are theirs up
    to the scale; orthogonal block weights, as in SCFT; `model.norm` instead of their batch norm.
    Reference: Li, Geng, Kang, Chen, Yang: Eliminating Gradient Conflict in Reference-based Line-Art
    Colorization, ECCV 2022 (arXiv 2207.06095).
    """

    def __init__(self, channels: int, *, norm: Norm) -> None:
        """norm: the last layer of each block."""
        super().__init__()
        self.query = nn.Linear(channels, channels, bias=False)
        self.key = nn.Linear(channels, channels, bias=False)
        for layer in (self.query, self.key):
            nn.init.eye_(layer.weight)
        self.cross_block = StopGradientBlock(channels, norm=norm)
        self.self_block = StopGradientBlock(channels, norm=norm)

    def forward(self, *, sketch: Tensor, reference: Tensor, bias: Tensor | None = None) -> Attended:
        """Attend from the sketch to the reference, then from the result to itself.

        sketch, reference: (B, D, h, w); the two may differ in h and w.
        bias: (N_s, N_r) float32, added to the logits of the cross block.
        """
        cells = sketch.shape[-2:]
        v_s, v_r = sketch.flatten(2).mT, reference.flatten(2).mT
        logits = biased(similarity(self.query(v_s), self.key(v_r)), bias)
        crossed = self.cross_block(v_s, v_r, logits)
        mixed = self.self_block(crossed, crossed, similarity(crossed, crossed))
        return Attended(mixed.mT.unflatten(2, cells), logits, logits.softmax(dim=-1))


class StopGradientBlock(nn.Module):
    """Z = X + norm(leaky(W_x X) + A leaky(W_y Y)), no gradient through A."""

    def __init__(self, channels: int, *, norm: Norm) -> None:
        """W_x and W_y are square, with bias."""
        super().__init__()
        self.own = nn.Linear(channels, channels)
        self.other = nn.Linear(channels, channels)
        for layer in (self.own, self.other):
            nn.init.orthogonal_(layer.weight)
        self.norm = norm(channels)

    def forward(self, x: Tensor, y: Tensor, logits: Tensor) -> Tensor:
        """Attend from x to y.

        x: (B, N_x, D), y: (B, N_y, D), logits: (B, N_x, N_y).  Returns (B, N_x, D).
        """
        received = twice_normalized(logits.detach()).to(y.dtype) @ F.leaky_relu(self.other(y), 0.2)
        change = received + F.leaky_relu(self.own(x), 0.2)
        # The norms of `blocks` take maps: the positions become a column.
        normalized: Tensor = self.norm(change.mT.unsqueeze(3)).squeeze(3).mT
        return x + normalized


def similarity(q: Tensor, k: Tensor) -> Tensor:
    """Compute S(q, k) = q.k / sqrt(d) in float32, for the attention and for eq. 5.

    q: (B, N_q, D), k: (B, N_k, D).  Returns (B, N_q, N_k).
    """
    with torch.autocast(q.device.type, enabled=False):
        logits: Tensor = (q.float() * q.shape[-1] ** -0.5) @ k.float().mT
    return logits


def biased(logits: Tensor, bias: Tensor | None) -> Tensor:
    """Add a bias to the logits; None returns them unchanged.

    logits: (B, N_s, N_r) float32.  bias: (N_s, N_r) float32.
    Raises ValueError for a bias of another shape, which might broadcast.
    """
    if bias is None:
        return logits
    if bias.shape != logits.shape[1:]:
        raise ValueError(
            f"bias must be {tuple(logits.shape[1:])}, sketch by reference positions, "
            f"got {tuple(bias.shape)}"
        )
    return logits + bias


def twice_normalized(logits: Tensor) -> Tensor:
    """Softmax over the keys, then normalise each key over the queries.

    logits: (B, N_q, N_k).  Returns the same shape; columns sum to 1, rows to N_k / N_q on average.
    """
    return F.normalize(logits.softmax(dim=-1), p=1, dim=-2)


class Concatenation(nn.Module):
    """The baseline without attention: a 1x1 convolution of concatenated features."""

    def __init__(self, channels: int) -> None:
        """channels: D of each input and of the result."""
        super().__init__()
        self.mix = nn.Conv2d(2 * channels, channels, 1)

    def forward(self, *, sketch: Tensor, reference: Tensor, bias: Tensor | None = None) -> Attended:
        """sketch, reference: (B, D, h, w).

        Raises ValueError when they differ in h and w, and for a bias: there are no logits.
        """
        if bias is not None:
            raise ValueError("bias needs attention, got model.attention none; leave it out")
        if sketch.shape[-2:] != reference.shape[-2:]:
            raise ValueError(
                "without attention sketch and reference must have the same size, got "
                f"{sketch.shape[-2]} x {sketch.shape[-1]} and "
                f"{reference.shape[-2]} x {reference.shape[-1]} positions; resize one of them"
            )
        return Attended(self.mix(torch.cat([sketch, reference], dim=1)))


def build_attention(
    kind: Literal["scft", "sga", "none"], channels: int, *, norm: Norm
) -> DenseCorrespondence | StopGradientAttention | Concatenation:
    """Make the module for `model.attention`, with random weights from torch's global generator."""
    match kind:
        case "scft":
            return DenseCorrespondence(channels)
        case "sga":
            return StopGradientAttention(channels, norm=norm)
        case "none":
            return Concatenation(channels)
