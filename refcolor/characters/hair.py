"""Hair styles: hair behind the head, over the shoulders, and in front of the face."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

from refcolor.characters.canvas import THIN, Pen
from refcolor.characters.curves import (
    Points,
    bend,
    ellipse,
    join,
    mirror,
    move,
    scallops,
    smooth,
    symmetric,
)
from refcolor.characters.fringe import (
    Crown,
    Locks,
    curly_crown,
    draw_front,
    part_of,
    smooth_crown,
    spikes,
    spiky_crown,
)
from refcolor.characters.palette import HAIR, INK
from refcolor.characters.shape import HATS, Shape
from refcolor.characters.tails import draw_braid, draw_bun, draw_ringlet, draw_tail

Draw = Callable[[Pen, Shape], None]
SIDES: Final = (-1, 1)


@dataclass(frozen=True, slots=True)
class HairStyle:
    """The drawing functions of a hair style."""

    behind: Draw
    locks: Locks
    fringes: tuple[str, ...]
    crown: Crown = smooth_crown
    over: Draw | None = None
    finish: Draw | None = None


def draw_hair_behind(pen: Pen, shape: Shape) -> None:
    """Draw the hair behind neck and shoulders."""
    STYLES[shape.hair_style].behind(pen, shape)


def draw_hair_over(pen: Pen, shape: Shape) -> None:
    """Draw the hair over the shoulders, behind the face."""
    over = STYLES[shape.hair_style].over
    if over is not None:
        over(pen, shape)


def draw_hair_front(pen: Pen, shape: Shape) -> None:
    """Draw crown, fringe and the locks at both sides of the face; a hat flattens the crown."""
    style = STYLES[shape.hair_style]
    fringe = style.fringes[shape.fringe % len(style.fringes)]
    hat = shape.accessory in HATS
    crown = smooth_crown if hat else style.crown
    if shape.jitter[31] > 0.3 and not hat:
        x, side = part_of(shape), 1 if shape.jitter[30] > 0 else -1
        sprout = smooth([(0, 1), (1.6, -6), (6.5, -8.5), (11, -4), (6.2, -5.6), (3.6, -3), (4, 1)])
        pen.fill(move(sprout * (side, 1), x, -31), HAIR)
    draw_front(pen, shape, crown=crown, locks=style.locks, fringe=fringe)
    if style.finish is not None:
        style.finish(pen, shape)


def _hang(pen: Pen, half: Points, hem: Points, *, inner: float) -> None:
    """Draw loose hair: `half` is its right edge from the top, `hem` runs from right to left."""
    pen.fill(join(half, hem, mirror(half)), HAIR)
    bottom = float(half[-1, 1])
    shadow = smooth([(0, -20), (inner, -4), (inner + 0.8, 22), (inner - 2, bottom + 6)])
    pen.shade(symmetric(shadow), HAIR)
    for side in SIDES:
        edge = half[len(half) // 2 :] * (0.92 * side, 1)
        pen.taper(edge[: round(0.85 * len(edge))], HAIR + INK, widths=(0.0, THIN, 0.0))


def _hem(right: float, y: float, shape: Shape, *, teeth: int, depth: float) -> Points:
    """Outline the pointed ends of loose hair, from right to left."""
    knots = np.stack((np.linspace(right, -right, 2 * teeth + 1), np.full(2 * teeth + 1, y)), 1)
    knots[1::2, 1] += depth * (1 + 0.3 * np.array(shape.jitter[:teeth]))
    knots[2:-1:2, 1] += 0.2 * depth
    return join(*(bend(a, b, -0.06) for a, b in itertools.pairwise(knots)))


def _long_straight(pen: Pen, shape: Shape) -> None:
    end = 50 + 7 * shape.hair_length
    half = smooth([(0, -28), (19, -22), (26, -4), (27, 18), (29, 36), (27.5, end)])
    _hang(pen, half, _hem(27.5, end, shape, teeth=6, depth=7), inner=18)


def _hime_cut(pen: Pen, shape: Shape) -> None:
    end = 43 + 4 * shape.hair_length
    half = smooth([(0, -28), (19, -22), (26.5, -4), (28.5, 18), (31, 34), (32, end)])
    _hang(pen, half, np.array([(32, end), (-32, end)], np.float64), inner=17)


def _wavy_long(pen: Pen, shape: Shape) -> None:
    down = np.linspace(-6, 58, 17)
    spread = 27 + 0.13 * (down + 6)
    swing = (1.7 + 0.4 * shape.hair_wave) * np.sin(down / 3.3 + shape.hair_wave)
    side = np.stack((spread + swing * np.clip((down + 6) / 14, 0.2, 1), down), axis=1)
    half = smooth(join([(0, -29), (19, -23)], side))
    _hang(pen, half, half[-1:] * (-1, 1), inner=18)


def _flipped(pen: Pen, shape: Shape) -> None:
    end = 24 + 3 * shape.hair_length
    half = smooth([(0, -28), (19, -22), (26.5, -6), (26.0, 10), (28.5, end - 5), (39, end)])
    under = smooth([(39, end), (29, end + 5.5), (18, end + 3)])
    hem = join(under, [(34 * 0.6, end + 8), (12, end + 6)], mirror([(21, end + 8), (12, end + 6)]))
    _hang(pen, half, join(hem, mirror(under)), inner=19)


def _bob(pen: Pen, shape: Shape) -> None:
    end = 24 + 2 * shape.hair_length
    half = smooth([(0, -28), (19, -23), (28, -5), (31, 12), (27, end), (15, end + 3)])
    _hang(pen, half, half[-1:] * (-1, 1), inner=19)


def _pixie(pen: Pen, shape: Shape) -> None:
    half = smooth([(0, -28), (18, -22), (24.5, -6), (24, 6), (19, 16)])
    _hang(pen, half, _hem(19, 16, shape, teeth=5, depth=5), inner=17)


def _spiky(pen: Pen, shape: Shape) -> None:
    pen.fill(spikes(shape, reach=158, count=11, center=(0.0, -2.0), axes=(25.5, 23.0)), HAIR)
    pen.shade(ellipse(0, 8, 22, 20), HAIR)


def _curly(pen: Pen, shape: Shape) -> None:
    size = 33 + 1.5 * shape.hair_volume
    cloud = np.roll(ellipse(0, -4, size, size * 0.94), 7, axis=0)
    pen.fill(scallops(join(cloud, cloud[:1]), count=17, depth=0.26), HAIR)
    pen.shade(scallops(move(join(cloud, cloud[:1]) * 0.86, 3, 5), count=13, depth=0.2), HAIR)


def _curl_marks(pen: Pen, shape: Shape) -> None:
    for x, y in ((-15, -15), (-5, -24), (6, -14.5), (15, -22), (20.5, -8), (-21, -4)):
        arc = smooth([(x - 2.6, y), (x - 1.2, y - 2.4), (x + 1.8, y - 1.6), (x + 1.4, y + 1.0)])
        pen.taper(arc, HAIR + INK, widths=(0.0, THIN, THIN, 0.1))


def _nape(pen: Pen, shape: Shape) -> None:
    pen.fill(ellipse(0, 0, 22.5, 20), HAIR)
    pen.shade(ellipse(0, 6, 21, 18), HAIR)


def _twin_tails(pen: Pen, shape: Shape) -> None:
    _nape(pen, shape)
    low, swing = 44 + 6 * shape.hair_length, 3 * shape.hair_wave
    for side in SIDES:
        spine = np.array([(21, -21), (32, -22), (38 + swing, -2), (38, 20), (33 - swing, low)])
        draw_tail(pen, spine * (side, 1), (2.6, 5.0, 7.4, 6.6, 0.0))


def _low_tails(pen: Pen, shape: Shape) -> None:
    low, swing = 52 + 4 * shape.hair_length, 2 * shape.hair_wave
    for side in SIDES:
        spine = np.array([(21, 15), (25, 22), (26 + swing, 36), (20 - swing, low)])
        draw_tail(pen, spine * (side, 1), (2.4, 4.8, 6.0, 0.5))


def _ponytail(pen: Pen, shape: Shape) -> None:
    _nape(pen, shape)
    low, swing = 34 + 8 * shape.hair_length, 3 * shape.hair_wave
    spine = [(9, -30), (19, -38), (32, -29), (37 + swing, -6), (34, 16), (38 - swing, low)]
    draw_tail(pen, spine, (3.2, 6.4, 8.8, 9.2, 7.4, 0.0))


def _side_tail(pen: Pen, shape: Shape) -> None:
    low, swing = 54 + 5 * shape.hair_length, 2.5 * shape.hair_wave
    spine = [(20, 12), (28, 18), (31 + swing, 32), (24 - swing, low)]
    draw_tail(pen, spine, (3.0, 6.6, 8.6, 3.0))


def _both(draw: Callable[[Pen, Shape, int], None], pen: Pen, shape: Shape) -> None:
    for side in SIDES:
        draw(pen, shape, side)


def _buns(pen: Pen, shape: Shape) -> None:
    _nape(pen, shape)
    _both(draw_bun, pen, shape)


def _ringlets(pen: Pen, shape: Shape) -> None:
    _nape(pen, shape)
    _both(draw_ringlet, pen, shape)


def _two_side_up(pen: Pen, shape: Shape) -> None:
    _long_straight(pen, shape)
    low, swing = 2 + 4 * shape.hair_length, 2 * shape.hair_wave
    for side in SIDES:
        spine = np.array([(19, -26), (29, -29), (34 + swing, -16), (32 - swing, low)])
        draw_tail(pen, spine * (side, 1), (2.2, 4.6, 5.6, 0.0))


def _top_knot(pen: Pen, shape: Shape) -> None:
    _nape(pen, shape)
    size = 9.4 + 0.8 * shape.hair_volume
    pen.fill(ellipse(0, -35, size, 0.92 * size), HAIR)
    pen.shade(ellipse(0.5 * size, -31, size, size), HAIR)
    for reach, y in ((0.8, -37.5), (0.6, -33.5)):
        arc = bend((-reach * size, y), (reach * size, y - 1.5), -0.3)
        pen.taper(arc, HAIR + INK, widths=(0.0, THIN, 0.0))


STYLES: Final[dict[str, HairStyle]] = {
    "long_straight": HairStyle(_long_straight, Locks((22, 36)), ("pointed", "blunt", "parted")),
    "hime_cut": HairStyle(_hime_cut, Locks((24.6, 22), blunt=7.4), ("blunt",)),
    "wavy_long": HairStyle(
        _wavy_long, Locks((22, 31), fullness=0.16), ("parted", "swept", "pointed")
    ),
    "flipped": HairStyle(_flipped, Locks((19, 19)), ("swept", "pointed", "crossed")),
    "bob": HairStyle(_bob, Locks((19.5, 25), fullness=0.14), ("blunt", "swept", "crossed")),
    "pixie": HairStyle(_pixie, Locks((21, 12)), ("swept", "pointed")),
    "short_spiky": HairStyle(
        _spiky, Locks((21, 15)), ("pointed", "crossed", "swept"), crown=spiky_crown
    ),
    "twin_tails": HairStyle(_twin_tails, Locks((21, 22)), ("pointed", "crossed", "blunt")),
    "ponytail": HairStyle(_ponytail, Locks((20.5, 19)), ("crossed", "swept", "parted")),
    "side_tail": HairStyle(_nape, Locks((20, 17)), ("swept", "pointed", "parted"), over=_side_tail),
    "low_tails": HairStyle(_nape, Locks((20, 15)), ("blunt", "crossed"), over=_low_tails),
    "braids": HairStyle(
        _nape, Locks((20, 14)), ("parted", "blunt"), over=partial(_both, draw_braid)
    ),
    "buns": HairStyle(_buns, Locks((21, 24)), ("blunt", "parted", "pointed")),
    "ringlets": HairStyle(_ringlets, Locks((20, 16)), ("parted", "pointed")),
    "curly": HairStyle(_curly, Locks((21.5, 8)), ("curls",), crown=curly_crown, finish=_curl_marks),
    "two_side_up": HairStyle(_two_side_up, Locks((22, 33)), ("blunt", "swept", "pointed")),
    "top_knot": HairStyle(_top_knot, Locks((20.5, 20)), ("parted", "crossed", "swept")),
}
