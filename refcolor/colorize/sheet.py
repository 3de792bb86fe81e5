"""Many drawings of one character: a palette in which each part has the same colour in all of them.

A character sheet is several references of the character. The palette consists of the colours that
the model gives to most of the area of all drawings; each becomes the colour of the sheet that is
near, because the model's strong colours come out pale.
"""

import cv2
import numpy as np
import numpy.typing as npt

from refcolor.colorize.lab import frequent_colors, nearest_color, to_lab
from refcolor.io import image
from refcolor.io.image import Picture, Unit

_SIDE = 256  # pixels of a reference's longer side, at most
_EVEN = 8.0  # CIELAB distance in a 3 x 3 window of which a pixel is neither line nor edge
# Share of the tolerance within which a colour is the sheet's. With 1, eyes of some drawings take
# another colour of the sheet than those of others.
_NEAR = 2 / 3
_SMALLEST = 0.002  # share of these pixels that a colour of the sheet has


def even_colors(picture: Picture) -> Unit:
    """Return the colours of a picture beside its lines and edges: (N, 3) CIELAB."""
    lab = to_lab(image.fit(picture, _SIDE, enlarge=False))
    window = np.ones((3, 3), np.uint8)
    contrast = np.linalg.norm(cv2.dilate(lab, window) - cv2.erode(lab, window), axis=2)
    even: Unit = lab[contrast < _EVEN]
    return even


def sheet_palette(
    colors: Unit, shares: npt.NDArray[np.floating], sheet: Unit, tolerance: float
) -> Unit:
    """Return the colours that the regions of all drawings share.

    colors: (N, 3) CIELAB of the regions.  shares: (N,), of their drawings' areas.
    sheet: (M, 3) CIELAB, the `even_colors` of its pictures.
    tolerance: CIELAB distance below which colours become one.
    Returns (P, 3) float32 CIELAB.
    """
    palette = frequent_colors(colors, shares, tolerance)
    known = frequent_colors(sheet, np.ones(len(sheet)), tolerance, smallest=_SMALLEST)
    if not len(known):
        return palette
    nearest = nearest_color(palette, known)
    is_near = np.linalg.norm(nearest - palette, axis=1, keepdims=True) < _NEAR * tolerance
    return np.where(is_near, nearest, palette)
