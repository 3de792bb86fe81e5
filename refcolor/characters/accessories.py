"""Accessories, all of them on the head, so that a colour fits every accessory."""

from collections.abc import Callable
from typing import Final

import numpy as np

from refcolor.characters.canvas import LINE, THIN, Pen
from refcolor.characters.curves import bend, ellipse, join, mirror, move, ribbon, rotate, smooth
from refcolor.characters.hats import draw_beret, draw_cap, draw_crown, draw_solid, draw_witch_hat
from refcolor.characters.palette import ACCESSORY as ITEM
from refcolor.characters.palette import BASE, DEEP, INK, LIGHT, SHADE
from refcolor.characters.shape import Shape

Draw = Callable[[Pen, Shape], None]
SIDES: Final = (-1, 1)


def draw_accessory(pen: Pen, shape: Shape) -> None:
    """Draw the accessory on the head, over the hair."""
    if shape.accessory in ITEMS:
        ITEMS[shape.accessory](pen, shape)


def _bow(pen: Pen, shape: Shape) -> None:
    x, y, angle = 11 + 5 * shape.placement, -27.0, 14 + 8 * shape.placement
    for side in SIDES:
        end = np.array([(0, 0), (4, 9), (9.5, 13), (10.5, 8.5), (6, 1)]) * (side, 1)
        pen.fill(move(rotate(end, angle), x, y), ITEM + SHADE)
        loop = smooth(
            [(0, -1.5), (8, -9), (15.5, -9), (18, -1), (15.5, 7.6), (8, 6.5), (0, 1.5)], closed=True
        ) * (side, 1)
        draw_solid(pen, move(rotate(loop, angle), x, y), light=(-1.2, -1.6))
        for fall in (-2.6, 1.8):
            crease = np.array([(3.4 * side, fall * 0.4), (9.5 * side, fall)])
            pen.taper(move(rotate(crease, angle), x, y), ITEM + INK, widths=(LINE, 0.0))
    draw_solid(pen, move(rotate(ellipse(0, 0, 3.4, 4.2), angle), x, y), light=(-0.8, -0.9))


def _headband(pen: Pen, *, width: float) -> None:
    half = np.array([(0, -28.2), (11, -26.4), (20.2, -19.6), (23.6, -10.0)])
    arc = smooth(join(mirror(half)[:-1], half))
    pen.fill(ribbon(arc, (0.25 * width, 0.5 * width, 0.5 * width, 0.25 * width)), ITEM)


def _cat_ears(pen: Pen, shape: Shape) -> None:
    for side in SIDES:
        ear = join(
            bend((7.5, -28.5), (22.5, -46.5), 0.05), bend((22.5, -46.5), (25.0, -17.0), 0.10)
        )
        draw_solid(pen, ear * (side, 1), light=(-1.2, -0.4))
        inner = join(
            bend((12.0, -28.0), (21.0, -40.5), 0.05), bend((21.0, -40.5), (22.6, -20.5), 0.08)
        )
        pen.fill(inner * (side, 1), ITEM + LIGHT, ink=THIN)
    _headband(pen, width=4.4)


def _bunny_ears(pen: Pen, shape: Shape) -> None:
    upright = smooth([(3.5, -27), (2.6, -38), (7.5, -49), (13.4, -44), (13.6, -34), (11.5, -26)])
    inner = smooth([(6.4, -29), (6.0, -38), (8.4, -45), (10.8, -41), (9.6, -29)])
    draw_solid(pen, upright * (-1, 1), light=(-1.0, -0.8))
    pen.fill(inner * (-1, 1), ITEM + LIGHT, ink=THIN)
    folded = smooth([(4, -28), (5.5, -39), (13, -45.5), (19, -43), (16, -37), (14.4, -27)])
    draw_solid(pen, folded, light=(-1.0, -0.8))
    tip = smooth([(12.4, -45.6), (20.5, -45.0), (28, -37.5), (29, -29), (22, -31), (15.6, -38.5)])
    draw_solid(pen, tip, light=(-1.0, -0.8))
    pen.fill(
        smooth([(17, -42), (22, -41), (26, -36), (26.5, -32), (21, -35)]), ITEM + LIGHT, ink=THIN
    )
    _headband(pen, width=4.0)


def _flower(pen: Pen, x: float, y: float, size: float, *, tone: int = BASE) -> None:
    for leaf in range(5):
        petal = ellipse(0, -0.62 * size, 0.46 * size, 0.52 * size)
        pen.fill(move(rotate(petal, 72 * leaf), x, y), ITEM + tone)
        if tone == BASE:
            vein = rotate([(0, -0.2 * size), (0, -0.62 * size)], 72 * leaf)
            pen.taper(move(vein, x, y), ITEM + DEEP, widths=(0.1 * size, 0.0))
    pen.fill(ellipse(x, y, 0.30 * size, 0.30 * size), ITEM + (LIGHT if tone == BASE else DEEP))


def _flowers(pen: Pen, shape: Shape) -> None:
    side = 1 if shape.placement > 0 else -1
    for x, y, angle in ((26, -13, 60), (9, -31, -50), (27.5, -9, 110)):
        leaf = join(bend((0, 0), (9, 0), 0.22), bend((9, 0), (0, 0), 0.22))
        pen.fill(move(rotate(leaf, angle), x, y) * (side, 1), ITEM + DEEP)
    _flower(pen, 8.5 * side, -29.5, 7.4, tone=LIGHT)
    _flower(pen, 25.5 * side, -10.0, 7.0, tone=LIGHT)
    _flower(pen, 18.5 * side, -21.5, 11.6)


def _headphones(pen: Pen, shape: Shape) -> None:
    arc = smooth(
        [
            (-27.0, 2),
            (-27.2, -12),
            (-19.5, -26.6),
            (0, -33.0),
            (19.5, -26.6),
            (27.2, -12),
            (27.0, 2),
        ]
    )
    pen.fill(ribbon(arc, (1.9, 2.6, 1.9)), ITEM)
    pen.paint(move(ribbon(arc, (0.4, 0.5, 0.4)), 0, -0.5), ITEM + LIGHT, over=(ITEM + BASE,))
    for side in SIDES:
        cushion = smooth([(20.5, -4), (24.5, -5.5), (26, 5), (24.5, 15.5), (20.5, 14)], closed=True)
        pen.fill(cushion * (side, 1), ITEM + DEEP)
        draw_solid(pen, ellipse(side * 27.4, 5, 5.4, 9.6), light=(-1.1, -1.6))
        pen.fill(ellipse(side * 28.2, 5, 2.6, 5.4), ITEM + LIGHT, ink=THIN)


def _goggles(pen: Pen, shape: Shape) -> None:
    strap = smooth([(-24.0, -12.5), (-14, -20.5), (0, -23.5), (14, -20.5), (24.0, -12.5)])
    pen.fill(ribbon(strap, (1.6, 2.6, 2.6, 1.6)), ITEM + DEEP)
    for side in SIDES:
        rim = ellipse(side * 10.6, -24.0, 9.6, 7.8, angle=12 * side)
        draw_solid(pen, rim, light=(-1.0, -1.2))
        glass = ellipse(side * 10.6, -24.0, 6.8, 5.2, angle=12 * side)
        pen.fill(glass, ITEM + LIGHT, ink=THIN)
        glint = ribbon([(side * 10.6 - 3.6, -22.0), (side * 10.6 + 0.6, -27.2)], (0.9, 0.9))
        pen.paint(glint, ITEM + SHADE, over=(ITEM + LIGHT,))
    pen.fill(ellipse(0, -25.0, 2.0, 2.2), ITEM + DEEP)


ITEMS: Final[dict[str, Draw]] = {
    "bow": _bow,
    "cat_ears": _cat_ears,
    "bunny_ears": _bunny_ears,
    "beret": draw_beret,
    "witch_hat": draw_witch_hat,
    "cap": draw_cap,
    "flowers": _flowers,
    "headphones": _headphones,
    "crown": draw_crown,
    "goggles": _goggles,
}
