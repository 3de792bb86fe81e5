"""Pictures and sketches of a split, decoded once and kept as bytes, in memory or mapped into it."""

import hashlib
import math
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from refcolor import image
from refcolor.errors import PictureError, RefcolorError
from refcolor.kept import Arrays, kept_arrays

COLOR, SKETCH = Path("data/color"), Path("data/sketch")
KEEP_FROM = 1 << 30  # bytes of pixels: decoding fewer takes less than a minute


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
        marks = (hashlib.sha256(one).digest() for array in arrays for one in array)
        return self._known or _digest(self.ids, [array.shape for array in arrays], marks)


def read_ids(path: Path) -> list[str]:
    """Read a list of the split, one id a line."""
    return path.read_text(encoding="utf-8").split()


def load_pictures(
    ids: Sequence[str],
    *,
    color: Path = COLOR,
    sketch: Path = SKETCH,
    keep: Path | None = None,
    keep_from: int = KEEP_FROM,
) -> Pictures:
    """Decode the pictures named by `ids` from the folders `color` and `sketch`.

    A picture and its sketch are paired by name.

    keep: a folder for the pixels of a large set, `keep_from` bytes or more. There they are decoded
    once, and every later run with the same files maps them into memory, whatever the files were
    called by then; a line says what that took. None decodes into memory whatever the size.
    Raises RefcolorError for a missing partner and for pictures of several sizes.
    """
    if not ids:
        raise RefcolorError("the split lists no picture; look at metrics/data.json for the reasons")
    sides = {"color": _Side(ids, color, image.read), "sketch": _Side(ids, sketch, image.read_gray)}
    shapes = {name: (len(ids), *side.picture(0).shape) for name, side in sides.items()}
    size = sum(map(math.prod, shapes.values()))

    def decode(arrays: Arrays) -> str:
        with tqdm(total=2 * len(ids), desc="load", unit="picture") as bar:
            marks = [side.decode(arrays[name], bar) for name, side in sides.items()]
        return _digest(ids, shapes.values(), chain.from_iterable(marks))

    if keep is None or size < keep_from:
        arrays: Arrays = {name: np.empty(shape, np.uint8) for name, shape in shapes.items()}
        decode(arrays)
        return Pictures(tuple(ids), **arrays)
    start = time.monotonic()
    folder = keep / _content(sides.values())
    arrays, digest = kept_arrays(folder, shapes, decode)
    tqdm.write(
        f"{len(ids):,} pictures, {size / 1e9:.1f} GB of pixels in {folder}: "
        f"{time.monotonic() - start:.1f} s"
    )
    pictures = Pictures(tuple(ids), **arrays)
    object.__setattr__(pictures, "_known", digest)
    return pictures


def png_example(id: str) -> dict[str, bytes]:
    """Give the PNG bytes of one sketch and one reference, as a served model takes them."""
    files = {"sketch": SKETCH / f"{id}.png", "reference": COLOR / f"{id}.png"}
    return {name: file.read_bytes() for name, file in files.items()}


@dataclass(frozen=True)
class _Side:
    """The colours or the sketches of a list, and how one of them is read."""

    ids: Sequence[str]
    folder: Path
    read: Callable[[Path], image.Picture]

    def picture(self, place: int) -> image.Picture:
        try:
            return self.read(self.file(place))
        except PictureError as error:
            raise RefcolorError(
                f"{error}, though the split lists {self.ids[place]}; run `dvc repro`"
            ) from error

    def file(self, place: int) -> Path:
        return self.folder / f"{self.ids[place]}.png"

    def content(self, place: int) -> bytes:
        """Give the SHA-256 of a file; one that is missing has none, and is missed when decoded."""
        try:
            return hashlib.sha256(self.file(place).read_bytes()).digest()
        except FileNotFoundError:
            return b""

    def decode(self, array: np.ndarray, bar: tqdm) -> list[bytes]:
        """Decode every picture into its place; return the SHA-256 of each."""

        def one(place: int) -> bytes:
            picture = self.picture(place)
            if picture.shape != array.shape[1:]:
                raise RefcolorError(
                    f"{self.file(place)} must have the shape {array.shape[1:]} of the first "
                    f"picture, got {picture.shape}; run `dvc repro`"
                )
            array[place] = picture
            return hashlib.sha256(picture).digest()

        with ThreadPoolExecutor() as threads:
            marks = []
            for mark in threads.map(one, range(len(array))):
                marks.append(mark)
                bar.update()
            return marks


def _content(sides: Iterable[_Side]) -> str:
    """Name what is decoded: a hash of all ids and the bytes of all files."""
    sha = hashlib.sha256()
    with ThreadPoolExecutor() as threads:
        for side in sides:
            sha.update("\n".join(side.ids).encode())
            for mark in threads.map(side.content, range(len(side.ids))):
                sha.update(mark)
    return sha.hexdigest()[:16]


def _digest(ids: Iterable[str], shapes: Iterable[tuple[int, ...]], marks: Iterable[bytes]) -> str:
    sha = hashlib.sha256("\n".join(ids).encode())
    sha.update(str(list(shapes)).encode())
    for mark in marks:
        sha.update(mark)
    return sha.hexdigest()
