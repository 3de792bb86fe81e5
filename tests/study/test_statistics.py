import math

import pandas as pd
import pytest

from refcolor.study.statistics import holm, paired_difference


def test_a_difference_worked_by_hand() -> None:
    """Differences 1, 2, 3: mean 2, deviation 1, and with two degrees of freedom 2 ± 4.303/√3."""
    difference = paired_difference(
        pd.Series({0: 11, 1: 22, 2: 33}), pd.Series({0: 10, 1: 20, 2: 30}), confidence=0.95
    )
    assert difference and (difference.pairs, difference.mean) == (3, 2)
    half = 4.302653 / math.sqrt(3)  # from a printed table of t
    assert (difference.low, difference.high) == pytest.approx((2 - half, 2 + half), abs=1e-6)
    # Two tails of t = 2√3 with two degrees of freedom: 1 - t/√(2 + t²).
    assert difference.p == pytest.approx(1 - math.sqrt(12 / 14))


def test_seeds_are_paired_by_number_not_by_place() -> None:
    """The order in which seeds finished, and seeds that only one arm has, change nothing."""
    arm, baseline = pd.Series({2: 5.0, 0: 3.0, 7: 99.0}), pd.Series({0: 1.0, 4: -99.0, 2: 2.0})
    difference = paired_difference(arm, baseline, confidence=0.95)
    assert difference and (difference.pairs, difference.mean) == (2, 2.5)


def test_one_pair_has_no_interval() -> None:
    """A single pair has a difference but neither interval nor test; no pair has none of them."""
    difference = paired_difference(pd.Series({1: 5.0}), pd.Series({1: 3.0}), confidence=0.95)
    assert difference and difference.mean == 2.0
    assert all(map(math.isnan, (difference.low, difference.high, difference.p)))
    assert paired_difference(pd.Series({1: 5.0}), pd.Series({2: 3.0}), confidence=0.95) is None


@pytest.mark.parametrize(("shift", "p"), [(0.0, 1.0), (1.0, 0.0)])
def test_equal_differences(shift: float, p: float) -> None:
    """Where every pair has the same difference, the interval is a point; nothing divides by 0."""
    baseline = pd.Series([2.0, 4.0])
    difference = paired_difference(baseline + shift, baseline, confidence=0.95)
    assert difference and (difference.low, difference.high, difference.p) == (shift, shift, p)


@pytest.mark.parametrize(
    ("values", "adjusted"),
    [
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),  # times 3, 1, 2, 4, never falling
        ([0.7, 0.9, 0.6], [1.0, 1.0, 1.0]),
        ([0.01, math.nan, 0.02], [0.03, math.nan, 0.04]),  # a missing one counts in the family
    ],
)
def test_holm_worked_by_hand(values: list[float], adjusted: list[float]) -> None:
    """Adjusted p-values never decrease, are at most 1, and keep their order."""
    assert holm(pd.Series(values)).to_list() == pytest.approx(adjusted, nan_ok=True)
