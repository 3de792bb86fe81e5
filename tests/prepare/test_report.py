"""The data report draws what the numbers say."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest

from refcolor.errors import PictureError
from refcolor.io import image
from refcolor.io.image import Picture
from refcolor.lines.sketch import flag
from refcolor.prepare import report
from refcolor.prepare.report import Line, draw_report, funnel_lines

Color = tuple[int, int, int]

RED, BLUE = (255, 0, 0), (0, 0, 255)
BLACK, GREY, WHITE = (0, 0, 0), (119, 119, 119), (255, 255, 255)

STAGE = {"listed": 20, "kept": 20, "dropped": {}}
COUNTS = {"discover": STAGE, "sketch": {"drawn": 20, "flagged": {}}}


@dataclass(frozen=True)
class Set:
    """Pictures and sketches in folders, and their shares of ink."""

    root: Path
    inks: dict[str, tuple[float, str]]

    def draw(self, counts: Mapping[str, Any] = COUNTS) -> Picture:
        """Draw the report of all of them."""
        folders = {"color": self.root / "color", "sketch": self.root / "sketch"}
        return draw_report(sorted(self.inks), **folders, inks=self.inks, counts=counts)


@pytest.fixture
def make_set(tmp_path: Path) -> Callable[..., Set]:
    """Give a set of plain pictures of these colours, the sketch of the n-th being of grey n."""

    def make(colors: list[Color], inks: list[float] | None = None, *, side: int = 16) -> Set:
        ids = [f"p{index:02d}" for index in range(len(colors))]
        for index, (id, color) in enumerate(zip(ids, colors, strict=True)):
            image.write(tmp_path / f"color/{id}.png", np.full((side, side, 3), color, np.uint8))
            image.write(tmp_path / f"sketch/{id}.png", np.full((side, side), index, np.uint8))
        shares = inks or [0.1] * len(ids)
        return Set(tmp_path, {id: (ink, flag(ink)) for id, ink in zip(ids, shares, strict=True)})

    return make


def is_color(page: Picture, color: str | Color) -> np.ndarray:
    """Mark the pixels of exactly this colour."""
    values = tuple(bytes.fromhex(color[1:])) if isinstance(color, str) else color
    return (page == values).all(axis=-1)


def boxes(page: Picture, color: str | Color, *, wider: int = 20) -> list[tuple[int, int, int]]:
    """Find where plain boxes of a colour begin: top, left and width."""
    positions = []
    before: set[tuple[int, int]] = set()
    for top, row in enumerate(is_color(page, color)):
        ends = np.flatnonzero(np.diff(row.astype(int), prepend=0, append=0)).reshape(-1, 2)
        row_boxes = {(int(left), int(right - left)) for left, right in ends if right - left > wider}
        positions += [(top, left, width) for left, width in sorted(row_boxes - before)]
        before = row_boxes
    return positions


def test_an_empty_set_is_refused(tmp_path: Path) -> None:
    """A report without pictures raises ValueError."""
    with pytest.raises(ValueError, match="a data report needs at least one picture, got none"):
        Set(tmp_path, {}).draw()


def test_a_missing_picture_is_named(make_set: Callable[..., Set]) -> None:
    """A missing file is an error with its name."""
    pictures = make_set([RED, BLUE, GREY])
    (pictures.root / "sketch/p01.png").unlink()
    with pytest.raises(PictureError, match=r"p01\.png cannot be opened"):
        pictures.draw()


@pytest.mark.parametrize(("count", "side"), [(1, 64), (2, 5), (3, 512), (7, 64)])
def test_few_pictures_of_any_size_are_all_shown(
    make_set: Callable[..., Set], count: int, side: int
) -> None:
    """Each picture is on the sheet once, in the order of the ids, next to its sketch."""
    colors = [(200, 30 * index, 0) for index in range(count)]
    page = make_set(colors, side=side).draw()
    assert page.dtype == np.uint8
    assert page.shape[1:] == (1200, 3)
    first = [boxes(page, color)[0] for color in colors]
    assert first == sorted(first)
    for index, (top, left, width) in enumerate(first):
        sketch = page[top : top + width, left + width + 1 : left + 2 * width + 1]
        assert (sketch == index).all()


def test_many_pictures_are_shown_at_even_steps(make_set: Callable[..., Set]) -> None:
    """Of 95 pictures every second is on the sheet, from the first to the last."""
    colors = [(255 - index, 0, 2 * index) for index in range(95)]
    page = make_set(colors).draw()[::10]
    side = boxes(page, RED)[0][2]
    shown = [side in [width for _, _, width in boxes(page, color)] for color in colors]
    assert shown == [index % 2 == 0 for index in range(95)]


def test_a_large_set_opens_few_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 54,000 pictures no more than those shown and those sampled are decoded."""
    decoded = []

    def read(path: Path) -> Picture:
        decoded.append(path)
        return np.full((8, 8, 3), RED, np.uint8)

    monkeypatch.setattr(report.image, "read", read)
    inks = {f"{number:05d}": (0.1, "") for number in range(54_000)}
    draw_report(list(inks), color=Path("c"), sketch=Path("s"), inks=inks, counts=COUNTS)
    assert len(decoded) <= report.SAMPLED + 2 * report.SHOWN + 2 * len(report.QUANTILES) + 1
    names = [int(path.stem) for path in decoded]
    assert min(names) == 0
    assert max(names) == 53_999


def test_only_pictures_of_the_ids_are_shown(make_set: Callable[..., Set]) -> None:
    """A picture without its id in `ids`, as after a take-down, is neither shown nor counted."""
    all_of_it = make_set([RED, BLUE, GREY], [0.1, 0.6, 0.2])
    folders = {"color": all_of_it.root / "color", "sketch": all_of_it.root / "sketch"}
    page = draw_report(["p00", "p02"], **folders, inks=all_of_it.inks, counts=COUNTS)
    assert not is_color(page, BLUE).any()
    assert not boxes(page, report.FLAGGED, wider=2), "a flagged sketch is in the histogram"


def test_equal_sets_give_equal_bytes(make_set: Callable[..., Set]) -> None:
    """A redrawn report is byte-identical with any user settings of matplotlib."""
    pictures = make_set([RED, BLUE, GREY], [0.1, 0.2, 0.4])
    page = pictures.draw()
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black", "lines.color": "red"}):
        assert (pictures.draw() == page).all()


@pytest.mark.parametrize(("ink", "flagged"), [(0.29, False), (0.31, True), (0.95, True)])
def test_flagged_sketches_have_another_color(
    make_set: Callable[..., Set], ink: float, flagged: bool
) -> None:
    """Beyond a limit the bar has the colour of the limit, right of the bar of the others."""
    page = make_set([GREY] * 3, [0.1, 0.1, ink]).draw()
    bars = [box for box in boxes(page, report.FLAGGED, wider=1) if box[2] < 20]
    assert bool(bars) is flagged
    others = [left for _, left, width in boxes(page, report.KEPT, wider=1) if width < 20]
    assert all(left > min(others) for _, left, _ in bars)


def test_sketches_are_ordered_by_ink(make_set: Callable[..., Set]) -> None:
    """The five examples are the lightest, those at 5, 50 and 95 %, and the darkest."""
    inks = [((7 * index) % 21 + 1) / 100 for index in range(20)]
    page = make_set([(0, 10 * index, 200) for index in range(20)], inks).draw()
    order = sorted(range(20), key=lambda index: (inks[index], index))
    small = [
        (top, left, index)
        for index in range(20)
        for top, left, width in boxes(page, (0, 10 * index, 200), wider=50)
        if width < report.WIDTH / 11  # those of the contact sheet are larger
    ]
    examples = sorted(box for box in small if box[0] == min(small)[0])
    assert [index for *_, index in examples] == [order[at] for at in (0, 1, 10, 18, 19)]


def row_of_colors(page: Picture, *colors: Color) -> list[int]:
    """Give the widths that colours take of the row of all hues, which is the widest box."""
    return [max((box[2] for box in boxes(page, color)), default=0) for color in colors]


def test_the_row_of_colors_holds_shares_of_hues(make_set: Callable[..., Set]) -> None:
    """Of one red, three blue and four grey pictures a quarter of the row is red, the rest blue."""
    red, blue = row_of_colors(make_set([RED, *[BLUE] * 3, *[GREY] * 4]).draw(), RED, BLUE)
    assert red + blue == pytest.approx(report.WIDTH, abs=15)
    assert blue == pytest.approx(3 * red, abs=5)


def test_a_set_without_hue_has_an_empty_row(make_set: Callable[..., Set]) -> None:
    """Grey pictures leave the row empty, without a division by zero."""
    (empty,) = row_of_colors(make_set([WHITE, GREY, BLACK]).draw(), report.WELL)
    assert empty == pytest.approx(report.WIDTH, abs=15)


def test_sampling_mixes_no_colors(tmp_path: Path) -> None:
    """Stripes of red and blue, one pixel wide, are red and blue and not purple."""
    stripes = np.zeros((192, 192, 3), np.uint8)
    stripes[:, ::2], stripes[:, 1::2] = RED, BLUE
    image.write(tmp_path / "color/a.png", stripes)
    image.write(tmp_path / "sketch/a.png", stripes[..., 0])
    red, blue = row_of_colors(Set(tmp_path, {"a": (0.1, "")}).draw(), RED, BLUE)
    assert red == pytest.approx(blue, abs=3)
    assert red + blue == pytest.approx(report.WIDTH, abs=15)


def test_lines_of_the_funnel_are_shares_of_a_stage() -> None:
    """Kept, then flagged, then dropped by size; zero counts are left out."""
    counts = {
        "discover": {"listed": 100, "kept": 25, "dropped": {"other": 25, "small": 50, "gone": 0}},
        "line_art": {"listed": 0, "kept": 0, "dropped": {}},
        "clean": {"listed": 25, "kept": 20, "dropped": {"grey": 5}, "flagged": {"bars": 15}},
        "sketch": {"drawn": 20, "flagged": {"too_dark": 4}},
        "split": {"train": 9, "validation": 6, "pairs": 6, "groups": 14, "excluded": 5},
    }
    kept_color, flagged, lost = report.KEPT, report.FLAGGED, report.LOST
    assert list(funnel_lines(counts)) == [
        Line("discover: 100 listed"),
        *(Line("kept", 25, 0.25, kept_color), Line("small", 50, 0.5, lost)),
        Line("other", 25, 0.25, lost),
        Line("clean: 25 listed"),
        *(
            Line("kept", 20, 0.8, kept_color),
            Line("bars", 15, 0.6, flagged),
            Line("grey", 5, 0.2, lost),
        ),
        Line("sketch: 20 drawn"),
        *(Line("unflagged", 16, 0.8, kept_color), Line("too_dark", 4, 0.2, flagged)),
        Line("split: 14 groups, 6 pairs"),
        *(Line("train", 9, 0.45, kept_color), Line("validation", 6, 0.3, kept_color)),
        Line("excluded", 5, 0.25, lost),
    ]


def test_a_single_lost_picture_is_visible(make_set: Callable[..., Set]) -> None:
    """One of a million still has a bar of a pixel."""
    counts = {"discover": {"listed": 10**6, "kept": 10**6 - 1, "dropped": {"gone": 1}}}
    page = make_set([GREY, GREY]).draw(counts)
    assert max(width for _, _, width in boxes(page, report.LOST, wider=0)) <= 3
