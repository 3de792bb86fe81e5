"""Each experiment has one run: which run a training and an evaluation belong to."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from refcolor.io import image
from refcolor.tracking.runs import find_by_key
from refcolor.tracking.session import STUDY_VARIABLE, Training, open_evaluation, open_training
from refcolor.tracking.store import Store, quiet
from refcolor.training.tracker import NullTracker, Tracker

if TYPE_CHECKING:
    from mlflow.entities import Run

ReadRun = Callable[[str | None], "Run"]
Points = Callable[[str | None, str], list[tuple[int, float]]]
PARAMS = {"seed": 0, "evaluate.warp": 0.25, "runtime.device": "cpu"}

pytestmark = pytest.mark.usefixtures("store")


def trained(root: Path, key: str, *, resume: str | None = None) -> Tracker:
    """Start a training as the train stage does."""
    return open_training(kind="mlflow", root=root, key=key, params=PARAMS, resume_run_id=resume)


def evaluated(
    root: Path, key: str, curves: Path, params: dict[str, object] | None = None
) -> Tracker:
    """Start an evaluation as the evaluate stage does."""
    return open_evaluation(
        kind="mlflow",
        root=root,
        key="e" * 16,
        params=params or PARAMS,
        training=Training(key=key, curves=curves),
    )


def test_a_new_training(root: Path, key: str, read_run: ReadRun) -> None:
    """Without a DVC experiment the run is named after the key."""
    with trained(root, key) as tracker:
        run = read_run(tracker.run_id)
    assert run.info.run_name == f"repro-{key[:6]}"
    assert run.data.tags["dvc.key.train"] == key
    assert run.data.tags["dvc.exp_name"] == ""
    assert run.data.tags["runtime.device"] == "cpu"
    assert run.data.params == {"seed": "0", "evaluate.warp": "0.25"}


def test_a_training_in_an_experiment(
    root: Path, key: str, read_run: ReadRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A DVC experiment gives the run its name and its commit."""
    monkeypatch.setenv("DVC_EXP_NAME", "tidy-newt")
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", "c0ffee")
    with trained(root, key) as tracker:
        run = read_run(tracker.run_id)
    assert run.info.run_name == run.data.tags["dvc.exp_name"] == "tidy-newt"
    assert run.data.tags["git.commit"] == run.data.tags["mlflow.source.git.commit"] == "c0ffee"


def test_a_training_of_a_study(
    root: Path, key: str, read_run: ReadRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that a study started has its name as a tag; others have no such tag."""
    with trained(root, key) as tracker:
        assert "study" not in read_run(tracker.run_id).data.tags
    monkeypatch.setenv(STUDY_VARIABLE, "drawn")
    with trained(root, key[::-1]) as tracker:
        assert read_run(tracker.run_id).data.tags["study"] == "drawn"


def test_stale_runs_are_marked(root: Path, key: str, read_run: ReadRun) -> None:
    """A killed training leaves its run RUNNING; the next one with the same key marks it KILLED."""
    stale, other_key = trained(root, key), trained(root, key[::-1])
    fresh = trained(root, key)
    assert fresh.run_id != stale.run_id
    states = [read_run(run.run_id).info.status for run in (stale, other_key, fresh)]
    assert states == ["KILLED", "RUNNING", "RUNNING"]


def test_a_run_resumed_under_another_key_is_closed(root: Path, key: str, read_run: ReadRun) -> None:
    """A killed training resumed with more epochs or processes gets a new run; the old one ends."""
    stale = trained(root, key[::-1])
    fresh = trained(root, key, resume=stale.run_id)
    states = [read_run(run.run_id).info.status for run in (stale, fresh)]
    assert states == ["KILLED", "RUNNING"]


def test_a_run_of_another_machine_is_not_stale(
    store: Store, root: Path, key: str, read_run: ReadRun
) -> None:
    """A training that another machine logs to the same server keeps its run RUNNING."""
    elsewhere = trained(root, key)
    elsewhere.tags({"refcolor.place": "elsewhere:/home"})
    trained(root, key)
    assert read_run(elsewhere.run_id).info.status == "RUNNING"


def test_a_resumed_training_reopens_its_run(
    root: Path, key: str, read_run: ReadRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Resuming after a kill opens the same run, under the present name of the experiment."""
    monkeypatch.setenv("DVC_EXP_NAME", "first")
    stopped = trained(root, key)
    stopped.finish("KILLED")
    monkeypatch.delenv("DVC_EXP_NAME")
    resumed = trained(root, key, resume=stopped.run_id)
    run = read_run(resumed.run_id)
    assert resumed.run_id == stopped.run_id
    assert run.info.status == "RUNNING"
    assert run.info.run_name == f"repro-{key[:6]}"
    assert run.data.tags["dvc.exp_name"] == ""


def test_runs_that_are_not_resumed(root: Path, key: str, curves: Path) -> None:
    """A run of another key, an evaluated run and a deleted run each give a new run."""
    other_run = trained(root, key[::-1])
    assert trained(root, key, resume=other_run.run_id).run_id != other_run.run_id
    assert trained(root, key, resume="0" * 32).run_id not in (None, "0" * 32)
    with evaluated(root, key, curves) as evaluation:
        pass
    assert trained(root, key, resume=evaluation.run_id).run_id != evaluation.run_id


def test_evaluation_continues_the_training(
    root: Path, key: str, curves: Path, read_run: ReadRun, points: Points
) -> None:
    """The training's run gets the evaluation, and the points that a kill had lost."""
    with trained(root, key) as training:
        training.scalars(1, {"loss": 5.0})
    with evaluated(root, key, curves) as evaluation:
        evaluation.metrics({"delta_e": 10.0})
        assert "dvc.key.evaluate" not in read_run(evaluation.run_id).data.tags
    run = read_run(evaluation.run_id)
    assert evaluation.run_id == training.run_id
    assert run.info.status == "FINISHED"
    assert run.data.tags["dvc.key.evaluate"] == "e" * 16
    assert points(evaluation.run_id, "loss") == [(1, 5.0), (2, 4.0), (3, 3.0), (4, 2.0)]
    assert len(find_by_key(root, key)) == 1


def test_a_failed_evaluation_is_repeated_in_the_same_run(
    root: Path, key: str, curves: Path
) -> None:
    """Only a successful evaluation closes a run."""
    with pytest.raises(ZeroDivisionError), evaluated(root, key, curves) as first:
        _ = 1 / 0
    with evaluated(root, key, curves) as second:
        pass
    assert first.run_id == second.run_id
    assert find_by_key(root, key)[0].data.tags["dvc.key.evaluate"] == "e" * 16


@pytest.mark.parametrize("reason", ["evaluated", "experiment", "parameter", "untracked"])
def test_an_evaluation_can_log_the_training_too(
    root: Path,
    key: str,
    curves: Path,
    read_run: ReadRun,
    points: Points,
    monkeypatch: pytest.MonkeyPatch,
    reason: str,
) -> None:
    """Where the training's run cannot be continued, a complete run is made from its files."""
    earlier = None
    if reason != "untracked":
        with trained(root, key) as training:
            earlier = training.run_id
    if reason == "evaluated":
        with evaluated(root, key, curves):
            pass
    if reason == "experiment":
        monkeypatch.setenv("DVC_EXP_NAME", "tidy-newt")
    params = PARAMS | ({"evaluate.warp": 0.5} if reason == "parameter" else {})
    with evaluated(root, key, curves, params) as evaluation:
        pass
    run = read_run(evaluation.run_id)
    assert evaluation.run_id != earlier
    assert run.data.tags["refcolor.replayed"] == "true"
    assert run.data.params["evaluate.warp"] == str(params["evaluate.warp"])
    assert points(evaluation.run_id, "loss") == [(1, 5.0), (2, 4.0), (3, 3.0), (4, 2.0)]


def test_an_evaluation_on_another_device_continues_the_run(
    root: Path, key: str, curves: Path
) -> None:
    """The device and the number of workers are not part of the key."""
    with trained(root, key) as training:
        pass
    with evaluated(root, key, curves, PARAMS | {"runtime.device": "cuda"}) as evaluation:
        pass
    assert evaluation.run_id == training.run_id


def test_previews_are_logged_from_their_files(
    store: Store, root: Path, key: str, curves: Path, tmp_path: Path
) -> None:
    """The step of a preview is the number at the end of its name; other files are not previews."""
    for name in ("step-0000100", "step-0000200", "step-last"):
        image.write(tmp_path / f"{name}.png", np.zeros((4, 6, 3), np.uint8))
    training = Training(key=key, curves=curves, previews=tmp_path)
    with open_evaluation(
        kind="mlflow", root=root, key="e" * 16, params=PARAMS, training=training
    ) as tracker:
        pass
    with quiet():
        files = store.client.list_artifacts(tracker.run_id, "images")
    assert sorted(file.path.split("+")[2] for file in files if file.path.endswith(".png")) == [
        "100",
        "200",
    ]


def test_a_store_that_cannot_be_opened(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A training runs without a store, with one warning."""
    (tmp_path / "mlflow.db").mkdir()
    tracker = trained(tmp_path, "0" * 16)
    assert isinstance(tracker, NullTracker)
    assert len(caplog.records) == 1
    assert "nothing is tracked: sqlite:///" in caplog.text


def newer(database: Path) -> None:
    """Make a database of a version that this MLflow does not know."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")


def truncated(database: Path) -> None:
    """Keep the first half of a database."""
    content = database.read_bytes()
    database.write_bytes(content[: len(content) // 2])


def overwritten(database: Path) -> None:
    """Replace a database by text."""
    database.write_text("not a database" * 1000)


@pytest.mark.parametrize("spoil", [newer, truncated, overwritten])
def test_a_database_of_another_mlflow_or_a_damaged_one(
    root: Path,
    key: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    spoil: Callable[[Path], None],
) -> None:
    """Training runs; one line names the file and what to do, and the file is not touched."""
    database = shutil.copy(root / "mlflow.db", tmp_path / "mlflow.db")
    spoil(database)
    content = database.read_bytes()
    assert isinstance(trained(tmp_path, key), NullTracker)
    (record,) = caplog.records
    message = record.getMessage()
    assert message.startswith(f"nothing is tracked: sqlite:///{database} cannot be used (")
    assert f"mlflow db upgrade sqlite:///{database}" in message
    assert "install that one" in message
    assert "\n" not in message
    assert database.read_bytes() == content


def test_without_mlflow_a_training_runs(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """There is one warning."""
    monkeypatch.setattr("refcolor.tracking.session.find_spec", lambda _name: None)
    assert isinstance(trained(root, "0" * 16), NullTracker)
    assert caplog.messages == [
        "nothing is tracked: mlflow is not installed; install it or set runtime.tracker: none"
    ]


def test_our_own_errors_are_not_hidden_as_errors_of_mlflow(root: Path, key: str) -> None:
    """A parameter table that is a list is a TypeError or AttributeError, not an untracked run."""
    with pytest.raises(AttributeError):
        open_training(kind="mlflow", root=root, key=key, params=["seed"])  # type: ignore[arg-type]
