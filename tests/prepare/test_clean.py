"""Pictures are measured by known formulas and dropped for the reason that explains it."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.color import rgb2lab

from refcolor.characters import draw_palette, draw_shape, render
from refcolor.errors import RefcolorError
from refcolor.io import image
from refcolor.params import CleanParams
from refcolor.prepare.clean import (
    Measurement,
    clean_picture,
    colorfulness,
    foreground,
    hue_spread,
    read_measurements,
    write_measurements,
)
from refcolor.prepare.duplicates import dhash

PORTRAITS = Path(__file__).parents[3] / "shared" / "data" / "portraits"
PARAMS = CleanParams(
    size=32,
    fit="pad",
    max_megapixels=1.0,
    min_side=64,
    min_colorfulness=5.0,
    min_hue_spread=0.7,
    min_foreground=0.08,
)


def figure(height: int = 80, width: int = 72) -> np.ndarray:
    """A red figure with a blue belt on white."""
    picture = np.full((height, width, 3), 255, np.uint8)
    picture[10:-10, 20:-20] = (210, 40, 50)
    picture[height // 2 : height // 2 + 12, 20:-20] = (40, 60, 200)
    return picture


def gray_figure() -> np.ndarray:
    """The figure without its colour."""
    return figure().mean(axis=-1, keepdims=True).astype(np.uint8).repeat(3, axis=-1)


def sepia_figure() -> np.ndarray:
    """The figure in tones of one hue."""
    tone = gray_figure()[..., :1] / 255.0
    return image.from_unit(tone * np.array([1.0, 0.85, 0.6]))


def lines(height: int = 80, width: int = 72) -> np.ndarray:
    """Line art of the size of the figure."""
    picture = np.full((height, width), 255, np.uint8)
    picture[10:-10, 20] = 0
    return picture


def cleaned(path: Path, picture: np.ndarray, **changes: object) -> Measurement:
    """Measure the picture under changed parameters."""
    image.write(path, picture)
    return clean_picture(path, "a", PARAMS.model_copy(update=changes))[2]


def test_a_good_picture_is_kept_and_squared(tmp_path: Path) -> None:
    """A colourful figure has no reason, a square of the configured size, and no line art."""
    path = tmp_path / "a.png"
    image.write(path, figure())
    square, own_sketch, measurement = clean_picture(path, "a", PARAMS)
    assert square is not None
    np.testing.assert_array_equal(square, image.square(figure(), 32))
    assert own_sketch is None
    assert (measurement.id, measurement.reason) == ("a", "")
    assert (measurement.width, measurement.height) == (72, 80)
    assert measurement.dhash == dhash(figure())
    assert measurement.foreground == pytest.approx(60 * 32 / (80 * 72), abs=0.03)


def test_fit_selects_the_square(tmp_path: Path) -> None:
    """With crop the square is the crop."""
    image.write(tmp_path / "a.png", figure(200, 72))
    crop = PARAMS.model_copy(update={"fit": "crop"})
    square = clean_picture(tmp_path / "a.png", "a", crop)[0]
    assert square is not None
    np.testing.assert_array_equal(square, image.square(figure(200, 72), 32, fit="crop"))


def test_colorfulness_equals_the_published_formula() -> None:
    """Half red, half green: rg is +-200, yb 100 everywhere, so M3 is 200 + 0.3 * 100."""
    picture = np.zeros((4, 6, 3), np.uint8)
    picture[:, :3, 0] = 200
    picture[:, 3:, 1] = 200
    assert colorfulness(picture) == pytest.approx(230)
    assert colorfulness(gray_figure()) == 0


def test_hue_spread_equals_the_spread_in_lab() -> None:
    """It is the smaller singular value of the centred (a, b) cloud, with Lab by another library."""
    picture = np.random.default_rng(0).integers(0, 256, (19, 23, 3), dtype=np.uint8)
    cloud = rgb2lab(picture)[..., 1:].reshape(-1, 2)
    expected = np.linalg.svd(cloud - cloud.mean(0), compute_uv=False)[1] / np.sqrt(len(cloud))
    assert hue_spread(picture) == pytest.approx(expected, rel=0.01)


def test_hue_spread_is_zero_for_one_axis_of_hues() -> None:
    """Grey has no spread and sepia next to none, while sepia passes for colourful."""
    assert hue_spread(gray_figure()) < 0.05
    assert hue_spread(sepia_figure()) < 0.7 < hue_spread(figure())
    assert colorfulness(sepia_figure()) > 5


def test_foreground_counts_differences_from_the_border() -> None:
    """A quarter of the pixels in the middle is 0.25, on white and on black; noise is background."""
    for background, ink in ((255, 0), (0, 255)):
        picture = np.full((20, 20, 3), background, np.uint8)
        picture[5:15, 5:15] = ink
        assert foreground(picture) == 0.25
    picture = np.full((20, 20, 3), 200, np.uint8)
    picture[5:15, 5:15] = 216  # 16 levels are tolerated
    assert foreground(picture) == 0
    picture[5:15, 5:15, 2] = 217
    assert foreground(picture) == 0.25


@pytest.mark.parametrize(
    ("picture", "reason"),
    [
        (figure()[:63], "too_small"),
        (figure()[:, 5:68], "too_small"),
        (np.full((80, 80, 3), 255, np.uint8), "empty"),
        (np.full((80, 80, 3), (250, 200, 200), np.uint8), "empty"),
        (gray_figure(), "grey"),
        (sepia_figure(), "one_hue"),
    ],
)
def test_pictures_are_dropped_for_a_reason(
    picture: np.ndarray, reason: str, tmp_path: Path
) -> None:
    """Each unusable picture has a reason, measurements and no square."""
    image.write(tmp_path / "a.png", picture)
    square, own_sketch, measurement = clean_picture(tmp_path / "a.png", "a", PARAMS)
    assert square is None
    assert own_sketch is None
    assert measurement.reason == reason
    assert (measurement.height, measurement.width) == picture.shape[:2]
    assert len(measurement.dhash) == 64


def test_the_thresholds_decide(tmp_path: Path) -> None:
    """Each threshold moved past the measurement drops the picture, moved onto it keeps it."""
    measurement = cleaned(tmp_path / "a.png", figure())
    for name, value, reason in (
        ("min_side", 72, "too_small"),
        ("min_foreground", measurement.foreground, "empty"),
        ("min_colorfulness", measurement.colorfulness, "grey"),
        ("min_hue_spread", measurement.hue_spread, "one_hue"),
    ):
        assert cleaned(tmp_path / "a.png", figure(), **{name: value}).reason == ""
        assert cleaned(tmp_path / "a.png", figure(), **{name: value * 1.02}).reason == reason


def test_the_size_of_a_picture_hardly_moves_its_measurements(tmp_path: Path) -> None:
    """Measurements are at 128 px, so a picture twice as large gives nearly the same numbers."""
    picture = render(draw_shape(1, 0), draw_palette(2, 0), size=256).color
    large = cleaned(tmp_path / "a.png", picture)
    small = cleaned(tmp_path / "b.png", image.resize(picture, 128, 128))
    for name in ("colorfulness", "hue_spread", "foreground"):
        assert getattr(large, name) == pytest.approx(getattr(small, name), rel=0.02)


def test_unreadable_pictures_have_the_reason_of_the_reader(tmp_path: Path) -> None:
    """Truncated, oversized and missing files are counted by the reasons of `image.read`."""
    file = io.BytesIO()
    Image.fromarray(figure()).save(file, "JPEG")
    (tmp_path / "a.jpg").write_bytes(file.getvalue()[:-300])
    image.write(tmp_path / "b.png", np.zeros((1001, 1000, 3), np.uint8))
    for name, reason in (
        ("a.jpg", "truncated"),
        ("b.png", "too_many_pixels"),
        ("c.png", "unreadable_file"),
    ):
        square, own_sketch, measurement = clean_picture(tmp_path / name, "a", PARAMS)
        assert (square, own_sketch) == (None, None)
        assert measurement == Measurement("a", reason=reason)


def test_pairs_bring_their_line_art(tmp_path: Path) -> None:
    """The file <id>.sketch.<extension> becomes the line art on the same square, padded in white."""
    image.write(tmp_path / "a.png", figure())
    image.write(tmp_path / "a.sketch.png", image.resize(lines(), 160, 144))
    square, own_sketch, measurement = clean_picture(tmp_path / "a.png", "a", PARAMS, layout="pairs")
    assert measurement.reason == ""
    assert square is not None
    assert own_sketch is not None
    assert own_sketch.shape == (32, 32)
    assert (own_sketch[:, 0] == 255).all()
    # Column 20 of 72 pixels lies at 1.5 + 20.5 * 32 / 80 in the square.
    assert own_sketch[16].argmin() == 9


def test_pairs_that_do_not_fit_are_dropped(tmp_path: Path) -> None:
    """No line art, unreadable line art and line art of another shape have their own reasons."""
    path = tmp_path / "a.png"
    image.write(path, figure())
    assert clean_picture(path, "a", PARAMS, layout="pairs")[2].reason == "no_partner"
    (tmp_path / "a.sketch.png").write_bytes(b"<html>")
    assert clean_picture(path, "a", PARAMS, layout="pairs")[2].reason == "sketch_not_a_picture"
    image.write(tmp_path / "a.sketch.png", lines(80, 75))
    assert clean_picture(path, "a", PARAMS, layout="pairs")[2].reason == "pair_mismatch"
    image.write(tmp_path / "a.sketch.png", lines(80, 73))
    assert clean_picture(path, "a", PARAMS, layout="pairs")[2].reason == ""


@pytest.mark.parametrize("middle", [0, 1])
def test_side_by_side_is_colour_left_and_lines_right(middle: int, tmp_path: Path) -> None:
    """The left half is the colour, the right half the line art; an odd column is ignored."""
    white = np.full((80, middle, 3), 255, np.uint8)
    sheet = np.concatenate([figure(), white, lines()[..., None].repeat(3, -1)], axis=1)
    image.write(tmp_path / "a.png", sheet)
    square, own_sketch, measurement = clean_picture(
        tmp_path / "a.png", "a", PARAMS, layout="side_by_side"
    )
    assert (measurement.width, measurement.height) == (72, 80)
    assert square is not None
    assert own_sketch is not None
    np.testing.assert_array_equal(square, image.square(figure(), 32))
    np.testing.assert_array_equal(own_sketch, image.square(lines(), 32))


def test_a_column_has_no_halves(tmp_path: Path) -> None:
    """A picture of one pixel width is dropped as pair_mismatch."""
    image.write(tmp_path / "a.png", figure()[:, :1])
    reason = clean_picture(tmp_path / "a.png", "a", PARAMS, layout="side_by_side")[2].reason
    assert reason == "pair_mismatch"


def test_line_art_needs_no_colour(tmp_path: Path) -> None:
    """A line drawing becomes a grey square; it is dropped only if empty, small or unreadable."""
    image.write(tmp_path / "a.png", gray_figure())
    color, drawing, measurement = clean_picture(tmp_path / "a.png", "a", PARAMS, layout="line_art")
    assert color is None
    assert drawing is not None and drawing.shape == (32, 32)
    assert drawing.min() < 100 < drawing.max()
    assert measurement.reason == ""
    assert measurement.colorfulness == 0
    image.write(tmp_path / "a.png", np.full((80, 72, 3), 255, np.uint8))
    _, drawing, measurement = clean_picture(tmp_path / "a.png", "a", PARAMS, layout="line_art")
    assert (drawing, measurement.reason) == (None, "empty")


def test_bars_are_cut_off_before_anything_is_measured(tmp_path: Path) -> None:
    """A tall figure between black bars is measured without them; other borders are flagged."""
    params = PARAMS.model_copy(update={"min_side": 32})
    boxed = np.zeros((80, 80, 3), np.uint8)
    boxed[:, 10:70] = figure(80, 60)
    image.write(tmp_path / "a.png", boxed)
    square, _, measurement = clean_picture(tmp_path / "a.png", "a", params, letterboxed=(600, 800))
    assert square is not None and square.min(axis=(0, 2)).max() == 255  # white beside the figure
    assert (measurement.width, measurement.height) == (56, 80)  # two pixels of margin on each side
    assert measurement.flag == ""
    boxed[40:, :10] = 255
    image.write(tmp_path / "a.png", boxed)
    _, _, measurement = clean_picture(tmp_path / "a.png", "a", params, letterboxed=(600, 800))
    assert (measurement.width, measurement.flag) == (80, "bars_not_uniform")


def test_measurements_round_trip(tmp_path: Path) -> None:
    """The file is sorted, reads back to the measurements, and is rewritten byte for byte."""
    first = cleaned(tmp_path / "a.png", figure())
    second = Measurement("A,b", reason="truncated", flag="bars_not_uniform")
    path = tmp_path / "clean.csv"
    write_measurements(path, [first, second])
    content = path.read_bytes()
    assert read_measurements(path) == [second, first]
    write_measurements(path, [second, first])
    assert path.read_bytes() == content
    header = b"id,width,height,colorfulness,hue_spread,foreground,dhash,reason,flag\n"
    assert content.startswith(header)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.png", "clean.csv"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "must begin with the line id,width"),
        ("id,width\n", "must begin with the line id,width"),
    ],
)
def test_other_files_are_errors(content: str, message: str, tmp_path: Path) -> None:
    """An empty file or one with other columns is refused, with the expected columns."""
    (tmp_path / "clean.csv").write_text(content)
    with pytest.raises(RefcolorError, match=message):
        read_measurements(tmp_path / "clean.csv")


@pytest.mark.parametrize("row", ["b,1,2", "b,wide,2,3,4,5,,,", "b,1,2,3,4,5,,"])
def test_damaged_rows_are_refused(row: str, tmp_path: Path) -> None:
    """A row with too few columns or a word for a number is an error with its line number."""
    path = tmp_path / "clean.csv"
    write_measurements(path, [Measurement("a")])
    path.write_text(path.read_text() + row + "\n")
    with pytest.raises(RefcolorError, match=r"line 3 is damaged .*rerun `dvc repro clean`"):
        read_measurements(path)


def test_drawn_characters_are_never_dropped(tmp_path: Path) -> None:
    """Characters of the sample source pass with a margin of three at every threshold."""
    for index in range(24):
        picture = render(draw_shape(1, index), draw_palette(2, index), size=96).color
        measurement = cleaned(tmp_path / "a.png", picture)
        assert measurement.reason == ""
        assert measurement.colorfulness > 3 * PARAMS.min_colorfulness
        assert measurement.hue_spread > 3 * PARAMS.min_hue_spread
        assert measurement.foreground > 3 * PARAMS.min_foreground


@pytest.mark.skipif(not PORTRAITS.is_dir(), reason="the real pictures are not here")
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("archaic-era_blank-400.webp", "empty"),
        ("archaic-era_brightshield-2.webp", "grey"),
        ("bad-moon-rising_status_pane.webp", "one_hue"),
        ("archaic-era_archer.webp", ""),
        ("renpy_eileen-happy.png", ""),
    ],
)
def test_real_pictures_are_judged_as_by_eye(name: str, reason: str) -> None:
    """A blank sheet, a grey knight and a window frame are dropped; an archer and a sprite stay."""
    assert clean_picture(PORTRAITS / name, "a", PARAMS)[2].reason == reason
