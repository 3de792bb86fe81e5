"""Find the MLflow runs of a revision of the repository, and the revisions of a run."""

import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from refcolor.errors import RefcolorError
from refcolor.tracking.session import COMMIT, EVALUATE_KEY, EXPERIMENT_NAME, TRAIN_KEY
from refcolor.tracking.stages import locked_key, parse_lock
from refcolor.tracking.store import connect, quiet, store_exists

if TYPE_CHECKING:
    from mlflow.entities import Run

HEADLINE = ("delta_e", "ssim", "transfer_delta_e", "attention_accuracy", "fid", "fid_random")
SHORT = 10  # characters of a commit
KEYS = {"train": TRAIN_KEY, "evaluate": EVALUATE_KEY}  # stage -> tag of a run


def find(root: Path, name: str) -> str:
    """Describe the MLflow runs of a revision, or the revisions of a run.

    root: a folder of the repository. name: of a DVC experiment, a git revision, or the id or name
    of an MLflow run. A name that is both is taken as a revision.
    Returns lines to print. Raises RefcolorError when nothing is found, with what to do.
    """
    root = Path(_git(root, "rev-parse", "--show-toplevel") or root)
    reference = _experiment(root, name) or name
    revision = _git(
        root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{reference}^{{commit}}"
    )
    if revision:
        return _runs_of_revision(root, name, revision)
    runs = find_by_name(root, name)
    if runs:
        return "\n".join(line for run in runs for line in _revisions_of_run(root, run))
    raise RefcolorError(
        f"{name!r} is neither a revision, a DVC experiment nor an MLflow run; "
        "`dvc exp show` and `mlflow ui` list what there is"
    )


def find_by_key(root: Path, train_key: str) -> list["Run"]:
    """Return the runs with a key of the train stage, newest first."""
    return _search(root, f"tags.`{TRAIN_KEY}` = '{train_key}'")


def find_by_name(root: Path, name: str) -> list["Run"]:
    """Return the run with an id, or the runs with a name, newest first."""
    quote = '"' if "'" in name else "'"
    by_id = _search(root, f"attributes.run_id = '{name}'") if name.isalnum() else []
    return by_id or _search(root, f"attributes.run_name = {quote}{name}{quote}")


def _search(root: Path, condition: str) -> list["Run"]:
    if not store_exists(root):
        return []
    client = connect(root).client
    with quiet():
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        return list(client.search_runs(experiments, filter_string=condition))


def _runs_of_revision(root: Path, name: str, revision: str) -> str:
    keys = _keys(root, revision)
    if "train" not in keys:
        raise RefcolorError(
            f"revision {name} does not have a trained model (no train stage in dvc.lock); "
            "run `dvc repro` there and commit dvc.lock"
        )
    runs = find_by_key(root, keys["train"])
    if not runs:
        raise RefcolorError(
            f"no MLflow run has the train key {keys['train']} of revision {name}; it ran on "
            "another machine or with runtime.tracker none: `dvc repro -f evaluate` there makes one"
        )
    evaluate_key = keys.get("evaluate", "")
    matching = [run for run in runs if run.data.tags.get(EVALUATE_KEY, "") == evaluate_key]
    heading = f"revision {name} ({revision[:SHORT]})"
    if not matching:
        heading += ", evaluated otherwise than these runs of its training"
    return "\n".join([heading, *(f"  {_describe(run)}" for run in matching or runs)])


def _revisions_of_run(root: Path, run: "Run") -> Iterable[str]:
    yield f"run {_describe(run)}"
    tags = run.data.tags
    if name := tags.get(EXPERIMENT_NAME):
        suffix = "" if _experiment(root, name) else ", which is no longer in this repository"
        yield f"  DVC experiment {name}{suffix}"
    if commit := tags.get(COMMIT):
        yield f"  started from commit {commit[:SHORT]}"
    keys = {stage: tags[tag] for stage, tag in KEYS.items() if tags.get(tag)}
    for commit in (_git(root, "log", "--all", "--format=%H", "--", "dvc.lock") or "").split():
        if keys.items() <= _keys(root, commit).items():
            subject = _git(root, "log", "-1", "--format=%s", commit)
            yield f"  its result is in {commit[:SHORT]} {subject}"


def _keys(root: Path, revision: str) -> dict[str, str]:
    """Return the keys of the stages in the dvc.lock of a revision."""
    lock = parse_lock(_git(root, "show", f"{revision}:dvc.lock") or "")
    return {stage: locked_key(stage, lock) for stage in KEYS if stage in lock.get("stages", {})}


def _describe(run: "Run") -> str:
    metrics = run.data.metrics
    numbers = [f"{name} {metrics[name]:.4g}" for name in HEADLINE if name in metrics]
    return "  ".join([run.info.run_id, run.info.run_name or "", run.info.status, *numbers])


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
            ["git", *command], cwd=root, capture_output=True, encoding="utf-8", check=False
        )
    except OSError as error:
        raise RefcolorError("git is missing; install it to compare revisions") from error
    return done.stdout.strip() if done.returncode == 0 else None
