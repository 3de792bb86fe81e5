"""Layered documents: PSD and OpenRaster files as input, and what both have in common as output."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias, TypeVar

import numpy as np
from PIL import Image, ImageCms

from refcolor.errors import PictureError
from refcolor.io.image import FORMATS, MAX_MEGAPIXELS, Picture

DOCUMENTS: Final = frozenset({".psd", ".ora"})

Resolution: TypeAlias = tuple[float, float]  # pixels per inch, horizontal and vertical
File: TypeAlias = Path | bytes

_MAX_RESOLUTION = 65_535  # that a PSD can hold
_MAX_NAMES = 20

Item = TypeVar("Item")


@dataclass(frozen=True)
class Layer:
    """A layer to write, or without pixels a group of layers.

    pixels: (h, w, 4) uint8, sRGB and opacity.  left, top: their position on the canvas.
    layers: those of a group, the lowest first.
    mask: (H, W) uint8 of the size of the canvas, 0 where the layer or the group is hidden.
    multiplied: whether the blend mode is "multiply"; else it is "normal".
    """

    name: str
    pixels: Picture | None = None
    left: int = 0
    top: int = 0
    layers: Iterable["Layer"] = ()
    mask: Picture | None = None
    multiplied: bool = False


def read_page(
    source: File | Picture, layer: str | None = None
) -> tuple[File | Picture, Resolution | None]:
    """Open a drawing or reference that may be a layered document.

    source: a picture file, a PSD or OpenRaster file, the bytes of one, or an array.
    layer: name of a layer of the document, or of a group, whose visible layers are laid over each
        other; of several the topmost. Its own visibility, opacity and blend mode are ignored, its
        mask counts. None takes the merged picture of the document.
    Returns the pixels of a document, (H, W, 4) uint8, or the source if it is another picture; and
    the resolution, if the file has any.
    Raises PictureError with the reasons no_layers, no_such_layer, too_many_pixels and truncated.
    """
    from refcolor.colorize.ora import read_ora
    from refcolor.colorize.psd import read_psd

    name = str(source) if isinstance(source, Path) else "the drawing"
    start = _start(source)
    is_psd, is_ora = start[:4] == b"8BPS", start[30:54] == b"mimetypeimage/openraster"
    if isinstance(source, np.ndarray) or not (is_psd or is_ora):
        if layer is not None:
            raise PictureError("no_layers", f"{name} has no layers; colour it without a layer name")
        return source, None if isinstance(source, np.ndarray) else _resolution(source)
    try:
        with _opened(source) as file:
            return read_psd(file, name, layer) if is_psd else read_ora(file, name, layer)
    except PictureError:
        raise
    except Exception as error:  # damaged files raise many types
        cause = " ".join(str(error).split()) or type(error).__name__
        raise PictureError(
            "truncated", f"{name} is truncated or damaged ({cause}); save it again"
        ) from error


def choose(layers: Sequence[tuple[str, Item]], layer: str, name: str) -> Item:
    """Return the last layer, the topmost, of a name; raise PictureError if there is none."""
    if not layers:
        raise PictureError("no_layers", f"{name} has no layers; colour it without a layer name")
    chosen = [item for title, item in layers if title == layer]
    if not chosen:
        titles = list(dict.fromkeys(title for title, _ in reversed(layers)))
        more = f" and {len(titles) - _MAX_NAMES} more" if len(titles) > _MAX_NAMES else ""
        raise PictureError(
            "no_such_layer",
            f"{name} has no layer {layer!r}; it has {', '.join(titles[:_MAX_NAMES])}{more}",
        )
    return chosen[-1]


def check_size(width: int, height: int, name: str) -> None:
    """Raise PictureError for a canvas with too many pixels."""
    if width * height > MAX_MEGAPIXELS * 1e6:
        raise PictureError(
            "too_many_pixels",
            f"{name} has more than {MAX_MEGAPIXELS:g} megapixels; reduce it first",
        )


def flatten(size: tuple[int, int], layers: Iterable[Image.Image]) -> Picture:
    """Lay RGBA images of the size of the canvas over each other, the lowest first.

    size: width and height.  Returns (H, W, 4) uint8.
    """
    canvas = Image.new("RGBA", size)
    for image in layers:
        canvas.alpha_composite(image)
    return np.array(canvas)


def checked_resolution(x: object, y: object) -> Resolution | None:
    """Return a resolution in pixels per inch, None if it is missing or nonsense."""
    with suppress(TypeError, ValueError, ZeroDivisionError):
        resolution = float(x), float(y)  # type: ignore[arg-type]
        if all(1 < value <= _MAX_RESOLUTION for value in resolution):
            return resolution
    return None


@cache
def srgb_profile() -> bytes:
    """Return an ICC profile of sRGB, which has the same bytes on every day."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    created = b"".join(value.to_bytes(2, "big") for value in (2000, 1, 1, 0, 0, 0))
    return profile[:24] + created + profile[36:]


def _start(source: File | Picture) -> bytes:
    if isinstance(source, np.ndarray):
        return b""
    try:
        with _opened(source) as file:
            return file.read(64)
    except OSError:  # reported by the reader of other pictures
        return b""


def _opened(source: File) -> BinaryIO:
    return BytesIO(source) if isinstance(source, bytes) else source.open("rb")


def _resolution(source: File) -> Resolution | None:
    with suppress(Exception), _opened(source) as file, Image.open(file, formats=FORMATS) as image:
        return checked_resolution(*image.info["dpi"])
    return None
