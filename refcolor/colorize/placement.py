"""The placement of a picture of any size on a model's grid: scaled in proportion, then padded."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from refcolor.io.image import Picture, scaled_size


@dataclass(frozen=True)
class Placement:
    """A picture of height x width pixels on a grid of rows x columns cells of stride x stride.

    The picture is scaled to inner_height x inner_width and centred on the grid.
    Points of the picture are (x, y) in its own pixels: x to the right, y down, 0 at the edge.
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

    def contains(self, x: float, y: float) -> bool:
        """Whether a point lies in the picture."""
        return 0 <= x < self.width and 0 <= y < self.height

    def cell_at(self, x: float, y: float) -> int:
        """Return the index of the cell at a point; cells are numbered row by row.

        Raises ValueError for a point outside of the picture.
        """
        if not self.contains(x, y):
            raise ValueError(
                f"{x:g},{y:g} lies outside of the picture, which is {self.width} x {self.height}"
            )
        row = int((self.top + y * self.inner_height / self.height) // self.stride)
        column = int((self.left + x * self.inner_width / self.width) // self.stride)
        return min(row, self.rows - 1) * self.columns + min(column, self.columns - 1)

    def center(self, cell: int) -> tuple[float, float]:
        """Return the point of the picture at the centre of a cell.

        The centre of a cell that is partly padding may lie outside of the picture.
        """
        row, column = divmod(cell, self.columns)
        return (
            ((column + 0.5) * self.stride - self.left) * self.width / self.inner_width,
            ((row + 0.5) * self.stride - self.top) * self.height / self.inner_height,
        )

    def cells(self) -> npt.NDArray[np.intp]:
        """Return the index of the cell at the centre of every pixel: (height, width)."""
        rows = (self.top + (np.arange(self.height) + 0.5) * self.inner_height / self.height) // (
            self.stride
        )
        columns = (self.left + (np.arange(self.width) + 0.5) * self.inner_width / self.width) // (
            self.stride
        )
        return (rows[:, None] * self.columns + columns).astype(np.intp)

    def pad(self, picture: Picture, color: Picture | int) -> Picture:
        """Pad a scaled picture to the grid with a colour.

        picture: (inner_height, inner_width) or (inner_height, inner_width, 3) uint8.
        """
        if picture.shape[:2] == self.shape:
            return picture
        padded = np.empty((*self.shape, *picture.shape[2:]), np.uint8)
        padded[:] = color
        self.crop(padded)[:] = picture
        return padded

    def crop(self, grid: Picture) -> Picture:
        """Return the part of the grid without padding, as a view."""
        rows = slice(self.top, self.top + self.inner_height)
        return grid[rows, self.left : self.left + self.inner_width]


def place(
    height: int,
    width: int,
    *,
    size: int,
    stride: int,
    multiple: int | None = None,
    square: bool = False,
) -> Placement:
    """Place a picture whose longer side becomes `size` pixels, padded to whole cells.

    multiple: sides of the grid are multiples of it, and it of `stride`; by default `stride`.
    square: pad to a square, which a model without attention needs.
    """
    inner_height, inner_width = scaled_size((height, width), size)
    multiple = multiple or stride
    rows, columns = (
        -(-inner // multiple) * (multiple // stride) for inner in (inner_height, inner_width)
    )
    if square:
        rows = columns = max(rows, columns)
    return Placement(height, width, inner_height, inner_width, rows, columns, stride)
