"""The perceptual colour difference CIEDE2000 of two pictures."""

import numpy as np
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000, rgb2lab

from refcolor.io import image

LINE_BELOW = 128  # a darker pixel of a sketch is line
WHITE_FROM = 250  # a pixel is white when all channels are at least this


def lab(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Convert sRGB to CIE Lab (D65, 2 degrees).

    pictures: (..., H, W, 3) uint8.  Returns (..., H, W, 3) float32, precise to four digits.
    """
    converted: NDArray[np.float32] = rgb2lab(image.to_unit(pictures))
    return converted


def difference(first: NDArray[np.floating], second: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the CIEDE2000 colour difference of every pixel; about 1 is just noticeable.

    first, second: (..., 3) Lab.  Returns (...), of the inputs' precision.
    Reference: Sharma, Wu, Dalal, Color Research & Application 30 (2005).
    """
    result: NDArray[np.floating] = deltaE_ciede2000(  # type: ignore[no-untyped-call]
        first, second
    )
    return result


def scored(truth: NDArray[np.uint8], line: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the mask of scored pixels: neither line nor white in the truth.

    truth: (..., H, W, 3) uint8; line: (..., H, W) bool.  Returns (..., H, W) bool.
    """
    return ~line & ~_white(truth)


def delta_e(
    picture: NDArray[np.uint8], truth: NDArray[np.uint8], *, line: NDArray[np.bool_]
) -> float:
    """Return the mean CIEDE2000 difference over the scored pixels: neither line nor white.

    picture, truth: (H, W, 3) uint8; line: (H, W) bool. NaN when no pixel is scored.
    """
    mask = scored(truth, line)
    if not mask.any():
        return float("nan")
    return float(difference(lab(picture)[mask], lab(truth)[mask]).mean(dtype=np.float64))


def chroma_error(
    picture: NDArray[np.uint8], truth: NDArray[np.uint8], *, line: NDArray[np.bool_]
) -> float:
    """Return the mean distance in the a*b* plane of CIE Lab over the scored pixels.

    Lightness does not count, which a grey picture has right and no sketch shows. picture, truth:
    (H, W, 3) uint8; line: (H, W) bool. NaN when no pixel is scored.
    """
    mask = scored(truth, line)
    if not mask.any():
        return float("nan")
    offset = (lab(picture)[mask] - lab(truth)[mask])[:, 1:]
    return float(np.linalg.norm(offset, axis=-1).mean(dtype=np.float64))


def white_kept(
    picture: NDArray[np.uint8], truth: NDArray[np.uint8], *, line: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return for each pixel that is white in the truth and not line if it is white in the picture.

    picture, truth: (H, W, 3) uint8; line: (H, W) bool.  Returns (M,) bool.
    """
    kept: NDArray[np.bool_] = _white(picture)[_white(truth) & ~line]
    return kept


def _white(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.asarray((picture >= WHITE_FROM).all(axis=-1))
