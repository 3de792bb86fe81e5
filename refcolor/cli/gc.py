"""Say what fills the disk beside the data, and free what nothing needs any more.

Every experiment leaves its outputs in DVC's cache, a checkpoint and an MLflow run. The command
first prints what it would free, and asks.

Examples:
  see how large each folder is, what would be freed, and answer y or n:
    refcolor gc
  free it without a question:
    refcolor gc --yes

Kept are the outputs of the workspace, of each branch's newest commit, of each tag and each
experiment, the state of each stopped training, and of the finished ones the newest. The outputs of
older commits are freed, and `dvc repro` makes them again there. End other trainings first.
"""

import argparse
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

_DVC = (sys.executable, "-m", "dvc")
_UNUSED = ("gc", "--workspace", "--all-branches", "--all-tags", "--all-experiments", "--force")
_REMOVING = "Removing "  # begins the lines of `dvc gc --dry`


@dataclass(frozen=True)
class Share:
    """A folder that grows with the experiments.

    advice: what it holds besides, and how that can be freed.
    unused: its files and folders that can be freed.  free: removes them.
    """

    folder: Path
    advice: str
    unused: Sequence[Path] = ()
    free: Callable[[Sequence[Path]], None] = lambda unused: None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--yes", action="store_true", help="free it without a question")


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    root = Path().resolve()
    shares = [share for share in survey(root) if share.folder.exists()]
    print(f"{'MB':>8} {'to free':>8}")
    for share in shares:
        sizes = f"{_megabytes([share.folder]):8.1f} {_megabytes(share.unused):8.1f}"
        print(f"{sizes}  {share.folder.relative_to(root)}: {share.advice}")
    total = _megabytes(path for share in shares for path in share.unused)
    if not total:
        print("nothing to free")
        return
    if not arguments.yes and not _confirmed(f"free {total:.1f} MB?"):
        print("nothing was deleted; `refcolor gc --yes` frees it")
        return
    for share in shares:
        if share.unused:
            share.free(share.unused)
    print(f"freed {total:.1f} MB")


def survey(root: Path) -> list[Share]:
    """List the folders of a repository that grow with its experiments.

    Raises RefcolorError when DVC fails, for example outside of a repository.
    """
    checkpoints, pictures = root / ".refcolor/checkpoints", root / ".refcolor/pictures"
    finished = [mark.parent for mark in _without_newest(checkpoints.glob("*/*/finished"))]
    return [
        _cache(root),
        Share(
            checkpoints,
            "states of stopped trainings, and of the newest finished one, are kept",
            finished,
            _delete_states,
        ),
        Share(
            pictures,
            "decoded pixels, of which the newest set is kept; they are decoded again when needed",
            _without_newest(pictures.glob("*/")),
            _delete_folders,
        ),
        Share(
            root / "mlartifacts",
            "models and pictures of runs; delete runs in `make ui`, then run "
            "`mlflow gc --backend-store-uri sqlite:///mlflow.db`",
        ),
        Share(root / ".refcolor/downloads", "what was fetched; delete it to fetch it anew"),
        Share(root / ".refcolor/study", "the clone of studies; delete it when none runs"),
        Share(root / ".dvc/tmp/exps", "of stopped experiments; delete it when none runs"),
    ]


def _cache(root: Path) -> Share:
    import dvc  # noqa: F401  # `python -m dvc` would not name the extra that is missing

    from refcolor.study.repository import output_of

    folder = Path(output_of([*_DVC, "cache", "dir"], root).splitlines()[-1])
    if not folder.is_relative_to(root):
        return Share(
            root / ".dvc",
            f"DVC's cache is {folder}, which other repositories may share; "
            "`dvc gc --help` says how to name them",
        )
    lines = output_of([*_DVC, *_UNUSED, "--dry"], root).splitlines()
    unused = [Path(line.removeprefix(_REMOVING)) for line in lines if line.startswith(_REMOVING)]

    def free(unused: Sequence[Path]) -> None:
        output_of([*_DVC, *_UNUSED], root)

    return Share(
        folder,
        "outputs of the workspace, of branches, tags and experiments are kept; "
        "`dvc exp remove NAME` gives an experiment up",
        unused,
        free,
    )


def _without_newest(paths: Iterable[Path]) -> list[Path]:
    return sorted(paths, key=lambda path: path.stat().st_mtime)[:-1]


def _delete_states(folders: Sequence[Path]) -> None:
    from refcolor.io.locks import locked

    for folder in folders:
        refusal = f"a training uses {folder}; end it first"
        with locked(folder / "lock", waiting="", refusal=refusal):
            shutil.rmtree(folder)


def _delete_folders(folders: Sequence[Path]) -> None:
    for folder in folders:
        shutil.rmtree(folder)


def _megabytes(paths: Iterable[Path]) -> float:
    """Return the size of files and folders; a file that has another link counts as well."""
    files = (file for path in paths for file in ([path] if path.is_file() else path.rglob("*")))
    return sum(file.lstat().st_size for file in files if file.is_file()) / 1e6


def _confirmed(question: str) -> bool:
    if not sys.stdin.isatty():
        return False
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
