"""Character sheets: the colours that all drawings of a character share."""

import numpy as np

from refcolor.colorize.lab import frequent_colors, nearest_color, share_colors, to_lab
from refcolor.colorize.sheet import even_colors, sheet_palette
from refcolor.io.image import Unit

from .material import line_art

PALE, NEAR, STRONG, OTHER = (
    np.array([lightness, 20, 0], np.float32) for lightness in (70, 67, 63, 20)
)


def test_a_frequent_color_takes_what_is_near() -> None:
    """Of three colours the heaviest comes first, and the one within the tolerance of it is gone."""
    colors = np.stack([NEAR, OTHER, PALE])
    frequent = frequent_colors(colors, np.array([1.0, 2.0, 5.0]), 12)
    assert np.allclose(frequent, [PALE, OTHER])
    assert np.allclose(frequent_colors(colors, np.array([1.0, 2.0, 97.0]), 12, smallest=0.05), PALE)


def test_the_nearest_color_of_a_palette() -> None:
    """It is chosen for each colour alone."""
    assert np.array_equal(nearest_color(np.stack([NEAR, OTHER]), np.stack([OTHER, PALE]))[0], PALE)


def test_regions_take_the_colors_of_a_palette() -> None:
    """Two regions between two of its colours get the nearest each; paper stays paper."""
    paper = np.array([255, 255, 255], np.uint8)
    lab = np.stack([NEAR, OTHER + 3, to_lab(paper[None, None])[0, 0]])
    palette = np.stack([OTHER, PALE, lab[2] - 1])
    shared = share_colors(lab, np.array([1, 9, 5]), 12, paper=paper, palette=palette)
    assert np.abs(to_lab(shared[None])[0, :2] - [PALE, OTHER]).max() < 1
    assert (shared[2] == paper).all()


def even(color: Unit, count: int = 100) -> Unit:
    """A sheet of one colour."""
    return np.repeat(color[None], count, axis=0)


def test_drawings_share_the_color_of_the_sheet() -> None:
    """Two shades of a part become the sheet's colour; a colour that is far from all stays."""
    colors, shares = np.stack([PALE, NEAR, OTHER]), np.array([0.5, 0.4, 0.1])
    palette = sheet_palette(colors, shares, even(STRONG), 12)
    assert np.allclose(palette, [STRONG, OTHER])


def test_a_sheet_without_even_colors_still_gives_shared_ones() -> None:
    """A painting of noise names no colour, so the model's are kept."""
    palette = sheet_palette(np.stack([PALE, NEAR]), np.array([0.5, 0.4]), even(PALE, 0), 12)
    assert np.allclose(palette, PALE)


def test_lines_are_not_colors_of_a_sheet() -> None:
    """Of black lines on white only the white is even."""
    assert even_colors(line_art(64, 48)).min(axis=0)[0] > 99
