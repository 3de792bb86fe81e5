"""Locks between processes of one machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout


@contextmanager
def locked(path: Path, *, waiting: str) -> Iterator[None]:
    """Hold the lock of a file; where another process holds it, print a line and wait.

    The system releases the lock of a process that is killed. The folder must exist.
    waiting: the line; empty to wait silently.
    """
    lock = FileLock(path)
    try:
        held = lock.acquire(timeout=0)
    except Timeout:
        if waiting:
            print(waiting, flush=True)
        held = lock.acquire()
    with held:
        yield
