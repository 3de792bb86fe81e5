"""Tone is told from lines and from solid black, and the page is their product."""

import cv2
import numpy as np
import pytest

from refcolor.errors import PictureError
from refcolor.io.image import Picture
from refcolor.lines.drawing import read_drawing
from refcolor.lines.tone import is_even, separate_tone

INSIDE = np.s_[103:297, 103:297]  # of the square that `page` fills


def page(tone: Picture) -> Picture:
    """Ink of a square with tone, with a line across it, and of a black bar beside it."""
    ink = np.zeros((400, 500), np.uint8)
    ink[INSIDE] = tone
    cv2.rectangle(ink, (100, 100), (299, 299), 255, 3)
    cv2.line(ink, (100, 250), (299, 180), 255, 3, cv2.LINE_AA)
    ink[100:300, 340:400] = 255
    return ink


def dots(pitch: int, radius: float) -> Picture:
    """A screentone for `INSIDE`."""
    y, x = np.mgrid[:194, :194] % pitch - pitch // 2
    return np.where(x**2 + y**2 <= radius**2, 255, 0).astype(np.uint8)


@pytest.mark.parametrize(
    "tone", [np.full((194, 194), 30, np.uint8), np.full((194, 194), 160, np.uint8), dots(8, 1.5)]
)
def test_tone_is_taken_off_the_lines(tone: Picture) -> None:
    """The lines are those of the page without tone, but where tone touches them; black stays."""
    ink = page(tone)
    lines, shadow = separate_tone(ink)
    alone = page(np.zeros((194, 194), np.uint8))
    assert np.mean(np.abs(lines.astype(int) - alone) > 40) < 0.01
    assert (lines[alone == 255] == 255).mean() > 0.99
    assert (lines[100:300, 340:400] == 255).all()
    assert not shadow[:, 320:].any()
    assert shadow[INSIDE].mean() > 0.8 * tone.mean()
    left = (255 - lines.astype(float)) * (255 - shadow.astype(float)) / 255
    assert np.abs(left - (255 - ink.astype(float))).max() <= 1


def test_a_page_under_dots_that_touch_is_refused() -> None:
    """On such dark tone the paper between the dots would pass for a drawing in light lines."""
    ink = np.tile(dots(6, 3), (3, 3))
    ink[:400, :500] |= page(np.zeros((194, 194), np.uint8))
    with pytest.raises(PictureError, match="lies under a dark screentone whose dots touch"):
        read_drawing(255 - ink)


@pytest.mark.parametrize("tone", [np.zeros((194, 194), np.uint8), dots(40, 1.5), dots(16, 5)])
def test_few_and_large_marks_are_lines(tone: Picture) -> None:
    """Freckles and buttons stay in the drawing."""
    ink = page(tone)
    lines, shadow = separate_tone(ink)
    assert not shadow.any()
    assert np.array_equal(lines, ink)


def test_areas_in_the_ink_of_grey_lines_are_not_tone() -> None:
    """A drawing in grey ink has solid areas of that grey."""
    ink = page(np.zeros((194, 194), np.uint8)) // 255 * np.uint8(160)
    lines, shadow = separate_tone(ink)
    assert not shadow.any()
    assert np.array_equal(lines, ink)


def test_a_shaded_drawing_is_read_with_its_tone() -> None:
    """Grey of 225 on a tenth of the page is not refused; a plain drawing has no tone."""
    ink = page(np.full((194, 194), 30, np.uint8))
    drawing = read_drawing(255 - ink)
    assert drawing.tone is not None
    assert drawing.tone[150, 150] == 30
    assert drawing.ink[120, 150] == 0
    assert read_drawing(255 - page(np.zeros((194, 194), np.uint8))).tone is None


def test_even_tone_may_cover_most_of_a_page_and_uneven_may_not() -> None:
    """Two greys on 60 % of a page are a drawing; a shadow that grows over the page is a photo's."""
    ink = np.zeros((400, 500), np.uint8)
    ink[:300, :200], ink[100:, 200:400] = 30, 90
    uneven = np.tile(np.linspace(0, 120, 500).astype(np.uint8), (400, 1))
    for page in (ink, uneven):
        cv2.circle(page, (250, 200), 150, 255, 3)
    drawing = read_drawing(255 - ink)
    assert drawing.tone is not None
    assert is_even(drawing.tone)
    with pytest.raises(PictureError, match="shaded, filled or photographed"):
        read_drawing(255 - uneven)
