"""The manifest: one JSON record a line for each picture of the dataset; it holds no pixels."""

import dataclasses
import json
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ConfigDict, model_validator
from pydantic.dataclasses import dataclass

from refcolor.errors import RefcolorError
from refcolor.io.files import write_lines
from refcolor.io.shards import File, files
from refcolor.io.tables import read_json_lines
from refcolor.sources.naming import LONGEST_ID

ADVICE = "correct the line, restore the file from git, or rerun `dvc repro discover`"
ONLINE = ("http://", "https://")  # schemes of addresses that are downloaded
DRAWN = "sample:"  # scheme of drawn characters
DRAWN_BY = ("shape", "shape_seed", "palette", "palette_seed")  # attributes that `draw` needs

_SAFE_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_NUMBER = "[0-9]{1,18}"


def _check_id(id: str) -> str:
    if len(id) > LONGEST_ID or not _SAFE_ID.fullmatch(id):
        raise ValueError(
            f"id must be 1 to {LONGEST_ID} letters, digits, '.', '_' and '-', got {id[:300]!r}"
        )
    return id


def _check_size(value: Any) -> Any:
    sides = list(value) if isinstance(value, list | tuple) else [0]
    if sides and not (len(sides) == 2 and all(type(side) is int and side > 0 for side in sides)):
        raise ValueError(
            f"letterboxed must be two sizes in pixels, width and height, got {str(value)[:80]}"
        )
    return tuple(sides)


@dataclass(frozen=True, config=ConfigDict(strict=True, extra="forbid"))
class Record:
    """One picture of the dataset. Creating a record checks its fields.

    id: stem of the picture's file in every stage; letters, digits, `.`, `_` and `-`.
    address: location of the file: an http address, `sample:<shape seed>/<palette seed>/<number>`
        for a drawn character, or a path inside the folder of the source.
    family: name shared by known variants of one picture; empty if unknown.
    group: name shared by pictures of one character, which may be each other's reference; empty if
        unknown.
    attributes: content of the picture (hair, clothes, ...), usable in `split.hold_out`; a drawn
        character has those of DRAWN_BY, a picture of a pair has the path of its line art as sketch.
    page, source: page of the post, and the artist's page that the post names.
    md5: of the original file; a take-down may name it.
    checksum: MD5 of the file at `address`; empty where unknown, as for a reduced copy.
    letterboxed: (width, height) of the original, where the file is a square copy with bars.
    Raises ValueError for invalid fields.
    """

    id: Annotated[str, AfterValidator(_check_id)]
    address: str
    page: str = ""
    artist: tuple[str, ...] = ()
    rating: str = ""
    licence: str = ""
    family: str = ""
    group: str = ""
    attributes: dict[str, str] = dataclasses.field(default_factory=dict)
    source: str = ""
    md5: str = ""
    checksum: str = ""
    letterboxed: Annotated[tuple[int, int] | tuple[()], BeforeValidator(_check_size)] = ()

    @model_validator(mode="after")
    def _check_address(self) -> "Record":
        if self.address.startswith(DRAWN):
            seeds = [self.attributes.get(name, "") for name in DRAWN_BY]
            numbers = re.fullmatch(f"{DRAWN}{_NUMBER}/{_NUMBER}/{_NUMBER}", self.address)
            if not (numbers and all(re.fullmatch(_NUMBER, seed) for seed in seeds)):
                raise ValueError(
                    f"a drawn character has an address like {DRAWN}1/2/3 with the attributes "
                    f"{', '.join(DRAWN_BY)}, all of them numbers, got {self.address[:80]!r} with "
                    f"{str(self.attributes)[:200]}"
                )
        elif not self.address.startswith(ONLINE):
            for address in (self.address, self.attributes.get("sketch", self.address)):
                path = PurePosixPath(address)
                if not address or path.is_absolute() or ".." in path.parts or "\0" in address:
                    raise ValueError(
                        f"the address of {self.id} and of its sketch must be a path inside the "
                        f"folder of the source, got {address[:200]!r}"
                    )
        return self


def write_manifest(path: Path, records: Iterable[Record]) -> None:
    """Write records sorted by id, without their empty fields.

    Raises ValueError when two records share an id.
    """
    ordered = sorted(records, key=lambda record: record.id)
    for first, second in pairwise(ordered):
        if first.id == second.id:
            raise ValueError(f"ids must be unique, got {first.id!r} twice")
    write_lines(path, map(_line, ordered))


def read_manifest(path: Path) -> list[Record]:
    """Read what `write_manifest` wrote; see `iterate_manifest`."""
    return list(iterate_manifest(path))


def iterate_manifest(path: Path) -> Iterator[Record]:
    """Read what `write_manifest` wrote, one record at a time.

    Raises RefcolorError with the number of a line that is not a record or repeats an id.
    """
    seen = set[str]()
    for number, record in enumerate(read_json_lines(path, Record, advice=ADVICE), start=1):
        if record.id in seen:
            raise RefcolorError(
                f"{path} line {number}: id {record.id!r} is on an earlier line too; {ADVICE}"
            )
        seen.add(record.id)
        yield record


def _line(record: Record) -> str:
    fields = dataclasses.asdict(record).items()
    filled = {name: value for name, value in fields if value or name == "address"}
    return json.dumps(filled, ensure_ascii=False, sort_keys=True)


def files_with_records(path: Path, folder: Path) -> list[tuple[File, Record]]:
    """Match the files of a folder with the records of a manifest by stem, sorted by name.

    A record without a file and a file without a record are left out.
    """
    records = {record.id: record for record in iterate_manifest(path)}
    return [(file, records[file.stem]) for file in files(folder) if file.stem in records]
