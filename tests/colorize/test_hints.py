"""Hints: how they are written, and the bias that they become."""

import math

import numpy as np
import pytest

from refcolor.colorize.hints import (
    SIGMA,
    STRENGTH,
    Hint,
    Match,
    PanelMatch,
    PointColor,
    PointMatch,
    logit_bias,
    parse_keep,
    parse_match,
)
from refcolor.colorize.placement import place
from refcolor.errors import RefcolorError, UsageError

SKETCH = place(80, 40, size=40, stride=4)  # 10 x 5 cells of 8 x 8 pixels of the picture
FIRST = place(24, 32, size=32, stride=4)  # 6 x 8 cells of 4 x 4 pixels
SECOND = place(8, 8, size=32, stride=4)  # 8 x 8 cells of 1 x 1 pixel


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("120,80=300,45", PointMatch(120, 80, 300, 45)),
        ("1.5, 2 = 3 ,4.25", PointMatch(1.5, 2, 3, 4.25)),
        ("1,2=3:4,5", PointMatch(1, 2, 4, 5, reference=2)),
        ("1.5, 2 = #3A7bd5", PointColor(1.5, 2, "#3A7bd5")),
        ("1.5, 2 = 3", PanelMatch(1.5, 2, reference=2)),
    ],
)
def test_a_match_is_read_as_it_is_written(text: str, match: Hint | Match) -> None:
    """Pixels of both pictures and the number of the reference, counted from 1, or a colour."""
    assert parse_match(text) == match
    assert parse_match(str(match).removeprefix("match ")) == match


def test_a_spot_to_keep_is_a_point() -> None:
    """Any other text is the name of a mask."""
    assert parse_keep(" 7, 12.5") == PointColor(7, 12.5, None)
    assert parse_keep("mask.png") is None
    with pytest.raises(ValueError, match=r"keep 7,12\.5 has no colour"):
        _ = PointColor(7, 12.5, None).rgb


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1,2",
        "1,2=0",
        "a,b=c,d",
        "-1,2=3,4",
        "1,2=0:3,4",
        "1;2=3;4",
        "1,2=#12345",
        "1,2=#12345g",
        "1,2=red",
    ],
)
def test_another_text_is_refused(text: str) -> None:
    """The message says what to write."""
    with pytest.raises(UsageError, match=r"a match reads X,Y=U,V in pixels"):
        parse_match(text)


def test_without_hints_there_is_no_bias() -> None:
    """Without hints the logits are unchanged."""
    assert logit_bias([], SKETCH, [FIRST]) is None


def test_the_bias_by_hand() -> None:
    """Strength at the two cells, times exp(-d^2 / 2 sigma^2) of both distances in cells."""
    bias = logit_bias([PointMatch(x=17, y=30, u=9, v=13)], SKETCH, [FIRST])
    assert bias is not None
    assert bias.shape == (50, 48)
    query, key = 3 * 5 + 2, 3 * 8 + 2
    assert bias[query, key] == STRENGTH
    assert bias.argmax() == query * 48 + key
    diagonal = bias[query - 5 - 1, key]  # one row up, one column left: d^2 = 2
    assert diagonal == pytest.approx(STRENGTH * math.exp(-2 / (2 * SIGMA**2)), rel=1e-6)
    both = bias[query + 1, key + 8]  # one cell away on each side: d^2 = 1 + 1
    assert both == pytest.approx(diagonal, rel=1e-6)


def test_distances_are_in_cells_of_the_reference() -> None:
    """Two sketch cells of half the side are as far as one cell of the reference."""
    fine = place(80, 40, size=40, stride=2)  # 20 x 10 cells
    bias = logit_bias([PointMatch(x=17, y=30, u=9, v=13)], fine, [FIRST])
    assert bias is not None
    assert bias.shape == (200, 48)
    query, key = 7 * 10 + 4, 3 * 8 + 2
    assert bias[query, key] == STRENGTH
    assert bias[query + 2 * 10, key] == pytest.approx(bias[query, key + 8], rel=1e-6)
    assert bias[query, key + 8] == pytest.approx(STRENGTH * math.exp(-1 / (2 * SIGMA**2)), rel=1e-6)


def test_each_reference_has_its_columns() -> None:
    """A match with the second reference changes no column of the first."""
    bias = logit_bias([PointMatch(x=1, y=1, u=7, v=7, reference=1)], SKETCH, [FIRST, SECOND])
    assert bias is not None
    assert bias.shape == (50, 48 + 64)
    assert not bias[:, :48].any()
    assert bias[0, -1] == STRENGTH


def test_a_panel_takes_a_reference_alone() -> None:
    """All its cells prefer the keys of that reference, and a point among them still wins."""
    point = PointMatch(x=1, y=1, u=7, v=7, reference=1)
    bias = logit_bias([PanelMatch(5, 5, reference=1), point], SKETCH, [FIRST, SECOND])
    assert bias is not None
    assert not bias[:, :48].any()
    assert bias[1:, 48:].min() >= STRENGTH
    assert bias[0, -1] == 2 * STRENGTH


def test_matches_are_combined_by_the_maximum() -> None:
    """Where two hints overlap, the larger bias counts: the same hint twice is one hint."""
    match, second = PointMatch(x=17, y=30, u=9, v=13), PointMatch(x=25, y=30, u=30, v=2)
    single, twice, both = (
        logit_bias(some, SKETCH, [FIRST]) for some in ([match], [match] * 2, [match, second])
    )
    assert np.array_equal(single, twice)
    assert np.array_equal(both, np.maximum(single, logit_bias([second], SKETCH, [FIRST])))


@pytest.mark.parametrize(
    ("match", "message"),
    [
        (PointMatch(40, 1, 1, 1), "40,1 lies outside of the sketch, which is 40 x 80 pixels"),
        (PanelMatch(40, 1, 0), "match 40,1=1: 40,1 lies outside of the sketch, which is 40 x 80"),
        (PointMatch(1, 1, 1, 24), "1,24 lies outside of the reference, which is 32 x 24 pixels"),
        (PointMatch(1, 1, 1, 1, reference=1), "names reference 2, but there is 1; count from 1"),
    ],
)
def test_a_spot_outside_is_refused(match: Match, message: str) -> None:
    """The message names the spot, the picture and its size."""
    with pytest.raises(RefcolorError, match=message):
        logit_bias([match], SKETCH, [FIRST])
