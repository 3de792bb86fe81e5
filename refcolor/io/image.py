"""Pictures in files, arrays and tensors, and the conversions between their value ranges.

A picture is a uint8 array in sRGB: (H, W, 3) in colour, (H, W) for line art. torch is imported by
the functions that need it, so that the stages before training start quickly.
"""

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms, ImageOps

from refcolor.errors import PictureError
from refcolor.io.files import replacing
from refcolor.io.foreign import HEAD, foreign_format
from refcolor.io.shards import Member

if TYPE_CHECKING:
    import torch
    from matplotlib.figure import Figure

# Pillow warns about sizes, EXIF and palettes; the relevant cases are errors below. The filter is
# global, because `warnings.catch_warnings` around each picture is not thread-safe.
warnings.filterwarnings("ignore", module=r"PIL\.")

Value = TypeVar("Value", bound=np.generic)
Picture: TypeAlias = npt.NDArray[np.uint8]
Source: TypeAlias = Path | Member | bytes
Unit: TypeAlias = npt.NDArray[np.float32]

WHITE = 255
MIDDLE = WHITE / 2
GAP_GRAY = 200

# Largest difference of a channel from the background, in [0, 1]: 16 grey levels of noise.
_BACKGROUND_TOLERANCE = 0.065

MAX_MEGAPIXELS = 80.0  # of a picture to colour: a B4 manuscript at 600 dpi has 52

FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "BMP", "GIF", "TIFF")
EXTENSIONS = frozenset({".png", ".jpg", ".jpeg", ".webp", ".avif", ".bmp", ".gif", ".tif", ".tiff"})
_BITS_PER_SAMPLE, _PHOTOMETRIC, _WHITE_IS_ZERO = 258, 262, 0  # tags of TIFF, and a value
# The first bytes of files of these formats.
_MAGIC = re.compile(
    rb"(?P<png>\x89PNG\r\n\x1a\n)|(?P<jpg>\xff\xd8\xff)|(?P<webp>RIFF....WEBP)|(?P<bmp>BM)"
    rb"|(?P<gif>GIF8[79]a)|(?P<tif>II[*+]\0|MM\0[*+])|(?P<avif>....ftypavi[fs])",
    re.DOTALL,
)


def read(source: Source, *, max_megapixels: float = MAX_MEGAPIXELS) -> Picture:
    """Decode a picture completely and convert it to sRGB on white.

    PNG, JPEG, WebP, AVIF, BMP, GIF and TIFF. The EXIF orientation is applied, an embedded colour
    profile is converted to sRGB, transparency is composited on white, of 12 and 16 bits the upper 8
    remain.

    source: a file, a member of a shard, or the bytes of a file.  Returns (H, W, 3) uint8.
    max_megapixels: a larger picture is rejected by its header, before decoding.
    Raises PictureError with the reason unreadable_file, empty_file, not_a_picture, foreign_format
    (see `foreign`), too_many_pixels, animated (also a TIFF of several pages), unsupported_mode
    (32-bit or floating-point TIFF) or truncated (the header is valid, the rest truncated or
    damaged).
    """
    with _decoded(source, max_megapixels) as image:
        return np.array(_on_white(_upright(image)), np.uint8)


def read_rgba(source: Source, *, max_megapixels: float = MAX_MEGAPIXELS) -> Picture:
    """Decode a picture as `read` does, but keep its alpha channel.

    Returns (H, W, 4) uint8: sRGB as stored, also where it is transparent, and opacity, 255 without
    an alpha channel. Raises PictureError as `read` does.
    """
    with _decoded(source, max_megapixels) as image:
        upright = _upright(image)
        color, alpha = _in_srgb(upright), _alpha(upright)
        opacity = alpha if alpha is not None else Image.new("L", color.size, WHITE)
        return np.dstack([np.asarray(color, np.uint8), np.asarray(opacity, np.uint8)])


def read_gray(source: Source, *, max_megapixels: float = MAX_MEGAPIXELS) -> Picture:
    """Read line art that `write` wrote.

    Returns (H, W) uint8. Raises PictureError as `read` does, and with the reason not_gray for a
    file with colour or transparency, which `write` did not make.
    """
    with _decoded(source, max_megapixels) as image:
        if image.mode not in ("L", "1"):
            raise PictureError(
                "not_gray", f"{_name(source)} is not a grey picture (mode {image.mode}); redraw it"
            )
        return np.array(image.convert("L"))


def extension(start: bytes) -> str:
    """Return the extension, without dot, for the first 16 bytes of a file; empty if unknown."""
    match = _MAGIC.match(start)
    return (match and match.lastgroup) or ""


def write(path: Path, picture: Picture) -> None:
    """Write a picture as PNG; the write is atomic, see `files.replacing`.

    picture: (H, W, 3) or (H, W) uint8. Equal pictures give equal bytes.
    Raises ValueError for another shape or dtype.
    """
    _check(picture)
    with replacing(path) as temporary:
        Image.fromarray(picture).save(temporary, format="PNG", compress_level=6)


def resize(picture: Picture, height: int, width: int) -> Picture:
    """Scale a picture with antialiasing: Pillow's Lanczos, after a box reduction of large pictures.

    picture: (H, W, 3) or (H, W) uint8.  Returns (height, width, 3) or (height, width) uint8.
    Raises ValueError for a size below one pixel.
    """
    _check(picture)
    if height < 1 or width < 1:
        raise ValueError(f"height and width must be at least 1 pixel, got {height} x {width}")
    if picture.shape[:2] == (height, width):
        return picture
    image = Image.fromarray(picture)
    scaled = image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return np.array(scaled)


def scaled_size(shape: tuple[int, ...], longer: int, *, enlarge: bool = True) -> tuple[int, int]:
    """Return the size of a picture scaled so that its longer side has `longer` pixels.

    shape: (H, W, ...).  enlarge: False keeps the size of smaller pictures.
    Returns height and width, at least 1.
    """
    height, width = shape[:2]
    side = max(height, width)
    target = longer if enlarge else min(longer, side)
    return max(1, round(target * height / side)), max(1, round(target * width / side))


def fit(picture: Picture, longer: int, *, enlarge: bool = True) -> Picture:
    """Scale a picture with `resize` so that its longer side has `longer` pixels.

    enlarge: False keeps the size of smaller pictures.
    """
    return resize(picture, *scaled_size(picture.shape, longer, enlarge=enlarge))


def square(picture: Picture, size: int, *, fit: Literal["pad", "crop"] = "pad") -> Picture:
    """Scale a picture into a square.

    picture: (H, W, 3) or (H, W) uint8.  Returns (size, size, 3) or (size, size) uint8.
    fit: `pad` centres the whole picture and fills with `border_color`; `crop` keeps the middle of a
        wide picture and the top of a tall one, where the head is.
    Raises ValueError for another `fit`.
    """
    if fit not in ("pad", "crop"):
        raise ValueError(f"fit must be 'pad' or 'crop', got {fit!r}")
    height, width = picture.shape[:2]
    if fit == "crop":
        side = min(height, width)
        left = (width - side) // 2
        return resize(picture[:side, left : left + side], size, size)
    inner_height, inner_width = scaled_size(picture.shape, size)
    inner = resize(picture, inner_height, inner_width)
    padded = np.empty((size, size, *picture.shape[2:]), np.uint8)
    padded[:] = border_color(picture)
    top, left = (size - inner_height) // 2, (size - inner_width) // 2
    padded[top : top + inner_height, left : left + inner_width] = inner
    return padded


def cut(
    picture: npt.NDArray[Value], *, top: int, left: int, shape: tuple[int, int], fill: object
) -> npt.NDArray[Value]:
    """Cut a window; what lies outside the picture is `fill`.

    picture: (H, W, ...) of any dtype.  shape: height and width.  Returns (*shape, ...).
    """
    window = np.empty((*shape, *picture.shape[2:]), picture.dtype)
    window[:] = fill
    part = picture[slice(max(0, top), max(0, top + shape[0]))]
    part = part[:, slice(max(0, left), max(0, left + shape[1]))]
    y, x = max(0, -top), max(0, -left)
    window[y : y + part.shape[0], x : x + part.shape[1]] = part
    return window


def border_color(picture: Picture) -> Picture:
    """Return the median colour of the outermost pixels: the background of most portraits.

    picture: (H, W, 3) or (H, W) uint8.  Returns (3,) or () uint8.
    """
    _check(picture)
    edges = (picture[0], picture[-1], picture[1:-1, 0], picture[1:-1, -1])
    # The upper median is a colour that occurs; the mean of two values may not.
    values = np.sort(np.concatenate(edges), axis=0)
    median: Picture = values[len(values) // 2]
    return median


def foreground_mask(picture: Picture) -> npt.NDArray[np.bool_]:
    """Mark the pixels that differ from the background, the median colour of the border.

    picture: (H, W, 3) uint8.  Returns (H, W) bool.
    """
    difference: Unit = np.abs(to_unit(picture) - to_unit(border_color(picture)))
    mask: npt.NDArray[np.bool_] = difference.max(axis=-1) > _BACKGROUND_TOLERANCE
    return mask


def to_unit(picture: Picture) -> Unit:
    """Scale uint8 of any shape to float32 in [0, 1]."""
    _check_dtype(picture)
    values = picture.astype(np.float32)
    values /= np.float32(WHITE)
    return values


def from_unit(values: npt.NDArray[np.floating]) -> Picture:
    """Round floats of any shape in [0, 1] to uint8; other values are clamped."""
    levels: Picture = np.rint(np.clip(values, 0, 1) * WHITE).astype(np.uint8)
    return levels


def to_tensor(pictures: Picture, *, device: "torch.device | str" = "cpu") -> "torch.Tensor":
    """Turn pictures into a tensor for a network.

    pictures: (..., H, W, C) uint8.  Returns (..., C, H, W) float32 in [-1, 1] on the device.
    The bytes are copied to the device before they are scaled: a quarter of the transfer.
    """
    import torch

    from refcolor.io.tensors import to_device

    _check_dtype(pictures)
    if pictures.ndim < 3:
        raise ValueError(f"pictures must be (..., H, W, C), got shape {pictures.shape}")
    tensor = torch.from_numpy(np.ascontiguousarray(np.moveaxis(pictures, -1, -3)))
    return to_device(tensor, device).to(torch.float32).div_(MIDDLE).sub_(1)


def to_uint8(tensor: "torch.Tensor") -> Picture:
    """Turn a network's tensor into pictures; the inverse of `to_tensor`.

    tensor: (..., C, H, W) float on any device; values are clamped to [-1, 1] and rounded.
    Returns (..., H, W, C) uint8.
    """
    if not tensor.is_floating_point():
        raise ValueError(f"tensor must be floating-point in [-1, 1], got {tensor.dtype}")
    values = tensor.detach().movedim(-3, -1).float().clamp(-1, 1)
    array: Picture = values.add(1).mul(MIDDLE).round().byte().cpu().contiguous().numpy()
    return array


def from_figure(figure: "Figure") -> Picture:
    """Render a matplotlib figure: (H, W, 3) uint8."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    return np.array(canvas.buffer_rgba())[..., :3]  # type: ignore[no-untyped-call]


def grid(rows: Sequence[Sequence[Picture]], gap: int = 2, *, background: int = GAP_GRAY) -> Picture:
    """Arrange pictures in rows on a grey background.

    rows: (H, W, 3) or (H, W) uint8 pictures of any sizes, rows of any lengths; a row is as high and
    a column as wide as its largest picture.  Returns (H, W, 3) uint8.
    Raises ValueError for no pictures.
    """
    columns = max((len(row) for row in rows), default=0)
    if columns == 0:
        raise ValueError("a grid needs at least one picture, got none")
    heights = [max((picture.shape[0] for picture in row), default=0) for row in rows]
    widths = [max(row[c].shape[1] for row in rows if c < len(row)) for c in range(columns)]
    shape = (sum(heights) + gap * (len(rows) - 1), sum(widths) + gap * (columns - 1), 3)
    sheet = np.full(shape, background, np.uint8)
    for r, row in enumerate(rows):
        for c, picture in enumerate(row):
            _check(picture)
            top, left = sum(heights[:r]) + gap * r, sum(widths[:c]) + gap * c
            height, width = picture.shape[:2]
            in_color = picture if picture.ndim == 3 else picture[..., None]
            sheet[top : top + height, left : left + width] = in_color
    return sheet


@contextmanager
def _decoded(source: Source, max_megapixels: float) -> Iterator[Image.Image]:
    name = _name(source)
    try:
        file: BinaryIO = BytesIO(source) if isinstance(source, bytes) else source.open("rb")
    except OSError as error:
        raise PictureError("unreadable_file", f"{name} cannot be opened: {error}") from error
    with file, _opened(file, name, max_megapixels) as image:
        try:
            image.load()
        except Exception as error:  # decoders raise many types for damaged files
            raise _truncated(name, error) from error
        yield image


def _opened(file: BinaryIO, name: str, max_megapixels: float) -> Image.Image:
    start = file.read(HEAD)
    if not start:
        raise PictureError("empty_file", f"{name} is an empty file; fetch it again")
    if not extension(start):
        if foreign := foreign_format(start):
            raise PictureError(
                "foreign_format",
                f"{name} is {foreign.name}, which refcolor does not read; {foreign.advice}",
            )
        raise PictureError(
            "not_a_picture", f"{name} is not a picture: it begins with {start[:16]!r}"
        )
    file.seek(0)
    try:
        image = Image.open(file, formats=FORMATS)
        _check_header(image, name, max_megapixels)
    except PictureError:
        raise
    except Image.DecompressionBombError as error:  # Pillow's own limit
        raise PictureError("too_many_pixels", f"{name}: {error}") from error
    except Exception as error:  # damaged headers raise many types
        raise _truncated(name, error) from error
    return image


def _check_header(image: Image.Image, name: str, max_megapixels: float) -> None:
    width, height = image.size
    if width * height > max_megapixels * 1e6:
        raise PictureError(
            "too_many_pixels",
            f"{name} has {width} x {height} pixels, more than {max_megapixels:g} megapixels; "
            "raise clean.max_megapixels to accept it",
        )
    # MPO is a still JPEG followed by previews, as many cameras write.
    if image.format != "MPO" and getattr(image, "is_animated", False):
        raise PictureError("animated", f"{name} has several frames; save a single frame")
    if image.mode in ("I", "F"):
        raise PictureError(
            "unsupported_mode", f"{name} has 32-bit values of unknown range; save it as 8-bit"
        )


def _upright(image: Image.Image) -> Image.Image:
    tags = getattr(image, "tag_v2", {})  # of a TIFF; a transposed copy has none
    with suppress(Exception):  # the pixels may be valid when the EXIF block is damaged
        image = ImageOps.exif_transpose(image)
    return _full_range(image, tags) if image.mode.startswith("I;16") else image


def _full_range(image: Image.Image, tags: Mapping[int, Any]) -> Image.Image:
    """Bring 16-bit grey to 0 for black and 65535 for white.

    Pillow leaves 12 bits of a TIFF in the lower bits, and a negative (WhiteIsZero) as it is.
    """
    levels = np.asarray(image, np.uint16)
    if tags.get(_BITS_PER_SAMPLE) == (12,):
        levels = (levels << 4 | levels >> 8).astype(np.uint16)
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        levels = ~levels
    full = Image.fromarray(levels)
    full.info = image.info
    return full


def _on_white(image: Image.Image) -> Image.Image:
    alpha = _alpha(image)
    color = _in_srgb(image)
    if alpha is None:
        return color
    white = Image.new("RGB", color.size, (WHITE, WHITE, WHITE))
    return Image.composite(color, white, alpha)


def _alpha(image: Image.Image) -> Image.Image | None:
    if not image.has_transparency_data:
        return None
    if image.mode.startswith("I;16"):
        opaque = np.asarray(image) != image.info["transparency"]
        return Image.fromarray(from_unit(opaque.astype(np.float32)))
    return image.convert("RGBA").getchannel("A")


def _in_srgb(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    elif image.mode not in ("L", "RGB", "CMYK"):
        image = image.convert("L" if image.mode in ("1", "LA") else "RGB")
    if profile:
        # With a damaged profile, or one of another colour space, the values are taken as sRGB.
        with suppress(ImageCms.PyCMSError, OSError):
            return _to_srgb(profile, image.mode).apply(image)
    return image.convert("RGB")


@lru_cache(maxsize=16)
def _to_srgb(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform:
    embedded = ImageCms.ImageCmsProfile(BytesIO(profile))
    return ImageCms.buildTransform(embedded, ImageCms.createProfile("sRGB"), mode, "RGB")


def _truncated(name: str, error: Exception) -> PictureError:
    cause = " ".join(str(error).split()) or type(error).__name__
    return PictureError("truncated", f"{name} is truncated or damaged ({cause}); fetch it again")


def _name(source: Source) -> str:
    return "the picture" if isinstance(source, bytes) else str(source)


def _check(picture: Picture) -> None:
    _check_dtype(picture)
    if not (picture.ndim == 2 or (picture.ndim == 3 and picture.shape[2] == 3)) or not picture.size:
        raise ValueError(f"a picture must be (H, W, 3) or (H, W), got shape {picture.shape}")


def _check_dtype(picture: Picture) -> None:
    if picture.dtype != np.uint8:
        raise ValueError(f"pictures must be uint8, got {picture.dtype}; see from_unit")
