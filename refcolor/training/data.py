"""The dataset: pictures and sketches of a split as uint8 arrays, in memory or memory-mapped."""

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import NoReturn, TypeAlias

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from refcolor.errors import PictureError, RefcolorError
from refcolor.io import image
from refcolor.io.files import relative
from refcolor.io.image import WHITE
from refcolor.io.shards import File, locate, read_order
from refcolor.lines.drawing import working_sketch
from refcolor.training.pixel_cache import Arrays, cached_arrays

COLOR, SKETCH = Path("data/color"), Path("data/sketch")
Progress: TypeAlias = "tqdm[NoReturn]"
CACHE_FROM = 1 << 30  # bytes of pixels: decoding fewer takes less than a minute


@dataclass(frozen=True)
class Pictures:
    """The pictures of one split, in the order of its list.

    ids: N names. color: (N, S, S, 3) uint8. sketch: (N, S, S) uint8, 255 = paper.
    groups: names of the N pictures' groups, "" where unknown; empty if all are.
    """

    ids: tuple[str, ...]
    color: np.ndarray
    sketch: np.ndarray
    groups: tuple[str, ...] = ()
    # Digest of the pixel cache; `dataclasses.replace` resets it.
    _cached_digest: str = field(default="", init=False, repr=False, compare=False)

    def __len__(self) -> int:
        """Return N."""
        return len(self.ids)

    def colors(self, index: Sequence[int] | Tensor, *, device: torch.device) -> Tensor:
        """Return the colour pictures at `index`: (B, 3, S, S) float32 in [-1, 1]."""
        return image.to_tensor(self.color[np.asarray(index)], device=device)

    def sketches(self, index: Sequence[int] | Tensor, *, device: torch.device) -> Tensor:
        """Return the sketches at `index`: (B, 1, S, S) float32 in [-1, 1], 1 = paper."""
        return image.to_tensor(self.sketch[np.asarray(index), ..., None], device=device)

    def at_size(self, size: int) -> "Pictures":
        """Reduce the pictures to a side of `size` pixels, and their sketches as `colorize` does."""
        if self.color.shape[1] == size:
            return self
        return replace(
            self,
            color=np.stack([image.resize(picture, size, size) for picture in self.color]),
            sketch=np.stack([reduce_sketch(sketch, size) for sketch in self.sketch]),
        )

    @cached_property
    def members(self) -> dict[int, list[int]]:
        """Indices of the pictures in the group of each picture that is not alone in its group."""
        by_group: dict[str, list[int]] = {}
        for index, group in enumerate(self.groups):
            if group:
                by_group.setdefault(group, []).append(index)
        return {
            index: indices for indices in by_group.values() if len(indices) > 1 for index in indices
        }

    def others(self, index: Tensor, uniform: Tensor) -> Tensor:
        """Choose another picture of its group for each picture, itself if it is alone.

        index: (B,) int64. uniform: (B,) float32 in [0, 1), selects among the others.
        Returns (B,) int64.
        """
        chosen = []
        for picture, number in zip(index.tolist(), uniform.tolist(), strict=True):
            members = self.members.get(picture, [picture])
            steps = 1 + int(number * (len(members) - 1))
            chosen.append(members[(members.index(picture) + steps) % len(members)])
        return torch.tensor(chosen, dtype=torch.int64)

    def digest(self) -> str:
        """Hash ids and pixels: a training state belongs to one digest."""
        arrays = self.color, self.sketch
        hashes = (hashlib.sha256(picture.data).digest() for array in arrays for picture in array)
        return self._cached_digest or _digest(self.ids, [array.shape for array in arrays], hashes)


def reduce_sketch(sketch: image.Picture, size: int) -> image.Picture:
    """Reduce a sketch to a side of `size` pixels as `colorize` does, if it has another."""
    if sketch.shape == (size, size):
        return sketch
    return working_sketch(WHITE - sketch, size, size)


def read_ids(path: Path) -> list[str]:
    """Read a list of the split, one id per line."""
    return path.read_text(encoding="utf-8").split()


def read_groups(path: Path) -> dict[str, str]:
    """Read the groups of the split by id; pictures without a group are left out."""
    groups: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return groups


def load_pictures(
    ids: Sequence[str],
    *,
    color: Path = COLOR,
    sketch: Path = SKETCH,
    groups: Mapping[str, str] | None = None,
    cache: Path | None = None,
    cache_from: int = CACHE_FROM,
    silent: bool = False,
) -> Pictures:
    """Decode the pictures named by `ids` from the folders `color` and `sketch`.

    A picture and its sketch are paired by name.

    groups: id -> group; None if no picture has a group.
    cache: folder of the pixel cache, used for sets of at least `cache_from` bytes. The first run
    decodes the pixels into it; later runs with the same files, in shards or not, map them into
    memory. A printed line states the size and the time. None: decode into memory.
    silent: print no progress bar and no line.
    Raises RefcolorError for a missing file and for pictures of different sizes.
    """
    if not ids:
        raise RefcolorError("the split lists no picture; look at metrics/data.json for the reasons")
    sides = {"color": _side(ids, color, image.read), "sketch": _side(ids, sketch, image.read_gray)}
    shapes = {name: (len(ids), *side.picture(0).shape) for name, side in sides.items()}
    size = sum(map(math.prod, shapes.values()))

    def decode(arrays: Arrays) -> str:
        with tqdm(total=2 * len(ids), desc="load", unit="picture", disable=silent) as bar:
            hashes = [side.decode(arrays[name], bar) for name, side in sides.items()]
        return _digest(ids, shapes.values(), chain.from_iterable(hashes))

    names = tuple(groups.get(id, "") for id in ids) if groups else ()
    if cache is None or size < cache_from:
        arrays: Arrays = {name: np.empty(shape, np.uint8) for name, shape in shapes.items()}
        decode(arrays)
        return Pictures(tuple(ids), **arrays, groups=names)
    start = time.monotonic()
    folder = cache / _cache_key([*sides.values()], silent=silent)
    arrays, digest = cached_arrays(folder, shapes, decode, silent=silent)
    if not silent:
        where = relative(folder, Path.cwd())
        tqdm.write(
            f"{len(ids):,} pictures, {size / 1e9:.1f} GB of pixels in {where}: "
            f"{time.monotonic() - start:.1f} s"
        )
    pictures = Pictures(tuple(ids), **arrays, groups=names)
    object.__setattr__(pictures, "_cached_digest", digest)
    return pictures


def png_example(id: str) -> dict[str, bytes]:
    """Return one sketch and one reference as PNG bytes, the input of the served model."""
    folders = {"sketch": SKETCH, "reference": COLOR}
    return {name: locate(folder, f"{id}.png").read_bytes() for name, folder in folders.items()}


@dataclass(frozen=True)
class _Side:
    """The colour files or the sketch files of a list of ids, and their reader."""

    ids: Sequence[str]
    files: Sequence[File]
    read: Callable[[File], image.Picture]

    def picture(self, index: int) -> image.Picture:
        try:
            return self.read(self.files[index])
        except PictureError as error:
            raise RefcolorError(
                f"{error}, though the split lists {self.ids[index]}; run `dvc repro`"
            ) from error

    def file_hash(self, index: int) -> bytes:
        """Return the SHA-256 of a file, b"" for a missing file, which `decode` reports."""
        try:
            return hashlib.sha256(self.files[index].read_bytes()).digest()
        except FileNotFoundError:
            return b""

    def decode(self, array: np.ndarray, bar: Progress) -> list[bytes]:
        """Decode every picture into `array`; return the SHA-256 of each."""

        def decode_picture(index: int) -> bytes:
            picture = self.picture(index)
            if picture.shape != array.shape[1:]:
                raise RefcolorError(
                    f"{self.files[index]} must have the shape {array.shape[1:]} of the first "
                    f"picture, got {picture.shape}; run `dvc repro`"
                )
            array[index] = picture
            return hashlib.sha256(picture.data).digest()

        return self.map(decode_picture, bar)

    def map(self, function: Callable[[int], bytes], bar: Progress) -> list[bytes]:
        """Call a function with every index, in threads; shards are read from start to end.

        Returns the results in the order of the index.
        """
        order = sorted(range(len(self.files)), key=lambda index: read_order(self.files[index]))
        results = [b""] * len(order)
        with ThreadPoolExecutor() as threads:
            for index, result in zip(order, threads.map(function, order), strict=True):
                results[index] = result
                bar.update()
        return results


def _side(ids: Sequence[str], folder: Path, read: Callable[[File], image.Picture]) -> _Side:
    return _Side(ids, [locate(folder, f"{id}.png") for id in ids], read)


def _cache_key(sides: Sequence[_Side], *, silent: bool) -> str:
    """Hash all ids and the bytes of all files."""
    sha = hashlib.sha256(b"1")  # version of the cache's format
    with tqdm(total=2 * len(sides[0].ids), desc="hash", unit="picture", disable=silent) as bar:
        for side in sides:
            sha.update("\n".join(side.ids).encode())
            for file_hash in side.map(side.file_hash, bar):
                sha.update(file_hash)
    return sha.hexdigest()[:16]


def _digest(ids: Iterable[str], shapes: Iterable[tuple[int, ...]], hashes: Iterable[bytes]) -> str:
    sha = hashlib.sha256("\n".join(ids).encode())
    sha.update(str(list(shapes)).encode())
    for picture_hash in hashes:
        sha.update(picture_hash)
    return sha.hexdigest()
