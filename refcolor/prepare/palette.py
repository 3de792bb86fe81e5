"""The colours of a dataset: shares of pixels by hue and lightness."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from skimage.color import rgb2hsv, rgb2lab

from refcolor.io import image
from refcolor.io.image import Picture

HUES = (
    *("grey", "red", "orange", "yellow", "lime", "green", "mint"),
    *("cyan", "sky", "blue", "violet", "purple", "pink"),
)
BANDS, LEVELS = 10, 50  # bins of lightness in the table of hues and in the histogram
GREY_CHROMA = 8.0  # CIELAB; colours with less chroma are grey
SWATCH_RADIUS = 12.0  # CIELAB distance below which two colours share a swatch


@dataclass(frozen=True)
class Palette:
    """The colours of a dataset.

    shares: (13, 10) float64, share of the pixels by hue (`HUES`) and lightness, dark first.
    means: (13, 10, 3) uint8, mean colour of these pixels, black where there are none.
    lightness: (50,) float64, share of the pixels by CIELAB lightness, dark first.
    frequent: the most frequent colours, each with the share of the pixels in its swatch.
    """

    shares: NDArray[np.float64]
    means: Picture
    lightness: NDArray[np.float64]
    frequent: list[tuple[Picture, float]]


def palette(pixels: Picture, *, swatches: int = 10) -> Palette:
    """Count the colours of pixels.

    Hues are sectors of 30 degrees of HSV, the first centred on red; lightness and chroma are
    CIELAB's, and a chroma below `GREY_CHROMA` is grey. The swatch of a frequent colour has all
    colours within `SWATCH_RADIUS` that are not in the swatch of a more frequent one.

    pixels: (N, 3) uint8 sRGB.  Raises ValueError for no pixels.
    """
    if not len(pixels):
        raise ValueError("a palette needs at least one pixel, got none")
    lab, hue = _lab(pixels), rgb2hsv(image.to_unit(pixels))[:, 0]
    sector = 1 + np.floor(12 * hue + 0.5).astype(int) % 12
    sector[np.hypot(lab[:, 1], lab[:, 2]) < GREY_CHROMA] = 0
    level = (lab[:, 0] * LEVELS / 100).astype(int).clip(0, LEVELS - 1)
    counts, means = _means(sector * BANDS + level * BANDS // LEVELS, pixels, len(HUES) * BANDS)
    return Palette(
        (counts / len(pixels)).reshape(len(HUES), BANDS),
        means.reshape(len(HUES), BANDS, 3),
        np.bincount(level, minlength=LEVELS) / len(pixels),
        _frequent(pixels)[:swatches],
    )


def _lab(pixels: Picture) -> NDArray[np.float32]:
    lab: NDArray[np.float32] = rgb2lab(image.to_unit(pixels))
    return lab


def _means(cell: NDArray[np.intp], pixels: Picture, cells: int) -> tuple[NDArray[np.intp], Picture]:
    counts = np.bincount(cell, minlength=cells)
    sums = [np.bincount(cell, pixels[:, channel], cells) for channel in range(3)]
    means = np.stack(sums, axis=-1) / counts.clip(1)[:, None]
    return counts, np.rint(means).astype(np.uint8)


def _frequent(pixels: Picture) -> list[tuple[Picture, float]]:
    red, green, blue = (pixels // 16).astype(int).T
    counts, means = _means((red * 16 + green) * 16 + blue, pixels, 16**3)
    order = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
    counts, means, lab = counts[order], means[order], _lab(means[order])
    remaining, swatches = np.ones(len(order), bool), []
    while remaining.any():
        first = int(np.argmax(remaining))
        swatch = remaining & (np.linalg.norm(lab - lab[first], axis=1) < SWATCH_RADIUS)
        swatches.append((means[first], float(counts[swatch].sum() / len(pixels))))
        remaining &= ~swatch
    return sorted(swatches, key=lambda swatch: -swatch[1])
