"""Tar shards: the pictures of a large folder in 256 files, because DVC's cost is per file.

A stage writes single files, and packs them at its end if there are many. Readers call `files` or
`locate`, and get a `Path` or a `Member`; both are opened the same way.

The shard of a picture follows from its name alone, like the folder of an object in git: a picture
that comes or goes changes one shard of each folder and leaves the other 255, in DVC's cache and in
remotes, as they are. Equal files make equal shards.
"""

import hashlib
import os
import re
import tarfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path, PurePath
from typing import BinaryIO, Literal, TypeAlias

from tqdm import tqdm

from refcolor.errors import RefcolorError
from refcolor.io.files import replacing, sweep

SHARD_ABOVE = 10_000  # files; docs/scale.md says what more of them would cost

_SHARD = re.compile(r"[0-9a-f]{2}\.tar")


@dataclass(frozen=True)
class Member:
    """A file inside a shard, as far as a picture needs a `Path`.

    offset, size: bytes in the shard.
    """

    shard: Path
    name: str
    offset: int
    size: int

    @property
    def stem(self) -> str:
        """The name without its extension."""
        return PurePath(self.name).stem

    def exists(self) -> bool:
        """True: a member is only made for a file that a shard holds."""
        return True

    def open(self, _mode: Literal["rb"]) -> BinaryIO:
        """Read it into memory. Raises OSError when the shard has gone."""
        with self.shard.open("rb") as file:
            file.seek(self.offset)
            return BytesIO(file.read(self.size))

    def read_bytes(self) -> bytes:
        """Give its bytes."""
        return self.open("rb").read()

    def __str__(self) -> str:
        """Name it in messages as tar's users do."""
        return f"{self.shard}/{self.name}"


File: TypeAlias = Path | Member


def pack(*folders: Path, above: int = SHARD_ABOVE) -> None:
    """Put the files of each folder into shards if there are more than `above` in it.

    At every moment each file is in one place or the other, so a kill loses nothing; the stage
    that is run again writes and packs them anew. Shards of an earlier run and temporary files of
    killed writers are removed (no other process may be writing there); missing folders are made.
    """
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        sweep(folder)
        _pack(folder, above)


def files(folder: Path) -> list[File]:
    """List the files of a folder and of its shards, sorted by name, without hidden ones."""
    by_name: dict[str, File] = {}
    for path in folder.glob("[!.]*"):
        by_name |= _members(path) if _SHARD.fullmatch(path.name) else {path.name: path}
    return [by_name[name] for name in sorted(by_name)]


def locate(folder: Path, name: str) -> File:
    """Find one file of a folder; where there is none, give the path that it would have."""
    path, shard = folder / name, folder / shard_of(name)
    return path if path.exists() or not shard.exists() else _members(shard).get(name, path)


def place_of(file: File) -> tuple[str, int]:
    """Say where a file lies, so that sorting by it makes a stream of every shard."""
    return (str(file.shard), file.offset) if isinstance(file, Member) else ("", 0)


def beside(file: File, start: str) -> list[File]:
    """List what lies with a file, in its folder or its shard, and has a name that begins so."""
    if isinstance(file, Path):
        return [*sorted(file.parent.glob(f"{start}*"))]
    members = _members(file.shard)
    return [members[name] for name in sorted(members) if name.startswith(start)]


def remove(files: Iterable[File]) -> None:
    """Delete files, those in shards by writing the shard anew without them."""
    shards: dict[Path, set[str]] = defaultdict(set)
    for file in files:
        if isinstance(file, Member):
            shards[file.shard].add(file.name)
        else:
            file.unlink(missing_ok=True)
    for shard, names in shards.items():
        left = [one for name, one in _members(shard).items() if name not in names]
        if left:
            _write(shard, left)
        else:
            shard.unlink()


def shard_of(name: str) -> str:
    """Name the shard of a file: two digits of a hash. Line art lies with the picture it is of."""
    picture = PurePath(name).stem.removesuffix(".sketch")
    return f"{hashlib.sha256(picture.encode()).hexdigest()[:2]}.tar"


def _pack(folder: Path, above: int) -> None:
    names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    files = [name for name in names if not _SHARD.fullmatch(name)]
    shards: dict[str, list[str]] = defaultdict(list)
    if len(files) > above:
        for name in files:
            shards[shard_of(name)].append(name)
    todo = sorted(shards.items())
    for shard, members in tqdm(todo, desc=f"pack {folder}", unit="shard", disable=not todo):
        _write(folder / shard, [folder / name for name in members])
        for name in members:
            (folder / name).unlink()
    if files:
        for name in set(names) - set(files) - shards.keys():
            (folder / name).unlink()


def _write(shard: Path, members: Sequence[File]) -> None:
    # Headers are USTAR's, but for a name of more than 100 characters.
    with (
        replacing(shard) as temporary,
        tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for member in members:
            content = member.read_bytes()
            entry = tarfile.TarInfo(member.name)  # time, owner and group are 0 and empty
            entry.size = len(content)
            tar.addfile(entry, BytesIO(content))


def _members(shard: Path) -> dict[str, Member]:
    known = shard.stat()
    return _indexed(shard, known.st_ino, known.st_mtime_ns, known.st_size)


@lru_cache(maxsize=2048)
def _indexed(shard: Path, *_version: int) -> dict[str, Member]:
    try:
        with tarfile.open(shard, "r:") as tar:
            return {one.name: Member(shard, one.name, one.offset_data, one.size) for one in tar}
    except tarfile.TarError as error:
        raise RefcolorError(
            f"{shard} is not a whole tar file ({error}); delete it and run `dvc repro`"
        ) from error
