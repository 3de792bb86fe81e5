"""Speech bubbles are told from faces, empty shapes and hatching."""

import cv2
import numpy as np
import pytest

from refcolor.characters import draw_palette, draw_shape, render
from refcolor.io.image import Picture
from refcolor.lines.bubbles import find_bubbles


def bubble(page: Picture, x: int, y: int, text: str = "HELLO THERE") -> None:
    """Draw an ellipse of 240 x 140 pixels with lettering in up to two lines, in place."""
    cv2.ellipse(page, (x, y), (120, 70), 0, 0, 360, 255, 3)
    lines = text.split()
    for line, up in zip(lines, (-10, 25) if len(lines) > 1 else (10,), strict=False):
        letter(page, x, y + up, line)


def letter(page: Picture, x: int, y: int, text: str) -> None:
    """Write a line around x, standing on y, in place."""
    (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 1, 2)
    cv2.putText(page, text, (x - width // 2, y), cv2.FONT_HERSHEY_SIMPLEX, 1, 255, 2)


@pytest.mark.parametrize("scale", [1, 2])
def test_a_bubble_is_found_with_its_lettering(scale: int) -> None:
    """The mask is the inside of the ellipse, and nothing of the page beside it."""
    page = np.zeros((700, 900), np.uint8)
    bubble(page, 400, 300)
    cv2.rectangle(page, (600, 400), (800, 600), 255, 3)
    found = find_bubbles(np.repeat(np.repeat(page, scale, axis=0), scale, axis=1))
    inside = np.zeros(found.shape, np.uint8)
    ratio = found.shape[1] / 900
    center, axes = (round(400 * ratio), round(300 * ratio)), (round(120 * ratio), round(70 * ratio))
    cv2.ellipse(inside, center, axes, 0, 0, 360, 255, cv2.FILLED)
    assert np.mean(found != inside) < 0.003
    assert found[inside > 0].mean() > 0.9 * 255


def test_a_caption_in_a_corner_of_a_panel_is_a_bubble() -> None:
    """A box that shares its lines with the panel is closed, and has lettering."""
    page = np.zeros((700, 900), np.uint8)
    cv2.rectangle(page, (20, 20), (880, 680), 255, 4)
    cv2.rectangle(page, (20, 20), (400, 120), 255, 4)
    cv2.putText(page, "MEANWHILE", (50, 80), cv2.FONT_HERSHEY_SIMPLEX, 1.5, 255, 3)
    found = find_bubbles(page)
    assert (found[30:110, 30:390] == 255).all()
    assert not found[130:].any()


@pytest.mark.parametrize("index", range(12))
def test_a_face_is_not_a_bubble(index: int) -> None:
    """Eyes, nose and mouth in the outline of a head are not lettering."""
    drawn = render(draw_shape(3, index), draw_palette(3, 0), size=512)
    assert not find_bubbles(np.where(drawn.ink, 255, 0).astype(np.uint8)).any()


@pytest.mark.parametrize("text", ["NO!", "Wait", "STOP!"])
def test_a_word_is_lettering(text: str) -> None:
    """Three letters and more in the middle are enough if they are all there is."""
    page = np.zeros((700, 900), np.uint8)
    bubble(page, 400, 300, text)
    assert find_bubbles(page)[300, 400] == 255


@pytest.mark.parametrize("text", ["", "A", "AB", "ABC DEFG"])
def test_a_shape_without_lettering_is_not_a_bubble(text: str) -> None:
    """Fewer than eight marks are not lettering, except for a word."""
    page = np.zeros((700, 900), np.uint8)
    bubble(page, 400, 300, text)
    assert not find_bubbles(page).any()


@pytest.mark.parametrize(
    ("x", "y", "text"),
    [(400, 310, "|||||"), (400, 310, "A    B    C"), (360, 310, "ABC"), (400, 340, "ABC")],
    ids=["hatching", "apart", "left", "low"],
)
def test_a_few_marks_that_are_not_a_word_are_not_lettering(x: int, y: int, text: str) -> None:
    """Strokes, letters far from each other, and a word that is not in the middle."""
    page = np.zeros((700, 900), np.uint8)
    bubble(page, 400, 300, "")
    letter(page, x, y, text)
    assert not find_bubbles(page).any()


def test_lettering_on_the_page_is_not_a_bubble() -> None:
    """Without a closed line around it, lettering changes nothing."""
    page = np.zeros((700, 900), np.uint8)
    cv2.putText(page, "MEANWHILE", (50, 80), cv2.FONT_HERSHEY_SIMPLEX, 1.5, 255, 3)
    assert not find_bubbles(page).any()
