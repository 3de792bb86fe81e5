"""The true recolouring of a drawn character, and what can be measured of any picture."""

from functools import partial

import numpy as np
from skimage.measure import block_reduce

from refcolor.characters import PARTS, draw_palette, draw_shape, render
from refcolor.evaluation.metrics.truth import observed, recolored
from refcolor.io import image
from refcolor.params import SampleParams
from refcolor.sources.drawn import list_drawn

CHARACTERS = list_drawn(SampleParams(shape_seed=1, palette_seed=2, size=256), 6)

redraw = partial(recolored, drawn_at=256, size=64, fit="pad")


def test_recolored_has_the_shape_of_one_and_the_colours_of_the_other() -> None:
    """It is the drawing of shape 3 in palette 5, reduced as the pipeline reduces pictures."""
    truth = redraw(CHARACTERS[3], CHARACTERS[5])
    drawing = render(draw_shape(1, 3), draw_palette(2, 5), size=256)
    np.testing.assert_array_equal(truth.color, image.square(drawing.color, 64))
    unchanged = redraw(CHARACTERS[3], CHARACTERS[3])
    np.testing.assert_array_equal(truth.parts, unchanged.parts)
    np.testing.assert_array_equal(truth.line, unchanged.line)
    assert (truth.color != unchanged.color).mean() > 0.2


def test_parts_are_the_majority_and_lines_a_quarter_of_each_block() -> None:
    """Of 4 x 4 drawn pixels the commonest part wins, and 4 of ink make a line."""
    drawing = render(draw_shape(1, 4), draw_palette(2, 4), size=256)
    truth = redraw(CHARACTERS[4], CHARACTERS[4])
    counts = [block_reduce(drawing.parts == k, (4, 4), np.sum) for k in range(len(PARTS))]
    np.testing.assert_array_equal(truth.parts, np.argmax(counts, axis=0))
    np.testing.assert_array_equal(truth.line, block_reduce(drawing.ink, (4, 4), np.sum) >= 4)
    assert 0.05 < truth.line.mean() < 0.25


def test_observed_finds_background_and_lines() -> None:
    """A red disc with a black ring on pale blue: the ring is line, the blue is background."""
    y, x = np.mgrid[-31.5:32, -31.5:32]
    radius = np.hypot(x, y)
    picture = np.full((64, 64, 3), (200, 220, 255), np.uint8)
    picture[radius < 20] = (220, 30, 40)
    picture[np.abs(radius - 20) < 1] = 0
    truth = observed(picture)
    np.testing.assert_array_equal(truth.parts == PARTS.index("background"), radius >= 21)
    assert truth.line[np.abs(radius - 20) < 1].all()
    assert not truth.line[(radius < 15) | (radius > 26)].any()
    assert truth.color is picture
