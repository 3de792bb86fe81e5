"""Contact sheets show the chosen pairs in order."""

import numpy as np

from refcolor.evaluation.metrics.sheets import sheet, spread, spread_by_sketch


def test_spread_is_even_and_keeps_both_ends() -> None:
    """Four of ten indices are 0, 3, 6 and 9; fewer pictures than places are all shown once."""
    assert spread(10, 4) == [0, 3, 6, 9]
    assert spread(3, 12) == [0, 1, 2]


def test_a_row_shows_one_sketch_with_two_references() -> None:
    """Of 8 sketches with 3 pairs each the first two pairs of 6 spread sketches are chosen."""
    sketches = [sketch for sketch in range(8) for _ in range(3)]
    chosen = spread_by_sketch(sketches)
    assert len(chosen) == 12
    assert [sketches[place] for place in chosen[::2]] == [0, 1, 2, 4, 5, 7]
    assert [a + 1 for a in chosen[::2]] == chosen[1::2]
    assert spread_by_sketch([4]) == [0]


def test_single_references_fill_every_place() -> None:
    """271 sketches with one pair each give 12 pairs, evenly spaced and with both ends."""
    chosen = spread_by_sketch(range(271))
    assert chosen == [0, 24, 49, 73, 98, 122, 147, 171, 196, 220, 245, 270]
    assert spread_by_sketch([5, 9, 2]) == [0, 1, 2]


def test_a_last_single_reference_leaves_no_hole() -> None:
    """Where the last sketch has a single pair, both places of its row show earlier pairs."""
    sketches = [sketch for sketch in range(12) for _ in range(2)] + [12]
    chosen = spread_by_sketch(sketches)
    assert len(chosen) == len(set(chosen)) == 12
    assert max(chosen) < len(sketches)


def test_a_sheet_lays_groups_side_by_side() -> None:
    """Three pictures of two columns fill one row of two groups and half of a second row."""
    sketches = np.full((5, 64, 64), 255, np.uint8)
    colors = np.zeros((5, 64, 64, 3), np.uint8)
    colors[:, :, :, 0] = np.arange(5)[:, None, None] * 50
    shown = sheet([sketches, colors], [1, 4, 2])
    assert shown.shape == (128 + 2 + 128, 4 * 128 + 8 + 4 * 2, 3)
    assert shown[64, 64].tolist() == [255, 255, 255]
    assert shown[64, 130 + 64].tolist() == [50, 0, 0]
    assert shown[64, -64].tolist() == [200, 0, 0]
    assert shown[130 + 64, 130 + 64].tolist() == [100, 0, 0]
