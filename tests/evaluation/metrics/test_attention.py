"""Metrics of the attention, on maps small enough to count by hand."""

import math

import pytest
import torch

from refcolor.evaluation.metrics.attention import attention_accuracy, cell_parts, same_place

CELLS = (3, 5)


def test_accuracy_counts_keys_within_one_cell() -> None:
    """Around cell 7 (row 1, column 2) the neighbours 7, 13 and 1 are right, 9 and 5 are not."""
    strongest = torch.tensor([[7, 13, 1, 9, 5]])
    key, mask = torch.full((1, 5), 7), torch.ones(1, 5, dtype=torch.bool)
    assert attention_accuracy(strongest, key=key, mask=mask, cells=CELLS) == 3 / 5


def test_accuracy_does_not_wrap_around_rows() -> None:
    """Cell 4 ends a row and cell 5 begins the next: neighbours in memory, four columns apart."""
    mask = torch.ones(1, 1, dtype=torch.bool)
    key, strongest = torch.tensor([[4]]), torch.tensor([[5]])
    assert attention_accuracy(strongest, key=key, mask=mask, cells=CELLS) == 0


def test_accuracy_counts_only_masked_queries() -> None:
    """Queries without a known match or on the background are not counted."""
    strongest, key = torch.tensor([[7, 0, 7]]), torch.tensor([[7, 7, 0]])
    mask = torch.tensor([[True, False, True]])
    assert attention_accuracy(strongest, key=key, mask=mask, cells=CELLS) == 0.5
    assert math.isnan(
        attention_accuracy(strongest, key=key, mask=torch.zeros_like(mask), cells=CELLS)
    )


def test_accuracy_counts_queries_not_pictures() -> None:
    """1 of 1 and 0 of 3 queries are 1 of 4, not the mean of the two shares."""
    strongest = torch.tensor([[7, 0, 0], [0, 0, 0]])
    key = torch.full((2, 3), 7)
    mask = torch.tensor([[True, False, False], [True, True, True]])
    assert attention_accuracy(strongest, key=key, mask=mask, cells=CELLS) == 0.25


def test_cell_parts_is_the_majority_of_each_cell() -> None:
    """Of 2 x 3 pixels in a cell four carry label 2, or the lower of two labels with three each."""
    parts = torch.tensor([[[2, 2, 0, 1, 1, 4], [2, 2, 0, 4, 4, 1]]], dtype=torch.uint8)
    assert cell_parts(parts, cells=(1, 2), labels=5).tolist() == [[2, 1]]


def test_cells_are_numbered_row_by_row() -> None:
    """A picture of 3 x 5 cells comes back as its 15 labels in reading order."""
    labels = torch.arange(15).reshape(1, 3, 5)
    large = labels.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
    assert cell_parts(large, cells=CELLS, labels=15).tolist() == [list(range(15))]


def test_query_positions_on_the_grid_of_the_keys() -> None:
    """Two queries along a key's side map to that key; on equal grids each query to its index."""
    assert same_place((2, 6), (1, 3)).tolist() == [0, 0, 1, 1, 2, 2] * 2
    assert same_place((4, 2), (2, 1)).tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert same_place(CELLS, CELLS).tolist() == list(range(15))


def test_keys_outside_the_grid_are_refused() -> None:
    """A grid without a cell for a key is refused, naming both."""
    key, mask = torch.tensor([[3]]), torch.ones(1, 1, dtype=torch.bool)
    with pytest.raises(ValueError, match="must hold key 14, got 2 x 7"):
        attention_accuracy(torch.tensor([[14]]), key=key, mask=mask, cells=(2, 7))
