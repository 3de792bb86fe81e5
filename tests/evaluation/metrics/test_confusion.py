"""Which part of the result has the colour of which part of the reference, counted by hand."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from refcolor.characters import PARTS
from refcolor.evaluation.metrics.color import lab
from refcolor.evaluation.metrics.confusion import (
    SOURCES,
    TAKERS,
    attention_counts,
    color_counts,
    diagonal,
    palettes,
    shares,
    write_confusion,
)
from refcolor.evaluation.metrics.truth import Truth

HAIR, EYES, SKIN, CLOTHES, ACCESSORY, BACKGROUND = range(6)
NONE = 6
RED, GREEN, BLUE, GREY = (200, 40, 40), (40, 160, 60), (40, 60, 200), (128, 128, 128)
Rgb = tuple[int, int, int]


def _palette(**colors: Rgb) -> NDArray[np.float32]:
    """Make (1, 6, 3) of named colours; a part that is not named is missing."""
    rows = np.full((1, len(TAKERS), 3), np.nan, np.float32)
    for part, color in colors.items():
        rows[0, TAKERS.index(part)] = lab(np.uint8([[color]]))[0, 0]
    return rows


def test_parts_are_ordered_as_the_transfer_numbers() -> None:
    """Rows are hair, eyes, skin, clothes, accessory and background; columns have `none` more."""
    assert TAKERS == ("hair", "eyes", "skin", "clothes", "accessory", "background")
    assert SOURCES == (*TAKERS, "none")


def test_attention_is_counted_cell_by_cell() -> None:
    """Two hair cells attend to hair and skin, one eye cell to something that is not a part."""
    label = PARTS.index
    counts = attention_counts(
        torch.tensor([[0, 1, 2, 0]]),
        sketch_parts=torch.tensor([[label("hair"), label("hair"), label("eyes"), label("other")]]),
        reference_parts=torch.tensor(
            [[label("hair"), label("skin"), label("other"), label("eyes")]]
        ),
    )
    assert counts[HAIR].tolist() == [1, 0, 1, 0, 0, 0, 0]
    assert counts[EYES].tolist() == [0, 0, 0, 0, 0, 0, 1]
    assert counts.sum() == 3


def test_a_part_missing_in_the_reference_is_not_counted() -> None:
    """Clothes attend to hair because the reference has no clothes: nothing is counted."""
    label = PARTS.index
    counts = attention_counts(
        torch.tensor([[0]]),
        sketch_parts=torch.tensor([[label("clothes")]]),
        reference_parts=torch.tensor([[label("hair")]]),
    )
    assert not counts.any()


def test_a_part_is_counted_for_the_nearest_colour() -> None:
    """Red hair is the reference's hair, red clothes count as its hair too, grey skin as none."""
    references = _palette(hair=RED, clothes=BLUE, skin=GREEN)
    results = _palette(hair=(190, 50, 45), clothes=(190, 50, 45), skin=GREY)
    counts = color_counts(results, targets=references, references=references)
    assert counts[HAIR].tolist() == [1, 0, 0, 0, 0, 0, 0]
    assert counts[CLOTHES].tolist() == [1, 0, 0, 0, 0, 0, 0]
    assert counts[SKIN].tolist() == [0, 0, 0, 0, 0, 0, 1]
    assert counts.sum() == 3
    assert diagonal(counts) == pytest.approx(1 / 3)


def test_parts_of_one_colour_in_the_reference_are_not_told_apart() -> None:
    """Where hair and clothes of the reference have one colour only the first of them is counted."""
    references = _palette(hair=RED, clothes=RED, skin=GREEN)
    counts = color_counts(references, targets=references, references=references)
    assert counts.sum(axis=1).tolist() == [1, 0, 1, 0, 0, 0]


def test_a_part_must_be_in_both_pictures() -> None:
    """Eyes that the sketch lacks and skin that the reference lacks are not counted."""
    references = _palette(hair=RED, eyes=BLUE)
    targets = _palette(hair=RED, skin=GREEN)
    counts = color_counts(targets, targets=targets, references=references)
    assert counts.sum(axis=1).tolist() == [1, 0, 0, 0, 0, 0]


def test_a_part_has_its_median_colour_without_lines() -> None:
    """Five red pixels, two bright ones and a black line are red; three pixels are too few."""
    color = np.full((3, 5, 3), RED, np.uint8)
    color[0, :2] = (255, 250, 250)
    color[1] = 0
    parts = np.full((3, 5), PARTS.index("hair"), np.uint8)
    parts[2, 2:] = PARTS.index("eyes")
    line = np.zeros((3, 5), bool)
    line[1] = True
    color[2, 2:] = BLUE
    color[0, 2:] = color[2, :2] = RED
    medians = palettes([color], [Truth(color, line, parts)])
    assert medians.shape == (1, 6, 3)
    np.testing.assert_allclose(medians[0, HAIR], lab(np.uint8([[RED]]))[0, 0], atol=1e-4)
    assert np.isnan(medians[0, [EYES, SKIN, BACKGROUND]]).all()


def test_shares_are_of_the_row() -> None:
    """3 of 4 is 0.75; a row without a count is NaN, and so is its accuracy."""
    counts = np.zeros((6, 7), np.int64)
    assert math.isnan(diagonal(counts))
    counts[HAIR, [HAIR, SKIN]] = 3, 1
    assert shares(counts)[HAIR].tolist() == [0.75, 0, 0.25, 0, 0, 0, 0]
    assert np.isnan(shares(counts)[EYES]).all()
    counts[BACKGROUND, HAIR] = 9
    assert diagonal(counts) == 0.75


def test_the_csv_has_a_row_for_each_pair_of_parts(tmp_path: Path) -> None:
    """Seven rows for a part that was counted, none for the others, and always a header."""
    counts = np.zeros((6, 7), np.int64)
    counts[EYES, [EYES, NONE]] = 2, 1
    path = tmp_path / "metrics" / "confusion.csv"
    write_confusion(path, {"colour": counts})
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["took"] for row in rows] == list(SOURCES)
    assert {(row["measure"], row["part"]) for row in rows} == {("colour", "eyes")}
    assert [row["share"] for row in rows] == ["0", "0.6667", "0", "0", "0", "0", "0.3333"]
    with pytest.raises(ValueError, match="zip"):
        write_confusion(path, {"colour": counts, "attention": counts[:2]})
    assert len(path.read_text().splitlines()) == 8  # after an error it is what it was
    write_confusion(path, {})
    assert path.read_text() == "measure,part,took,share\n"
