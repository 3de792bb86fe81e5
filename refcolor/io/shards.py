"""Tar shards: the pictures of a large folder in 256 files, because DVC's cost is per file.

A stage writes single files, and packs them at its end if there are many. Readers call `files` or
`locate` and get a `Path` or a `Member`; both are opened the same way.

The name of a picture alone determines its shard, as in git's object folders: an added or removed
picture changes one shard of each folder, and the other 255 stay the same in DVC's cache and in
remotes. Equal files make equal shards.
"""

import hashlib
import os
import re
import stat
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

SHARD_ABOVE = 10_000  # files; docs/scale.md has the costs

_SHARD = re.compile(r"[0-9a-f]{2}\.tar")


@dataclass(frozen=True)
class Member:
    """A file inside a shard, with the part of the interface of `Path` that pictures need.

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
        """Return True: members are only created for files of a shard."""
        return True

    def open(self, _mode: Literal["rb"]) -> BinaryIO:
        """Read the file into memory. Raises OSError when the shard is missing."""
        with self.shard.open("rb") as file:
            file.seek(self.offset)
            return BytesIO(file.read(self.size))

    def read_bytes(self) -> bytes:
        """Return the bytes of the file."""
        return self.open("rb").read()

    def __str__(self) -> str:
        """Return `shard/name` for messages."""
        return f"{self.shard}/{self.name}"


File: TypeAlias = Path | Member


def pack(*folders: Path, above: int = SHARD_ABOVE) -> None:
    """Pack the files of each folder that has more than `above` into shards.

    A file is removed after its shard is complete, so a kill loses nothing. Shards of an earlier
    run and temporary files of killed processes are removed (no other process may be writing to the
    folders); missing folders are created.
    """
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        sweep(folder)
        _pack(folder, above)


def files(folder: Path) -> list[File]:
    """List the files of a folder and its shards, sorted by name, without hidden files."""
    by_name: dict[str, File] = {}
    for path in folder.glob("[!.]*"):
        by_name |= _members(path) if _SHARD.fullmatch(path.name) else {path.name: path}
    return [by_name[name] for name in sorted(by_name)]


def locate(folder: Path, name: str) -> File:
    """Find a file of a folder or its shards; return its path in the folder if it is missing."""
    path, shard = folder / name, folder / shard_of(name)
    return path if path.exists() or not shard.exists() else _members(shard).get(name, path)


def read_order(file: File) -> tuple[str, int]:
    """Return a sort key by which shards are read sequentially."""
    return (str(file.shard), file.offset) if isinstance(file, Member) else ("", 0)


def siblings(file: File, prefix: str) -> list[File]:
    """List the files in the same folder or shard whose names begin with `prefix`, sorted."""
    if isinstance(file, Path):
        return [*sorted(file.parent.glob(f"{prefix}*"))]
    members = _members(file.shard)
    return [members[name] for name in sorted(members) if name.startswith(prefix)]


def remove(files: Iterable[File]) -> None:
    """Delete files; a shard is rewritten without its deleted members."""
    shards: dict[Path, set[str]] = defaultdict(set)
    for file in files:
        if isinstance(file, Member):
            shards[file.shard].add(file.name)
        else:
            _delete(file)
    for shard, names in shards.items():
        remaining = [member for name, member in _members(shard).items() if name not in names]
        if remaining:
            _write(shard, remaining)
        else:
            shard.unlink()


def _delete(file: Path) -> None:
    try:
        file.unlink(missing_ok=True)
    except PermissionError:  # Windows keeps a file that is read-only, as DVC's may be
        file.chmod(stat.S_IWRITE)
        file.unlink()


def shard_of(name: str) -> str:
    """Return the name of a file's shard: two digits of a hash, equal for a picture's line art."""
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
    # Headers are USTAR's, except for names of more than 100 characters.
    with (
        replacing(shard) as temporary,
        tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for member in members:
            content = member.read_bytes()
            entry = tarfile.TarInfo(member.name)  # with time 0 and no owner
            entry.size = len(content)
            tar.addfile(entry, BytesIO(content))


def _members(shard: Path) -> dict[str, Member]:
    version = shard.stat()
    return _index(shard, version.st_ino, version.st_mtime_ns, version.st_size)


@lru_cache(maxsize=2048)
def _index(shard: Path, *_version: int) -> dict[str, Member]:
    try:
        with tarfile.open(shard, "r:") as tar:
            return {
                entry.name: Member(shard, entry.name, entry.offset_data, entry.size)
                for entry in tar
            }
    except tarfile.TarError as error:
        raise RefcolorError(
            f"{shard} is not a complete tar file ({error}); delete it and run `dvc repro`"
        ) from error
