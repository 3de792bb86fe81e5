"""Where a model comes from, as far as the repository that trained it can prove it.

A number beside the wrong weights is worse than none: whatever `dvc.lock` does not tie to these very
weights counts as missing, and is said to be.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from posixpath import normpath
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from refcolor.errors import RefcolorError
from refcolor.params import flatten
from refcolor.sources.manifest import iterate_manifest
from refcolor.tracking.stages import content_md5, made_by, read_lock
from refcolor.training.checkpoint import GENERATOR

CARD = "README.md"  # what hubs show first of a model's folder
UNKNOWN = "unknown"

_MODELS, _NUMBERS = "models", "metrics/eval.json"
_FUNNEL, _MANIFEST = "metrics/data.json", "data/manifest.jsonl"
_LICENCE = re.compile(r"\A---\n(?:.*\n)*?license: *(\S+) *\n(?:.*\n)*?---\n")


@dataclass(frozen=True)
class Origin:
    """What is known of how a model was made; a part that cannot be proved is empty.

    parameters: by their dotted names, as DVC recorded them. numbers: metrics/eval.json.
    funnel: metrics/data.json. licences: of the pictures, counted; "" where none was stated.
    missing: a sentence for each part that is empty, saying why.
    rounded: whether these weights are stored in fewer digits than those that were judged.
    """

    parameters: Mapping[str, Any] = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)
    funnel: Mapping[str, Any] = field(default_factory=dict)
    licences: Mapping[str, int] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    rounded: bool = False


def find_origin(folder: Path, root: Path | None = None) -> Origin:
    """Gather what a repository knows about a model.

    folder: the model, inside the repository or a copy of it elsewhere, in any number format.
    root: the repository that trained it; by default the one around `folder`, else the working
    directory. The weights must be those that its dvc.lock names, and
    each file beside them the one that DVC wrote for the same weights.
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
    licences: Counter[str] = Counter()
    if stale - {"evaluate"} or not all(_unchanged(root, p, made) for p in (_FUNNEL, _MANIFEST)):
        missing.append(f"{_FUNNEL} and {_MANIFEST} are missing or of other data than these.")
    else:
        funnel = _json(root / _FUNNEL)
        licences.update(record.licence for record in iterate_manifest(root / _MANIFEST))
    return Origin(
        parameters=_recorded(lock),
        numbers=numbers,
        funnel=funnel,
        licences=licences,
        missing=tuple(missing),
        rounded=checksum(folder) != checksum(root / _MODELS),
    )


def find_licence(folder: Path, origin: Origin) -> str:
    """Name the licence of a model: that of its card, else the one of all its pictures.

    Returns `unknown` for pictures of several licences or of none that was stated: what may be done
    with weights that learnt from them is not for a program to say.
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


def same_weights(one: Path, other: Path) -> bool:
    """Say whether two model folders hold the same weights, rounded to the first's number format."""
    if checksum(one) == checksum(other):
        return True
    try:
        first, second = (load_file(folder / GENERATOR) for folder in (one, other))
    except SafetensorError:
        return False
    return first.keys() == second.keys() and all(
        first[name].equal(second[name].to(first[name].dtype)) for name in first
    )


def _unchanged(root: Path, path: str, made: Mapping[str, str]) -> bool:
    return (root / path).exists() and content_md5(root / path, root=root) == made.get(path)


def _stale_stages(lock: Mapping[str, Any], made: Mapping[str, str]) -> set[str]:
    """Name the stages that last ran on something else than what now lies there."""
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
