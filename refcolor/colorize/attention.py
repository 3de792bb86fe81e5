"""The attention of a coloured drawing, by the places of its pictures."""

from dataclasses import dataclass

import numpy as np

from refcolor.colorize.placement import Placement
from refcolor.io.image import Unit


@dataclass(frozen=True)
class Attention:
    """What each cell of the sketch took from where.

    weights: (N_s, N_r) float32, each row sums to 1; the cells of the references stand one reference
        after another in N_r. None for a model without attention, and where they were left out.
    sketch, references: which cell shows which place of the pictures.
    """

    weights: Unit | None
    sketch: Placement
    references: tuple[Placement, ...]

    def attention_at(self, x: float, y: float) -> list[Unit]:
        """Give how much the spot (x, y) of the sketch takes from each cell of each reference.

        Returns (rows, columns) float32 for each reference; together they sum to 1.
        Raises ValueError for a spot outside of the sketch and when there are no weights.
        """
        if self.weights is None:
            raise ValueError("there is no attention to look into; the model was trained without it")
        row = self.weights[self.sketch.cell_at(x, y)]
        ends = np.cumsum([place.count for place in self.references])
        parts = np.split(row, ends[:-1])
        return [
            part.reshape(place.rows, place.columns)
            for part, place in zip(parts, self.references, strict=True)
        ]
