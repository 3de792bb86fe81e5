"""Colours are counted as people name them."""

import numpy as np
import pytest

from refcolor.io.image import Picture
from refcolor.prepare.palette import HUES, palette

Color = tuple[int, int, int]

RED, ROSE, BLUE = (255, 0, 0), (250, 0, 0), (0, 0, 255)
BLACK, GREY, WHITE = (0, 0, 0), (119, 119, 119), (255, 255, 255)


def pixels(*colors: Color) -> Picture:
    """Give pixels of these colours."""
    return np.array(colors, np.uint8)


@pytest.mark.parametrize(
    ("name", "color"),
    [
        *[("red", RED), ("orange", (255, 128, 0)), ("yellow", (255, 255, 0))],
        *[("lime", (128, 255, 0)), ("green", (0, 255, 0)), ("mint", (0, 255, 128))],
        *[("cyan", (0, 255, 255)), ("sky", (0, 128, 255)), ("blue", BLUE)],
        *[("violet", (128, 0, 255)), ("purple", (255, 0, 255)), ("pink", (255, 0, 128))],
        *[("pink", (255, 0, 66)), ("red", (255, 0, 62)), ("red", (255, 62, 0))],
        *[("orange", (255, 66, 0)), ("orange", (119, 73, 56)), ("blue", (0, 0, 90))],
        *[("grey", BLACK), ("grey", GREY), ("grey", WHITE), ("grey", (250, 248, 244))],
    ],
)
def test_a_hue_has_its_name(name: str, color: Color) -> None:
    """A hue reaches 15 degrees to both sides; brown is orange, and off-white is grey."""
    assert palette(pixels(color)).shares.sum(axis=1)[HUES.index(name)] == 1


@pytest.mark.parametrize(
    ("color", "lightness"), [(BLACK, 0), (RED, 53.24), (BLUE, 32.3), (GREY, 50.03), (WHITE, 100)]
)
def test_lightness_is_that_of_cielab(color: Color, lightness: float) -> None:
    """Lightness has 50 bins of 2 and 10 bins of 10; the last includes 100."""
    colors = palette(pixels(color))
    assert colors.lightness[min(49, int(lightness / 2))] == 1
    assert colors.shares.sum(axis=0)[min(9, int(lightness / 10))] == 1


def test_shares_of_colors_by_hand() -> None:
    """Four reds of two kinds, two blues and two whites are a half and two quarters."""
    colors = palette(pixels(RED, BLUE, ROSE, WHITE, RED, BLUE, WHITE, RED))
    assert colors.shares[HUES.index("red"), 5] == 0.5
    assert colors.shares[HUES.index("blue"), 3] == 0.25
    assert colors.shares[HUES.index("grey"), 9] == 0.25
    assert colors.shares.sum() == colors.lightness.sum() == 1
    # (3 x 255 + 250) / 4
    assert colors.means[HUES.index("red"), 5].tolist() == [254, 0, 0]
    swatches = {tuple(color.tolist()): share for color, share in colors.frequent}
    assert swatches == {(254, 0, 0): 0.5, BLUE: 0.25, WHITE: 0.25}
    assert colors.frequent[0][1] == 0.5


def test_colors_that_look_alike_share_a_swatch() -> None:
    """Two reds on both sides of a bin edge are one swatch, pink is another."""
    colors = palette(pixels((200, 30, 30), (210, 30, 30), (250, 150, 190)))
    assert [round(share, 3) for _, share in colors.frequent] == [0.667, 0.333]


def test_a_palette_needs_pixels() -> None:
    """No pixels raise ValueError."""
    with pytest.raises(ValueError, match="a palette needs at least one pixel, got none"):
        palette(np.empty((0, 3), np.uint8))
