"""The dataset: pictures and sketches of a split as bytes, in memory or mapped from a cache."""

import hashlib
import math
import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import NoReturn, TypeAlias

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from refcolor.errors import PictureError, RefcolorError
from refcolor.io import image
from refcolor.io.shards import File, locate, read_order
from refcolor.training.pixel_cache import Arrays, cached_arrays

COLOR, SKETCH = Path("data/color"), Path("data/sketch")
Progress: TypeAlias = "tqdm[NoReturn]"
CACHE_FROM = 1 << 30  # bytes of pixels: decoding fewer takes less than a minute


@dataclass(frozen=True)
class Pictures:
    """The pictures of one split, in the order of its list.

    ids: N names. color: (N, S, S, 3) uint8. sketch: (N, S, S) uint8, 255 = paper.
    """

    ids: tuple[str, ...]
    color: np.ndarray
    sketch: np.ndarray
    _known: str = field(
        default="", init=False, repr=False, compare=False
    )  # not copied by `replace`

    def __len__(self) -> int:
        """Return N."""
        return len(self.ids)

    def colors(self, index: Sequence[int] | Tensor, *, device: torch.device) -> Tensor:
        """Colour pictures of the given places: (B, 3, S, S) float32 in [-1, 1]."""
        return image.to_tensor(self.color[np.asarray(index)], device=device)

    def sketches(self, index: Sequence[int] | Tensor, *, device: torch.device) -> Tensor:
        """Sketches of the given places: (B, 1, S, S) float32 in [-1, 1], 1 = paper."""
        return image.to_tensor(self.sketch[np.asarray(index), ..., None], device=device)

    def digest(self) -> str:
        """Fingerprint of ids and pixels, so that a checkpoint cannot meet other pictures."""
        arrays = self.color, self.sketch
        marks = (hashlib.sha256(one.data).digest() for array in arrays for one in array)
        return self._known or _digest(self.ids, [array.shape for array in arrays], marks)


def read_ids(path: Path) -> list[str]:
    """Read a list of the split, one id a line."""
    return path.read_text(encoding="utf-8").split()


def load_pictures(
    ids: Sequence[str],
    *,
    color: Path = COLOR,
    sketch: Path = SKETCH,
    cache: Path | None = None,
    cache_from: int = CACHE_FROM,
    silent: bool = False,
) -> Pictures:
    """Decode the pictures named by `ids` from the folders `color` and `sketch`.

    A picture and its sketch are paired by name.

    cache: a folder for the pixels of a large set, `cache_from` bytes or more. They are decoded into
    it once, and every later run with the same files, in shards or not, maps them into memory; a
    line says what that took. None decodes into memory whatever the size.
    silent: show no progress, and no line.
    Raises RefcolorError for a missing partner and for pictures of several sizes.
    """
    if not ids:
        raise RefcolorError("the split lists no picture; look at metrics/data.json for the reasons")
    sides = {"color": _side(ids, color, image.read), "sketch": _side(ids, sketch, image.read_gray)}
    shapes = {name: (len(ids), *side.picture(0).shape) for name, side in sides.items()}
    size = sum(map(math.prod, shapes.values()))

    def decode(arrays: Arrays) -> str:
        with tqdm(total=2 * len(ids), desc="load", unit="picture", disable=silent) as bar:
            marks = [side.decode(arrays[name], bar) for name, side in sides.items()]
        return _digest(ids, shapes.values(), chain.from_iterable(marks))

    if cache is None or size < cache_from:
        arrays: Arrays = {name: np.empty(shape, np.uint8) for name, shape in shapes.items()}
        decode(arrays)
        return Pictures(tuple(ids), **arrays)
    start = time.monotonic()
    folder = cache / _content([*sides.values()], silent=silent)
    arrays, digest = cached_arrays(folder, shapes, decode, silent=silent)
    if not silent:
        tqdm.write(
            f"{len(ids):,} pictures, {size / 1e9:.1f} GB of pixels in {os.path.relpath(folder)}: "
            f"{time.monotonic() - start:.1f} s"
        )
    pictures = Pictures(tuple(ids), **arrays)
    object.__setattr__(pictures, "_known", digest)
    return pictures


def png_example(id: str) -> dict[str, bytes]:
    """Give the PNG bytes of one sketch and one reference, as a served model takes them."""
    folders = {"sketch": SKETCH, "reference": COLOR}
    return {name: locate(folder, f"{id}.png").read_bytes() for name, folder in folders.items()}


@dataclass(frozen=True)
class _Side:
    """The colours or the sketches of a list, and how one of them is read."""

    ids: Sequence[str]
    files: Sequence[File]
    read: Callable[[File], image.Picture]

    def picture(self, place: int) -> image.Picture:
        try:
            return self.read(self.files[place])
        except PictureError as error:
            raise RefcolorError(
                f"{error}, though the split lists {self.ids[place]}; run `dvc repro`"
            ) from error

    def content(self, place: int) -> bytes:
        """Give the SHA-256 of a file; one that is missing has none, and is missed when decoded."""
        try:
            return hashlib.sha256(self.files[place].read_bytes()).digest()
        except FileNotFoundError:
            return b""

    def decode(self, array: np.ndarray, bar: Progress) -> list[bytes]:
        """Decode every picture into its place; return the SHA-256 of each."""

        def one(place: int) -> bytes:
            picture = self.picture(place)
            if picture.shape != array.shape[1:]:
                raise RefcolorError(
                    f"{self.files[place]} must have the shape {array.shape[1:]} of the first "
                    f"picture, got {picture.shape}; run `dvc repro`"
                )
            array[place] = picture
            return hashlib.sha256(picture.data).digest()

        return self.each(one, bar)

    def each(self, one: Callable[[int], bytes], bar: Progress) -> list[bytes]:
        """Do something with every place, shards from their beginning to their end.

        Returns the results by place.
        """
        places = sorted(range(len(self.files)), key=lambda place: read_order(self.files[place]))
        results = [b""] * len(places)
        with ThreadPoolExecutor() as threads:
            for place, result in zip(places, threads.map(one, places), strict=True):
                results[place] = result
                bar.update()
        return results


def _side(ids: Sequence[str], folder: Path, read: Callable[[File], image.Picture]) -> _Side:
    return _Side(ids, [locate(folder, f"{id}.png") for id in ids], read)


def _content(sides: Sequence[_Side], *, silent: bool) -> str:
    """Name what is decoded: a hash of all ids and the bytes of all files."""
    sha = hashlib.sha256(b"1")  # another number when the arrays are made in another way
    with tqdm(total=2 * len(sides[0].ids), desc="look", unit="picture", disable=silent) as bar:
        for side in sides:
            sha.update("\n".join(side.ids).encode())
            for mark in side.each(side.content, bar):
                sha.update(mark)
    return sha.hexdigest()[:16]


def _digest(ids: Iterable[str], shapes: Iterable[tuple[int, ...]], marks: Iterable[bytes]) -> str:
    sha = hashlib.sha256("\n".join(ids).encode())
    sha.update(str(list(shapes)).encode())
    for mark in marks:
        sha.update(mark)
    return sha.hexdigest()
