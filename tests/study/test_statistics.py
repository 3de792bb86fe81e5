import math

import numpy as np
import pytest
from scipy import stats

from refcolor.study.statistics import holm, mean_and_deviation, paired_difference


def test_a_difference_worked_by_hand() -> None:
    """Differences 1, 2, 3: mean 2, deviation 1, and with two degrees of freedom 2 ± 4.303/√3."""
    found = paired_difference({0: 11, 1: 22, 2: 33}, {0: 10, 1: 20, 2: 30}, confidence=0.95)
    assert found is not None and found.low is not None and found.high is not None
    assert (found.mean, found.deviation) == (2, 1)
    half = 4.302653 / math.sqrt(3)  # from a printed table of t
    assert found.low == pytest.approx(2 - half, abs=1e-6)
    assert found.high == pytest.approx(2 + half, abs=1e-6)


def test_a_difference_as_scipy_has_it() -> None:
    """Interval and p-value are those of scipy's paired t-test."""
    random = np.random.default_rng(3)
    one, other = random.normal(12, 1, 7), random.normal(11.5, 1, 7)
    found = paired_difference(
        dict(enumerate(one.tolist())), dict(enumerate(other.tolist())), confidence=0.9
    )
    wanted = stats.ttest_rel(one, other)
    interval = wanted.confidence_interval(0.9)
    assert found is not None
    assert found.p == pytest.approx(wanted.pvalue, rel=1e-12)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-12)


def test_seeds_are_paired_by_number_not_by_place() -> None:
    """The order in which seeds finished, and seeds that only one arm has, change nothing."""
    arm, baseline = {2: 5.0, 0: 3.0, 7: 99.0}, {0: 1.0, 4: -99.0, 2: 2.0}
    found = paired_difference(arm, baseline, confidence=0.95)
    assert found is not None
    assert (found.seeds, found.mean) == ((0, 2), 2.5)


def test_one_pair_says_nothing_of_spread() -> None:
    """A single pair has a difference but neither interval nor test; no pair has nothing."""
    found = paired_difference({1: 5.0}, {1: 3.0}, confidence=0.95)
    assert found is not None
    assert (found.mean, found.low, found.high, found.p) == (2.0, None, None, None)
    assert paired_difference({1: 5.0}, {2: 3.0}, confidence=0.95) is None


@pytest.mark.parametrize(("shift", "p"), [(0.0, 1.0), (1.0, 0.0)])
def test_equal_differences(shift: float, p: float) -> None:
    """Where every pair differs by the same, the interval is that point and nothing divides by 0."""
    found = paired_difference({0: 2 + shift, 1: 4 + shift}, {0: 2.0, 1: 4.0}, confidence=0.95)
    assert found is not None
    assert (found.low, found.high, found.p) == (shift, shift, p)


def test_holm_worked_by_hand() -> None:
    """0.01, 0.04, 0.03, 0.005 become 0.03, 0.06, 0.06, 0.02: times 3, 1, 2, 4, never falling."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_stops_at_one() -> None:
    """An adjusted p-value is never above 1."""
    assert holm([0.7, 0.9, 0.6]) == [1.0, 1.0, 1.0]


def test_a_missing_comparison_still_counts() -> None:
    """A family of three with one test missing adjusts the others as a family of three."""
    assert holm([0.01, None, 0.02]) == [pytest.approx(0.03), None, pytest.approx(0.04)]


def test_holm_keeps_the_familywise_error() -> None:
    """Among 2,000 families of true hypotheses about one in twenty has a rejection, not more."""
    random = np.random.default_rng(0)
    rejected = sum(
        min(value for value in holm(random.random(5).tolist()) if value is not None) < 0.05
        for _ in range(2000)
    )
    assert rejected / 2000 == pytest.approx(0.05, abs=4 * math.sqrt(0.05 * 0.95 / 2000))


def test_mean_and_deviation() -> None:
    """Deviation divides by n - 1; equal values have none, and a single one has no deviation."""
    assert mean_and_deviation([1.0, 3.0]) == pytest.approx((2.0, math.sqrt(2)))
    assert mean_and_deviation([0.1] * 3) == (pytest.approx(0.1), 0.0)
    assert mean_and_deviation([4.0]) == (4.0, None)
