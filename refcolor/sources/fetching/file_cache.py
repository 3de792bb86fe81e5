"""Downloaded files by address, complete ones and the beginnings of others."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from errno import EDQUOT, ENOSPC
from pathlib import Path
from urllib.parse import quote, unquote

from refcolor.io.files import replacing
from refcolor.io.locks import locked

_LONGEST_VERSION = 150  # characters of a file name
_PART = ".part"


@dataclass(frozen=True)
class Part:
    """The beginning of a file.

    version: the ETag or date that the server gave, as in If-Range; empty if it gave none. It is
    part of the file's name, so that a kill cannot come between the two.
    """

    path: Path
    version: str

    @property
    def size(self) -> int:
        """Bytes received so far."""
        return self.path.stat().st_size


class FileCache:
    """`<two digits>/<sha256 of the address>.<ext>`, or `.<version>.part` while it is incomplete."""

    def __init__(self, folder: Path) -> None:
        """folder: made when the first file is added."""
        self._folder = folder

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out; print that this one waits, where it does."""
        self._folder.mkdir(parents=True, exist_ok=True)
        waiting = "another download runs already; waiting for it to end"
        with locked(self._folder / "lock", waiting=waiting):
            yield

    def files(self, address: str) -> list[Path]:
        """List the files of an address, complete and not."""
        stem = self._stem(address)
        return sorted(stem.parent.glob(f"{stem.name}.*"))

    def complete(self, address: str) -> Path | None:
        """Return the complete file of an address; an empty one is the trace of a power cut."""
        files = (file for file in self.files(address) if file.suffix != _PART)
        return next((file for file in files if file.stat().st_size), None)

    def part(self, address: str) -> Part | None:
        """Return the longest part of an address."""
        parts = [
            Part(file, unquote(file.name.removesuffix(_PART).partition(".")[2]))
            for file in self.files(address)
            if file.suffix == _PART
        ]
        return max(parts, key=lambda part: part.size, default=None)

    def new_part(self, address: str, version: str) -> Part:
        """Start a file; older files of the address are deleted."""
        for file in self.files(address):
            file.unlink()
        stem = self._stem(address)
        stem.parent.mkdir(parents=True, exist_ok=True)
        quoted = quote(version, safe="")
        if len(quoted) > _LONGEST_VERSION:
            version = quoted = ""
        return Part(stem.parent / f"{stem.name}.{quoted}{_PART}", version)

    def finish(self, part: Part, address: str, extension: str) -> Path:
        """Rename a complete part, which makes it the file of its address."""
        stem = self._stem(address)
        file = stem.parent / f"{stem.name}.{extension}"
        os.replace(part.path, file)
        return file

    def _stem(self, address: str) -> Path:
        digest = hashlib.sha256(address.encode()).hexdigest()
        return self._folder / digest[:2] / digest


def link_or_copy(file: Path, target: Path) -> None:
    """Give a file a second name, or copy it where the disk cannot; the target is never partial."""
    target.unlink(missing_ok=True)
    try:
        os.link(file, target)
    except OSError as error:
        if error.errno in (ENOSPC, EDQUOT):
            raise
        with replacing(target) as temporary:
            shutil.copyfile(file, temporary)
