"""The manifest: the data set as a list of records, one JSON object a line, never a picture."""

import dataclasses
import json
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

from refcolor.errors import RefcolorError
from refcolor.files import write_lines
from refcolor.shards import File, files

_SAFE_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")


@dataclasses.dataclass(frozen=True)
class Record:
    """One picture of the data set.

    id: stem of its file in every later folder; letters, digits, `.`, `_` and `-`.
    address: where its bytes are, in the words of its source.
    family: pictures known beforehand to be variants of each other share one; empty if unknown.
    attributes: facts about its content (hair, clothes, ...), usable in `split.hold_out`.
    page, source: where it was posted, and the artist's own page as the post names it.
    md5: of the original file, by which a take-down may name it.
    checksum: MD5 of the very bytes at `address`; empty where unknown, as for a reduced copy.
    letterboxed: (width, height) of the original, where the file is a square copy with bars.
    """

    id: str
    address: str
    page: str = ""
    artist: tuple[str, ...] = ()
    rating: str = ""
    licence: str = ""
    family: str = ""
    attributes: dict[str, str] = dataclasses.field(default_factory=dict)
    source: str = ""
    md5: str = ""
    checksum: str = ""
    letterboxed: tuple[int, int] | tuple[()] = ()

    def __post_init__(self) -> None:
        """Refuse an id that could leave its folder.

        Raises ValueError.
        """
        if not _SAFE_ID.fullmatch(self.id):
            raise ValueError(
                f"a record's id must be letters, digits, '.', '_' and '-', got {self.id!r}"
            )


def write_manifest(path: Path, records: Iterable[Record]) -> None:
    """Write records sorted by id; fields that say nothing are left out.

    Raises ValueError when two records share an id.
    """
    ordered = sorted(records, key=lambda record: record.id)
    for one, other in pairwise(ordered):
        if one.id == other.id:
            raise ValueError(f"ids must be unique, got {one.id!r} twice")
    write_lines(path, map(_line, ordered))


def read_manifest(path: Path) -> list[Record]:
    """Read what `write_manifest` wrote; see `iterate_manifest`."""
    return list(iterate_manifest(path))


def iterate_manifest(path: Path) -> Iterator[Record]:
    """Read what `write_manifest` wrote, one record at a time.

    Raises RefcolorError naming the line that is no record.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                fields = json.loads(line)
                fields["artist"] = tuple(fields.get("artist", ()))
                fields["letterboxed"] = tuple(map(int, fields.get("letterboxed", ())))
                record = Record(**fields)
            except (ValueError, TypeError, AttributeError) as error:
                raise RefcolorError(
                    f"{path} line {number} is no record ({error}); "
                    "restore the file from git or rerun `dvc repro discover`"
                ) from error
            yield record


def _line(record: Record) -> str:
    fields = dataclasses.asdict(record).items()
    filled = {name: value for name, value in fields if value or name == "address"}
    return json.dumps(filled, ensure_ascii=False, sort_keys=True)


def files_of(path: Path, folder: Path) -> list[tuple[File, Record]]:
    """Pair the files of a folder with the records of a manifest by their stems, sorted.

    A record without a file and a file without a record are left out.
    """
    records = {record.id: record for record in iterate_manifest(path)}
    return [(file, records[file.stem]) for file in files(folder) if file.stem in records]
