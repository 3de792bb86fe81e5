"""Compare two folders of pictures with metrics, for `refcolor metrics`."""

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
MIN_SIZE, MAX_SIZE = 11, 8192  # pixels; the windows of SSIM have 11
MAX_KID_PICTURES = 5000  # of each folder: the kernel has a value for every pair of pictures
_BATCH = 32  # pictures


@dataclass(frozen=True)
class Comparison:
    """The comparison of two folders.

    pairs: numbers of pictures with the same name, by name. means: of the pairs, with fid and kid of
    the folders. images: number of pictures of each folder. alone: names in one folder only.
    notes: lines about numbers that are left out. failed: lines about pictures that failed.
    """

    pairs: Mapping[str, Numbers]
    means: Numbers
    images: tuple[int, int]
    alone: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    failed: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the comparison as values that JSON can represent."""
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
    picture: Path
    truth: Path


def compare(
    results: Path, truths: Path, *, features: Features, size: int | None = None, workers: int = 0
) -> Comparison:
    """Compare the pictures of a folder with the true pictures of another.

    results, truths: folders, or two files as a single pair. Pictures of the same name, up to the
    extension, are compared with each other; fid and kid use all pictures of both folders.
    features: of fid and kid; random features are skipped for pictures of several sizes.
    size: side of the square into which every picture is fitted (padded, as in the pipeline). None:
    pictures are not resized, and a pair of two sizes fails, because resizing would change the
    numbers. Memory holds a batch of pictures, and a row of features for each picture.
    Raises UsageError for folders that cannot be compared.
    """
    if size is not None and not MIN_SIZE <= size <= MAX_SIZE:
        raise UsageError(f"--size must be {MIN_SIZE} to {MAX_SIZE} pixels, got {size}")
    if results.is_file() and truths.is_file():
        sides = ({results.stem: results}, {results.stem: truths})
    else:
        sides = (find_pictures([results]), find_pictures([truths]))
    shared = [
        _Pair(name, file, sides[1][name]) for name, file in sides[0].items() if name in sides[1]
    ]
    pairs, failed = _pair_numbers(shared, size=size, workers=workers)
    notes = [] if shared else ["no picture has a partner of its name in the other folder"]
    means = {
        key: mean_of_known(np.array([numbers.get(key, math.nan) for numbers in pairs.values()]))
        for key in KEYS
    }
    first, second = (
        _extract(list(side.values()), features, size=size, label=folder.name)
        for folder, side in zip((results, truths), sides, strict=True)
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
        means=_finite(means),
        images=(len(first.rows), len(second.rows)),
        alone=tuple(
            tuple(name for name in side if name not in other)
            for side, other in (sides, sides[::-1])
        ),
        notes=tuple(notes),
        # Without repetitions: a broken picture of a pair fails twice.
        failed=tuple(dict.fromkeys([*failed, *first.failed, *second.failed])),
    )


def _pair_numbers(
    pairs: Sequence[_Pair], *, size: int | None, workers: int
) -> tuple[dict[str, Numbers], list[str]]:
    by_name, failed = {}, []
    results = map_pictures(partial(_measure, size=size), pairs, workers=workers, label="pairs")
    for pair, (numbers, error) in zip(pairs, results, strict=True):
        if error:
            failed.append(error)
        else:
            by_name[pair.name] = numbers
    return by_name, failed


def _measure(pair: _Pair, *, size: int | None) -> tuple[Numbers, str]:
    """Compare two pictures; return their numbers and an error, of which one is empty."""
    try:
        picture, truth = (_read(file, size) for file in (pair.picture, pair.truth))
    except PictureError as error:
        return {}, str(error)
    if picture.shape != truth.shape:
        (height, width), (target_height, target_width) = picture.shape[:2], truth.shape[:2]
        return {}, (
            f"{pair.picture} is {width} x {height} and {pair.truth} "
            f"{target_width} x {target_height}; give --size to fit all pictures into squares"
        )
    if min(picture.shape[:2]) < MIN_SIZE:
        return {}, f"{pair.picture} is smaller than {MIN_SIZE} pixels; give --size to enlarge it"
    numbers = {
        "ssim": ssim(picture, truth),
        "ms_ssim": ms_ssim(picture, truth),
        "psnr": psnr(picture, truth),
        "delta_e": delta_e(picture, truth, line=observed(truth).line),
        "delta_e_everywhere": float(difference(lab(picture), lab(truth)).mean(dtype=np.float64)),
    }
    return _finite(numbers), ""


@dataclass(frozen=True)
class _FolderFeatures:
    rows: Rows
    sizes: frozenset[tuple[int, int]]
    failed: tuple[str, ...]


def _extract(
    files: Sequence[Path], features: Features, *, size: int | None, label: str
) -> _FolderFeatures:
    """Compute the features of pictures, in batches of equal sizes."""
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
    return _FolderFeatures(
        np.concatenate(rows) if rows else np.empty((0, 0)), frozenset(sizes), tuple(failed)
    )


def _distances(first: Rows, second: Rows, name: str) -> dict[str, float]:
    suffix = "" if name == "inception" else f"_{name}"
    kid_rows = [rows[spread(len(rows), MAX_KID_PICTURES)] for rows in (first, second)]
    return {f"fid{suffix}": fid(first, second), f"kid{suffix}": kid(*kid_rows)}


def _read(file: Path, size: int | None) -> image.Picture:
    picture = image.read(file)
    return picture if size is None else image.square(picture, size)


def _finite(numbers: Numbers) -> dict[str, float]:
    return {key: number for key, number in numbers.items() if math.isfinite(number)}
