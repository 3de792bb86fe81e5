"""The evaluation set: fixed pictures, pairs and warps, equal in every run."""

import dataclasses
from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from refcolor.errors import RefcolorError
from refcolor.evaluation.metrics.sheets import SHOWN
from refcolor.evaluation.metrics.transfer import Recoloring
from refcolor.evaluation.metrics.truth import Truth, observed, recolored
from refcolor.io import image
from refcolor.io.shards import files
from refcolor.io.tables import read_csv
from refcolor.params import EvaluateParams, Params
from refcolor.sources.drawn import is_drawn
from refcolor.sources.manifest import Record, read_manifest
from refcolor.training import augment
from refcolor.training.data import Pictures, load_pictures, read_ids, reduce_sketch

MIRRORED = 0.5  # share of the evaluation warps

Stack = NDArray[np.uint8]


@dataclasses.dataclass(frozen=True)
class EvaluationSet:
    """Validation pictures with their records, targets and pairs.

    records: of the N pictures; None for pictures that the manifest does not list.
    truths: of the N pictures; exact for drawn characters, else estimated from the picture.
    pairs: (P, 2) int64, sketch and reference as indices of pictures.
    other_pairs: (Q, 2) int64, the same for two pictures of one group.
    training: (M, S, S, 3) uint8, training pictures; M is at most the number of `unpaired` pictures.
    line_art: drawings by hand, (S, S) uint8 each; their true colours are not known.
    redraw: draws the truth of one record's shape in another record's colours.
    """

    pictures: Pictures
    records: Sequence[Record | None]
    truths: Sequence[Truth]
    pairs: NDArray[np.int64]
    other_pairs: NDArray[np.int64]
    training: Stack
    line_art: Sequence[Stack]
    redraw: "partial[Truth]"

    @property
    def size(self) -> int:
        """Return S."""
        return int(self.pictures.color.shape[1])

    @property
    def unpaired(self) -> NDArray[np.int64]:
        """Return the indices of pictures that are in no pair: the real side of FID and KID."""
        return np.setdiff1d(np.arange(len(self.pictures)), self.pairs)

    @cached_property
    def drawn_pairs(self) -> NDArray[np.int64]:
        """Return the indices of the pairs whose true recolouring can be drawn."""
        drawn = np.array([is_drawn(record) for record in self.records])
        return np.flatnonzero(drawn[self.pairs].all(axis=1))

    @cached_property
    def recolorings(self) -> list[Recoloring]:
        """Draw the true recolouring of each of the `drawn_pairs`."""
        return [
            Recoloring(self.redraw(self.records[i], self.records[j]), self.truths[j])
            for i, j in tqdm(self.pairs[self.drawn_pairs], desc="true recolouring", unit="pair")
        ]


def load_evaluation_set(data: Path, params: Params) -> EvaluationSet:
    """Read the evaluation set from the files of the earlier stages.

    data: the folder of manifest.jsonl, split/, color/, sketch/ and lineart/.
    """
    load = partial(load_pictures, color=data / "color", sketch=data / "sketch")
    by_id = {record.id: record for record in read_manifest(data / "manifest.jsonl")}
    groups = {record.id: record.group for record in by_id.values()}
    size = params.training_size
    pictures = load(read_ids(data / "split" / "val.txt"), groups=groups).at_size(size)
    records = [by_id.get(name) for name in pictures.ids]
    redraw = partial(
        recolored,
        drawn_at=params.source.sample.size,
        size=size,
        fit=params.clean.fit,
    )
    pairs = read_pairs(data / "split" / "pairs.csv", pictures.ids)
    ids = read_ids(data / "split" / "train.txt")
    unpaired = len(pictures) - len(np.unique(pairs))
    chosen = choose(ids, unpaired, seed=params.evaluate.seed)
    return EvaluationSet(
        pictures=pictures,
        records=records,
        truths=[
            dataclasses.replace(redraw(record, record), color=picture)
            if is_drawn(record)
            else observed(picture)
            for record, picture in zip(records, pictures.color, strict=True)
        ],
        pairs=pairs,
        other_pairs=pair_others(pictures, seed=params.evaluate.seed),
        training=load(chosen).at_size(size).color if chosen else pictures.color[:0],
        line_art=[
            reduce_sketch(image.read_gray(file), size) for file in files(data / "lineart")[:SHOWN]
        ],
        redraw=redraw,
    )


@dataclasses.dataclass(frozen=True)
class _Pair:
    sketch: str
    reference: str


def read_pairs(path: Path, ids: Sequence[str]) -> NDArray[np.int64]:
    """Read the (sketch, reference) pairs of the split as indices of `ids`.

    Returns (P, 2). Raises RefcolorError for an empty list, a broken row, and a name not in `ids`.
    """
    index = {name: number for number, name in enumerate(ids)}
    pairs = read_csv(path, _Pair, advice="run `dvc repro split`")
    rows = [(pair.sketch, pair.reference) for pair in pairs]
    unknown = [name for row in rows for name in row if name not in index]
    if unknown or not rows:
        given = f"{unknown[0]}, which is not a validation picture" if unknown else "none"
        raise RefcolorError(
            f"{path} must list pairs of validation pictures, got {given}; run `dvc repro split`"
        )
    return np.array([[index[sketch], index[reference]] for sketch, reference in rows])


def pair_others(pictures: Pictures, *, seed: int) -> NDArray[np.int64]:
    """Pair each picture that is not alone in its group with another one of it.

    Returns (Q, 2) of (sketch, reference).
    """
    index = torch.arange(len(pictures))
    chances = torch.rand(len(pictures), generator=torch.Generator().manual_seed(seed))
    others = pictures.others(index, chances)
    pairs: NDArray[np.int64] = torch.stack([index, others], dim=1)[others != index].numpy()
    return pairs


def second_references(pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Choose for each pair another pair, whose reference is the second reference of the sketch.

    pairs: (P, 2) of (sketch, reference).  Returns (P,): the index of the next pair, cyclically,
    whose reference is neither of the two pictures; the pair's own index where there is none.
    """
    second = np.arange(len(pairs))
    for index, pair in enumerate(pairs):
        candidates = np.roll(np.arange(len(pairs)), -index)
        candidates = candidates[~np.isin(pairs[candidates, 1], pair)]
        second[index] = candidates[0] if len(candidates) else index
    return second


def warp_all(
    pictures: Stack,
    params: EvaluateParams,
    *,
    cells: tuple[int, int],
    query_cells: tuple[int, int],
) -> tuple[Stack, augment.Match]:
    """Warp every picture by the fixed evaluation warps, which do not depend on the batch size.

    pictures: (N, S, S, 3) uint8; cells, query_cells: see `augment.known_match`.
    Returns the warped pictures, of the same shape, and the known match of all N.
    """
    warps = augment.draw_warps(
        len(pictures),
        strength=params.warp,
        mirror=MIRRORED,
        generator=torch.Generator().manual_seed(params.seed),
    )
    warped, keys, known = [], [], []
    for start in range(0, len(pictures), params.batch_size):
        batch = slice(start, start + params.batch_size)
        batch_warps = augment.Warps(warps.displacement[batch], warps.mirrored[batch])
        result = augment.warp(image.to_tensor(pictures[batch]), batch_warps)
        match = augment.known_match(result.grid, result.valid, cells=cells, query_cells=query_cells)
        warped.append(image.to_uint8(result.picture))
        keys.append(match.key)
        known.append(match.known)
    return np.concatenate(warped), augment.Match(torch.cat(keys), torch.cat(known))


def choose(ids: Sequence[str], count: int, *, seed: int) -> list[str]:
    """Choose up to `count` of the ids at random; they keep their order."""
    chosen = np.random.default_rng(seed).permutation(len(ids))[:count]
    return [ids[index] for index in sorted(chosen)]
