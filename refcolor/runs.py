"""From a revision of the repository to its MLflow run, and back."""

import subprocess
from collections.abc import Iterable
from pathlib import Path

from refcolor.errors import RefcolorError
from refcolor.stages import locked_key, parse_lock
from refcolor.tracking import Run, find_by_key, find_by_name

HEADLINE = ("delta_e", "ssim", "transfer_delta_e", "attention_accuracy", "fid", "fid_random")
SHORT = 10  # characters of a commit
STAGES = ("train", "evaluate")


def find(root: Path, what: str) -> str:
    """Tell which MLflow runs belong to a revision, or which revisions to a run.

    root: a folder of the repository. what: a DVC experiment's name, anything that git takes for a
    revision, or the id or name of an MLflow run. A name that is both counts as a revision.
    Returns lines to print. Raises RefcolorError when nothing is found, saying what would help.
    """
    root = Path(_git(root, "rev-parse", "--show-toplevel") or root)
    revision = _revision(root, what)
    if revision:
        return _runs_of_revision(root, what, revision)
    runs = find_by_name(root, what)
    if runs:
        return "\n".join(line for run in runs for line in _revisions_of_run(root, run))
    raise RefcolorError(
        f"{what!r} is neither a revision, a DVC experiment nor an MLflow run; "
        "`dvc exp show` and `mlflow ui` list what there is"
    )


def _runs_of_revision(root: Path, what: str, revision: str) -> str:
    lock = parse_lock(_git(root, "show", f"{revision}:dvc.lock") or "")
    ran = lock.get("stages", {})
    if "train" not in ran:
        raise RefcolorError(
            f"revision {what} holds no trained model (no train stage in dvc.lock); "
            "run `dvc repro` there and commit dvc.lock"
        )
    keys = {stage: locked_key(stage, lock) for stage in STAGES if stage in ran}
    runs = find_by_key(root, keys["train"])
    if not runs:
        raise RefcolorError(
            f"no MLflow run has the train key {keys['train']} of revision {what}; it ran on "
            "another machine or with runtime.tracker none: `dvc repro -f evaluate` there makes one"
        )
    same = [run for run in runs if run.evaluate_key == keys.get("evaluate", "")]
    heading = f"revision {what} ({revision[:SHORT]})"
    if not same:
        heading += ", evaluated otherwise than these runs of its training"
    return "\n".join([heading, *(f"  {_describe(run)}" for run in same or runs)])


def _revisions_of_run(root: Path, run: Run) -> Iterable[str]:
    yield f"run {_describe(run)}"
    if run.experiment_name:
        there = _experiment(root, run.experiment_name)
        gone = "" if there else ", which is no longer in this repository"
        yield f"  DVC experiment {run.experiment_name}{gone}"
    if run.commit:
        yield f"  started from commit {run.commit[:SHORT]}"
    for commit in _commits_with(root, run):
        subject = _git(root, "log", "-1", "--format=%s", commit)
        yield f"  its result is in {commit[:SHORT]} {subject}"


def _commits_with(root: Path, run: Run) -> Iterable[str]:
    for commit in (_git(root, "log", "--all", "--format=%H", "--", "dvc.lock") or "").split():
        lock = parse_lock(_git(root, "show", f"{commit}:dvc.lock") or "")
        wanted = {"train": run.train_key, "evaluate": run.evaluate_key}
        if all(
            stage in lock.get("stages", {}) and locked_key(stage, lock) == key
            for stage, key in wanted.items()
            if key
        ):
            yield commit


def _describe(run: Run) -> str:
    numbers = [f"{name} {run.metrics[name]:.4g}" for name in HEADLINE if name in run.metrics]
    return "  ".join([run.id, run.name, run.status, *numbers])


def _revision(root: Path, what: str) -> str | None:
    name = _experiment(root, what) or what
    return _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")


def _experiment(root: Path, name: str) -> str | None:
    """Return the newest git reference of a DVC experiment: refs/exps/<baseline>/<name>."""
    listing = _git(root, "for-each-ref", "--sort=-creatordate", "--format=%(refname)", "refs/exps")
    for reference in (listing or "").splitlines():
        if reference.count("/") == 4 and reference.endswith(f"/{name}"):
            return reference
    return None


def _git(root: Path, *command: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *command], cwd=root, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise RefcolorError("git is missing; install it to compare revisions") from error
    return done.stdout.strip() if done.returncode == 0 else None
