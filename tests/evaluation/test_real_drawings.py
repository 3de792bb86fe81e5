"""Real drawings, judged with results that are known beforehand."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from refcolor.colorize.colored import Colored
from refcolor.colorize.colorizer import Colorizer
from refcolor.colorize.look import Look
from refcolor.errors import RefcolorError
from refcolor.evaluation.metrics.color import difference, lab
from refcolor.evaluation.real_drawings import SOFT, Page, read_real_pairs, real_drawings
from refcolor.io import image
from refcolor.io.image import Picture
from refcolor.lines.drawing import read_drawing

from ..colorize.material import blocks, line_art, save_tiny

ROOT = Path(__file__).parents[2]
SIZE = 32
HEIGHT, WIDTH = 96, 72  # a third of each at 32 pixels
RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)
HEADER = "sketch,reference,truth,labels,reference_labels"


@dataclass
class Fake:
    """A colorizer whose colours are known; it works at 32 pixels."""

    colors: Picture
    size: int = SIZE

    def check_size(self, size: int | None) -> int:
        return size or self.size

    def colorize(
        self, sketch: Path | Picture, reference: Picture, *, size: int, look: Look
    ) -> Colored:
        drawing = read_drawing(sketch)
        return Colored(drawing, image.resize(self.colors, *drawing.size), None)


def halves(left: tuple[int, ...], right: tuple[int, ...]) -> Picture:
    """Paint the left and the right half, (96, 72, 3) uint8."""
    picture = np.empty((HEIGHT, WIDTH, len(left)), np.uint8)
    picture[:, : WIDTH // 2], picture[:, WIDTH // 2 :] = left, right
    return picture


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A drawing of red and white halves, labels 1 and 2; the reference shows more blue than red."""
    image.write(tmp_path / "sketch.png", line_art(HEIGHT, WIDTH))
    image.write(tmp_path / "truth.png", halves(RED, WHITE))
    image.write(tmp_path / "labels.png", halves((1,), (2,))[..., 0])
    reference = np.full((64, 64, 3), 255, np.uint8)
    reference[8:24, 8:24], reference[24:40, 8:56] = RED, BLUE
    image.write(tmp_path / "reference.png", reference)
    image.write(tmp_path / "reference_labels.png", (reference[..., 1] == 0).astype(np.uint8))
    image.write(tmp_path / "wide.png", blocks(64, 96))
    image.write(tmp_path / "wide_labels.png", blocks(64, 96)[..., 0])
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n....")
    return tmp_path


def _table(folder: Path, row: str, header: str = HEADER) -> Path:
    (folder / "pairs.csv").write_text(f"{header}\n{row}")
    return folder


def _numbers_of(folder: Path, row: str, colors: Picture) -> dict[str, float]:
    return real_drawings(Fake(colors), read_real_pairs(_table(folder, row))).numbers


def _apart(first: tuple[int, ...], second: tuple[int, ...]) -> float:
    pixels = [np.array(color, np.uint8).reshape(1, 1, 3) for color in (first, second)]
    return difference(*map(lab, pixels)).item()


def test_the_true_colours_have_no_error(folder: Path) -> None:
    """The truth as the result has no difference, full similarity, and all of its white."""
    row = "sketch.png,reference.png,truth.png,labels.png,reference_labels.png"
    numbers = _numbers_of(folder, row, halves(RED, WHITE))
    for name in ("delta_e", "parts_delta_e", "chroma_error"):
        assert numbers[f"real_{name}"] == 0
    assert numbers["real_ssim"] == numbers["real_white_kept"] == 1
    assert (numbers["real_pairs"], numbers["real_truths"]) == (1, 1)


def test_colours_are_judged_off_the_lines_and_by_part(folder: Path) -> None:
    """Red made blue, white made nearly white: the first error is one colour's, and half of two."""
    colors = halves(BLUE, (240, 240, 240))
    colors[24:26, 18:54] = (0, 255, 0)  # under a line
    row = "sketch.png,reference.png,truth.png,labels.png,"
    numbers = _numbers_of(folder, row, colors)
    wrong, pale = _apart(RED, BLUE), _apart(WHITE, (240, 240, 240))
    assert numbers["real_delta_e"] == pytest.approx(wrong, abs=0.5)
    assert numbers["real_parts_delta_e"] == pytest.approx((wrong + pale) / 2, abs=0.5)
    # (53.2, 80.1, 67.2) and (32.3, 79.2, -107.9) in Lab
    assert numbers["real_chroma_error"] == pytest.approx(175.1, abs=2)
    assert numbers["real_white_kept"] == 0


def test_only_parts_that_the_reference_shows_are_judged(folder: Path) -> None:
    """The labels of the reference have 1 alone, so that the white half does not count."""
    row = "sketch.png,reference.png,truth.png,labels.png,reference_labels.png"
    numbers = _numbers_of(folder, row, halves(BLUE, BLUE))
    assert numbers["real_parts_delta_e"] == pytest.approx(_apart(RED, BLUE), abs=0.1)


def test_baselines_are_what_needs_no_model(folder: Path) -> None:
    """Paper, grey, the reference's mean colour, that of its figure, and the reference in place."""
    numbers = _numbers_of(
        folder, "sketch.png,reference.png,truth.png,labels.png,", halves(RED, RED)
    )
    assert numbers["paper_real_delta_e"] == pytest.approx(_apart(RED, WHITE), abs=1e-3)
    assert numbers["paper_real_parts_delta_e"] == pytest.approx(_apart(RED, WHITE) / 2, abs=1e-3)
    assert numbers["grey_real_delta_e"] == pytest.approx(_apart(RED, (76, 76, 76)), abs=1e-3)
    # Of 64 x 64 pixels 16 x 16 are red, 16 x 48 blue and 3072 white.
    figure, mean = (64, 0, 191), (207, 191, 239)
    assert numbers["figure_color_real_delta_e"] == pytest.approx(_apart(RED, figure), abs=1e-3)
    assert numbers["mean_color_real_delta_e"] == pytest.approx(_apart(RED, mean), abs=1e-3)
    assert 0 < numbers["copy_real_delta_e"] < numbers["paper_real_delta_e"]


def test_a_truth_of_another_size_is_scaled(folder: Path) -> None:
    """Truth and labels may be smaller than the drawing, if they have its aspect ratio."""
    image.write(folder / "truth.png", halves(RED, WHITE)[::2, ::2])
    image.write(folder / "labels.png", halves((1,), (2,))[::2, ::2, 0])
    numbers = _numbers_of(
        folder, "sketch.png,reference.png,truth.png,labels.png,", halves(RED, RED)
    )
    assert numbers["real_delta_e"] == pytest.approx(0, abs=5)
    assert numbers["real_parts_delta_e"] == pytest.approx(_apart(RED, WHITE) / 2, abs=3)


def test_without_a_truth_there_is_only_the_sheet(folder: Path) -> None:
    """Drawings without truth are coloured and shown; the columns of labels may be missing."""
    rows = "sketch.png,reference.png,\nsketch.png,reference.png"
    pairs = read_real_pairs(_table(folder, rows, "sketch,reference,truth"))
    measured = real_drawings(Fake(halves(RED, RED)), pairs)
    known = {name: number for name, number in measured.numbers.items() if number == number}
    assert known == {"real_pairs": 2, "real_truths": 0}
    assert measured.pictures["real"].shape == (256, 6 * 256 + 5 * 2 + 2 + 8, 3)
    assert read_real_pairs(folder / "nowhere") == []


def test_a_change_meets_the_page_and_the_next_one(folder: Path) -> None:
    """A change of the page reaches the model; its truth and labels change with it."""
    image.write(folder / "other.png", line_art(64, 64))
    rows = "sketch.png,reference.png,truth.png,,\nother.png,reference.png,,,"
    seen = []

    def change(page: Page, other: Page) -> Page:
        seen.append((page.ink.shape, other.ink.shape))
        return page

    real_drawings(Fake(halves(RED, RED)), read_real_pairs(_table(folder, rows)), change=change)
    assert seen == [((96, 72), (64, 64)), ((64, 64), (96, 72))]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("", "pairs.csv has no rows; write a row for each drawing"),
        ("sketch.png,,truth.png,,", "pairs.csv row 1: reference is empty; name a picture"),
        ("sketch.png,https://e.org/r.png,,,", "row 1: https://e.org/r.png is a web address"),
        ("sketch.png,gone.png,,,", "row 1: reference gone.png does not exist in .*; correct"),
        ("sketch.png,reference.png,broken.png,,", "row 1: .*broken.png .*; or remove the row"),
        ("broken.png,reference.png,truth.png,,", "row 1: .*broken.png .*; or remove the row"),
        ("truth.png,reference.png,,,", "row 1: .*truth.png is not a line drawing.*draw its lines"),
        ("sketch.png,sketch.png,,,", "row 1: .*sketch.png|row 1: the reference is a line drawing"),
        ("sketch.png,reference.png,truth.png,truth.png,", "row 1: .*truth.png is not a grey"),
        (
            "sketch.png,reference.png,wide.png,,",
            "row 1: truth is 96 x 64 pixels and sketch 72 x 96, which is another shape; crop",
        ),
        (
            "sketch.png,reference.png,truth.png,wide_labels.png,",
            "row 1: labels is 96 x 64 pixels and sketch 72 x 96",
        ),
        (
            "sketch.png,reference.png,truth.png,labels.png,wide_labels.png",
            "row 1: reference_labels is 96 x 64 pixels and reference 64 x 64",
        ),
    ],
)
def test_pairs_that_cannot_be_judged_are_refused(folder: Path, row: str, message: str) -> None:
    """The message has the row, what it is about, and what to do."""
    with pytest.raises(RefcolorError, match=message):
        _numbers_of(folder, row, halves(RED, RED))


def test_a_table_without_a_column_or_no_table_is_refused(folder: Path) -> None:
    """A missing column is named, and a folder of pictures must have its table."""
    with pytest.raises(RefcolorError, match=r"pairs\.csv does not exist; write it with"):
        read_real_pairs(folder)
    _table(folder, "sketch.png,reference.png", "sketch,reference")
    with pytest.raises(RefcolorError, match=r"line 2: truth is missing; write the columns"):
        read_real_pairs(folder)


@pytest.mark.parametrize(("size", "look"), [(None, SOFT), (48, Look())])
def test_a_model_colours_as_the_command_does(folder: Path, size: int | None, look: Look) -> None:
    """The colours judged are those that `Colorizer.colorize` gives for the two files."""
    colorizer = Colorizer.load(save_tiny(folder / "models"), device="cpu")
    files = folder / "sketch.png", folder / "reference.png"
    colors = colorizer.colorize(*files, size=size, look=look).colors
    pairs = read_real_pairs(_table(folder, "sketch.png,reference.png,truth.png,,"))
    judged = real_drawings(colorizer, pairs, size=size, look=look).numbers
    known = real_drawings(Fake(colors), pairs, size=size).numbers
    assert judged["real_delta_e"] == known["real_delta_e"] > 1


def test_every_key_is_explained(folder: Path) -> None:
    """docs/metrics.md names each number and each baseline."""
    text = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    row = "sketch.png,reference.png,truth.png,labels.png,"
    for key in _numbers_of(folder, row, halves(RED, RED)):
        prefix, _, name = key.partition("real_")
        assert f"`real_{name}`" in text
        assert not prefix or f"`{prefix}`" in text
