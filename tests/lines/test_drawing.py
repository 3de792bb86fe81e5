"""Drawings of every kind are decomposed, other pictures are rejected with advice."""

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from refcolor.characters import draw_palette, draw_shape, render
from refcolor.errors import PictureError
from refcolor.lines import paper
from refcolor.lines.drawing import Drawing, read_drawing, working_sketch
from refcolor.lines.sketch import PRESETS, ink_share, sketch_picture


def ink(height: int = 211, width: int = 157, *, thickness: int = 3) -> np.ndarray:
    """Coverage of a curl and a box with soft borders, (H, W) uint8."""
    drawn = np.zeros((height, width), np.uint8)
    cv2.ellipse(drawn, (70, 80), (50, 40), 20, 0, 320, 255, thickness, cv2.LINE_AA)
    cv2.rectangle(drawn, (30, 130), (120, 190), 255, thickness)
    return drawn


def on_paper(line: tuple[int, ...], paper: tuple[int, ...], strength: float = 1) -> np.ndarray:
    """The curl in a colour on paper of another."""
    share = strength * ink()[..., None] / 255
    return np.rint(share * line + (1 - share) * paper).astype(np.uint8)


def on_glass(line: tuple[int, int, int]) -> np.ndarray:
    """The curl in a colour on a transparent ground, (H, W, 4)."""
    return np.dstack([np.broadcast_to(np.uint8(line), (*ink().shape, 3)), ink()])


def rebuilt(drawing: Drawing) -> np.ndarray:
    """The drawing recomposed on its paper."""
    share = drawing.ink[..., None] / 255
    return share * drawing.line + (1 - share) * drawing.paper


def reason_of(picture: np.ndarray | Path | bytes, **options: object) -> tuple[str, str]:
    """Reason and message of a PictureError; the message is one line."""
    with pytest.raises(PictureError) as caught:
        read_drawing(picture, **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    return caught.value.reason, str(caught.value)


def encoded(picture: np.ndarray, format: str = "PNG", **options: int) -> bytes:
    """The bytes of a file in a format."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, format, **options)
    return file.getvalue()


def test_black_on_white_is_taken_apart_exactly() -> None:
    """Every grey level is its own share of black ink, as an array and as a file."""
    gray = 255 - ink()
    for source in (gray, encoded(gray), np.dstack([gray] * 3)):
        drawing = read_drawing(source)
        np.testing.assert_array_equal(drawing.ink, ink())
        assert drawing.line.tolist() == [0, 0, 0]
        assert drawing.paper.tolist() == [255, 255, 255]
        assert drawing.kind == "dark lines on light paper"
        assert drawing.size == (211, 157)
        assert drawing.opacity is None


@pytest.mark.parametrize(
    ("line", "paper", "kind"),
    [
        ((0, 0, 0), (244, 232, 200), "dark lines on light paper"),
        ((90, 90, 90), (255, 255, 255), "dark lines on light paper"),
        ((250, 250, 250), (20, 22, 30), "light lines on dark paper"),
        ((255, 255, 255), (30, 60, 160), "light lines on dark paper"),
        ((30, 60, 220), (255, 255, 255), "coloured lines on light paper"),
        ((200, 0, 90), (240, 240, 230), "coloured lines on light paper"),
        ((250, 90, 60), (20, 20, 20), "coloured lines on dark paper"),
    ],
)
def test_lines_and_paper_give_the_drawing_again(
    line: tuple[int, ...], paper: tuple[int, ...], kind: str
) -> None:
    """On light, tinted and dark paper, ink * line + (1 - ink) * paper is the pixel."""
    picture = on_paper(line, paper)
    drawing = read_drawing(picture)
    assert drawing.kind == kind
    np.testing.assert_array_equal(drawing.paper, paper)
    assert (drawing.ink[ink() == 0] == 0).all()
    assert np.abs(rebuilt(drawing) - picture).max() <= 3


def test_a_pure_black_pixel_is_full_ink_on_any_light_paper() -> None:
    """Whatever the tint and the noise of the paper, black is 255 of a black line."""
    noise = np.random.default_rng(0).normal(0, 2, (211, 157, 3))
    picture = np.clip(on_paper((0, 0, 0), (231, 226, 210)) + noise, 0, 255).astype(np.uint8)
    picture[ink() == 255] = 0
    drawing = read_drawing(picture)
    assert drawing.line.tolist() == [0, 0, 0]
    assert (drawing.ink[ink() == 255] == 255).all()
    assert np.mean(drawing.ink[ink() == 0] == 0) > 0.97


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ((0, 0, 0), "dark lines on a transparent ground"),
        ((255, 255, 255), "light lines on a transparent ground"),
        ((200, 40, 120), "dark lines on a transparent ground"),
    ],
)
def test_transparent_drawings_keep_their_line(line: tuple[int, int, int], kind: str) -> None:
    """The opacity is the ink; white and coloured lines keep their colour."""
    drawing = read_drawing(encoded(on_glass(line)))
    np.testing.assert_array_equal(drawing.ink, ink())
    assert drawing.line.tolist() == list(line)
    assert drawing.kind == kind
    assert drawing.opacity is None


def test_fine_white_lines_on_a_large_transparent_ground() -> None:
    """Thin lines that fade at the measured size are still lines."""
    picture = np.full((1600, 1700, 4), 255, np.uint8)
    picture[..., 3] = 0
    picture[::400, :, 3] = 255
    assert read_drawing(picture).kind == "light lines on a transparent ground"


def test_lines_of_several_colours_on_a_transparent_ground() -> None:
    """Each pixel keeps its own colour where the lines have more than one."""
    picture = on_glass((10, 10, 200))
    picture[110:, :, :3] = (200, 10, 10)
    drawing = read_drawing(picture)
    np.testing.assert_array_equal(drawing.line[ink() > 0], picture[ink() > 0][:, :3])


def test_a_cut_out_drawing_stands_on_white() -> None:
    """White paper cut out along its outline, with lines on it, is an opaque drawing."""
    picture = np.zeros((211, 157, 4), np.uint8)
    picture[20:140, 20:100] = 255
    picture[..., :3] = np.minimum(picture[..., :3], (255 - ink())[..., None])
    drawing = read_drawing(picture)
    assert drawing.kind == "dark lines on light paper"
    assert (drawing.ink[20:140, 20:100] == ink()[20:140, 20:100]).all()
    np.testing.assert_array_equal(drawing.opacity, picture[..., 3])


def test_jpeg_noise_is_not_ink() -> None:
    """JPEG noise of bare paper gives no ink, and black lines are full ink."""
    drawing = read_drawing(encoded(on_paper((0, 0, 0), (240, 238, 230)), "JPEG", quality=80))
    assert drawing.line.shape == (3,)
    assert drawing.ink[ink() == 0].mean() < 2


def test_a_photographed_page_is_refused_until_it_is_cleaned() -> None:
    """Uneven light makes half the paper ink; the advice is --clean-lines, and it helps."""
    light = np.linspace(1, 0.35, 157)[None, :, None]
    photo = (on_paper((20, 20, 20), (244, 236, 220)) * light).astype(np.uint8)
    reason, message = reason_of(photo)
    assert reason == "too_much_ink"
    assert "--clean-lines" in message
    drawing = read_drawing(photo, clean_lines=True)
    assert np.mean(drawing.ink[ink() == 0] == 0) > 0.99
    assert (drawing.ink[ink() == 255] > 150).all()


def test_colour_pictures_are_refused() -> None:
    """A coloured character is rejected with the advice to draw its lines first."""
    picture = render(draw_shape(1, 2), draw_palette(1, 2), size=256).color
    reason, message = reason_of(encoded(picture))
    assert reason == "color_picture"
    assert "refcolor sketch" in message


def test_photographs_are_refused() -> None:
    """Grey that changes everywhere is refused, with the advice to clean the page."""
    noise = np.random.default_rng(0).normal(0, 1, (256, 200)).astype(np.float32)
    gray = 128 + 900 * cv2.GaussianBlur(noise, (0, 0), 12)
    picture = np.clip(gray, 0, 255).astype(np.uint8)
    assert reason_of(picture)[0] == "too_much_ink"
    assert "--clean-lines" in reason_of(picture)[1]


@pytest.mark.parametrize("index", [0, 120, 125])
def test_lines_may_cover_a_third_of_a_tiny_drawing(index: int) -> None:
    """A sketch of 64 pixels, as models are trained on, is a line drawing."""
    picture = render(draw_shape(1, index), draw_palette(2, index), size=64).color
    sketch = sketch_picture(picture, PRESETS["default"])
    assert ink_share(sketch) > 1 / 3
    np.testing.assert_array_equal(read_drawing(sketch).ink, 255 - sketch)


@pytest.mark.parametrize("area", [np.s_[140:180, 40:110], np.s_[110:, :110]])
def test_spot_blacks_are_drawing(area: tuple[slice, slice]) -> None:
    """A drawing may have a filled black shape of a tenth or of a third of the picture."""
    picture = 255 - ink()
    picture[area] = 0
    drawing = read_drawing(picture)
    assert (drawing.ink[area] == 255).all()
    assert drawing.tone is None


@pytest.mark.parametrize(
    "picture", [np.full((64, 48), 255, np.uint8), np.zeros((9, 9, 4), np.uint8)]
)
def test_empty_pages_are_refused(picture: np.ndarray) -> None:
    """A white page and a transparent one are nothing_drawn."""
    reason, message = reason_of(picture)
    assert reason == "nothing_drawn"
    assert "draw darker or thicker" in message


def test_unreadable_files_are_picture_errors(tmp_path: Path) -> None:
    """The reasons of `read` are kept; a too large drawing has special advice."""
    (tmp_path / "notes.png").write_bytes(b"<!DOCTYPE html>")
    assert reason_of(tmp_path / "notes.png")[0] == "not_a_picture"
    assert reason_of(encoded(255 - ink())[:300])[0] == "truncated"
    reason, message = reason_of(encoded(255 - ink()), max_megapixels=0.01)
    assert reason == "too_many_pixels"
    assert "reduce it first" in message


def test_strips_leave_no_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of rows in a strip does not change the drawing."""
    picture = on_paper((30, 60, 220), (240, 236, 220))
    whole = read_drawing(picture)
    monkeypatch.setattr(paper, "_STRIP", 13)
    parts = read_drawing(picture)
    np.testing.assert_array_equal(parts.ink, whole.ink)
    np.testing.assert_array_equal(parts.line, whole.line)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 4), np.float32), "uint8, got float32"),
        (np.zeros((4, 4, 2), np.uint8), r"got shape \(4, 4, 2\)"),
        (np.zeros((0, 4), np.uint8), r"got shape \(0, 4\)"),
        (np.zeros(4, np.uint8), r"got shape \(4,\)"),
    ],
)
def test_arrays_of_another_kind_are_refused(array: np.ndarray, message: str) -> None:
    """The message has the shape or dtype."""
    with pytest.raises(ValueError, match=message):
        read_drawing(array)


@pytest.mark.parametrize("shape", [(1, 400), (400, 1), (3, 3), (7, 900)])
def test_any_size_and_shape_is_read(shape: tuple[int, int]) -> None:
    """Drawings of any shape are decomposed, also one pixel high or wide."""
    picture = np.full(shape, 255, np.uint8)
    picture[shape[0] // 2, shape[1] // 2] = 0
    drawing = read_drawing(picture)
    assert drawing.ink.sum() == 255
    assert working_sketch(drawing.ink, 16, 16).shape == (16, 16)


@pytest.mark.parametrize("size", [256, 1024])
def test_working_sketches_look_like_those_of_training(size: int) -> None:
    """Line art drawn large and reduced has as much ink as line art drawn small, and its place."""
    for index in range(2):
        shape, palette = draw_shape(5, index), draw_palette(5, index)
        trained = sketch_picture(render(shape, palette, size=64).color, PRESETS["default"])
        large = render(shape, palette, size=size).ink
        small = working_sketch(read_drawing(np.where(large, 0, 255).astype(np.uint8)).ink, 64, 64)
        assert small.dtype == np.uint8
        assert set(np.unique(small)) == {0, 255}
        assert 0.6 < ink_share(small) / ink_share(trained) < 1.2
        near = cv2.dilate((trained < 128).astype(np.uint8), np.ones((3, 3), np.uint8))
        assert near[small < 128].mean() > 0.9


def test_fine_lines_of_large_drawings_stay() -> None:
    """A line of one pixel in 2048, a thirty-second of a small pixel, is drawn in full."""
    picture = np.full((2048, 2048), 255, np.uint8)
    picture[1000], picture[:, 700] = 0, 0
    small = working_sketch(read_drawing(picture).ink, 64, 64)
    assert (small[31] == 0).all()
    assert (small[:, 21] == 0).all()
    assert ink_share(small) < 0.1


def test_fine_lines_stay_beside_solid_black() -> None:
    """A filled eighth of a large drawing does not make its lines of two pixels faint."""
    picture = np.full((2048, 2048), 255, np.uint8)
    for radius in range(200, 1000, 80):
        cv2.circle(picture, (1024, 1024), radius, 0, 2)
    lines = working_sketch(read_drawing(picture).ink, 64, 64)
    picture[1024:, :512] = 0
    with_black = working_sketch(read_drawing(picture).ink, 64, 64)
    assert (with_black[33:, 1:15] == 0).all()
    assert np.mean(with_black[:, 20:] != lines[:, 20:]) < 0.05


def test_pencil_is_brought_to_full_strength() -> None:
    """A drawing at a third of full strength gives the sketch of the strong one."""
    strong = working_sketch(read_drawing(255 - ink()).ink, 53, 39)
    faint = working_sketch(read_drawing(on_paper((0,), (255,), 0.33)[..., 0]).ink, 53, 39)
    assert strong.shape == (53, 39)
    assert np.mean(strong != faint) < 0.01


def test_a_sketch_may_be_larger_than_its_drawing() -> None:
    """A stamp of 20 pixels still gives the 64 that a model works at."""
    picture = np.full((20, 20), 255, np.uint8)
    picture[9:11, 3:17] = 0
    sketch = working_sketch(read_drawing(picture).ink, 64, 64)
    assert sketch[31, 32] == 0
    assert sketch[10, 10] == 255
