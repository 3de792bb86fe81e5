"""Tag transfer: whether an independent tagger sees the reference's hair and eye colours."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from refcolor.evaluation.metrics.transfer import mean_of_known

KINDS = ("hair", "eyes")

Scores = NDArray[np.float64]
Attributes = Mapping[str, str]


def correct_colors(
    scores: Scores,
    *,
    tags: Sequence[str],
    kind: str,
    sketches: Sequence[Attributes],
    references: Sequence[Attributes],
) -> NDArray[np.float64]:
    """Return for each pair whether the colour with the highest score is the reference's.

    scores: (P, T); tags: T names; kind: `hair` or `eyes`, whose tags read `<colour>_<kind>`;
    sketches, references: the attributes of the two pictures of each pair. The candidate colours are
    those that occur in these attributes and that the tagger knows.
    Returns (P,): 1 or 0; NaN where a colour is missing in the attributes or unknown to the tagger,
    or where both pictures have the same colour.
    """
    columns = {tag: column for column, tag in enumerate(tags)}
    named = sorted({known[kind] for known in (*sketches, *references) if kind in known})
    colors = [color for color in named if f"{color}_{kind}" in columns]
    correct = np.full(len(references), np.nan)
    if not colors:
        return correct
    strongest = scores[:, [columns[f"{color}_{kind}"] for color in colors]].argmax(axis=1)
    for index, (sketch, reference) in enumerate(zip(sketches, references, strict=True)):
        target = reference.get(kind)
        if target in colors and kind in sketch and sketch[kind] != target:
            correct[index] = colors[strongest[index]] == target
    return correct


def tag_numbers(
    scores: Mapping[str, Scores],
    *,
    tags: Sequence[str],
    sketches: Sequence[Attributes],
    references: Sequence[Attributes],
) -> dict[str, float]:
    """Return the share of hair and eyes to which a tagger gives the reference's colour.

    scores: prefix of the key -> (P, T), of results and baselines; the rest as `correct_colors`.
    `tag_transfer` is the mean over hair and eyes, `tag_transfer_hair` and `tag_transfer_eyes` are
    the means over one kind; NaN where no pair counts.
    """
    numbers = {}
    for prefix, rows in scores.items():
        correct = [
            correct_colors(rows, tags=tags, kind=kind, sketches=sketches, references=references)
            for kind in KINDS
        ]
        numbers[f"{prefix}tag_transfer"] = mean_of_known(np.concatenate(correct))
        if not prefix:
            for kind, values in zip(KINDS, correct, strict=True):
                numbers[f"tag_transfer_{kind}"] = mean_of_known(values)
    return numbers
