"""Pictures are read as displayed, rejected with a reason, and written atomically."""

import io
import struct
import subprocess
import sys
import threading
import warnings
import zlib
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from refcolor.errors import PictureError
from refcolor.io import image
from refcolor.io.shards import Member

RED, WHITE = (200, 30, 40), (255, 255, 255)


def encoded(picture: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    """The bytes of a file in a format."""
    file = io.BytesIO()
    picture.save(file, format, **options)
    return file.getvalue()


def noise(height: int = 61, width: int = 47) -> np.ndarray:
    """A random colour picture."""
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def reason_of(data: bytes | Path, **options: Any) -> str:
    """The reason of the PictureError of `read`; its message is one line."""
    with pytest.raises(PictureError) as caught:
        image.read(data, **options)
    assert "\n" not in str(caught.value)
    return caught.value.reason


def png(width: int, height: int, *, bits: int = 8, color: int = 2, data: bytes = b"") -> bytes:
    """A PNG of this header, and of compressed data if there is any."""
    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    chunks = [
        (b"IHDR", header),
        *([(b"IDAT", zlib.compress(data))] if data else []),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


def wide_profile() -> bytes:
    """Swapped primaries: an ICC profile under which pure red means sRGB blue."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[:] = (
        profile.replace(b"rXYZ", b"tmpX").replace(b"bXYZ", b"rXYZ").replace(b"tmpX", b"bXYZ")
    )
    return bytes(profile)


@pytest.mark.parametrize(
    ("format", "options"),
    [("PNG", {}), ("WEBP", {"lossless": True}), ("BMP", {}), ("TIFF", {})],
)
def test_lossless_formats_give_the_pixels_back(format: str, options: dict[str, Any]) -> None:
    """PNG, lossless WebP, BMP and TIFF give exactly the pixels that were saved."""
    pixels = noise()
    read = image.read(encoded(Image.fromarray(pixels), format, **options))
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, pixels)


def test_avif_gives_nearly_the_pixels_back() -> None:
    """AVIF at its best quality is off by at most 3, and keeps transparency and orientation."""
    pixels, turned = noise(), Image.Exif()
    turned[0x112] = 6
    data = encoded(Image.fromarray(pixels), "AVIF", quality=100, subsampling="4:4:4", exif=turned)
    read = np.rot90(image.read(data)).astype(int)
    np.testing.assert_allclose(read, pixels, atol=3)
    assert image.extension(data[:16]) == "avif"
    clear = encoded(Image.new("RGBA", (8, 6)), "AVIF")
    assert (image.read(clear) == 255).all() and (image.read_rgba(clear)[..., 3] == 0).all()


@pytest.mark.parametrize(
    ("format", "options"),
    [
        ("PNG", {}),
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("WEBP", {}),
        ("AVIF", {}),
        ("BMP", {}),
        ("GIF", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
    ],
)
def test_pictures_cut_short_are_refused(format: str, options: dict[str, Any]) -> None:
    """A file cut anywhere after its first bytes is truncated, in every format."""
    data = encoded(Image.fromarray(noise()), format, **options)
    assert image.read(data).shape == (61, 47, 3)
    for share in (0.02, 0.3, 0.7, 0.95):
        assert reason_of(data[: int(share * len(data))]) == "truncated"


def test_damaged_headers_never_leak_another_error() -> None:
    """Any flipped bytes in a header give a picture or a PictureError."""
    random = np.random.default_rng(1)
    outcomes = set()
    for format in image.FORMATS:
        data = encoded(Image.fromarray(noise(13, 11)), format)
        for _ in range(60):
            damaged = np.frombuffer(data, np.uint8).copy()
            # The entries of a TIFF stand behind its pixels.
            part = damaged[-170:] if format == "TIFF" else damaged[:100]
            part[random.integers(0, len(part), 3)] = random.integers(0, 256, 3)
            try:
                image.read(damaged.tobytes(), max_megapixels=1)
                outcomes.add("picture")
            except PictureError as error:
                outcomes.add(error.reason)
    assert {"picture", "truncated"} <= outcomes


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGB", "L", "1", "LA in TIFF"])
def test_transparent_pixels_become_white(mode: str) -> None:
    """Transparency is white in every mode that has any, and opaque pixels keep their colour."""
    color = Image.new("RGBA", (4, 3), (0, 0, 0, 0))
    color.paste((200, 200, 200, 255), (0, 0, 2, 3))
    options: dict[str, Any] = {}
    if mode == "RGB":
        picture, options = color.convert("RGB"), {"transparency": (0, 0, 0)}
    elif mode in ("L", "1"):
        picture, options = color.convert("RGB").convert(mode), {"transparency": 0}
    elif mode == "P":
        picture = color.quantize()
    else:
        picture = color.convert(mode.removesuffix(" in TIFF"))
    format = "TIFF" if mode.endswith("TIFF") else "PNG"
    read = image.read(encoded(picture, format, **options))
    opaque = (255, 255, 255) if mode == "1" else (200, 200, 200)
    assert tuple(read[0, 3]) == WHITE
    assert tuple(read[0, 0]) == opaque


def test_half_transparent_is_half_white() -> None:
    """Alpha 128 of black on white is the middle grey 127, not black."""
    read = image.read(encoded(Image.new("RGBA", (2, 2), (0, 0, 0, 128))))
    assert tuple(read[0, 0]) == (127, 127, 127)


def test_sixteen_bit_grey_keeps_its_tones() -> None:
    """16-bit grey is shifted, not clipped to white: 0x8000 becomes 128; its key becomes white."""
    values = np.array([[0, 0x8000, 0xFFFF]], np.uint16)
    assert image.read(encoded(Image.fromarray(values)))[0, :, 0].tolist() == [0, 128, 255]
    keyed = encoded(Image.fromarray(values), transparency=0)
    assert image.read(keyed)[0, :, 0].tolist() == [255, 128, 255]


def gray_tiff(
    data: bytes, *, bits: int, photometric: int, order: str = "<", turn: int = 1
) -> bytes:
    """A TIFF of one row of four grey pixels, uncompressed."""
    tags = {256: 4, 257: 1, 258: bits, 259: 1, 262: photometric, 273: 134, 274: turn, 277: 1}
    tags |= {278: 1, 279: len(data)}
    entries = [struct.pack(f"{order}HHIHH", tag, 3, 1, value, 0) for tag, value in tags.items()]
    head = struct.pack(f"{order}HIH", 42, 8, len(entries))
    return {"<": b"II", ">": b"MM"}[order] + head + b"".join(entries) + bytes(4) + data


SIXTEEN = struct.pack("<4H", 0, 0x00FF, 0x8000, 0xFFFF)


@pytest.mark.parametrize(
    ("data", "options", "expected"),
    [
        (SIXTEEN, {"bits": 16, "photometric": 1}, [0, 0, 128, 255]),
        (SIXTEEN, {"bits": 16, "photometric": 0}, [255, 255, 127, 0]),
        (SIXTEEN, {"bits": 16, "photometric": 0, "turn": 2}, [0, 127, 255, 255]),
        (
            struct.pack(">4H", 0, 0x00FF, 0x8000, 0xFFFF),
            {"bits": 16, "photometric": 1, "order": ">"},
            [0, 0, 128, 255],
        ),
        # 0x000, 0x00F, 0x800 and 0xFFF, packed
        (
            bytes([0, 0x00, 0x0F, 0x80, 0x0F, 0xFF]),
            {"bits": 12, "photometric": 1},
            [0, 0, 128, 255],
        ),
    ],
)
def test_grey_tiff_of_twelve_and_sixteen_bits(
    data: bytes, options: dict[str, Any], expected: list[int]
) -> None:
    """Both byte orders, negatives (WhiteIsZero) and 12 bits use the full range, also mirrored."""
    tones = image.read(gray_tiff(data, **options))[0, :, 0]
    assert tones.tolist() == expected


@pytest.mark.parametrize(
    ("color", "samples", "expected"),
    [
        (2, [0, 0x00FF, 0x8000], [0, 0, 128, 255]),
        (4, [0x80FF, 0x4000], [128, 128, 128, 64]),
        (6, [0xFFFF, 0x8000, 0x01FF, 0xFE00], [255, 128, 1, 254]),
    ],
)
def test_png_of_sixteen_bits_a_channel(color: int, samples: list[int], expected: list[int]) -> None:
    """Colour, grey with opacity and colour with opacity keep their upper 8 bits."""
    row = b"\0" + struct.pack(f">{len(samples)}H", *samples)
    data = png(1, 1, bits=16, color=color, data=row)
    assert image.read_rgba(data)[0, 0].tolist() == expected


def test_embedded_profiles_are_applied() -> None:
    """A profile whose red is sRGB's blue turns red pixels blue; transparency survives."""
    red = Image.new("RGBA", (2, 2), (255, 0, 0, 255))
    red.putpixel((1, 1), (255, 0, 0, 0))
    read = image.read(encoded(red, icc_profile=wide_profile()))
    np.testing.assert_allclose(read[0, 0], (0, 0, 255), atol=3)
    assert tuple(read[1, 1]) == WHITE


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_useless_profiles_are_passed_over(mode: str) -> None:
    """A damaged profile, or one of another colour space, leaves the values unchanged."""
    picture = Image.new("RGB", (8, 8), (90, 90, 90)).convert(mode)
    profile = b"no profile" if mode == "RGB" else wide_profile()
    read = image.read(encoded(picture, "JPEG", icc_profile=profile))
    np.testing.assert_allclose(read[0, 0], (90, 90, 90), atol=1)


def test_cmyk_becomes_rgb() -> None:
    """Full cyan ink in a CMYK JPEG is cyan, not red."""
    red, green, blue = image.read(encoded(Image.new("CMYK", (8, 8), (255, 0, 0, 0)), "JPEG"))[0, 0]
    assert red < 10
    assert green > 200
    assert blue > 200


def test_exif_orientation_is_applied() -> None:
    """The EXIF orientation is applied."""
    pixels = noise(5, 7)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    read = image.read(encoded(Image.fromarray(pixels), exif=exif.tobytes()))
    np.testing.assert_array_equal(read, np.rot90(pixels, -1))


def test_damaged_exif_does_not_cost_the_picture() -> None:
    """A broken EXIF block is ignored; the pixels are read."""
    pixels = noise(5, 7)
    data = encoded(Image.fromarray(pixels), exif=b"Exif\0\0XX not exif")
    np.testing.assert_array_equal(image.read(data), pixels)


def test_bombs_are_refused_from_the_header() -> None:
    """A header with too many pixels is rejected before decoding."""
    assert reason_of(png(6071, 8598)) == "truncated"  # a B4 manuscript at 600 dpi
    assert reason_of(png(9000, 9000)) == "too_many_pixels"
    # Above the size of which Pillow warns, and above the one at which it raises.
    assert reason_of(png(11000, 11000)) == "too_many_pixels"
    assert reason_of(png(11000, 11000), max_megapixels=122) == "truncated"
    assert reason_of(png(14000, 14000)) == "too_many_pixels"
    # Above Pillow's own limit, where Pillow itself raises.
    assert reason_of(png(60000, 60000), max_megapixels=1e6) == "too_many_pixels"
    assert reason_of(png(8000, 7000), max_megapixels=60) == "truncated"
    assert reason_of(encoded(Image.new("L", (30, 40))), max_megapixels=0.001) == "too_many_pixels"


def test_threads_leave_the_warnings_of_the_program_alone() -> None:
    """Overlapping readers in two threads leave the warning filters unchanged."""
    both_read, first_ended = threading.Event(), threading.Event()

    class Slow(io.BytesIO):
        """A file whose first bytes wait for something."""

        def __init__(self, data: bytes, begun: threading.Event | None, waits: threading.Event):
            super().__init__(data)
            self.begun, self.waits = begun, waits

        def read(self, size: int | None = -1) -> bytes:
            if self.begun:
                self.begun.set()
            assert self.waits.wait(10)
            return super().read(size)

    class Source(Member):
        """A file in a shard that is `Slow`."""

        def open(self, _mode: Literal["rb"]) -> BinaryIO:
            return files.pop(self.name)

    data = encoded(Image.fromarray(noise()))
    files = {"first": Slow(data, None, both_read), "second": Slow(data, both_read, first_ended)}
    first, second = (
        threading.Thread(target=image.read, args=[Source(Path("x.tar"), name, 0, len(data))])
        for name in files
    )
    before = list(warnings.filters)
    first.start()
    second.start()
    first.join(10)
    first_ended.set()
    second.join(10)
    assert list(warnings.filters) == before
    with pytest.raises(UserWarning, match="still an error"):
        warnings.warn("still an error", stacklevel=1)


def test_warnings_of_pillow_are_ignored(tmp_path: Path) -> None:
    """A palette with opacities is read without a warning, also under -W."""
    picture = Image.new("P", (4, 3), 1)
    picture.putpalette([0, 0, 0, 200, 30, 40])
    path = tmp_path / "a.png"
    picture.save(path, transparency=b"\x00\xff")
    command = (
        "import sys, pathlib; from refcolor.io import image; "
        "print(image.read(pathlib.Path(sys.argv[1]))[0, 0].tolist())"
    )
    for options in ([], ["-W", "error"], ["-W", "always"]):
        done = subprocess.run(
            [sys.executable, *options, "-c", command, str(path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.stdout, done.stderr) == ("[200, 30, 40]\n", "")


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGB", "L"])
def test_read_rgba_keeps_transparency(mode: str) -> None:
    """Colours and opacity come as stored; laid on white they are what `read` gives."""
    color = Image.new("RGBA", (4, 3), (0, 0, 0, 0))
    color.paste((200, 200, 200, 255), (0, 0, 2, 3))
    if mode == "P":
        paletted = Image.new("P", (4, 3), 0)
        paletted.putpalette([0, 0, 0, 200, 200, 200])
        paletted.paste(1, (0, 0, 2, 3))
        data = encoded(paletted, transparency=0)
    else:
        data = encoded(color.convert(mode))
    pixels = image.read_rgba(data)
    assert pixels.shape == (3, 4, 4)
    assert (pixels[:, :2] == (200, 200, 200, 255)).all()
    opaque = mode in ("RGB", "L")
    assert (pixels[:, 2:] == (0, 0, 0, 255 if opaque else 0)).all()
    on_white = np.where(pixels[..., 3:] == 255, pixels[..., :3], 255)
    np.testing.assert_array_equal(on_white, image.read(data))


def test_read_rgba_refuses_as_read_does() -> None:
    """Other files and too many pixels are rejected for the same reasons."""
    for data, reason in ((b"<html>", "not_a_picture"), (png(9000, 9000), "too_many")):
        with pytest.raises(PictureError) as caught:
            image.read_rgba(data)
        assert caught.value.reason.startswith(reason)


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "AVIF", "TIFF"])
def test_animations_are_refused(format: str) -> None:
    """A file of two frames is rejected as animated."""
    frames = [Image.fromarray(noise(9, 8)), Image.fromarray(255 - noise(9, 8))]
    data = encoded(frames[0], format, save_all=True, append_images=frames[1:])
    assert reason_of(data) == "animated"


def test_camera_pictures_with_a_preview_are_not_animations() -> None:
    """An MPO, a JPEG with a preview behind it, is read as a still picture."""
    frames = [Image.new("RGB", (16, 8), RED), Image.new("RGB", (8, 4))]
    data = encoded(frames[0], "MPO", save_all=True, append_images=frames[1:])
    np.testing.assert_allclose(image.read(data)[4, 8], RED, atol=4)


@pytest.mark.parametrize(
    "data",
    [
        b"<!DOCTYPE html><html>503</html>",
        b"RIFF\x10\0\0\0WAVEfmt ",
        b"\x89PN",
        b"P6 1",
    ],
)
def test_other_files_are_not_pictures(data: bytes, tmp_path: Path) -> None:
    """HTML named .jpg, sounds and formats outside the list are not_a_picture."""
    path = tmp_path / "picture.jpg"
    path.write_bytes(data)
    assert reason_of(path) == "not_a_picture"


@pytest.mark.parametrize(
    ("head", "name", "advice"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a HEIC photograph", "save it as JPEG"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1heic", "a HEIC photograph", "save it as JPEG"),
        (b"\xff\n\xfa\x1f", "a JPEG XL picture", "save it as PNG"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL picture", "save it as PNG"),
        (
            b"PK\3\4" + bytes(26) + b"mimetypeapplication/x-kritaPK",
            "a Krita document",
            "export it as PNG or OpenRaster",
        ),
        (b"CSFCHUNK" + bytes(16), "a Clip Studio document", "export it as PNG or PSD"),
        (b"%PDF-1.4", "a PDF document", "export its page as PNG"),
        (b'<?xml version="1.0"?>\n<!-- x -->\n<svg xmlns', "a vector drawing", "export it as PNG"),
        (b"8BPS\0\1", "a Photoshop document", "export it as PNG"),
    ],
)
def test_files_of_other_programs_are_named(
    head: bytes, name: str, advice: str, tmp_path: Path
) -> None:
    """The message has the format and what to do, whatever the file is called."""
    path = tmp_path / "picture.png"
    path.write_bytes(head)
    with pytest.raises(PictureError, match=f"picture.png is {name}, which .*; {advice}") as caught:
        image.read(path)
    assert caught.value.reason == "foreign_format"


def test_empty_and_missing_files_have_their_own_reason(tmp_path: Path) -> None:
    """A file of no bytes is empty_file, a missing one unreadable_file, a folder too."""
    (tmp_path / "a.png").touch()
    assert reason_of(tmp_path / "a.png") == "empty_file"
    assert reason_of(tmp_path / "b.png") == "unreadable_file"
    assert reason_of(tmp_path) == "unreadable_file"


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_values_of_unknown_range_are_refused(dtype: type) -> None:
    """A 32-bit or floating-point TIFF is rejected: its range is unknown."""
    assert reason_of(encoded(Image.fromarray(np.ones((3, 4), dtype)), "TIFF")) == "unsupported_mode"


def test_write_and_read_gray_are_inverse(tmp_path: Path) -> None:
    """Line art round-trips; equal pictures give equal bytes; no other file stays in the folder."""
    gray = noise()[..., 0]
    image.write(tmp_path / "new" / "a.png", gray)
    image.write(tmp_path / "new" / "b.png", gray)
    np.testing.assert_array_equal(image.read_gray(tmp_path / "new" / "a.png"), gray)
    first, second = sorted((tmp_path / "new").iterdir())
    assert (first.name, second.name) == ("a.png", "b.png")
    assert first.read_bytes() == second.read_bytes()


def test_read_gray_refuses_colour(tmp_path: Path) -> None:
    """A colour file among the sketches is an error and not converted to luma."""
    image.write(tmp_path / "a.png", noise())
    with pytest.raises(PictureError, match="not a grey picture") as caught:
        image.read_gray(tmp_path / "a.png")
    assert caught.value.reason == "not_gray"


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the disk is full in the middle, the old file stays and no temporary file."""
    path = tmp_path / "a.png"
    image.write(path, noise())
    before = path.read_bytes()

    def fail(_self: Image.Image, file: Path, **_options: Any) -> None:
        file.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="No space"):
        image.write(path, 255 - noise())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("shape", [(4,), (4, 4, 4), (0, 4, 3), (2, 4, 4, 3)])
def test_write_checks_shape_and_dtype(shape: tuple[int, ...], tmp_path: Path) -> None:
    """The error for another shape has the shape."""
    with pytest.raises(ValueError, match=r"must be \(H, W, 3\) or \(H, W\)"):
        image.write(tmp_path / "a.png", np.zeros(shape, np.uint8))
    with pytest.raises(ValueError, match="must be uint8, got float32"):
        image.write(tmp_path / "a.png", np.zeros((4, 4), np.float32))


def test_resize_averages_fine_patterns() -> None:
    """A checkerboard of pixels becomes flat grey, where sampling would give black or white."""
    board = (np.indices((64, 96)).sum(0) % 2 * 255).astype(np.uint8)
    small = image.resize(board, 7, 11)
    assert small.shape == (7, 11)
    assert np.abs(small.astype(int) - 127).max() <= 3
    assert image.resize(noise(), 5, 3).shape == (5, 3, 3)
    np.testing.assert_array_equal(image.resize(noise(), 61, 47), noise())
    with pytest.raises(ValueError, match="at least 1 pixel, got 0 x 3"):
        image.resize(board, 0, 3)


def test_square_pads_with_the_background() -> None:
    """A tall picture keeps its height; the bars at its sides have the colour of its border."""
    picture = np.full((40, 20, 3), RED, np.uint8)
    picture[10:30, 5:15] = 0
    padded = image.square(picture, 32)
    assert padded.shape == (32, 32, 3)
    assert tuple(padded[16, 0]) == tuple(padded[16, 31]) == RED
    assert tuple(padded[16, 16]) == (0, 0, 0)
    assert tuple(image.square(picture.transpose(1, 0, 2), 32)[0, 16]) == RED


def test_square_crop_keeps_the_head() -> None:
    """Crop takes the top of a tall picture and the middle of a wide one."""
    tall = np.zeros((30, 10), np.uint8)
    tall[:10] = 200
    assert (image.square(tall, 8, fit="crop") == 200).all()
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = 200
    assert (image.square(wide, 8, fit="crop") == 200).all()
    with pytest.raises(ValueError, match="'pad' or 'crop', got 'fill'"):
        image.square(tall, 8, fit="fill")  # type: ignore[arg-type]


def test_square_survives_a_thread_of_pixels() -> None:
    """A picture one pixel high and 300 wide still gives a square."""
    assert image.square(np.zeros((1, 300, 3), np.uint8), 16).shape == (16, 16, 3)


def test_border_color_is_a_colour_of_the_border() -> None:
    """The median ignores a foot that crosses the lower edge, and everything inside."""
    picture = np.full((10, 12, 3), WHITE, np.uint8)
    picture[2:, 3:8] = 0
    assert tuple(image.border_color(picture)) == WHITE


def test_unit_range_round_trips() -> None:
    """All 256 levels survive float32 in [0, 1] and the tensor range [-1, 1]."""
    levels = np.arange(256, dtype=np.uint8).reshape(8, 32)
    unit = image.to_unit(levels)
    assert unit.dtype == np.float32
    assert (unit.min(), unit.max()) == (0, 1)
    np.testing.assert_array_equal(image.from_unit(unit), levels)
    assert image.from_unit(np.array([-1.0, 0.5, 2.0])).tolist() == [0, 128, 255]
    tensor = image.to_tensor(levels[..., None])
    assert (tensor.min().item(), tensor.max().item()) == (-1, 1)
    np.testing.assert_array_equal(image.to_uint8(tensor)[..., 0], levels)


def test_tensors_have_channels_first() -> None:
    """(B, H, W, C) becomes (B, C, H, W) without mixing rows, columns and channels."""
    pictures = np.stack([noise(5, 7), noise(5, 7)])
    pictures[1, 2, 3] = (255, 0, 128)
    tensor = image.to_tensor(pictures)
    assert tensor.shape == (2, 3, 5, 7)
    assert tensor.dtype == torch.float32
    expected = torch.tensor([1.0, -1.0, 128 / 127.5 - 1])
    torch.testing.assert_close(tensor[1, :, 2, 3], expected)
    np.testing.assert_array_equal(image.to_uint8(tensor), pictures)


def test_to_uint8_clamps_and_rounds() -> None:
    """Values outside [-1, 1] saturate, and halves of bf16 or graph tensors are accepted."""
    tensor = torch.tensor([-3.0, 3.0, 0.0]).reshape(3, 1, 1).to(torch.bfloat16).requires_grad_()
    assert image.to_uint8(tensor).reshape(3).tolist() == [0, 255, 128]
    with pytest.raises(ValueError, match="floating-point in"):
        image.to_uint8(torch.zeros(3, 1, 1, dtype=torch.uint8))
    with pytest.raises(ValueError, match=r"\(\.\.\., H, W, C\), got shape \(4, 4\)"):
        image.to_tensor(np.zeros((4, 4), np.uint8))


def test_grid_places_every_picture() -> None:
    """Rows and columns are as large as their largest picture; grey is shown in colour."""
    red = np.full((3, 5, 3), RED, np.uint8)
    black = np.zeros((2, 4), np.uint8)
    sheet = image.grid([[red, black], [black]], gap=1)
    assert sheet.shape == (3 + 1 + 2, 5 + 1 + 4, 3)
    assert (sheet[:3, :5] == RED).all()
    assert (sheet[:2, 6:] == 0).all()
    assert (sheet[4:, :4] == 0).all()
    assert (sheet[3] == image.GAP_GRAY).all()
    for empty in ([], [[]]):
        with pytest.raises(ValueError, match="at least one picture"):
            image.grid(empty)


@pytest.mark.parametrize(
    ("enlarge", "shape", "size"),
    [
        (True, (41, 82), (25, 50)),
        (True, (900, 7), (50, 1)),
        (True, (10, 5), (50, 25)),
        (False, (41, 82), (25, 50)),
        (False, (10, 5), (10, 5)),
    ],
)
def test_the_longer_side_decides_the_size(
    enlarge: bool, shape: tuple[int, int], size: tuple[int, int]
) -> None:
    """The longer side gets 50 pixels, the other at least 1; a small picture may stay."""
    assert image.scaled_size(shape, 50, enlarge=enlarge) == size
    assert image.fit(np.zeros(shape, np.uint8), 50, enlarge=enlarge).shape == size


def test_a_figure_becomes_its_pixels() -> None:
    """A figure of 3 x 2 inches at 50 dots an inch, painted red, is 100 x 150 red pixels."""
    from matplotlib.figure import Figure

    picture = image.from_figure(Figure(figsize=(3, 2), dpi=50, facecolor="red"))
    assert picture.shape == (100, 150, 3)
    assert (picture == (255, 0, 0)).all()
