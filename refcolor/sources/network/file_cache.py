"""Downloaded files by address: finished ones, and parts that are gone on with."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from errno import EDQUOT, ENOSPC
from pathlib import Path
from urllib.parse import quote, unquote

from filelock import FileLock, Timeout

from refcolor.files import replacing

_LONGEST_VERSION = 150  # characters of a file name
_PART = ".part"


@dataclass(frozen=True)
class Part:
    """The beginning of a file.

    version: what the server called the content, to be sure that the rest belongs to it; an ETag
    or a date as in If-Range, empty if it said nothing. It is kept in the name of the file, so that
    a kill cannot come between the two.
    """

    path: Path
    version: str

    @property
    def size(self) -> int:
        """Bytes that are here."""
        return self.path.stat().st_size


class FileCache:
    """`<two digits>/<sha256 of the address>.<ext>`, or `.<version>.part` while it is incomplete."""

    def __init__(self, folder: Path) -> None:
        """folder: made when something comes in."""
        self._folder = folder

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes out, and say so when that means waiting."""
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._folder / "lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            print("another download runs already; waiting for it to end", flush=True)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def files(self, address: str) -> list[Path]:
        """Find all that is here of an address, finished and not."""
        stem = self._stem(address)
        try:
            names = os.listdir(stem.parent)
        except FileNotFoundError:
            return []
        return [stem.parent / name for name in sorted(names) if name.startswith(f"{stem.name}.")]

    def finished(self, address: str) -> Path | None:
        """Find the finished file of an address; an empty one is the trace of a power cut."""
        for file in self.files(address):
            if file.suffix != _PART and file.stat().st_size:
                return file
        return None

    def part(self, address: str) -> Part | None:
        """Find the part of an address that is longest."""
        parts = [
            Part(file, unquote(file.name.removesuffix(_PART).partition(".")[2]))
            for file in self.files(address)
            if file.suffix == _PART
        ]
        return max(parts, key=lambda part: part.size, default=None)

    def new_part(self, address: str, version: str) -> Part:
        """Begin a file anew; what was there of it is removed."""
        for file in self.files(address):
            file.unlink()
        stem = self._stem(address)
        stem.parent.mkdir(parents=True, exist_ok=True)
        quoted = quote(version, safe="")
        if len(quoted) > _LONGEST_VERSION:
            version = quoted = ""
        return Part(stem.parent / f"{stem.name}.{quoted}{_PART}", version)

    def finish(self, part: Part, address: str, extension: str) -> Path:
        """Give a complete part its name: from now on it counts as finished."""
        stem = self._stem(address)
        file = stem.parent / f"{stem.name}.{extension}"
        os.replace(part.path, file)
        return file

    def _stem(self, address: str) -> Path:
        digest = hashlib.sha256(address.encode()).hexdigest()
        return self._folder / digest[:2] / digest


def place(file: Path, target: Path) -> None:
    """Give a file a second name, or copy it where that cannot be; never half a file."""
    target.unlink(missing_ok=True)
    try:
        os.link(file, target)
    except OSError as error:
        if error.errno in (ENOSPC, EDQUOT):
            raise
        _copy(file, target)


def _copy(file: Path, target: Path) -> None:
    with replacing(target) as temporary:
        shutil.copyfile(file, temporary)
