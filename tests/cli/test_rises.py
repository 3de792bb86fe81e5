"""Changes of a drawing's page."""

from collections.abc import Callable

import numpy as np
import pytest

from refcolor.cli.rises import rises
from refcolor.evaluation.measurements import Measured
from refcolor.evaluation.real_drawings import Change, Page
from refcolor.io.image import WHITE


def _page(height: int, width: int, *, thickness: int = 4) -> Page:
    """A page with a bar of ink across its middle; its left half is part 1."""
    ink = np.zeros((height, width), np.uint8)
    ink[height // 2 :][:thickness] = WHITE
    labels = np.zeros((height, width), np.uint8)
    labels[:, : width // 2] = 1
    truth = np.full((height, width, 3), 7, np.uint8)
    return Page(WHITE - ink, ink, ink, truth, labels)


@pytest.fixture
def changed() -> Callable[[str], Page]:
    """Return a changed page by the change: 40 x 30 pixels at working size 20; the other 20 x 20."""
    pages = {}

    def measure(*, size: int, change: Change | None) -> Measured:
        page, other = _page(40, 30), _page(20, 20)
        pages[len(pages)] = (size, change(page, other) if change else page)
        return Measured({"real_parts_delta_e": float(len(pages)) ** 2, "real_delta_e": 0.0})

    numbers = rises(measure, 20)
    order = ("base", "small", "frame", "margin", "thin", "thick", "second", "size_3_4", "size_4_3")
    named = dict(zip(order, pages.values(), strict=True))
    # The n-th error is n squared; the second figure is compared with the small one.
    assert numbers["rise_frame"] == 9 - 1
    assert numbers["rise_second"] == 49 - 4
    assert (named["size_3_4"][0], named["size_4_3"][0]) == (15, 26)
    return lambda name: named[name][1]


def test_a_frame_is_two_pixels_at_the_working_size(changed: Callable[[str], Page]) -> None:
    """4 pixels of 40 are 2 of 20: ink there, paper outside, and the bar; nothing else changes."""
    page = changed("frame")
    assert (page.ink[4:8, 4:-4] == WHITE).all() and (page.ink[4:-4, -8:-4] == WHITE).all()
    assert not page.ink[:4].any() and not page.ink[9:19, 8:-8].any()
    np.testing.assert_array_equal(page.sketch, WHITE - page.ink)
    np.testing.assert_array_equal(page.line, changed("base").line)


def test_a_margin_moves_truth_and_labels(changed: Callable[[str], Page]) -> None:
    """A quarter of 40 on all sides, of paper that is neither drawn on nor scored."""
    page = changed("margin")
    assert page.ink.shape == page.labels.shape == page.truth.shape[:2] == (60, 50)
    for name in ("ink", "line", "truth", "labels"):
        inner = getattr(page, name)[10:50, 10:40]
        np.testing.assert_array_equal(inner, getattr(changed("base"), name))
    assert page.labels.sum() == 40 * 15
    assert not page.ink[:10].any()
    assert (page.line[:10] == WHITE).all()


@pytest.mark.parametrize(("name", "thickness"), [("thin", 2), ("thick", 8)])
def test_lines_are_half_and_twice_as_thick(
    changed: Callable[[str], Page], name: str, thickness: int
) -> None:
    """A bar of 4 pixels becomes one of 2 or 8; what is scored stays."""
    page = changed(name)
    assert np.count_nonzero(page.ink[:, 15] > 128) == thickness
    np.testing.assert_array_equal(page.line, changed("base").line)


def test_a_second_figure_stands_beside_the_first(changed: Callable[[str], Page]) -> None:
    """The other drawing, as high as the first, makes 30 + 40 columns of a square of 70."""
    alone, both = changed("small"), changed("second")
    assert alone.ink.shape == both.ink.shape == (70, 70)
    assert alone.ink[:, :30].any() and not alone.ink[:, 30:].any()
    np.testing.assert_array_equal(both.ink[:, :30], alone.ink[:, :30])
    assert both.ink[15:55, 30:].any()
    np.testing.assert_array_equal(both.labels, alone.labels)
    assert both.labels.sum() == 40 * 15
