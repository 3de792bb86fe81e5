"""Colour difference of predictions to the true recolouring, for each part."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from refcolor.characters import PARTS
from refcolor.evaluation.metrics.baselines import moved
from refcolor.evaluation.metrics.color import difference, lab, scored
from refcolor.evaluation.metrics.truth import Truth

TRANSFER_PARTS = ("hair", "eyes", "skin", "clothes", "accessory")
TRANSFER_LABELS = tuple(PARTS.index(part) for part in TRANSFER_PARTS)

VISIBLE_FROM = 4  # scored pixels

Table = NDArray[np.float64]


@dataclass(frozen=True)
class Recoloring:
    """A pair with its true recolouring `target`: the sketch's shape in the reference's colours."""

    target: Truth
    reference: Truth

    def with_reference_moved(self) -> "Recoloring":
        """Return the same target with the reference mirrored and shifted by a sixth."""
        color, line, parts = self.reference.color, self.reference.line, self.reference.parts
        return Recoloring(self.target, Truth(moved(color), moved(line), moved(parts)))


def visible(truth: Truth) -> NDArray[np.bool_]:
    """Return the mask of parts with at least 4 pixels that are neither line nor white.

    Returns (len(PARTS),) bool.
    """
    mask = scored(truth.color, truth.line)
    counts = np.bincount(truth.parts[mask], minlength=len(PARTS))
    visible_parts: NDArray[np.bool_] = counts >= VISIBLE_FROM
    return visible_parts


def part_differences(results: NDArray[np.uint8], cases: Sequence[Recoloring]) -> Table:
    """Return the mean CIEDE2000 difference of every part of every picture.

    results: (P, S, S, 3) uint8; cases: P.
    Returns (P, len(PARTS)), NaN where a part is not visible in both sketch and reference.
    """
    table = np.full((len(results), len(PARTS)), np.nan)
    for row, result, case in zip(table, results, cases, strict=True):
        target = case.target
        mask = scored(target.color, target.line)
        labels = target.parts[mask]
        differences = difference(lab(result)[mask], lab(target.color)[mask])
        counts = np.bincount(labels, minlength=len(PARTS))
        sums = np.bincount(labels, weights=differences, minlength=len(PARTS))
        both = visible(target) & visible(case.reference)
        row[both] = sums[both] / counts[both]
    return table


def pair_means(table: Table) -> NDArray[np.float64]:
    """Return the mean over hair, eyes, skin, clothes and accessory of each picture.

    table: of `part_differences`; parts that are not visible are NaN and left out.
    Returns (P,), NaN where no part is visible.
    """
    return np.array([mean_of_known(row[list(TRANSFER_LABELS)]) for row in table])


def transfer_numbers(table: Table) -> dict[str, float]:
    """Summarise a table of `part_differences`.

    `transfer_delta_e` is the mean over pictures of their `pair_means`; `transfer_delta_e_<part>`
    the mean over the pictures where the part is visible.
    """
    numbers = {"transfer_delta_e": mean_of_known(pair_means(table))}
    for part in (*TRANSFER_PARTS, "background"):
        numbers[f"transfer_delta_e_{part}"] = mean_of_known(table[:, PARTS.index(part)])
    return numbers


def mean_of_known(values: NDArray[np.float64]) -> float:
    """Return the mean of the values that are not NaN; NaN if all are, without numpy's warning."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")
