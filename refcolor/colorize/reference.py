"""Read a reference from a file, bytes, Pillow image or array, and refuse line drawings."""

from io import BytesIO
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from refcolor.colorize.documents import read_page
from refcolor.errors import PictureError
from refcolor.io import image
from refcolor.io.image import Picture
from refcolor.io.names import named_file

Source: TypeAlias = Path | str | bytes | Image.Image | npt.NDArray[Any]

# Modes of Pillow that neither PNG nor TIFF stores.
_STORED_AS = {
    **{"HSV": "RGB", "LAB": "RGB", "YCbCr": "RGB", "RGBX": "RGB"},
    **{"RGBa": "RGBA", "PA": "RGBA", "La": "LA"},
}
_SAMPLED_SIDE = 128  # pixels of the longer side
# Largest difference between the channels of a grey pixel, and between two tones of paper.
_TOLERANCE = 24
_COLORED_SHARE = 0.005  # of the pixels
_PAPER_SHARE = 0.7


def read_reference(source: Source) -> Picture:
    """Read a reference picture.

    Returns (H, W, 3) uint8.
    Raises PictureError as `image.read` does, and with the reason line_art for a line drawing, which
    has no colours: most likely sketch and reference were exchanged.
    """
    file = as_file(source)
    name = str(file) if isinstance(file, Path) else "the reference"
    file, _ = read_page(file)
    if isinstance(file, np.ndarray):
        picture = in_color(file)
    else:
        try:
            picture = image.read(file)
        except PictureError as error:
            if error.reason != "too_many_pixels":
                raise
            raise PictureError(
                error.reason,
                f"{name} has more than {image.MAX_MEGAPIXELS:g} megapixels; a smaller copy will do",
            ) from error
    if is_line_art(picture):
        raise PictureError(
            "line_art",
            f"{name} is a line drawing without colours; name a coloured picture "
            "(the drawing itself comes first)",
        )
    return picture


def is_line_art(picture: Picture) -> bool:
    """Whether a picture is lines on paper: few coloured pixels, and most pixels of one tone.

    picture: (H, W, 3) uint8; the paper may be yellowed.
    """
    # Every n-th pixel without averaging, which would turn fine lines into grey paper.
    step = max(1, max(picture.shape) // _SAMPLED_SIDE)
    pixels = picture[step // 2 :: step, step // 2 :: step].reshape(-1, 3)
    small = pixels.T.astype(np.int16, order="C")
    paper = np.median(small, axis=1, keepdims=True)
    if paper.mean() < image.MIDDLE:  # light lines on dark paper
        small, paper = image.WHITE - small, image.WHITE - paper
    # Relative to the paper, so that black lines on yellow paper count as grey.
    tones = np.minimum(small * (image.WHITE / np.maximum(paper, 1)), image.WHITE)
    colored_share = np.mean(np.ptp(tones, axis=0) > _TOLERANCE)
    paper_share = np.mean(np.abs(small - paper).max(axis=0) < _TOLERANCE)
    return bool(colored_share <= _COLORED_SHARE and paper_share > _PAPER_SHARE)


def in_color(pixels: Picture) -> Picture:
    """Return grey, colour or colour with opacity, which is laid on white, as (H, W, 3) uint8."""
    image = Image.fromarray(pixels)
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.array(image.convert("RGB"))


def as_file(source: Source) -> Path | bytes | Picture:
    """Convert a picture to what `image.read` takes: a path, the bytes of a file, or an array.

    Pillow images and arrays with alpha become the bytes of a file, so that colour profile, alpha
    and bit depth are treated as those of any file; the 32-bit modes I and F are refused as there.
    Raises ValueError for an array that is not a picture and for any other object, UsageError for a
    web address.
    """
    if isinstance(source, str):
        return named_file(source)
    if isinstance(source, np.ndarray):
        source = _eight_bits(source)
        if source.shape[2:] != (4,):
            return source
        source = Image.fromarray(source)
    if isinstance(source, Image.Image):
        return _encoded(source)
    if isinstance(source, Path | bytes):
        return source
    raise ValueError(
        "a picture must be a path, the bytes of a file, a Pillow image or an array, got "
        f"{type(source).__name__}"
    )


def _eight_bits(array: npt.NDArray[Any]) -> Picture:
    """Return an array as (H, W), (H, W, 3) or (H, W, 4) uint8; True, 1.0 and 65535 become 255."""
    shape = f"an array of shape {array.shape}"
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if not array.size or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
        raise ValueError(
            f"{shape} is not a picture; give (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)"
        )
    if array.dtype == np.uint8:
        return array
    if np.issubdtype(array.dtype, np.uint16):
        return (array >> 8).astype(np.uint8)
    if array.dtype == np.bool_:
        return array * np.uint8(image.WHITE)
    if not np.issubdtype(array.dtype, np.floating):
        raise ValueError(
            f"{shape} has the dtype {array.dtype}; give uint8, uint16, bool, or floats from 0 to 1"
        )
    low, high = float(array.min()), float(array.max())
    if not 0 <= low <= high <= 1:  # also for NaN
        raise ValueError(
            f"{shape} has floats from {low:g} to {high:g}; give floats from 0 to 1, or uint8"
        )
    return image.from_unit(array)


def _encoded(picture: Image.Image) -> bytes:
    if not all(picture.size):
        raise ValueError(f"an image of {picture.size} pixels is not a picture; give at least 1 x 1")
    upright = ImageOps.exif_transpose(picture)
    if upright.mode in _STORED_AS:
        upright = upright.convert(_STORED_AS[upright.mode])
    elif upright.mode.startswith("I;16"):
        upright = Image.fromarray(np.asarray(upright).astype(np.uint16))
    file = BytesIO()
    upright.save(file, format="TIFF" if upright.mode in ("CMYK", "I", "F") else "PNG")
    return file.getvalue()
