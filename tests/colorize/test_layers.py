"""The drawing's lines are kept pixel for pixel, in one picture and as layers."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refcolor.colorize.layers import (
    color_layer,
    compose,
    line_layer,
    write_layers,
    write_psd,
)
from refcolor.errors import PictureError
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
    below, above = color_layer(colors()), line_layer(lines)
    laid = Image.alpha_composite(Image.fromarray(below), Image.fromarray(above))
    assert np.abs(np.asarray(laid)[..., :3].astype(int) - compose(colors(), lines)).max() <= 1
    assert (below[..., 3] == 255).all()
    np.testing.assert_array_equal(above[..., 3], lines.ink)


def test_layers_are_written_as_png_with_transparency(tmp_path: Path) -> None:
    """Two files named after the stem hold the two layers, and no other file is left."""
    paths = write_layers(tmp_path / "new", "fox", colors(), drawing())
    assert [path.name for path in paths] == ["fox_colors.png", "fox_lines.png"]
    assert sorted((tmp_path / "new").iterdir()) == sorted(paths)
    for path, layer in zip(paths, (color_layer(colors()), line_layer(drawing())), strict=True):
        with Image.open(path) as image:
            assert image.mode == "RGBA"
            np.testing.assert_array_equal(np.asarray(image), layer)


def test_a_psd_opens_again_with_its_layers(tmp_path: Path) -> None:
    """psd-tools finds both layers, the lines above, blended normally, with the same pixels."""
    psd_tools = pytest.importorskip("psd_tools")
    from psd_tools.constants import BlendMode

    lines = drawing(colored=True)
    write_psd(tmp_path / "a" / "fox.psd", colors(), lines)
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["fox.psd"]
    document = psd_tools.PSDImage.open(tmp_path / "a" / "fox.psd")
    assert document.size == (29, 41)
    assert [layer.name for layer in document] == ["colors", "lines"]
    for layer, expected in zip(document, (color_layer(colors()), line_layer(lines)), strict=True):
        assert layer.blend_mode is BlendMode.NORMAL
        assert layer.is_visible()
        assert (layer.opacity, layer.bbox) == (255, (0, 0, 29, 41))
        np.testing.assert_array_equal(np.asarray(layer.topil().convert("RGBA")), expected)


def test_a_psd_of_flats_has_a_layer_for_each_color(tmp_path: Path) -> None:
    """The group below the lines holds a mask of each colour, and together they are the colours."""
    psd_tools = pytest.importorskip("psd_tools")
    flats = np.array([[10, 20, 30], [200, 0, 7], [255, 255, 255]], np.uint8)[
        np.random.default_rng(5).integers(0, 2, (41, 29))
    ]
    flats[30:, 20:] = 255
    write_psd(tmp_path / "fox.psd", flats, drawing(), flat=True)
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
    write_psd(tmp_path / "fox.psd", colors(), drawing())
    with Image.open(tmp_path / "fox.psd") as image:
        assert image.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(image), compose(colors(), drawing()))


def test_a_side_too_long_for_a_psd_is_refused(tmp_path: Path) -> None:
    """30001 pixels are one too many, and no file is left."""
    pytest.importorskip("psd_tools")
    with pytest.raises(PictureError, match=r"1 x 30001 pixels.*layers as PNG") as caught:
        write_psd(tmp_path / "a.psd", colors(30001, 1), drawing(30001, 1))
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
