"""How far two pictures are apart in colour, as the eye sees it."""

import numpy as np
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000, rgb2lab

from refcolor.io import image

LINE_BELOW = 128  # a darker pixel of a sketch is line
WHITE_FROM = 250  # a pixel is white when all channels are at least this


def lab(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Convert sRGB to CIE Lab (D65, 2 degrees).

    pictures: (..., H, W, 3) uint8.  Returns (..., H, W, 3) float32, enough for four digits.
    """
    converted: NDArray[np.float32] = rgb2lab(image.to_unit(pictures))
    return converted


def difference(one: NDArray[np.floating], other: NDArray[np.floating]) -> NDArray[np.floating]:
    """Give the CIEDE2000 colour difference of every pixel; about 1 is just noticeable.

    one, other: (..., 3) Lab.  Returns (...), of the inputs' precision.
    Reference: Sharma, Wu, Dalal, Color Research & Application 30 (2005).
    """
    result: NDArray[np.floating] = deltaE_ciede2000(  # type: ignore[no-untyped-call]
        one, other
    )
    return result


def scored(truth: NDArray[np.uint8], line: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mark the pixels whose colour is judged: neither line nor white in the truth.

    truth: (..., H, W, 3) uint8; line: (..., H, W) bool.  Returns (..., H, W) bool.
    """
    mask: NDArray[np.bool_] = ~line & (truth < WHITE_FROM).any(axis=-1)
    return mask


def delta_e(
    picture: NDArray[np.uint8], truth: NDArray[np.uint8], *, line: NDArray[np.bool_]
) -> float:
    """Average the CIEDE2000 difference over pixels that are neither line nor white in the truth.

    picture, truth: (H, W, 3) uint8; line: (H, W) bool. NaN when no pixel is left.
    """
    mask = scored(truth, line)
    if not mask.any():
        return float("nan")
    return float(difference(lab(picture)[mask], lab(truth)[mask]).mean(dtype=np.float64))
