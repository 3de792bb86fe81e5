"""How colours of the reference reach places of the sketch: eq. 2 to 4 of the paper."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Attended:
    """What the decoder's trunk starts from.

    features: (B, D, h, w).
    logits: (B, N_s, N_r) float32, the similarity before the softmax; None without attention.
    """

    features: Tensor
    logits: Tensor | None


class DenseCorrespondence(nn.Module):
    """SCFT: every sketch position takes a mixture of all reference positions, eq. 2 to 4.

    Tokens are positions: (B, D, h, w) becomes (B, h * w, D) by moving an axis, never by reshaping.
    """

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
        self.scale: float = channels**-0.5

    def forward(self, *, sketch: Tensor, reference: Tensor) -> Attended:
        """Transfer reference features to sketch positions and add them.

        sketch, reference: (B, D, h, w); the two may differ in h and w.
        """
        cells = sketch.shape[-2:]
        v_s, v_r = sketch.flatten(2).mT, reference.flatten(2).mT
        logits = self.similarity(self.query(v_s), self.key(v_r))
        attention = logits.softmax(dim=-1)
        transferred = attention.to(v_r.dtype) @ self.value(v_r)
        return Attended(features=(v_s + transferred).mT.unflatten(2, cells), logits=logits)

    def similarity(self, q: Tensor, k: Tensor) -> Tensor:
        """S(q, k) = q.k / sqrt(d) in float32, the one measure of attention and of eq. 5."""
        with torch.autocast(q.device.type, enabled=False):
            logits: Tensor = (q.float() * self.scale) @ k.float().mT
        return logits


class Concatenation(nn.Module):
    """The baseline without attention: features of the same place, side by side, mixed by 1x1."""

    def __init__(self, channels: int) -> None:
        """Two times D channels become D."""
        super().__init__()
        self.mix = nn.Conv2d(2 * channels, channels, 1)

    def forward(self, *, sketch: Tensor, reference: Tensor) -> Attended:
        """sketch, reference: (B, D, h, w).

        Raises ValueError when they differ in h and w.
        """
        if sketch.shape[-2:] != reference.shape[-2:]:
            raise ValueError(
                "without attention sketch and reference must have one size, got "
                f"{sketch.shape[-2]} x {sketch.shape[-1]} and "
                f"{reference.shape[-2]} x {reference.shape[-1]} positions; resize one of them"
            )
        return Attended(features=self.mix(torch.cat([sketch, reference], dim=1)), logits=None)


ATTENTIONS: dict[str, type[DenseCorrespondence] | type[Concatenation]] = {
    "scft": DenseCorrespondence,
    "none": Concatenation,
}
