"""Files as every stage writes them: whole or not at all, text in UTF-8 and one shape everywhere."""

import json
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name; what is written there takes the place of `path` at once at the end.

    Never half a file: after an error the old one, or none, is there. Missing folders are made. Any
    number of threads, processes and machines may write the same file. A process that is killed
    leaves `.NAME.HEX.part` behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem[:50]}.{secrets.token_hex(8)}.part")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Remove what `replacing` left behind where it was killed; nobody may be writing there."""
    for temporary in folder.glob(".*.part"):
        temporary.unlink(missing_ok=True)


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write values as indented JSON, in the given order."""
    write_lines(path, [json.dumps(values, indent=2)])


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write lines, each ended by a newline, in the way of `replacing`."""
    with (
        replacing(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="\n") as file,
    ):
        file.writelines(f"{line}\n" for line in lines)
