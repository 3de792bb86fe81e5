"""Locks between processes of a machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from refcolor.errors import RefcolorError


@contextmanager
def locked(path: Path, *, waiting: str, refusal: str = "") -> Iterator[None]:
    """Hold a file lock; if another process holds it, print a line and wait.

    The operating system releases the lock of a killed process. The folder must exist.
    waiting: the line; empty to print nothing.
    refusal: message of a RefcolorError to raise instead of waiting; empty to wait.
    """
    lock = FileLock(path)
    try:
        held = lock.acquire(timeout=0)
    except Timeout as error:
        if refusal:
            raise RefcolorError(refusal) from error
        if waiting:
            print(waiting, flush=True)
        held = lock.acquire()
    with held:
        yield
