"""The measure of `--sheet`, worked by hand, and the characters that it is measured on."""

import numpy as np
import pytest

from benchmarks.sheet import drawn, measure, spread
from refcolor.evaluation.metrics.color import difference


def test_the_spread_of_two_colors_is_half_of_their_difference() -> None:
    """Of equal colours it is 0; between greys CIEDE2000 is nearly even."""
    dark, light = np.array([50.0, 0, 0]), np.array([52.0, 0, 0])
    assert spread([dark, dark]) == 0
    assert spread([dark, light]) == pytest.approx(float(difference(dark, light)) / 2, rel=0.02)


def test_two_drawings_of_a_character_have_the_same_colors() -> None:
    """The lines differ; the true colours have no error, and the skin of both is one colour."""
    (first, second), sheet = drawn(0, 2, outfits=False)
    assert len(sheet) == 3
    assert (first.ink != second.ink).any()
    skins = [measure(drawing.color, drawing)["skin"] for drawing in (first, second)]
    assert [skin.error for skin in skins] == [0, 0]
    assert np.allclose(skins[0].main, skins[1].main)
