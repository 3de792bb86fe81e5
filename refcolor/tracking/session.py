"""Open the MLflow run of a training or an evaluation; an experiment is a single run."""

import os
import socket
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import refcolor
from refcolor.errors import RefcolorError
from refcolor.io import image
from refcolor.tracking.mlflow_tracker import RUNTIME, MlflowTracker, as_text
from refcolor.tracking.store import LOG, Store, connect, failures, quiet, unusable
from refcolor.tracking.system import watch
from refcolor.training.tracker import NullTracker, Tracker

if TYPE_CHECKING:
    from mlflow.entities import Run

Kind = Literal["mlflow", "none"]
TRAIN_KEY, EVALUATE_KEY = "dvc.key.train", "dvc.key.evaluate"
EXPERIMENT_NAME, COMMIT, PLACE = "dvc.exp_name", "git.commit", "refcolor.place"
STUDY = "study"
STUDY_VARIABLE = "REFCOLOR_STUDY"  # names the study that a run belongs to


@dataclass(frozen=True)
class Training:
    """The outputs of a finished training, from which its run can be recorded again.

    key: of the train stage, from dvc.lock. curves: a CSV file with the column `step`, or a folder
    of them. previews: a folder of NAME-STEP.png. model: the folder of the model. example: PNG bytes
    under `sketch` and `reference`.
    """

    key: str
    curves: Path
    previews: Path | None = None
    model: Path | None = None
    example: Mapping[str, bytes] | None = None


def open_training(
    *,
    kind: Kind,
    root: Path,
    key: str,
    params: Mapping[str, object],
    resume_run_id: str | None = None,
) -> Tracker:
    """Open the run of a training: the run of the interrupted training, or a new one.

    root: the repository's folder (DVC_ROOT). key: of the train stage. params: all parameters under
    their dotted names. resume_run_id: the `run_id` of the checkpoint; that run is continued if it
    has the same key and no evaluation. Other runs of this key and repository with the status
    RUNNING were killed and get the status KILLED; so does the interrupted run if its key differs.
    """

    def opened(store: Store) -> Tracker:
        earlier = _search(store, f"tags.`{TRAIN_KEY}` = '{key}'")
        stopped = _search(store, f"attributes.run_id = '{resume_run_id}'")
        resumed = next((run for run in earlier if run.info.run_id == resume_run_id), None)
        for run in earlier if resumed else (*earlier, *stopped):
            stale = run.info.status == "RUNNING" and run.data.tags.get(PLACE) == _place(root)
            if stale and run is not resumed:
                store.client.set_terminated(run.info.run_id, "KILLED")
        if resumed and EVALUATE_KEY in resumed.data.tags:
            resumed = None
        tracker = _begin(store, root, key, run=resumed)
        tracker.params(params)
        return tracker

    return _opened(kind, root, opened)


def open_evaluation(
    *,
    kind: Kind,
    root: Path,
    key: str,
    params: Mapping[str, object],
    training: Training,
) -> Tracker:
    """Open the run of an evaluation.

    It is the run of the training, if that run belongs to the same experiment, has no evaluation and
    has the same parameters (MLflow cannot change them). Otherwise (the training came from DVC's
    cache, or was evaluated before) it is a new run, in which the training is recorded again from
    its outputs. Missing points of the curves are added in both cases.
    key: of the evaluate stage; it becomes a tag when the run ends as FINISHED.
    """

    def opened(store: Store) -> Tracker:
        runs = _search(store, f"tags.`{TRAIN_KEY}` = '{training.key}'")
        run = next((run for run in runs if _may_continue(run, params)), None)
        tracker = _begin(store, root, training.key, run=run, closing_tags={EVALUATE_KEY: key})
        if run is None:
            tracker.tags({"refcolor.replayed": "true"})
        tracker.params(params)
        tracker.curves(training.curves)
        if run is None:
            _replay(training, tracker)
        return tracker

    return _opened(kind, root, opened)


def _opened(kind: Kind, root: Path, opened: Callable[[Store], Tracker]) -> Tracker:
    if kind == "none":
        return NullTracker()
    try:
        if find_spec("mlflow") is None:
            raise RefcolorError("mlflow is not installed; install it or set runtime.tracker: none")
        store = connect(root)
        try:
            with quiet():
                return opened(store)
        except failures() as error:
            raise RefcolorError(unusable(store.client.tracking_uri, error)) from error
    except RefcolorError as error:
        LOG.warning("nothing is tracked: %s", error)
        return NullTracker()


def _search(store: Store, condition: str) -> list["Run"]:
    return list(store.client.search_runs([store.experiment_id], filter_string=condition))


def _may_continue(run: "Run", params: Mapping[str, object]) -> bool:
    recorded = run.data.params
    return (
        EVALUATE_KEY not in run.data.tags
        and run.data.tags.get(EXPERIMENT_NAME, "") == _experiment_name()
        and all(
            recorded.get(name, as_text(value)) == as_text(value)
            for name, value in params.items()
            if not name.startswith(RUNTIME)
        )
    )


def _begin(
    store: Store,
    root: Path,
    train_key: str,
    *,
    run: "Run | None",
    closing_tags: Mapping[str, str] | None = None,
) -> MlflowTracker:
    """Continue a run or create a new one, with the current name of the experiment."""
    name, tags = _run_name(train_key), _tags(root, train_key)
    if run is None:
        run = store.client.create_run(store.experiment_id, run_name=name, tags=tags)
    else:
        store.client.update_run(run.info.run_id, status="RUNNING", name=name)
    run_id = run.info.run_id
    stop = watch(store, run_id)
    tracker = MlflowTracker(store, run_id, closing_tags=closing_tags, stop_watching=stop)
    tracker.tags(tags)  # a continued run has older values
    return tracker


def _replay(training: Training, tracker: MlflowTracker) -> None:
    for file in sorted(training.previews.glob("*-*.png")) if training.previews else ():
        step = file.stem.rpartition("-")[2]
        if step.isdigit():
            tracker.picture("preview", image.read(file), step=int(step))
    if training.model and training.example:
        tracker.model(training.model, example=training.example)
    tracker.flush()


def _tags(root: Path, train_key: str) -> dict[str, str]:
    commit = os.environ.get("DVC_EXP_BASELINE_REV") or _head(root)
    study = os.environ.get(STUDY_VARIABLE, "")
    return {
        TRAIN_KEY: train_key,
        COMMIT: commit,
        "mlflow.source.git.commit": commit,  # what MLflow's own pages show
        EXPERIMENT_NAME: _experiment_name(),
        PLACE: _place(root),
        "refcolor.version": refcolor.__version__,
        **({STUDY: study} if study else {}),
    }


def _run_name(train_key: str) -> str:
    return _experiment_name() or f"repro-{train_key[:6]}"


def _experiment_name() -> str:
    return os.environ.get("DVC_EXP_NAME", "")


def _place(root: Path) -> str:
    return f"{socket.gethostname()}:{root.resolve()}"


def _head(root: Path) -> str:
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=root,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
