"""Whether two pictures use the same colours in the same amounts, wherever these lie."""

import numpy as np
from numpy.typing import NDArray

from refcolor.evaluation.metrics.color import lab, scored

Cumulated = NDArray[np.float64]

_DIRECTIONS = 32
_REACH = 160  # Lab units; every colour of sRGB is nearer to the origin


def color_histogram(picture: NDArray[np.uint8], *, line: NDArray[np.bool_]) -> Cumulated:
    """Count the colours of a picture along 32 directions of Lab, lines and white left out.

    picture: (H, W, 3) uint8; line: (H, W) bool. A picture without other pixels counts as white.
    Returns (32, 320): for each direction the share of pixels up to each unit of Lab. NaN where
    everything is line.
    """
    mask = scored(picture, line)
    pixels = lab(picture[mask if mask.any() else ~line][None])[0]
    if not len(pixels):
        return np.full((_DIRECTIONS, 2 * _REACH), np.nan)
    places = np.floor(pixels @ _directions().T + _REACH).astype(np.int64)
    rows = np.arange(_DIRECTIONS) * 2 * _REACH
    counts = np.bincount((places + rows).ravel(), minlength=_DIRECTIONS * 2 * _REACH)
    shares = counts.reshape(_DIRECTIONS, -1).cumsum(axis=1) / len(pixels)
    return np.asarray(shares, np.float64)


def histogram_distance(one: Cumulated, other: Cumulated) -> float:
    """Give the earth mover's distance between the colours of two pictures, in units of Lab.

    one, other: of `color_histogram`. 0 for the same colours in the same amounts; d, to 4 %, where
    all colours are shifted by d. In one direction the distance is the area between the cumulated
    histograms; it is averaged over the directions and doubled, because a random direction sees half
    of a shift (sliced Wasserstein distance).
    Reference: Bonneel, Rabin, Peyre, Pfister, J. Mathematical Imaging and Vision 51 (2015).
    """
    return float(2 * np.abs(one - other).sum(axis=1).mean())


def _directions() -> NDArray[np.float32]:
    """Spread directions evenly over half a sphere, (32, 3), on a golden spiral."""
    step = np.arange(_DIRECTIONS) + 0.5
    height = step / _DIRECTIONS
    turn = np.pi * (1 + np.sqrt(5)) * step
    radius = np.sqrt(1 - height**2)
    spiral = [height, radius * np.cos(turn), radius * np.sin(turn)]
    return np.stack(spiral, axis=-1).astype(np.float32)
