"""Pictures and sketches of a split, decoded once and kept in memory as bytes."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from refcolor import image
from refcolor.errors import PictureError, RefcolorError

COLOR, SKETCH = Path("data/color"), Path("data/sketch")


@dataclass(frozen=True)
class Pictures:
    """The pictures of one split, in the order of its list.

    ids: N names. color: (N, S, S, 3) uint8. sketch: (N, S, S) uint8, 255 = paper.
    """

    ids: tuple[str, ...]
    color: np.ndarray
    sketch: np.ndarray

    def __len__(self) -> int:
        """Return N."""
        return len(self.ids)

    def colors(self, index: Sequence[int] | Tensor, *, device: torch.device) -> Tensor:
        """Colour pictures of the given places: (B, 3, S, S) float32 in [-1, 1]."""
        return image.to_tensor(self.color[np.asarray(index)]).to(device, non_blocking=True)

    def sketches(self, index: Sequence[int] | Tensor, *, device: torch.device) -> Tensor:
        """Sketches of the given places: (B, 1, S, S) float32 in [-1, 1], 1 = paper."""
        return image.to_tensor(self.sketch[np.asarray(index), ..., None]).to(
            device, non_blocking=True
        )

    def digest(self) -> str:
        """Fingerprint of ids and pixels, so that a checkpoint cannot meet other pictures."""
        sha = hashlib.sha256("\n".join(self.ids).encode())
        for array in (self.color, self.sketch):
            sha.update(str(array.shape).encode())
            sha.update(array.data)
        return sha.hexdigest()


def read_ids(path: Path) -> list[str]:
    """Read a list of the split, one id a line."""
    return path.read_text(encoding="utf-8").split()


def load_pictures(
    ids: Sequence[str], *, color: Path = COLOR, sketch: Path = SKETCH, silent: bool = False
) -> Pictures:
    """Decode the pictures named by `ids` from the folders `color` and `sketch`.

    A picture and its sketch are paired by name. silent: show no progress.
    Raises RefcolorError for a missing partner.
    """

    def load(name: str) -> tuple[np.ndarray, np.ndarray]:
        try:
            return image.read(color / f"{name}.png"), image.read_gray(sketch / f"{name}.png")
        except PictureError as error:
            raise RefcolorError(
                f"{error}, though the split lists {name}; run `dvc repro`"
            ) from error

    with ThreadPoolExecutor() as threads:
        bar = tqdm(
            threads.map(load, ids), total=len(ids), desc="load", unit="picture", disable=silent
        )
        pairs = list(bar)
    if not pairs:
        raise RefcolorError("the split lists no picture; look at metrics/data.json for the reasons")
    return Pictures(
        ids=tuple(ids),
        color=np.stack([pair[0] for pair in pairs]),
        sketch=np.stack([pair[1] for pair in pairs]),
    )


def png_example(id: str) -> dict[str, bytes]:
    """Give the PNG bytes of one sketch and one reference, as a served model takes them."""
    files = {"sketch": SKETCH / f"{id}.png", "reference": COLOR / f"{id}.png"}
    return {name: file.read_bytes() for name, file in files.items()}
