"""A canvas of tones: outlines are filled, stroked and shaded; colours are looked up later."""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from refcolor.characters.curves import Pointlike, Points, move, ribbon, rotate
from refcolor.characters.palette import BACKGROUND, BASE, INK, SHADE, TONES_PER_PART

# Widths are in hundredths of the picture's side: 0.39 is one pixel at 256.
LINE = 0.62
THIN = 0.44

Tones = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Frame:
    """A coordinate frame on the picture, in hundredths of its side."""

    x: float
    y: float
    scale: float
    angle: float  # degrees, clockwise
    pivot: tuple[float, float] = (0.0, 0.0)  # centre of the rotation in frame coordinates

    def place(self, points: Pointlike) -> Points:
        """Transform frame coordinates into picture coordinates."""
        right, down = self.pivot
        turned = move(rotate(move(points, -right, -down), self.angle), right, down)
        return move(turned * self.scale, self.x, self.y)


@dataclass(frozen=True, slots=True)
class Pen:
    """Draws in frame coordinates on a canvas of tones, (side, side) uint8."""

    canvas: Tones
    frame: Frame

    def fill(self, outline: Pointlike, tone: int, *, ink: float = LINE) -> None:
        """Fill a closed outline and draw its line of width `ink`; 0 draws no line."""
        points = self._pixels(outline)
        cv2.fillPoly(self.canvas, [points], tone)
        if ink:
            cv2.polylines(self.canvas, [points], True, _ink(tone), self._thickness(ink))

    def line(self, curve: Pointlike, tone: int, *, width: float = LINE) -> None:
        """Draw an open line of constant width."""
        thickness = self._thickness(width)
        cv2.polylines(self.canvas, [self._pixels(curve)], False, tone, thickness)

    def taper(
        self, curve: Pointlike, tone: int, *, widths: tuple[float, ...] = (THIN, 0.0)
    ) -> None:
        """Draw an open line whose width is interpolated through `widths`."""
        cv2.fillPoly(self.canvas, [self._pixels(ribbon(curve, np.array(widths) / 2))], tone)

    def shade(self, outline: Pointlike, *parts: int) -> None:
        """Replace the base tone of the given parts by their shade inside the outline."""
        self._recolor(outline, tuple((part + BASE, part + SHADE) for part in parts))

    def paint(self, outline: Pointlike, tone: int, *, over: tuple[int, ...]) -> None:
        """Set a tone inside the outline where the canvas has one of the tones `over`."""
        self._recolor(outline, tuple((old, tone) for old in over))

    def _recolor(self, outline: Pointlike, changes: tuple[tuple[int, int], ...]) -> None:
        points = self._pixels(outline)
        side = self.canvas.shape[0]
        left, top = np.clip(points.min(axis=0), 0, side)
        right, bottom = np.clip(points.max(axis=0) + 1, 0, side)
        if left >= right or top >= bottom:
            return
        region = self.canvas[top:bottom, left:right]
        inside = np.zeros(region.shape, np.uint8)
        cv2.fillPoly(inside, [points], 1, offset=(-int(left), -int(top)))
        np.copyto(region, look_up(region, _table(changes)), where=inside.view(np.bool_))

    def _pixels(self, points: Pointlike) -> npt.NDArray[np.int32]:
        return np.rint(self.frame.place(points) * (len(self.canvas) / 100)).astype(np.int32)

    def _thickness(self, width: float) -> int:
        return max(1, round(width * len(self.canvas) / 100))


def blank(side: int) -> Tones:
    """Make a canvas of background: (side, side) uint8."""
    return np.full((side, side), BACKGROUND, np.uint8)


def look_up(tones: Tones, table: Tones) -> Tones:
    """Replace each tone by its entry in a table: (256,) uint8."""
    return cv2.LUT(tones, table).astype(np.uint8, copy=False)


def _ink(tone: int) -> int:
    return tone - tone % TONES_PER_PART + INK


@cache
def _table(changes: tuple[tuple[int, int], ...]) -> Tones:
    table = np.arange(256, dtype=np.uint8)
    for old, new in changes:
        table[old] = new
    return table
