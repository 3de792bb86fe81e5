"""The framing of a drawing: what a frame encloses, panels, and the part of a page with ink."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from refcolor.io.image import WHITE, Picture, Unit, fit

_SIDE: Final = 512  # pixels of the longer side at which a page is examined
_INK: Final = 26  # of 255, from which a pixel is drawn
_RECTANGULAR: Final = 0.94  # share of a rectangle that a frame fills; an octagon has 0.83
_SMALLEST: Final = 0.5  # of the page's sides that a frame around all ink has
_SMALLEST_PANEL: Final = 0.01  # of the page
_STEP: Final = 0.2  # share of a line by which an area shrinks at a gutter, within two pixels
_WIDEST_GUTTER: Final = 0.1  # of the side of an area
_GAP: Final = 0.02  # of the page's longer side; a figure between panels is closed up to such gaps
_THICKEST: Final = 0.04  # of the page's longer side
_LINE_END: Final = (
    0.3  # share of ink below which a frame's line ends; lines of the drawing touch it
)
_OUTSIDE: Final = 0.03  # of the ink inside a frame that may lie outside, such as a signature
_LOST: Final = 0.6  # of a page's longer side; a smaller drawing is cropped
_CROPPED: Final = 0.8  # of a crop's longer side that the drawing takes
_SMALLEST_CROP: Final = 0.25  # of the page's longer side, because the page is enlarged as much


@dataclass(frozen=True)
class Window:
    """A rectangle of a picture, in pixels from the upper left corner."""

    top: int
    left: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Its rows and columns."""
        rows = slice(self.top, self.top + self.height)
        return rows, slice(self.left, self.left + self.width)


@dataclass(frozen=True)
class Framing:
    """What of a drawing the model sees at a time.

    window: the part of the drawing. inside: (h, w) uint8 of any size, 255 inside the frame or
    panel, 128 on the inner half of its line, 0 elsewhere; None for a drawing without a frame.
    """

    window: Window
    inside: Picture | None = None

    def without_frame(self, ink: Picture) -> Picture:
        """Return the ink inside the frame.  ink: (H, W) uint8."""
        if self.inside is None:
            return ink
        return np.where(stretched(self.inside, ink) == WHITE, ink, np.uint8(0))

    def lay(self, colors: Picture | Unit, page: Picture | Unit) -> None:
        """Lay the colours inside the frame on a page, in place; both (H, W, 3) of one type.

        They end under the frame's line.
        """
        if self.inside is None:
            page[:] = colors
        else:
            inside = stretched(self.inside, page) > 0
            page[inside] = colors[inside]


def find_framings(ink: Picture) -> tuple[Framing, ...]:
    """Find the panels of a page, or the frame and the window of a single drawing.

    A frame is a closed line, straight on four sides with corners of any kind; of several frames
    around each other the innermost counts. It belongs to the page if it encloses nearly all ink. A
    page with two other frames, without one inside the other, has panels: these, and each figure
    between them. A drawing whose longer side takes less than 0.6 of the page's or its frame's is
    small, and its window leaves a margin around it.
    ink: (H, W) uint8, 255 = line.
    """
    inked = (fit(ink, _SIDE, enlarge=False) >= _INK).astype(np.uint8)
    inside = np.full_like(inked, WHITE)
    while not (areas := _panels(inked)):
        nested = _inside_page_frame(inked)
        if nested is None:
            areas = [inside]
            break
        inside = nested
        inked[inside < WHITE] = 0
    scale = ink.shape[0] / inked.shape[0], ink.shape[1] / inked.shape[1]
    return tuple(
        Framing(
            _scaled(_cropped(_bounds(area == WHITE), _bounds(inked & (area == WHITE))), *scale),
            None if area.all() else area,
        )
        for area in areas
    )


def panel_at(framings: Sequence[Framing], x: float, y: float, size: tuple[int, int]) -> int | None:
    """Return the index of the framing at a point of a drawing; None outside of frames and panels.

    size: height and width of the drawing.
    """
    for index, framing in enumerate(framings):
        if framing.inside is None:
            return index
        rows, columns = framing.inside.shape
        row, column = int(y * rows / size[0]), int(x * columns / size[1])
        if 0 <= row < rows and 0 <= column < columns and framing.inside[row, column]:
            return index
    return None


def outside_of(framings: Sequence[Framing], ink: Picture) -> npt.NDArray[np.bool_] | None:
    """Mark what lies outside of all frames and panels of a page, up to the middle of their lines.

    ink: (H, W) uint8.  Returns (H, W) bool; None for a drawing without a frame.
    """
    insides = [framing.inside for framing in framings if framing.inside is not None]
    return stretched(np.max(insides, axis=0), ink) == 0 if insides else None


def _inside_page_frame(inked: Picture) -> Picture | None:
    area = max(_areas(inked), key=np.count_nonzero, default=None)
    inside = None if area is None else _inside_frame(area, inked)
    if area is None or inside is None or (_sides(area) < _SMALLEST * np.sort(inked.shape)).any():
        return None
    drawn = np.count_nonzero(inked[inside == WHITE])
    return inside if np.count_nonzero(inked > area) <= _OUTSIDE * drawn else None


def _panels(inked: Picture) -> list[Picture]:
    """Return the panels of a page, each as `Framing.inside`; empty for a single drawing.

    A figure between the frames is a panel without a frame: the rectangle around it.
    """
    smallest = _SMALLEST_PANEL * inked.size
    free = np.full_like(inked, WHITE)
    panels = []
    for area in chain.from_iterable(_cut(area) for area in _areas(inked)):
        inside = _inside_frame(area, inked)
        if inside is not None and np.count_nonzero(inside) >= smallest:
            panels.append(inside)
            free[area > 0] = 0
    if len(panels) < 2:
        return []
    for area in _areas(np.where(free, inked, 0), gap=round(_GAP * max(inked.shape))):
        window = _bounds(area)
        if window.height * window.width >= smallest:
            panels.append(np.zeros_like(free))
            panels[-1][window.slices] = free[window.slices]
            free[window.slices] = 0
    return panels


def _cut(area: Picture) -> list[Picture]:
    """Cut an area along its gutters, narrow bands in which it takes much less of each line.

    Bubbles may cross a gutter. Pieces of another shape than a frame are not panels, so a cut
    through a figure does no harm.
    """
    window = _bounds(area)
    for axis, start in enumerate((window.top, window.left)):
        shares = area[window.slices].mean(axis=1 - axis)
        changes = shares[2:] - shares[:-2]
        rises = np.flatnonzero(changes >= _STEP)
        for fall in np.flatnonzero(changes <= -_STEP):
            ends = rises[(rises > fall) & (rises <= fall + _WIDEST_GUTTER * len(shares))]
            if len(ends):
                first = area.copy()
                first.swapaxes(0, axis)[start + 1 + (fall + ends[0]) // 2 :] = 0
                return [*_cut(first), *_cut(area - first)]
    return [area]


def _inside_frame(area: Picture, inked: Picture) -> Picture | None:
    """Return what a frame encloses, as `Framing.inside`; None if the area has no frame.

    area: of the shape of inked, 1 on the frame and inside.
    """
    if np.count_nonzero(area) < _RECTANGULAR * np.prod(_sides(area) + 1):
        return None
    # A border of zeros, because a frame may lie on the edge of the page.
    depth = np.rint(cv2.distanceTransform(np.pad(area, 1), cv2.DIST_C, 3)[1:-1, 1:-1])
    levels = depth.astype(np.intp).ravel()
    shares = np.bincount(levels, _closed(inked).ravel()) / np.maximum(np.bincount(levels), 1)
    thickness = 1 + int(np.argmax(np.append(shares[1:], 0) < _LINE_END))
    inside = np.uint8(128) * (depth > thickness / 2) + np.uint8(127) * (depth > thickness)
    is_frame = thickness <= 1 + _THICKEST * max(inked.shape) and inked[inside == WHITE].any()
    return inside if is_frame else None


def _areas(inked: Picture, *, gap: int = 3) -> list[Picture]:
    """Return what each outer line encloses, with the line: uint8, 1 inside.

    gap: pixels up to which lines that end are closed.
    """
    outlines = cv2.findContours(_closed(inked, gap), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
    smallest = _SMALLEST_PANEL * inked.size
    return [
        np.asarray(cv2.drawContours(np.zeros_like(inked), [outline], 0, 1, cv2.FILLED), np.uint8)
        for outline in outlines
        if cv2.contourArea(outline) >= smallest
    ]


def _closed(inked: Picture, gap: int = 3) -> Picture:
    closed = cv2.morphologyEx(inked, cv2.MORPH_CLOSE, np.ones((gap, gap), np.uint8))
    return np.asarray(closed, np.uint8)


def _sides(area: Picture) -> npt.NDArray[np.floating]:
    """Return the sides of the smallest rectangle around an area, the shorter one first."""
    return np.sort(cv2.minAreaRect(cv2.findNonZero(area))[1])


def stretched(mask: Picture, like: Picture | Unit) -> Picture:
    """Return a mask, (h, w) uint8, at the height and width of a picture."""
    enlarged = cv2.resize(mask, like.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    return np.asarray(enlarged, np.uint8)


def _bounds(mask: npt.NDArray[Any]) -> Window:
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
    return Window(top, left, height, width)


def _cropped(page: Window, drawn: Window) -> Window:
    side, longer = max(drawn.height, drawn.width), max(page.height, page.width)
    if not 0 < side < _LOST * longer:
        return page
    side = round(max(side / _CROPPED, _SMALLEST_CROP * longer))
    top, height = _interval(drawn.top, drawn.height, side, page.top, page.height)
    left, width = _interval(drawn.left, drawn.width, side, page.left, page.width)
    return Window(top, left, height, width)


def _interval(
    start: int, length: int, side: int, page_start: int, page_length: int
) -> tuple[int, int]:
    """Return start and length of an interval around another, inside the page."""
    length, middle = min(side, page_length), start + length // 2
    return min(max(middle - length // 2, page_start), page_start + page_length - length), length


def _scaled(window: Window, y: float, x: float) -> Window:
    return Window(
        round(window.top * y),
        round(window.left * x),
        round(window.height * y),
        round(window.width * x),
    )
