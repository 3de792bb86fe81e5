"""References in every form; a line drawing is refused, any other picture is accepted."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refcolor import characters
from refcolor.colorize.reference import as_file, is_line_art, read_reference
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


@pytest.mark.parametrize("mode", ["RGBA", "P", "CMYK", "L", "LA", "1", "I;16"])
def test_pillow_images_of_any_mode_are_read(mode: str) -> None:
    """What Pillow can open is a picture."""
    gradient = Image.linear_gradient("L").resize((40, 30))
    source = Image.new("I;16", (40, 30)) if mode == "I;16" else gradient.convert(mode)
    if mode == "I;16":
        source = Image.fromarray((np.asarray(gradient).astype(np.uint16)) << 8)
    kind = as_file(source)
    assert isinstance(kind, bytes)
    assert image.read(kind).shape == (30, 40, 3)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros(4, np.uint8),
        np.zeros((2, 4, 4, 3), np.uint8),
    ],
)
def test_an_array_that_is_not_a_picture_is_refused(array: np.ndarray) -> None:
    """The message names shape and dtype."""
    with pytest.raises(ValueError, match=r"must be \(H, W\), .* uint8 to be a picture, got"):
        as_file(array)


def test_unreadable_references_are_refused_by_name(tmp_path: Path) -> None:
    """A text, a missing file, and a picture that is too large for memory."""
    (tmp_path / "a.png").write_text("hello")
    with pytest.raises(PictureError, match=r"a\.png is not a picture"):
        read_reference(tmp_path / "a.png")
    with pytest.raises(PictureError, match=r"gone\.png cannot be opened"):
        read_reference(str(tmp_path / "gone.png"))
    file = BytesIO()
    Image.new("1", (9000, 9000)).save(file, format="PNG")
    with pytest.raises(PictureError, match="the reference has more than 50 megapixels") as refused:
        read_reference(file.getvalue())
    assert refused.value.reason == "too_many_pixels"
