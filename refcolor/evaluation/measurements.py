"""The measurements of an evaluation, each a function of the predictions and, for some, a network.

A number that is not defined (no attention, no known target, too few pictures) is NaN or left out.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from tqdm import tqdm

from refcolor.evaluation.evaluation_set import Stack, second_references
from refcolor.evaluation.features.tagger import Tagger
from refcolor.evaluation.metrics.attention import attention_accuracy, same_place
from refcolor.evaluation.metrics.baselines import grey, mean_color, moved
from refcolor.evaluation.metrics.color import chroma_error, delta_e, white_kept
from refcolor.evaluation.metrics.confusion import (
    Counts,
    attention_counts,
    color_counts,
    diagonal,
    palettes,
)
from refcolor.evaluation.metrics.distance import Features, Rows, fid, kid
from refcolor.evaluation.metrics.edges import entanglement
from refcolor.evaluation.metrics.heatmap import draw_confusion
from refcolor.evaluation.metrics.histogram import color_histogram, histogram_distance
from refcolor.evaluation.metrics.sheets import SHOWN, sheet, spread, spread_by_sketch
from refcolor.evaluation.metrics.structure import ms_ssim, psnr, ssim
from refcolor.evaluation.metrics.tags import tag_numbers
from refcolor.evaluation.metrics.transfer import (
    mean_of_known,
    pair_means,
    part_differences,
    transfer_numbers,
)
from refcolor.evaluation.metrics.truth import BACKGROUND, Truth
from refcolor.evaluation.predictions import Predictions
from refcolor.io.image import WHITE, Picture
from refcolor.sources.drawn import is_drawn


@dataclass
class Measured:
    """The result of a measurement.

    numbers: by the key in metrics/eval.json. pictures: by name. tables: confusions of parts.
    """

    numbers: dict[str, float] = field(default_factory=dict)
    pictures: dict[str, Picture] = field(default_factory=dict)
    tables: dict[str, Counts] = field(default_factory=dict)


def measurements(
    features: Features, tagger: Tagger | None
) -> list[Callable[[Predictions], Measured]]:
    """Return every measurement as a function of the predictions.

    tagger: None leaves out the measurement of tags.
    """
    return [
        self_reference,
        other_reference,
        attention,
        reference_dependence,
        line_art,
        cross_reference,
        recoloring,
        confusion,
        partial(distance_of_sets, features=features),
        *([partial(tag_transfer, tagger=tagger)] if tagger else []),
    ]


def self_reference(predictions: Predictions) -> Measured:
    """Compare self-reference predictions with the pictures that they should restore."""
    pictures, truths = predictions.data.pictures, predictions.data.truths
    references, results = predictions.warped[0], predictions.self_reference.pictures
    targets = [truth.color for truth in truths]
    numbers = {
        "images": float(len(pictures)),
        "ms_ssim": _mean(map(ms_ssim, results, targets)),
        "psnr": _mean(map(psnr, results, targets)),
        **_compared(results, truths, references),
    }
    columns = [pictures.sketch, references, results, pictures.color]
    return Measured(numbers, {"self": sheet(columns, spread(len(pictures)))})


def other_reference(predictions: Predictions) -> Measured:
    """Compare pictures coloured after another picture of their group with the truth.

    Needs two validation pictures of one group.
    """
    data = predictions.data
    if not len(data.other_pairs):
        return Measured()
    drawn_from, colored_after = data.other_pairs.T
    sketches, references = data.pictures.sketch[drawn_from], data.pictures.color[colored_after]
    results = predictions.color(sketches, references, "other reference").pictures
    truths = [data.truths[index] for index in drawn_from]
    numbers = {"other_pairs": float(len(truths))}
    numbers |= _compared(results, truths, references, name="other_")
    columns = [sketches, references, results, data.pictures.color[drawn_from]]
    return Measured(numbers, {"other": sheet(columns, spread(len(truths)))})


def attention(predictions: Predictions) -> Measured:
    """Measure the share of foreground queries whose strongest key is the known match.

    Needs attention. `attention_identity` is the baseline: each query's strongest key is the cell at
    the same position.
    """
    strongest = predictions.self_reference.strongest
    if strongest is None:
        return Measured()
    match = predictions.warped[1]
    mask = match.known & (predictions.query_parts != BACKGROUND)
    accuracy = partial(attention_accuracy, key=match.key, mask=mask, cells=predictions.key_cells)
    identity = same_place(predictions.query_cells, predictions.key_cells).expand_as(strongest)
    return Measured(
        {"attention_accuracy": accuracy(strongest), "attention_identity": accuracy(identity)}
    )


def reference_dependence(predictions: Predictions) -> Measured:
    """Measure whether predictions take the reference's colours, without a true recolouring.

    Each sketch is also coloured after a second reference, and the sketch of each reference after
    the prediction (the cycle). Gives `histogram_distance` with grey_*, mean_color_* and copy_*,
    `entanglement` with copy_* for sketches with a second reference, and `cycle_delta_e`, which is 0
    for a copy of the reference.
    """
    data, results = predictions.data, predictions.cross_reference.pictures
    sketch_truths, reference_truths = ([data.truths[i] for i in side] for side in data.pairs.T)
    references = predictions.references
    second = second_references(data.pairs)
    second_results = predictions.color(
        predictions.sketches, references[second], "second reference"
    ).pictures
    cycle_sketches = data.pictures.sketch[data.pairs[:, 1]]
    cycle = predictions.color(cycle_sketches, results, "cycle").pictures
    numbers = {"pairs": float(len(data.pairs))}
    targets = [color_histogram(truth.color, line=truth.line) for truth in reference_truths]
    for prefix, answers in _cross_reference_answers(predictions).items():
        histograms = (
            color_histogram(answer, line=truth.line)
            for answer, truth in zip(answers, sketch_truths, strict=True)
        )
        distances = map(histogram_distance, histograms, targets)
        numbers[f"{prefix}histogram_distance"] = _mean(distances)
    has_second = second != np.arange(len(second))
    numbers["entanglement"] = _mean(
        map(entanglement, results[has_second], second_results[has_second])
    )
    numbers["copy_entanglement"] = _mean(
        map(entanglement, references[has_second], references[second][has_second])
    )
    numbers["cycle_delta_e"] = _mean(
        delta_e(picture, truth.color, line=truth.line)
        for picture, truth in zip(cycle, reference_truths, strict=True)
    )
    columns = [predictions.sketches, references, results, cycle]
    columns += [references[second], second_results]
    return Measured(numbers, {"following": sheet(columns, spread(len(data.pairs)))})


def line_art(predictions: Predictions) -> Measured:
    """Colour hand-drawn line art after validation pictures. Needs line art."""
    drawings, pictures = predictions.data.line_art, predictions.data.pictures
    if not drawings:
        return Measured()
    references = pictures.color[spread(len(pictures), len(drawings))]
    sketches = np.stack(drawings[: len(references)])
    results = predictions.color(sketches, references, "line art").pictures
    columns = [sketches, references, results]
    return Measured(pictures={"lineart": sheet(columns, range(len(references)))})


def cross_reference(predictions: Predictions) -> Measured:
    """Show pairs beside their true recolouring, or without it where no recolouring is known."""
    data = predictions.data
    known = data.drawn_pairs
    shown = known if known.size else np.arange(len(data.pairs))
    columns = [predictions.sketches, predictions.references, predictions.cross_reference.pictures]
    columns = [column[shown] for column in columns]
    if known.size:
        columns.append(np.stack([case.target.color for case in data.recolorings]))
    chosen = spread_by_sketch(data.pairs[shown, 0].tolist())
    return Measured(pictures={"foreign": sheet(columns, chosen)})


def recoloring(predictions: Predictions) -> Measured:
    """Compare pairs with their true recolouring. Needs pairs of drawn pictures.

    Gives the baselines grey_*, mean_color_* and copy_*, grey_* also for each part, and true_*: the
    numbers of the true recolouring where these are not 0.
    """
    data, known = predictions.data, predictions.data.drawn_pairs
    if not known.size:
        return Measured()
    cases = data.recolorings
    targets = [case.target.color for case in cases]
    sketches, references = predictions.sketches[known], predictions.references[known]
    results = predictions.cross_reference.pictures[known]
    table = part_differences(results, cases)
    numbers = transfer_numbers(table)
    moved_references = np.stack([moved(reference) for reference in references])
    moved_table = part_differences(
        predictions.color(sketches, moved_references, "moved reference").pictures,
        [case.with_reference_moved() for case in cases],
    )
    numbers["transfer_delta_e_moved"] = transfer_numbers(moved_table)["transfer_delta_e"]
    kept = [
        white_kept(result, case.target.color, line=case.target.line)
        for result, case in zip(results, cases, strict=True)
    ]
    numbers["white_kept"] = mean_of_known(np.concatenate(kept).astype(np.float64))
    for prefix, answers in _with_baselines(results, targets, references).items():
        numbers[f"{prefix}transfer_psnr"] = _mean(map(psnr, answers, targets))
        if prefix:
            baseline = transfer_numbers(part_differences(answers, cases))
            keys = baseline if prefix == "grey_" else ["transfer_delta_e"]
            numbers |= {f"{prefix}{key}": baseline[key] for key in keys}
    numbers["true_histogram_distance"] = _mean(
        histogram_distance(
            *(color_histogram(t.color, line=t.line) for t in (case.target, case.reference))
        )
        for case in cases
    )
    originals = data.pictures.color[data.pairs[known, 0]]
    numbers["true_entanglement"] = _mean(map(entanglement, originals, targets))
    worst = np.argsort(-np.nan_to_num(pair_means(table)), kind="stable")[:SHOWN]
    columns = [sketches, references, results, np.stack(targets)]
    return Measured(numbers, {"worst": sheet(columns, worst.tolist())})


def confusion(predictions: Predictions) -> Measured:
    """Count which part attends to which part and takes its colour. Needs pairs of drawn pictures.

    The counts of the attention need attention; the colours have the baselines grey_ and copy_.
    """
    data, known = predictions.data, predictions.data.drawn_pairs
    if not known.size:
        return Measured()
    measured = Measured()
    strongest = predictions.cross_reference.strongest
    if strongest is not None:
        sketches, colored_after = data.pairs[known].T
        sketch_parts = predictions.query_parts[sketches]
        count = partial(
            attention_counts,
            sketch_parts=sketch_parts,
            reference_parts=predictions.key_parts[colored_after],
        )
        measured.tables["attention"] = count(strongest[known])
        identity = same_place(predictions.query_cells, predictions.key_cells)
        measured.numbers = {
            "attention_part_accuracy": diagonal(measured.tables["attention"]),
            "attention_part_identity": diagonal(count(identity.expand_as(sketch_parts))),
        }
    targets = [case.target for case in data.recolorings]
    references = [case.reference for case in data.recolorings]
    count_colors = partial(
        color_counts,
        targets=palettes([truth.color for truth in targets], targets),
        references=palettes([truth.color for truth in references], references),
    )
    answers: dict[str, Sequence[Picture]] = {
        "": list(predictions.cross_reference.pictures[known]),
        "grey_": [grey(truth.color) for truth in targets],
        "copy_": [truth.color for truth in references],
    }
    for prefix, pictures in answers.items():
        counts = count_colors(palettes(pictures, targets))
        measured.numbers[f"{prefix}color_part_accuracy"] = diagonal(counts)
        measured.tables.setdefault("colour", counts)
    measured.pictures["confusion"] = draw_confusion(measured.tables)
    return measured


def distance_of_sets(predictions: Predictions, *, features: Features) -> Measured:
    """Measure FID and KID between predictions and real pictures.

    The real pictures are in no pair, because a copy of the references would have distance 0
    otherwise. FID, whose bias depends on the numbers of pictures, has as many of the predictions,
    of the real and of the training pictures; KID, which has no bias, has all. Keys end in `_random`
    unless the features are Inception's. Needs two pictures on each side.
    """
    data = predictions.data
    real = data.pictures.color[data.unpaired]
    numbers = {"real_images": float(len(real))}
    count = min(len(real), len(data.training), len(data.pairs))
    if count < 2:
        tqdm.write(
            f"FID and KID are left out: they need 2 pairs, 2 validation pictures in no pair and "
            f"2 training pictures, got {len(data.pairs)}, {len(real)} and {len(data.training)}; "
            "add pictures or raise split.validation"
        )
        return Measured(numbers)
    suffix = "" if features.name == "inception" else f"_{features.name}"
    real_rows = features(real)

    def equal_fid(rows: Rows) -> float:
        return fid(*(side[spread(len(side), count)] for side in (rows, real_rows)))

    numbers["fid_floor"] = equal_fid(features(data.training))
    answers = _cross_reference_answers(predictions)
    for prefix in ("", "copy_", "grey_"):
        rows = features(answers[prefix])
        numbers[f"{prefix}fid{suffix}"] = equal_fid(rows)
        numbers[f"{prefix}kid{suffix}"] = kid(rows, real_rows)
    return Measured(numbers)


def tag_transfer(predictions: Predictions, *, tagger: Tagger) -> Measured:
    """Measure how often a tagger gives hair and eyes of the prediction the reference's colour.

    Needs a tagger, and posts that people have tagged with colours.
    """
    data = predictions.data
    named = [
        {} if record is None or is_drawn(record) else record.attributes for record in data.records
    ]
    sketches, references = ([named[i] for i in side] for side in data.pairs.T)
    answers = _cross_reference_answers(predictions)
    scores = {prefix: tagger(answers[prefix]) for prefix in ("", "copy_", "grey_")}
    tags = tagger.tags
    return Measured(tag_numbers(scores, tags=tags, sketches=sketches, references=references))


def _compared(
    results: Stack, truths: Sequence[Truth], references: Stack, *, name: str = ""
) -> dict[str, float]:
    """Compare results and baselines, white paper too, with pictures that are their own truth.

    name: put before `ssim`, `delta_e` and `chroma_error`.
    """
    numbers, targets = {}, [truth.color for truth in truths]
    errors = {"delta_e": delta_e, "chroma_error": chroma_error}
    compared = _with_baselines(results, targets, references)
    compared["paper_"] = np.full_like(references, WHITE)
    for prefix, answers in compared.items():
        numbers[f"{prefix}{name}ssim"] = _mean(map(ssim, answers, targets))
        for key, error in errors.items():
            numbers[f"{prefix}{name}{key}"] = _mean(
                error(answer, truth.color, line=truth.line)
                for answer, truth in zip(answers, truths, strict=True)
            )
    return numbers


def _cross_reference_answers(predictions: Predictions) -> dict[str, Stack]:
    originals = predictions.data.pictures.color[predictions.data.pairs[:, 0]]
    results = predictions.cross_reference.pictures
    return _with_baselines(results, originals, predictions.references)


def _with_baselines(
    results: Stack, targets: Iterable[Picture], references: Stack
) -> dict[str, Stack]:
    return {
        "": results,
        "grey_": np.stack([grey(target) for target in targets]),
        "mean_color_": np.stack([mean_color(reference) for reference in references]),
        "copy_": references,
    }


def _mean(values: Iterable[float]) -> float:
    return mean_of_known(np.array(list(values)))
