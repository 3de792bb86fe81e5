"""Large arrays that are made once, kept on the disk, and mapped into memory by every later run."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

Arrays = Mapping[str, np.ndarray]

KEPT = Path(".refcolor/pictures")  # in the repository, outside the outs that DVC clears


def kept_arrays(
    folder: Path,
    shapes: Mapping[str, tuple[int, ...]],
    make: Callable[[Arrays], str],
    *,
    silent: bool = False,
) -> tuple[Arrays, str]:
    """Map the arrays of a folder into memory; make them first where they are missing.

    folder: one of several beside each other. Its name is a hash of all that the arrays are made
    from, so that it cannot be stale; whoever wants the room deletes it.
    shapes: of the uint8 arrays by name. make: fills them, and returns a line that is kept beside
    them. It is called by one process at a time, the others wait and find the result; after a kill
    the next one begins anew and removes what was left. silent: wait without saying so.

    Returns the arrays, read-only, and the line. Raises OSError before `make` when the disk has not
    room enough.
    """
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _alone(folder.parent / "lock", silent=silent):
            for left in folder.parent.glob("*.part"):
                shutil.rmtree(left)
            if not folder.is_dir():
                _make(folder, shapes, make)
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in shapes}
    return arrays, (folder / "line").read_text(encoding="utf-8")


def drop_arrays(parent: Path) -> list[Path]:
    """Delete all arrays that are kept in a folder; return their files. Who reads them reads on."""
    if not parent.is_dir():
        return []
    with _alone(parent / "lock"):
        files = sorted(parent.glob("*/*"))
        for folder in {file.parent for file in files}:
            # By way of the name that the next one removes: a kill leaves no folder half empty.
            shutil.rmtree(folder.rename(folder.with_suffix(".part")))
    return files


def _make(
    folder: Path, shapes: Mapping[str, tuple[int, ...]], make: Callable[[Arrays], str]
) -> None:
    temporary = folder.with_suffix(".part")
    temporary.mkdir()
    try:
        arrays = {name: _room(temporary / f"{name}.npy", shape) for name, shape in shapes.items()}
        line = make(arrays)
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
    # Room is asked for now: a disk that gets full under a mapped file ends the process by SIGBUS.
    if hasattr(os, "posix_fallocate"):
        with file.open("r+b") as opened:
            os.posix_fallocate(opened.fileno(), 0, file.stat().st_size)
    return array


@contextmanager
def _alone(path: Path, *, silent: bool = False) -> Iterator[None]:
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if not silent:
            print("another process decodes pictures; waiting for it to end", flush=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
