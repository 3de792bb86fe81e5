"""Atomic writes; text is UTF-8 with the same line ends on every system."""

import json
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path that replaces `path` atomically at the end of the block.

    After an error `path` is unchanged. Missing folders are created. Threads, processes and machines
    may write the same file concurrently. A killed process leaves `.NAME.HEX.part` behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem[:50]}.{secrets.token_hex(8)}.part")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def relative(path: Path, start: Path) -> str:
    """Return a path relative to a folder, with slashes; on another drive the path itself."""
    try:
        return Path(os.path.relpath(path, start)).as_posix()
    except ValueError:
        return path.as_posix()


def sweep(folder: Path) -> None:
    """Remove temporary files of killed processes; no process may be writing to the folder."""
    for temporary in folder.glob(".*.part"):
        temporary.unlink(missing_ok=True)


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write values as indented JSON, in their order; the write is atomic."""
    write_lines(path, [json.dumps(values, indent=2)])


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write lines, each with a newline; the write is atomic."""
    with (
        replacing(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="\n") as file,
    ):
        file.writelines(f"{line}\n" for line in lines)
