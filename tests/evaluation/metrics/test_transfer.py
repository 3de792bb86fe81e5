"""The transfer metrics count the right pixels of the right parts."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from refcolor.characters import PARTS
from refcolor.evaluation.metrics.transfer import (
    Recoloring,
    mean_of_known,
    pair_means,
    part_differences,
    transfer_numbers,
    visible,
)
from refcolor.evaluation.metrics.truth import Truth

HAIR, SKIN, EYES, BACKGROUND = (PARTS.index(p) for p in ("hair", "skin", "eyes", "background"))
RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)
RED_TO_BLUE = 52.88  # CIEDE2000


def _truth(*columns: tuple[int, tuple[int, int, int], int]) -> Truth:
    """Stack columns of (part, colour, pixels) into a strip three pixels high."""
    parts = np.concatenate([np.full(count, part, np.uint8) for part, _, count in columns])
    colors = np.concatenate([np.tile(np.uint8([color]), (count, 1)) for _, color, count in columns])
    return Truth(
        color=np.stack([colors] * 3),
        line=np.zeros((3, len(parts)), bool),
        parts=np.stack([parts] * 3),
    )


def _all(color: tuple[int, int, int], like: Truth) -> NDArray[np.uint8]:
    return np.broadcast_to(np.uint8(color), like.color.shape)[None]


def test_a_part_counts_where_both_pictures_have_it() -> None:
    """Hair is in both; skin is missing in the reference and eyes in the sketch: both are NaN."""
    target = _truth((HAIR, RED, 5), (SKIN, RED, 7))
    case = Recoloring(target, _truth((HAIR, BLUE, 4), (EYES, BLUE, 8)))
    table = part_differences(_all(BLUE, target), [case])
    assert table[0, HAIR] == pytest.approx(RED_TO_BLUE, abs=0.01)
    assert np.flatnonzero(~np.isnan(table[0])).tolist() == [HAIR]


def test_a_part_is_averaged_over_its_pixels() -> None:
    """Hair right and skin wrong gives 0 and 52.88, not a mixture by area."""
    target = _truth((HAIR, BLUE, 11), (SKIN, RED, 2))
    table = part_differences(_all(BLUE, target), [Recoloring(target, target)])
    assert table[0, HAIR] == pytest.approx(0, abs=1e-6)
    assert table[0, SKIN] == pytest.approx(RED_TO_BLUE, abs=0.01)


def test_lines_and_white_do_not_count_as_pixels_of_a_part() -> None:
    """Three of six hair pixels are line and the skin is white: neither has 4 pixels."""
    truth = _truth((HAIR, RED, 2), (SKIN, WHITE, 9), (EYES, RED, 2))
    truth.line[:, 0] = True
    assert np.flatnonzero(visible(truth)).tolist() == [EYES]
    truth.line[:2, -1] = True
    assert np.flatnonzero(visible(truth)).tolist() == [EYES]
    truth.line[2, -1] = True
    assert not visible(truth).any()


def test_means_go_over_parts_and_then_over_pictures() -> None:
    """Rows (10, 20) and (40) give 15 and 40, together 27.5; background and other are left out."""
    table = np.full((3, len(PARTS)), np.nan)
    table[0, [HAIR, SKIN, BACKGROUND]] = 10, 20, 99
    table[1, HAIR] = 40
    table[2, PARTS.index("other")] = 77
    np.testing.assert_array_equal(pair_means(table), [15, 40, np.nan])
    numbers = transfer_numbers(table)
    assert numbers["transfer_delta_e"] == 27.5
    assert numbers["transfer_delta_e_hair"] == 25
    assert numbers["transfer_delta_e_background"] == 99
    assert math.isnan(numbers["transfer_delta_e_eyes"])
    assert set(numbers) == {"transfer_delta_e"} | {
        f"transfer_delta_e_{part}" for part in PARTS if part != "other"
    }


def test_the_moved_reference_moves_colour_lines_and_parts() -> None:
    """They are mirrored and shifted together; the target stays."""
    reference = _truth((HAIR, RED, 3), (SKIN, BLUE, 3))
    reference.line[1, 0] = True
    case = Recoloring(reference, reference).with_reference_moved()
    assert case.target is reference
    assert case.reference.parts[0].tolist() == [SKIN] * 4 + [HAIR] * 2
    assert case.reference.color[0, 3].tolist() == list(BLUE)
    assert not case.reference.line.any()


def test_mean_of_known_leaves_out_nan() -> None:
    """The mean of nothing but NaN is NaN."""
    assert mean_of_known(np.array([1.0, np.nan, 4.0])) == 2.5
    assert math.isnan(mean_of_known(np.array([np.nan])))
