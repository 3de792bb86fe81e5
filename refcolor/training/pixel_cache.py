"""A cache of decoded pixels: arrays on the disk, mapped into memory by every later run."""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from refcolor.io.locks import locked

Arrays = Mapping[str, np.ndarray]

PIXEL_CACHE = Path(".refcolor/pictures")  # in the repository, outside the outs that DVC clears
_WAITING = "another process decodes pictures; waiting for it to end"


def cached_arrays(
    folder: Path,
    shapes: Mapping[str, tuple[int, ...]],
    fill: Callable[[Arrays], str],
    *,
    silent: bool = False,
) -> tuple[Arrays, str]:
    """Map the arrays of a cache entry into memory, after filling them if the entry is missing.

    folder: the entry. Its name is a hash of all that the arrays are made from, so that it cannot be
    stale; it may be deleted at any time to get the room back.
    shapes: of the uint8 arrays by name. fill: fills them, and returns a line that is stored beside
    them. One process at a time fills an entry while the others wait; what a killed one has left
    is removed by the next. silent: wait without printing a line.

    Returns the arrays, read-only, and the line. Raises OSError before `fill` when the disk has not
    enough room.
    """
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(folder.parent / "lock", waiting="" if silent else _WAITING):
            for partial in folder.parent.glob("*.part"):
                shutil.rmtree(partial)
            if not folder.is_dir():
                _make(folder, shapes, fill)
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in shapes}
    return arrays, (folder / "line").read_text(encoding="utf-8")


def clear_pixel_cache(parent: Path) -> list[Path]:
    """Delete all entries of a cache and return their files; mapped arrays stay readable."""
    if not parent.is_dir():
        return []
    with locked(parent / "lock", waiting=_WAITING):
        files = sorted(parent.glob("*/*"))
        for folder in {file.parent for file in files}:
            # Renamed first to what the next run removes: a kill leaves no entry half empty.
            shutil.rmtree(folder.rename(folder.with_suffix(".part")))
    return files


def _make(
    folder: Path, shapes: Mapping[str, tuple[int, ...]], fill: Callable[[Arrays], str]
) -> None:
    temporary = folder.with_suffix(".part")
    temporary.mkdir()
    try:
        arrays = {name: _room(temporary / f"{name}.npy", shape) for name, shape in shapes.items()}
        line = fill(arrays)
        for array in arrays.values():
            array.flush()
        with (temporary / "line").open("w", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _room(file: Path, shape: tuple[int, ...]) -> np.memmap:
    array = np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=shape)
    # Allocated now: a disk that gets full under a mapped file ends the process by SIGBUS.
    if hasattr(os, "posix_fallocate"):
        with file.open("r+b") as opened:
            os.posix_fallocate(opened.fileno(), 0, file.stat().st_size)
    return array
