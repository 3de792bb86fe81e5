"""Where a picture of any size lies on a model's grid: scaled, never squashed, then padded."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from refcolor.io.image import Picture, scaled_size


@dataclass(frozen=True)
class Placement:
    """A picture of height x width pixels on a grid of rows x columns cells of stride x stride.

    It is scaled to inner_height x inner_width and lies in the middle of the grid.
    Places in the picture are (x, y) in its own pixels: x to the right, y down, 0 at the edge.
    """

    height: int
    width: int
    inner_height: int
    inner_width: int
    rows: int
    columns: int
    stride: int

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the grid in pixels of the model."""
        return self.rows * self.stride, self.columns * self.stride

    @property
    def count(self) -> int:
        """Number of cells of the grid."""
        return self.rows * self.columns

    @property
    def top(self) -> int:
        """Rows of padding above the picture."""
        return (self.shape[0] - self.inner_height) // 2

    @property
    def left(self) -> int:
        """Columns of padding before the picture."""
        return (self.shape[1] - self.inner_width) // 2

    def holds(self, x: float, y: float) -> bool:
        """Whether a place lies in the picture."""
        return 0 <= x < self.width and 0 <= y < self.height

    def cell_at(self, x: float, y: float) -> int:
        """Give the cell that shows a place of the picture; cells are numbered row by row.

        Raises ValueError for a place outside of the picture.
        """
        if not self.holds(x, y):
            raise ValueError(
                f"{x:g},{y:g} lies outside of the picture, which is {self.width} x {self.height}"
            )
        row = int((self.top + y * self.inner_height / self.height) // self.stride)
        column = int((self.left + x * self.inner_width / self.width) // self.stride)
        return min(row, self.rows - 1) * self.columns + min(column, self.columns - 1)

    def middle(self, cell: int) -> tuple[float, float]:
        """Give the place in the picture that the middle of a cell shows.

        Padding shows no place: the middle of a cell at the edge may lie just outside.
        """
        row, column = divmod(cell, self.columns)
        return (
            ((column + 0.5) * self.stride - self.left) * self.width / self.inner_width,
            ((row + 0.5) * self.stride - self.top) * self.height / self.inner_height,
        )

    def cells(self) -> npt.NDArray[np.intp]:
        """Give the cell of every pixel of the picture, by its middle: (height, width)."""
        rows = (self.top + (np.arange(self.height) + 0.5) * self.inner_height / self.height) // (
            self.stride
        )
        columns = (self.left + (np.arange(self.width) + 0.5) * self.inner_width / self.width) // (
            self.stride
        )
        return (rows[:, None] * self.columns + columns).astype(np.intp)

    def pad(self, picture: Picture, color: Picture | int) -> Picture:
        """Put a picture that is scaled already on the grid, on a ground of one colour.

        picture: (inner_height, inner_width) or (inner_height, inner_width, 3) uint8.
        """
        if picture.shape[:2] == self.shape:
            return picture
        padded = np.empty((*self.shape, *picture.shape[2:]), np.uint8)
        padded[:] = color
        self.inside(padded)[:] = picture
        return padded

    def inside(self, grid: Picture) -> Picture:
        """Cut the picture out of its grid again: a view."""
        rows = slice(self.top, self.top + self.inner_height)
        return grid[rows, self.left : self.left + self.inner_width]


def place(height: int, width: int, *, size: int, stride: int, square: bool = False) -> Placement:
    """Scale a picture so that its longer side is `size` pixels, and pad it to whole cells.

    square: pad it to a square, as a model without attention needs it.
    """
    inner_height, inner_width = scaled_size((height, width), size)
    rows, columns = (-(-inner // stride) for inner in (inner_height, inner_width))
    if square:
        rows = columns = max(rows, columns)
    return Placement(height, width, inner_height, inner_width, rows, columns, stride)
