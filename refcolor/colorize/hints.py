"""Point hints: this spot of the drawing takes its colour from that spot of the reference.

A hint is a bonus on the attention logits, largest for the two cells and smooth around them, so
that a trained model takes it without any training.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from refcolor.colorize.placement import Placement
from refcolor.errors import RefcolorError
from refcolor.io.image import Unit

# The logits of one row of a trained model lie up to 50 apart: with 100 the match's key always wins.
STRENGTH = 100.0
# Cells. Two cells away a tenth of the bonus of one cell's distance is left, which no longer wins.
SIGMA = 0.75

_NUMBER = r"\s*(\d+(?:\.\d+)?)\s*"
_MATCH = re.compile(rf"{_NUMBER},{_NUMBER}=(?:\s*([1-9]\d*)\s*:)?{_NUMBER},{_NUMBER}")


@dataclass(frozen=True)
class PointMatch:
    """The spot (x, y) of a drawing takes the colour of the spot (u, v) of a reference.

    In pixels of the original pictures, from the upper left; reference counts from 0.
    """

    x: float
    y: float
    u: float
    v: float
    reference: int = 0

    def __str__(self) -> str:
        """Write it as `parse_match` reads it."""
        return f"{self.x:g},{self.y:g}={self.reference + 1}:{self.u:g},{self.v:g}"


def parse_match(text: str) -> PointMatch:
    """Read `X,Y=U,V`, or `X,Y=N:U,V` for the N-th of several references, counted from 1.

    Raises ValueError that says what to write.
    """
    numbers = _MATCH.fullmatch(text)
    if numbers is None:
        raise ValueError(
            f"a match reads X,Y=U,V in pixels, the spot of the sketch and then that of the "
            f"reference, or X,Y=N:U,V for the N-th of several references; got {text!r}"
        )
    x, y, number, u, v = numbers.groups()
    return PointMatch(float(x), float(y), float(u), float(v), int(number or 1) - 1)


def bonus(
    matches: Sequence[PointMatch], sketch: Placement, references: Sequence[Placement]
) -> Unit | None:
    """Turn matches into the bias of the attention logits; None when there are none.

    Returns (N_s, N_r) float32, N_r being the cells of all references, one after another:
    STRENGTH exp(-(d_s^2 + d_r^2) / 2 SIGMA^2) with d in cells from the match's query and key; the
    largest where several matches reach.
    Raises RefcolorError for a spot outside of its picture and for a reference that is not there.
    """
    if not matches:
        return None
    total = np.zeros((sketch.count, 0), np.float32)
    for number, reference in enumerate(references):
        part = np.zeros((len(total), reference.count), np.float32)
        for match in matches:
            _check(match, sketch, references)
            if match.reference == number:
                query = _around(sketch, match.x, match.y)
                key = _around(reference, match.u, match.v)
                np.maximum(part, STRENGTH * np.outer(query, key), out=part)
        total = np.concatenate([total, part], axis=1)
    return total


def _around(placed: Placement, x: float, y: float) -> npt.NDArray[np.float32]:
    """Give 1 to the cell of a place, and to the others by their distance in cells."""
    row, column = divmod(placed.cell_at(x, y), placed.columns)
    down, right = np.arange(placed.rows) - row, np.arange(placed.columns) - column
    distance = down[:, None] ** 2 + right**2
    return np.exp(-distance / (2 * SIGMA**2)).astype(np.float32).ravel()


def _check(match: PointMatch, sketch: Placement, references: Sequence[Placement]) -> None:
    if not match.reference < len(references):
        raise RefcolorError(
            f"match {match} names reference {match.reference + 1}, but there "
            f"{'is' if len(references) == 1 else 'are'} {len(references)}; count from 1"
        )
    reference = references[match.reference]
    for name, placed, x, y in (
        ("sketch", sketch, match.x, match.y),
        ("reference", reference, match.u, match.v),
    ):
        if not placed.holds(x, y):
            raise RefcolorError(
                f"match {match}: {x:g},{y:g} lies outside of the {name}, which is "
                f"{placed.width} x {placed.height} pixels; count from its upper left corner"
            )
