"""The take-down list: pictures that must not be used, one a line."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from refcolor.errors import RefcolorError
from refcolor.files import replacing

PREFIX = "danbooru-"  # of the ids of Danbooru's posts, which a take-down may leave out

_COMMENT = re.compile(r"(^|\s)#.*")
_SHAPES = {
    "id": re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*"),
    "artist": re.compile(r".+"),
    "md5": re.compile(r"[0-9A-Fa-f]{32}"),
}


class Named(Protocol):
    """What a take-down may name a picture by: a post or a record."""

    @property
    def id(self) -> str:
        """Id in its source, or stem of its files."""

    @property
    def artist(self) -> tuple[str, ...]:
        """Artist tags."""

    @property
    def md5(self) -> str:
        """MD5 of the original file; empty if unknown."""

    @property
    def checksum(self) -> str:
        """MD5 of the file that is fetched; empty if unknown."""


@dataclass(frozen=True)
class Takedown:
    """Pictures that must not be used; a picture is one of them by any of the three."""

    ids: frozenset[str] = frozenset()
    artists: frozenset[str] = frozenset()
    md5s: frozenset[str] = frozenset()

    def names(self, picture: Named) -> bool:
        """Say whether a picture is on the list.

        A post's number and the id `danbooru-<number>` are one; artists are compared without case,
        an underscore being a space, as in tags.
        """
        return (
            picture.id.removeprefix(PREFIX) in self.ids
            or not self.artists.isdisjoint(map(_plain, picture.artist))
            or not self.md5s.isdisjoint((picture.md5.lower(), picture.checksum.lower()))
        )


def read_takedown(path: Path) -> Takedown:
    """Read a take-down list.

    A line is `id 123`, `artist some_name` or `md5 <32 hex digits>`; what follows a `#` at its
    beginning or after a space is a comment; empty lines say nothing.
    Raises RefcolorError naming the line that is none of these, and when there is no such file.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise RefcolorError(
            f"source.exclude_file must be a text file, got {str(path)!r} ({error.strerror}); set "
            "it to data/exclude.txt and make that file, which may be empty"
        ) from error
    except UnicodeDecodeError as error:
        raise RefcolorError(f"{path} is not UTF-8 text ({error}); save it as UTF-8") from error
    found: dict[str, set[str]] = {kind: set() for kind in _SHAPES}
    for number, line in enumerate(text.split("\n"), start=1):
        kind, _, value = " ".join(_COMMENT.sub("", line).split()).partition(" ")
        if not kind:
            continue
        if kind not in _SHAPES or not _SHAPES[kind].fullmatch(value):
            raise RefcolorError(
                f"{path} line {number} must read 'id 123', 'artist name' or 'md5 "
                f"<32 hex digits>', got {line.strip()!r}; correct it or begin it with #"
            )
        found[kind].add(value)
    return Takedown(
        ids=frozenset(value.removeprefix(PREFIX) for value in found["id"]),
        artists=frozenset(map(_plain, found["artist"])),
        md5s=frozenset(value.lower() for value in found["md5"]),
    )


def add_ids(path: Path, ids: Iterable[str]) -> list[str]:
    """Add the ids that a take-down list does not name yet; return the lines added.

    What the file says already, comments included, stays as it is. The file is replaced at once,
    so that it is never half written.
    Raises RefcolorError as `read_takedown` does.
    """
    known = read_takedown(path).ids
    wanted = dict.fromkeys(name.removeprefix(PREFIX) for name in ids)
    lines = [f"id {name}" for name in wanted if name not in known]
    if lines:
        before = path.read_bytes()
        if before and not before.endswith(b"\n"):
            before += b"\n"
        with replacing(path.resolve()) as temporary:  # a link stays a link
            temporary.write_bytes(before + "".join(f"{line}\n" for line in lines).encode())
    return lines


def _plain(artist: str) -> str:
    return unicodedata.normalize("NFC", artist).replace("_", " ").strip().casefold()
