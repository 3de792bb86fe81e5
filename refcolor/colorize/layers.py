"""Compose colours and the drawing's own lines, as a single picture or as layers."""

from pathlib import Path
from typing import Final

import cv2
import numpy as np
from PIL import Image

from refcolor.errors import PictureError
from refcolor.io.files import replacing
from refcolor.io.image import WHITE, Picture
from refcolor.lines.drawing import Drawing
from refcolor.lines.paper import strips
from refcolor.sources.naming import file_name

COLORS: Final = "colors"  # the names of the layers, in files and in a PSD
LINES: Final = "lines"

_COMPRESSION: Final = 4  # of 9: half the time of 6, and a twentieth more bytes
_LONGEST_PSD = 30_000  # pixels a side, as the format has it


def compose(colors: Picture, drawing: Drawing) -> Picture:
    """Lay the lines of a drawing over colours.

    A pixel is ink * line + (1 - ink) * color, in sRGB values, rounded to the nearest: a black pixel
    with full ink stays exactly black, and a pixel without ink becomes exactly the colour.

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
        # At most 255 * 255 + 127, which 16 bits hold.
        picture[rows] = (ink * line + (WHITE - ink) * colors[rows] + WHITE // 2) // WHITE
    return picture


def color_layer(colors: Picture) -> Picture:
    """Return the colours as an opaque layer: (H, W, 3) uint8 becomes (H, W, 4) uint8."""
    return _with_alpha(colors, np.full(colors.shape[:2], WHITE, np.uint8))


def line_layer(drawing: Drawing) -> Picture:
    """Return the lines as a layer that is transparent where there is no ink.

    Blended over the colour layer in the mode "normal" it gives the picture of `compose`.
    Returns (H, W, 4) uint8, sRGB and opacity.
    """
    line = np.where(drawing.ink[..., None] > 0, drawing.line, np.uint8(0))
    return _with_alpha(line, drawing.ink)


def write_picture(path: Path, picture: Picture) -> None:
    """Write a result as PNG, atomically; missing folders are created.

    picture: (H, W, 3) uint8, or (H, W, 4) with opacity.
    """
    with replacing(path) as temporary:
        Image.fromarray(picture).save(temporary, format="PNG", compress_level=_COMPRESSION)


def write_layers(folder: Path, stem: str, colors: Picture, drawing: Drawing) -> tuple[Path, Path]:
    """Write the colour layer and the line layer as PNG files with transparency.

    Returns the two paths, those of `layer_files`.
    """
    paths = layer_files(folder, stem)
    for path, layer in zip(paths, (color_layer(colors), line_layer(drawing)), strict=True):
        write_picture(path, layer)
    return paths


def layer_files(folder: Path, stem: str) -> tuple[Path, Path]:
    """Return the paths <stem>_colors.png and <stem>_lines.png, shortened if they are too long."""
    return folder / file_name(stem, f"_{COLORS}.png"), folder / file_name(stem, f"_{LINES}.png")


def write_psd(path: Path, colors: Picture, drawing: Drawing, *, flat: bool = False) -> None:
    """Write a Photoshop document: the colour layer, above it the line layer, both "normal".

    Programs without layers show the composed picture. The file is written atomically; missing
    folders are created.

    flat: instead of the colour layer a group of that name with a layer for each colour, which a
        paint bucket refills as a whole; the layers have hard edges under the lines.
    Raises PictureError with the reason too_long_for_psd for a side above 30000 pixels.
    """
    from psd_tools.constants import Compression, SectionDivider, Tag
    from psd_tools.psd import PSD
    from psd_tools.psd.header import FileHeader
    from psd_tools.psd.image_data import ImageData
    from psd_tools.psd.layer_and_mask import (
        ChannelData,
        ChannelDataList,
        ChannelImageData,
        ChannelInfo,
        LayerAndMaskInformation,
        LayerInfo,
        LayerRecord,
        LayerRecords,
    )

    height, width = drawing.size
    if max(height, width) > _LONGEST_PSD:
        raise PictureError(
            "too_long_for_psd",
            f"{path} would have {width} x {height} pixels, a PSD at most {_LONGEST_PSD} a side; "
            "write the layers as PNG",
        )
    # Built from records, because PSDImage.save would compose the merged picture again, in floating
    # point and with gigabytes of memory.
    records, data = LayerRecords(), ChannelImageData()

    def add(name: str, layer: Picture, left: int = 0, top: int = 0) -> LayerRecord:
        rows, columns = layer.shape[:2]
        record = LayerRecord(top, left, top + rows, left + columns, name=name)
        channels = ChannelDataList()
        for id, plane in zip((0, 1, 2, -1), np.moveaxis(layer, 2, 0), strict=True):
            channel = ChannelData(Compression.RLE)
            channel.set_data(plane.tobytes(), columns, rows, 8)
            record.channel_info.append(ChannelInfo(id, len(channel.data) + 2))
            channels.append(channel)
        records.append(record)
        data.append(channels)
        return record

    if flat:
        nothing = np.zeros((0, 0, 4), np.uint8)
        end = add("</Layer group>", nothing)
        end.tagged_blocks.set_data(
            Tag.SECTION_DIVIDER_SETTING, SectionDivider.BOUNDING_SECTION_DIVIDER
        )
        for color in _distinct(colors):
            mask = np.asarray(cv2.inRange(colors, color, color), np.uint8)
            left, top, columns, rows = cv2.boundingRect(mask)
            inside = mask[top : top + rows, left : left + columns]
            add(f"#{bytes(color).hex()}", _with_alpha(color, inside), left, top)
        group = add(COLORS, nothing)
        group.tagged_blocks.set_data(Tag.SECTION_DIVIDER_SETTING, SectionDivider.OPEN_FOLDER)
    else:
        add(COLORS, color_layer(colors))
    add(LINES, line_layer(drawing))
    header = FileHeader(channels=3, height=height, width=width)
    merged = ImageData(Compression.RLE)
    merged.set_data([p.tobytes() for p in np.moveaxis(compose(colors, drawing), 2, 0)], header)
    document = PSD(
        header=header,
        layer_and_mask_information=LayerAndMaskInformation(LayerInfo(len(records), records, data)),
        image_data=merged,
    )
    with replacing(path) as temporary, temporary.open("wb") as file:
        document.write(file)


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
