"""The measure of flats: worked by hand, and on one drawn character."""

import numpy as np
import numpy.typing as npt
import pytest

from benchmarks.flats import GAPS, connected, cut, drawn, perfect, shares
from refcolor.colorize.lab import to_lab
from refcolor.colorize.regions import Regions, find_regions
from refcolor.io.image import Picture


def _regions(labels: npt.NDArray[np.uint16], colors: Picture) -> Regions:
    return Regions(labels, colors, to_lab(colors[None])[0], np.bincount(labels.ravel()))


def test_shares_by_hand() -> None:
    """Part 0 has two colours, 60 and 20 of 80 pixels; 20 pixels of part 1 are in a region of 0."""
    parts = np.repeat(np.array([0, 1], np.uint8), [80, 70])[None]
    labels = np.repeat(np.array([0, 1, 0, 2], np.uint16), [60, 20, 20, 50])[None]
    colors = np.array([[1, 1, 1], [2, 2, 2], [3, 3, 3]], np.uint8)
    color, region, both = shares(_regions(labels, colors), parts, np.ones((1, 150), bool))
    assert color == pytest.approx((60 / 80 + 50 / 70) / 2)
    assert region == pytest.approx(130 / 150)
    assert both == pytest.approx((60 / 80 + 50 / 70) / 2)


def test_one_region_for_everything_is_not_right() -> None:
    """Then each part has one colour, and all parts but the largest are in a foreign region."""
    parts = np.repeat(np.array([0, 1], np.uint8), [80, 70])[None]
    everything = _regions(np.zeros((1, 150), np.uint16), np.zeros((1, 3), np.uint8))
    shared = shares(everything, parts, np.ones((1, 150), bool))
    assert shared == pytest.approx((1, 80 / 150, 1 / 2))


def test_flats_survive_gaps() -> None:
    """With gaps of 3 and 8 pixels flats lose little, where connected regions run out."""
    (character,) = drawn(1, size=256)
    colors = perfect(character, character.ink)
    whole, *leaky = (
        [
            shares(find(colors, cut(character, gap)), character.parts, character.counted)[2]
            for find in (find_regions, connected)
        ]
        for gap in GAPS
    )
    assert whole[0] > 0.6
    for flats, plain in leaky:
        assert flats > whole[0] - 0.1
        assert plain < flats - 0.2
