"""What a tracker sends, and that its failures never stop a training."""

import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from refcolor.tracking.mlflow_tracker import POINTS_PER_CALL, MlflowTracker, as_text
from refcolor.tracking.session import open_training
from refcolor.tracking.store import Store, quiet
from refcolor.training.tracker import NullTracker, Tracker

if TYPE_CHECKING:
    from mlflow.entities import Run

ReadRun = Callable[[str | None], "Run"]
Points = Callable[[str | None, str], list[tuple[int, float]]]


@pytest.fixture
def tracker(store: Store, root: Path, key: str) -> Tracker:
    """The tracker of a new run."""
    return open_training(kind="mlflow", root=root, key=key, params={})


class Spy:
    """A client that counts its calls, and fails while `away`."""

    def __init__(self, client: Any) -> None:
        self.client, self.away, self.calls = client, False, []

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls.append((name, kwargs))
            if self.away:
                raise ConnectionError("the server is away\nsecond line")
            return getattr(self.client, name)(*args, **kwargs)

        return call


@pytest.fixture
def spied(store: Store, tracker: Tracker) -> tuple[MlflowTracker, Spy]:
    """A tracker of the same run with the counting client."""
    assert tracker.run_id
    spy = Spy(store.client)
    spied = MlflowTracker(Store(spy, store.experiment_id), tracker.run_id)
    spy.calls.clear()
    return spied, spy


def test_points_are_sent_in_batches(spied: tuple[MlflowTracker, Spy], points: Points) -> None:
    """Hundreds of steps need a few calls of at most a thousand points, and none is lost."""
    tracker, spy = spied
    for step in range(1, 1301):
        tracker.scalars(step, {"a": step / 2, "b/c": -step})
    assert len(spy.calls) == 2600 // POINTS_PER_CALL
    tracker.flush()
    assert [len(kwargs["metrics"]) for _, kwargs in spy.calls] == [1000, 1000, 600]
    assert points(tracker.run_id, "a") == [(step, step / 2) for step in range(1, 1301)]


def test_points_are_sent_after_a_while(
    spied: tuple[MlflowTracker, Spy], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Points of a slow training are sent after a time limit, before a batch is full."""
    tracker, spy = spied
    monkeypatch.setattr("refcolor.tracking.mlflow_tracker.SECONDS_PER_CALL", 0.0)
    tracker.scalars(1, {"a": 1.0})
    assert len(spy.calls) == 1


def test_resumed_run_has_no_step_twice(
    tracker: Tracker, root: Path, key: str, points: Points
) -> None:
    """Steps repeated after a kill are not logged again, counted for each curve."""
    for step in range(1, 6):
        tracker.scalars(step, {"loss": 10.0 - step})
    tracker.scalars(4, {"validation": 1.0})
    tracker.picture("preview", np.zeros((4, 6, 3), np.uint8), step=4)
    tracker.flush()
    resumed = open_training(
        kind="mlflow", root=root, key=key, params={}, resume_run_id=tracker.run_id
    )
    assert resumed.run_id == tracker.run_id
    for step in range(3, 8):
        resumed.scalars(step, {"loss": 10.0 - step, "validation": float(step)})
    resumed.picture("preview", np.zeros((4, 6, 3), np.uint8), step=4)
    resumed.finish()
    assert points(resumed.run_id, "loss") == [(step, 10.0 - step) for step in range(1, 8)]
    assert [step for step, _ in points(resumed.run_id, "validation")] == [4, 5, 6, 7]


@pytest.mark.parametrize("folder", [False, True])
def test_missing_points_are_logged_from_the_curves_file(
    tracker: Tracker, curves: Path, points: Points, folder: bool
) -> None:
    """A curves file adds the points that the run lacks; an empty cell is not a point."""
    tracker.scalars(1, {"loss": 5.0})
    tracker.scalars(2, {"loss": 4.0})
    for _ in range(2):
        tracker.curves(curves.parent if folder else curves)
    tracker.flush()
    assert points(tracker.run_id, "loss") == [(1, 5.0), (2, 4.0), (3, 3.0), (4, 2.0)]
    assert points(tracker.run_id, "validation") == [(2, 40.0), (4, 20.0)]


def test_parameters(tracker: Tracker, read_run: ReadRun) -> None:
    """Parameters are written as in params.yaml; an existing one stays; runtime is a tag."""
    tracker.params({"seed": 1, "loss.triplet": 0.5, "runtime.device": "cpu"})
    tracker.params({"seed": 2, "split.hold_out": ("a=b",), "runtime.device": "cuda"})
    run = read_run(tracker.run_id)
    assert run.data.params == {"seed": "1", "loss.triplet": "0.5", "split.hold_out": '["a=b"]'}
    assert run.data.tags["runtime.device"] == "cuda"


def test_more_parameters_than_one_call_takes(tracker: Tracker, read_run: ReadRun) -> None:
    """MLflow accepts a hundred parameters a call; more are split into several calls."""
    tracker.params({f"p{number}": number for number in range(203)})
    assert len(read_run(tracker.run_id).data.params) == 203


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (3e-4, "0.0003"),
        ("bf16", "bf16"),
        ("", ""),
        (float("nan"), "nan"),
        ([], "[]"),
    ],
)
def test_as_text(value: object, text: str) -> None:
    """Values have the text that they have in params.yaml."""
    assert as_text(value) == text


def test_metrics(tracker: Tracker, read_run: ReadRun, points: Points) -> None:
    """Only numbers are metrics, names are made valid, and a curve keeps its last point."""
    tracker.scalars(7, {"loss": 1.5})
    tracker.metrics({"delta_e": 10, "ok": True, "note": "x", "fid%": 1.0, "loss": 1.5})
    tracker.metrics({"delta_e": 11})
    tracker.flush()
    assert read_run(tracker.run_id).data.metrics == {"delta_e": 11.0, "fid_": 1.0, "loss": 1.5}
    assert points(tracker.run_id, "loss") == [(7, 1.5)]


def test_nan_is_logged(tracker: Tracker, points: Points) -> None:
    """A loss that became NaN is shown, not hidden."""
    tracker.scalars(1, {"loss": float("nan")})
    tracker.flush()
    assert np.isnan(points(tracker.run_id, "loss")[0][1])


def test_pictures(store: Store, tracker: Tracker, root: Path) -> None:
    """A picture is stored once under its key and step, byte for byte."""
    from PIL import Image

    picture = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)
    for step in (1, 2, 2):
        tracker.picture("grid/first", picture, step=step)
    assert tracker.run_id
    with quiet():
        logged = [file.path for file in store.client.list_artifacts(tracker.run_id, "images")]
    pngs = sorted(path for path in logged if path.endswith(".png"))
    assert [path.split("+")[2] for path in pngs] == ["1", "2"]
    file = root / "mlartifacts" / tracker.run_id / "artifacts" / pngs[0]
    with Image.open(file) as image:
        assert np.array_equal(np.array(image), picture)


def test_points_are_sent_when_the_store_is_reachable_again(
    spied: tuple[MlflowTracker, Spy],
    read_run: ReadRun,
    points: Points,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The training continues with one warning, and the buffered points are sent later."""
    tracker, spy = spied
    spy.away = True
    tracker.params({"seed": 1})
    tracker.tags({"note": "kept"})
    for step in range(1, 1201):
        tracker.scalars(step, {"loss": 1.0})
    tracker.picture("preview", np.zeros((4, 6, 3), np.uint8))
    tracker.metrics({"delta_e": 10.0})
    assert [record.getMessage().count("the server is away") for record in caplog.records] == [1]
    assert "second line" not in caplog.text
    spy.away = False
    tracker.finish()
    run = read_run(tracker.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["seed"] == "1"
    assert run.data.tags["note"] == "kept"
    assert run.data.metrics == {"loss": 1.0, "delta_e": 10.0}
    assert all(b - a == 1 for (a, _), (b, _) in pairwise(points(tracker.run_id, "loss")))


def test_a_store_that_stays_unreachable_does_not_fail_the_run(
    spied: tuple[MlflowTracker, Spy],
) -> None:
    """The run ends like any other."""
    tracker, spy = spied
    spy.away = True
    with tracker:
        tracker.scalars(1, {"loss": 1.0})
    assert spy.calls


def test_our_own_errors_are_raised(
    spied: tuple[MlflowTracker, Spy], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call with wrong arguments ends the training instead of leaving it untracked."""
    tracker, spy = spied
    monkeypatch.setattr(spy.client, "log_batch", lambda: None, raising=False)
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        tracker.tags({"note": "kept"})


def test_a_slow_failure_is_not_repeated_at_once(
    spied: tuple[MlflowTracker, Spy], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a time-out there is no attempt for a while, except at the end."""
    tracker, spy = spied
    monkeypatch.setattr("refcolor.tracking.mlflow_tracker.SLOW_SECONDS", -1.0)
    spy.away = True
    for step in range(5):
        tracker.picture("preview", np.zeros((4, 6, 3), np.uint8), step=step)
    assert len(spy.calls) == 1
    tracker.scalars(1, {"loss": 1.0})
    tracker.finish()
    assert len(spy.calls) == 2


def test_the_buffer_of_points_is_bounded(
    spied: tuple[MlflowTracker, Spy], monkeypatch: pytest.MonkeyPatch, points: Points
) -> None:
    """Memory does not grow without limit; the newest points are kept."""
    tracker, spy = spied
    monkeypatch.setattr("refcolor.tracking.mlflow_tracker.MAX_BUFFERED_POINTS", 10)
    spy.away = True
    for step in range(1, 31):
        tracker.scalars(step, {"loss": 1.0})
    tracker.flush()
    spy.away = False
    tracker.flush()
    assert [step for step, _ in points(tracker.run_id, "loss")] == list(range(21, 31))


@contextmanager
def statements(listener: Callable[[str], str]) -> Iterator[None]:
    """Intercept every SQL statement before it is executed."""
    from sqlalchemy import Engine, event

    def execute(_c: object, _u: object, sql: str, values: Any, *_: object) -> tuple[str, Any]:
        return listener(sql), values

    event.listen(Engine, "before_cursor_execute", execute, retval=True)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", execute)


def test_a_locked_store_is_one_warning(
    tracker: Tracker,
    root: Path,
    points: Points,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """While another process locks the store there is no traceback, and no point is lost."""
    tracker.scalars(1, {"loss": 2.0})
    impatient = statements(lambda sql: sql.replace("busy_timeout = 20000", "busy_timeout = 50"))
    with (
        closing(sqlite3.connect(root / "mlflow.db", isolation_level=None)) as connection,
        impatient,
    ):
        connection.execute("BEGIN IMMEDIATE")
        tracker.flush()
    assert [record.getMessage().count("locked") for record in caplog.records] == [1]
    assert capfd.readouterr() == ("", "")
    tracker.finish()
    assert points(tracker.run_id, "loss") == [(1, 2.0)]


def test_ctrl_c_waits_for_the_store(tracker: Tracker, read_run: ReadRun, points: Points) -> None:
    """Ctrl-C while points are sent ends the run after them, not inside a transaction."""
    completed = []

    def interrupt(sql: str) -> str:
        if sql.startswith("INSERT INTO metrics") and not completed:
            signal.raise_signal(signal.SIGINT)
            completed.append(sql)
        return sql

    with pytest.raises(KeyboardInterrupt), tracker, statements(interrupt):
        tracker.scalars(1, {"loss": 2.0})
        tracker.flush()
    assert completed
    assert read_run(tracker.run_id).info.status == "KILLED"
    assert points(tracker.run_id, "loss") == [(1, 2.0)]


@pytest.mark.parametrize(
    ("error", "status"),
    [(None, "FINISHED"), (ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")],
)
def test_status_at_the_end(
    tracker: Tracker,
    read_run: ReadRun,
    error: type[BaseException] | None,
    status: str,
) -> None:
    """The run's status follows from how the block ended, and is set once."""
    try:
        with tracker:
            assert read_run(tracker.run_id).info.status == "RUNNING"
            if error:
                raise error
    except (ValueError, KeyboardInterrupt):
        pass
    tracker.finish("FAILED")
    assert read_run(tracker.run_id).info.status == status


def test_the_null_tracker_writes_nothing(tmp_path: Path) -> None:
    """Without tracking every call is accepted, and nothing is written."""
    with open_training(kind="none", root=tmp_path, key="", params={}) as tracker:
        assert isinstance(tracker, NullTracker)
        assert tracker.run_id is None
        tracker.params({"a": 1})
        tracker.scalars(1, {"a": 1})
        tracker.curves(tmp_path / "missing")
        tracker.picture("a", np.zeros((1, 1), np.uint8), step=1)
        tracker.model(tmp_path / "missing", example={})
        tracker.metrics({"a": 1})
        tracker.tags({"a": 1})
        tracker.flush()
    assert list(tmp_path.iterdir()) == []
