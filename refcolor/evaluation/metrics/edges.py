"""Whether the lines stay when the reference changes."""

import cv2
import numpy as np
from numpy.typing import NDArray

from refcolor.evaluation.metrics.color import LINE_BELOW
from refcolor.lines.sketch import PRESETS, sketch_picture

_NEIGHBOURHOOD = np.ones((3, 3), np.uint8)


def entanglement(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Give the share of lines that two colourings of one sketch do not have in common.

    one, other: (H, W, 3) uint8, coloured after two references. Lines are the default XDoG of each;
    a pixel of them is shared if the other picture has line within one pixel of it (Chebyshev).
    0: the reference touches no line; 1: no line is left. Drawing the same lines around other
    colours costs something too, so the true recolourings do not score 0. A pixel is coarse at
    64 and fine at 256: compare only pictures of one size.
    """
    lines = [_lines(picture) for picture in (one, other)]
    ink = sum(int(line.sum()) for line in lines)
    near = [np.asarray(cv2.dilate(line, _NEIGHBOURHOOD), np.uint8) for line in lines]
    shared = int((lines[0] & near[1]).sum()) + int((lines[1] & near[0]).sum())
    return 1 - shared / ink if ink else 0.0


def _lines(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return (sketch_picture(picture, PRESETS["default"]) < LINE_BELOW).astype(np.uint8)
