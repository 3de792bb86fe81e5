"""Check the user's paths in the parameters: not published by Git, and complete in every run."""

import os
import re
import shlex
import subprocess
from pathlib import Path

from refcolor.errors import RefcolorError
from refcolor.io.files import relative
from refcolor.params import INCLUDED_MODEL, PATHS, Params, flatten
from refcolor.tracking.stages import repository

_PUBLIC = "source.exclude_file"  # the take-down list is committed on purpose


def check(params: Params) -> None:
    """Refuse paths in the parameters that Git would publish, or whose files this run does not have.

    DVC commits with an experiment all files that its stages read inside the repository and that Git
    does not ignore, and `dvc exp push` publishes them. A single file that Git tracks, and the
    included model, count as committed on purpose. Files that Git ignores are missing where DVC
    works in a copy of the repository (`dvc exp run --temp`, `--queue`). Outside a Git repository
    nothing is refused.
    Raises RefcolorError with the parameter, a file and what to do.
    """
    root, working_folder = repository().resolve(), Path.cwd()
    for name, path in flatten(params.model_dump()).items():
        if name not in PATHS or name == _PUBLIC or "://" in path or path in ("", INCLUDED_MODEL):
            continue
        for tree in {root, working_folder}:
            for target in {_outermost_link(Path(os.path.abspath(path))), Path(path).resolve()}:
                _refuse_published(f"{name} is {path}", target, tree=tree)
        section, kind = name.split(".")[:2]
        if root != working_folder and (section != "source" or kind == params.source.kind):
            _refuse_incomplete(name, path, root=root)


def _refuse_published(setting: str, path: Path, *, tree: Path) -> None:
    untracked = _git_files(tree, path, "--others", "--exclude-standard")
    tracked = [] if path.is_file() else _git_files(tree, path, "--cached")
    if not untracked and not tracked:
        return
    name, steps = relative(path, tree), []
    ignored = _git_files(tree, path, "--cached", "--ignored", "--exclude-standard")
    if untracked or tracked != ignored:
        pattern = re.sub(r"([\\*?\[])", r"\\\1", name)
        steps.append(f"add the line /{pattern} to .gitignore")
    if tracked:  # without the commit, DVC would restore the files, and then delete them
        untrack = f"git rm -r --cached {shlex.quote(name)} ':!*.gitkeep'"
        steps.append(f"run: {untrack} && git commit -am untrack")
    first, *more = untracked + tracked
    others = f" and {len(more)} more" if more else ""
    raise RefcolorError(
        f"{setting}, and every experiment would publish {first}{others}; name a path outside the "
        f"repository, or {', then '.join(steps)}"
    )


def _refuse_incomplete(name: str, path: str, *, root: Path) -> None:
    missing = _files(root / path) - _files(Path(path))
    if missing:
        raise RefcolorError(
            f"{name} is {path}, and this run works in a copy of what Git tracks (--temp, --queue, "
            f"a study), which lacks {len(missing)} files from there; set {name} to {root / path}"
        )


def _outermost_link(path: Path) -> Path:
    """Return the outermost part of a path that is a link, which is the path that Git sees."""
    return next((part for part in [*reversed(path.parents), path] if part.is_symlink()), path)


def _files(path: Path) -> set[Path]:
    return {
        file.relative_to(path)
        for file in (path, *path.rglob("*"))
        if file.is_file() and not file.name.startswith(".")
    }


def _git_files(tree: Path, path: Path, *kinds: str) -> list[str]:
    """List files with `git ls-files`, without .gitkeep; none outside the tree and without git."""
    # As DVC does, accept a repository of another owner, which is usual in a container.
    options = ("-C", str(tree), "--literal-pathspecs", "-c", "safe.directory=*")
    command = ["git", *options, "ls-files", "-z", *kinds, "--", str(path)]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except OSError:
        return []
    files = os.fsdecode(done.stdout).split("\0")
    return [file for file in files if file and not file.endswith(".gitkeep")]
