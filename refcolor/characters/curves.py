"""Smooth curves as (N, 2) float64 arrays of points, x to the right and y down."""

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]
Point = Points | tuple[float, float]  # one row of points
Widths = npt.NDArray[np.float64]
Pointlike = Points | Sequence[tuple[float, float]]

_STEPS = 7
_T = np.arange(_STEPS)[:, None] / _STEPS
# Rows: weights of four neighbouring points at each step between the middle two.
_CATMULL = 0.5 * np.concatenate(
    (
        -_T + 2 * _T**2 - _T**3,
        2 - 5 * _T**2 + 3 * _T**3,
        _T + 4 * _T**2 - 3 * _T**3,
        -(_T**2) + _T**3,
    ),
    axis=1,
)
_U = np.linspace(0.0, 1.0, 9)[:, None]
_ANGLES = np.linspace(0.0, 2 * np.pi, 40, endpoint=False)


def smooth(points: Pointlike, *, closed: bool = False) -> Points:
    """Interpolate all points by a Catmull-Rom curve."""
    knots = np.asarray(points, np.float64)
    if closed:
        around = np.concatenate((knots[-1:], knots, knots[:2]))
    else:
        first, last = 2 * knots[0] - knots[1], 2 * knots[-1] - knots[-2]
        around = np.concatenate((first[None], knots, last[None]))
    windows = np.stack([around[i : len(around) - 3 + i] for i in range(4)], axis=1)
    curve = np.matmul(_CATMULL, windows).reshape(-1, 2)
    return curve if closed else np.concatenate((curve, knots[-1:]))


def bend(start: Point, stop: Point, sag: float) -> Points:
    """Connect two points by an arc; sag is its height to the left, relative to the distance."""
    first, last = np.asarray(start, np.float64), np.asarray(stop, np.float64)
    chord = last - first
    middle = (first + last) / 2 + 2 * sag * np.array([chord[1], -chord[0]])
    return (1 - _U) ** 2 * first + 2 * _U * (1 - _U) * middle + _U**2 * last


def join(*pieces: Pointlike) -> Points:
    """Concatenate curves, with a corner where two meet."""
    return np.concatenate([np.asarray(piece, np.float64) for piece in pieces])


def mirror(points: Pointlike) -> Points:
    """Reflect at x = 0 and reverse the order, so that a right half continues a left half."""
    return np.asarray(points, np.float64)[::-1] * (-1.0, 1.0)


def symmetric(half: Pointlike) -> Points:
    """Complete an outline from its right half, which runs from top to bottom."""
    return np.concatenate((np.asarray(half, np.float64), mirror(half)))


def ellipse(x: float, y: float, width: float, height: float, *, angle: float = 0.0) -> Points:
    """Outline an ellipse: centre, half axes, and angle in degrees."""
    circle = np.stack((width * np.cos(_ANGLES), height * np.sin(_ANGLES)), axis=1)
    return move(rotate(circle, angle), x, y)


def move(points: Pointlike, right: float, down: float) -> Points:
    """Move points to the right and down."""
    moved: Points = np.asarray(points, np.float64) + np.array([right, down])
    return moved


def rotate(points: Pointlike, angle: float) -> Points:
    """Rotate around the origin, clockwise on the picture, by an angle in degrees."""
    cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    rotated: Points = np.asarray(points, np.float64) @ np.array([[cosine, sine], [-sine, cosine]])
    return rotated


def ribbon(spine: Pointlike, widths: Sequence[float] | Widths) -> Points:
    """Outline a band around a curve; widths are half widths at even steps along it."""
    line = np.asarray(spine, np.float64)
    half = spread(widths, len(line))
    return join(offset(line, half), offset(line, -half)[::-1])


def spread(widths: Sequence[float] | Widths, count: int) -> Widths:
    """Interpolate widths smoothly to `count` values of at least 0."""
    values = np.asarray(widths, np.float64)
    knots = smooth(np.stack((np.linspace(0, 1, len(values)), values), axis=1))
    return np.maximum(np.interp(np.linspace(0, 1, count), knots[:, 0], knots[:, 1]), 0)


def offset(curve: Points, distance: Widths) -> Points:
    """Move each point of a curve to its left by a distance."""
    along = np.gradient(curve, axis=0)
    length = np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)
    normal = np.stack((along[:, 1], -along[:, 0]), axis=1) / length[:, None]
    return curve + normal * distance[:, None]


def scallops(outline: Pointlike, *, count: int, depth: float) -> Points:
    """Replace a curve by `count` round bumps to its left; depth is relative to their width."""
    line = np.asarray(outline, np.float64)
    knots = line[np.rint(np.linspace(0, len(line) - 1, count + 1)).astype(int)]
    return np.concatenate([bend(a, b, depth) for a, b in itertools.pairwise(knots)])
