"""The colour and noise of paper, and flattening of photographed pages."""

import cv2
import numpy as np
import pytest

from refcolor.lines import paper
from refcolor.lines.paper import flatten_page, paper_color, paper_noise

YELLOW = (244, 232, 200)


def strokes(height: int = 397, width: int = 311) -> np.ndarray:
    """Ink in [0, 1]: a curl, a box and a cross, some pixels wide."""
    ink = np.zeros((height, width), np.uint8)
    cv2.ellipse(ink, (150, 130), (90, 60), 20, 0, 320, 255, 3, cv2.LINE_AA)
    cv2.rectangle(ink, (60, 240), (230, 350), 255, 2)
    cv2.line(ink, (70, 250), (220, 340), 255, 1, cv2.LINE_AA)
    return ink / np.float32(255)


def page(*, color: tuple[float, float, float] = (20, 20, 25), strength: float = 1) -> np.ndarray:
    """The strokes on yellow paper with grain, lit from the left, a soft shadow at the right."""
    ink = strength * strokes()[..., None]
    height, width = ink.shape[:2]
    drawn = (1 - ink) * YELLOW + ink * color
    light = np.linspace(1, 0.6, width)[None, :, None] * np.ones((height, 1, 1))
    light[:, 250:] *= 0.75
    light = cv2.GaussianBlur(light, (0, 0), 12)[..., None]
    grain = np.random.default_rng(0).normal(0, 3, (height, width, 1))
    return np.clip(drawn * light + grain, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("color", [(255, 255, 255), (7, 8, 255), (128, 127, 0)])
def test_paper_of_one_colour_is_known_exactly(color: tuple[int, int, int]) -> None:
    """The most frequent colour is exact next to another of a third, and has no noise."""
    picture = np.full((50, 61, 3), color, np.uint8)
    picture[:, :20] = 60
    assert tuple(paper_color(picture)) == color
    assert paper_noise(picture, paper_color(picture)).tolist() == [0, 0, 0]


def test_paper_is_known_under_noise() -> None:
    """Normal noise of 3 levels moves the colour by one at most; three deviations are 9 levels."""
    noise = np.random.default_rng(0).normal(0, 3, (300, 300, 3))
    picture = np.rint(noise + np.array([200, 191, 160])).astype(np.uint8)
    color = paper_color(picture)
    assert np.abs(color.astype(int) - (200, 191, 160)).max() <= 1
    np.testing.assert_allclose(paper_noise(picture, color), 9, atol=1)


def test_a_page_becomes_white_with_black_lines() -> None:
    """Light, shadow, tint and grain are removed, and all lines stay."""
    flat, ink = flatten_page(page()), strokes()
    assert flat.shape == (397, 311, 3)
    assert np.mean(flat[ink == 0] == 255) > 0.99
    assert np.mean(flat[ink > 0.9] < 100) > 0.99
    assert (np.ptp(flat.astype(int), axis=2) == 0).all()


def test_pencil_reaches_black() -> None:
    """Strokes at two fifths of full strength become as dark as ink."""
    flat, ink = flatten_page(page(strength=0.4)), strokes()
    assert np.mean(flat[ink > 0.9] < 100) > 0.97
    assert np.mean(flat[ink == 0] == 255) > 0.99


def test_coloured_lines_keep_their_colour() -> None:
    """Blue pencil on yellow paper under yellow light is blue on white."""
    flat, ink = flatten_page(page(color=(40, 60, 200))), strokes()
    red, _, blue = flat[ink > 0.9].mean(axis=0)
    assert blue > red + 60


def test_black_stays_black() -> None:
    """A pixel that is pure black on the page is pure black on the flat page."""
    picture = page()
    picture[strokes() > 0.9] = 0
    assert (flatten_page(picture)[strokes() > 0.9] == 0).all()


def test_areas_of_solid_black_stay() -> None:
    """Hair filled with ink is darker than any shadow and stays ink."""
    picture = page()
    picture[20:120, 180:300] //= 8
    assert (flatten_page(picture)[20:120, 180:300] < 128).all()


def test_specks_of_dust_go() -> None:
    """A dark pixel without a stroke is paper."""
    picture = page()
    picture[380, 20:22] = 30
    assert (flatten_page(picture)[375:385, 15:27] == 255).all()


def test_an_empty_page_stays_empty() -> None:
    """Grain alone is not stretched into lines."""
    assert np.mean(flatten_page(page(strength=0)) == 255) > 0.999


def test_strips_leave_no_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of rows in a strip does not change the page."""
    whole = flatten_page(page())
    monkeypatch.setattr(paper, "_STRIP", 7)
    np.testing.assert_array_equal(flatten_page(page()), whole)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 200, 3), (300, 2, 3)])
def test_any_shape_is_flattened(shape: tuple[int, int, int]) -> None:
    """Pages of one pixel width or height are flattened."""
    assert (flatten_page(np.full(shape, 180, np.uint8)) == 255).all()
