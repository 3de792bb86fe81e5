"""Drawn character portraits from two independent seeds: shape and palette."""

from refcolor.characters.drawing import Drawing, render
from refcolor.characters.palette import PARTS, Palette, draw_palette
from refcolor.characters.shape import (
    ACCESSORIES,
    CLOTHES,
    HAIR_STYLES,
    UNSEEN_CLOTHES,
    UNSEEN_HAIR_STYLES,
    Shape,
    draw_shape,
)

__all__ = [
    "ACCESSORIES",
    "CLOTHES",
    "HAIR_STYLES",
    "PARTS",
    "UNSEEN_CLOTHES",
    "UNSEEN_HAIR_STYLES",
    "Drawing",
    "Palette",
    "Shape",
    "draw_palette",
    "draw_shape",
    "render",
]
