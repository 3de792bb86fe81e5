"""Bound hair: tails, braids, ringlets and buns on one side of the head."""

import numpy as np

from refcolor.characters.canvas import THIN, Pen
from refcolor.characters.curves import (
    Pointlike,
    Points,
    Widths,
    bend,
    ellipse,
    join,
    move,
    offset,
    ribbon,
    rotate,
    smooth,
    spread,
)
from refcolor.characters.palette import BASE, DEEP, HAIR, INK, LIGHT, SHADE
from refcolor.characters.shape import Shape


def draw_tail(pen: Pen, spine: Pointlike, widths: tuple[float, ...]) -> None:
    """Draw a tail of hair along a spine, from the tie at its root to its tip."""
    curve = smooth(spine)
    outline = ribbon(curve, widths)
    pen.fill(outline, HAIR)
    half = spread(widths, len(curve))
    pen.paint(_strip(curve, half, 0.25, 1.0), HAIR + SHADE, over=(HAIR + BASE,))
    lit = slice(len(curve) // 5, len(curve) // 2)
    pen.paint(_strip(curve[lit], half[lit], -0.62, -0.3), HAIR + LIGHT, over=(HAIR + BASE,))
    strand = offset(curve, 0.15 * half)[len(curve) // 6 :]
    pen.taper(strand, HAIR + INK, widths=(0.1, THIN, THIN, 0.0))
    direction = curve[3] - curve[0]
    angle = float(np.degrees(np.arctan2(direction[1], direction[0]))) - 90
    knot = smooth([(-3.4, -1.6), (3.4, -1.6), (3.4, 1.8), (-3.4, 1.8)], closed=True)
    pen.fill(rotate(knot, angle) + curve[0] + direction * 0.25, HAIR + DEEP)


def draw_braid(pen: Pen, shape: Shape, side: int) -> None:
    """Draw a braid that falls over one shoulder."""
    count = 10
    path = smooth(
        [(21.0, 11), (25.0 + shape.hair_wave, 25), (21.5, 40), (19.5 + shape.hair_wave, 68)]
    )
    knots = path[np.rint(np.linspace(0, len(path) - 1, count)).astype(int)]
    for row in range(count - 1, -1, -1):
        width = 5.9 - 0.12 * row
        for lobe in (1, -1):
            leaf = rotate(ellipse(0, 0, width * 0.56, width), 34 * lobe)
            lock = (leaf + knots[row] + (lobe * width * 0.46, 0)) * (side, 1)
            pen.fill(lock, HAIR)
            pen.paint(move(lock, 3.2, 1.6), HAIR + SHADE, over=(HAIR + BASE,))


def draw_ringlet(pen: Pen, shape: Shape, side: int) -> None:
    """Draw a spiral curl that tapers from the ear down."""
    count = 7
    for row in range(count - 1, -1, -1):
        width = 9.6 - 1.05 * row
        x = side * (28.5 + 1.5 * shape.hair_volume - 0.35 * row)
        turn = ellipse(x, -1 + 8.2 * row, width, 5.6, angle=-16 * side)
        pen.fill(turn, HAIR)
        pen.paint(move(turn, 0.9 * width, 1.2), HAIR + SHADE, over=(HAIR + BASE,))
        glint = ellipse(x - 0.42 * width, -2.4 + 8.2 * row, 0.22 * width, 1.0, angle=-16 * side)
        pen.paint(glint, HAIR + LIGHT, over=(HAIR + BASE,))


def draw_bun(pen: Pen, shape: Shape, side: int) -> None:
    """Draw a bun at the upper side of the head."""
    size = 9.6 + 0.8 * shape.hair_volume
    x, y = side * 20.5, -27.0
    pen.fill(ellipse(x, y, size, size * 0.96), HAIR)
    pen.paint(
        ellipse(x + 0.5 * size, y + 0.6 * size, size, size), HAIR + SHADE, over=(HAIR + BASE,)
    )
    pen.paint(ellipse(x - 3.2, y - 4.6, 2.8, 1.4, angle=-35), HAIR + LIGHT, over=(HAIR + BASE,))
    for reach, sag in ((0.86, 0.45), (0.5, 0.42)):
        arc = bend((x - reach * size, y + 1.5), (x + reach * size * 0.6, y + 0.6 * size), -sag)
        pen.taper(arc, HAIR + INK, widths=(0.0, THIN, 0.0))


def _strip(curve: Points, half: Widths, near: float, far: float) -> Points:
    """Outline the strip of a tail between two fractions of its half width."""
    fade = np.sin(np.linspace(0, np.pi, len(curve))) ** 0.4
    middle = (near + far) / 2
    inner = offset(curve, half * (middle + (near - middle) * fade))
    outer = offset(curve, half * (middle + (far - middle) * fade))
    return join(inner, outer[::-1])
