"""Cache of downloaded files by address, complete and partial."""

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
    """A partial file.

    version: the server's ETag or Last-Modified, for If-Range; empty if it sent neither. The file
        name contains it, so that both are stored in one operation.
    """

    path: Path
    version: str

    @property
    def size(self) -> int:
        """Bytes received so far."""
        return self.path.stat().st_size


class FileCache:
    """Files `<two digits>/<sha256 of the address>.<ext>`, or `.<version>.part` while partial."""

    def __init__(self, folder: Path) -> None:
        """folder: created when it is locked."""
        self._folder = folder

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the cache for this process; print a line when it has to wait."""
        self._folder.mkdir(parents=True, exist_ok=True)
        waiting = "another download is running; waiting for it to end"
        with locked(self._folder / "lock", waiting=waiting):
            yield

    def files(self, address: str) -> list[Path]:
        """List the complete and partial files of an address."""
        stem = self._stem(address)
        return sorted(stem.parent.glob(f"{stem.name}.*"))

    def complete(self, address: str) -> Path | None:
        """Return the complete file of an address; empty files, left by a power cut, are ignored."""
        files = (file for file in self.files(address) if file.suffix != _PART)
        return next((file for file in files if file.stat().st_size), None)

    def part(self, address: str) -> Part | None:
        """Return the largest partial file of an address."""
        parts = [
            Part(file, unquote(file.name.removesuffix(_PART).partition(".")[2]))
            for file in self.files(address)
            if file.suffix == _PART
        ]
        return max(parts, key=lambda part: part.size, default=None)

    def new_part(self, address: str, version: str) -> Part:
        """Start a partial file and delete older files of the address."""
        for file in self.files(address):
            file.unlink()
        stem = self._stem(address)
        stem.parent.mkdir(parents=True, exist_ok=True)
        quoted = quote(version, safe="")
        if len(quoted) > _LONGEST_VERSION:
            version = quoted = ""
        return Part(stem.parent / f"{stem.name}.{quoted}{_PART}", version)

    def finish(self, part: Part, address: str, extension: str) -> Path:
        """Rename a partial file that is now complete, and return its path."""
        stem = self._stem(address)
        file = stem.parent / f"{stem.name}.{extension}"
        os.replace(part.path, file)
        return file

    def _stem(self, address: str) -> Path:
        digest = hashlib.sha256(address.encode()).hexdigest()
        return self._folder / digest[:2] / digest


def link_or_copy(file: Path, target: Path) -> None:
    """Hard-link a file, or copy it where links are not supported; both are atomic."""
    target.unlink(missing_ok=True)
    try:
        os.link(file, target)
    except OSError as error:
        if error.errno in (ENOSPC, EDQUOT):
            raise
        with replacing(target) as temporary:
            shutil.copyfile(file, temporary)
