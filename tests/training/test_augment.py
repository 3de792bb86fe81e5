"""The augmented-self reference: offsets, thin-plate splines, and the match that they imply."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.interpolate import RBFInterpolator
from torch import Tensor

from refcolor.training import augment
from refcolor.training.augment import (
    CONTROL_POINTS,
    Warped,
    Warps,
    draw_color_offsets,
    draw_mask,
    draw_patch_orders,
    draw_warps,
    drop_matches,
    drop_references,
    known_match,
    offset_colors,
    shuffle_patches,
    warp,
)


def seeded(seed: int = 0) -> torch.Generator:
    """Make a generator in a known state."""
    return torch.Generator().manual_seed(seed)


def still(count: int = 1, *, mirrored: bool = False) -> Warps:
    """Make a warp that moves nothing."""
    return Warps(torch.zeros(count, CONTROL_POINTS**2, 2), torch.full((count,), mirrored))


def shifted(*, x: float = 0.0, y: float = 0.0) -> Warps:
    """Make a warp whose source lies x and y (in [-1, 1] units) away everywhere."""
    return Warps(torch.tensor([x, y]).expand(1, CONTROL_POINTS**2, 2), torch.tensor([False]))


def pixel_centres(height: int, width: int) -> np.ndarray:
    """Give xy of pixel centres, [-1, 1] being the edges: (H * W, 2)."""
    y, x = np.mgrid[:height, :width]
    return np.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], -1).reshape(-1, 2)


def matched(warps: Warps, *, height: int, width: int, cells: tuple[int, int]) -> tuple[list, list]:
    """Give the match of a warp as lists: keys and whether they are known."""
    warped = warp(torch.zeros(len(warps.mirrored), 1, height, width), warps)
    match = known_match(warped.grid, warped.valid, cells=cells)
    return match.key[0].tolist(), match.known[0].tolist()


def match_by_loops(
    grid: Tensor, valid: Tensor, cells: tuple[int, int], query_cells: tuple[int, int]
) -> tuple[list, list]:
    """Find the match of one picture by the words of docs/paper.md, cell by cell."""
    rows, columns = cells
    query_rows, query_columns = query_cells
    height, width = valid.shape
    cell_height, cell_width = height // rows, width // columns
    sources, inside = [], []
    for row in range(rows):
        for column in range(columns):
            place = (
                slice(row * cell_height, (row + 1) * cell_height),
                slice(column * cell_width, (column + 1) * cell_width),
            )
            x, y = grid[place].double().mean(dim=(0, 1)).tolist()
            sources.append(((y + 1) / 2 * rows - 0.5, (x + 1) / 2 * columns - 0.5))
            inside.append(bool(valid[place].all()))
    keys, known = [], []
    for row in range(query_rows):
        for column in range(query_columns):
            middle_y = (row + 0.5) * rows / query_rows - 0.5
            middle_x = (column + 0.5) * columns / query_columns - 0.5
            distances = [math.hypot(y - middle_y, x - middle_x) for y, x in sources]
            nearest = min(range(len(distances)), key=distances.__getitem__)
            keys.append(nearest)
            known.append(distances[nearest] <= 0.75 and inside[nearest])
    return keys, known


def test_offsets_differ_by_picture_and_channel_within_the_range() -> None:
    """Offsets fill [-0.4, 0.4], one for each picture and channel, none for pixels."""
    offsets = draw_color_offsets(997, largest=0.4, generator=seeded())
    assert offsets.shape == (997, 3, 1, 1)
    assert offsets.abs().max() <= 0.4
    assert offsets.min() < -0.39
    assert offsets.max() > 0.39
    # Uniform: standard deviation 0.8 / sqrt(12), and channels are not correlated.
    assert offsets.std().item() == pytest.approx(0.8 / math.sqrt(12), rel=0.03)
    correlation = torch.corrcoef(offsets.flatten(1).T)
    assert (correlation - torch.eye(3)).abs().max() < 0.1
    assert len(offsets.unique()) > 2900


def test_offsets_move_whole_channels_and_clamp() -> None:
    """An offset is added to each pixel of its channel, and the sum stays in [-1, 1]."""
    picture = torch.tensor([[-0.9, 0.0, 0.9]]).expand(1, 3, 1, 3)
    moved = offset_colors(picture, torch.tensor([0.5, -0.5, 0.0]).reshape(1, 3, 1, 1))
    expected = [[[-0.4, 0.5, 1.0]], [[-1.0, -0.5, 0.4]], [[-0.9, 0.0, 0.9]]]
    assert torch.allclose(moved[0], torch.tensor(expected))


def test_the_grid_is_the_thin_plate_spline_of_scipy() -> None:
    """The sampling grid equals SciPy's thin-plate spline of degree 1 through the control points."""
    warps = draw_warps(2, strength=0.2, mirror=0.0, generator=seeded())
    grid = warp(torch.zeros(2, 1, 11, 13), warps).grid
    line = np.linspace(-1, 1, CONTROL_POINTS)
    control = np.array([(x, y) for y in line for x in line])
    pixels = pixel_centres(11, 13)
    for index in range(2):
        displacement = warps.displacement[index].double().numpy()
        spline = RBFInterpolator(control, displacement, kernel="thin_plate_spline", degree=1)
        expected = (pixels + spline(pixels)).reshape(11, 13, 2)
        assert np.abs(grid[index].numpy() - expected).max() < 1e-5


def test_control_points_move_exactly_by_their_displacement() -> None:
    """Where a pixel centre is a control point, its source lies just the displacement away."""
    warps = draw_warps(1, strength=0.3, mirror=0.0, generator=seeded())
    # Of 10 x 14 pixels, rows 2 and 7 and columns 3 and 10 lie at -0.5 and 0.5: points 1 and 3.
    grid = warp(torch.zeros(1, 1, 10, 14), warps).grid
    for row, y in ((1, 2), (3, 7)):
        for column, x in ((1, 3), (3, 10)):
            centre = torch.tensor([column / 2 - 1, row / 2 - 1])
            moved = grid[0, y, x] - centre
            assert torch.allclose(moved, warps.displacement[0, row * 5 + column], atol=1e-5)


def test_a_warp_of_no_strength_changes_nothing() -> None:
    """Zero displacement gives back the picture, all of it valid."""
    picture = torch.rand(2, 3, 11, 13, generator=seeded())
    warped = warp(picture, draw_warps(2, strength=0.0, mirror=0.0, generator=seeded()))
    assert torch.allclose(warped.picture, picture, atol=1e-5)
    assert warped.valid.all()


def test_a_mirror_alone_is_a_flip() -> None:
    """Mirroring turns left and right, never up and down, and only who is drawn for it."""
    picture = torch.rand(2, 3, 11, 13, generator=seeded())
    warped = warp(picture, Warps(still(2).displacement, torch.tensor([True, False])))
    assert torch.allclose(warped.picture[0], picture[0].flip(-1), atol=1e-5)
    assert torch.allclose(warped.picture[1], picture[1], atol=1e-5)
    assert warped.valid.all()


def test_the_picture_is_sampled_where_the_grid_says() -> None:
    """A source two columns to the right and one row down shows just those pixels."""
    picture = torch.rand(1, 3, 11, 13, generator=seeded())
    warped = warp(picture, shifted(x=2 * 2 / 13, y=2 / 11))
    assert torch.allclose(warped.picture[..., :10, :11], picture[..., 1:, 2:], atol=1e-5)


def test_borders_repeat_and_are_not_valid() -> None:
    """What comes from outside repeats the border, never black, and is masked out."""
    picture = torch.rand(1, 3, 11, 13, generator=seeded()) * 0.5 + 0.5
    warped = warp(picture, shifted(x=2 * 2 / 13))
    assert torch.allclose(
        warped.picture[..., 11:], picture[..., -1:].expand(1, 3, 11, 2), atol=1e-5
    )
    assert warped.picture.min() >= 0.5
    assert warped.valid[..., :11].all()
    assert not warped.valid[..., 11:].any()


def test_warps_are_uniform_and_mirrors_are_as_probable_as_set() -> None:
    """Displacements fill the range of the strength, a share of the side; mirrors follow theirs."""
    warps = draw_warps(499, strength=0.12, mirror=0.3, generator=seeded())
    assert warps.displacement.shape == (499, 25, 2)
    assert warps.displacement.abs().max() <= 0.24
    assert warps.displacement.std().item() == pytest.approx(0.48 / math.sqrt(12), rel=0.02)
    assert warps.mirrored.float().mean().item() == pytest.approx(0.3, abs=0.07)
    assert not draw_warps(499, strength=0.1, mirror=0.0, generator=seeded()).mirrored.any()
    assert draw_warps(499, strength=0.1, mirror=1.0, generator=seeded()).mirrored.all()


def test_most_cells_move_by_at_least_one_cell_in_evaluation() -> None:
    """At the evaluation strength 0.2 most of the 16 x 16 cells show another cell than their own."""
    warped = warp(
        torch.zeros(64, 1, 64, 64), draw_warps(64, strength=0.2, mirror=0.0, generator=seeded())
    )
    centres = torch.from_numpy(pixel_centres(64, 64)).reshape(64, 64, 2)
    moved = torch.nn.functional.avg_pool2d((warped.grid - centres).permute(0, 3, 1, 2), 4)
    cells = moved.abs().amax(dim=1) * 16 / 2
    assert (cells >= 1).float().mean() > 0.6


def test_drawing_is_a_function_of_the_generator() -> None:
    """Equal generator states give equal draws, and every draw moves on."""
    generator = seeded(5)
    first = draw_warps(3, strength=0.1, mirror=0.5, generator=generator)
    again = draw_warps(3, strength=0.1, mirror=0.5, generator=seeded(5))
    later = draw_warps(3, strength=0.1, mirror=0.5, generator=generator)
    assert torch.equal(first.displacement, again.displacement)
    assert torch.equal(first.mirrored, again.mirrored)
    assert not torch.equal(first.displacement, later.displacement)
    one, two = (draw_color_offsets(3, largest=1, generator=seeded(5)) for _ in range(2))
    assert torch.equal(one, two)


@pytest.mark.parametrize(
    ("warps", "moved"),
    [
        (still(), lambda row, column: (row, column)),
        (still(mirrored=True), lambda row, column: (row, 6 - column)),
        # The source lies one column to the right, or one row up.
        (shifted(x=2 / 7), lambda row, column: (row, column - 1)),
        (shifted(y=-2 / 5), lambda row, column: (row + 1, column)),
    ],
)
def test_match_of_plain_warps(warps: Warps, moved: Callable[[int, int], tuple[int, int]]) -> None:
    """Identity, mirror and shifts by a cell: the key is worked by hand, unknown off the grid."""
    keys, known = matched(warps, height=10, width=14, cells=(5, 7))
    for cell, (key, is_known) in enumerate(zip(keys, known, strict=True)):
        row, column = moved(*divmod(cell, 7))
        assert is_known == (0 <= row < 5 and 0 <= column < 7)
        assert not is_known or key == row * 7 + column


def test_match_is_unknown_where_all_came_from_outside() -> None:
    """A reference that shows nothing but border has no match."""
    _, known = matched(shifted(x=2.5), height=10, width=14, cells=(5, 7))
    assert not any(known)


def test_match_is_unknown_where_a_pixel_came_from_outside() -> None:
    """Shifted by 0.4 cell, the last reference column is partly outside: its match is masked out."""
    keys, known = matched(shifted(x=0.4 * 2 / 7), height=10, width=14, cells=(5, 7))
    assert keys == list(range(35))
    assert known == ([True] * 6 + [False]) * 5


def test_equally_near_cells_give_the_lowest_index() -> None:
    """Two reference cells with one source: the match is the first of them."""
    centres = torch.tensor([-0.5, -0.5, 0.5, 0.5])
    grid = torch.stack([centres.expand(2, 4), torch.tensor([[-0.5], [0.5]]).expand(2, 4)], dim=-1)
    match = known_match(grid[None], torch.ones(1, 2, 4, dtype=torch.bool), cells=(2, 4))
    # Sources in columns of sketch cells: 0.5, 0.5, 2.5, 2.5; both distances are half a cell.
    assert match.key.tolist() == [[0, 0, 2, 2, 4, 4, 6, 6]]
    assert match.known.all()


@pytest.mark.parametrize(("away", "known"), [(0.74, True), (0.76, False)])
def test_match_reaches_three_quarters_of_a_cell(away: float, known: bool) -> None:
    """A source up to 0.75 cell away is a match, beyond it is none."""
    warped = warp(torch.zeros(1, 1, 10, 14), shifted(y=-2 / 5 * away))
    match = known_match(warped.grid, torch.ones_like(warped.valid), cells=(5, 7))
    assert match.known[0, -7:].tolist() == [known] * 7
    assert match.known[0, :7].all()


def test_fine_queries_match_the_coarse_key_of_their_place() -> None:
    """Moved one key to the left, each of 2 x 2 queries in a key's place finds the key before."""
    warped = warp(torch.zeros(1, 1, 8, 12), shifted(x=2 / 3))
    match = known_match(warped.grid, warped.valid, cells=(2, 3), query_cells=(4, 6))
    upper, lower = [0, 0, 0, 0, 1, 1], [3, 3, 3, 3, 4, 4]
    assert match.key.tolist() == [upper * 2 + lower * 2]
    # A key away in the first two columns; the last key shows the outside of the picture.
    assert match.known.tolist() == [[False, False, True, True, True, True] * 4]


@pytest.mark.parametrize(
    ("size", "cells", "query_cells", "shuffled"),
    [
        ((22, 35), (11, 7), (11, 7), 0),
        ((22, 33), (11, 11), (11, 11), 11),
        ((22, 35), (11, 7), (22, 35), 0),
    ],
)
def test_match_agrees_with_the_definition(
    size: tuple[int, int], cells: tuple[int, int], query_cells: tuple[int, int], shuffled: int
) -> None:
    """A cell-by-cell reading of the definition gives the same matches, shuffled or not."""
    warped = warp(
        torch.zeros(6, 1, *size), draw_warps(6, strength=0.2, mirror=0.5, generator=seeded(2))
    )
    if shuffled:
        orders = draw_patch_orders(6, share=1.0, patches=shuffled, generator=seeded(3))
        warped = shuffle_patches(warped, orders)
    match = known_match(warped.grid, warped.valid, cells=cells, query_cells=query_cells)
    assert 0.1 < match.known.float().mean() < 0.95
    for index in range(6):
        keys, known = match_by_loops(warped.grid[index], warped.valid[index], cells, query_cells)
        assert match.known[index].tolist() == known
        agreed = [
            a == b for a, b, k in zip(match.key[index].tolist(), keys, known, strict=True) if k
        ]
        assert all(agreed)


def numbered(height: int, width: int) -> Warped:
    """Give an unbent picture whose pixels are numbered row by row, on three channels apart."""
    numbers = torch.arange(height * width, dtype=torch.float32).reshape(1, 1, height, width)
    warped = warp(numbers, still())
    picture = torch.cat([numbers, numbers + 1000, numbers + 2000], dim=1)
    return Warped(picture, warped.grid, warped.valid)


def test_a_mask_has_the_given_share() -> None:
    """Three tenths are chosen of many, none for 0, all for 1."""
    assert draw_mask(997, share=0.3, generator=seeded()).float().mean().item() == pytest.approx(
        0.3, abs=0.05
    )
    assert not draw_mask(997, share=0.0, generator=seeded()).any()
    assert draw_mask(997, share=1.0, generator=seeded()).all()


def test_patch_orders_are_permutations_for_a_share_of_the_pictures() -> None:
    """Every row holds each patch once; a share is in any order, the others in their own."""
    orders = draw_patch_orders(499, share=0.3, patches=3, generator=seeded())
    own = torch.arange(9)
    assert orders.shape == (499, 9)
    assert torch.equal(orders.sort(dim=1).values, own.expand(499, 9))
    shuffled = orders[(orders != own).any(dim=1)]
    assert len(shuffled) / 499 == pytest.approx(0.3, abs=0.07)
    # Each place shows each patch about equally often.
    counts = torch.stack([(shuffled == patch).float().mean(dim=0) for patch in range(9)])
    assert counts.min() > 0.02
    assert torch.equal(orders, draw_patch_orders(499, share=0.3, patches=3, generator=seeded()))


def test_patches_change_places_as_a_whole() -> None:
    """Of 2 x 2 patches of 2 x 3 pixels, written out: place 0 shows patch 3, place 1 patch 0."""
    shuffled = shuffle_patches(numbered(4, 6), torch.tensor([[3, 0, 2, 1]])).picture
    expected = [
        [15, 16, 17, 0, 1, 2],
        [21, 22, 23, 6, 7, 8],
        [12, 13, 14, 3, 4, 5],
        [18, 19, 20, 9, 10, 11],
    ]
    assert shuffled[0, 0].tolist() == expected
    assert torch.equal(shuffled[0, 2], shuffled[0, 0] + 2000)


def test_each_picture_has_an_order_of_its_own() -> None:
    """One picture of a batch is shuffled and the other stays; grid and validity go along."""
    pictures = torch.rand(2, 3, 10, 14, generator=seeded())
    warped = warp(pictures, draw_warps(2, strength=0.2, mirror=0.0, generator=seeded()))
    orders = torch.tensor([[0, 1, 2, 3], [1, 0, 2, 3]])
    shuffled = shuffle_patches(warped, orders)
    for name in ("picture", "grid", "valid"):
        before, after = getattr(warped, name), getattr(shuffled, name)
        assert after.shape == before.shape
        assert after.dtype == before.dtype
        assert torch.equal(after[0], before[0])
    assert torch.equal(shuffled.picture[1, :, :5, :7], warped.picture[1, :, :5, 7:])
    assert torch.equal(shuffled.grid[1, :5, 7:], warped.grid[1, :5, :7])
    assert torch.equal(shuffled.valid[1, :5, 7:], warped.valid[1, :5, :7])
    assert torch.equal(shuffled.grid[1, 5:], warped.grid[1, 5:])
    assert not warped.valid.all()


def test_the_match_follows_shuffled_patches() -> None:
    """Four by four cells, patches of four cells; places show patches 3, 0, 2 and 1.

    The patch at home above on the left (cells 0, 1, 4, 5) is shown above on the right (2, 3, 6, 7).
    """
    shuffled = shuffle_patches(numbered(8, 12), torch.tensor([[3, 0, 2, 1]]))
    match = known_match(shuffled.grid, shuffled.valid, cells=(4, 4))
    expected = [
        [2, 3, 10, 11],
        [6, 7, 14, 15],
        [8, 9, 0, 1],
        [12, 13, 4, 5],
    ]
    assert match.key.reshape(4, 4).tolist() == expected
    assert match.known.all()


def test_validity_follows_shuffled_patches() -> None:
    """Shifted by a whole cell, the last column shows the outside; then it goes elsewhere.

    Sketch column c is shown by column c - 1; columns 0, 1 and 2, 3 then change places as patches.
    """
    warped = warp(torch.zeros(1, 1, 8, 8), shifted(x=2 / 4))
    shuffled = shuffle_patches(warped, torch.tensor([[1, 0, 3, 2]]))
    assert shuffled.valid[0, 0].tolist() == [True] * 2 + [False] * 2 + [True] * 4
    match = known_match(shuffled.grid, shuffled.valid, cells=(4, 4))
    assert match.known.reshape(4, 4).tolist() == [[False, True, True, True]] * 4
    assert match.key.reshape(4, 4)[:, 1:].tolist() == [
        [4 * row + column for column in (2, 3, 0)] for row in range(4)
    ]


def test_a_dropped_reference_is_white_and_matches_nothing() -> None:
    """One picture of two becomes paper and unknown; the other stays as it is."""
    pictures = torch.rand(2, 3, 10, 14, generator=seeded())
    warped = warp(pictures, still(2))
    dropped = drop_references(warped, torch.tensor([False, True]))
    assert torch.equal(dropped.picture[0], warped.picture[0])
    assert (dropped.picture[1] == 1).all()
    match = known_match(dropped.grid, dropped.valid, cells=(5, 7))
    assert match.known[0].all()
    assert not match.known[1].any()
    # The pictures that came in are left alone.
    assert warped.valid.all()
    assert (warped.picture[1] < 1).any()


def test_a_forgotten_match_leaves_the_picture() -> None:
    """Of three references the second has no known match, and all are shown as they are."""
    warped = warp(torch.rand(3, 3, 10, 14, generator=seeded()), still(3))
    forgotten = drop_matches(warped, torch.tensor([False, True, False]))
    match = known_match(forgotten.grid, forgotten.valid, cells=(5, 7))
    assert match.known.all(dim=1).tolist() == [True, False, True]
    assert not match.known[1].any()
    assert torch.equal(forgotten.picture, warped.picture)
    assert warped.valid.all()


def test_the_grid_of_warps_is_copied_to_a_device_once() -> None:
    """The second warp of the same size finds basis and pixel centres on the device."""
    augment._warp_grid.cache_clear()
    for count in (1, 3):
        warp(torch.zeros(count, 3, 8, 6), still(count))
    found = augment._warp_grid.cache_info()
    assert (found.misses, found.hits) == (1, 1)
