"""PSD and OpenRaster files are read by layer, and written so that other programs read them."""

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import psd_tools
import pytest
from PIL import Image, ImageCms
from psd_tools.constants import Resource

from refcolor.colorize.documents import Layer, read_page
from refcolor.colorize.ora import write_ora
from refcolor.colorize.psd import write_psd
from refcolor.errors import PictureError

HEIGHT, WIDTH = 23, 31
MERGED = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
Write = Callable[..., None]
WRITERS = pytest.mark.parametrize(("write", "name"), [(write_psd, "a.psd"), (write_ora, "a.ora")])


def pixels(height: int, width: int, color: tuple[int, int, int], alpha: int = 255) -> np.ndarray:
    """An area of one colour."""
    return np.full((height, width, 4), (*color, alpha), np.uint8)


def layers() -> list[Layer]:
    """Paper, a group of two areas of which a mask hides the left half, and lines on top."""
    mask = np.full((HEIGHT, WIDTH), 255, np.uint8)
    mask[:, :10] = 0
    inner = [
        Layer("low", pixels(9, 20, (10, 20, 30)), 5, 3),
        Layer("high", pixels(4, 4, (200, 0, 7)), 20, 8),
    ]
    return [
        Layer("paper", pixels(HEIGHT, WIDTH, (250, 240, 230))),
        Layer("colours", layers=inner, mask=mask),
        Layer("Linien & Schrift", pixels(5, 6, (0, 0, 0), 128), 2, 17),
    ]


def group() -> np.ndarray:
    """What the group of `layers` looks like without its mask."""
    canvas = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    canvas[3:12, 5:25] = (10, 20, 30, 255)
    canvas[8:12, 20:24] = (200, 0, 7, 255)
    return canvas


def refusal(source: Path | bytes, layer: str | None = None) -> tuple[str, str]:
    """Reason and message of a PictureError, which is one line."""
    with pytest.raises(PictureError) as caught:
        read_page(source, layer)
    assert "\n" not in str(caught.value)
    return caught.value.reason, str(caught.value)


@WRITERS
def test_a_document_is_its_merged_picture(tmp_path: Path, write: Write, name: str) -> None:
    """Without a layer name the pixels are the merged picture, opaque, from a file or its bytes."""
    write(tmp_path / name, layers(), MERGED, (300.0, 150.0))
    for source in (tmp_path / name, (tmp_path / name).read_bytes()):
        read, resolution = read_page(source)
        np.testing.assert_array_equal(read, np.dstack([MERGED, np.full((HEIGHT, WIDTH), 255)]))
        assert resolution == (300, 150)


@WRITERS
def test_a_layer_is_read_by_name(tmp_path: Path, write: Write, name: str) -> None:
    """It lies on a transparent canvas of the size of the document, at its own place."""
    write(tmp_path / name, layers(), MERGED, None)
    read, resolution = read_page(tmp_path / name, "Linien & Schrift")
    expected = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    expected[17:22, 2:8] = (0, 0, 0, 128)
    np.testing.assert_array_equal(read, expected)
    assert resolution is None


@WRITERS
def test_a_group_is_read_as_its_layers_together(tmp_path: Path, write: Write, name: str) -> None:
    """The upper layer covers the lower; what is transparent in both is transparent."""
    write(tmp_path / name, [Layer("ink", layers=layers()[1].layers)], MERGED, None)
    read, _ = read_page(tmp_path / name, "ink")
    np.testing.assert_array_equal(read, group())


@WRITERS
def test_of_two_layers_of_a_name_the_upper_one_is_read(
    tmp_path: Path, write: Write, name: str
) -> None:
    """Lines lie above everything else."""
    both = [Layer("ink", pixels(2, 2, (9, 9, 9))), Layer("ink", pixels(2, 2, (5, 5, 5)))]
    write(tmp_path / name, both, MERGED, None)
    read, _ = read_page(tmp_path / name, "ink")
    assert read[0, 0].tolist() == [5, 5, 5, 255]


@WRITERS
def test_an_unknown_layer_is_refused_with_the_names(
    tmp_path: Path, write: Write, name: str
) -> None:
    """The topmost comes first."""
    write(tmp_path / name, layers(), MERGED, None)
    reason, message = refusal(tmp_path / name, "ink")
    assert reason == "no_such_layer"
    order = "Linien & Schrift, colours, high, low, paper"
    assert message.endswith(f"has no layer 'ink'; it has {order}")


@WRITERS
def test_a_document_without_layers_is_refused_only_by_layer(
    tmp_path: Path, write: Write, name: str
) -> None:
    """Its merged picture is a drawing as any other."""
    write(tmp_path / name, [], MERGED, None)
    assert read_page(tmp_path / name)[0][..., :3].tolist() == MERGED.tolist()
    assert refusal(tmp_path / name, "ink")[0] == "no_layers"


def test_a_picture_has_no_layers(tmp_path: Path) -> None:
    """A PNG is returned as it is, with its resolution, and refused with a layer name."""
    path = tmp_path / "a.png"
    Image.fromarray(MERGED).save(path, dpi=(254, 127))
    source, resolution = read_page(path)
    assert source == path
    assert resolution == pytest.approx((254, 127))
    assert refusal(path, "ink")[0] == "no_layers"


@WRITERS
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_truncated_document_is_refused(
    tmp_path: Path, write: Write, name: str, share: float
) -> None:
    """In the header, in a layer, and in the merged picture: one line with the name of the file."""
    write(tmp_path / name, layers(), MERGED, None)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: int(share * len(data))])
    reason, message = refusal(tmp_path / name)
    assert reason == "truncated"
    assert message.startswith(f"{tmp_path / name} is truncated or damaged (")


@pytest.mark.parametrize(
    ("member", "content"),
    [("stack.xml", b"<image w='3'"), ("mergedimage.png", b"text"), ("mergedimage.png", b"")],
)
def test_a_damaged_member_of_an_ora_is_refused(tmp_path: Path, member: str, content: bytes) -> None:
    """A zip that opens may still hold no document."""
    write_ora(tmp_path / "a.ora", layers(), MERGED, None)
    with zipfile.ZipFile(tmp_path / "a.ora") as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "a.ora", "w") as archive:
        for name, data in (files | {member: content}).items():
            archive.writestr(name, data)
    assert refusal(tmp_path / "a.ora")[0] in ("truncated", "not_a_picture", "empty_file")


def test_too_many_pixels_are_refused_from_the_header(tmp_path: Path) -> None:
    """10000 x 9000 pixels that a PSD and an OpenRaster file only claim to have."""
    write_ora(tmp_path / "a.ora", [], MERGED, None)
    with zipfile.ZipFile(tmp_path / "b.ora", "w") as archive:
        archive.writestr("mimetype", "image/openraster")
        archive.writestr("stack.xml", '<image w="10000" h="9000"><stack/></image>')
    assert refusal(tmp_path / "b.ora")[0] == "too_many_pixels"
    psd = b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, 9000, 10000, 8, 3) + bytes(4 * 3 + 2)
    assert refusal(psd)[0] in ("too_many_pixels", "truncated")


def deep_psd(samples: list[int], *, mode: int) -> bytes:
    """A PSD of one row with 16 bits a channel, without layers and without compression."""
    channels = {1: 1, 3: 3}[mode]
    header = struct.pack(">H6xHIIHH", 1, channels, 1, len(samples) // channels, 16, mode)
    return b"8BPS" + header + bytes(4 * 3 + 2) + struct.pack(f">{len(samples)}H", *samples)


def test_a_psd_of_sixteen_bits_keeps_its_tones() -> None:
    """Grey and colour, whose channels follow one another, are not clipped."""
    read, _ = read_page(deep_psd([0, 0x8000, 0xFFFF], mode=1))
    assert read[0].tolist() == [[0, 0, 0, 255], [128, 128, 128, 255], [255, 255, 255, 255]]
    read, _ = read_page(deep_psd([0xFFFF, 0, 0x8000, 0x4000, 0x0100, 0xFE00], mode=3))
    assert read[0].tolist() == [[255, 128, 1, 255], [0, 64, 254, 255]]


def test_the_mask_of_a_layer_counts_but_not_its_visibility(tmp_path: Path) -> None:
    """Hidden lines are lines; what a mask hides is erased, and nothing where it is switched off."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[4:, 3:] = 200
    line = Layer("ink", pixels(10, 10, (1, 2, 3)), 1, 2, mask=mask)
    write_psd(tmp_path / "a.psd", [line], MERGED, None)
    document = psd_tools.PSDImage.open(tmp_path / "a.psd")
    document[0].visible = False
    document.save(tmp_path / "hidden.psd")
    read, _ = read_page(tmp_path / "hidden.psd", "ink")
    expected = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    expected[4:12, 3:11] = (1, 2, 3, 200)
    np.testing.assert_array_equal(read[..., 3], expected[..., 3])
    np.testing.assert_array_equal(read[expected[..., 3] > 0], expected[expected[..., 3] > 0])
    document[0].mask.disabled = True
    document.save(tmp_path / "disabled.psd")
    assert (read_page(tmp_path / "disabled.psd", "ink")[0][2:12, 1:11, 3] == 255).all()


def test_a_psd_has_masks_a_profile_and_a_resolution(tmp_path: Path) -> None:
    """psd-tools finds the group with its mask, sRGB, and 300 x 150 pixels per inch."""
    write_psd(tmp_path / "a.psd", layers(), MERGED, (300.0, 150.0))
    document = psd_tools.PSDImage.open(tmp_path / "a.psd")
    assert [layer.name for layer in document] == ["paper", "colours", "Linien & Schrift"]
    colors = document[1]
    assert [layer.name for layer in colors] == ["low", "high"]
    assert colors.mask.bbox == (0, 0, WIDTH, HEIGHT)
    assert np.asarray(colors.mask.topil())[0].tolist() == [0] * 10 + [255] * (WIDTH - 10)
    with Image.open(tmp_path / "a.psd") as image:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
    assert ImageCms.getProfileDescription(profile).strip() == "sRGB built-in"
    density = document.image_resources.get_data(Resource.RESOLUTION_INFO)
    assert (density.horizontal, density.vertical) == (300 << 16, 150 << 16)
    assert (density.horizontal_unit, density.vertical_unit) == (1, 1)


def test_an_ora_is_the_zip_that_the_specification_asks_for(tmp_path: Path) -> None:
    """The mimetype first and stored, layers top first, masks as transparency, a small thumbnail."""
    write_ora(tmp_path / "a" / "a.ora", layers(), MERGED, (300.0, 150.0))
    data = (tmp_path / "a" / "a.ora").read_bytes()
    assert data[30:54] == b"mimetypeimage/openraster"
    with zipfile.ZipFile(tmp_path / "a" / "a.ora") as archive:
        assert archive.testzip() is None
        root = ElementTree.fromstring(archive.read("stack.xml"))

        def png(name: str) -> np.ndarray:
            with Image.open(io.BytesIO(archive.read(name))) as image:
                return np.asarray(image)

        lines, colors, paper = root.find("stack")
        high, low = colors
        assert [root.attrib[key] for key in ("w", "h", "xres", "yres")] == [
            "31",
            "23",
            "300",
            "150",
        ]
        assert (colors.tag, colors.get("name")) == ("stack", "colours")
        assert [lines.get(key) for key in ("name", "x", "y")] == ["Linien & Schrift", "2", "17"]
        assert paper.get("name") == "paper"
        shown = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
        for layer in (low, high):
            area, left, top = png(layer.get("src")), int(layer.get("x")), int(layer.get("y"))
            opaque = area[..., 3] > 0
            shown[top : top + len(area), left : left + area.shape[1]][opaque] = area[opaque]
        expected = group()
        expected[:, :10] = 0
        np.testing.assert_array_equal(shown, expected)
        np.testing.assert_array_equal(png("mergedimage.png"), MERGED)
        assert max(png("Thumbnails/thumbnail.png").shape) <= 256


def test_a_hidden_layer_of_a_stack_is_left_out_of_it(tmp_path: Path) -> None:
    """Offsets may be negative, and a layer may be missing its place; Krita writes both."""
    area = io.BytesIO()
    Image.fromarray(pixels(4, 4, (7, 8, 9))).save(area, "PNG")
    with zipfile.ZipFile(tmp_path / "a.ora", "w") as archive:
        archive.writestr("mimetype", "image/openraster")
        archive.writestr("data/a.png", area.getvalue())
        archive.writestr(
            "stack.xml",
            '<image w="6" h="5"><stack><stack name="ink">'
            '<layer name="rough" src="data/a.png" visibility="hidden"/>'
            '<layer name="clean" src="data/a.png" x="-2" y="3"/></stack></stack></image>',
        )
    expected = np.zeros((5, 6, 4), np.uint8)
    expected[3:, :2] = (7, 8, 9, 255)
    np.testing.assert_array_equal(read_page(tmp_path / "a.ora", "ink")[0], expected)
    assert read_page(tmp_path / "a.ora", "rough")[0][:4, :4].tolist() == [[[7, 8, 9, 255]] * 4] * 4


@pytest.mark.parametrize(
    ("format", "options", "expected"),
    [
        ("PNG", {"dpi": (300, 300)}, (300, 300)),
        ("JPEG", {"dpi": (96, 72)}, (96, 72)),
        ("TIFF", {"dpi": (1200, 600)}, (1200, 600)),
        ("BMP", {"dpi": (150, 150)}, (150, 150)),
        ("PNG", {}, None),
        ("WEBP", {}, None),
        ("JPEG", {"dpi": (1, 1)}, None),
    ],
)
def test_the_resolution_of_a_picture(
    format: str, options: dict[str, Any], expected: tuple[float, float] | None
) -> None:
    """PNG and BMP store pixels per metre, so it is near; 1 is what programs write for unknown."""
    file = io.BytesIO()
    Image.fromarray(MERGED).save(file, format, **options)
    _, resolution = read_page(file.getvalue())
    assert resolution == (expected and pytest.approx(expected, abs=0.02))
