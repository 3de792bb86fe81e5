"""Colours in CIELAB, where distances are differences that people see."""

import cv2
import numpy as np
import numpy.typing as npt

from refcolor.io.image import Picture, Unit, from_unit, to_unit

_BLANK = 4.0  # CIELAB distance from the paper below which a region is paper


def to_lab(colors: Picture) -> Unit:
    """Convert (H, W, 3) uint8 sRGB to CIELAB in float32."""
    return np.asarray(cv2.cvtColor(to_unit(colors), cv2.COLOR_RGB2LAB), np.float32)


def from_lab(lab: Unit) -> Picture:
    """Convert (H, W, 3) float32 CIELAB to uint8 sRGB, the nearest colour where there is none."""
    return from_unit(np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), np.float32))


def share_colors(
    lab: Unit, areas: npt.NDArray[np.intp], tolerance: float, *, paper: Picture | None = None
) -> Picture:
    """Give regions of similar colours the colour of the largest of them.

    lab: (N, 3), the colours in CIELAB.  areas: (N,).
    paper: (3,) uint8; regions that have almost this colour get it, and share it with no others.
    Returns (N, 3) uint8 sRGB.
    """
    blank = np.zeros(len(lab), bool)
    if paper is not None:
        distance = np.linalg.norm(lab - to_lab(paper[None, None])[0, 0], axis=1)
        blank = distance < min(tolerance, _BLANK)
    shared, remaining = lab.copy(), ~blank
    for largest in np.argsort(-areas, kind="stable"):
        if remaining[largest]:
            similar = remaining & (np.linalg.norm(lab - lab[largest], axis=1) < tolerance)
            shared[similar] = lab[largest]
            remaining &= ~similar
    colors = np.asarray(from_lab(shared[None])[0], np.uint8)
    if paper is not None:
        colors[blank] = paper
    return colors
