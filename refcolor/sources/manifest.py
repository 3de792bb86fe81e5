"""The manifest: the data set as a list of records, one JSON object a line, never a picture."""

import dataclasses
import json
import re
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from refcolor.errors import RefcolorError

_SAFE_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")


@dataclasses.dataclass(frozen=True)
class Record:
    """One picture of the data set.

    id: stem of its file in every later folder; letters, digits, `.`, `_` and `-`.
    address: where its bytes are, in the words of its source.
    family: pictures known beforehand to be variants of each other share one; empty if unknown.
    attributes: facts about its content (hair, clothes, ...), usable in `split.hold_out`.
    """

    id: str
    address: str
    page: str = ""
    artist: tuple[str, ...] = ()
    rating: str = ""
    licence: str = ""
    family: str = ""
    attributes: dict[str, str] = dataclasses.field(default_factory=dict)

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
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for record in ordered:
            filled = {name: value for name, value in dataclasses.asdict(record).items() if value}
            file.write(json.dumps(filled, ensure_ascii=False, sort_keys=True) + "\n")


def read_manifest(path: Path) -> list[Record]:
    """Read what `write_manifest` wrote.

    Raises RefcolorError naming the line that is no record.
    """
    records = []
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                fields = json.loads(line)
                fields["artist"] = tuple(fields.get("artist", ()))
                records.append(Record(**fields))
            except (ValueError, TypeError, AttributeError) as error:
                raise RefcolorError(
                    f"{path} line {number} is no record ({error}); "
                    "restore the file from git or rerun `dvc repro discover`"
                ) from error
    return records
