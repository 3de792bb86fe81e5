"""The user's repository: what is committed, and which commit a study runs."""

import subprocess
from pathlib import Path

from refcolor.errors import RefcolorError

CODE = ("dvc.yaml", "pipeline", "refcolor")


def refuse_uncommitted(root: Path, files: list[Path]) -> None:
    """Raise RefcolorError for code or plans with uncommitted changes, with their names.

    files: the plan and the files that it reads.
    """
    changed = git(root, "status", "--porcelain", "--", *CODE, *map(str, files)).splitlines()
    if changed:
        names = ", ".join(line[3:] for line in changed[:3]) + (", ..." if changed[3:] else "")
        raise RefcolorError(
            f"a study runs committed code after a committed plan, and these are not: {names}; "
            "commit or restore them"
        )
    for file in files:
        if not git(root, "ls-files", "--", str(file)):
            raise RefcolorError(f"{file} is not in git; commit the plan before its first run")


def code_commit(root: Path) -> str:
    """Return the newest commit that changed files outside of docs/.

    Rows are committed in docs/ between two sessions. Without these commits all sessions of a study
    have the same commit, and `dvc exp show` lists their experiments together.
    """
    head = git(root, "rev-parse", "HEAD")
    outside = (".", ":(exclude)docs")
    found = git(root, "log", "-1", "--format=%H", head, "--", *outside)
    # History with merges may name a side branch.
    same = found and not git(root, "diff", "--name-only", found, head, "--", *outside)
    return found if same else head


def git(folder: Path, *command: str) -> str:
    """Run git and return what it printed, without the last line's end.

    Raises RefcolorError when it fails.
    """
    return output_of(["git", *command], folder)


def output_of(command: list[str], folder: Path) -> str:
    """Run a command and return what it printed, without the last line's end.

    Raises RefcolorError when it fails.
    """
    done = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["no message"]
        raise RefcolorError(f"{' '.join(command)} failed in {folder}: {said[-1]}")
    return done.stdout.rstrip("\n")
