"""Paths of the user's that parameters name: kept out of Git, and complete in every run."""

import os
import re
import shlex
import subprocess
from pathlib import Path

from refcolor.errors import RefcolorError
from refcolor.params import PATHS, Params, flatten
from refcolor.tracking.stages import repository

_PUBLIC = "source.exclude_file"  # the take-down list is committed on purpose


def check(params: Params) -> None:
    """Refuse paths in the parameters that Git would publish, or of which this run lacks files.

    DVC commits with an experiment whatever its stages read inside the repository and Git does not
    ignore, and `dvc exp push` publishes it. A single file that Git already tracks is taken for a
    list that was committed on purpose. What Git ignores is absent where DVC works in a copy of the
    repository (`dvc exp run --temp`, `--queue`). Outside a Git repository nothing is refused.
    Raises RefcolorError naming the parameter, a file and what to do.
    """
    root, here = repository().resolve(), Path.cwd()
    for name, path in flatten(params.model_dump()).items():
        if name not in PATHS or name == _PUBLIC or not path or "://" in path:
            continue
        for tree in {root, here}:
            for place in {_outermost_link(Path(os.path.abspath(path))), Path(path).resolve()}:
                _refuse_published(f"{name} is {path}", place, tree=tree)
        section, kind = name.split(".")[:2]
        if root != here and (section != "source" or kind == params.source.kind):
            _refuse_incomplete(name, path, root=root)


def _refuse_published(what: str, place: Path, *, tree: Path) -> None:
    others = _listed(tree, place, "--others", "--exclude-standard")
    tracked = [] if place.is_file() else _listed(tree, place, "--cached")
    if not others and not tracked:
        return
    name, steps = os.path.relpath(place, tree), []
    if others or tracked != _listed(tree, place, "--cached", "--ignored", "--exclude-standard"):
        pattern = re.sub(r"([\\*?\[])", r"\\\1", name)
        steps.append(f"add the line /{pattern} to .gitignore")
    if tracked:  # without the commit, DVC would bring the files back, and then delete them
        untrack = f"git rm -r --cached {shlex.quote(name)} ':!*.gitkeep'"
        steps.append(f"run: {untrack} && git commit -am untrack")
    first, *more = others + tracked
    also = f" and {len(more)} more" if more else ""
    raise RefcolorError(
        f"{what}, and every experiment would publish {first}{also}; name a place outside the "
        f"repository, or {', then '.join(steps)}"
    )


def _refuse_incomplete(name: str, path: str, *, root: Path) -> None:
    absent = _files(root / path) - _files(Path(path))
    if absent:
        raise RefcolorError(
            f"{name} is {path}, and this run works in a copy of what Git tracks (--temp, --queue, "
            f"a study), which lacks {len(absent)} files from there; set {name} to {root / path}"
        )


def _outermost_link(path: Path) -> Path:
    """Name the outermost part of a path that is a link: the one that Git sees."""
    return next((part for part in [*reversed(path.parents), path] if part.is_symlink()), path)


def _files(path: Path) -> set[Path]:
    return {
        file.relative_to(path)
        for file in (path, *path.rglob("*"))
        if file.is_file() and not file.name.startswith(".")
    }


def _listed(tree: Path, place: Path, *kinds: str) -> list[str]:
    """List files at a place but .gitkeep; none outside the tree, nor without git."""
    # DVC works in a repository of another owner too, which is usual in a container.
    options = ("-C", str(tree), "--literal-pathspecs", "-c", "safe.directory=*")
    command = ["git", *options, "ls-files", "-z", *kinds, "--", str(place)]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except OSError:
        return []
    files = os.fsdecode(done.stdout).split("\0")
    return [file for file in files if file and not file.endswith(".gitkeep")]
