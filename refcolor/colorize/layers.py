"""Compose colours and the drawing's own lines, as a single picture or as layers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from PIL import Image

from refcolor.colorize.documents import Layer, Resolution, srgb_profile
from refcolor.io.files import replacing
from refcolor.io.image import WHITE, Picture
from refcolor.lines.drawing import Drawing
from refcolor.lines.paper import strips
from refcolor.sources.naming import file_name

COLORS: Final = "colors"  # the names of the layers, in files and in a PSD
LINES: Final = "lines"
SHADOW: Final = "shadow"

_COMPRESSION: Final = 4  # of 9: half the time of 6, and a twentieth more bytes


def compose(colors: Picture, drawing: Drawing) -> Picture:
    """Lay the tone and the lines of a drawing over colours.

    A pixel is ink * line + (1 - ink) * (1 - tone) * color, in sRGB values, rounded to the nearest:
    a black pixel with full ink stays exactly black, and a pixel without ink and tone becomes
    exactly the colour. Where the drawing is transparent the picture is white.

    colors: (H, W, 3) uint8 of the drawing's size.  Returns (H, W, 3) uint8.
    Raises ValueError for colours of another size.
    """
    if colors.shape != (*drawing.size, 3):
        raise ValueError(
            f"colors must be {(*drawing.size, 3)} as the drawing is, got {colors.shape}; "
            "see upsample"
        )
    picture = np.empty_like(colors)
    for rows in strips(len(colors)):
        ink = drawing.ink[rows, :, None].astype(np.uint16)
        line = drawing.line[rows] if drawing.line.ndim == 3 else drawing.line
        opacity: int | Picture = WHITE
        if drawing.opacity is not None:
            opacity = np.maximum(drawing.opacity[rows, :, None], ink)
        # At most 255 * 255 + 127, which 16 bits hold.
        below = colors[rows]
        if drawing.tone is not None:
            light = WHITE - drawing.tone[rows, :, None].astype(np.uint16)
            below = (light * below + WHITE // 2) // WHITE
        mixed = ink * line + (opacity - ink) * below + (WHITE - opacity) * np.uint16(WHITE)
        picture[rows] = (mixed + WHITE // 2) // WHITE
    return picture


def cut_out(picture: Picture, drawing: Drawing) -> Picture:
    """Return a picture that lies on white with the opacity of the drawing.

    picture: (H, W, 3) uint8.  Returns (H, W, 4) uint8, or the picture of an opaque drawing.
    """
    if drawing.opacity is None:
        return picture
    pixels = _with_alpha(picture, drawing.opacity)
    for rows in strips(len(pixels)):
        alpha = drawing.opacity[rows, :, None].astype(np.int32)
        color = ((picture[rows] - (WHITE - alpha)) * WHITE + alpha // 2) // np.maximum(alpha, 1)
        pixels[rows, :, :3] = color.clip(0, WHITE)
    return pixels


def color_layer(colors: Picture, drawing: Drawing) -> Picture:
    """Return the colours as a layer, opaque where the drawing is.

    colors: (H, W, 3) uint8.  Returns (H, W, 4) uint8.
    """
    opacity = _color_opacity(drawing)
    return _with_alpha(colors, _opaque(drawing) if opacity is None else opacity)


def line_layer(drawing: Drawing) -> Picture:
    """Return the lines as a layer that is transparent where there is no ink.

    Blended over the colours and the shadow in the mode "normal" it gives the picture of `compose`.
    Returns (H, W, 4) uint8, sRGB and opacity.
    """
    line = np.where(drawing.ink[..., None] > 0, drawing.line, np.uint8(0))
    return _with_alpha(line, drawing.ink)


def shadow_layer(tone: Picture) -> Picture:
    """Return the tone of a drawing as a black layer, which multiplies the colours below it.

    tone: (H, W) uint8.  Returns (H, W, 4) uint8, sRGB and opacity.
    """
    return _with_alpha(np.zeros(3, np.uint8), tone)


def write_picture(path: Path, picture: Picture, resolution: Resolution | None) -> None:
    """Write a result as PNG with a profile of sRGB, atomically; missing folders are created.

    picture: (H, W, 3) uint8, or (H, W, 4) with opacity.
    """
    with replacing(path) as temporary:
        Image.fromarray(picture).save(
            temporary,
            format="PNG",
            compress_level=_COMPRESSION,
            icc_profile=srgb_profile(),
            dpi=resolution,
        )


def write_layers(
    folder: Path,
    stem: str,
    colors: Picture,
    drawing: Drawing,
) -> tuple[Path, Path]:
    """Write the colour layer and the line layer as PNG files with transparency.

    The tone of a drawing becomes a third file, that of `shadow_file`.
    Returns the two paths, those of `layer_files`.
    """
    paths = layer_files(folder, stem)
    for path, layer in zip(paths, (color_layer(colors, drawing), line_layer(drawing)), strict=True):
        write_picture(path, layer, drawing.resolution)
    if drawing.tone is not None:
        shadow = shadow_file(folder, stem)
        write_picture(shadow, shadow_layer(drawing.tone), drawing.resolution)
    return paths


def layer_files(folder: Path, stem: str) -> tuple[Path, Path]:
    """Return the paths <stem>_colors.png and <stem>_lines.png, shortened if they are too long."""
    return folder / file_name(stem, f"_{COLORS}.png"), folder / file_name(stem, f"_{LINES}.png")


def shadow_file(folder: Path, stem: str) -> Path:
    """Return the path <stem>_shadow.png, which only drawings with tone have."""
    return folder / file_name(stem, f"_{SHADOW}.png")


def document_layers(colors: Picture, drawing: Drawing, *, flat: bool = False) -> Iterator[Layer]:
    """Yield the layers of a document: the colour layer, the shadow of tone, the line layer.

    A mask hides the colours where the drawing is transparent.
    flat: instead of the colour layer a group of that name with a layer for each colour, which a
        paint bucket refills as a whole; the layers have hard edges under the lines.
    """
    mask = _color_opacity(drawing)
    if flat:
        yield Layer(COLORS, layers=_flats(colors), mask=mask)
    else:
        yield Layer(COLORS, _with_alpha(colors, _opaque(drawing)), mask=mask)
    if drawing.tone is not None:
        yield Layer(SHADOW, shadow_layer(drawing.tone), multiplied=True)
    yield Layer(LINES, line_layer(drawing))


def _flats(colors: Picture) -> Iterator[Layer]:
    for color in _distinct(colors):
        mask = np.asarray(cv2.inRange(colors, color, color), np.uint8)
        left, top, columns, rows = cv2.boundingRect(mask)
        inside = mask[top : top + rows, left : left + columns]
        yield Layer(f"#{bytes(color).hex()}", _with_alpha(color, inside), left, top)


def _color_opacity(drawing: Drawing) -> Picture | None:
    """Return the opacity of the colours below the lines, None if they are opaque everywhere.

    Both layers together are as opaque as the drawing: 1 - (1 - ink) * (1 - color) = opacity.
    """
    if drawing.opacity is None:
        return None
    bare = WHITE - drawing.ink.astype(np.uint16)
    opacity = np.maximum(drawing.opacity, drawing.ink)
    below = ((opacity - drawing.ink) * np.uint16(WHITE) + bare // 2) // np.maximum(bare, 1)
    below[bare == 0] = WHITE  # nothing shows under full ink, so that the lines can be moved
    return below.astype(np.uint8)


def _opaque(drawing: Drawing) -> Picture:
    return np.full(drawing.size, WHITE, np.uint8)


def _distinct(colors: Picture) -> Picture:
    """Return the colours that occur: (H, W, 3) uint8 becomes (N, 3) uint8, sorted."""
    right, left = colors[:, 1:], colors[:, :-1]
    changes = right[(right != left).any(axis=2)]
    distinct: Picture = np.unique(np.concatenate([colors[:, 0], changes]), axis=0)
    return distinct


def _with_alpha(color: Picture, alpha: Picture) -> Picture:
    layer = np.empty((*alpha.shape, 4), np.uint8)
    layer[..., :3] = color
    layer[..., 3] = alpha
    return layer
