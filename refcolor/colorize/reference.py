"""Reading what a caller gives as a picture, and refusing a line drawing as a reference."""

from io import BytesIO
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageOps

from refcolor.errors import PictureError
from refcolor.io import image
from refcolor.io.image import Picture

Source: TypeAlias = Path | str | bytes | Image.Image | Picture
SINGLE = (Path, str, bytes, Image.Image, np.ndarray)  # the same for isinstance

_MAX_MEGAPIXELS = 50.0
_LOOKED_AT = 128  # pixels of the longer side
# Levels between the channels of a grey picture, and between two tones of one paper.
_GREY = 24
_COLORED_SHARE = 0.005  # of the pixels
_PAPER_SHARE = 0.7


def read_reference(source: Source) -> Picture:
    """Read a picture whose colours are to be taken.

    Returns (H, W, 3) uint8.
    Raises PictureError as `image.read` does, and with the reason line_art for a line drawing: it
    has no colours to give, and stands most likely where the drawing should.
    """
    file = as_file(source)
    name = str(file) if isinstance(file, Path) else "the reference"
    if isinstance(file, np.ndarray):
        picture = file if file.ndim == 3 else np.repeat(file[..., None], 3, axis=2)
    else:
        try:
            picture = image.read(file, max_megapixels=_MAX_MEGAPIXELS)
        except PictureError as error:
            if error.reason != "too_many_pixels":
                raise
            raise PictureError(
                error.reason,
                f"{name} has more than {_MAX_MEGAPIXELS:g} megapixels; a smaller copy will do",
            ) from error
    if is_line_art(picture):
        raise PictureError(
            "line_art",
            f"{name} is a line drawing and has no colours to give; name a coloured picture "
            "(the drawing itself comes first)",
        )
    return picture


def is_line_art(picture: Picture) -> bool:
    """Whether a picture is lines on paper: hardly any colour, and mostly one tone.

    picture: (H, W, 3) uint8. Yellowed paper is paper, too.
    """
    # Every n-th pixel, unmixed: reducing would turn fine lines into grey paper.
    step = max(1, max(picture.shape) // _LOOKED_AT)
    pixels = picture[step // 2 :: step, step // 2 :: step].reshape(-1, 3)
    small = pixels.T.astype(np.int16, order="C")
    paper = np.median(small, axis=1, keepdims=True)
    if paper.mean() < image.MIDDLE:  # light lines on dark paper
        small, paper = image.WHITE - small, image.WHITE - paper
    # Against its own paper, so that black on yellow is not colour.
    tones = np.minimum(small * (image.WHITE / np.maximum(paper, 1)), image.WHITE)
    colored = np.mean(np.ptp(tones, axis=0) > _GREY) > _COLORED_SHARE
    on_paper = np.mean(np.abs(small - paper).max(axis=0) < _GREY)
    return bool(not colored and on_paper > _PAPER_SHARE)


def as_file(source: Source) -> Path | bytes | Picture:
    """Bring a picture to one of the kinds that are read: a path, the bytes of a file, an array.

    A Pillow image becomes a file, so that its profile, transparency and depth are treated as those
    of any file; so does an array with transparency.
    Raises ValueError for an array that is not a picture.
    """
    if isinstance(source, str):
        return Path(source)
    if isinstance(source, np.ndarray):
        if source.dtype != np.uint8 or not (
            source.ndim == 2 or (source.ndim == 3 and source.shape[2] in (3, 4))
        ):
            raise ValueError(
                "an array must be (H, W), (H, W, 3) or (H, W, 4) uint8 to be a picture, got "
                f"{source.shape} {source.dtype}"
            )
        if source.shape[2:] != (4,):
            return source
        source = Image.fromarray(source)
    if isinstance(source, Image.Image):
        file = BytesIO()
        upright = ImageOps.exif_transpose(source)
        upright.save(file, format="TIFF" if upright.mode in ("CMYK", "YCbCr", "F") else "PNG")
        return file.getvalue()
    return source
