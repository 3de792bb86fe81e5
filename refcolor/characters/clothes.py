"""Clothes on the shoulders; all pieces with their label have a tone of their colour."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from refcolor.characters.canvas import LINE, THIN, Pen
from refcolor.characters.curves import (
    Pointlike,
    Points,
    bend,
    ellipse,
    join,
    mirror,
    move,
    ribbon,
    rotate,
    scallops,
    smooth,
    symmetric,
)
from refcolor.characters.palette import BASE, DEEP, INK, LIGHT, OTHER, SHADE
from refcolor.characters.palette import CLOTHES as CLOTH
from refcolor.characters.shape import Shape

Draw = Callable[[Pen, Shape], None]
SIDES: Final = (-1, 1)
# Right halves, from the middle to the shoulder; the picture ends at about y = 50.
_SHOULDER = ((16.0, 33.4), (26.0, 37.4), (31.0, 46.0), (33.0, 76.0))


@dataclass(frozen=True, slots=True)
class Garment:
    """The drawing functions of a garment, by drawing order."""

    over: Draw
    behind: Draw | None = None


def draw_clothes_behind(pen: Pen, shape: Shape) -> None:
    """Draw the clothes behind the neck."""
    behind = GARMENTS[shape.clothes].behind
    if behind is not None:
        behind(pen, shape)


def draw_clothes(pen: Pen, shape: Shape) -> None:
    """Draw the clothes over the bare bust, and the head's shadow on them."""
    GARMENTS[shape.clothes].over(pen, shape)
    pen.shade(ellipse(1.5, 26.5, 13.5, 9.5), CLOTH)


def _shoulder(shape: Shape) -> Points:
    return np.array(_SHOULDER) * (1 + 0.05 * shape.shoulder, 1)


def _torso(pen: Pen, shape: Shape, neckline: Pointlike, *, tone: int = BASE) -> None:
    """Draw sleeves and chest below a neckline; `neckline` is its right half from the middle."""
    half = join(neckline, smooth(join(np.asarray(neckline)[-1:], _shoulder(shape)))[1:])
    pen.fill(symmetric(half), CLOTH + tone)
    dark = [(23.5, 36), (21.5, 43), (23.5, 76), (40, 76), (40, 36)]
    pen.paint(join(smooth(dark[:3]), dark[3:]), CLOTH + SHADE, over=(CLOTH + BASE,))
    for side in SIDES:
        pen.taper(bend((side * 21.6, 43), (side * 22.8, 62), 0.03), CLOTH + INK, widths=(0, LINE))
        crease = bend((side * 20.6, 41.5), (side * 25.2, 44.5), -0.12 * side)
        pen.taper(crease, CLOTH + INK, widths=(0.0, THIN, 0.0))


def _band(pen: Pen, curve: Pointlike, tone: int, *, width: float) -> None:
    pen.fill(ribbon(curve, (width / 2, width / 2)), tone)


def _knot(pen: Pen, y: float, size: float, tone: int) -> None:
    """Draw a ribbon tied at the chest."""
    for side in SIDES:
        end = smooth([(0, 0), (1.6, 4), (5.0, 8), (8.4, 7.4), (4.4, 1.5)]) * size
        pen.fill(move(end * (side, 1), 0, y), tone)
        loop = smooth([(0, -0.6), (5, -3.4), (9, -2.6), (8.6, 2.6), (4.6, 2.8), (0, 0.8)]) * size
        pen.fill(move(loop * (side, 1), 0, y), tone)
    pen.fill(ellipse(0, y, 1.9 * size, 2.0 * size), tone)


def _sailor(pen: Pen, shape: Shape) -> None:
    _torso(pen, shape, [(0, 43), (8, 31)])
    for side in SIDES:
        flap = join([(0, 43.5), (7.4, 29.6)], smooth([(7.4, 29.6), (14, 32.2), (23.5, 36.6)]))
        flap = join(
            flap, bend((23.5, 36.6), (21.5, 43.6), 0.05), bend((21.5, 43.6), (0, 47), -0.06)
        )
        pen.fill(flap * (side, 1), CLOTH + DEEP)
        trim = join([(20.8, 37.4)], bend((19.2, 42.0), (2.4, 44.6), -0.06))
        pen.line(trim * (side, 1), CLOTH + LIGHT, width=0.9)
    _knot(pen, 45.4, 1.0, CLOTH + LIGHT)


def _hood(pen: Pen, shape: Shape) -> None:
    rim = smooth([(0, 17), (13, 20), (20.5, 28), (19, 37), (10, 42), (0, 43)])
    pen.fill(symmetric(rim), CLOTH)
    pen.shade(symmetric(smooth([(0, 19), (12, 23), (16, 31), (10, 42), (0, 43)])), CLOTH)


def _hoodie(pen: Pen, shape: Shape) -> None:
    _torso(pen, shape, [(0, 35), (8, 31)])
    pen.line([(0, 41), (0, 60)], CLOTH + INK, width=THIN)
    for side in SIDES:
        rim = smooth(
            [(6.4, 28.5), (13.5, 25.0), (20.0, 30.5), (14.5, 38.6), (0, 45), (0, 40), (5.4, 36)]
        )
        pen.fill(rim * (side, 1), CLOTH)
        fold = smooth([(8.4, 31.5), (9.4, 36.0), (1.0, 43.2), (0, 41), (5.4, 36)])
        pen.paint(fold * (side, 1), CLOTH + SHADE, over=(CLOTH + BASE,))
        cord = smooth([(side * 4.2, 40.6), (side * 5.0, 45), (side * 4.4, 52)])
        pen.line(cord, CLOTH + INK, width=1.9)
        pen.line(cord, CLOTH + LIGHT, width=1.0)


def _blazer(pen: Pen, shape: Shape) -> None:
    pen.fill([(-9, 30), (9, 30), (12, 70), (-12, 70)], OTHER)
    tie = [(-2.0, 36.8), (2.0, 36.8), (1.6, 39.6), (3.6, 52), (0, 60), (-3.6, 52), (-1.6, 39.6)]
    pen.fill(tie, CLOTH + DEEP)
    pen.line([(-1.7, 39.4), (1.7, 39.4)], CLOTH + INK, width=THIN)
    for side in SIDES:
        flap = np.array([(0, 37), (6.2, 28.5), (9.6, 31.5), (7.6, 41.0)]) * (side, 1)
        pen.fill(flap, OTHER)
    _torso(pen, shape, [(0, 64), (9.6, 30.6)])
    for side in SIDES:
        lapel = [(1.6, 60), (9.4, 30.4), (15.4, 33.4), (18.4, 41.4), (14.2, 42.0), (16.6, 45.6)]
        pen.fill(np.array(lapel) * (side, 1), CLOTH + (SHADE if side > 0 else BASE))


def _kimono(pen: Pen, shape: Shape) -> None:
    _torso(pen, shape, [(0, 46), (8.4, 30)])
    for inset, tone, width in ((0.0, OTHER, 3.6), (2.4, CLOTH + LIGHT, 4.6)):
        right = bend((8.2 + inset, 28.0), (-12.0, 58 + 2 * inset), -0.05)
        left = bend((-8.2 - inset, 28.0), (12.0, 58 + 2 * inset), 0.05)
        _band(pen, right, tone, width=width)
        _band(pen, left, tone, width=width)
    for x, y, size in (
        (-24.5, 44.5, 2.6),
        (25.5, 46.5, 2.4),
        (18.8, 40.5, 1.8),
        (-18.2, 48.5, 1.8),
    ):
        for leaf in range(5):
            petal = rotate(ellipse(0, -0.62 * size, 0.5 * size, 0.5 * size), 72 * leaf)
            pen.fill(move(petal, x, y), CLOTH + LIGHT, ink=0)


def _turtleneck(pen: Pen, shape: Shape) -> None:
    _torso(pen, shape, [(0, 33), (8, 32)])
    collar = smooth([(0, 25), (7.6, 24.4), (9.2, 28.2), (9.6, 33.2), (5, 35.6), (0, 36.2)])
    pen.fill(symmetric(collar), CLOTH)
    for x in (-6.2, -3.1, 0.0, 3.1, 6.2):
        pen.taper([(x * 0.95, 27.5), (x * 1.06, 34.4)], CLOTH + INK, widths=(0.3, THIN, 0.1))
    pen.paint(_knitted_row(39.6, 30.5), CLOTH + LIGHT, over=(CLOTH + BASE, CLOTH + SHADE))


def _knitted_row(y: float, reach: float) -> Points:
    """Outline a knitted zigzag band across the chest."""
    x = np.linspace(-reach, reach, 21)
    sway = np.where(np.arange(21) % 2 == 0, 1.0, -1.0) + 0.006 * x**2
    upper = np.stack((x, y + sway), axis=1)
    return join(upper, move(upper[::-1], 0, 2.6))


def _off_shoulder(pen: Pen, shape: Shape) -> None:
    wide = 1 + 0.05 * shape.shoulder
    top = smooth([(0, 43.6), (12, 42.6), (24 * wide, 41.2), (31.5 * wide, 43.8)])
    pen.fill(symmetric(join(top, [(33 * wide, 76), (0, 76)])), CLOTH)
    for x in (-20.0, -10.5, 10.5, 20.0):
        pen.taper(bend((x, 50), (x * 1.04, 64), 0.03), CLOTH + INK, widths=(0.0, LINE))
    frill = join(mirror(move(top, 0, 6.4))[:-1], move(top, 0, 6.4))[::-1]
    lower = scallops(frill, count=9, depth=0.22)
    pen.fill(join(mirror(top)[:-1], top, lower), CLOTH + LIGHT)
    for x in np.linspace(-24, 24, 8):
        pen.taper([(x, 43.4), (x * 1.03, 47.4)], CLOTH + INK, widths=(THIN, 0.0))
    for side in SIDES:
        strap = bend((side * 9.6, 32.2), (side * 12.5, 43), 0.04 * side)
        _band(pen, strap, CLOTH, width=1.9)
    _knot(pen, 46.0, 0.62, CLOTH + DEEP)


def _armour(pen: Pen, shape: Shape) -> None:
    _torso(pen, shape, [(0, 36), (8, 33)], tone=DEEP)
    plate = smooth([(0, 38.5), (9, 37.2), (17, 38.8), (18.5, 48), (16, 70)])
    pen.fill(symmetric(plate), CLOTH)
    pen.shade([(0, 38), (3.2, 46), (2.0, 70), (20, 70), (20, 38)], CLOTH)
    pen.line([(0, 38.4), (0, 60)], CLOTH + INK, width=THIN)
    for side in SIDES:
        for x, y, width, height in ((26.5, 47.0, 9.5, 8.5), (23.5, 40.4, 10.4, 7.6)):
            shell = ellipse(side * x, y, width, height, angle=24 * side)
            pen.fill(shell, CLOTH + LIGHT)
            inner = ellipse(side * x, y - 1.3, width - 1.6, height - 1.7, angle=24 * side)
            pen.fill(inner, CLOTH, ink=THIN)
            pen.shade(move(inner, 2.6, 3.0), CLOTH)
    gorget = smooth([(0, 33.0), (6.6, 30.4), (8.4, 27.0), (11.4, 29.6), (10.6, 36.4), (0, 41)])
    pen.fill(symmetric(gorget), CLOTH + LIGHT)


def _cape_collar(pen: Pen, shape: Shape) -> None:
    collar = smooth([(0, 22), (9, 20.5), (19.5, 15.0), (21.5, 24), (16, 40), (0, 42)])
    pen.fill(symmetric(collar), CLOTH + DEEP)


def _cape(pen: Pen, shape: Shape) -> None:
    _torso(pen, shape, [(0, 34), (8, 31)], tone=LIGHT)
    for y in (42.5, 48.5):
        pen.fill(ellipse(0, y, 1.3, 1.3), CLOTH + DEEP, ink=THIN)
    wide = 1 + 0.05 * shape.shoulder
    for side in SIDES:
        drape = join(
            smooth(
                [(5.6, 36.6), (6.6, 31.0), (15 * wide, 32.6), (29 * wide, 38.6), (36 * wide, 58)]
            ),
            smooth([(36, 76), (14, 76), (10.5, 52), (5.6, 36.6)]),
        )
        pen.fill(drape * (side, 1), CLOTH)
        for x in (16.5, 24.5):
            fold = bend((side * x, 41), (side * (x + 3.5), 62), 0.05 * side)
            pen.taper(fold, CLOTH + INK, widths=(0.0, LINE))
            pen.shade(join(fold, move(fold[::-1], 2.6, 0)), CLOTH)
        turn = smooth([(6.2, 37.0), (6.0, 27.0), (10.4, 26.0), (13.4, 33.0)])
        pen.fill(turn * (side, 1), CLOTH + (BASE if side < 0 else SHADE))
    pen.fill(ellipse(0, 36.4, 4.6, 3.6), CLOTH + DEEP)
    pen.fill(ellipse(-0.6, 35.7, 1.7, 1.2), CLOTH + LIGHT, ink=0)


def _pinafore(pen: Pen, shape: Shape) -> None:
    _torso(pen, shape, [(0, 35), (8, 32)], tone=LIGHT)
    bib = join([(0, 43), (11.5, 42.4)], bend((11.5, 42.4), (13.5, 70), 0.03))
    pen.fill(symmetric(bib), CLOTH)
    for side in SIDES:
        strap = bend((side * 13.2, 33.0), (side * 10.6, 47), 0.06 * side)
        frill = scallops(bend((13.6, 32.6), (17.0, 54), 0.07), count=5, depth=0.28)
        pen.fill(join(frill, [(10.6, 54), (12.4, 33)]) * (side, 1), CLOTH)
        _band(pen, strap, CLOTH + DEEP, width=3.0)
        collar = smooth([(0, 36.4), (6.4, 30.0), (11.6, 31.8), (11.0, 37.0), (5.0, 39.6)])
        pen.fill(collar * (side, 1), CLOTH)
    _knot(pen, 39.0, 0.6, CLOTH + DEEP)


def _scarf(pen: Pen, shape: Shape) -> None:
    _torso(pen, shape, [(0, 33), (8, 32)], tone=LIGHT)
    end = smooth([(3.0, 38), (11.5, 37), (14.5, 52), (15.5, 66)])
    pen.fill(join(end, [(6.5, 68)], bend((6.5, 68), (3.0, 38), 0.03)), CLOTH)
    for y in (51.0, 55.5):
        pen.paint(bend((4.0, y), (15.5, y - 1.0), 0.04), CLOTH + DEEP, over=(CLOTH + BASE,))
        _band(pen, bend((5.0, y), (14.6, y - 1.0), 0.04), CLOTH + LIGHT, width=1.8)
    wrap = smooth([(0, 24.5), (8.8, 23.8), (15.6, 27.5), (15.8, 35), (8, 40.4), (0, 41.6)])
    pen.fill(symmetric(wrap), CLOTH)
    pen.shade(symmetric(smooth([(0, 33), (9, 31.5), (15.6, 31), (8, 40.4), (0, 41.6)])), CLOTH)
    for side, y in ((-1, 31.0), (1, 34.6)):
        fold = bend((side * 14.6, y - 2.2), (side * -5.0, y + 2.0), 0.10 * side)
        pen.taper(fold, CLOTH + INK, widths=(0.0, LINE, 0.0))


GARMENTS: Final[dict[str, Garment]] = {
    "sailor": Garment(_sailor),
    "hoodie": Garment(_hoodie, behind=_hood),
    "blazer": Garment(_blazer),
    "kimono": Garment(_kimono),
    "turtleneck": Garment(_turtleneck),
    "off_shoulder": Garment(_off_shoulder),
    "armour": Garment(_armour),
    "cape": Garment(_cape, behind=_cape_collar),
    "pinafore": Garment(_pinafore),
    "scarf": Garment(_scarf),
}
