"""Differences between arms, paired by seed, and the correction of their p-values."""

import math
import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Difference:
    """An arm minus its baseline.

    pairs: how many seeds both have. mean: of the differences. low, high: the t-interval of the
    mean. p: two-sided, of the paired t-test.
    With one pair low, high and p are NaN: a single pair says nothing about spread.
    """

    pairs: int
    mean: float
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan


def paired_difference(
    arm: pd.Series, baseline: pd.Series, *, confidence: float
) -> Difference | None:
    """Compare two arms over the seeds that both have; None without a common seed.

    arm, baseline: a number for each seed. confidence: of the interval, in (0, 1).
    Where all differences are equal the interval is a point; p is then 0, or 1 for no difference.
    """
    from scipy.stats import ttest_1samp  # imported late: it takes half a second

    differences = (arm - baseline).dropna()
    if len(differences) < 2:
        return Difference(1, float(differences.iloc[0])) if len(differences) else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # about equal differences
        test = ttest_1samp(differences, 0)
    low, high = test.confidence_interval(confidence)
    p = 1.0 if math.isnan(test.pvalue) else float(test.pvalue)
    return Difference(len(differences), float(differences.mean()), float(low), float(high), p)


def holm(values: pd.Series) -> pd.Series:
    """Adjust the p-values of a family by Holm's step-down method; NaN stays NaN.

    A comparison without a p-value (a run is missing or failed) still counts as one of the family,
    as if its p-value were 1: leaving it out would make the others look better.
    Reference: Holm, Scandinavian Journal of Statistics 6 (1979).
    """
    ordered = values.fillna(1.0).sort_values()
    adjusted = (ordered * np.arange(len(ordered), 0, -1)).cummax().clip(upper=1.0)
    return adjusted.where(values.notna()).reindex(values.index)
