"""The provenance of a model: parameters, data and numbers that dvc.lock ties to its weights.

Information that dvc.lock does not tie to these weights is reported as missing.
"""

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from posixpath import normpath
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from refcolor.errors import RefcolorError
from refcolor.params import flatten
from refcolor.sources.manifest import Record, read_manifest
from refcolor.tracking.stages import content_md5, made_by, read_lock
from refcolor.training.checkpoint import GENERATOR

CARD = "README.md"  # what hubs show first of a model's folder
UNKNOWN = "unknown"

_MODELS, _NUMBERS = "models", "metrics/eval.json"
_FUNNEL, _MANIFEST = "metrics/data.json", "data/manifest.jsonl"
_LICENCE = re.compile(r"\A---\n(?:.*\n)*?license: *(\S+) *\n(?:.*\n)*?---\n")


@dataclass(frozen=True)
class Credit:
    """The pictures of an artist, or of several together, under one licence.

    page: where they were published; empty if they have a page each, or none.
    """

    artist: str
    licence: str
    page: str
    pictures: int


@dataclass(frozen=True)
class Origin:
    """The provenance of a model; parts that dvc.lock does not confirm are empty.

    parameters: by their dotted names, as DVC recorded them. numbers: metrics/eval.json.
    funnel: metrics/data.json. licences: number of pictures of each; "" where none is stated.
    credits: the artists of the pictures that have a licence.
    missing: a sentence with the reason for each empty part.
    rounded: whether these weights have a lower precision than the evaluated ones.
    """

    parameters: Mapping[str, Any] = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)
    funnel: Mapping[str, Any] = field(default_factory=dict)
    licences: Mapping[str, int] = field(default_factory=dict)
    credits: tuple[Credit, ...] = ()
    missing: tuple[str, ...] = ()
    rounded: bool = False


def find_origin(folder: Path, root: Path | None = None) -> Origin:
    """Return the provenance of a model.

    folder: the model, inside the repository or a copy elsewhere, in any precision.
    root: the repository that trained it; by default the one around `folder`, else the working
    directory. The weights must be those of its dvc.lock, and each of the other files the one that
    DVC wrote for the same weights.
    """
    if root is None:
        around = folder.resolve().parent
        root = around if (around / "dvc.lock").exists() else Path()
    lock = read_lock(root)
    made = made_by(lock)
    if not _unchanged(root, _MODELS, made) or not same_weights(folder, root / _MODELS):
        return Origin(
            missing=(
                "No repository that trained these weights was at hand: parameters, data and "
                "numbers are not known here.",
            )
        )
    stale = _stale_stages(lock, made)
    missing = []
    numbers: dict[str, float] = {}
    if "evaluate" in stale or not _unchanged(root, _NUMBERS, made):
        missing.append(f"These weights have not been judged: {_NUMBERS} is missing or of others.")
    else:
        numbers = _json(root / _NUMBERS)
    funnel: dict[str, Any] = {}
    records: list[Record] = []
    if stale - {"evaluate"} or not all(_unchanged(root, p, made) for p in (_FUNNEL, _MANIFEST)):
        missing.append(f"{_FUNNEL} and {_MANIFEST} are missing or of other data than these.")
    else:
        funnel = _json(root / _FUNNEL)
        records = read_manifest(root / _MANIFEST)
    return Origin(
        parameters=_recorded(lock),
        numbers=numbers,
        funnel=funnel,
        licences=Counter(record.licence for record in records),
        credits=tuple(_credits(records)),
        missing=tuple(missing),
        rounded=checksum(folder) != checksum(root / _MODELS),
    )


def find_licence(folder: Path, origin: Origin) -> str:
    """Return the licence of a model: that of its card, else the common licence of its pictures.

    Returns `unknown` for pictures with several licences or without one, because a program cannot
    decide which licence applies to the weights.
    """
    card = folder / CARD
    stated = _LICENCE.match(card.read_text(encoding="utf-8")) if card.is_file() else None
    if stated:
        return stated[1]
    (only,) = origin.licences if len(origin.licences) == 1 else (UNKNOWN,)
    return only or UNKNOWN


def checksum(folder: Path) -> str:
    """Return the SHA-256 of the weights of a model folder.

    Raises RefcolorError when there are none.
    """
    try:
        with (folder / GENERATOR).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise RefcolorError(
            f"{folder / GENERATOR} cannot be read ({error.strerror}); train a model or name "
            "another folder with --model"
        ) from error


def same_weights(folder: Path, other: Path) -> bool:
    """Whether two model folders have the same weights, rounded to the precision of the first."""
    if checksum(folder) == checksum(other):
        return True
    try:
        first, second = (load_file(path / GENERATOR) for path in (folder, other))
    except SafetensorError:
        return False
    return first.keys() == second.keys() and all(
        first[name].equal(second[name].to(first[name].dtype)) for name in first
    )


def _credits(records: Iterable[Record]) -> Iterator[Credit]:
    pages: dict[tuple[str, str], list[str]] = defaultdict(list)
    for record in records:
        if record.artist and record.licence:
            pages[", ".join(record.artist), record.licence].append(record.page)
    for (artist, licence), found in sorted(pages.items()):
        page, *others = set(found)
        yield Credit(artist, licence, "" if others else page, len(found))


def _unchanged(root: Path, path: str, made: Mapping[str, str]) -> bool:
    return (root / path).exists() and content_md5(root / path, root=root) == made.get(path)


def _stale_stages(lock: Mapping[str, Any], made: Mapping[str, str]) -> set[str]:
    """Return the stages whose dependencies changed after their last run."""
    return {
        stage
        for stage, entry in lock.get("stages", {}).items()
        for dep in entry.get("deps", [])
        if made.get(normpath(dep["path"]), dep.get("md5")) != dep.get("md5")
    }


def _recorded(lock: Mapping[str, Any]) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    for entry in lock["stages"].values():
        for content in entry.get("params", {}).values():
            parameters |= flatten(content)
    return dict(sorted(parameters.items()))


def _json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content
