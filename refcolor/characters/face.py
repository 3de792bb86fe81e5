"""Head and neck without hair: skin, ears, eyes, brows, nose and mouth."""

import numpy as np

from refcolor.characters.canvas import THIN, Pen
from refcolor.characters.curves import (
    Pointlike,
    Points,
    bend,
    ellipse,
    join,
    move,
    ribbon,
    rotate,
    smooth,
    symmetric,
)
from refcolor.characters.palette import BASE, DEEP, EYES, HAIR, INK, LIGHT, OTHER, SHADE, SKIN
from refcolor.characters.shape import Shape

EYE_LINE = 6.0
_WHITES = (OTHER + BASE, OTHER + SHADE)


def turned(points: Pointlike, shape: Shape, *, radius: float = 25.0) -> Points:
    """Rotate points of the face as on a cylinder that turns with the head."""
    moved = np.array(points, np.float64)
    angles = np.arcsin(np.clip(moved[:, 0] / radius, -1, 1))
    moved[:, 0] = radius * np.sin(angles + np.radians(9.0 * shape.turn))
    return moved


def face_outline(shape: Shape) -> Points:
    """Outline the face from the crown (hidden by hair) to the chin."""
    width = 1 + 0.03 * shape.face_width
    chin = 26.6 + 0.6 * shape.chin
    half = (
        (0.0, -25.0),
        (13.0, -21.5),
        (20.4, -9.0),
        (20.8, 2.0),
        (19.4, 11.0),
        (14.0, 19.6),
        (5.6, chin - 1.6),
        (0.0, chin),
    )
    outline = smooth(symmetric(half)[:-1], closed=True) * (width, 1)
    lower = np.clip(outline[:, 1] / 26, 0, 1)
    outline[:, 0] += 2.6 * shape.turn * lower
    return outline


def draw_bust(pen: Pen, shape: Shape) -> None:
    """Draw neck and bare shoulders down to the lower edge of the picture."""
    pen.fill(smooth(_bust_outline(shape)), SKIN)
    pen.shade(ellipse(1.2, 22.5, 8.5, 9.0), SKIN)
    for side in (-1, 1):
        pen.taper(bend((side * 2.2, 36.6), (side * 11, 34.8), 0.06 * side), SKIN + INK)


def _bust_outline(shape: Shape) -> Points:
    """Outline neck, shoulders and arms."""
    wide = 1 + 0.05 * shape.shoulder
    return symmetric(
        (
            (0.0, 12.0),
            (6.2, 14.0),
            (6.0, 26.0),
            (7.6, 31.0),
            (16.0 * wide, 34.4),
            (25.0 * wide, 38.0),
            (29.5 * wide, 46.0),
            (31.0 * wide, 75.0),
        )
    )


def draw_ears(pen: Pen, shape: Shape) -> None:
    """Draw both ears; the face covers their inner half."""
    for side in (-1, 1):
        x = side * (20.3 + 0.6 * shape.face_width) + 0.6 * shape.turn
        pen.fill(ellipse(x, 7.0, 3.3, 5.4, angle=-10 * side), SKIN)
        pen.paint(ellipse(x + 0.3 * side, 7.2, 1.8, 3.4), SKIN + SHADE, over=(SKIN + BASE,))


def draw_face(pen: Pen, shape: Shape) -> None:
    """Draw the face with all its features."""
    outline = face_outline(shape)
    pen.fill(outline, SKIN)
    _draw_blush(pen, shape)
    _draw_nose(pen, shape)
    _draw_mouth(pen, shape)
    _draw_brows(pen, shape)
    for side in (-1, 1):
        _draw_eye(pen, shape, side)


def _draw_brows(pen: Pen, shape: Shape) -> None:
    y = EYE_LINE - 0.52 * shape.eye_height - 5.2 - 0.7 * shape.brow_height
    for side in (-1, 1):
        arc = rotate(bend((-4.2, 0.6), (5.0, 0.4), 0.6 * shape.brow_arch), -shape.brow_slant)
        brow = turned(move(arc * (side, 1), side * (shape.eye_gap + 0.4), y), shape)
        pen.taper(brow, HAIR + INK, widths=(0.7, 1.15, 0.9, 0.15))


def _eye_center(shape: Shape, side: int) -> tuple[float, float, float]:
    """Return x, y and the foreshortening of an eye."""
    middle = turned([(side * shape.eye_gap, 0.0)], shape)[0, 0]
    near = turned([(side * shape.eye_gap + 1, 0.0)], shape)[0, 0] - middle
    usual = np.sqrt(1 - (shape.eye_gap / 25) ** 2)
    return float(middle), EYE_LINE, float(np.clip(near / usual, 0.82, 1.08))


def _draw_eye(pen: Pen, shape: Shape, side: int) -> None:
    x, y, narrow = _eye_center(shape, side)
    wide, high = shape.eye_width / 2, shape.eye_height / 2
    top = -0.97 * high - 0.25 * shape.lid

    def place(points: Pointlike) -> Points:
        local = rotate(points, -shape.eye_slant) * (side * narrow, 1)
        return move(local, x, y)

    upper = smooth(
        [
            (-1.20 * wide, 0.16 * high),
            (-0.84 * wide, 0.70 * top),
            (0.05 * wide, top),
            (0.98 * wide, 0.74 * top),
            (1.40 * wide, 0.02 * top),
        ]
    )
    lower = smooth(
        [
            (1.40 * wide, -0.04 * top),
            (1.06 * wide, 0.66 * high),
            (0.30 * wide, 0.93 * high),
            (-0.60 * wide, 0.86 * high),
            (-1.12 * wide, 0.40 * high),
        ]
    )
    pen.fill(place(join(upper, lower)), OTHER, ink=0)
    pen.paint(place(join(upper, move(upper[::-1], 0, 2.3))), OTHER + SHADE, over=(OTHER + BASE,))
    _draw_iris(pen, shape, x, y, narrow)

    wing = join(upper, [(1.74 * wide, -0.18 * high)])
    pen.fill(
        place(ribbon(move(wing, 0, -0.35), (0.25, 0.62, 0.95, 1.0, 0.95, 0.1))), OTHER + INK, ink=0
    )
    crease = move(upper[4:-2] * (0.92, 0.9), 0.4, -2.5)
    pen.taper(place(crease), SKIN + INK, widths=(0.1, 0.55, 0.1))
    pen.taper(place(lower[3:20]), OTHER + INK, widths=(0.7, 0.5, 0.1))


def _draw_iris(pen: Pen, shape: Shape, x: float, y: float, narrow: float) -> None:
    wide, high = shape.eye_width / 2 * narrow, shape.eye_height / 2
    x += 0.7 * shape.gaze
    y += 0.25
    pen.paint(ellipse(x, y, wide, high), EYES + INK, over=_WHITES)
    pen.paint(ellipse(x, y, wide - 0.5, high - 0.5), EYES + BASE, over=(EYES + INK,))
    pen.paint(
        ellipse(x, y - 0.62 * high, wide * 1.15, high * 0.78), EYES + SHADE, over=(EYES + BASE,)
    )
    pen.paint(
        ellipse(x, y + 0.58 * high, wide * 0.60, high * 0.27), EYES + LIGHT, over=(EYES + BASE,)
    )
    pen.paint(
        ellipse(x, y - 0.02 * high, wide * 0.42, high * 0.42),
        EYES + DEEP,
        over=(EYES + BASE, EYES + SHADE, EYES + LIGHT),
    )
    for right, down, width, height in ((-0.36, -0.44, 0.38, 0.32), (0.42, 0.42, 0.19, 0.16)):
        pen.fill(
            ellipse(x + right * wide, y + down * high, width * wide, height * high), OTHER, ink=0
        )


def _draw_blush(pen: Pen, shape: Shape) -> None:
    for side in (-1, 1):
        spot = turned(ellipse(side * 14.0, 14.6, 3.7, 1.9), shape)
        pen.paint(spot, SKIN + LIGHT, over=(SKIN + BASE, SKIN + SHADE))


def _draw_nose(pen: Pen, shape: Shape) -> None:
    ridge = turned([(0.2, 12.6), (0.9, 13.9), (0.1, 14.3)], shape)
    pen.taper(smooth(ridge), SKIN + INK, widths=(0.1, 0.6, 0.4))


def _draw_mouth(pen: Pen, shape: Shape) -> None:
    y, wide, drop = 18.8, shape.mouth_width, shape.mouth_open
    left, right = (-wide, y), (wide, y)

    def place(points: Pointlike) -> Points:
        return turned(points, shape)

    if shape.mouth == "open":
        upper = bend(left, right, -0.25 * shape.mouth_curve)
        lower = smooth([right, (0.62 * wide, y + 0.85 * drop), (0, y + 1.15 * drop)])
        outline = place(join(upper, lower, lower[::-1] * (-1, 1)))
        pen.fill(outline, OTHER + DEEP, ink=THIN)
        tongue = place(ellipse(0, y + 1.15 * drop, 0.62 * wide, 0.5 * drop))
        pen.paint(tongue, OTHER + LIGHT, over=(OTHER + DEEP,))
        teeth = place(
            [(-wide, y - 1), (wide, y - 1), (0.8 * wide, y + 0.9), (-0.8 * wide, y + 0.9)]
        )
        pen.paint(teeth, OTHER + BASE, over=(OTHER + DEEP,))
    elif shape.mouth == "round":
        pen.fill(place(ellipse(0, y + 0.8, 0.42 * wide, 0.5 * drop)), OTHER + DEEP, ink=THIN)
    elif shape.mouth == "cat":
        for side in (-1, 1):
            arc = bend((0, y), (side * wide * 0.9, y - 0.7), -0.32 * side)
            pen.taper(place(arc), OTHER + INK, widths=(0.7, 0.7, 0.3))
    elif shape.mouth == "pout":
        arc = bend((-0.62 * wide, y + 0.5), (0.62 * wide, y + 0.5), 0.4 * shape.mouth_curve)
        pen.taper(place(arc), OTHER + INK, widths=(0.2, 0.85, 0.2))
    else:
        arc = bend(left, right, -shape.mouth_curve)
        pen.taper(place(arc), OTHER + INK, widths=(0.3, 0.85, 0.3))
        pen.taper(
            place(bend((-1.2, y + 2.9), (1.2, y + 2.9), -0.1)), SKIN + INK, widths=(0.1, 0.5, 0.1)
        )
