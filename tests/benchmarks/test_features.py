"""The comparison of features, on rows worked by hand and on a few drawn characters."""

import itertools

import numpy as np
import pytest

from benchmarks.features import (
    COLORINGS,
    HALVINGS,
    STRENGTHS,
    WHOLE,
    Variant,
    distances,
    drawn,
    halvings,
    summary,
    variants,
)
from refcolor.evaluation.metrics.color import difference, lab
from refcolor.evaluation.metrics.distance import Rows


def _shift(first: Rows, second: Rows) -> float:
    return float(abs(first.mean() - second.mean()))


def test_halves_have_no_picture_in_common() -> None:
    """Every picture of a halving is in one half."""
    halves = list(halvings(6))
    assert len(halves) == HALVINGS
    assert all(sorted([*first, *second]) == list(range(6)) for first, second in halves)


def test_a_distance_rises_with_the_strength_or_is_marked() -> None:
    """Rows moved far beyond the noise by twice the strength have twice the z; equal ones `!`."""
    right = np.random.default_rng(0).normal(size=(20, 1))
    floor = distances(_shift, right, right)
    moved = {"blur": (100, 200, 300), "noise": (400, 0, 400), "jpeg": (1, 2, 3), "tiles": (1, 2, 3)}
    moved |= {"grey": (500, 600, 700)}
    rows: dict[Variant, Rows] = {WHOLE: right} | {
        (name, strength): right + shift
        for name, shifts in moved.items()
        for strength, shift in zip(STRENGTHS[name], shifts, strict=True)
    }
    cells = summary(rows, dict.fromkeys(rows, 0.0) | {("grey", 1.0): 1.0}, _shift)
    first, second, third = map(float, cells["blur"].split())
    assert first == pytest.approx((100 - floor.mean()) / floor.std(ddof=1), rel=0.02)
    assert (second / first, third / first) == pytest.approx((2, 3), rel=0.02)
    assert cells["noise"].endswith("!")
    assert cells["pairs in the right order"] == "1.00"


def test_each_strength_damages_more() -> None:
    """CIEDE2000 to the right pictures rises; parts and palettes are known for drawings only."""
    pictures = drawn(4)
    found = dict(variants(pictures))
    right = lab(found[WHOLE])
    errors = {key: difference(lab(damaged), right).mean() for key, damaged in found.items()}
    for name, strengths in STRENGTHS.items():
        course = [0, *(errors[name, strength] for strength in strengths)]
        assert all(low < high for low, high in itertools.pairwise(course)), name
    alone = {name for (name, _), _ in variants({"": pictures[""]})}
    assert alone == {"", *STRENGTHS} - set(COLORINGS)
