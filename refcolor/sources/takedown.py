"""The take-down list: one entry a line for pictures that must not be used."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from refcolor.errors import RefcolorError
from refcolor.io.names import composed
from refcolor.sources.manifest import Record

PREFIX = "danbooru-"  # of the ids of Danbooru's posts; optional in a take-down

_COMMENT = re.compile(r"(^|\s)#.*")
_PATTERNS = {
    "id": re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*"),
    "artist": re.compile(r".+"),
    "md5": re.compile(r"[0-9A-Fa-f]{32}"),
}


@dataclass(frozen=True)
class Takedown:
    """Ids, artists and MD5s of pictures that must not be used."""

    ids: frozenset[str] = frozenset()
    artists: frozenset[str] = frozenset()
    md5s: frozenset[str] = frozenset()

    def names(self, record: Record) -> bool:
        """Return True when the list names a picture's id, artist or MD5.

        The number of a post is equal to the id `danbooru-<number>`. Artists are compared without
        case; an underscore is equal to a space, as in tags.
        """
        return (
            record.id.removeprefix(PREFIX) in self.ids
            or not self.artists.isdisjoint(map(_normalized, record.artist))
            or not self.md5s.isdisjoint((record.md5.lower(), record.checksum.lower()))
        )


def read_takedown(path: Path) -> Takedown:
    """Read a take-down list.

    A line is `id 123`, `artist some_name` or `md5 <32 hex digits>`; a `#` at the beginning or after
    a space starts a comment; empty lines are ignored.
    Raises RefcolorError with the number of any other line, and when the file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise RefcolorError(
            f"source.exclude_file must be a text file, got {str(path)!r} ({error.strerror}); set "
            "it to data/exclude.txt and create that file, which may be empty"
        ) from error
    except UnicodeDecodeError as error:
        raise RefcolorError(f"{path} is not UTF-8 text ({error}); save it as UTF-8") from error
    values: dict[str, set[str]] = {kind: set() for kind in _PATTERNS}
    for number, line in enumerate(text.split("\n"), start=1):
        kind, _, value = " ".join(_COMMENT.sub("", line).split()).partition(" ")
        if not kind:
            continue
        if kind not in _PATTERNS or not _PATTERNS[kind].fullmatch(value):
            raise RefcolorError(
                f"{path} line {number} must read 'id 123', 'artist name' or 'md5 "
                f"<32 hex digits>', got {line.strip()!r}; correct it or comment it out with #"
            )
        values[kind].add(value)
    return Takedown(
        ids=frozenset(value.removeprefix(PREFIX) for value in values["id"]),
        artists=frozenset(map(_normalized, values["artist"])),
        md5s=frozenset(value.lower() for value in values["md5"]),
    )


def add_ids(path: Path, ids: Iterable[str]) -> list[str]:
    """Append the ids that a take-down list does not name yet; return the lines added.

    Existing text and comments are kept, and so are lines that another process appends at the same
    time.
    Raises RefcolorError as `read_takedown` does.
    """
    listed = read_takedown(path).ids
    unique = dict.fromkeys(name.removeprefix(PREFIX) for name in ids)
    lines = [f"id {name}" for name in unique if name not in listed]
    if lines:
        text = path.read_bytes()
        start = b"\n" if text and not text.endswith(b"\n") else b""
        with path.open("ab", buffering=0) as file:  # one write call: atomic
            file.write(start + "".join(f"{line}\n" for line in lines).encode())
    return lines


def _normalized(artist: str) -> str:
    return composed(artist).replace("_", " ").strip().casefold()
