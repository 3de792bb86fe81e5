"""Crop letterbox bars off pictures that were fitted into a square."""

import math

import numpy as np

from refcolor.io.image import WHITE, Picture

MARGIN = 2  # pixels of tolerance for the border between picture and bar; they are cut too

_RINGING = 16  # pixels of a bar next to the border that may have JPEG artefacts
_TOLERANCE = 32  # of 255; pixels with a larger difference from the bar's colour are stray
_STRAY = 0.02  # maximum share of stray pixels within _RINGING; beyond it, 0


def crop_bars(picture: Picture, original: tuple[int, int]) -> tuple[Picture, bool]:
    """Crop the bars off a picture that was scaled and centred in a square.

    The size of the original determines the bars, so a white background is never taken for a bar.
    `MARGIN` pixels of the picture are cut with each bar, for rounding and blur.

    picture: (S, S, 3) or (S, S) uint8.  original: (width, height) in pixels before scaling.
    Returns the cropped picture and True; the unchanged picture and True if it has no bars, because
    the original is square or the picture has its shape; the unchanged picture and False if the
    bars are not uniformly black or uniformly white, or nothing would remain between them.
    Raises ValueError for a size below one pixel.
    """
    width, height = original
    if width < 1 or height < 1:
        raise ValueError(f"original must be at least 1 x 1 pixel, got {width} x {height}")
    side, columns = picture.shape[:2]
    if side != columns:
        return picture, _has_shape(picture, width, height)
    if width < height:
        transposed, uniform = crop_bars(picture.swapaxes(0, 1), (height, width))
        return transposed.swapaxes(0, 1), uniform
    bar = (side - side * height / width) / 2  # pixels above and below each
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
