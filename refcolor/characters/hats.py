"""Hats, and the shading of all accessories."""

import numpy as np

from refcolor.characters.canvas import THIN, Pen
from refcolor.characters.curves import (
    Pointlike,
    bend,
    ellipse,
    join,
    move,
    ribbon,
    smooth,
    symmetric,
)
from refcolor.characters.palette import ACCESSORY as ITEM
from refcolor.characters.palette import BASE, DEEP, HAIR, INK, LIGHT, SHADE
from refcolor.characters.shape import Shape


def draw_solid(
    pen: Pen, outline: Pointlike, *, tone: int = BASE, light: tuple[float, float]
) -> None:
    """Fill an outline, and shade it outside the same outline moved by `light`."""
    points = np.asarray(outline, np.float64)
    pen.fill(points, ITEM + SHADE if tone == BASE else ITEM + tone)
    if tone == BASE:
        pen.paint(points + light, ITEM + BASE, over=(ITEM + SHADE,))


def draw_beret(pen: Pen, shape: Shape) -> None:
    """Draw a beret that hangs to one side."""
    pen.shade(ellipse(0, -15, 24, 5.6), HAIR)
    felt = [
        (-25, -17),
        (-24, -31),
        (-6, -40),
        (18, -38),
        (31, -27),
        (29, -17),
        (14, -17),
        (-8, -19),
    ]
    top = move(smooth(felt, closed=True), 1.2 * shape.placement, 0)
    draw_solid(pen, top, light=(-2.0, -2.6))
    band = smooth([(-24, -19.0), (-10, -20.6), (10, -19.2), (27, -15.6)])
    pen.fill(ribbon(band, (1.7, 1.9, 1.7)), ITEM + DEEP)
    pen.fill(smooth([(2.4, -38), (3.4, -43), (6.4, -42.4), (5.6, -38)]), ITEM + DEEP)


def draw_witch_hat(pen: Pen, shape: Shape) -> None:
    """Draw a wide brim with a bent cone."""
    lean = 9 if shape.placement > 0 else -9
    cone = join(
        smooth([(-19, -20), (-13, -32), (lean * 0.7 - 4, -44), (lean * 2.0, -49)]),
        smooth([(lean * 2.0, -49), (lean * 0.8 + 5, -40), (14, -30), (19, -20)]),
    )
    pen.shade(ellipse(0, -13, 26, 5.4), HAIR)
    draw_solid(pen, cone, light=(-3.4, 0))
    belt = join(bend((-19.6, -18.5), (19.6, -18.5), -0.10), bend((16.4, -25), (-16.4, -25), 0.10))
    pen.fill(belt, ITEM + LIGHT)
    brim = join(
        smooth(
            [
                (-38, -15.5),
                (-26, -19.6),
                (-15, -19.2),
                (0, -17.6),
                (15, -19.2),
                (26, -19.6),
                (38, -15.5),
            ]
        ),
        smooth([(38, -15.5), (24, -11.4), (0, -10.6), (-24, -11.4), (-38, -15.5)]),
    )
    draw_solid(pen, brim, light=(0, -2.0))
    pen.fill(np.array([(-3.6, -24.2), (3.6, -24.2), (3.6, -17.8), (-3.6, -17.8)]), ITEM + DEEP)
    pen.fill(
        np.array([(-1.5, -22.4), (1.5, -22.4), (1.5, -19.6), (-1.5, -19.6)]), ITEM + LIGHT, ink=0
    )


def draw_cap(pen: Pen, shape: Shape) -> None:
    """Draw a cap with a star and a peak."""
    pen.shade(ellipse(0, -13.5, 26, 5.2), HAIR)
    dome = smooth(
        [(-27, -13), (-26, -26), (-14, -36.5), (4, -38), (19, -33), (26.5, -21), (27, -13)]
    )
    draw_solid(pen, join(dome, bend((27, -13), (-27, -13), 0.06)), light=(-2.4, -1.2))
    for x, low in ((-9.0, -19.5), (10.5, -19.5)):
        seam = smooth([(1, -38), (x * 0.8, -31), (x, low)])
        pen.taper(seam, ITEM + INK, widths=(0.2, THIN, THIN))
    pen.fill(ellipse(1, -38.2, 2.4, 1.5), ITEM + DEEP)
    star = np.array([(0, -5), (1.4, -1.6), (5, -1.5), (2.2, 0.8), (3.2, 4.4), (0, 2.3)]) * 0.92
    pen.fill(move(symmetric(star), 1, -26), ITEM + LIGHT, ink=THIN)
    peak = join(
        smooth([(-25, -15.6), (-12, -19.8), (2, -20.8), (16, -19.8), (26, -15.8)]),
        smooth([(26, -15.8), (30.5, -9.4), (14, -12.2), (-8, -12.8), (-28, -9.8), (-25, -15.6)]),
    )
    draw_solid(pen, peak, tone=DEEP, light=(0, 0))


def draw_crown(pen: Pen, shape: Shape) -> None:
    """Draw a crown with three points."""
    x = 3.0 * shape.placement
    peaks = [(-17, -24), (-20, -40), (-10.5, -32.5), (0, -45.5)]
    peaks += [(10.5, -32.5), (20, -40), (17, -24)]
    points = move(join(peaks, bend((17, -24), (-17, -24), 0.07)), x, 0)
    draw_solid(pen, points, light=(-2.2, -0.6))
    base = move(ribbon(bend((-17.4, -24.6), (17.4, -24.6), 0.07), (2.2, 2.2)), x, 0)
    pen.fill(base, ITEM + DEEP)
    for gem, y, size in ((-9.6, -26.4, 1.7), (0.0, -27.0, 2.1), (9.6, -26.4, 1.7)):
        pen.fill(ellipse(gem + x, y, size, size), ITEM + LIGHT, ink=THIN)
    for tip, y in ((-20, -40.6), (0, -46.2), (20, -40.6)):
        pen.fill(ellipse(tip + x, y, 2.1, 2.1), ITEM + LIGHT)
