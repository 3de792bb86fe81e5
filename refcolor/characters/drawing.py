"""Render a shape and a palette as a picture, with part labels and a mask of its lines."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from refcolor.characters.accessories import draw_accessory
from refcolor.characters.canvas import Frame, Pen, Tones, blank, look_up
from refcolor.characters.clothes import draw_clothes, draw_clothes_behind
from refcolor.characters.face import draw_bust, draw_ears, draw_face
from refcolor.characters.hair import draw_hair_behind, draw_hair_front, draw_hair_over
from refcolor.characters.palette import INK, TONES_PER_PART, Palette, tone_table
from refcolor.characters.shape import TALL, Shape

SMALLEST: Final = 32
CANVAS_SIDE: Final = 1024  # minimum; sizes that divide it are reductions of the same canvas
SAMPLES: Final = 3  # minimum of canvas pixels per side of a pixel
_NECK = (0.0, 26.0)
_IS_INK: Final = np.where(np.arange(256) % TONES_PER_PART == INK, 255, 0).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class Drawing:
    """A drawn character.

    color: (size, size, 3) uint8 sRGB.
    parts: (size, size) uint8, index into PARTS; a line has the label of the part it borders.
    ink: (size, size) bool, True where lines cover more than half of a pixel.
    """

    color: npt.NDArray[np.uint8]
    parts: npt.NDArray[np.uint8]
    ink: npt.NDArray[np.bool_]


def render(shape: Shape, palette: Palette, *, size: int = 256) -> Drawing:
    """Draw a character; parts and ink depend only on the shape.

    size: side in pixels. A small picture is a reduction of a large one: lines are 1.6 pixels wide
        at 256 and 0.4 at 64.
    Raises ValueError for a size below 32.
    """
    if size < SMALLEST:
        raise ValueError(
            f"size of a drawing must be at least {SMALLEST} pixels, got {size}; "
            f"draw at {SMALLEST} and reduce the picture"
        )
    factor = max(SAMPLES, -(-CANVAS_SIDE // size))
    tones = _draw_tones(shape, size * factor)
    colors = tone_table(palette)
    channels = [_reduce(look_up(tones, colors[:, channel]), size) for channel in range(3)]
    return Drawing(
        color=np.stack(channels, axis=2),
        parts=tones[factor // 2 :: factor, factor // 2 :: factor] // np.uint8(TONES_PER_PART),
        ink=_reduce(look_up(tones, _IS_INK), size) > 127,
    )


def _draw_tones(shape: Shape, side: int) -> Tones:
    canvas = blank(side)
    offset = 2.6 if shape.accessory in TALL else 0.0
    body = Pen(canvas, Frame(shape.x, shape.y + offset, shape.scale, shape.lean, _NECK))
    head = Pen(canvas, Frame(shape.x, shape.y + offset, shape.scale, shape.tilt, _NECK))
    draw_hair_behind(head, shape)
    draw_clothes_behind(body, shape)
    draw_bust(body, shape)
    draw_clothes(body, shape)
    draw_hair_over(head, shape)
    draw_ears(head, shape)
    draw_face(head, shape)
    draw_hair_front(head, shape)
    draw_accessory(head, shape)
    return np.ascontiguousarray(canvas[:, ::-1]) if shape.mirrored else canvas


def _reduce(plane: Tones, size: int) -> Tones:
    reduced = cv2.resize(plane, (size, size), interpolation=cv2.INTER_AREA)
    return reduced.astype(np.uint8, copy=False)
