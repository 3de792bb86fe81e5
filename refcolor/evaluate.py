"""Judge a trained generator with a fixed set of questions, the same for every run."""

import csv
import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from refcolor import augment, image
from refcolor.checkpoint import load_generator
from refcolor.data import Pictures, load_pictures, read_ids
from refcolor.errors import RefcolorError
from refcolor.features.inception import Inception
from refcolor.features.random_convolutions import RandomConvolutions
from refcolor.metrics import sheets
from refcolor.metrics.attention import cell_parts
from refcolor.metrics.baselines import moved
from refcolor.metrics.distance import Features
from refcolor.metrics.summary import (
    match_numbers,
    part_numbers,
    recoloring_numbers,
    self_numbers,
    set_numbers,
)
from refcolor.metrics.transfer import Recoloring, pair_means, part_differences
from refcolor.metrics.truth import Truth, observed, recolored
from refcolor.model.generator import Generator
from refcolor.params import EvaluateParams, Params
from refcolor.sources.drawn import is_drawn
from refcolor.sources.manifest import Record, read_manifest
from refcolor.sources.sample import PARTS

MIRRORED = 0.5  # share of the evaluation warps
SIGNIFICANT_DIGITS = 6

Stack = NDArray[np.uint8]


@dataclasses.dataclass(frozen=True)
class Colored:
    """What a generator made of N sketches.

    pictures: (N, S, S, 3) uint8.
    strongest: (N, N_s) int64, the key that each query looks at most; None without attention.
    """

    pictures: Stack
    strongest: Tensor | None


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
    device: torch.device | str = "cpu",
) -> dict[str, float]:
    """Measure a model on the validation pictures; returns the content of metrics/eval.json.

    models, manifest, split, color, sketch, lineart: what the stages before wrote.
    results: gets every coloured pair as `<sketch>__<reference>.png`; images: gets contact sheets.
    A number that does not exist (no attention, no known truth, too few pictures for FID) is left
    out. Equal input gives equal numbers on one machine and device.
    Raises RefcolorError for weights or pictures that are missing.
    """
    torch.set_num_threads(params.train.threads)
    generator = load_generator(models, device=device)
    features = load_features(params.evaluate.features, device=device)
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
        image.write(results / f"{pictures.ids[i]}__{pictures.ids[j]}.png", picture)

    # Line art that somebody drew: nobody knows the truth, but everybody can look.
    drawings = [image.read_gray(path) for path in sorted(lineart.glob("*.png"))[: sheets.SHOWN]]
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
            foreign.pictures[known], cases, table=table, moved_results=turned.pictures
        )
        if foreign.strongest is not None:
            numbers |= part_numbers(
                foreign.strongest[known],
                sketch_parts=parts[drawn_from[known]],
                reference_parts=parts[colored_after[known]],
            )
        columns = [column[known] for column in columns]
        columns.append(np.stack([case.wanted.color for case in cases]))
        worst = np.argsort(-np.nan_to_num(pair_means(table)), kind="stable")[: sheets.SHOWN]
        image.write(images / "worst.png", sheets.sheet(columns, worst.tolist()))
        drawn_from = drawn_from[known]
    chosen = sheets.spread_by_sketch(drawn_from.tolist())
    image.write(images / "foreign.png", sheets.sheet(columns, chosen))
    return {name: rounded(number) for name, number in numbers.items() if math.isfinite(number)}


def load_features(name: Literal["inception", "random"], *, device: torch.device | str) -> Features:
    """Make what `evaluate.features` names."""
    return Inception(device=device) if name == "inception" else RandomConvolutions(device=device)


def read_pairs(path: Path, ids: Sequence[str]) -> NDArray[np.int64]:
    """Read the (sketch, reference) pairs of the split as places in `ids`.

    Returns (P, 2). Raises RefcolorError for no pair and for one that is not in the list.
    """
    place = {name: index for index, name in enumerate(ids)}
    with path.open(encoding="utf-8", newline="") as file:
        rows = [(row["sketch"], row["reference"]) for row in csv.DictReader(file)]
    unknown = [name for row in rows for name in row if name not in place]
    if unknown or not rows:
        given = f"{unknown[0]}, which is no validation picture" if unknown else "none"
        raise RefcolorError(
            f"{path} must list pairs of validation pictures, got {given}; run `dvc repro split`"
        )
    return np.array([[place[sketch], place[reference]] for sketch, reference in rows])


def own_truths(
    pictures: Pictures,
    records: Mapping[str, Record],
    *,
    redraw: Callable[[Record, Record], Truth],
) -> list[Truth]:
    """Say what each picture shows: as it was drawn, or else as far as the picture tells.

    redraw: draws the character of one record in the colours of another.
    """
    truths = []
    for name, picture in zip(pictures.ids, pictures.color, strict=True):
        record = records.get(name)
        if record is not None and is_drawn(record):
            truths.append(dataclasses.replace(redraw(record, record), color=picture))
        else:
            truths.append(observed(picture))
    return truths


def warp_all(
    pictures: Stack, params: EvaluateParams, *, cells: tuple[int, int]
) -> tuple[Stack, augment.Match]:
    """Warp every picture by the fixed evaluation warps, which do not depend on the batch size.

    pictures: (N, S, S, 3) uint8.  Returns the same shape, and the match of all N.
    """
    warps = augment.draw_warps(
        len(pictures),
        strength=params.warp,
        mirror=MIRRORED,
        generator=torch.Generator().manual_seed(params.seed),
    )
    warped, keys, known = [], [], []
    for start in range(0, len(pictures), params.batch_size):
        part = slice(start, start + params.batch_size)
        some = augment.Warps(warps.displacement[part], warps.mirrored[part])
        bent = augment.warp(image.to_tensor(pictures[part]), some)
        match = augment.known_match(bent.grid, bent.valid, cells=cells)
        warped.append(image.to_uint8(bent.picture))
        keys.append(match.key)
        known.append(match.known)
    return np.concatenate(warped), augment.Match(torch.cat(keys), torch.cat(known))


@torch.inference_mode()
def colored(
    generator: Generator,
    sketches: Stack,
    references: Stack,
    *,
    batch_size: int,
    device: torch.device | str,
    label: str,
) -> Colored:
    """Colour every sketch after its reference.

    sketches: (N, S, S) uint8; references: (N, S, S, 3) uint8; label: of the progress bar.
    """
    pictures, strongest = [], []
    with tqdm(total=len(sketches), desc=label, unit="picture") as bar:
        for start in range(0, len(sketches), batch_size):
            part = slice(start, start + batch_size)
            output = generator(
                sketch=image.to_tensor(sketches[part, ..., None]).to(device),
                reference=image.to_tensor(references[part]).to(device),
            )
            pictures.append(image.to_uint8(output.picture))
            if output.logits is not None:
                strongest.append(output.logits.argmax(dim=-1).cpu())
            bar.update(len(pictures[-1]))
    return Colored(np.concatenate(pictures), torch.cat(strongest) if strongest else None)


def choose(ids: Sequence[str], count: int, *, seed: int) -> list[str]:
    """Draw up to `count` of the ids, in their order, from a seed of its own."""
    places = np.random.default_rng(seed).permutation(len(ids))[:count]
    return [ids[place] for place in sorted(places)]


def rounded(number: float) -> float:
    """Round to 6 significant digits: the last bits differ between machines."""
    return float(f"{number:.{SIGNIFICANT_DIGITS}g}")
