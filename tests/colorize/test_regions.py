"""Regions: what lines and the model's colours divide, and the one colour of each."""

import cv2
import numpy as np
import pytest

from refcolor.colorize.regions import Regions, _grow, find_regions
from refcolor.io.image import Picture

RED, BLUE, GREEN = (200, 40, 40), (40, 60, 200), (60, 170, 60)


def page(height: int, width: int) -> Picture:
    """Bare paper."""
    return np.zeros((height, width), np.uint8)


def halves(left: tuple[int, int, int], right: tuple[int, int, int], side: int = 32) -> Picture:
    """A model's picture of two halves."""
    picture = np.empty((side, side, 3), np.uint8)
    picture[:, : side // 2], picture[:, side // 2 :] = left, right
    return picture


def two_rooms(gap: int, *, side: int = 256) -> Picture:
    """A frame, and a line of 4 pixels down the middle with a gap in it."""
    ink = page(side, side)
    ink[:4], ink[-4:], ink[:, :4], ink[:, -4:] = 255, 255, 255, 255
    ink[:, side // 2 - 2 : side // 2 + 2] = 255
    ink[100 : 100 + gap, side // 2 - 2 : side // 2 + 2] = 0
    return ink


def color_at(regions: Regions, y: int, x: int) -> tuple[int, ...]:
    """The flat colour of a pixel."""
    return tuple(regions.colors[regions.labels[y, x]].tolist())


@pytest.mark.parametrize("gap", [0, 3, 8])
def test_lines_with_gaps_divide(gap: int) -> None:
    """Two rooms have two regions, divided in the middle of the line between them."""
    regions = find_regions(halves(RED, BLUE), two_rooms(gap))
    assert regions.labels.max() == 1
    assert (regions.labels[:96, :128] == regions.labels[50, 50]).all()
    assert (regions.labels[:96, 128:] == regions.labels[50, 200]).all()
    assert (color_at(regions, 50, 50), color_at(regions, 50, 200)) == (RED, BLUE)


def test_a_gap_between_equal_colors_joins() -> None:
    """Where the model sees one colour on both sides of a gap there is one region."""
    assert find_regions(halves(RED, RED), two_rooms(8)).labels.max() == 0


def test_the_edge_of_a_region_has_no_vote() -> None:
    """Two of the model's cells beside the line that are wrong do not change the colours."""
    colors = halves(RED, BLUE)
    colors[:, 14:18] = GREEN
    regions = find_regions(colors, two_rooms(0))
    assert (color_at(regions, 50, 120), color_at(regions, 50, 136)) == (RED, BLUE)


def test_an_open_outline_is_divided_by_color() -> None:
    """A shape whose outline is open at the bottom is a region of its own if the model sees it."""
    ink = page(256, 256)
    ink[60:, 60:64] = ink[60:, 192:196] = ink[60:64, 60:196] = 255
    ink[236:, 60:196] = 0
    colors = np.full((32, 32, 3), RED, np.uint8)
    colors[8:, 8:24] = BLUE
    regions = find_regions(colors, ink)
    assert (color_at(regions, 150, 128), color_at(regions, 30, 128)) == (BLUE, RED)


def test_a_diagonal_line_of_one_pixel_divides() -> None:
    """Pixels that touch at their corners are a line: the strip between two of them is a region."""
    ink = page(256, 256)
    np.fill_diagonal(ink, 255)
    np.fill_diagonal(ink[:, 3:], 255)
    labels = find_regions(halves(RED, RED), ink).labels
    rows = np.arange(10, 240)
    strip = {int(label) for label in np.unique(labels[rows, rows + 1])}
    sides = {int(label) for side in (-5, 9) for label in np.unique(labels[rows, rows + side])}
    assert not strip & sides


def test_regions_of_similar_colors_share_one() -> None:
    """Closed rooms whose colours differ by less than the tolerance have the same colour."""
    light = (212, 46, 46)  # 4.3 CIELAB units from RED
    near = find_regions(halves(RED, light), two_rooms(0))
    assert near.labels.max() == 1
    assert np.array_equal(near.colors[0], near.colors[1])
    far = find_regions(halves(RED, light), two_rooms(0), tolerance=3)
    assert not np.array_equal(far.colors[0], far.colors[1])


@pytest.mark.parametrize("color", [(250, 252, 255), (255, 240, 230)])
def test_paper_is_shared_with_no_other_color(color: tuple[int, int, int]) -> None:
    """Almost white is paper; a pale skin, 10 units from it, is not, in a page of white."""
    paper = np.full(3, 255, np.uint8)
    regions = find_regions(halves((255, 255, 255), color), two_rooms(0), paper=paper)
    assert color_at(regions, 50, 50) == (255, 255, 255)
    assert color_at(regions, 50, 200) == ((255, 255, 255) if color[0] == 250 else color)


def test_a_speck_joins_its_neighbor() -> None:
    """An enclosed dot of paper below a ten-thousandth of the page is not a region."""
    ink = page(256, 256)
    ink[100:106, 100:106] = 255
    ink[102:104, 102:104] = 0
    assert find_regions(halves(RED, RED), ink).labels.max() == 0


def test_hatching_keeps_its_color() -> None:
    """Cells of 4 pixels that fill half of the page keep the colour that is there."""
    side = 512
    ink = page(side, side)
    ink[:, : side // 2] = (np.indices((side, side // 2)) % 6 < 2).any(axis=0) * 255
    ink[:, side // 2] = 255
    regions = find_regions(halves(RED, BLUE), ink)
    colors = regions.colors[regions.labels]
    assert (colors[:, : side // 2 - 8] == RED).all()
    assert (colors[:, side // 2 + 8 :] == BLUE).all()


def test_spots_are_never_in_one_region() -> None:
    """Two points get a region each, however similar the colours are; the rest joins them."""
    regions = find_regions(halves(RED, RED), two_rooms(8), spots=[(50.5, 50), (200, 50)])
    assert sorted(regions.spots) == [0, 1]
    assert [int(regions.labels[50, x]) for x in (50, 200)] == list(regions.spots)


def test_a_speck_with_a_spot_is_a_region() -> None:
    """A person may choose the colour of a dot."""
    ink = page(256, 256)
    ink[100:106, 100:106] = 255
    ink[102:104, 102:104] = 0
    regions = find_regions(halves(RED, RED), ink, spots=[(102, 102)])
    assert regions.labels.max() == 1
    assert regions.labels[102, 102] == regions.spots[0] != regions.labels[50, 50]


def test_a_large_drawing_is_divided_at_its_own_lines() -> None:
    """Basins are found at 1024 pixels; the borders lie in the lines of a larger drawing."""
    side = 2500
    ink = page(side, side)
    y, x = np.mgrid[:side, :side]
    distance = np.hypot(y - 1200.3, x - 1300.6)
    ink[np.abs(distance - 700) < 2] = 255  # a circle, 4 pixels wide
    colors = np.full((64, 64, 3), RED, np.uint8)
    colors[np.hypot(*(np.mgrid[:64, :64] + 0.5 - np.array([[[30.7]], [[33.3]]]))) < 18] = BLUE
    regions = find_regions(colors, ink)
    inside = regions.labels == regions.labels[1200, 1300]
    assert inside[distance < 698].all()
    assert not inside[distance > 702].any()


@pytest.mark.parametrize("level", [0, 255])
def test_a_page_without_lines_or_paper_is_a_region(level: int) -> None:
    """Bare paper, and a page of nothing but ink, have the model's colour."""
    regions = find_regions(halves(RED, RED), np.full((40, 29), level, np.uint8))
    assert regions.labels.max() == 0
    assert color_at(regions, 5, 5) == RED


@pytest.mark.parametrize("dtype", [np.float32, np.uint16])
@pytest.mark.parametrize("steps", [1, 3, None])
def test_labels_grow_as_by_repeated_dilation(dtype: type, steps: int | None) -> None:
    """Each step is a dilation by a cross into free pixels without a label, also at the borders."""
    random = np.random.default_rng(0)
    for density in (0.01, 0.3):
        free = random.random((31, 37)) < 0.7
        labels = (random.integers(1, 9, free.shape) * (random.random(free.shape) < density)).astype(
            dtype
        )
        expected = labels.copy()
        for _ in range(free.size if steps is None else steps):
            grown = cv2.dilate(expected, cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)))
            expected = np.where(free & (expected == 0), grown, expected)
        _grow(labels, free, steps=steps)
        np.testing.assert_array_equal(labels, expected)
