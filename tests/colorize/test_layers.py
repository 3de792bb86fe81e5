"""The drawing's lines are kept pixel for pixel, in one picture and as layers."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from refcolor.colorize.layers import (
    color_layer,
    compose,
    cut_out,
    document_layers,
    line_layer,
    write_layers,
    write_picture,
)
from refcolor.colorize.psd import write_psd
from refcolor.errors import PictureError
from refcolor.io.image import read
from refcolor.lines.drawing import Drawing

WHITE = np.full(3, 255, np.uint8)


def drawing(height: int = 41, width: int = 29, *, colored: bool = False) -> Drawing:
    """Ink of every strength, with one line colour or one for each pixel."""
    random = np.random.default_rng(3)
    ink = random.integers(0, 256, (height, width), dtype=np.uint8)
    ink[0], ink[1] = 0, 255
    shape = (height, width, 3) if colored else (3,)
    line = random.integers(0, 256, shape, dtype=np.uint8) if colored else np.zeros(3, np.uint8)
    return Drawing(ink, line, WHITE, "dark lines on light paper")


def save_psd(path: Path, colors: np.ndarray, lines: Drawing, *, flat: bool = False) -> None:
    """Write the layers of a coloured drawing and the picture that they give."""
    write_psd(path, document_layers(colors, lines, flat=flat), compose(colors, lines), None)


def colors(height: int = 41, width: int = 29) -> np.ndarray:
    """Random colours."""
    return np.random.default_rng(4).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_compose_mixes_and_rounds() -> None:
    """Ink 102 of 255 is 0.4: 0.4 * 10 + 0.6 * 201 = 124.6, which is 125."""
    pixel = Drawing(np.array([[102]], np.uint8), np.full(3, 10, np.uint8), WHITE, "")
    assert compose(np.full((1, 1, 3), 201, np.uint8), pixel).tolist() == [[[125, 125, 125]]]


@pytest.mark.parametrize("colored", [False, True])
def test_compose_is_the_formula(colored: bool) -> None:
    """Every pixel is ink * line + (1 - ink) * color, rounded; without ink it is the colour."""
    lines = drawing(600, 7, colored=colored)
    ink = lines.ink[..., None] / 255
    expected = ink * lines.line + (1 - ink) * colors(600, 7)
    assert np.abs(compose(colors(600, 7), lines) - expected).max() <= 0.5


def test_colours_of_another_size_are_refused() -> None:
    """The message names both shapes and the function that resizes colours."""
    with pytest.raises(ValueError, match=r"must be \(41, 29, 3\).*got \(29, 41, 3\).*upsample"):
        compose(colors(29, 41), drawing())


@pytest.mark.parametrize("colored", [False, True])
def test_the_layers_compose_to_the_picture(colored: bool) -> None:
    """Pillow's compositing of the two layers gives what compose gives."""
    lines = drawing(colored=colored)
    below, above = color_layer(colors(), lines), line_layer(lines)
    laid = Image.alpha_composite(Image.fromarray(below), Image.fromarray(above))
    assert np.abs(np.asarray(laid)[..., :3].astype(int) - compose(colors(), lines)).max() <= 1
    assert (below[..., 3] == 255).all()
    np.testing.assert_array_equal(above[..., 3], lines.ink)


def test_layers_are_written_as_png_with_transparency(tmp_path: Path) -> None:
    """Two files named after the stem hold the two layers, and no other file is left."""
    paths = write_layers(tmp_path / "new", "fox", colors(), drawing())
    assert [path.name for path in paths] == ["fox_colors.png", "fox_lines.png"]
    assert sorted((tmp_path / "new").iterdir()) == sorted(paths)
    for path, layer in zip(
        paths, (color_layer(colors(), drawing()), line_layer(drawing())), strict=True
    ):
        with Image.open(path) as image:
            assert image.mode == "RGBA"
            np.testing.assert_array_equal(np.asarray(image), layer)


def test_a_psd_opens_again_with_its_layers(tmp_path: Path) -> None:
    """psd-tools finds both layers, the lines above, blended normally, with the same pixels."""
    psd_tools = pytest.importorskip("psd_tools")
    from psd_tools.constants import BlendMode

    lines = drawing(colored=True)
    save_psd(tmp_path / "a" / "fox.psd", colors(), lines)
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["fox.psd"]
    document = psd_tools.PSDImage.open(tmp_path / "a" / "fox.psd")
    assert document.size == (29, 41)
    assert [layer.name for layer in document] == ["colors", "lines"]
    for layer, expected in zip(
        document, (color_layer(colors(), drawing()), line_layer(lines)), strict=True
    ):
        assert layer.blend_mode is BlendMode.NORMAL
        assert layer.is_visible()
        assert (layer.opacity, layer.bbox) == (255, (0, 0, 29, 41))
        np.testing.assert_array_equal(np.asarray(layer.topil().convert("RGBA")), expected)


def test_tone_is_a_layer_that_multiplies_the_colours(tmp_path: Path) -> None:
    """0.2 of ink over 0.6 of tone over 200 is 0.8 * 0.4 * 200; files and picture agree."""
    one = Drawing(np.uint8([[51]]), np.zeros(3, np.uint8), WHITE, "", tone=np.uint8([[153]]))
    assert compose(np.full((1, 1, 3), 200, np.uint8), one).tolist() == [[[64, 64, 64]]]
    tone = np.random.default_rng(6).integers(0, 256, (41, 29), dtype=np.uint8)
    shaded = replace(drawing(), tone=tone)
    write_layers(tmp_path, "fox", colors(), shaded)
    layers = [Image.open(tmp_path / f"fox_{name}.png") for name in ("colors", "shadow", "lines")]
    laid = Image.alpha_composite(Image.alpha_composite(*layers[:2]), layers[2])
    assert np.abs(np.asarray(laid)[..., :3].astype(int) - compose(colors(), shaded)).max() <= 2
    psd_tools = pytest.importorskip("psd_tools")
    save_psd(tmp_path / "fox.psd", colors(), shaded)
    _, shadow, _ = psd_tools.PSDImage.open(tmp_path / "fox.psd")
    assert (shadow.name, shadow.blend_mode.name) == ("shadow", "MULTIPLY")
    np.testing.assert_array_equal(np.asarray(shadow.topil().convert("RGBA")), layers[1])


def test_a_psd_of_flats_has_a_layer_for_each_color(tmp_path: Path) -> None:
    """The group below the lines holds a mask of each colour, and together they are the colours."""
    psd_tools = pytest.importorskip("psd_tools")
    flats = np.array([[10, 20, 30], [200, 0, 7], [255, 255, 255]], np.uint8)[
        np.random.default_rng(5).integers(0, 2, (41, 29))
    ]
    flats[30:, 20:] = 255
    save_psd(tmp_path / "fox.psd", flats, drawing(), flat=True)
    group, lines = psd_tools.PSDImage.open(tmp_path / "fox.psd")
    assert (group.name, group.kind, lines.name) == ("colors", "group", "lines")
    assert [layer.name for layer in group] == ["#0a141e", "#c80007", "#ffffff"]
    assert group[2].bbox == (20, 30, 29, 41)
    for layer, color in zip(group, np.unique(flats.reshape(-1, 3), axis=0), strict=True):
        shown = np.zeros((41, 29, 4), np.uint8)
        left, top, right, bottom = layer.bbox
        shown[top:bottom, left:right] = np.asarray(layer.topil().convert("RGBA"))
        inside = (flats == color).all(axis=2)
        assert (shown[inside] == [*color, 255]).all()
        assert not shown[~inside, 3].any()


def test_programs_without_layers_see_the_composed_picture(tmp_path: Path) -> None:
    """Pillow, which reads the merged picture of a PSD, gets what compose gives."""
    pytest.importorskip("psd_tools")
    save_psd(tmp_path / "fox.psd", colors(), drawing())
    with Image.open(tmp_path / "fox.psd") as image:
        assert image.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(image), compose(colors(), drawing()))


def test_a_side_too_long_for_a_psd_is_refused(tmp_path: Path) -> None:
    """30001 pixels are one too many, and no file is left."""
    pytest.importorskip("psd_tools")
    with pytest.raises(PictureError, match=r"1 x 30001 pixels.*layers as PNG") as caught:
        save_psd(tmp_path / "a.psd", colors(30001, 1), drawing(30001, 1))
    assert caught.value.reason == "too_long_for_psd"
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_old_layer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the disk is full during a write, the old file stays and no part remains."""
    (path, _) = write_layers(tmp_path, "fox", colors(), drawing())
    before = path.read_bytes()

    def fail(_image: Image.Image, file: Path, **_options: object) -> None:
        file.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="No space"):
        write_layers(tmp_path, "fox", 255 - colors(), drawing())
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2


def cut_out_drawing() -> tuple[Drawing, np.ndarray]:
    """Black ink on white, with opacity, on white; and the pixels as they were before, straight."""
    # lines inside, at a half-transparent border of ink, of paper, and outside
    pixels = np.zeros((1, 6, 4), np.uint8)
    pixels[0, :, 0] = pixels[0, :, 1] = pixels[0, :, 2] = (0, 102, 255, 0, 255, 0)
    pixels[0, :, 3] = (255, 255, 255, 128, 128, 0)
    ink = np.array([[255, 153, 0, 128, 0, 0]], np.uint8)
    return Drawing(ink, np.zeros(3, np.uint8), WHITE, "", opacity=pixels[..., 3]), pixels


def test_a_cut_out_drawing_stays_cut_out() -> None:
    """Lines keep their pixels, also at the border; opacity is the drawing's, colour fills paper.

    By hand, for the colour (200, 100, 0): ink 153 of 255 is 0.6, so 0.4 of the colour remains:
    (80, 40, 0). On white, half-transparent ink is 127 and colour 128 / 255 * 200 + 127 = 227.
    """
    lines, pixels = cut_out_drawing()
    filled = np.full((1, 6, 3), (200, 100, 0), np.uint8)
    on_white = compose(filled, lines)
    assert on_white[0, :, 0].tolist() == [0, 80, 200, 127, 227, 255]
    result = cut_out(on_white, lines)
    np.testing.assert_array_equal(result[..., 3], pixels[..., 3])
    assert result[0, 0].tolist() == [0, 0, 0, 255]
    assert result[0, 1].tolist() == [80, 40, 0, 255]
    assert result[0, 3].tolist() == [0, 0, 0, 128]
    assert np.abs(result[0, 4, :3].astype(int) - (200, 100, 0)).max() <= 1


def test_the_layers_of_a_cut_out_drawing_are_as_opaque_as_it(tmp_path: Path) -> None:
    """Pillow lays the two PNG layers over each other: no colour shows beside a soft outline."""
    lines, pixels = cut_out_drawing()
    filled = np.full((1, 6, 3), (200, 100, 0), np.uint8)
    below, above = (Image.open(path) for path in write_layers(tmp_path, "fox", filled, lines))
    laid = np.asarray(Image.alpha_composite(below, above))
    assert np.abs(laid[..., 3].astype(int) - pixels[..., 3]).max() <= 1
    assert laid[0, 3, :3].tolist() == [0, 0, 0]
    assert np.asarray(below)[0, :, 3].tolist() == [255, 255, 255, 0, 128, 0]


def test_a_psd_of_a_cut_out_drawing_masks_its_colors(tmp_path: Path) -> None:
    """The colours are whole below the mask, which can be changed; lines need no mask."""
    psd_tools = pytest.importorskip("psd_tools")
    lines, _ = cut_out_drawing()
    for flat in (False, True):
        save_psd(tmp_path / "a.psd", np.full((1, 6, 3), 200, np.uint8), lines, flat=flat)
        below, above = psd_tools.PSDImage.open(tmp_path / "a.psd")
        assert np.asarray(below.mask.topil()).tolist() == [[255, 255, 255, 0, 128, 0]]
        assert above.mask is None
        colors = below[0] if flat else below
        assert np.asarray(colors.topil().convert("RGBA")).tolist() == [[[200, 200, 200, 255]] * 6]


def test_a_result_says_its_resolution_and_that_it_is_srgb(tmp_path: Path) -> None:
    """A PNG of 300 pixels per inch has 11811 per metre; the profile makes no file differ."""
    lines = replace(drawing(), resolution=(300.0, 150.0))
    write_picture(tmp_path / "a.png", colors(), lines.resolution)
    paths = [tmp_path / "a.png", *write_layers(tmp_path, "fox", colors(), lines)]
    for path in paths:
        assert b"pHYs" + (11811).to_bytes(4, "big") + (5906).to_bytes(4, "big") in path.read_bytes()
        with Image.open(path) as image:
            assert image.info["dpi"] == pytest.approx((300, 150), abs=0.02)
            profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
        assert ImageCms.getProfileDescription(profile).strip() == "sRGB built-in"
    np.testing.assert_array_equal(read(paths[0]), colors())
