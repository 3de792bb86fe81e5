"""Line art of a folder: fixed settings, existing files are kept, failures are reported."""

from pathlib import Path

import numpy as np
import pytest

from refcolor.characters import draw_palette, draw_shape, render
from refcolor.cli.line_art import Drawn, draw_line_art
from refcolor.errors import UsageError
from refcolor.io import image
from refcolor.lines.sketch import PRESETS, sketch_picture


def character(index: int, size: int = 96) -> image.Picture:
    """Draw a character."""
    return render(draw_shape(3, index), draw_palette(4, index), size=size).color


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder with two pictures, one of them in a sub-folder and not square."""
    image.write(tmp_path / "in/a.png", character(0))
    image.write(tmp_path / "in/sub/b.png", character(1)[:, :71])
    return tmp_path / "in"


def draw(sources: Path, out: Path, *presets: str, **options: int | bool) -> Drawn:
    """Draw in this process."""
    chosen = presets or ("default",)
    return draw_line_art([sources], out, presets=chosen, workers=1, **options)  # type: ignore[arg-type]


def test_a_folder_is_drawn_with_the_settings_of_the_preset(pictures: Path, tmp_path: Path) -> None:
    """Each picture becomes XDoG with fixed settings, under its own name."""
    assert draw(pictures, tmp_path / "out", "tag2pix") == Drawn(2, 0, (), ())
    for name, picture in (("a", character(0)), ("sub/b", character(1)[:, :71])):
        drawn = image.read_gray(tmp_path / f"out/{name}.png")
        np.testing.assert_array_equal(drawn, sketch_picture(picture, PRESETS["tag2pix"]))


def test_the_drawing_does_not_depend_on_the_file_name(pictures: Path, tmp_path: Path) -> None:
    """Unlike in the pipeline the settings are not drawn from the name."""
    draw(pictures / "a.png", tmp_path / "one")
    (pictures / "a.png").rename(pictures / "renamed.png")
    draw(pictures / "renamed.png", tmp_path / "two")
    first, second = tmp_path / "one/a.png", tmp_path / "two/renamed.png"
    assert first.read_bytes() == second.read_bytes()


def test_several_presets_get_a_folder_each(pictures: Path, tmp_path: Path) -> None:
    """Each preset's folder has the same names, with other drawings."""
    assert draw(pictures, tmp_path / "out", *PRESETS).drawn == 6
    drawn = [(tmp_path / "out" / preset / "sub/b.png").read_bytes() for preset in PRESETS]
    assert len(set(drawn)) == 3


@pytest.mark.parametrize(("size", "shape"), [(48, (48, 36)), (192, (192, 142))])
def test_the_size_is_that_of_the_longer_side(
    pictures: Path, tmp_path: Path, size: int, shape: tuple[int, int]
) -> None:
    """96 x 71 keeps its proportions, smaller and larger, and is scaled before it is drawn."""
    draw(pictures, tmp_path / "out", size=size)
    drawn = image.read_gray(tmp_path / "out/sub/b.png")
    assert drawn.shape == shape
    scaled = image.resize(character(1)[:, :71], *shape)
    np.testing.assert_array_equal(drawn, sketch_picture(scaled, PRESETS["default"]))


def test_a_name_too_long_with_its_extension_is_cut(pictures: Path, tmp_path: Path) -> None:
    """A picture's name may have 255 letters without an extension."""
    named = (pictures / "a.png").rename(tmp_path / ("x" * 255))
    assert draw(named, tmp_path / "out") == Drawn(1, 0, (), ())
    (drawn,) = (tmp_path / "out").iterdir()
    assert len(drawn.name) == 255 and drawn.suffix == ".png"


def test_existing_drawings_are_kept(pictures: Path, tmp_path: Path) -> None:
    """A second run draws only what is missing, unless --force is given."""
    out = tmp_path / "out"
    draw(pictures, out)
    (out / "a.png").unlink()
    (out / "sub/b.png").write_bytes(b"mine")
    assert draw(pictures, out) == Drawn(1, 1, (), ())
    assert (out / "sub/b.png").read_bytes() == b"mine"
    assert draw(pictures, out, force=True).drawn == 2
    assert (out / "sub/b.png").read_bytes() != b"mine"


def test_a_damaged_picture_does_not_stop_the_others(pictures: Path, tmp_path: Path) -> None:
    """It is reported in one line, the rest is drawn, and a later run tries it again."""
    (pictures / "broken.jpg").write_bytes(b"no picture at all")
    result = draw(pictures, tmp_path / "out")
    assert (result.drawn, len(result.failed)) == (2, 1)
    assert "broken.jpg is not a picture" in result.failed[0]
    assert not (tmp_path / "out/broken.png").exists()
    assert draw(pictures, tmp_path / "out").failed == result.failed


def test_drawings_with_too_little_or_too_much_ink_are_reported(
    pictures: Path, tmp_path: Path
) -> None:
    """An even picture gives no lines, the old preset fills dark areas: both are reported."""
    image.write(pictures / "even.png", np.full((64, 64, 3), 200, np.uint8))
    night = np.full((64, 64, 3), 230, np.uint8)
    night[:, :40] = 20
    image.write(pictures / "night.png", night)
    flagged = draw(pictures, tmp_path / "out", "xdog_python").flagged
    assert any("even.png has hardly any lines (0.0% ink)" in line for line in flagged)
    assert any("night.png is 62% ink, more than" in line for line in flagged)


def test_the_number_of_processes_does_not_change_the_bytes(pictures: Path, tmp_path: Path) -> None:
    """Two processes write the same bytes as one."""
    draw(pictures, tmp_path / "one")
    draw_line_art([pictures], tmp_path / "two", presets=["default"], workers=2)
    for name in ("a.png", "sub/b.png"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_source_pictures_are_never_overwritten(pictures: Path) -> None:
    """Drawing a file into its own folder under its own name is refused, with --force too."""
    with pytest.raises(UsageError, match=r"a\.png would be drawn over"):
        draw(pictures / "a.png", pictures, force=True)


def test_results_inside_the_source_are_not_drawn_again(pictures: Path) -> None:
    """With the results below the pictures, a second run still finds two pictures."""
    draw(pictures, pictures / "lines")
    assert draw(pictures, pictures / "lines") == Drawn(0, 2, (), ())


@pytest.mark.parametrize("size", [0, 8193])
def test_an_impossible_size_is_refused(pictures: Path, tmp_path: Path, size: int) -> None:
    """Nothing is drawn."""
    with pytest.raises(UsageError, match=f"--size must be 1 to 8192 pixels, got {size}"):
        draw(pictures, tmp_path / "out", size=size)


def test_a_file_as_output_is_refused(pictures: Path, tmp_path: Path) -> None:
    """An output folder that is a file is a usage error."""
    (tmp_path / "out").touch()
    with pytest.raises(UsageError, match="out is a file; name a folder"):
        draw(pictures, tmp_path / "out")
