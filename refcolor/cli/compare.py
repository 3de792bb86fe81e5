"""Two folders of pictures in numbers: `refcolor metrics`."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from refcolor.colorize.folders import find_pictures
from refcolor.errors import PictureError, UsageError
from refcolor.evaluation.metrics.color import delta_e, difference, lab
from refcolor.evaluation.metrics.distance import Features, Rows, fid, kid
from refcolor.evaluation.metrics.sheets import spread
from refcolor.evaluation.metrics.structure import ms_ssim, psnr, ssim
from refcolor.evaluation.metrics.transfer import mean_of_known
from refcolor.evaluation.metrics.truth import observed
from refcolor.io import image
from refcolor.workers.parallel import map_pictures

Numbers = Mapping[str, float]

KEYS = ("ssim", "ms_ssim", "psnr", "delta_e", "delta_e_everywhere")
SMALLEST, LARGEST = 11, 8192  # pixels; SSIM looks through windows of 11
MOST_FOR_KID = 5000  # pictures of a side: its kernel has a value for every two of them
_BATCH = 32  # pictures


@dataclass(frozen=True)
class Comparison:
    """What two folders have to say about each other.

    pairs: by name, for pictures of one name; means: of them, and fid and kid of the whole folders.
    images: how many pictures each folder has. alone: names in one folder only.
    notes: what could not be measured, a line each. failed: pictures that could not be used.
    """

    pairs: Mapping[str, Numbers]
    means: Numbers
    images: tuple[int, int]
    alone: tuple[tuple[str, ...], tuple[str, ...]]
    notes: tuple[str, ...]
    failed: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        return {
            **self.means,
            "pairs": len(self.pairs),
            "images": list(self.images),
            "alone": [list(names) for names in self.alone],
            "notes": list(self.notes),
            "failed": list(self.failed),
            "pictures": {name: dict(numbers) for name, numbers in self.pairs.items()},
        }


@dataclass(frozen=True)
class _Pair:
    name: str
    one: Path
    other: Path


def compare(
    one: Path, other: Path, *, features: Features, size: int | None = None, workers: int = 0
) -> Comparison:
    """Measure the pictures of one folder against those of another.

    one: what was made; other: what it should be (two files are one pair). Pictures of equal names,
    up to the extension, are compared with each other; fid and kid take all pictures of both.
    features: of fid and kid; random ones are left out where pictures have several sizes.
    size: side of the square that every picture is fitted into first (padded, as the pipeline does).
    Without it nothing is resized, and a pair of two sizes counts as failed: resizing would decide
    the numbers. Memory holds a batch of pictures, and a row of features for each picture.
    Raises UsageError for folders that cannot be compared.
    """
    if size is not None and not SMALLEST <= size <= LARGEST:
        raise UsageError(f"--size must be {SMALLEST} to {LARGEST} pixels, got {size}")
    if one.is_file() and other.is_file():
        sides = ({one.stem: one}, {one.stem: other})
    else:
        sides = (find_pictures([one]), find_pictures([other]))
    shared = [
        _Pair(name, file, sides[1][name]) for name, file in sides[0].items() if name in sides[1]
    ]
    pairs, failed = _compared(shared, size=size, workers=workers)
    notes = [] if shared else ["no picture has a partner of its name in the other folder"]
    means = {
        key: mean_of_known(np.array([numbers.get(key, math.nan) for numbers in pairs.values()]))
        for key in KEYS
    }
    first, second = (
        _described(list(side.values()), features, size=size, label=folder.name)
        for folder, side in zip((one, other), sides, strict=True)
    )
    sizes = first.sizes | second.sizes
    if min(len(first.rows), len(second.rows)) < 2:
        notes.append(
            "fid and kid are left out: they need 2 pictures on each side, got "
            f"{len(first.rows)} and {len(second.rows)}"
        )
    elif features.name != "inception" and len(sizes) > 1:
        notes.append(
            f"fid_{features.name} and kid_{features.name} are left out: they need pictures of one "
            f"size, got {len(sizes)} sizes; give --size"
        )
    else:
        means |= _distances(first.rows, second.rows, features.name)
    return Comparison(
        pairs=pairs,
        means=_known(means),
        images=(len(first.rows), len(second.rows)),
        alone=(_without(sides[0], sides[1]), _without(sides[1], sides[0])),
        notes=tuple(notes),
        # A broken picture of a pair is met twice.
        failed=tuple(dict.fromkeys([*failed, *first.failed, *second.failed])),
    )


def _compared(
    pairs: Sequence[_Pair], *, size: int | None, workers: int
) -> tuple[dict[str, Numbers], list[str]]:
    found, failed = {}, []
    answers = map_pictures(partial(_measure, size=size), pairs, workers=workers, label="pairs")
    for pair, (numbers, error) in zip(pairs, answers, strict=True):
        if error:
            failed.append(error)
        else:
            found[pair.name] = numbers
    return found, failed


def _measure(pair: _Pair, *, size: int | None) -> tuple[Numbers, str]:
    """Compare two pictures; returns their numbers, or what is wrong with them."""
    try:
        picture, truth = (_read(file, size) for file in (pair.one, pair.other))
    except PictureError as error:
        return {}, str(error)
    if picture.shape != truth.shape:
        (height, width), (target_height, target_width) = picture.shape[:2], truth.shape[:2]
        return {}, (
            f"{pair.one} is {width} x {height} and {pair.other} {target_width} x {target_height}; "
            "give --size to fit all pictures into squares"
        )
    if min(picture.shape[:2]) < SMALLEST:
        return {}, f"{pair.one} is smaller than {SMALLEST} pixels; give --size to enlarge it"
    numbers = {
        "ssim": ssim(picture, truth),
        "ms_ssim": ms_ssim(picture, truth),
        "psnr": psnr(picture, truth),
        "delta_e": delta_e(picture, truth, line=observed(truth).line),
        "delta_e_everywhere": float(difference(lab(picture), lab(truth)).mean(dtype=np.float64)),
    }
    return _known(numbers), ""


@dataclass(frozen=True)
class _Described:
    rows: Rows
    sizes: frozenset[tuple[int, int]]
    failed: tuple[str, ...]


def _described(
    files: Sequence[Path], features: Features, *, size: int | None, label: str
) -> _Described:
    """Turn pictures into rows of features, a batch of one size at a time."""
    failed: list[str] = []
    rows, sizes = [], set()

    def pictures() -> Iterator[image.Picture]:
        for file in tqdm(files, desc=label, unit="picture"):
            try:
                yield _read(file, size)
            except PictureError as error:
                failed.append(str(error))

    for shape, run in groupby(pictures(), key=lambda picture: picture.shape):
        sizes.add(shape[:2])
        while batch := list(islice(run, _BATCH)):
            rows.append(features(np.stack(batch)))
    return _Described(
        np.concatenate(rows) if rows else np.empty((0, 0)), frozenset(sizes), tuple(failed)
    )


def _distances(one: Rows, other: Rows, name: str) -> dict[str, float]:
    suffix = "" if name == "inception" else f"_{name}"
    few, fewer = (rows[spread(len(rows), MOST_FOR_KID)] for rows in (one, other))
    return {f"fid{suffix}": fid(one, other), f"kid{suffix}": kid(few, fewer)}


def _read(file: Path, size: int | None) -> image.Picture:
    picture = image.read(file)
    return picture if size is None else image.square(picture, size)


def _known(numbers: Numbers) -> dict[str, float]:
    return {key: number for key, number in numbers.items() if math.isfinite(number)}


def _without(side: Mapping[str, Path], other: Mapping[str, Path]) -> tuple[str, ...]:
    return tuple(name for name in side if name not in other)
