"""How well the colours of the reference reached the same parts of the sketch."""

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

_VISIBLE_FROM = 4  # scored pixels

Table = NDArray[np.float64]


@dataclass(frozen=True)
class Recoloring:
    """A pair whose true recolouring is known: `target`, the sketch in the reference's colours."""

    target: Truth
    reference: Truth

    def with_reference_moved(self) -> "Recoloring":
        """Keep the target; mirror the reference and shift it by a sixth."""
        given = self.reference
        return Recoloring(
            self.target, Truth(moved(given.color), moved(given.line), moved(given.parts))
        )


def visible(truth: Truth) -> NDArray[np.bool_]:
    """Say which parts show at least 4 pixels that are neither line nor white.

    Returns (len(PARTS),) bool.
    """
    mask = scored(truth.color, truth.line)
    shown: NDArray[np.bool_] = np.bincount(truth.parts[mask], minlength=len(PARTS)) >= _VISIBLE_FROM
    return shown


def part_differences(results: NDArray[np.uint8], cases: Sequence[Recoloring]) -> Table:
    """Give the mean CIEDE2000 difference of every part of every picture.

    results: (P, S, S, 3) uint8; cases: P.
    Returns (P, len(PARTS)), NaN where a part is not visible in both sketch and reference.
    """
    table = np.full((len(results), len(PARTS)), np.nan)
    for row, result, case in zip(table, results, cases, strict=True):
        target = case.target
        mask = scored(target.color, target.line)
        labels = target.parts[mask]
        apart = difference(lab(result)[mask], lab(target.color)[mask])
        counts = np.bincount(labels, minlength=len(PARTS))
        sums = np.bincount(labels, weights=apart, minlength=len(PARTS))
        both = visible(target) & visible(case.reference)
        row[both] = sums[both] / counts[both]
    return table


def pair_means(table: Table) -> NDArray[np.float64]:
    """Average hair, eyes, skin, clothes and accessory of every picture, as far as visible.

    table: of `part_differences`.  Returns (P,), NaN where none of them is visible.
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
    """Average what is not NaN; NaN where nothing is left."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")
