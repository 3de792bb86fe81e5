"""Bars around pictures that somebody fitted into a square."""

import math

import numpy as np

from refcolor.io.image import WHITE, Picture

MARGIN = 2  # pixels that the border between picture and bar may be off, and that are cut with it

_RINGING = 16  # pixels beside the border into which JPEG blocks carry the picture's contrast
_TOLERANCE = 32  # of 255; what is farther from the bar's colour is a stray pixel
_STRAY = 0.02  # share of stray pixels allowed beside the border; there are none farther out


def crop_bars(picture: Picture, original: tuple[int, int]) -> tuple[Picture, bool]:
    """Cut the bars off a picture that was scaled until its longer side filled a square.

    The metadata's size says where the bars are, in the middle of what is left and right or above
    and below, so a white background is never taken for a bar. `MARGIN` pixels of the picture are
    cut with each, for rounding and for the blur between the two.

    picture: (S, S, 3) or (S, S) uint8.  original: (width, height) in pixels before scaling.
    Returns the inner picture and True; the picture as it is and True where it has no bars, being a
    square or of the original's shape; the picture as it is and False where what should be bars is
    not uniformly black or uniformly white, or where nothing would be left between them.
    Raises ValueError for a size below one pixel.
    """
    width, height = original
    if width < 1 or height < 1:
        raise ValueError(f"original must be at least 1 x 1 pixel, got {width} x {height}")
    side, across = picture.shape[:2]
    if side != across:
        return picture, _has_shape(picture, width, height)
    if width < height:
        lying, uniform = crop_bars(picture.swapaxes(0, 1), (height, width))
        return lying.swapaxes(0, 1), uniform
    bar = (side - side * height / width) / 2  # pixels above, and as many below
    if round(2 * bar) == 0:
        return picture, True
    first, last = math.ceil(bar) + MARGIN, side - math.ceil(bar) - MARGIN
    thickness = max(0, math.floor(bar) - MARGIN)
    bars = [picture[:thickness], picture[::-1][:thickness]]
    if first >= last or not any(_uniform(bars, color) for color in (0, WHITE)):
        return picture, False
    return picture[first:last], True


def _uniform(bars: list[Picture], color: int) -> bool:
    for bar in bars:
        stray = np.abs(bar.astype(np.int16) - color) > _TOLERANCE
        far = max(0, len(bar) - (_RINGING - MARGIN))
        if stray[:far].any() or (stray[far:].size and stray[far:].mean() > _STRAY):
            return False
    return True


def _has_shape(picture: Picture, width: int, height: int) -> bool:
    rows, columns = picture.shape[:2]
    longer = max(rows, columns)
    expected = np.array([height, width]) * longer / max(width, height)
    return bool(np.abs(expected - [rows, columns]).max() <= 1)
