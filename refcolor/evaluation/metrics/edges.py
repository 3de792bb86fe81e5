"""Entanglement: how much the lines of a prediction change with the reference."""

import cv2
import numpy as np
from numpy.typing import NDArray

from refcolor.evaluation.metrics.color import LINE_BELOW
from refcolor.lines.sketch import PRESETS, sketch_picture

_NEIGHBOURHOOD = np.ones((3, 3), np.uint8)


def entanglement(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Return the share of line pixels that two colourings of a sketch do not share.

    first, second: (H, W, 3) uint8, coloured after two references. Lines are the default XDoG of
    each; a line pixel is shared if the other picture has a line pixel at most one pixel away
    (Chebyshev). 0: the reference does not change the lines; 1: no line pixel is shared. XDoG also
    depends on the colours beside a line, so true recolourings do not score 0. One pixel is a larger
    share of a smaller picture: compare only pictures of one size.
    """
    lines = [_lines(picture) for picture in (first, second)]
    ink = sum(int(line.sum()) for line in lines)
    near = [np.asarray(cv2.dilate(line, _NEIGHBOURHOOD), np.uint8) for line in lines]
    shared = int((lines[0] & near[1]).sum()) + int((lines[1] & near[0]).sum())
    return 1 - shared / ink if ink else 0.0


def _lines(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return (sketch_picture(picture, PRESETS["default"]) < LINE_BELOW).astype(np.uint8)
