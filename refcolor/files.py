"""Small text files as every stage writes them: UTF-8, one shape, the same bytes everywhere."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write values as indented JSON, in their own order."""
    write_lines(path, [json.dumps(values, indent=2)])


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write lines, each ended by a newline; missing folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)
