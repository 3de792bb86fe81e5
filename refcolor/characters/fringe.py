"""The front of the hair: crown, fringe and the locks at both sides of the face."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from refcolor.characters.canvas import THIN, Pen
from refcolor.characters.curves import Points, Widths, bend, join, mirror, move, scallops, smooth
from refcolor.characters.face import turned
from refcolor.characters.palette import BASE, HAIR, INK, LIGHT, SHADE, SKIN
from refcolor.characters.shape import Shape

# Alternating tips and valleys, from the left temple to the right one.
Zigzag = tuple[tuple[float, float], ...]
FRINGES: Final[dict[str, Zigzag]] = {
    "blunt": (
        (-13.6, -2.6), (-10.4, -4.6), (-7.4, -3.4), (-4.2, -5.2), (-0.6, -3.6),
        (2.8, -5.4), (6.4, -3.4), (9.8, -4.8), (13.2, -2.4),
    ),
    "pointed": (
        (-14.6, 1.6), (-10.4, -8.6), (-6.2, -2.2), (-3.6, -10.0), (0.6, 1.4),
        (4.4, -9.4), (8.6, -2.6), (11.2, -8.4), (15.0, 1.2),
    ),
    "parted": (
        (-16.0, 5.0), (-13.2, -3.4), (-9.6, -3.2), (-1.0, -18.0), (1.0, -18.0),
        (10.2, -3.4), (13.0, -3.6), (16.0, 4.6),
    ),
    "swept": (
        (-15.4, 3.6), (-12.2, -5.6), (-7.4, -2.6), (-3.4, -7.4), (1.6, -3.8),
        (6.4, -13.6), (9.2, -15.0), (15.0, 1.0),
    ),
    "crossed": (
        (-15.2, 2.2), (-11.4, -9.8), (-7.6, -8.4), (-4.6, -12.6), (-1.0, 3.0),
        (2.2, -12.4), (6.6, -7.6), (10.6, -10.2), (15.0, 2.4),
    ),
    "curls": (
        (-14.0, -4.6), (-10.0, -6.2), (-6.4, -7.0), (-2.6, -7.6), (1.6, -7.8),
        (5.4, -7.2), (9.2, -6.6), (12.6, -5.4), (15.6, -4.2),
    ),
}  # fmt: skip
ROUND: Final = frozenset({"curls"})
TEMPLE = (18.0, -4.0)


@dataclass(frozen=True, slots=True)
class Locks:
    """The locks at both sides of the face; `tip` is that of the right one."""

    tip: tuple[float, float]
    blunt: float = 0.0  # width of a straight cut at the tip
    fullness: float = 0.08


Crown = Callable[[Shape], Points]
_HALF = ((0.0, -31.0), (9.5, -30.0), (19.0, -24.4), (24.6, -14.0), (25.6, -3.0), (24.6, 6.0))


def smooth_crown(shape: Shape) -> Points:
    """Outline the top of the hair from the left temple to the right one, close to the skull."""
    right = np.array(_HALF) * (1 + 0.03 * shape.hair_volume)
    return smooth(np.concatenate((mirror(right)[:-1], right)))


def curly_crown(shape: Shape) -> Points:
    """Outline the top of the hair in round bumps."""
    return scallops(smooth_crown(shape) * 1.05, count=11, depth=0.24)


def spiky_crown(shape: Shape) -> Points:
    """Outline the top of the hair in spikes that lean to both sides."""
    return spikes(shape, reach=112.0, count=9, center=(0.0, -4.0), axes=(24.5, 26.0))


def spikes(
    shape: Shape,
    *,
    reach: float,
    count: int,
    center: tuple[float, float],
    axes: tuple[float, float],
) -> Points:
    """Outline spikes clockwise on an ellipse, within `reach` degrees of its top on both sides."""
    valleys = np.radians(np.linspace(-reach, reach, count + 1))
    tips = (valleys[:-1] + valleys[1:]) / 2
    tips += 0.10 * np.sign(tips) + 0.06 * np.array(shape.jitter[:count])
    height = 1.27 + 0.05 * np.array(shape.jitter[9 : 9 + count])
    low = _around(valleys, center, axes)
    high = _around(tips, center, axes, height)
    pieces = [
        curve
        for row in range(count)
        for curve in (bend(low[row], high[row], 0.10), bend(high[row], low[row + 1], 0.10))
    ]
    return join(*pieces)


def draw_front(pen: Pen, shape: Shape, *, crown: Crown, locks: Locks, fringe: str) -> None:
    """Draw the hair in front of the face, with its shadow on the skin."""
    zigzag = _zigzag(shape, fringe)
    top = crown(shape)
    outline = _outline(shape, top, locks, zigzag, fringe in ROUND)
    pen.shade(move(outline, 0.9, 2.3), SKIN)
    pen.fill(outline, HAIR)
    _draw_shadow(pen, shape, top, locks)
    _draw_gloss(pen, shape)
    if fringe not in ROUND:
        _draw_strands(pen, shape, zigzag)


def part_of(shape: Shape) -> float:
    """Return x of the parting on the crown."""
    return 4.0 * shape.fringe_part + 3.0 * shape.turn


def _around(
    angles: Widths,
    center: tuple[float, float],
    axes: tuple[float, float],
    radius: Widths | float = 1.0,
) -> Points:
    x = center[0] + axes[0] * radius * np.sin(angles)
    y = center[1] - axes[1] * radius * np.cos(angles)
    return np.stack((x, y), axis=1)


def _zigzag(shape: Shape, fringe: str) -> Points:
    """Return the tips (even rows) and valleys (odd rows) for a shape, left to right."""
    points = turned(FRINGES[fringe], shape, radius=30.0)
    count = len(points)
    wobble = np.array(shape.jitter[: 2 * count]).reshape(2, count).T
    points += wobble * (0.7, 0.6)
    points[::2, 1] += 0.9 * shape.fringe_length
    return points


def _edge(start: Points, stop: Points, part: float) -> Points:
    """Outline an edge of a lock, which bulges away from the parting."""
    outward = np.tanh((start[0] + stop[0] - 2 * part) / 12)
    return bend(start, stop, 0.16 * outward * (1 if stop[1] > start[1] else -1))


def _outline(shape: Shape, crown: Points, locks: Locks, zigzag: Points, bumps: bool) -> Points:
    part = part_of(shape)
    knots = np.concatenate(([(-TEMPLE[0], TEMPLE[1])], zigzag, [TEMPLE]))[::-1]
    pairs = itertools.pairwise(knots)
    fringe = join(*(bend(a, b, -0.32) if bumps else _edge(a, b, part) for a, b in pairs))
    right = _lock(crown[-1], knots[0], locks)
    left = mirror(_lock(crown[0] * (-1, 1), knots[-1] * (-1, 1), locks))
    return join(crown, right, fringe, left)


def _lock(outer: Points, temple: Points, locks: Locks) -> Points:
    """Outline the right lock: from the end of the crown to its tip and up to the temple."""
    tip = np.array(locks.tip)
    if locks.blunt:
        inner = tip - (locks.blunt, 0.4)
        return join(bend(outer, tip, 0.03), bend(inner, temple, -0.02))
    return join(bend(outer, tip, locks.fullness), bend(tip, temple, -0.10))


def _draw_shadow(pen: Pen, shape: Shape, crown: Points, locks: Locks) -> None:
    """Shade the right side of the crown; the light is from the upper left."""
    x = 3.0 * shape.turn
    edge = smooth([(19.5, 10), (20.0 + x, -8), (17.0 + x, -22), (7.0 + x, -33)])
    pen.shade(join(crown[len(crown) // 2 :], [locks.tip], edge), HAIR)


def _draw_gloss(pen: Pen, shape: Shape) -> None:
    """Draw the highlight around the crown, with a ragged lower edge."""
    angles = np.radians(np.linspace(205, 335, 17))
    ragged = np.where(np.arange(17) % 2 == 0, 1.0, -1.0)
    ragged[[0, -1]] = 0
    ring = np.stack((np.cos(angles), np.sin(angles)), axis=1)
    fade = np.sin(np.linspace(0, np.pi, 17))[:, None] ** 0.6
    middle = ring * (20.0, 19.4) + (2.0 * shape.turn, -1.4)
    upper = middle + ring * ragged[:, None] * 0.5
    lower = middle - ring * fade * (2.8 + 1.3 * ragged[:, None])
    pen.paint(join(upper, lower[::-1]), HAIR + LIGHT, over=(HAIR + BASE,))


def _draw_strands(pen: Pen, shape: Shape, zigzag: Points) -> None:
    """Draw a line with a shadow from each valley part of the way to the whorl."""
    whorl = np.array([part_of(shape), -30.0])
    for row, valley in enumerate(zigzag[1::2]):
        reach = 0.5 + 0.14 * shape.jitter[20 + row]
        stop = valley + (whorl - valley) * reach
        side = np.tanh((valley[0] - whorl[0]) / 10)
        line = bend(valley, stop, -0.10 * side)
        shadow = join(line, [stop], move(bend(stop, valley, 0.10 * side), -1.9, 0))
        pen.paint(shadow, HAIR + SHADE, over=(HAIR + BASE,))
        pen.taper(line, HAIR + INK, widths=(THIN, 0.42, 0.0))
