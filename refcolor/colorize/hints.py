"""Point hints: a point of the drawing, and where its colour comes from.

A pair with a point of the reference is a bias on the attention logits, a Gaussian around the query
and the key, so that it works with a trained model without further training; a whole panel takes its
colours from one of several references in the same way. A colour is laid over the model's, on the
whole region of the point; see `look`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from refcolor.colorize.placement import Placement
from refcolor.errors import RefcolorError, UsageError
from refcolor.io.image import Picture, Unit

# The logits of a row of a trained model differ by up to 50: with 100 the hint's key always wins.
STRENGTH = 100.0
# Cells of the reference; the bias at 2 cells is a tenth of that at 1 cell, too small to win.
SIGMA = 0.75

_NUMBER = r"\s*(\d+(?:\.\d+)?)\s*"
_MATCH = re.compile(rf"{_NUMBER},{_NUMBER}=(?:\s*([1-9]\d*)\s*:)?{_NUMBER},{_NUMBER}")
_COLOR = re.compile(rf"{_NUMBER},{_NUMBER}=\s*(#[0-9a-fA-F]{{6}})\s*")
_PANEL = re.compile(rf"{_NUMBER},{_NUMBER}=\s*([1-9]\d*)\s*")
_SPOT = re.compile(rf"{_NUMBER},{_NUMBER}")


@dataclass(frozen=True)
class PointMatch:
    """The point (x, y) of a drawing takes the colour of the point (u, v) of a reference.

    In pixels of the original pictures, from the upper left corner; reference counts from 0.
    """

    x: float
    y: float
    u: float
    v: float
    reference: int = 0

    def __str__(self) -> str:
        """Return the text that `parse_match` reads."""
        return f"{self.x:g},{self.y:g}={self.reference + 1}:{self.u:g},{self.v:g}"


@dataclass(frozen=True)
class PanelMatch:
    """The panel at the point (x, y) of a drawing takes its colours from a reference alone.

    reference counts from 0. A drawing without panels is a panel.
    """

    x: float
    y: float
    reference: int

    def __str__(self) -> str:
        """Return the text that `parse_match` reads."""
        return f"{self.x:g},{self.y:g}={self.reference + 1}"


@dataclass(frozen=True)
class PointColor:
    """The region at the point (x, y) of a drawing, in its pixels, takes a colour.

    color: #rrggbb, or None for a region that stays paper.
    """

    x: float
    y: float
    color: str | None

    def __str__(self) -> str:
        """Return the option of the command that says the same."""
        point = f"{self.x:g},{self.y:g}"
        return f"keep {point}" if self.color is None else f"match {point}={self.color}"

    @property
    def rgb(self) -> Picture:
        """The colour: (3,) uint8. Raises ValueError where there is none."""
        if self.color is None:
            raise ValueError(f"{self} has no colour, its region stays paper")
        return np.frombuffer(bytes.fromhex(self.color.removeprefix("#")), np.uint8)


Hint: TypeAlias = PointMatch | PointColor
Match: TypeAlias = PointMatch | PanelMatch


def parse_keep(text: str) -> PointColor | None:
    """Parse `X,Y`, the spot of a region that stays paper; None for another text."""
    numbers = _SPOT.fullmatch(text)
    return numbers and PointColor(float(numbers[1]), float(numbers[2]), None)


def parse_match(text: str) -> Hint | Match:
    """Parse `X,Y=U,V`, `X,Y=N:U,V` for the N-th of several references, `X,Y=#rrggbb`, or `X,Y=N`.

    References are counted from 1. Raises UsageError that describes the format.
    """
    color = _COLOR.fullmatch(text)
    if color:
        return PointColor(float(color[1]), float(color[2]), color[3])
    panel = _PANEL.fullmatch(text)
    if panel:
        return PanelMatch(float(panel[1]), float(panel[2]), int(panel[3]) - 1)
    numbers = _MATCH.fullmatch(text)
    if numbers is None:
        raise UsageError(
            f"a match reads X,Y=U,V in pixels, the spot of the sketch and then that of the "
            f"reference, X,Y=N:U,V for the N-th of several references, X,Y=#rrggbb for any "
            f"colour, or X,Y=N for a panel after the N-th reference; got {text!r}"
        )
    x, y, number, u, v = numbers.groups()
    return PointMatch(float(x), float(y), float(u), float(v), int(number or 1) - 1)


def logit_bias(
    matches: Sequence[Match], sketch: Placement, references: Sequence[Placement]
) -> Unit | None:
    """Compute the bias of the attention logits for matches; None without matches.

    Returns (N_s, N_r) float32, N_r being the cells of all references, one after another:
    STRENGTH exp(-(d_s^2 + d_r^2) / 2 SIGMA^2) with the distances d from the match's query and
    key, both in cells of the reference; the maximum over the matches. A match of a panel adds
    STRENGTH to all keys of its reference.
    Raises RefcolorError for a point outside of its picture and for a reference that does not exist.
    """
    if not matches:
        return None
    total = np.zeros((sketch.count, 0), np.float32)
    for number, reference in enumerate(references):
        part = np.zeros((len(total), reference.count), np.float32)
        for match in matches:
            _check(match, sketch, references)
            if isinstance(match, PointMatch) and match.reference == number:
                query = _gaussian(sketch, match.x, match.y, cell=reference.stride)
                key = _gaussian(reference, match.u, match.v, cell=reference.stride)
                np.maximum(part, STRENGTH * np.outer(query, key), out=part)
        if any(isinstance(match, PanelMatch) and match.reference == number for match in matches):
            part += STRENGTH
        total = np.concatenate([total, part], axis=1)
    return total


def _gaussian(placement: Placement, x: float, y: float, *, cell: int) -> npt.NDArray[np.float32]:
    """Return a Gaussian over the cells, 1 at the cell of the point: (count,) float32.

    cell: SIGMA is in cells of that many pixels.
    """
    row, column = divmod(placement.cell_at(x, y), placement.columns)
    rows, columns = np.arange(placement.rows) - row, np.arange(placement.columns) - column
    squared_distance = rows[:, None] ** 2 + columns**2
    sigma = SIGMA * cell / placement.stride
    return np.exp(-squared_distance / (2 * sigma**2)).astype(np.float32).ravel()


def _check(match: Match, sketch: Placement, references: Sequence[Placement]) -> None:
    if not match.reference < len(references):
        raise RefcolorError(
            f"match {match} names reference {match.reference + 1}, but there "
            f"{'is' if len(references) == 1 else 'are'} {len(references)}; count from 1"
        )
    points = [("sketch", sketch, match.x, match.y)]
    if isinstance(match, PointMatch):
        points.append(("reference", references[match.reference], match.u, match.v))
    for name, placement, x, y in points:
        if not placement.contains(x, y):
            raise RefcolorError(
                f"match {match}: {x:g},{y:g} lies outside of the {name}, which is "
                f"{placement.width} x {placement.height} pixels; count from its upper left corner"
            )
