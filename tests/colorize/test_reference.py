"""References in every form; a line drawing is refused, any other picture is accepted."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from refcolor import characters
from refcolor.colorize.reference import as_file, in_color, is_line_art, read_reference
from refcolor.errors import PictureError
from refcolor.io import image
from refcolor.lines.sketch import draw_settings, sketch_picture
from refcolor.params import SketchParams

from .material import blocks, line_art


@pytest.mark.parametrize("size", [64, 300])
@pytest.mark.parametrize("index", range(4))
def test_a_character_is_accepted_and_its_line_art_refused(index: int, size: int) -> None:
    """The same character in colours and as line art are told apart."""
    color = characters.render(
        characters.draw_shape(7, index), characters.draw_palette(8, index), size=size
    ).color
    lines = sketch_picture(color, draw_settings(SketchParams(preset="default"), str(index)))
    assert not is_line_art(color)
    assert is_line_art(np.repeat(lines[..., None], 3, axis=2))


def test_lines_on_yellowed_paper_are_lines() -> None:
    """One tint over the whole picture does not count as colour."""
    yellowed = (line_art(90, 70) * np.array([0.98, 0.93, 0.8])).astype(np.uint8)
    assert is_line_art(yellowed)


def test_white_lines_on_black_are_lines() -> None:
    """Inverted line art is refused; colour on black is accepted."""
    assert is_line_art(255 - line_art(90, 70))
    assert not is_line_art(np.where(line_art(90, 70) == 0, [200, 30, 60], 0).astype(np.uint8))


def test_a_grey_picture_is_not_a_line_drawing() -> None:
    """A grey picture with many tones may be the reference for a grey result."""
    grey = np.repeat(np.linspace(0, 255, 90).astype(np.uint8)[:, None], 90, axis=1)
    assert not is_line_art(np.repeat(grey[..., None], 3, axis=2))


def test_a_little_colour_is_enough_for_a_reference() -> None:
    """One coloured spot of a hundredth of the paper is enough."""
    spotted = line_art(100, 100)
    spotted[40:52, 40:52] = (200, 30, 60)
    assert not is_line_art(spotted)


def test_an_array_with_transparency_is_put_on_white() -> None:
    """An array with an alpha channel is put on white, as a file is."""
    picture = np.dstack([blocks(40, 40), np.full((40, 40), 255, np.uint8)])
    picture[:8, :8, 3] = 0
    read = read_reference(picture)
    assert (read[:8, :8] == 255).all()
    assert np.array_equal(read[8:], picture[8:, :, :3])


@pytest.mark.parametrize("mode", sorted({*Image.MODES, "I;16L", "I;16B"} - {"I", "F"}))
def test_pillow_images_of_any_mode_are_read(mode: str) -> None:
    """A picture of every mode with known values keeps its tones."""
    gradient = Image.linear_gradient("L").resize((40, 30))
    steps = {"HSV": ["RGB"], "LAB": ["RGB"], "RGBX": ["RGB"], "RGBa": ["RGBA"], "La": ["LA"]}
    if mode.startswith("I;16"):
        raw = (np.asarray(gradient).astype("<u2") << 8).astype(">u2" if mode[-1] == "B" else "<u2")
        given = Image.frombytes(mode, (40, 30), raw.tobytes())
    else:
        given = gradient
        for step in [*steps.get(mode, []), mode]:
            given = given.convert(step)
    assert given.mode == mode
    kind = as_file(given)
    assert isinstance(kind, bytes)
    read = image.read(kind)
    expected = np.asarray(gradient.convert("1" if mode == "1" else "L")).astype(int)
    tones = expected * (255 if mode == "1" else 1)
    assert np.abs(read.astype(int) - tones[..., None]).max() <= 3


@pytest.mark.parametrize("mode", ["I", "F"])
def test_pillow_images_of_unknown_range_are_refused(mode: str) -> None:
    """The 32-bit modes may hold any values."""
    with pytest.raises(PictureError, match="32-bit values of unknown range; save it as 8-bit"):
        read_reference(Image.new(mode, (4, 3)))


@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 1), (5, 4, 3), (5, 4, 4)])
@pytest.mark.parametrize(
    ("dtype", "white"), [("u1", 255), ("?", 1), (">u2", 65535), ("f2", 1), ("f4", 1), ("f8", 1)]
)
def test_arrays_of_every_kind_with_a_range_are_read(
    shape: tuple[int, ...], dtype: str, white: int
) -> None:
    """White and black are those of the dtype, of one channel or several."""
    array = np.full(shape, white, dtype)
    array[:2] = 0
    if shape[2:] == (4,):
        array[..., 3] = white
    file = as_file(array)
    read = image.read(file) if isinstance(file, bytes) else in_color(file)
    assert read.shape == (5, 4, 3)
    assert (read[2:] == 255).all()
    assert (read[:2] == 0).all()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (np.zeros((4, 4), np.int64), "has the dtype int64; give uint8, uint16, bool, or floats"),
        (np.zeros((4, 4), complex), "has the dtype complex128; give"),
        (np.zeros((4, 4), object), "has the dtype object; give"),
        (np.full((4, 4), 2.0), "has floats from 2 to 2; give floats from 0 to 1, or uint8"),
        (np.full((4, 4), np.nan), "has floats from nan to nan; give"),
        (np.zeros((4, 4, 2), np.uint8), r"shape \(4, 4, 2\) is not a picture; give \(H, W\), "),
        (np.zeros(4, np.uint8), r"shape \(4,\) is not a picture"),
        (np.zeros((2, 4, 4, 3), np.uint8), r"shape \(2, 4, 4, 3\) is not a picture"),
        (np.zeros((0, 4), np.uint8), r"shape \(0, 4\) is not a picture"),
        (Image.new("L", (0, 4)), r"an image of \(0, 4\) pixels is not a picture"),
        (None, "must be a path, the bytes of a file, a Pillow image or an array, got NoneType"),
        (bytearray(b"x"), "got bytearray"),
    ],
)
def test_what_is_not_a_picture_is_refused_in_one_line(source: Any, message: str) -> None:
    """The message has what was given and what is taken."""
    with pytest.raises(ValueError, match=message) as refused:
        as_file(source)
    assert "\n" not in str(refused.value)


def test_unreadable_references_are_refused_by_name(tmp_path: Path) -> None:
    """A text, a missing file, and a picture that is too large for memory."""
    (tmp_path / "a.png").write_text("hello")
    with pytest.raises(PictureError, match=r"a\.png is not a picture"):
        read_reference(tmp_path / "a.png")
    with pytest.raises(PictureError, match=r"gone\.png cannot be opened"):
        read_reference(str(tmp_path / "gone.png"))
    file = BytesIO()
    Image.new("1", (9000, 9000)).save(file, format="PNG")
    with pytest.raises(PictureError, match="the reference has more than 80 megapixels") as refused:
        read_reference(file.getvalue())
    assert refused.value.reason == "too_many_pixels"
