"""The picture of the attention: a colour shows a position, its paleness the uncertainty."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from refcolor.colorize.colored import Colored
from refcolor.colorize.colorizer import Colorizer
from refcolor.colorize.correspondence import confidence, draw_correspondence, position_colors
from refcolor.colorize.hints import PointMatch
from refcolor.colorize.placement import place
from refcolor.errors import RefcolorError

from .material import blocks, line_art, save_tiny, two_panels


@pytest.fixture
def colored(colorizer: Colorizer) -> Colored:
    """A drawing of 64 x 40 pixels, coloured with a reference of 48 x 80."""
    return colorizer.colorize(line_art(64, 40), blocks(48, 80))


def with_weights(colored: Colored, weights: np.ndarray) -> Colored:
    """Replace the attention of a result."""
    return replace(colored, attentions=(replace(colored.attention, weights=weights),))


def test_confidence_by_hand() -> None:
    """All weight on one cell is 1, even weights 0, two of four cells a half."""
    weights = np.array([[1, 0, 0, 0], [0.25] * 4, [0.5, 0.5, 0, 0]], np.float32)
    assert confidence(weights) == pytest.approx([1, 0, 0.5], abs=1e-6)


def test_every_position_has_a_different_colour() -> None:
    """No two cells have one colour, and neighbours are nearer than cells far away."""
    placed = place(64, 64, size=64, stride=8)
    colors = position_colors(placed)
    assert colors.shape == (64, 3)
    assert colors.min() >= 0
    assert colors.max() <= 1
    apart = np.abs(colors[:, None] - colors[None]).sum(axis=2)
    assert apart[~np.eye(64, dtype=bool)].min() > 0.01
    assert apart[0, 1] < apart[0, 7]
    assert apart[0, 8] < apart[0, 32]


def test_cells_have_the_colour_of_the_position_they_attend_to(colored: Colored) -> None:
    """Cells that attend to one position have its colour; lines stay black."""
    sketch, (reference,) = colored.attention.sketch, colored.attention.references
    weights = np.zeros((sketch.rows * sketch.columns, reference.rows * reference.columns))
    weights[:, 9] = 1
    sheet = draw_correspondence(with_weights(colored, weights.astype(np.float32)), blocks(48, 80))
    expected = np.rint(position_colors(reference)[9] * 255)
    assert ((sheet == expected).all(axis=2)).sum() > 0.2 * 480 * 300


def test_even_attention_is_white(colored: Colored) -> None:
    """Even attention adds no colour: the drawing stays black and white."""
    sketch, (reference,) = colored.attention.sketch, colored.attention.references
    cells = reference.rows * reference.columns
    weights = np.full((sketch.rows * sketch.columns, cells), 1 / cells, np.float32)
    sheet = draw_correspondence(with_weights(colored, weights), blocks(48, 80))
    lower_left = sheet[-400:-60, 40:280].astype(int)
    assert np.ptp(lower_left, axis=2).max() <= 1


def test_the_attention_of_a_spot_is_bright_in_the_reference(colorizer: Colorizer) -> None:
    """After a match the reference is bright around the matched position, dark at the far end."""
    bright = np.full((80, 80, 3), 230, np.uint8)
    bright[::2] = (250, 120, 120)
    match = PointMatch(x=30, y=30, u=70, v=10)
    colored = colorizer.colorize(line_art(64, 64), bright, matches=[match])
    sheet = draw_correspondence(colored, bright, at=(30, 30))
    right = sheet[-(480 + 30 + 16) : -46, -(480 + 16) : -16].mean(axis=2)
    assert right[70:110, 430:470].mean() > 150
    assert right[400:, :80].mean() < 100


def test_a_spot_outside_is_refused(colored: Colored) -> None:
    """The message has the drawing's size."""
    with pytest.raises(RefcolorError, match="40,1 lies outside of the drawing, which is 40 x 64"):
        draw_correspondence(colored, blocks(48, 80), at=(40, 1))


def test_a_page_shows_the_attention_of_all_panels(colorizer: Colorizer) -> None:
    """Each panel has the colours of its own attention, the gutter none, where no spot looks."""
    colored = colorizer.colorize(two_panels(), blocks(48, 80))
    one_place = [np.zeros_like(attention.weights) for attention in colored.attentions]
    for cell, weights in enumerate(one_place):
        weights[:, 9 * cell] = 1
    shown = replace(
        colored,
        attentions=tuple(
            replace(attention, weights=weights)
            for attention, weights in zip(colored.attentions, one_place, strict=True)
        ),
    )
    sheet = draw_correspondence(shown, blocks(48, 80))
    colors = np.rint(position_colors(colored.attention.references[0]) * 255)
    for cell in (0, 9):
        assert (sheet == colors[cell]).all(axis=2).sum() > 0.2 * 480 * 310
    with pytest.raises(RefcolorError, match="170,110 lies between the panels"):
        draw_correspondence(shown, blocks(48, 80), at=(170, 110))
    draw_correspondence(shown, blocks(48, 80), at=(250, 110))


def test_a_page_of_too_many_cells_is_refused(colorizer: Colorizer) -> None:
    """A page keeps no attention when its panels together need too much memory."""
    colored = colorizer.colorize(two_panels(), blocks(48, 80))
    emptied = tuple(replace(attention, weights=None) for attention in colored.attentions)
    with pytest.raises(RefcolorError, match="the panels of this page have too many cells at this"):
        draw_correspondence(replace(colored, attentions=emptied), blocks(48, 80))


def test_a_model_without_attention_is_refused(tmp_path: Path) -> None:
    """The message says that the model has no attention."""
    colorizer = Colorizer.load(save_tiny(tmp_path, attention="none"), device="cpu")
    colored = colorizer.colorize(line_art(64, 64), blocks(48, 48))
    with pytest.raises(RefcolorError, match="this model has no attention"):
        draw_correspondence(colored, blocks(48, 48))
