"""Keys of DVC stages: equal before a run, from dvc.yaml, and after it, from dvc.lock.

A key names a checkpoint before DVC knows the stage's result, and identifies the MLflow run of a
revision. DVC is not imported, because that takes a second.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from posixpath import normpath
from typing import Any

import pathspec
from ruamel.yaml import YAML

from refcolor.errors import RefcolorError
from refcolor.io.files import relative
from refcolor.params import flatten, read_yaml

PARAMETER_FILE = "params.yaml"
_NEVER_HASHED = (".git/", ".hg/", ".dvc/")  # DVC excludes them from every folder
_INTERPOLATION = re.compile(r"(?<!\\)\$\{(.*?)\}")


def stage_key(
    stage: str,
    *,
    root: Path = Path(),
    without: Iterable[str] = (),
    without_outs_of: Iterable[str] = (),
) -> str:
    """Return the current key of a stage: the hash of its command, dependencies and parameters.

    The md5 of other stages' outs is read from `dvc.lock`, which DVC writes before the next stage
    starts; other files and folders are hashed.
    root: the folder of dvc.yaml, the working directory inside a stage.
    without: parameters (`train.epochs`) or sections (`train`) that do not enter the key.
    without_outs_of: stages whose outs do not enter the key, so that it is known before they run.
    Raises RefcolorError when the stage or one of its dependencies is missing.
    """
    pipeline = _read_yaml(root / "dvc.yaml")
    definition = _entry(pipeline, stage, "dvc.yaml")
    parameters = _read_yaml(root / PARAMETER_FILE)
    known = flatten(parameters)
    made = made_by(read_lock(root))
    later = {path for name in without_outs_of for path in _outs(_entry(pipeline, name, "dvc.yaml"))}
    paths = [normpath(_interpolate(path, known)) for path in definition.get("deps", [])]
    values: dict[str, Any] = {}
    for name in definition.get("params", []):
        values |= _selected(parameters, name)
    return _digest(
        cmd=_interpolate(definition["cmd"], known),
        deps={
            path: made.get(path) or content_md5(root / path, root=root)
            for path in paths
            if path not in later
        },
        params=values,
        without=without,
    )


def locked_key(stage: str, lock: Mapping[str, Any], *, without: Iterable[str] = ()) -> str:
    """Return the key of the last run of a stage, from the content of `dvc.lock`.

    Raises RefcolorError when the lock file does not have the stage.
    """
    entry = _entry(lock, stage, "dvc.lock")
    return _digest(
        cmd=entry["cmd"],
        deps={normpath(dep["path"]): dep.get("md5", "") for dep in entry.get("deps", [])},
        params=flatten(entry.get("params", {}).get(PARAMETER_FILE, {})),
        without=without,
    )


def repository() -> Path:
    """Return the user's repository, also where DVC runs a stage in a temporary clone of it."""
    return Path(os.environ.get("DVC_ROOT", "."))


def read_lock(root: Path = Path()) -> dict[str, Any]:
    """Read `dvc.lock`; return an empty mapping when it does not exist."""
    return _read_yaml(root / "dvc.lock") if (root / "dvc.lock").exists() else {}


def parse_lock(text: str) -> dict[str, Any]:
    """Parse the text of a `dvc.lock`, for example of another revision."""
    return YAML(typ="safe").load(text) or {}


def made_by(lock: Mapping[str, Any]) -> dict[str, str]:
    """Return the md5 of every out in the content of a `dvc.lock`, by its path."""
    return {
        normpath(out["path"]): out["md5"]
        for stage in lock.get("stages", {}).values()
        for out in stage.get("outs", [])
        if "md5" in out
    }


def content_md5(path: Path, *, root: Path) -> str:
    """Hash a file or a folder as DVC does.

    root: the folder of `.dvcignore`. Raises RefcolorError when it cannot be read.
    """
    if path.is_dir():
        return _folder_md5(path, root=root)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "md5").hexdigest()
    except OSError as error:
        raise RefcolorError(
            f"{path} cannot be read ({error.strerror}), though dvc.yaml lists it as a dependency; "
            "run `dvc repro` to make it"
        ) from error


def _digest(
    *, cmd: str, deps: Mapping[str, str], params: Mapping[str, Any], without: Iterable[str]
) -> str:
    excluded = tuple(without)
    params = {
        name: _normalized(value)
        for name, value in params.items()
        if not any(name == prefix or name.startswith(f"{prefix}.") for prefix in excluded)
    }
    text = json.dumps([cmd, deps, params], sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _normalized(value: Any) -> Any:
    # DVC compares with ==, so that 1 -> 1.0 does not run a stage again and must not change its key.
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_normalized(part) for part in value]
    return value


def _read_yaml(path: Path) -> dict[str, Any]:
    return read_yaml(path) or {}


def _entry(content: Mapping[str, Any], stage: str, file: str) -> Mapping[str, Any]:
    stages: Mapping[str, Mapping[str, Any]] = content.get("stages", {})
    if stage not in stages:
        raise RefcolorError(
            f"{file} has no stage {stage!r}, only: {', '.join(stages) or 'none'}; "
            "run `dvc repro` first or correct the name"
        )
    return stages[stage]


def _outs(definition: Mapping[str, Any]) -> Iterable[str]:
    for kind in ("outs", "metrics", "plots"):
        for entry in definition.get(kind, []):
            yield from map(normpath, [entry] if isinstance(entry, str) else entry)


def _selected(content: Mapping[str, Any], name: str) -> dict[str, Any]:
    value: Any = content
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise RefcolorError(f"{PARAMETER_FILE} has no {name!r}, which dvc.yaml lists; add it")
        value = value[part]
    return flatten({name: value})


def _interpolate(text: str, known: Mapping[str, Any]) -> str:
    def value(match: re.Match[str]) -> str:
        name = match[1].strip()
        if name not in known:
            raise RefcolorError(f"dvc.yaml reads ${{{name}}}, which {PARAMETER_FILE} does not have")
        text = str(known[name])
        return text.lower() if isinstance(known[name], bool) else text

    return _INTERPOLATION.sub(value, text).replace(r"\${", "${")


def _folder_md5(folder: Path, *, root: Path) -> str:
    """Hash a folder as DVC does: the md5 of the JSON list of its files and their md5."""
    ignore = root / ".dvcignore"
    lines = ignore.read_text(encoding="utf-8").splitlines() if ignore.exists() else []
    ignored = pathspec.GitIgnoreSpec.from_lines([*_NEVER_HASHED, *lines])
    entries = []
    for directory, _, names in os.walk(folder):
        for name in names:
            path = Path(directory, name)
            if not ignored.match_file(relative(path, root)):
                inside = path.relative_to(folder).as_posix()
                entries.append({"md5": content_md5(path, root=root), "relpath": inside})
    entries.sort(key=lambda entry: entry["relpath"])
    text = json.dumps(entries, sort_keys=True)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() + ".dir"
