"""The distance of two pictures' colour histograms, which does not depend on positions."""

import numpy as np
from numpy.typing import NDArray

from refcolor.evaluation.metrics.color import lab, scored

Cumulated = NDArray[np.float64]

_DIRECTIONS = 32
_RADIUS = 160  # Lab units; every colour of sRGB is nearer to the origin


def color_histogram(picture: NDArray[np.uint8], *, line: NDArray[np.bool_]) -> Cumulated:
    """Compute cumulative histograms of a picture's Lab colours along 32 directions.

    picture: (H, W, 3) uint8; line: (H, W) bool. Line pixels are left out, and white pixels too
    unless there are no others.
    Returns (32, 320): for each direction the share of pixels up to each unit of Lab. NaN where all
    pixels are line.
    """
    mask = scored(picture, line)
    pixels = lab(picture[mask if mask.any() else ~line][None])[0]
    if not len(pixels):
        return np.full((_DIRECTIONS, 2 * _RADIUS), np.nan)
    bins = np.floor(pixels @ _directions().T + _RADIUS).astype(np.int64)
    rows = np.arange(_DIRECTIONS) * 2 * _RADIUS
    counts = np.bincount((bins + rows).ravel(), minlength=_DIRECTIONS * 2 * _RADIUS)
    shares = counts.reshape(_DIRECTIONS, -1).cumsum(axis=1) / len(pixels)
    return np.asarray(shares, np.float64)


def histogram_distance(first: Cumulated, second: Cumulated) -> float:
    """Return the earth mover's distance between the colours of two pictures, in units of Lab.

    first, second: of `color_histogram`. 0 for the same colours in the same amounts; d, to 4 %,
    where all colours are shifted by d. This is the sliced Wasserstein distance: in one direction it
    is the area between the cumulative histograms; the mean over the directions is doubled, because
    the projection of a shift on a random direction is half of the shift on average.
    Reference: Bonneel, Rabin, Peyre, Pfister, J. Mathematical Imaging and Vision 51 (2015).
    """
    return float(2 * np.abs(first - second).sum(axis=1).mean())


def _directions() -> NDArray[np.float32]:
    """Return directions spread evenly over half a sphere, (32, 3), on a golden spiral."""
    step = np.arange(_DIRECTIONS) + 0.5
    height = step / _DIRECTIONS
    angle = np.pi * (1 + np.sqrt(5)) * step
    radius = np.sqrt(1 - height**2)
    spiral = [height, radius * np.cos(angle), radius * np.sin(angle)]
    return np.stack(spiral, axis=-1).astype(np.float32)
