"""What a Colorizer asks of the program that runs its generator, torch or onnxruntime."""

from collections.abc import Sequence
from typing import Protocol

from refcolor.io.image import Picture, Unit
from refcolor.params import ModelParams


class Network(Protocol):
    """A generator on pictures.

    model: its parameters. size: side of its training pictures in pixels.
    """

    model: ModelParams
    size: int

    def __call__(
        self,
        sketches: Picture,
        references: Sequence[Picture],
        *,
        bias: Unit | None,
        with_weights: bool,
    ) -> tuple[Picture, Unit | None]:
        """Colour sketches after their references.

        sketches: (B, H, W, 1) uint8. references: (B, H', W', 3) uint8 each.
        bias: (N_s, N_r) float32, added to the attention logits.
        with_weights: whether to return the attention weights too.
        Returns (B, H, W, 3) uint8 and (B, N_s, N_r) float32, None without attention.
        """
