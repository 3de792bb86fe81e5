"""Sketches of a batch: as stored, drawn again by XDoG, or inked lines as `colorize` sees them."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from refcolor.io.image import WHITE, Picture
from refcolor.lines.drawing import working_sketch
from refcolor.lines.sketch import XDoGSettings, settings_between, sketch_picture
from refcolor.training.augment import draw_mask
from refcolor.training.data import Pictures
from refcolor.training.windows import line_view

INK_SCALE = 4  # inked lines are varied at this multiple of the training size


@dataclass(frozen=True)
class InkSettings:
    """How inked lines differ from the stored ones.

    thickness: pixels by which lines grow, or shrink if negative, at INK_SCALE times the size.
    blur: standard deviation in the same pixels, 0 for none. strength: of the ink, in (0, 1].
    """

    thickness: int
    blur: float
    strength: float


def draw_xdog(
    required: Tensor, *, share: float, generator: torch.Generator
) -> list[XDoGSettings | None]:
    """Draw XDoG settings for each picture, or None where its sketch stays as it is.

    required: (B,) bool, pictures that have settings in any case. share: the probability of settings
    for the others.
    """
    varied = required | draw_mask(len(required), share=share, generator=generator)
    uniform = torch.rand(len(required), 2, generator=generator, dtype=torch.float64).tolist()
    return [
        settings_between(sigma, k) if is_varied else None
        for is_varied, (sigma, k) in zip(varied.tolist(), uniform, strict=True)
    ]


def draw_ink(count: int, *, share: float, generator: torch.Generator) -> list[InkSettings | None]:
    """Draw settings of inked lines for each picture, or None with the probability 1 - share.

    Half of the lines keep their thickness, a quarter grows by 1 to 4 pixels and a quarter shrinks
    by 1 or 2; a third is blurred, half are paler.
    """
    inked = draw_mask(count, share=share, generator=generator).tolist()
    kinds = torch.rand(count, 3, generator=generator, dtype=torch.float64).tolist()
    amounts = torch.rand(count, 3, generator=generator, dtype=torch.float64).tolist()
    settings: list[InkSettings | None] = []
    for is_inked, kind, amount in zip(inked, kinds, amounts, strict=True):
        grown, shrunk = 1 + int(4 * amount[0]), -1 - int(2 * amount[0])
        one = InkSettings(
            thickness=grown if kind[0] < 1 / 4 else shrunk if kind[0] < 1 / 2 else 0,
            blur=0.5 + 1.5 * amount[1] if kind[1] < 1 / 3 else 0.0,
            strength=0.4 + 0.6 * amount[2] if kind[2] < 1 / 2 else 1.0,
        )
        settings.append(one if is_inked else None)
    return settings


def batch_sketches(
    pictures: Pictures,
    index: Tensor,
    windows: Tensor,
    colors: Picture,
    *,
    ink: Sequence[InkSettings | None],
    xdog: Sequence[XDoGSettings | None],
) -> Picture:
    """Return the sketches of a batch.

    index: (B,) int64. windows: (B, 3) of `draw_windows`. colors: (B, S, S, 3) uint8, the pictures
    in their windows, before any change of colours. ink, xdog: B settings each.
    Returns (B, S, S) uint8: inked lines where there are settings for ink, XDoG of the colours where
    there are settings for XDoG, and else the stored sketch.
    The stored sketch fits only a window that is the whole picture at its stored size.
    """
    size = colors.shape[1]
    sketches = np.empty(colors.shape[:3], np.uint8)
    for row, i in enumerate(index.tolist()):
        if (settings := ink[row]) is not None:
            lines = line_view(pictures.sketch[i], windows[row], INK_SCALE * size)
            sketches[row] = working_sketch(vary_ink(WHITE - lines, settings), size, size)
        elif (xdog_settings := xdog[row]) is not None:
            sketches[row] = sketch_picture(colors[row], xdog_settings)
        else:
            sketches[row] = pictures.sketch[i]
    return sketches


def vary_ink(ink: Picture, settings: InkSettings) -> Picture:
    """Change the thickness, sharpness and strength of lines.  ink: (H, W) uint8, 255 = full ink.

    Where lines vanish when they shrink, a third of their ink is left.
    """
    kernel = np.ones([abs(settings.thickness) + 1] * 2, np.uint8)
    if settings.thickness > 0:
        ink = np.asarray(cv2.dilate(ink, kernel), np.uint8)
    elif settings.thickness < 0:
        ink = np.maximum(np.asarray(cv2.erode(ink, kernel), np.uint8), ink // 3)
    if settings.blur:
        ink = np.asarray(cv2.GaussianBlur(ink, (0, 0), settings.blur), np.uint8)
    return (ink * settings.strength).astype(np.uint8)
