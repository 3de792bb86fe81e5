"""OpenRaster documents, which Krita, MyPaint and GIMP read: a zip of PNG files and stack.xml."""

from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO
from xml.etree import ElementTree
from zipfile import ZipFile, ZipInfo

import numpy as np
from PIL import Image

from refcolor.colorize.documents import (
    Layer,
    Resolution,
    check_size,
    checked_resolution,
    choose,
    flatten,
)
from refcolor.io.files import replacing
from refcolor.io.image import Picture, read_rgba

_THUMBNAIL = 256  # pixels of the longer side
_LARGEST_MEMBER = 2**29  # bytes; no picture of MAX_MEGAPIXELS has more
_COMPRESSION = 4


def write_ora(
    path: Path, layers: Iterable[Layer], merged: Picture, resolution: Resolution | None
) -> None:
    """Write layers, the lowest first. OpenRaster has no masks: a mask becomes transparency.

    The file is written atomically; missing folders are created. Equal layers give equal bytes.
    merged: (H, W, 3) or (H, W, 4) uint8, the picture that programs without layers show.
    """
    height, width = merged.shape[:2]
    root = ElementTree.Element("image", version="0.0.3", w=str(width), h=str(height))
    if resolution:
        root.attrib |= {"xres": str(round(resolution[0])), "yres": str(round(resolution[1]))}
    with replacing(path) as temporary, ZipFile(temporary, "w") as archive:

        def store(name: str, data: bytes) -> None:
            member = ZipInfo(name)  # of 1980, uncompressed, because PNG is compressed already
            member.external_attr = 0o644 << 16
            archive.writestr(member, data)

        store("mimetype", b"image/openraster")  # must be the first

        def add(parent: ElementTree.Element, layer: Layer, mask: Picture | None) -> None:
            if layer.pixels is None:
                element = ElementTree.Element("stack", name=layer.name)
                for inner in layer.layers:
                    add(element, inner, layer.mask)
            else:
                name = f"data/{len(archive.namelist()):04}.png"
                store(name, _png(_masked(layer, mask)))
                element = ElementTree.Element(
                    "layer", name=layer.name, src=name, x=str(layer.left), y=str(layer.top)
                )
                if layer.multiplied:
                    element.set("composite-op", "svg:multiply")
            parent.insert(0, element)  # the topmost comes first

        stack = ElementTree.SubElement(root, "stack")
        for layer in layers:
            add(stack, layer, layer.mask)
        image = Image.fromarray(merged)
        store("mergedimage.png", _png(merged))
        image.thumbnail((_THUMBNAIL, _THUMBNAIL))
        store("Thumbnails/thumbnail.png", _png(np.asarray(image)))
        store("stack.xml", ElementTree.tostring(root, encoding="UTF-8", xml_declaration=True))


def read_ora(file: BinaryIO, name: str, layer: str | None) -> tuple[Picture, Resolution | None]:
    """Read an OpenRaster file as `documents.read_page` does; name: for messages."""
    with ZipFile(file) as archive:
        root = ElementTree.fromstring(_member(archive, "stack.xml"))
        size = int(root.attrib["w"]), int(root.attrib["h"])
        check_size(*size, name)
        resolution = checked_resolution(root.get("xres"), root.get("yres"))
        if layer is None:
            return read_rgba(_member(archive, "mergedimage.png")), resolution
        named = [(item.attrib["name"], item) for item in root.iter() if "name" in item.attrib]
        chosen = choose(named[::-1], layer, name)
        canvases = (_painted(archive, item, size) for item in _visible(chosen))
        return flatten(size, canvases), resolution


def _visible(element: ElementTree.Element) -> Iterator[ElementTree.Element]:
    """Yield the layers of a stack, the lowest first, or the layer itself."""
    if element.tag == "layer":
        yield element
    for inner in reversed(element):
        if inner.get("visibility", "visible") == "visible":
            yield from _visible(inner)


def _painted(archive: ZipFile, layer: ElementTree.Element, size: tuple[int, int]) -> Image.Image:
    pixels = read_rgba(_member(archive, layer.attrib["src"]))
    canvas = Image.new("RGBA", size)
    canvas.paste(Image.fromarray(pixels), (int(layer.get("x", 0)), int(layer.get("y", 0))))
    return canvas


def _member(archive: ZipFile, name: str) -> bytes:
    size = archive.getinfo(name).file_size
    if size > _LARGEST_MEMBER:
        raise ValueError(f"{name} in it would have {size} bytes")
    return archive.read(name)


def _masked(layer: Layer, mask: Picture | None) -> Picture:
    pixels = layer.pixels
    assert pixels is not None
    if mask is None:
        return pixels
    height, width = pixels.shape[:2]
    shown = mask[layer.top : layer.top + height, layer.left : layer.left + width]
    return np.dstack([pixels[..., :3], np.minimum(pixels[..., 3], shown)])


def _png(pixels: Picture) -> bytes:
    file = BytesIO()
    Image.fromarray(pixels).save(file, format="PNG", compress_level=_COMPRESSION)
    return file.getvalue()
