"""PSNR, SSIM and MS-SSIM: similarity of pixels and structure. They hardly depend on colour."""

import numpy as np
from numpy.typing import NDArray
from skimage.filters import gaussian
from skimage.metrics import structural_similarity

from refcolor.io.image import WHITE

Picture = NDArray[np.uint8]

HIGHEST_PSNR = 100.0  # dB; equal pictures have no finite ratio, and a mean over pictures needs one

_SIGMA = 1.5  # pixels
_RADIUS = 5  # pixels
WINDOW = 2 * _RADIUS + 1  # pixels, the smallest side of a picture
_LEVEL_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_C1, _C2 = (0.01 * WHITE) ** 2, (0.03 * WHITE) ** 2


def psnr(picture: Picture, truth: Picture) -> float:
    """Return the peak signal-to-noise ratio in dB, at most 100.

    picture, truth: (H, W, 3) uint8.
    """
    _refuse_other_shapes(picture, truth)
    error = float(np.mean((picture.astype(np.float64) - truth) ** 2))
    return HIGHEST_PSNR if error == 0 else min(HIGHEST_PSNR, 10 * np.log10(WHITE**2 / error))


def ssim(picture: Picture, truth: Picture) -> float:
    """Return the structural similarity with Gaussian windows, mean over pixels and RGB channels.

    picture, truth: (H, W, 3) uint8, at least 11 pixels a side. 1 for equal pictures. It measures
    whether lines survive: a picture with its channels swapped still scores high.
    Reference: Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 13 (2004).
    """
    _refuse_other_shapes(picture, truth)
    return float(
        structural_similarity(  # type: ignore[no-untyped-call]
            picture,
            truth,
            gaussian_weights=True,
            sigma=_SIGMA,
            use_sample_covariance=False,
            channel_axis=-1,
            data_range=WHITE,
        )
    )


def ms_ssim(picture: Picture, truth: Picture) -> float:
    """Return the structural similarity over several sizes, each half of the one before.

    picture, truth: (H, W, 3) uint8, at least 11 pixels a side. The number of levels is the largest,
    up to the paper's five, that leaves 11 pixels (five from 176, three at 64). The weights of fewer
    levels are scaled to sum to 1: do not compare values at sizes with different levels. Negative
    terms count as 0.
    Reference: Wang, Simoncelli, Bovik, Asilomar (2003).
    """
    _refuse_other_shapes(picture, truth)
    first, second = picture.astype(np.float64), truth.astype(np.float64)
    levels = min(len(_LEVEL_WEIGHTS), int(np.log2(min(first.shape[:2]) / WINDOW)) + 1)
    weights = np.array(_LEVEL_WEIGHTS[:levels])
    if levels < len(_LEVEL_WEIGHTS):  # the published five sum to 1.0001
        weights /= weights.sum()
    terms = []
    for _ in range(levels - 1):
        terms.append(_similarity(first, second)[1])
        first, second = _halved(first), _halved(second)
    terms.append(_similarity(first, second)[0])
    return float(np.prod(np.maximum(terms, 0) ** weights))


def _similarity(first: NDArray[np.float64], second: NDArray[np.float64]) -> tuple[float, float]:
    """Return the mean SSIM and the mean of its contrast-structure factor."""
    mean_first, mean_second = _windowed(first), _windowed(second)
    variance = (
        _windowed(first * first) - mean_first**2 + _windowed(second * second) - mean_second**2
    )
    covariance = _windowed(first * second) - mean_first * mean_second
    contrast = (2 * covariance + _C2) / (variance + _C2)
    luminance = (2 * mean_first * mean_second + _C1) / (mean_first**2 + mean_second**2 + _C1)
    return float(np.mean(luminance * contrast)), float(np.mean(contrast))


def _windowed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average in Gaussian windows that lie wholly inside the picture."""
    blurred = gaussian(  # type: ignore[no-untyped-call]
        values, _SIGMA, truncate=_RADIUS / _SIGMA, channel_axis=-1
    )
    inside: NDArray[np.float64] = blurred[_RADIUS:-_RADIUS, _RADIUS:-_RADIUS]
    return inside


def _halved(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average 2 x 2 pixels; a last odd row or column is left out."""
    height, width, channels = values.shape
    even = values[: height // 2 * 2, : width // 2 * 2]
    blocks = even.reshape(height // 2, 2, width // 2, 2, channels)
    halved: NDArray[np.float64] = blocks.mean(axis=(1, 3))
    return halved


def _refuse_other_shapes(picture: Picture, truth: Picture) -> None:
    if picture.dtype != np.uint8 or truth.dtype != np.uint8:
        raise ValueError(f"both pictures must be uint8, got {picture.dtype} and {truth.dtype}")
    if picture.shape != truth.shape:
        raise ValueError(
            f"both pictures must have one shape, got {picture.shape} and {truth.shape}"
        )
    if picture.ndim != 3 or min(picture.shape[:2]) < WINDOW:
        raise ValueError(
            f"pictures must be (H, W, C) with at least {WINDOW} x {WINDOW} pixels, "
            f"got {picture.shape}"
        )
