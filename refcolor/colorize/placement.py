"""The placement of a picture of any size on a model's grid: scaled in proportion, then padded."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from refcolor.io.image import Picture, scaled_size
from refcolor.lines.frames import Window


@dataclass(frozen=True)
class Placement:
    """A picture of height x width pixels on a grid of rows x columns cells of stride x stride.

    The picture is scaled to inner_height x inner_width. top, left: rows and columns of padding
    before it on the grid; negative where the grid begins inside the picture.
    Points of the picture are (x, y) in its own pixels: x to the right, y down, 0 at the edge.
    """

    height: int
    width: int
    inner_height: int
    inner_width: int
    rows: int
    columns: int
    stride: int
    top: int
    left: int

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the grid in pixels of the model."""
        return self.rows * self.stride, self.columns * self.stride

    @property
    def count(self) -> int:
        """Number of cells of the grid."""
        return self.rows * self.columns

    def contains(self, x: float, y: float) -> bool:
        """Whether a point lies in the picture."""
        return 0 <= x < self.width and 0 <= y < self.height

    def cell_at(self, x: float, y: float) -> int:
        """Return the index of the cell at a point; cells are numbered row by row.

        For a point of the picture that is not on the grid it is the nearest cell.
        Raises ValueError for a point outside of the picture.
        """
        if not self.contains(x, y):
            raise ValueError(
                f"{x:g},{y:g} lies outside of the picture, which is {self.width} x {self.height}"
            )
        return int(self._cells(np.array([y]), np.array([x]))[0, 0])

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
        return self._cells(np.arange(self.height) + 0.5, np.arange(self.width) + 0.5)

    def pad(self, picture: Picture, color: Picture | int) -> Picture:
        """Put a scaled picture on the grid, padded with a colour.

        picture: (inner_height, inner_width) or (inner_height, inner_width, 3) uint8.
        """
        rows, columns = self._spans()
        padded = np.empty((*self.shape, *picture.shape[2:]), np.uint8)
        padded[:] = color
        padded[rows, columns] = picture[_moved(rows, -self.top), _moved(columns, -self.left)]
        return padded

    def crop(self, grid: Picture) -> Picture:
        """Return the scaled picture on a grid; what is not on the grid repeats the border.

        grid: of the shape `shape`, or (*shape, 3).  Returns the shape that `pad` takes.
        """
        rows, columns = self._spans()
        sides = [(0, 0)] * grid.ndim
        sides[0] = (rows.start - self.top, self.top + self.inner_height - rows.stop)
        sides[1] = (columns.start - self.left, self.left + self.inner_width - columns.stop)
        return np.pad(grid[rows, columns], sides, mode="edge")

    def _cells(
        self, y: npt.NDArray[np.floating], x: npt.NDArray[np.floating]
    ) -> npt.NDArray[np.intp]:
        rows = (self.top + y * self.inner_height / self.height) // self.stride
        columns = (self.left + x * self.inner_width / self.width) // self.stride
        row, column = rows.clip(0, self.rows - 1), columns.clip(0, self.columns - 1)
        return np.asarray(row[:, None] * self.columns + column, np.intp)

    def _spans(self) -> tuple[slice, slice]:
        """Return the rows and columns of the grid that the picture covers."""
        rows = slice(max(self.top, 0), min(self.top + self.inner_height, self.shape[0]))
        columns = slice(max(self.left, 0), min(self.left + self.inner_width, self.shape[1]))
        return rows, columns


def place(
    height: int,
    width: int,
    *,
    size: int,
    stride: int,
    multiple: int | None = None,
    square: bool = False,
    window: Window | None = None,
) -> Placement:
    """Place a picture, or a window of it, whose longer side becomes `size` pixels.

    multiple: sides of the grid are multiples of it, and it of `stride`; by default `stride`.
    square: make the grid a square, which a model without attention needs.
    window: the part of the picture in the middle of the grid; by default all of it.
    """
    window = window or Window(0, 0, height, width)
    sides = scaled_size((window.height, window.width), size)
    multiple = multiple or stride
    rows, columns = (-(-side // multiple) * (multiple // stride) for side in sides)
    if square:
        rows = columns = max(rows, columns)
    scale = max(sides) / max(window.height, window.width)
    return Placement(
        height,
        width,
        inner_height=max(1, round(height * scale)),
        inner_width=max(1, round(width * scale)),
        rows=rows,
        columns=columns,
        stride=stride,
        top=(rows * stride - sides[0]) // 2 - round(window.top * scale),
        left=(columns * stride - sides[1]) // 2 - round(window.left * scale),
    )


def _moved(span: slice, by: int) -> slice:
    return slice(span.start + by, span.stop + by)
