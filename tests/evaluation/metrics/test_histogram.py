"""The distance of two pictures' colours, against SciPy and against known shifts."""

import itertools
import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance

from refcolor.evaluation.metrics.color import lab
from refcolor.evaluation.metrics.histogram import color_histogram, histogram_distance

Picture = NDArray[np.uint8]


def _distance(first: Picture, second: Picture, line: NDArray[np.bool_] | None = None) -> float:
    lines = [np.zeros(p.shape[:2], bool) if line is None else line for p in (first, second)]
    histograms = [color_histogram(p, line=li) for p, li in zip((first, second), lines, strict=True)]
    return histogram_distance(*histograms)


def _flat(*colors: tuple[int, int, int], height: int = 7, width: int = 11) -> Picture:
    """Make a picture of equal stripes."""
    rows = np.repeat(np.uint8(colors), height, axis=0)
    return np.repeat(rows[:, None], width, axis=1)


def test_the_distance_does_not_depend_on_positions() -> None:
    """A picture and the same pixels in another order are at distance 0."""
    random = np.random.default_rng(0)
    picture = random.integers(0, 240, (13, 17, 3), np.uint8)
    shuffled = random.permutation(picture.reshape(-1, 3)).reshape(picture.shape)
    assert _distance(picture, shuffled) == 0


@pytest.mark.parametrize(
    "first, second", [((200, 30, 40), (40, 60, 200)), ((90, 90, 90), (160, 160, 160))]
)
def test_the_distance_of_flat_pictures_is_that_of_their_colours(
    first: tuple[int, int, int], second: tuple[int, int, int]
) -> None:
    """Two flat pictures are as far apart as their colours are in Lab, to 4 % and a bin."""
    shift = float(np.linalg.norm(lab(_flat(first))[0, 0] - lab(_flat(second))[0, 0]))
    assert shift > 20
    assert _distance(_flat(first), _flat(second)) == pytest.approx(shift, rel=0.04, abs=0.5)


def test_moving_half_the_pixels_costs_half() -> None:
    """Moving half of a picture to another colour costs half of moving all of it."""
    red, blue = (200, 30, 40), (40, 60, 200)
    whole = _distance(_flat(red), _flat(blue))
    assert _distance(_flat(red, red), _flat(red, blue)) == pytest.approx(whole / 2)


def test_it_is_scipys_earth_movers_distance_along_the_directions() -> None:
    """On noise it equals twice the mean of SciPy's distances along directions over a half sphere.

    A fine even grid of directions stands for all of them, so that ours are not used twice.
    """
    random = np.random.default_rng(1)
    first = random.integers(0, 180, (19, 23, 3), np.uint8)
    second = random.integers(60, 240, (23, 19, 3), np.uint8)
    heights = (np.arange(30) + 0.5) / 30
    turns = np.arange(60) * 2 * np.pi / 60
    directions = [
        (z, np.sqrt(1 - z * z) * np.cos(t), np.sqrt(1 - z * z) * np.sin(t))
        for z, t in itertools.product(heights, turns)
    ]
    pixels = [lab(p).reshape(-1, 3) for p in (first, second)]
    expected = 2 * np.mean(
        [wasserstein_distance(*(p @ np.array(d) for p in pixels)) for d in directions]
    )
    assert expected > 10
    assert _distance(first, second) == pytest.approx(expected, rel=0.04)


def test_lines_and_white_are_left_out() -> None:
    """Black lines and a white background do not change the histogram of a red picture."""
    drawn = _flat((200, 30, 40), (255, 255, 255), (0, 0, 0))
    line = np.zeros(drawn.shape[:2], bool)
    line[14:] = True
    histogram = color_histogram(drawn, line=line)
    plain = _flat((200, 30, 40))
    assert histogram_distance(histogram, color_histogram(plain, line=np.zeros((7, 11), bool))) == 0


def test_an_uncoloured_picture_counts_as_white() -> None:
    """White paper is as far from red as white is: leaving everything white is penalised."""
    white, red = _flat((255, 255, 255)), _flat((200, 30, 40))
    shift = float(np.linalg.norm(lab(white)[0, 0] - lab(red)[0, 0]))
    assert _distance(white, red) == pytest.approx(shift, rel=0.04, abs=0.5)


def test_a_picture_of_lines_only_is_nan() -> None:
    """Where every pixel is line the distance is NaN, not 0."""
    picture = _flat((200, 30, 40))
    assert math.isnan(_distance(picture, picture, np.ones((7, 11), bool)))


def test_every_colour_of_srgb_has_a_bin() -> None:
    """The corners of the RGB cube, the most distant colours, all fall into bins."""
    for corner in itertools.product((0, 255), repeat=3):
        histogram = color_histogram(_flat(corner), line=np.zeros((7, 11), bool))
        assert histogram[:, -1] == pytest.approx(1)
        assert not histogram[:, 0].any()
