"""Tone of a drawing: grey areas and screentone, told from its lines and its solid black."""

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from refcolor.io.image import WHITE, Picture

BARE: Final = 26  # ink of 255 below which the paper is bare
FULL: Final = 230  # ink from which it is black
_SIDE: Final = 512  # pixels of the longer side that the next number is for
_THICK: Final = (
    9  # pixels, also of smaller pictures; an area that contains such a square is not a line
)
_FILLED: Final = 0.85  # share of the ink of lines from which an area is filled with their ink
_SAME: Final = 24  # levels by which grey differs inside an area
_DOT: Final = 0.008  # of the longer side; larger marks are not dots of a screentone
_ROUND: Final = 0.4  # share of its box that a dot fills
_STAR: Final = 0.15  # that the paper between four dots fills; of circles it is 0.21
_DOTS, _ALL_DOTS = 12, 50  # of an area of screentone, and of a drawing with screentone, at least

_BIN: Final = 8  # levels of tone that are counted as one
_LEVELS, _EVEN = 5, 0.9  # that many levels take at least this share of even tone


def separate_tone(ink: Picture) -> tuple[Picture, Picture]:
    """Separate the ink of lines and solid black from that of grey areas and of screentone.

    Grey is an area wider than lines, of any level but black; screentone is many small dots near
    each other, which do not touch. Dots that touch each other or a line stay lines.
    ink: (H, W) uint8, 255 = line.
    Returns two of this shape: lines, and tone. 1 - ink is (1 - lines) * (1 - tone), to within
    rounding.
    """
    side = max(ink.shape)
    thick = max(_THICK, round(_THICK * side / _SIDE))
    tone = _grey(ink, thick)
    dots = _dots(np.where(tone, np.uint8(0), ink))
    tone[dots] = ink[dots]
    # What is left of a pixel when the tone is taken off.
    rest = (ink.astype(np.float32) - tone) * WHITE / np.maximum(WHITE - tone.astype(np.float32), 1)
    lines = np.where(tone == WHITE, 0, np.rint(rest.clip(0, WHITE))).astype(np.uint8)
    return lines, tone


def is_dotted(ink: Picture) -> bool:
    """Whether most of the ink is the paper between the dots of a dark screentone.

    ink: (H, W) uint8 of light lines on dark paper, 255 = line.
    """
    return bool(2 * ink[_dots(ink, _STAR)].sum() > ink.sum())


def is_even(tone: Picture) -> bool:
    """Whether nearly all tone has one of a few levels, unlike the shadows of a photograph.

    tone: (H, W) uint8, with some tone.
    """
    counts = np.bincount(tone.ravel() // _BIN, minlength=256 // _BIN)
    counts[0] -= np.count_nonzero(tone == 0)
    return bool(np.sort(counts)[-_LEVELS:].sum() >= _EVEN * counts.sum())


def _grey(ink: Picture, thick: int) -> Picture:
    square = np.ones((thick, thick), np.uint8)
    inner = cv2.erode(ink, square)
    # Ink may be grey: an area as dark as the lines is filled with it, as solid black is.
    thin = ink[(ink >= BARE) & (cv2.subtract(ink, inner) > _SAME)]
    full = min(FULL, _FILLED * float(np.quantile(thin, 0.9))) if thin.size else FULL
    # The border of solid black is grey, but what it borders on is not.
    inner[(inner < BARE) | (inner >= full) | (cv2.absdiff(ink, inner) > _SAME)] = 0
    around = np.asarray(cv2.dilate(inner, square), np.uint8)
    # The border of an area, and its noise, are tone too.
    same = (ink >= BARE) & (cv2.absdiff(ink, around) <= _SAME)
    return np.where(same, ink, np.minimum(around, ink))


def _dots(ink: Picture, filled: float = _ROUND) -> npt.NDArray[np.bool_]:
    largest = max(2, round(_DOT * max(ink.shape)))
    _, labels, stats, _ = cv2.connectedComponentsWithStats((ink >= BARE).astype(np.uint8))
    width, height, area = (stats[:, k] for k in (2, 3, 4))
    small = (np.maximum(width, height) <= largest) & (area >= filled * width * height)
    small[0] = False
    dots = small[labels]
    square = np.ones((2 * largest + 1, 2 * largest + 1), np.uint8)
    joined = cv2.morphologyEx(dots.astype(np.uint8), cv2.MORPH_CLOSE, square)
    count, areas, boxes, _ = cv2.connectedComponentsWithStats(joined)
    first = np.unique(labels, return_index=True)[1][small]  # a pixel of each dot
    counts = np.bincount(areas.ravel()[first], minlength=count)
    toned = (counts >= _DOTS) & (boxes[:, 2:4].min(axis=1) >= 2 * largest)
    if counts[toned].sum() < _ALL_DOTS:
        toned[:] = False
    screentone: npt.NDArray[np.bool_] = dots & toned[areas]
    return screentone
