"""Judge a trained generator with a fixed set of questions, the same for every run."""

import math
from functools import partial
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from refcolor import image
from refcolor.checkpoint import load_generator
from refcolor.data import load_pictures, read_ids
from refcolor.features.inception import Inception
from refcolor.features.random_convolutions import RandomConvolutions
from refcolor.features.tagger import load_tagger
from refcolor.metrics import sheets
from refcolor.metrics.attention import cell_parts
from refcolor.metrics.baselines import grey, moved
from refcolor.metrics.confusion import looked_at, write_confusion
from refcolor.metrics.distance import Features
from refcolor.metrics.heatmap import draw_confusion
from refcolor.metrics.summary import (
    color_confusions,
    color_part_numbers,
    following_numbers,
    match_numbers,
    part_numbers,
    recoloring_numbers,
    self_numbers,
    set_numbers,
)
from refcolor.metrics.tags import tag_numbers
from refcolor.metrics.transfer import Recoloring, pair_means, part_differences
from refcolor.metrics.truth import recolored
from refcolor.params import EvaluateParams, Params
from refcolor.questions import (
    Colored,
    Stack,
    choose,
    colored,
    own_truths,
    read_pairs,
    second_references,
    warp_all,
)
from refcolor.shards import files
from refcolor.sources.drawn import is_drawn
from refcolor.sources.manifest import read_manifest
from refcolor.sources.naming import result_name
from refcolor.sources.sample import PARTS

SIGNIFICANT_DIGITS = 6


def evaluate(
    params: Params,
    *,
    models: Path,
    manifest: Path,
    split: Path,
    color: Path,
    sketch: Path,
    lineart: Path,
    results: Path,
    images: Path,
    confusion: Path,
    device: torch.device | str = "cpu",
) -> dict[str, float]:
    """Measure a model on the validation pictures; returns the content of metrics/eval.json.

    models, manifest, split, color, sketch, lineart: what the stages before wrote.
    results: gets every coloured pair, called by `result_name`; images: gets contact sheets;
    confusion: gets the CSV of which part took which part's colour, empty where parts are unknown.
    A number that does not exist (no attention, no known truth, too few pictures for FID) is left
    out. Equal input gives equal numbers on one machine and device.
    Raises RefcolorError for weights or pictures that are missing, and for a tagger that is none.
    """
    torch.set_num_threads(params.train.threads)
    generator = load_generator(models, device=device).to(memory_format=torch.channels_last)
    features = load_features(params.evaluate, device=device)
    tagger = load_tagger(Path(params.evaluate.tagger)) if params.evaluate.tagger else None
    pictures = load_pictures(read_ids(split / "val.txt"), color=color, sketch=sketch)
    pairs = read_pairs(split / "pairs.csv", pictures.ids)
    records = {record.id: record for record in read_manifest(manifest)}
    size = pictures.color.shape[1]
    redraw = partial(recolored, drawn_at=params.source.sample.size, size=size, fit=params.clean.fit)
    truths = own_truths(pictures, records, redraw=redraw)
    cells = (size // generator.stride,) * 2
    parts = cell_parts(
        torch.from_numpy(np.stack([truth.parts for truth in truths])),
        cells=cells,
        labels=len(PARTS),
    )

    def coloring(sketches: Stack, references: Stack, label: str) -> Colored:
        return colored(
            generator,
            sketches,
            references,
            batch_size=params.evaluate.batch_size,
            device=device,
            label=label,
        )

    # The own picture, warped, as reference: the truth is the picture itself.
    warped, match = warp_all(pictures.color, params.evaluate, cells=cells)
    own = coloring(pictures.sketch, warped, "own reference")
    numbers = {"images": float(len(pictures)), "pairs": float(len(pairs))}
    numbers |= self_numbers(own.pictures, references=warped, truths=truths)
    if own.strongest is not None:
        numbers |= match_numbers(own.strongest, match, parts=parts, cells=cells)
    columns = [pictures.sketch, warped, own.pictures, pictures.color]
    image.write(images / "self.png", sheets.sheet(columns, sheets.spread(len(pictures))))

    # Another picture as reference.
    drawn_from, colored_after = pairs.T
    sketches, references = pictures.sketch[drawn_from], pictures.color[colored_after]
    foreign = coloring(sketches, references, "foreign reference")
    for (i, j), picture in zip(pairs, foreign.pictures, strict=True):
        image.write(results / result_name(pictures.ids[i], pictures.ids[j]), picture)

    # Each sketch after a second reference, and each reference after what was made of it.
    others = second_references(pairs)
    again = coloring(sketches, references[others], "second reference")
    back = coloring(pictures.sketch[colored_after], foreign.pictures, "there and back")
    numbers |= following_numbers(
        foreign.pictures,
        asked=[truths[place] for place in drawn_from],
        given=[truths[place] for place in colored_after],
        again=again.pictures,
        others=others,
        back=back.pictures,
    )
    columns = [sketches, references, foreign.pictures, back.pictures]
    columns += [references[others], again.pictures]
    image.write(images / "following.png", sheets.sheet(columns, sheets.spread(len(pairs))))

    # What somebody else's network calls the colours, where people have named them.
    if tagger is not None:
        named = [
            {} if is_drawn(records.get(name)) or name not in records else records[name].attributes
            for name in pictures.ids
        ]
        originals = np.stack([grey(picture) for picture in pictures.color[drawn_from]])
        numbers |= tag_numbers(
            tagger,
            {"": foreign.pictures, "copy_": references, "grey_": originals},
            sketches=[named[place] for place in drawn_from],
            references=[named[place] for place in colored_after],
        )

    # Line art that somebody drew: nobody knows the truth, but everybody can look.
    drawings = [image.read_gray(file) for file in files(lineart)[: sheets.SHOWN]]
    if drawings:
        beside = pictures.color[sheets.spread(len(pictures), len(drawings))]
        by_hand = np.stack(drawings[: len(beside)])
        columns = [by_hand, beside, coloring(by_hand, beside, "line art").pictures]
        image.write(images / "lineart.png", sheets.sheet(columns, range(len(beside))))

    # Set against set. The real side takes part in no pair: else a copy would be perfect.
    outside = np.setdiff1d(np.arange(len(pictures)), pairs)
    numbers["real_images"] = float(len(outside))
    training = choose(read_ids(split / "train.txt"), len(outside), seed=params.evaluate.seed)
    if min(len(outside), len(training), len(pairs)) < 2:
        tqdm.write(
            f"FID and KID are left out: they need 2 pairs, 2 validation pictures in no pair and "
            f"2 training pictures, got {len(pairs)}, {len(outside)} and {len(training)}; "
            "add pictures or raise split.validation"
        )
    else:
        numbers |= set_numbers(
            foreign.pictures,
            references=references,
            originals=pictures.color[drawn_from],
            real=pictures.color[outside],
            training=load_pictures(training, color=color, sketch=sketch).color,
            features=features,
        )

    # Two drawn pictures: the true recolouring of one in the colours of the other exists.
    drawn = np.array([is_drawn(records.get(name)) for name in pictures.ids])
    known = np.flatnonzero(drawn[pairs].all(axis=1))
    columns = [sketches, references, foreign.pictures]
    confusions = {}
    if known.size:
        cases = [
            Recoloring(redraw(records[pictures.ids[i]], records[pictures.ids[j]]), truths[j])
            for i, j in tqdm(pairs[known], desc="true recolouring", unit="pair")
        ]
        turned = coloring(
            sketches[known], np.stack([moved(p) for p in references[known]]), "moved reference"
        )
        table = part_differences(foreign.pictures[known], cases)
        numbers |= recoloring_numbers(
            foreign.pictures[known],
            cases,
            table=table,
            moved_results=turned.pictures,
            originals=pictures.color[drawn_from[known]],
        )
        if foreign.strongest is not None:
            strongest = foreign.strongest[known]
            both = (parts[drawn_from[known]], parts[colored_after[known]])
            numbers |= part_numbers(strongest, sketch_parts=both[0], reference_parts=both[1])
            confusions["attention"] = looked_at(
                strongest, sketch_parts=both[0], reference_parts=both[1]
            )
        took = color_confusions(foreign.pictures[known], cases)
        numbers |= color_part_numbers(took)
        confusions["colour"] = took[""]
        image.write(images / "confusion.png", draw_confusion(confusions))
        columns = [column[known] for column in columns]
        columns.append(np.stack([case.wanted.color for case in cases]))
        worst = np.argsort(-np.nan_to_num(pair_means(table)), kind="stable")[: sheets.SHOWN]
        image.write(images / "worst.png", sheets.sheet(columns, worst.tolist()))
        drawn_from = drawn_from[known]
    chosen = sheets.spread_by_sketch(drawn_from.tolist())
    image.write(images / "foreign.png", sheets.sheet(columns, chosen))
    write_confusion(confusion, confusions)
    return {name: rounded(number) for name, number in numbers.items() if math.isfinite(number)}


def load_features(params: EvaluateParams, *, device: torch.device | str) -> Features:
    """Make what `evaluate.features` and `evaluate.fid` name."""
    if params.features == "inception":
        return Inception(resize=params.fid, device=device)
    return RandomConvolutions(device=device)


def rounded(number: float) -> float:
    """Round to 6 significant digits: the last bits differ between machines."""
    return float(f"{number:.{SIGNIFICANT_DIGITS}g}")
