"""How colours of the reference reach places of the sketch: eq. 2 to 4 of the paper, and others.

Tokens are positions: (B, D, h, w) becomes (B, h * w, D) by moving an axis, never by reshaping.
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from refcolor.model.blocks import Norm


@dataclass(frozen=True)
class Attended:
    """What the decoder's trunk starts from.

    features: (B, D, h, w).
    logits: (B, N_s, N_r) float32, what the softmax is taken of: the similarity, and the bias where
        there is one; None without attention.
    weights: (B, N_s, N_r) float32, the softmax of the logits over the keys; None without attention.
    """

    features: Tensor
    logits: Tensor | None = None
    weights: Tensor | None = None


class DenseCorrespondence(nn.Module):
    """SCFT: every sketch position takes a mixture of all reference positions, eq. 2 to 4."""

    def __init__(self, channels: int) -> None:
        """W_q, W_k and W_v are square and without bias.

        They start orthogonal: torch's default would start with all keys nearly alike.
        """
        super().__init__()
        self.query = nn.Linear(channels, channels, bias=False)
        self.key = nn.Linear(channels, channels, bias=False)
        self.value = nn.Linear(channels, channels, bias=False)
        for layer in (self.query, self.key, self.value):
            nn.init.orthogonal_(layer.weight)

    def forward(self, *, sketch: Tensor, reference: Tensor, bias: Tensor | None = None) -> Attended:
        """Transfer reference features to sketch positions and add them.

        sketch, reference: (B, D, h, w); the two may differ in h and w.
        bias: (N_s, N_r) float32, added to the logits of every picture of the batch.
        """
        cells = sketch.shape[-2:]
        v_s, v_r = sketch.flatten(2).mT, reference.flatten(2).mT
        logits = biased(similarity(self.query(v_s), self.key(v_r)), bias)
        weights = logits.softmax(dim=-1)
        transferred = weights.to(v_r.dtype) @ self.value(v_r)
        return Attended((v_s + transferred).mT.unflatten(2, cells), logits, weights)


class StopGradientAttention(nn.Module):
    """SGA: the map routes features from keys to queries, and no loss on the picture trains it.

    A cross block takes from the reference, a self block from its result. `logits` are those of the
    cross block before the gradient is stopped, so the triplet and match terms act as on SCFT.

    From the authors' code (their README and SGA_code): the map of the features themselves, softmax
    over the keys and then a division over the queries, the blocks and their order.
    Ours: S(q, k) of SCFT, which divides by sqrt(d): their plain product is nearly one-hot from the
    first step on, before any feature means anything, and margin 12 would mean another thing;
    W_q and W_k, the identity at first, which learn from triplet and match alone: without these
    terms the map is theirs but for the scale; orthogonal block weights, as SCFT has them;
    `model.norm` in the place of their batch norm.
    Reference: Li, Geng, Kang, Chen, Yang: Eliminating Gradient Conflict in Reference-based Line-Art
    Colorization, ECCV 2022 (arXiv 2207.06095).
    """

    def __init__(self, channels: int, *, norm: Norm) -> None:
        """norm: closes each block."""
        super().__init__()
        self.query = nn.Linear(channels, channels, bias=False)
        self.key = nn.Linear(channels, channels, bias=False)
        for layer in (self.query, self.key):
            nn.init.eye_(layer.weight)
        self.cross_block = StopGradientBlock(channels, norm=norm)
        self.self_block = StopGradientBlock(channels, norm=norm)

    def forward(self, *, sketch: Tensor, reference: Tensor, bias: Tensor | None = None) -> Attended:
        """Transfer reference features to sketch positions, then among these.

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
        """Give each position of x its share of all positions of y.

        x: (B, N_x, D), y: (B, N_y, D), logits: (B, N_x, N_y).  Returns (B, N_x, D).
        """
        received = twice_normalized(logits.detach()).to(y.dtype) @ F.leaky_relu(self.other(y), 0.2)
        change = received + F.leaky_relu(self.own(x), 0.2)
        # The norms of `blocks` are made for maps: all positions become one column.
        normalized: Tensor = self.norm(change.mT.unsqueeze(3)).squeeze(3).mT
        return x + normalized


def similarity(q: Tensor, k: Tensor) -> Tensor:
    """S(q, k) = q.k / sqrt(d) in float32, the one measure of attention and of eq. 5.

    q: (B, N_q, D), k: (B, N_k, D).  Returns (B, N_q, N_k).
    """
    with torch.autocast(q.device.type, enabled=False):
        logits: Tensor = (q.float() * q.shape[-1] ** -0.5) @ k.float().mT
    return logits


def biased(logits: Tensor, bias: Tensor | None) -> Tensor:
    """Add a bonus for chosen pairs of positions; without one the logits are returned as they are.

    logits: (B, N_s, N_r) float32.  bias: (N_s, N_r) float32.
    Raises ValueError for a bias of another shape: it would be spread over the wrong positions.
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
    """Softmax over the keys, then every key is shared out among the queries.

    logits: (B, N_q, N_k).  Returns the same shape; columns sum to 1, rows to N_k / N_q on average.
    """
    return F.normalize(logits.softmax(dim=-1), p=1, dim=-2)


class Concatenation(nn.Module):
    """The baseline without attention: features of the same place, side by side, mixed by 1x1."""

    def __init__(self, channels: int) -> None:
        """Two times D channels become D."""
        super().__init__()
        self.mix = nn.Conv2d(2 * channels, channels, 1)

    def forward(self, *, sketch: Tensor, reference: Tensor, bias: Tensor | None = None) -> Attended:
        """sketch, reference: (B, D, h, w).

        Raises ValueError when they differ in h and w, and for a bias: there are no logits.
        """
        if bias is not None:
            raise ValueError("without attention there are no logits to put a bias on; leave it out")
        if sketch.shape[-2:] != reference.shape[-2:]:
            raise ValueError(
                "without attention sketch and reference must have one size, got "
                f"{sketch.shape[-2]} x {sketch.shape[-1]} and "
                f"{reference.shape[-2]} x {reference.shape[-1]} positions; resize one of them"
            )
        return Attended(self.mix(torch.cat([sketch, reference], dim=1)))


def build_attention(
    kind: Literal["scft", "sga", "none"], channels: int, *, norm: Norm
) -> DenseCorrespondence | StopGradientAttention | Concatenation:
    """Make what `model.attention` names, with fresh weights from torch's global random state."""
    match kind:
        case "scft":
            return DenseCorrespondence(channels)
        case "sga":
            return StopGradientAttention(channels, norm=norm)
        case "none":
            return Concatenation(channels)
