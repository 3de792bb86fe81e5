"""Photoshop documents, by psd-tools."""

import struct
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageChops

from refcolor.colorize.documents import (
    Layer,
    Resolution,
    check_size,
    checked_resolution,
    choose,
    flatten,
    srgb_profile,
)
from refcolor.errors import PictureError
from refcolor.io.files import replacing
from refcolor.io.image import WHITE, Picture

_LONGEST = 30_000  # pixels a side, as the format has it
_NOTHING = np.zeros((0, 0, 4), np.uint8)
_ALPHA, _MASK = -1, -2  # channels of a layer besides its colours
_PER_INCH, _INCHES = 1, 1  # units of a resolution, and of sizes that programs show


def write_psd(
    path: Path, layers: Iterable[Layer], merged: Picture, resolution: Resolution | None
) -> None:
    """Write layers, the lowest first.

    The file is written atomically; missing folders are created.
    merged: (H, W, 3) uint8, the picture that programs without layers show.
    Raises PictureError with the reason too_long_for_psd for a side above 30000 pixels.
    """
    from psd_tools.constants import BlendMode, Compression, Resource, SectionDivider, Tag
    from psd_tools.psd import PSD
    from psd_tools.psd.header import FileHeader
    from psd_tools.psd.image_data import ImageData
    from psd_tools.psd.image_resources import ImageResource, ImageResources
    from psd_tools.psd.layer_and_mask import (
        ChannelData,
        ChannelDataList,
        ChannelImageData,
        ChannelInfo,
        LayerAndMaskInformation,
        LayerInfo,
        LayerRecord,
        LayerRecords,
        MaskData,
    )

    height, width = merged.shape[:2]
    if max(height, width) > _LONGEST:
        raise PictureError(
            "too_long_for_psd",
            f"{path} would have {width} x {height} pixels, a PSD at most {_LONGEST} a side; "
            "write the layers as PNG",
        )
    # Built from records, because PSDImage.save would compose the merged picture again, in floating
    # point and with gigabytes of memory.
    records, data = LayerRecords(), ChannelImageData()

    def add_record(
        name: str, pixels: Picture, left: int = 0, top: int = 0, mask: Picture | None = None
    ) -> LayerRecord:
        rows, columns = pixels.shape[:2]
        record = LayerRecord(top, left, top + rows, left + columns, name=name)
        planes = dict(zip((0, 1, 2, _ALPHA), np.moveaxis(pixels, 2, 0), strict=True))
        if mask is not None:
            record.mask_data = MaskData(0, 0, height, width)
            planes[_MASK] = mask
        channels = ChannelDataList()
        for id, plane in planes.items():
            channel = ChannelData(Compression.RLE)
            channel.set_data(plane.tobytes(), plane.shape[1], plane.shape[0], 8)
            record.channel_info.append(ChannelInfo(id, len(channel.data) + 2))
            channels.append(channel)
        records.append(record)
        data.append(channels)
        return record

    def add(layer: Layer) -> None:
        if layer.pixels is not None:
            record = add_record(layer.name, layer.pixels, layer.left, layer.top, layer.mask)
            if layer.multiplied:
                record.blend_mode = BlendMode.MULTIPLY
            return
        end = add_record("</Layer group>", _NOTHING)
        end.tagged_blocks.set_data(
            Tag.SECTION_DIVIDER_SETTING, SectionDivider.BOUNDING_SECTION_DIVIDER
        )
        for inner in layer.layers:
            add(inner)
        group = add_record(layer.name, _NOTHING, mask=layer.mask)
        group.tagged_blocks.set_data(Tag.SECTION_DIVIDER_SETTING, SectionDivider.OPEN_FOLDER)

    for layer in layers:
        add(layer)
    resources = ImageResources()

    def add_resource(key: Resource, value: bytes) -> None:
        resources[key] = ImageResource(key=key, data=value)

    add_resource(Resource.ICC_PROFILE, srgb_profile())
    if resolution:
        x, y = (round(value * 2**16) for value in resolution)
        units = (_PER_INCH, _INCHES)
        add_resource(Resource.RESOLUTION_INFO, struct.pack(">IHHIHH", x, *units, y, *units))
    header = FileHeader(channels=3, height=height, width=width)
    image_data = ImageData(Compression.RLE)
    image_data.set_data([plane.tobytes() for plane in np.moveaxis(merged, 2, 0)], header)
    document = PSD(
        header=header,
        image_resources=resources,
        layer_and_mask_information=LayerAndMaskInformation(LayerInfo(len(records), records, data)),
        image_data=image_data,
    )
    with replacing(path) as temporary, temporary.open("wb") as file:
        document.write(file)


def read_psd(file: BinaryIO, name: str, layer: str | None) -> tuple[Picture, Resolution | None]:
    """Read a PSD as `documents.read_page` does; name: for messages."""
    from psd_tools import PSDImage
    from psd_tools.compression import PSDDecompressionWarning
    from psd_tools.constants import Resource
    from psd_tools.psd import PSD

    # psd-tools warns about damaged channels and goes on with black.
    warnings.filterwarnings("error", category=PSDDecompressionWarning)
    record = PSD.read(file)
    document = PSDImage(record)
    check_size(*document.size, name)
    given = document.image_resources.get_data(Resource.RESOLUTION_INFO)
    resolution = given and checked_resolution(given.horizontal / 2**16, given.vertical / 2**16)
    if layer is None:
        _check_complete(record)
        return np.array(document.composite().convert("RGBA")), resolution
    chosen = choose([(item.name, item) for item in _upwards(document)], layer, name)
    canvases = (_painted(item, document.size) for item in _visible(chosen))
    return flatten(document.size, filter(None, canvases)), resolution


def _check_complete(record: Any) -> None:
    """Raise ValueError for a merged picture that is cut off, which psd-tools fills with black."""
    from psd_tools.constants import Compression

    image = record.image_data
    if image.compression == Compression.RLE:  # begins with the length of each compressed row
        rows = record.header.channels * record.header.height
        lengths = np.frombuffer(image.data, ">u4" if record.header.version == 2 else ">u2", rows)
        if len(image.data) < lengths.nbytes + int(lengths.sum()):
            raise ValueError("its merged picture is incomplete")


def _upwards(group: Any) -> Iterator[Any]:
    """Yield the layers of a group, the lowest first, and each group in it after its layers."""
    for layer in group:
        if layer.is_group():
            yield from _upwards(layer)
        yield layer


def _visible(layer: Any) -> Iterator[Any]:
    """Yield the layers with pixels of a group, the lowest first, or the layer itself."""
    if not layer.is_group():
        yield layer
        return
    for inner in layer:
        if inner.visible:
            yield from _visible(inner)


def _painted(layer: Any, size: tuple[int, int]) -> Image.Image | None:
    """Return the pixels of a layer on a canvas of a size, transparent where its mask hides them."""
    color, alpha = layer.topil(), layer.topil(_ALPHA)
    if color is None:
        return None
    color = color.convert("RGB")
    color.putalpha(alpha or WHITE)
    canvas = Image.new("RGBA", size)
    canvas.paste(color, layer.offset)
    mask = layer.mask
    if mask and not mask.disabled:
        shown = Image.new("L", size, mask.background_color)
        shown.paste(mask.topil() or mask.background_color, (mask.left, mask.top))
        canvas.putalpha(ImageChops.multiply(canvas.getchannel("A"), shown))
    return canvas
