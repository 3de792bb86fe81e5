"""Differences between arms, paired by seed: the only variation here is that between trainings."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Difference:
    """An arm minus its baseline.

    seeds: those that both have. mean, deviation: of the differences; deviation with n - 1.
    low, high: the t-interval of the mean. p: two-sided, of the paired t-test.
    With fewer than two pairs deviation, low, high and p are None: one pair says nothing of spread.
    """

    seeds: tuple[int, ...]
    mean: float
    deviation: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None


def paired_difference(
    arm: Mapping[int, float], baseline: Mapping[int, float], *, confidence: float
) -> Difference | None:
    """Compare two arms over the seeds that both have; None where they share none.

    arm, baseline: the number of each seed. confidence: of the interval, in (0, 1).
    Where all differences are equal the interval is a point; p is then 0, or 1 for no difference.
    Reference: Student's t with n - 1 degrees of freedom on the differences.
    """
    seeds = tuple(sorted(set(arm) & set(baseline)))
    if not seeds:
        return None
    differences = np.array([arm[seed] - baseline[seed] for seed in seeds])
    mean = float(differences.mean())
    if len(seeds) < 2:
        return Difference(seeds, mean)
    deviation = float(differences.std(ddof=1))
    error = deviation / math.sqrt(len(seeds))
    from scipy.stats import t  # late: it takes half a second

    half = float(t.ppf((1 + confidence) / 2, df=len(seeds) - 1)) * error
    if error > 0:
        p = float(2 * t.sf(abs(mean) / error, df=len(seeds) - 1))
    else:
        p = float(mean == 0)
    return Difference(seeds, mean, deviation, mean - half, mean + half, p)


def holm(values: Sequence[float | None]) -> list[float | None]:
    """Adjust the p-values of a family by Holm's step-down method.

    A comparison without a p-value (None: a run is missing or failed) still counts as one of the
    family, as if its p-value were 1: leaving it out would make the others look better.
    Returns the adjusted values in the order given, None where there was None.
    Reference: Holm, Scandinavian Journal of Statistics 6 (1979).
    """
    order = sorted(range(len(values)), key=lambda place: _known(values[place]))
    adjusted: list[float | None] = [None] * len(values)
    largest = 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(values) - rank) * _known(values[place])))
        adjusted[place] = None if values[place] is None else largest
    return adjusted


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float | None]:
    """Return mean and standard deviation (n - 1); the latter is None below two values."""
    if len(values) < 2:
        return float(np.mean(values)), None
    # Equal values have no spread; the sum of their tiny errors would be one.
    spread = 0.0 if len(set(values)) == 1 else float(np.std(values, ddof=1))
    return float(np.mean(values)), spread


def _known(value: float | None) -> float:
    return 1.0 if value is None else value
