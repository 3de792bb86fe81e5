"""Whether a tagger that knows nothing of us sees the reference's hair and eyes in the result."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from refcolor.evaluation.metrics.transfer import mean_of_known

KINDS = ("hair", "eyes")

Scores = NDArray[np.float64]
Attributes = Mapping[str, str]


def named_right(
    scores: Scores,
    *,
    tags: Sequence[str],
    kind: str,
    sketches: Sequence[Attributes],
    references: Sequence[Attributes],
) -> NDArray[np.float64]:
    """Say for each pair whether the strongest colour of hair or eyes is the reference's.

    scores: (P, T); tags: T names; kind: `hair` or `eyes`, whose tags read `<colour>_<kind>`;
    sketches, references: what is known about the two pictures of each pair. The colours that
    compete are those that occur in any of them and that the tagger knows.
    Returns (P,): 1 or 0; NaN where a colour is unknown to record or tagger, or where both pictures
    have it, so that no colour had to change.
    """
    columns = {tag: column for column, tag in enumerate(tags)}
    seen = sorted({known[kind] for known in (*sketches, *references) if kind in known})
    colors = [color for color in seen if f"{color}_{kind}" in columns]
    answers = np.full(len(references), np.nan)
    if not colors:
        return answers
    strongest = scores[:, [columns[f"{color}_{kind}"] for color in colors]].argmax(axis=1)
    for index, (sketch, reference) in enumerate(zip(sketches, references, strict=True)):
        target = reference.get(kind)
        if target in colors and kind in sketch and sketch[kind] != target:
            answers[index] = colors[strongest[index]] == target
    return answers


def tag_numbers(
    scores: Mapping[str, Scores],
    *,
    tags: Sequence[str],
    sketches: Sequence[Attributes],
    references: Sequence[Attributes],
) -> dict[str, float]:
    """Give the share of hair and eyes that a tagger calls by the reference's colour.

    scores: prefix of the key -> (P, T), of results and baselines; the rest as in `named_right`.
    `tag_transfer` is the mean over hair and eyes, `tag_transfer_hair` and `tag_transfer_eyes` that
    over one kind; NaN where no pair has an answer.
    """
    numbers = {}
    for prefix, rows in scores.items():
        answers = {
            kind: named_right(rows, tags=tags, kind=kind, sketches=sketches, references=references)
            for kind in KINDS
        }
        numbers[f"{prefix}tag_transfer"] = mean_of_known(np.concatenate(list(answers.values())))
        if not prefix:
            for kind, right in answers.items():
                numbers[f"tag_transfer_{kind}"] = mean_of_known(right)
    return numbers
