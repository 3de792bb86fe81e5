"""Speech bubbles: closed regions of paper with lettering."""

from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from refcolor.io.image import WHITE, Picture, fit

_SIDE: Final = 1024  # pixels of the longer side at which bubbles are found
_INK: Final = 64  # of 255, from which a pixel is drawn
_SMALLEST, _LARGEST = 0.001, 0.2  # of the page
_CONVEX: Final = 0.8  # share of its convex hull that a bubble with its tail fills
_BARE: Final = 0.5  # share of a bubble without lettering
_LETTERS: Final = 8  # at least, in any number of lines
_WORD: Final = 3  # letters at least, of a single line
_SHORTEST: Final = 5  # pixels; lower marks are specks
_TOUCHING: Final = 0.05  # share of the lettering's ink that may touch the outline
_ALIKE: Final = 0.7  # share of the letters whose height is 0.5 to 1.6 of the median
_TALLEST: Final = 0.35  # median height of the letters, of the bubble's


def find_bubbles(ink: Picture) -> Picture:
    """Find speech bubbles and captions.

    ink: (H, W) uint8, 255 = line.
    Returns (h, w) uint8, 255 inside of a bubble, lettering included, with a longer side of at most
    1024 pixels.
    """
    inked = (fit(ink, _SIDE, enlarge=False) >= _INK).astype(np.uint8)
    count, regions, stats, _ = cv2.connectedComponentsWithStats(1 - inked, connectivity=4)
    bubbles = np.zeros_like(inked)
    for region in range(1, count):
        left, top, width, height, size = (int(value) for value in stats[region])
        if not _SMALLEST * inked.size < size < _LARGEST * inked.size:
            continue
        box = np.s_[top : top + height, left : left + width]
        outline, *_ = cv2.findContours(
            (regions[box] == region).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
        )[0]
        inside = np.zeros((height, width), np.uint8)
        cv2.drawContours(inside, [outline], 0, 1, cv2.FILLED)
        hull = cv2.contourArea(cv2.convexHull(outline))
        if size >= _BARE * inside.sum() and inside.sum() >= _CONVEX * hull:
            if _is_lettering(inked[box] & inside, inside):
                bubbles[box] |= inside
    grown = np.asarray(cv2.dilate(bubbles, np.ones((3, 3), np.uint8)), np.uint8)
    return grown * np.uint8(WHITE)


def _is_lettering(inked: Picture, inside: Picture) -> bool:
    """Whether ink is many marks of one height in lines or columns, apart from the outline."""
    border = inked > cv2.erode(inside, np.ones((_SHORTEST, _SHORTEST), np.uint8), borderValue=0)
    if np.count_nonzero(border) > _TOUCHING * np.count_nonzero(inked):
        return False
    _, _, stats, centers = cv2.connectedComponentsWithStats(inked, connectivity=8)
    marks = stats[1:, cv2.CC_STAT_HEIGHT] >= _SHORTEST
    if np.count_nonzero(marks) < _LETTERS:
        return _is_word(stats[1:], centers[1:], inside)
    if np.count_nonzero(marks) < _ALIKE * len(marks):
        return False
    heights, widths = (stats[1:][marks, k] for k in (cv2.CC_STAT_HEIGHT, cv2.CC_STAT_WIDTH))
    height = float(np.median(heights))
    alike = (heights >= 0.5 * height) & (heights <= 1.6 * height) & (widths <= 2 * height)
    # A letter has another beside it, or above or below it, at most two heights away.
    apart = np.abs(centers[1:][marks][:, None] - centers[1:][marks]) / height
    in_line = (apart.min(axis=2) < 0.4) & (apart.max(axis=2) < 2)
    np.fill_diagonal(in_line, False)
    letters = alike & in_line.any(axis=1)
    return bool(letters.mean() >= _ALIKE and height <= _TALLEST * len(inked))


def _is_word(stats: npt.NDArray[Any], centers: npt.NDArray[Any], inside: Picture) -> bool:
    """Whether a few marks are letters close together in a line, in the middle of the bubble.

    Fewer marks say less: all must be letters or dots, as of "i" and "!", and strokes of hatching
    are narrower than letters.
    stats, centers: of the marks, as of cv2.connectedComponentsWithStats.
    """
    heights, widths = stats[:, cv2.CC_STAT_HEIGHT], stats[:, cv2.CC_STAT_WIDTH]
    if not (heights >= _SHORTEST).any():
        return False
    height = float(np.median(heights[heights >= _SHORTEST]))
    letters = (heights >= 0.6 * height) & (heights <= 1.6 * height) & (widths <= 2 * height)
    dots = np.maximum(heights, widths) <= 0.4 * height
    if np.count_nonzero(letters) < _WORD or not (letters | dots).all():
        return False
    xs, ys = centers[letters].T
    moments = cv2.moments(inside, binaryImage=True)
    middle = moments["m10"] / moments["m00"], moments["m01"] / moments["m00"]
    off = np.abs(np.subtract((xs.mean(), ys.mean()), middle)) / inside.shape[::-1]
    return bool(
        np.ptp(ys) <= 0.6 * height
        and np.diff(np.sort(xs)).max() <= 2 * height
        and np.median(widths[letters]) >= 0.3 * height
        and height <= 0.5 * len(inside)
        and off.max() <= 0.15
    )
