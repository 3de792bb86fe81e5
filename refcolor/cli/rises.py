"""How far the error of a model rises when a drawing is given in another way.

Each change leaves the true colours as they are: a frame around the page, a margin, lines of another
thickness, a second figure beside it, another working size.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import ceil, isfinite

import cv2
import numpy as np
from skimage.morphology import skeletonize

from refcolor.evaluation.measurements import Measured
from refcolor.evaluation.real_drawings import Change, Page
from refcolor.io.image import MIDDLE, WHITE, Picture, resize

_FRAME = 2  # pixels at the working size
_FAINT = 3  # of the ink a third remains where thinner lines would vanish


def rises(measure: Callable[..., Measured], size: int) -> dict[str, float]:
    """Return the rise of the error under each change, as rise_<name>.

    The error is real_parts_delta_e where there are labels, else real_delta_e.
    measure: `real_drawings` without size and change. size: working size in pixels.
    """

    def error(size: int, change: Change | None = None) -> float:
        numbers = measure(size=size, change=change).numbers
        parts = numbers["real_parts_delta_e"]
        return parts if isfinite(parts) else numbers["real_delta_e"]

    base, small = error(size), error(size, partial(_beside, drawn=False))
    return {
        "rise_frame": error(size, partial(_frame, size=size)) - base,
        "rise_margin": error(size, _margin) - base,
        "rise_thin": error(size, _thin) - base,
        "rise_thick": error(size, _thick) - base,
        "rise_small": small - base,
        "rise_second": error(size, partial(_beside, drawn=True)) - small,
        "rise_size_3_4": error(size * 3 // 4) - base,
        "rise_size_4_3": error(size * 4 // 3) - base,
    }


def _frame(page: Page, _other: Page, *, size: int) -> Page:
    """Draw a rectangle near the border."""
    ink, thickness = page.ink.copy(), ceil(_FRAME * max(page.ink.shape) / size)
    near, far = slice(thickness, 2 * thickness), slice(-2 * thickness, -thickness)
    inside = slice(thickness, -thickness)
    ink[near, inside] = ink[far, inside] = ink[inside, near] = ink[inside, far] = WHITE
    return _drawn(page, ink)


def _margin(page: Page, _other: Page) -> Page:
    """Put a quarter of the longer side of paper on all sides."""
    height, width = page.ink.shape
    margin = max(height, width) // 4
    return _moved(page, (height + 2 * margin, width + 2 * margin), top=margin, left=margin)


def _thin(page: Page, _other: Page) -> Page:
    """Make lines half as thick."""
    side = max(2, 1 + int(_line_width(page.ink) / 2))
    eroded = cv2.erode(page.ink, np.ones((side, side), np.uint8))
    return _drawn(page, np.maximum(eroded, page.ink // _FAINT))


def _thick(page: Page, _other: Page) -> Page:
    """Make lines twice as thick."""
    side = 1 + round(_line_width(page.ink))
    return _drawn(page, np.asarray(cv2.dilate(page.ink, np.ones((side, side), np.uint8))))


def _beside(page: Page, other: Page, *, drawn: bool) -> Page:
    """Put the page on a square that holds the other drawing beside it.

    drawn: whether the other drawing is there, at the height of the page.
    """
    height, width = page.ink.shape
    other_width = max(1, round(other.ink.shape[1] * height / other.ink.shape[0]))
    side = max(height, width + other_width)
    top = (side - height) // 2
    page = _moved(page, (side, side), top=top, left=0)
    if not drawn:
        return page
    ink = page.ink.copy()
    ink[top : top + height, width : width + other_width] = resize(other.ink, height, other_width)
    return _drawn(page, ink)


def _drawn(page: Page, ink: Picture) -> Page:
    return replace(page, sketch=WHITE - ink, ink=ink)


def _moved(page: Page, shape: tuple[int, int], *, top: int, left: int) -> Page:
    """Put the page on a larger sheet, whose new parts are not scored."""
    height, width = page.ink.shape

    def paste(picture: Picture, fill: int) -> Picture:
        sheet = np.full((*shape, *picture.shape[2:]), fill, np.uint8)
        sheet[top : top + height, left : left + width] = picture
        return sheet

    return Page(
        sketch=WHITE - paste(page.ink, 0),
        ink=paste(page.ink, 0),
        line=paste(page.line, WHITE),
        truth=None if page.truth is None else paste(page.truth, WHITE),
        labels=None if page.labels is None else paste(page.labels, 0),
    )


def _line_width(ink: Picture) -> float:
    """Return the mean width of the lines in pixels: their area by the length of their middle."""
    lines = ink > MIDDLE
    length = np.count_nonzero(skeletonize(lines))  # type: ignore[no-untyped-call]
    return float(np.count_nonzero(lines) / length) if length else 1.0
