"""The numbers of metrics/eval.json, gathered from whole sets of pictures.

A number that does not exist is NaN here; the caller leaves it out.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from refcolor.augment import Match
from refcolor.metrics.attention import (
    attention_accuracy,
    attention_identity,
    attention_part_accuracy,
    attention_part_identity,
)
from refcolor.metrics.baselines import grey, mean_color
from refcolor.metrics.color import delta_e
from refcolor.metrics.confusion import Counts, colored_like, diagonal, palettes
from refcolor.metrics.distance import Features, fid, kid
from refcolor.metrics.edges import entanglement
from refcolor.metrics.histogram import color_histogram, histogram_distance
from refcolor.metrics.structure import ms_ssim, psnr, ssim
from refcolor.metrics.transfer import (
    TRANSFER_LABELS,
    Recoloring,
    Table,
    mean_of_known,
    part_differences,
    transfer_numbers,
)
from refcolor.metrics.truth import BACKGROUND, Truth

Stack = NDArray[np.uint8]


def self_numbers(results: Stack, *, references: Stack, truths: Sequence[Truth]) -> dict[str, float]:
    """Compare pictures coloured after their own warped selves with the truth.

    results, references: (N, S, S, 3) uint8. With the baselines grey_*, mean_color_*, copy_*.
    """
    colors = [truth.color for truth in truths]
    numbers = {
        "ms_ssim": _mean(map(ms_ssim, results, colors)),
        "psnr": _mean(map(psnr, results, colors)),
    }
    for prefix, pictures in _with_baselines(results, colors, references).items():
        numbers[f"{prefix}ssim"] = _mean(map(ssim, pictures, colors))
        numbers[f"{prefix}delta_e"] = _mean(
            delta_e(picture, truth.color, line=truth.line)
            for picture, truth in zip(pictures, truths, strict=True)
        )
    return numbers


def match_numbers(
    strongest: Tensor, match: Match, *, parts: Tensor, cells: tuple[int, int]
) -> dict[str, float]:
    """Say how often the attention finds the known match of a foreground query.

    strongest: (N, N_s) int64, the strongest key; parts: (N, N_s), the label of each query cell.
    """
    asked = match.known & (parts != BACKGROUND)
    return {
        "attention_accuracy": attention_accuracy(
            strongest, key=match.key, asked=asked, cells=cells
        ),
        "attention_identity": attention_identity(key=match.key, asked=asked, cells=cells),
    }


def part_numbers(
    strongest: Tensor, *, sketch_parts: Tensor, reference_parts: Tensor
) -> dict[str, float]:
    """Say how often the attention of a foreign pair looks at the same part.

    strongest: (P, N_s) int64; parts: (P, N) int64, the label of each cell. Asked are the queries
    on hair, eyes, skin, clothes and accessory whose part the reference shows in a cell of its own.
    """
    shown = (sketch_parts[:, :, None] == reference_parts[:, None]).any(dim=-1)
    scored = sum(sketch_parts == label for label in TRANSFER_LABELS) > 0
    both = {
        "sketch_parts": sketch_parts,
        "reference_parts": reference_parts,
        "asked": shown & scored,
    }
    return {
        "attention_part_accuracy": attention_part_accuracy(strongest, **both),
        "attention_part_identity": attention_part_identity(**both),
    }


def set_numbers(
    results: Stack,
    *,
    references: Stack,
    originals: Stack,
    real: Stack,
    training: Stack,
    features: Features,
) -> dict[str, float]:
    """Measure how far the set of coloured pairs is from a set of real pictures.

    results, references, originals: (P, S, S, 3) uint8, what was made, its references and the
    pictures that the sketches were drawn from; real: (R, S, S, 3); training: the real pictures of
    the floor. Keys end in `_random` unless the features are Inception's.
    """
    suffix = "" if features.name == "inception" else f"_{features.name}"
    wanted = features(real)
    numbers = {"fid_floor": fid(features(training), wanted)}
    sides = {"": results, "copy_": references, "grey_": np.stack([grey(p) for p in originals])}
    for prefix, pictures in sides.items():
        found = features(pictures)
        numbers[f"{prefix}fid{suffix}"] = fid(found, wanted)
        numbers[f"{prefix}kid{suffix}"] = kid(found, wanted)
    return numbers


def following_numbers(
    results: Stack,
    *,
    asked: Sequence[Truth],
    given: Sequence[Truth],
    again: Stack,
    others: NDArray[np.int64],
    back: Stack,
) -> dict[str, float]:
    """Say whether foreign references are followed, without knowing the true recolouring.

    results: (P, S, S, 3) uint8; asked: what each sketch was drawn from; given: its reference.
    again: the same sketches coloured after the references of the pairs `others`; a pair that is its
    own other is not asked. back: the sketches of the references, coloured after the results.
    `histogram_distance` with the baselines grey_*, mean_color_*, copy_*, `entanglement` with
    copy_*, and `cycle_delta_e`, which copying passes.
    """
    references = np.stack([truth.color for truth in given])
    wanted = [color_histogram(truth.color, line=truth.line) for truth in given]
    originals = [truth.color for truth in asked]
    numbers = {}
    for prefix, pictures in _with_baselines(results, originals, references).items():
        found = (color_histogram(p, line=t.line) for p, t in zip(pictures, asked, strict=True))
        numbers[f"{prefix}histogram_distance"] = _mean(map(histogram_distance, found, wanted))
    two = np.flatnonzero(others != np.arange(len(others)))
    numbers["entanglement"] = _mean(map(entanglement, results[two], again[two]))
    numbers["copy_entanglement"] = _mean(
        map(entanglement, references[two], references[others[two]])
    )
    numbers["cycle_delta_e"] = _mean(
        delta_e(p, t.color, line=t.line) for p, t in zip(back, given, strict=True)
    )
    return numbers


def color_confusions(results: Stack, cases: Sequence[Recoloring]) -> dict[str, Counts]:
    """Count whose colour each part took, for results and for the baselines grey_ and copy_."""
    wanted = [case.wanted for case in cases]
    references = [case.reference for case in cases]
    asked = palettes([truth.color for truth in wanted], wanted)
    given = palettes([truth.color for truth in references], references)
    sides = {
        "": list(results),
        "grey_": [grey(truth.color) for truth in wanted],
        "copy_": [truth.color for truth in references],
    }
    return {
        prefix: colored_like(palettes(pictures, wanted), wanted=asked, given=given)
        for prefix, pictures in sides.items()
    }


def color_part_numbers(confusions: Mapping[str, Counts]) -> dict[str, float]:
    """Say how often a part took the colour of the same part; of `color_confusions`."""
    return {
        f"{prefix}color_part_accuracy": diagonal(counts) for prefix, counts in confusions.items()
    }


def recoloring_numbers(
    results: Stack,
    cases: Sequence[Recoloring],
    *,
    table: Table,
    moved_results: Stack,
    originals: Stack,
) -> dict[str, float]:
    """Compare foreign pairs with their true recolouring.

    results: (P, S, S, 3) uint8; table: `part_differences` of results and cases; moved_results:
    coloured after the moved references; originals: what the sketches were drawn from. With the
    baselines grey_*, mean_color_*, copy_*; the grey one also for each part; true_* is what the
    true recolouring scores where that is not 0.
    """
    colors = [case.wanted.color for case in cases]
    references = np.stack([case.reference.color for case in cases])
    numbers = transfer_numbers(table)
    turned = part_differences(moved_results, [case.with_reference_moved() for case in cases])
    numbers["transfer_delta_e_moved"] = transfer_numbers(turned)["transfer_delta_e"]
    for prefix, pictures in _with_baselines(results, colors, references).items():
        numbers[f"{prefix}transfer_psnr"] = _mean(map(psnr, pictures, colors))
        if prefix:
            found = transfer_numbers(part_differences(pictures, cases))
            kept = found if prefix == "grey_" else ["transfer_delta_e"]
            numbers |= {f"{prefix}{name}": found[name] for name in kept}
    numbers["true_histogram_distance"] = _mean(
        histogram_distance(
            *(color_histogram(t.color, line=t.line) for t in (c.wanted, c.reference))
        )
        for c in cases
    )
    numbers["true_entanglement"] = _mean(map(entanglement, originals, colors))
    return numbers


def _with_baselines(
    results: Stack, truths: Sequence[Stack], references: Stack
) -> Mapping[str, Stack]:
    return {
        "": results,
        "grey_": np.stack([grey(truth) for truth in truths]),
        "mean_color_": np.stack([mean_color(reference) for reference in references]),
        "copy_": references,
    }


def _mean(values: Iterable[float]) -> float:
    return mean_of_known(np.array(list(values)))
