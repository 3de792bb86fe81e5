"""A cache of decoded pixels: arrays on disk that every later run maps into memory."""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from refcolor.io.locks import locked

Arrays = Mapping[str, np.ndarray]

PIXEL_CACHE = Path(".refcolor/pictures")  # in the repository, outside the outs that DVC clears
_WAITING = "another process decodes pictures; waiting for it to end"
_TEXT = "line"  # file beside the arrays


def cached_arrays(
    folder: Path,
    shapes: Mapping[str, tuple[int, ...]],
    fill: Callable[[Arrays], str],
    *,
    silent: bool = False,
) -> tuple[Arrays, str]:
    """Map the arrays of a cache entry into memory; fill the entry first if it is missing.

    folder: the entry. Its name must be a hash of everything that the arrays are made from, so that
    an entry is never stale. It may be deleted at any time.
    shapes: of the uint8 arrays, by name. fill: fills them and returns a text that is stored beside
    them. One process at a time fills an entry while the others wait; it removes the entries that
    killed processes left unfinished. silent: wait without printing a line.

    Returns the arrays, read-only, and the text. Raises OSError before `fill` when the disk does not
    have enough space.
    """
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(folder.parent / "lock", waiting="" if silent else _WAITING):
            for partial in folder.parent.glob("*.part"):
                shutil.rmtree(partial)
            if not folder.is_dir():
                _write_entry(folder, shapes, fill)
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in shapes}
    return arrays, (folder / _TEXT).read_text(encoding="utf-8")


def clear_pixel_cache(parent: Path) -> list[Path]:
    """Delete all entries of a cache and return their files; arrays already mapped stay readable."""
    if not parent.is_dir():
        return []
    with locked(parent / "lock", waiting=_WAITING):
        files = sorted(parent.glob("*/*"))
        for folder in {file.parent for file in files}:
            # Renamed first: after a kill the next run removes the rest of a `.part` folder.
            shutil.rmtree(folder.rename(folder.with_suffix(".part")))
    return files


def _write_entry(
    folder: Path, shapes: Mapping[str, tuple[int, ...]], fill: Callable[[Arrays], str]
) -> None:
    temporary = folder.with_suffix(".part")
    temporary.mkdir()
    try:
        arrays = {
            name: _allocate(temporary / f"{name}.npy", shape) for name, shape in shapes.items()
        }
        text = fill(arrays)
        for array in arrays.values():
            array.flush()
        del arrays, array  # Windows does not rename a folder with mapped files
        with (temporary / _TEXT).open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _allocate(file: Path, shape: tuple[int, ...]) -> np.memmap:
    array = np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=shape)
    # Blocks are allocated now, because a full disk under a mapped file ends a process by SIGBUS.
    if hasattr(os, "posix_fallocate"):
        with file.open("r+b") as opened:
            os.posix_fallocate(opened.fileno(), 0, file.stat().st_size)
    return array
