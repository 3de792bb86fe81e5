"""CIEDE2000 and its mask agree with the published test data and with cases worked by hand."""

import math

import numpy as np
import pytest

from refcolor.evaluation.metrics.baselines import grey, mean_color, moved
from refcolor.evaluation.metrics.color import delta_e, difference, lab, scored

# Sharma, Wu, Dalal (2005), table 1: pairs 1, 2, 3, 7, 17 and 25.
SHARMA = [
    ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
    ((50.0, 3.1571, -77.2803), (50.0, 0.0, -82.7485), 2.8615),
    ((50.0, 2.8361, -74.0200), (50.0, 0.0, -82.7485), 3.4412),
    ((50.0, 0.0, 0.0), (50.0, -1.0, 2.0), 2.3669),
    ((50.0, 2.5, 0.0), (73.0, 25.0, -18.0), 27.1492),
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
]


@pytest.mark.parametrize("color, other_color, expected", SHARMA)
@pytest.mark.parametrize("precision", [np.float32, np.float64])
def test_difference_gives_the_published_values(
    color: tuple[float, ...], other_color: tuple[float, ...], expected: float, precision: type
) -> None:
    """CIEDE2000 equals the test data of its authors, in both precisions and both orders."""
    first, second = np.array([color], precision), np.array([other_color], precision)
    assert difference(first, second)[0] == pytest.approx(expected, abs=1e-4)
    assert difference(second, first)[0] == pytest.approx(expected, abs=1e-4)


def test_lab_of_pure_red() -> None:
    """Red of sRGB is Lab (53.24, 80.09, 67.20), white is (100, 0, 0)."""
    red_and_white = np.array([[[255, 0, 0], [255, 255, 255]]], np.uint8)
    expected = [[[53.24, 80.09, 67.20], [100, 0, 0]]]
    np.testing.assert_allclose(lab(red_and_white), expected, atol=0.02)


def test_single_precision_is_enough() -> None:
    """The mean difference of two noisy pictures in float32 is that of float64 to 1e-4."""
    drawn = np.random.default_rng(0).integers(0, 256, (2, 31, 37, 3)).astype(np.uint8)
    converted = lab(drawn)
    exact = converted.astype(np.float64)
    assert converted.dtype == np.float32
    assert difference(*converted).mean(dtype=float) == pytest.approx(
        difference(*exact).mean(), abs=1e-4
    )


def test_scored_leaves_out_lines_and_white() -> None:
    """A line pixel and a pixel with all channels from 250 are left out; 249 in one is scored."""
    truth = np.array([[[250, 250, 250], [255, 249, 255], [10, 20, 30], [10, 20, 30]]], np.uint8)
    line = np.array([[False, False, False, True]])
    np.testing.assert_array_equal(scored(truth, line), [[False, True, True, False]])


def test_delta_e_averages_only_over_scored_pixels() -> None:
    """One scored pixel off by a known amount gives that amount, whatever the others are."""
    truth = np.full((2, 3, 3), 255, np.uint8)
    truth[0, 0], truth[1, 2] = (255, 0, 0), (0, 0, 0)
    picture = np.zeros((2, 3, 3), np.uint8)
    picture[0, 0] = (0, 0, 255)
    line = np.zeros((2, 3), bool)
    line[1, 2] = True
    # Red against blue is 52.88, a value that every published calculator gives.
    assert delta_e(picture, truth, line=line) == pytest.approx(52.88, abs=0.01)


def test_delta_e_without_a_scored_pixel_is_nan() -> None:
    """A target without any coloured pixel has no colour difference, not a difference of 0."""
    white = np.full((5, 7, 3), 255, np.uint8)
    assert math.isnan(delta_e(white, white, line=np.zeros((5, 7), bool)))


def test_grey_has_equal_channels_and_keeps_light() -> None:
    """Pure red, green and blue become their Rec. 601 weights."""
    primaries = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)
    np.testing.assert_array_equal(grey(primaries), [[[76] * 3, [150] * 3, [29] * 3]])


def test_mean_color_is_rounded() -> None:
    """The mean of 10 and 13 is 11.5, rounded to even: 12, at every pixel."""
    reference = np.array([[[10, 0, 255], [13, 0, 255]]], np.uint8)
    np.testing.assert_array_equal(mean_color(reference), [[[12, 0, 255], [12, 0, 255]]])


def test_moved_mirrors_and_shifts_by_a_sixth() -> None:
    """Of 17 columns all come back mirrored, two to the right, the new edge repeated."""
    columns = np.arange(17, dtype=np.uint8)
    expected = [16, 16, *range(16, 1, -1)]
    np.testing.assert_array_equal(moved(np.stack([columns, columns])), [expected, expected])
    picture = np.random.default_rng(1).integers(0, 256, (5, 13, 3)).astype(np.uint8)
    np.testing.assert_array_equal(moved(picture)[..., 1], moved(picture[..., 1]))
