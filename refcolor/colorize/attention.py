"""The attention of a coloured drawing, in pixel coordinates of its pictures."""

from dataclasses import dataclass

import numpy as np

from refcolor.colorize.placement import Placement
from refcolor.io.image import Unit
from refcolor.lines.frames import Framing


@dataclass(frozen=True)
class Attention:
    """The attention weights between the cells of a sketch, or a panel of it, and its references.

    weights: (N_s, N_r) float32, each row sums to 1; N_r are the cells of all references, one
        reference after another. None for a model without attention, where not requested, and for
        a page whose panels have too many cells.
    sketch, references: the placement of the pictures on the cells.
    framing: the part of the drawing.
    """

    weights: Unit | None
    sketch: Placement
    references: tuple[Placement, ...]
    framing: Framing

    def attention_at(self, x: float, y: float) -> list[Unit]:
        """Return the weights of the query at the point (x, y) of the sketch.

        Returns (rows, columns) float32 for each reference; together they sum to 1.
        Raises ValueError for a point outside of the sketch and when there are no weights.
        """
        if self.weights is None:
            raise ValueError("there are no attention weights; the model was trained without them")
        row = self.weights[self.sketch.cell_at(x, y)]
        ends = np.cumsum([placement.count for placement in self.references])
        parts = np.split(row, ends[:-1])
        return [
            part.reshape(placement.rows, placement.columns)
            for part, placement in zip(parts, self.references, strict=True)
        ]
