"""A picture on a model's grid: not distorted, and every pixel has a cell."""

import numpy as np
import pytest

from refcolor.colorize.placement import place
from refcolor.lines.frames import Window

SIZES = [(600, 400), (31, 97), (1, 500), (64, 64), (7, 3)]


def test_a_tall_picture_by_hand() -> None:
    """600 x 400 at 50 pixels is 50 x 33, on 13 x 9 cells of 4: 52 x 36, padded 1 above and left."""
    placed = place(600, 400, size=50, stride=4)
    assert (placed.inner_height, placed.inner_width) == (50, 33)
    assert (placed.rows, placed.columns) == (13, 9)
    assert (placed.top, placed.left) == (1, 1)
    # x = 399 is scaled to 32.9, and lies 33.9 pixels from the left: column 8.
    assert placed.cell_at(399, 0) == 8
    # y = 40 is scaled to 3.33, and lies 4.33 pixels from the top: row 1.
    assert placed.cell_at(0, 40) == 9


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_no_more_is_padded_than_whole_cells_need(height: int, width: int) -> None:
    """Less than a cell is added to each axis, and a grid is never smaller than its picture."""
    placed = place(height, width, size=64, stride=16)
    for side, inner in zip(placed.shape, (placed.inner_height, placed.inner_width), strict=True):
        assert 0 <= side - inner < 16


def test_fine_cells_on_sides_that_a_deeper_level_divides() -> None:
    """50 x 33 pixels become 64 x 48, multiples of 16, and are 32 x 24 cells of 2."""
    placed = place(600, 400, size=50, stride=2, multiple=16)
    assert placed.shape == (64, 48)
    assert (placed.rows, placed.columns) == (32, 24)
    assert (placed.top, placed.left) == (7, 7)
    # y = 40 is scaled to 3.33, and lies 10.33 pixels from the top: row 5.
    assert placed.cell_at(0, 40) == 5 * 24 + 3


def test_square_grids_stay_square() -> None:
    """A model without attention gets as many rows as columns."""
    placed = place(30, 90, size=64, stride=4, square=True)
    assert (placed.rows, placed.columns) == (16, 16)
    assert (placed.inner_height, placed.inner_width) == (21, 64)
    assert placed.top == 21


@pytest.mark.parametrize(("height", "width"), [(600, 400), (31, 97), (64, 64), (7, 3)])
def test_the_centre_of_a_cell_is_in_that_cell(height: int, width: int) -> None:
    """Cell to pixel to cell is the identity, wherever the centre of the cell is in the picture."""
    placed = place(height, width, size=61, stride=4)
    inside = 0
    for cell in range(placed.rows * placed.columns):
        x, y = placed.center(cell)
        if placed.contains(x, y):
            assert placed.cell_at(x, y) == cell
            inside += 1
    assert inside > 0


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_the_map_of_cells_agrees_with_cell_at(height: int, width: int) -> None:
    """The map of cells has for each pixel the cell that `cell_at` gives for its centre."""
    placed = place(height, width, size=61, stride=4)
    cells = placed.cells()
    assert cells.shape == (height, width)
    for y in range(0, height, 13):
        for x in range(0, width, 13):
            assert cells[y, x] == placed.cell_at(x + 0.5, y + 0.5)


def test_padding_and_cutting_are_inverse() -> None:
    """Cutting gives the padded picture back; the padding has one colour."""
    placed = place(31, 97, size=61, stride=4)
    random = np.random.default_rng(0)
    picture = random.integers(0, 256, (placed.inner_height, placed.inner_width, 3), np.uint8)
    padded = placed.pad(picture, np.array([1, 2, 3], np.uint8))
    assert padded.shape == (*placed.shape, 3)
    assert np.array_equal(placed.crop(padded), picture)
    ground = (padded == [1, 2, 3]).all(axis=2)
    assert ground.sum() == padded[..., 0].size - picture[..., 0].size


def test_a_window_of_a_page_takes_the_whole_grid() -> None:
    """A window of 50 x 40 at (60, 20) of 200 x 100 pixels, at 25 pixels on 28 x 20.

    The grid begins at row 30 - 1 of the page in half its size, and at column 10.
    """
    placed = place(200, 100, size=25, stride=4, window=Window(60, 20, 50, 40))
    assert (placed.inner_height, placed.inner_width, placed.shape) == (100, 50, (28, 20))
    assert (placed.top, placed.left) == (-29, -10)
    page = np.arange(5000).reshape(100, 50).astype(np.uint8)
    grid = placed.pad(page, 0)
    assert np.array_equal(grid, page[29:57, 10:30])
    again = placed.crop(grid)
    assert np.array_equal(again, np.pad(grid, ((29, 43), (10, 20)), mode="edge"))
    # Half a cell, 2 pixels of the grid, are 4 of the page.
    assert placed.center(0) == (24, 62)
    assert placed.cell_at(24, 62) == placed.cell_at(0, 0) == placed.cells()[0, 0] == 0
    assert placed.cell_at(99, 199) == 7 * 5 - 1


@pytest.mark.parametrize(("x", "y"), [(-1, 0), (400, 0), (0, 600), (float("nan"), 0)])
def test_a_position_outside_is_refused(x: float, y: float) -> None:
    """The message has the picture's size."""
    with pytest.raises(ValueError, match="outside of the picture, which is 400 x 600"):
        place(600, 400, size=50, stride=4).cell_at(x, y)
