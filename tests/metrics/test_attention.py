"""Attention metrics on maps small enough to count by hand."""

import math

import pytest
import torch

from refcolor.metrics.attention import (
    attention_accuracy,
    attention_identity,
    attention_part_accuracy,
    attention_part_identity,
    cell_parts,
)

CELLS = (3, 5)


def test_accuracy_counts_keys_within_one_cell() -> None:
    """Around cell 7 (row 1, column 2) the neighbours 7, 13 and 1 are right, 9 and 5 are not."""
    strongest = torch.tensor([[7, 13, 1, 9, 5]])
    key, asked = torch.full((1, 5), 7), torch.ones(1, 5, dtype=torch.bool)
    assert attention_accuracy(strongest, key=key, asked=asked, cells=CELLS) == 3 / 5


def test_accuracy_does_not_wrap_around_rows() -> None:
    """Cell 4 ends a row and cell 5 begins the next: neighbours in memory, four columns apart."""
    asked = torch.ones(1, 1, dtype=torch.bool)
    key, strongest = torch.tensor([[4]]), torch.tensor([[5]])
    assert attention_accuracy(strongest, key=key, asked=asked, cells=CELLS) == 0


def test_accuracy_asks_only_where_told() -> None:
    """Queries without a known match or of the background are neither right nor wrong."""
    strongest, key = torch.tensor([[7, 0, 7]]), torch.tensor([[7, 7, 0]])
    asked = torch.tensor([[True, False, True]])
    assert attention_accuracy(strongest, key=key, asked=asked, cells=CELLS) == 0.5
    assert math.isnan(
        attention_accuracy(strongest, key=key, asked=torch.zeros_like(asked), cells=CELLS)
    )


def test_accuracy_counts_queries_not_pictures() -> None:
    """One of one and none of three queries are one of four, not the mean of two shares."""
    strongest = torch.tensor([[7, 0, 0], [0, 0, 0]])
    key = torch.full((2, 3), 7)
    asked = torch.tensor([[True, False, False], [True, True, True]])
    assert attention_accuracy(strongest, key=key, asked=asked, cells=CELLS) == 0.25


def test_identity_is_the_accuracy_of_attention_that_never_moves() -> None:
    """Own places 0, 1 and 2 against matches 6, 9 and 2: the first and the last are near."""
    key, asked = torch.tensor([[6, 9, 2]]), torch.ones(1, 3, dtype=torch.bool)
    assert attention_identity(key=key, asked=asked, cells=CELLS) == 2 / 3


def test_part_accuracy_looks_up_the_part_under_the_strongest_key() -> None:
    """Queries of parts 2 1 1 2 look at parts 2 2 1 3; the last is not asked: two of three."""
    strongest = torch.tensor([[14, 14, 0, 3]])
    reference_parts = torch.tensor([[1, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]])
    share = attention_part_accuracy(
        strongest,
        sketch_parts=torch.tensor([[2, 1, 1, 2]]),
        reference_parts=reference_parts,
        asked=torch.tensor([[True, True, True, False]]),
    )
    assert share == 2 / 3


def test_part_identity_compares_the_same_places() -> None:
    """Parts 1 2 3 over parts 1 3 3 agree at two places, of which one is asked."""
    share = attention_part_identity(
        sketch_parts=torch.tensor([[1, 2, 3]]),
        reference_parts=torch.tensor([[1, 3, 3]]),
        asked=torch.tensor([[True, True, False]]),
    )
    assert share == 1 / 2


def test_cell_parts_is_the_majority_of_each_cell() -> None:
    """Of 2 x 3 pixels in a cell four carry label 2, or the lower of two labels with three each."""
    parts = torch.tensor([[[2, 2, 0, 1, 1, 4], [2, 2, 0, 4, 4, 1]]], dtype=torch.uint8)
    assert cell_parts(parts, cells=(1, 2), labels=5).tolist() == [[2, 1]]


def test_cells_are_numbered_row_by_row() -> None:
    """A picture of 3 x 5 cells comes back as its 15 labels in reading order."""
    labels = torch.arange(15).reshape(1, 3, 5)
    large = labels.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
    assert cell_parts(large, cells=CELLS, labels=15).tolist() == [list(range(15))]


def test_cells_must_hold_the_keys() -> None:
    """A grid that has no place for a key is refused, naming both."""
    key, asked = torch.tensor([[3]]), torch.ones(1, 1, dtype=torch.bool)
    with pytest.raises(ValueError, match="must hold key 14, got 2 x 7"):
        attention_accuracy(torch.tensor([[14]]), key=key, asked=asked, cells=(2, 7))
