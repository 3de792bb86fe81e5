"""The augmented-self reference: a random colour offset, a random warp, and the match it implies.

Random values are drawn first, from an explicit generator, and then applied by a pure function.
Lee et al. (CVPR 2020), section 3.2; the warp is a thin-plate spline (Bookstein 1989).
Beyond the paper: references with shuffled patches, as in MangaNinja (Liu et al., arXiv
2501.08332), and references that are replaced by white paper.
"""

import dataclasses
import functools
import math

import torch
import torch.nn.functional as F
from torch import Tensor

from refcolor.io.tensors import to_device

CONTROL_POINTS = 5  # along each side
_NOT_WHITE, _ALL_WHITE = 2 * 235 / 255 - 1, 2 * 253 / 255 - 1  # for `keep_white`


@dataclasses.dataclass(frozen=True)
class Warps:
    """The warps of a batch.

    displacement: (B, P, 2) float32, xy of the control points in [-1, 1] units, P = 5 * 5.
    mirrored: (B,) bool.
    """

    displacement: Tensor
    mirrored: Tensor


@dataclasses.dataclass(frozen=True)
class Warped:
    """The result of a warp.

    picture: (B, C, H, W).
    grid: (B, H, W, 2) float32, xy of the source of each pixel, [-1, 1] being the picture's edges.
    valid: (B, H, W) bool, False where the source lies outside the picture or is not shown.
    """

    picture: Tensor
    grid: Tensor
    valid: Tensor


@dataclasses.dataclass(frozen=True)
class Match:
    """The known match: for each query the key that it was warped from.

    key: (B, N_s) int64, index of the reference cell that shows what the sketch cell shows;
    arbitrary where the match is not known. known: (B, N_s) bool.
    """

    key: Tensor
    known: Tensor


def draw_color_offsets(count: int, *, largest: float, generator: torch.Generator) -> Tensor:
    """Draw one offset for each picture and channel, uniform in [-largest, largest].

    Returns (count, 3, 1, 1) float32, in [-1, 1] units.
    """
    return (2 * torch.rand(count, 3, 1, 1, generator=generator) - 1) * largest


def offset_colors(picture: Tensor, offsets: Tensor) -> Tensor:
    """Add the offsets and clamp: a(I) of the paper. picture: (B, 3, H, W) in [-1, 1]."""
    return (picture + offsets).clamp(-1, 1)


def draw_color_gains(count: int, *, largest: float, generator: torch.Generator) -> Tensor:
    """Draw one factor for each picture and channel, uniform in [1 - largest, 1 + largest].

    Returns (count, 3, 1, 1) float32, for values in [-1, 1].
    """
    return 1 + draw_color_offsets(count, largest=largest, generator=generator)


def draw_channel_orders(count: int, *, share: float, generator: torch.Generator) -> Tensor:
    """Draw an order of the channels for each picture: (count, 3) int64.

    share: probability of a random order; otherwise it is red, green, blue.
    """
    permuted = draw_mask(count, share=share, generator=generator)
    orders = torch.rand(count, 3, generator=generator).argsort(dim=1)
    return torch.where(permuted[:, None], orders, torch.arange(3))


def reorder_channels(picture: Tensor, orders: Tensor) -> Tensor:
    """Permute the channels of each picture.  picture: (B, 3, H, W). orders: (B, 3) int64."""
    return picture.gather(1, to_device(orders, picture.device)[..., None, None].expand_as(picture))


def keep_white(changed: Tensor, picture: Tensor) -> Tensor:
    """Give pixels that were white before a change of colours their white back.

    changed, picture: (B, 3, H, W) in [-1, 1], after and before. A pixel whose darkest channel is
    above 253 of 255 stays white, below 235 it is changed, and between them it is mixed.
    """
    darkest = picture.amin(dim=1, keepdim=True)
    white = ((darkest - _NOT_WHITE) / (_ALL_WHITE - _NOT_WHITE)).clamp(0, 1)
    return changed.lerp(torch.ones_like(changed), white)


def draw_warps(count: int, *, strength: float, mirror: float, generator: torch.Generator) -> Warps:
    """Draw control-point displacements, uniform in each axis, and which pictures are mirrored.

    strength: largest displacement as a share of the side. mirror: probability of mirroring.
    """
    uniform = 2 * torch.rand(count, CONTROL_POINTS**2, 2, generator=generator) - 1
    return Warps(
        displacement=uniform * (2 * strength),
        mirrored=torch.rand(count, generator=generator) < mirror,
    )


def warp(picture: Tensor, warps: Warps) -> Warped:
    """Warp pictures by thin-plate splines; pixels from outside the picture repeat its border.

    picture: (B, C, H, W) on any device. The control points move exactly by their displacement.
    """
    height, width = picture.shape[-2:]
    device = picture.device
    basis, centres = _warp_grid(height, width, device)
    displacement = torch.unflatten(
        basis @ to_device(warps.displacement, device), 1, (height, width)
    )
    source = centres + displacement
    sign = torch.where(to_device(warps.mirrored, device), -1.0, 1.0).reshape(-1, 1, 1)
    grid = torch.stack([source[..., 0] * sign, source[..., 1]], dim=-1)
    warped = F.grid_sample(
        picture, grid.to(picture.dtype), mode="bilinear", padding_mode="border", align_corners=False
    )
    return Warped(picture=warped, grid=grid, valid=(grid.abs() <= 1).all(dim=-1))


def draw_mask(count: int, *, share: float, generator: torch.Generator) -> Tensor:
    """Draw a mask that is True for each picture with the probability `share`: (count,) bool."""
    return torch.rand(count, generator=generator) < share


def draw_patch_orders(
    count: int, *, share: float, patches: int, generator: torch.Generator
) -> Tensor:
    """Draw the order of the patches of each picture.

    share: probability of a random order; otherwise the patches stay where they are.
    patches: along each side.  Returns (count, patches * patches) int64, for `shuffle_patches`.
    """
    shuffled = draw_mask(count, share=share, generator=generator)
    orders = torch.rand(count, patches**2, generator=generator).argsort(dim=1)
    return torch.where(shuffled[:, None], orders, torch.arange(patches**2))


def shuffle_patches(warped: Warped, orders: Tensor) -> Warped:
    """Permute square patches of the picture, the grid and the mask of valid pixels.

    orders: (B, P * P) int64, P patches along each side, row by row; patch k of the result is patch
    orders[b, k] of the input. P divides H and W.
    The match stays known where P also divides the attention cells: then no cell shows two patches.
    """
    side = math.isqrt(orders.shape[1])
    order = to_device(orders, warped.grid.device)
    batch = torch.arange(len(order), device=order.device)[:, None]

    def shuffled(x: Tensor) -> Tensor:
        # Axes: B, C, patch row, h, patch column, w.
        split = torch.unflatten(torch.unflatten(x, 3, (side, -1)), 2, (side, -1))
        patches = split.permute(0, 2, 4, 1, 3, 5).flatten(1, 2)[batch, order]
        joined = torch.unflatten(patches, 1, (side, side)).permute(0, 3, 1, 4, 2, 5)
        return joined.flatten(4, 5).flatten(2, 3)

    return Warped(
        picture=shuffled(warped.picture),
        grid=shuffled(warped.grid.permute(0, 3, 1, 2)).permute(0, 2, 3, 1),
        valid=shuffled(warped.valid.unsqueeze(1)).squeeze(1),
    )


def drop_references(warped: Warped, dropped: Tensor) -> Warped:
    """Replace pictures by white paper, where no match is known.

    dropped: (B,) bool.
    """
    mask = to_device(dropped, warped.grid.device)[:, None, None, None]
    picture = warped.picture.masked_fill(mask, 1.0)
    return dataclasses.replace(drop_matches(warped, dropped), picture=picture)


def drop_matches(warped: Warped, dropped: Tensor) -> Warped:
    """Mark every pixel of some references as not valid, so that no match is known.

    dropped: (B,) bool.
    """
    mask = to_device(dropped, warped.grid.device)[:, None, None]
    return dataclasses.replace(warped, valid=warped.valid & ~mask)


def known_match(
    grid: Tensor,
    valid: Tensor,
    *,
    cells: tuple[int, int],
    query_cells: tuple[int, int] | None = None,
) -> Match:
    """Find the key of each query: the reference cell that shows what the sketch cell shows.

    grid, valid: of `Warped`. cells: (rows, columns) of the reference; they divide H and W.
    query_cells: those of the sketch, by default the same.
    p(r) is the mean source of reference cell r, c(q) the centre of sketch cell q, both in reference
    cells. The match of q is the r with the smallest |p(r) - c(q)|, the lowest r among equals; it is
    unknown when that distance exceeds 0.75 cell or when a pixel of r is not valid.
    """
    rows, columns = cells
    block = (grid.shape[1] // rows, grid.shape[2] // columns)
    mean_source = F.avg_pool2d(grid.permute(0, 3, 1, 2), block).flatten(2).mT
    inside = F.avg_pool2d(valid.float().unsqueeze(1), block).flatten(1) >= 1
    size = torch.stack([grid.new_full((), count) for count in (columns, rows)])
    source_cell = (mean_source + 1) / 2 * size - 0.5
    row, column = (
        (torch.arange(count, dtype=grid.dtype, device=grid.device) + 0.5) * (keys / count) - 0.5
        for count, keys in zip(query_cells or cells, cells, strict=True)
    )
    query_cell = torch.stack(torch.meshgrid(column, row, indexing="xy"), dim=-1).flatten(0, 1)
    distance = (query_cell[None, :, None] - source_cell[:, None]).square().sum(-1).sqrt()
    nearest, key = distance.min(dim=-1)
    return Match(key=key, known=(nearest <= 0.75) & inside.gather(1, key))


@functools.lru_cache(maxsize=8)
def _warp_grid(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Copy the spline basis and the pixel centres to a device, once."""
    return _spline_basis(height, width).to(device), _pixel_centres(height, width).to(device)


def _pixel_centres(height: int, width: int) -> Tensor:
    y = (2 * torch.arange(height, dtype=torch.float32) + 1) / height - 1
    x = (2 * torch.arange(width, dtype=torch.float32) + 1) / width - 1
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)


def _spline_basis(height: int, width: int) -> Tensor:
    """Compute the displacement of every pixel for a unit displacement of each control point.

    Returns (H * W, P) float32: the spline is linear in its displacements, so that a single matrix
    product gives the displacements of a whole batch.
    """
    line = torch.linspace(-1, 1, CONTROL_POINTS, dtype=torch.float64)
    control = torch.stack(torch.meshgrid(line, line, indexing="xy"), dim=-1).flatten(0, 1)
    pixels = _pixel_centres(height, width).to(torch.float64).flatten(0, 1)
    count = len(control)
    system = torch.zeros(count + 3, count + 3, dtype=torch.float64)
    system[:count] = _spline_terms(control, control)
    system[count:, :count] = _spline_terms(control, control)[:, count:].mT
    weights: Tensor = torch.linalg.inv(system)[:, :count]
    return (_spline_terms(pixels, control) @ weights).float()


def _spline_terms(points: Tensor, control: Tensor) -> Tensor:
    """Compute the radial terms U(r) = r^2 log r^2 and the affine terms 1, x, y: (N, P + 3)."""
    squared = (points[:, None] - control[None]).square().sum(-1)
    radial = torch.where(squared > 0, squared * squared.clamp_min(1e-300).log(), 0.0)
    return torch.cat([radial, torch.ones(len(points), 1, dtype=points.dtype), points], dim=1)
