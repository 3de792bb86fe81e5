"""XDoG sketches of pictures, their random settings, and limits for their ink."""

import hashlib
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from refcolor.io.image import Picture, Unit, from_unit, to_unit
from refcolor.params import SketchParams

TRUNCATE = 4.0  # kernel radius in standard deviations, as in scipy.ndimage
MAX_INK = 0.30  # share of the picture; line art by artists has 0.03-0.04
MIN_INK = 0.005


@dataclass(frozen=True)
class XDoGSettings:
    """The arguments of `xdog`."""

    sigma: float
    k: float
    sharpness: float
    epsilon: float
    phi: float


# xdog_python thresholds D = G_sigma - 0.98 G_{200 sigma} at 0.01 with phi 10. S is D / (1 - 0.98),
# so its threshold is 0.5 and its phi 0.2 here.
PRESETS = {
    "default": XDoGSettings(sigma=0.4, k=4.5, sharpness=19.0, epsilon=0.01, phi=1e9),
    "tag2pix": XDoGSettings(sigma=0.4, k=2.5, sharpness=19.0, epsilon=0.0, phi=1e9),
    "xdog_python": XDoGSettings(sigma=0.5, k=200.0, sharpness=49.0, epsilon=0.5, phi=0.2),
}

# Values of sigma and range of k from which the settings of a preset are drawn.
_RANGES: dict[str, tuple[tuple[float, ...], tuple[float, float]]] = {
    "default": ((0.3, 0.4, 0.5), (2.0, 4.5)),
    "tag2pix": ((0.35, 0.4, 0.45), (2.0, 3.0)),
    "xdog_python": ((0.5,), (200.0, 200.0)),
}


def xdog(
    gray: npt.NDArray[np.floating],
    *,
    sigma: float = 0.4,
    k: float = 4.5,
    sharpness: float = 19.0,
    epsilon: float = 0.01,
    phi: float = 1e9,
) -> Unit:
    """Draw a picture as line art with the extended difference of Gaussians.

    gray: (H, W) floating-point in [0, 1].  Returns (H, W) float32 in [0, 1], 1 = paper white.
    sigma: of the narrow blur in pixels, so the result depends on the size of the picture.
    k: ratio of the wide to the narrow sigma.  epsilon: tone below which flat regions become ink.
    phi: steepness of the threshold; from 1e6 on it is hard in practice.
    Kernels have a radius of int(4 sigma + 0.5) pixels and borders are reflected without repeating
    the edge, independently of the defaults of a library.
    Raises ValueError for integer input: blurring 8-bit values moves 6 % of the tones.
    Reference: Winnemoeller, Kyprianidis, Olsen, Computers & Graphics 36 (2012), eq. 7.
    """
    if gray.dtype.kind != "f":
        raise ValueError(f"gray must be floating-point in [0, 1], got {gray.dtype}; see to_unit")
    if gray.ndim != 2 or gray.size == 0:
        raise ValueError(f"gray must be (H, W), got shape {gray.shape}")
    s = _sharpened(np.ascontiguousarray(gray, dtype=np.float32), sigma, k, sharpness)
    paper, soft, tones = _threshold(s, epsilon, phi)
    lines = paper.astype(np.float32)
    lines[soft] = tones
    return lines


def sketch_picture(color: Picture, settings: XDoGSettings) -> Picture:
    """Draw a colour picture as line art.

    color: (H, W, 3) uint8 sRGB.  Returns (H, W) uint8, white = paper.
    The grey is Rec. 601 luma, computed in floating point.
    """
    if color.ndim != 3 or color.shape[2] != 3:
        raise ValueError(f"color must be (H, W, 3), got shape {color.shape}")
    gray = np.asarray(cv2.cvtColor(to_unit(color), cv2.COLOR_RGB2GRAY), np.float32)
    s = _sharpened(gray, settings.sigma, settings.k, settings.sharpness)
    paper, soft, tones = _threshold(s, settings.epsilon, settings.phi)
    lines: Picture = paper * from_unit(np.ones((), np.float32))
    lines[soft] = from_unit(tones)
    return lines


def draw_settings(params: SketchParams, id: str) -> XDoGSettings:
    """Draw the settings of one picture from the hash of its id.

    They do not depend on the order or number of pictures. `default` draws sigma from
    {0.3, 0.4, 0.5} and k from [2, 4.5], `tag2pix` as its authors do; `xdog_python` is constant.
    """
    digest = hashlib.sha256(f"sketch/{id}".encode()).digest()
    preset = PRESETS[params.preset]
    sigmas, (low, high) = _RANGES[params.preset]
    sigma = sigmas[int.from_bytes(digest[:8]) * len(sigmas) >> 64]
    k = low + (high - low) * int.from_bytes(digest[8:16]) / 2**64
    return XDoGSettings(sigma, k, preset.sharpness, preset.epsilon, preset.phi)


def settings_between(sigma: float, k: float) -> XDoGSettings:
    """Interpolate settings in the range of `default`, which contains that of `tag2pix`.

    sigma, k: in [0, 1], mapped to 0.3 to 0.5 pixels and to 2 to 4.5.
    """
    preset = PRESETS["default"]
    sigmas, (low, high) = _RANGES["default"]
    return XDoGSettings(
        sigmas[0] + (sigmas[-1] - sigmas[0]) * sigma,
        low + (high - low) * k,
        preset.sharpness,
        preset.epsilon,
        preset.phi,
    )


def ink_share(sketch: Picture) -> float:
    """Compute the share of pixels darker than middle grey.  sketch: (H, W) uint8."""
    return float(np.mean(to_unit(sketch) < 0.5))


def flag(ink: float) -> Literal["", "too_dark", "too_light"]:
    """Return a warning for a share of ink outside [MIN_INK, MAX_INK]; empty inside."""
    if ink > MAX_INK:
        return "too_dark"
    return "too_light" if ink < MIN_INK else ""


def _sharpened(gray: Unit, sigma: float, k: float, sharpness: float) -> Unit:
    """S of eq. 7: (1 + p) times the narrow blur minus p times the wide one."""
    p = np.float32(sharpness)
    narrow, wide = _blur(gray, sigma), _blur(gray, k * sigma)
    narrow *= 1 + p
    wide *= p
    narrow -= wide
    return narrow


def _threshold(
    s: Unit, epsilon: float, phi: float
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_], Unit]:
    """Return the mask of paper, the mask of intermediate tones, and these tones."""
    paper = ~(s < np.float32(epsilon))
    # tanh is computed only where it is not exactly -1: nearly nowhere if phi is large. The bound
    # is one float lower, because it is rounded.
    darkest = np.nextafter(np.float32(epsilon - 20 / max(phi, 1e-20)), np.float32(-np.inf))
    soft = (s >= darkest) & ~paper
    # float64, because phi 1e9 times a difference has no valid digits in float32.
    tones = 1 + np.tanh(phi * (s[soft].astype(np.float64) - epsilon))
    return paper, soft, tones.astype(np.float32)


def _blur(picture: Unit, sigma: float) -> Unit:
    size = 2 * int(TRUNCATE * sigma + 0.5) + 1
    blurred = cv2.GaussianBlur(
        picture, (size, size), sigmaX=sigma, sigmaY=sigma, borderType=cv2.BORDER_REFLECT_101
    )
    return np.asarray(blurred, np.float32)
