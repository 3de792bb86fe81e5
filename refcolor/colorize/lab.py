"""Colours in CIELAB, where distances are differences that people see."""

import cv2
import numpy as np
import numpy.typing as npt

from refcolor.io.image import Picture, Unit, from_unit, to_unit

_BLANK = 4.0  # CIELAB distance from the paper below which a region is paper
_BIN = 4.0  # side in CIELAB units of the cubes in which colours are counted


def to_lab(colors: Picture) -> Unit:
    """Convert (H, W, 3) uint8 sRGB to CIELAB in float32."""
    return np.asarray(cv2.cvtColor(to_unit(colors), cv2.COLOR_RGB2LAB), np.float32)


def from_lab(lab: Unit) -> Picture:
    """Convert (H, W, 3) float32 CIELAB to uint8 sRGB, the nearest colour where there is none."""
    return from_unit(np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), np.float32))


def frequent_colors(
    lab: Unit, weights: npt.NDArray[np.floating], tolerance: float, *, smallest: float = 0
) -> Unit:
    """Return the most frequent colours, each with no more frequent one within the tolerance.

    lab: (N, 3) CIELAB.  weights: (N,).
    smallest: share of the weights that lies within the tolerance of a colour, at least.
    Returns (P, 3) float32, the most frequent first.
    """
    _, index = np.unique(np.floor(lab / _BIN), axis=0, return_inverse=True)
    index = index.reshape(-1)
    counts = np.bincount(index, weights)
    sums = np.stack([np.bincount(index, weights * channel) for channel in lab.T], axis=1)
    means = np.asarray(sums / counts[:, None], np.float32)
    frequent = np.empty((0, 3), np.float32)
    for color in means[np.argsort(-counts, kind="stable")]:
        if (np.linalg.norm(frequent - color, axis=1) < tolerance).any():
            continue
        near = np.linalg.norm(means - color, axis=1) < tolerance
        if counts[near].sum() >= smallest * counts.sum():
            frequent = np.append(frequent, color[None], axis=0)
    return frequent


def nearest_color(lab: Unit, palette: Unit) -> Unit:
    """Return the nearest colour of a palette for each colour: (N, 3) and (P, 3) become (N, 3)."""
    distances = np.linalg.norm(lab[:, None] - palette, axis=2)
    nearest: Unit = palette[distances.argmin(axis=1)]
    return nearest


def share_colors(
    lab: Unit,
    areas: npt.NDArray[np.intp],
    tolerance: float,
    *,
    paper: Picture | None = None,
    palette: Unit | None = None,
) -> Picture:
    """Give regions of similar colours the colour of the largest of them.

    lab: (N, 3), the colours in CIELAB.  areas: (N,).
    paper: (3,) uint8; regions that have almost this colour get it, and share it with no others.
    palette: (P, 3) CIELAB; regions get its nearest colours instead.
    Returns (N, 3) uint8 sRGB.
    """
    if palette is not None:
        lab = nearest_color(lab, palette)
    blank = np.zeros(len(lab), bool)
    if paper is not None:
        distance = np.linalg.norm(lab - to_lab(paper[None, None])[0, 0], axis=1)
        blank = distance < min(tolerance, _BLANK)
    shared = lab.copy()
    if palette is None:
        remaining = ~blank
        for largest in np.argsort(-areas, kind="stable"):
            if remaining[largest]:
                similar = remaining & (np.linalg.norm(lab - lab[largest], axis=1) < tolerance)
                shared[similar] = lab[largest]
                remaining &= ~similar
    colors = np.asarray(from_lab(shared[None])[0], np.uint8)
    if paper is not None:
        colors[blank] = paper
    return colors
