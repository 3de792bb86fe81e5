"""Windows: the part of a picture that training shows, which may be larger than the picture."""

import dataclasses

import numpy as np
import torch
from torch import Tensor

from refcolor.io.image import WHITE, Picture, border_color, cut, resize
from refcolor.io.tensors import to_device
from refcolor.training.augment import Warped, draw_mask

SMALLEST, LARGEST = 0.5, 1.6  # side of a window, as a multiple of the picture's side


def whole(count: int, side: int) -> Tensor:
    """Return windows that show whole pictures of this side in pixels: (count, 3) int64."""
    return torch.tensor([0, 0, side]).expand(count, 3)


def draw_windows(count: int, *, side: int, share: float, generator: torch.Generator) -> Tensor:
    """Draw a square window for each picture.

    side: of the pictures in pixels. share: the probability of a random window; its side is
    log-uniform in [SMALLEST, LARGEST] times that of the picture, its place uniform among those
    inside the picture, or around it where the window is larger. The other windows are `whole`.
    Returns (count, 3) int64: top, left and side in pixels of the picture.
    """
    framed = draw_mask(count, share=share, generator=generator)
    uniform = torch.rand(count, 3, generator=generator)
    window = (side * SMALLEST * (LARGEST / SMALLEST) ** uniform[:, :1]).round()
    place = (uniform[:, 1:] * (side - window)).round()
    drawn = torch.cat([place, window], dim=1).long()
    return torch.where(framed[:, None], drawn, whole(count, side))


def view(picture: Picture, window: Tensor, size: int, *, fill: int | Picture) -> Picture:
    """Show a window of a picture.

    picture: (H, W) or (H, W, 3) uint8. window: (3,) of `draw_windows`. size: side of the result in
    pixels. fill: the colour around the picture.  Returns (size, size) or (size, size, 3) uint8.
    """
    top, left, side = window.tolist()
    return resize(cut(picture, top=top, left=left, shape=(side, side), fill=fill), size, size)


def color_views(colors: Picture, index: Tensor, windows: Tensor, size: int) -> Picture:
    """Show windows of colour pictures, with the colour of its border around each.

    colors: (N, H, W, 3) uint8. index: (B,) int64. windows: (B, 3).
    Returns (B, size, size, 3) uint8.
    """
    if (windows == whole(len(index), size)).all() and colors.shape[1] == size:
        chosen: Picture = colors[index.numpy()]
        return chosen
    views = [
        view(colors[i], window, size, fill=border_color(colors[i]))
        for i, window in zip(index.tolist(), windows, strict=True)
    ]
    return np.stack(views)


def line_view(sketch: Picture, window: Tensor, size: int) -> Picture:
    """Show a window of a sketch, with white paper around it."""
    return view(sketch, window, size, fill=WHITE)


def between_windows(warped: Warped, *, reference: Tensor, target: Tensor) -> Warped:
    """Express the grid of a warped view of a picture in another view of the same picture.

    warped: of the view `reference`; its grid gets the coordinates of the view `target`, and pixels
    outside `target` are not valid. reference, target: (B, 3) windows.
    """
    device = warped.grid.device
    # The grid is xy, a window is top, left, side.
    place, side = (
        [to_device(window, device)[:, None, None, axes] for window in (reference, target)]
        for axes in ([1, 0], [2])
    )
    pixels = (warped.grid + 1) / 2 * side[0] + place[0]
    grid = (pixels - place[1]) / side[1] * 2 - 1
    return dataclasses.replace(
        warped, grid=grid, valid=warped.valid & (grid.abs() <= 1).all(dim=-1)
    )
