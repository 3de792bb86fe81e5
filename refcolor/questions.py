"""The questions of the evaluation: fixed pictures, pairs and warps, the same for every run."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from refcolor import augment, image
from refcolor.data import Pictures
from refcolor.errors import RefcolorError
from refcolor.metrics.truth import Truth, observed
from refcolor.model.generator import Generator
from refcolor.params import EvaluateParams
from refcolor.sources.drawn import is_drawn
from refcolor.sources.manifest import Record
from refcolor.tables import read_csv

MIRRORED = 0.5  # share of the evaluation warps

Stack = NDArray[np.uint8]


@dataclasses.dataclass(frozen=True)
class Colored:
    """What a generator made of N sketches.

    pictures: (N, S, S, 3) uint8.
    strongest: (N, N_s) int64, the key that each query looks at most; None without attention.
    """

    pictures: Stack
    strongest: Tensor | None


@dataclasses.dataclass(frozen=True)
class _Pair:
    sketch: str
    reference: str


def read_pairs(path: Path, ids: Sequence[str]) -> NDArray[np.int64]:
    """Read the (sketch, reference) pairs of the split as places in `ids`.

    Returns (P, 2). Raises RefcolorError for no pair and for one that is none or not in the list.
    """
    place = {name: index for index, name in enumerate(ids)}
    pairs = read_csv(path, _Pair, advice="run `dvc repro split`")
    rows = [(pair.sketch, pair.reference) for pair in pairs]
    unknown = [name for row in rows for name in row if name not in place]
    if unknown or not rows:
        given = f"{unknown[0]}, which is no validation picture" if unknown else "none"
        raise RefcolorError(
            f"{path} must list pairs of validation pictures, got {given}; run `dvc repro split`"
        )
    return np.array([[place[sketch], place[reference]] for sketch, reference in rows])


def second_references(pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Choose another pair for each pair, whose reference its sketch gets as well.

    pairs: (P, 2) of (sketch, reference).  Returns (P,): the next pair in turn with a reference that
    is neither of the two pictures, the pair itself where there is none.
    """
    others = np.arange(len(pairs))
    for place, pair in enumerate(pairs):
        following = np.roll(np.arange(len(pairs)), -place)
        fitting = following[~np.isin(pairs[following, 1], pair)]
        others[place] = fitting[0] if len(fitting) else place
    return others


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
                sketch=_laid_out(sketches[part, ..., None], device),
                reference=_laid_out(references[part], device),
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


def _laid_out(pictures: Stack, device: torch.device | str) -> Tensor:
    """Make a tensor for the network, in the layout of its weights, which halves the time."""
    tensor = image.to_tensor(pictures).to(device)
    return tensor.contiguous(memory_format=torch.channels_last)
