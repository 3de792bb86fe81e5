"""Where runs are stored, and what happens when that place moves or cannot be reached."""

import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from refcolor.tracking.runs import find_by_key, find_by_name
from refcolor.tracking.session import open_training
from refcolor.tracking.store import Store, connect, first_line, quiet, without_password


def test_artifacts_lie_in_the_repository(store: Store, root: Path) -> None:
    """Pictures are stored beside the database, whatever the working directory is."""
    with quiet():
        experiment = store.client.get_experiment(store.experiment_id)
    assert experiment.name == "refcolor"
    assert experiment.artifact_location == (root / "mlartifacts").as_uri()
    assert connect(root).experiment_id == store.experiment_id


def test_moved_repository(store: Store, root: Path, tmp_path: Path) -> None:
    """A copy of the repository gets a new experiment, and keeps the earlier runs."""
    with open_training(kind="mlflow", root=root, key="c" * 16, params={}) as tracker:
        earlier = tracker.run_id
    shutil.copy(root / "mlflow.db", tmp_path)
    moved = connect(tmp_path)
    with quiet():
        experiment = moved.client.get_experiment(moved.experiment_id)
    assert experiment.name == "refcolor-2"
    assert experiment.artifact_location == (tmp_path / "mlartifacts").as_uri()
    assert connect(tmp_path).experiment_id == moved.experiment_id
    assert earlier in [run.info.run_id for run in find_by_key(tmp_path, "c" * 16)]


def test_an_unreachable_server_is_replaced_by_the_local_store(
    store: Store, root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A training does not wait for a server that does not respond."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:secret@127.0.0.1:{port}")
    start = time.monotonic()
    with open_training(kind="mlflow", root=root, key="d" * 16, params={}) as tracker:
        pass
    assert time.monotonic() - start < 10
    assert len(caplog.records) == 1
    assert f"http://127.0.0.1:{port} does not work" in caplog.text
    assert "secret" not in caplog.text
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert [run.info.run_id for run in find_by_name(root, str(tracker.run_id))] == [tracker.run_id]


def test_relative_address_belongs_to_the_repository(
    store: Store, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative SQLite address is relative to the repository, also in a queued run's copy."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    assert connect(root).experiment_id == store.experiment_id
    assert not (tmp_path / "mlflow.db").exists()


def test_a_search_does_not_create_a_store(tmp_path: Path) -> None:
    """A search where nothing was ever tracked finds nothing and creates no file."""
    assert find_by_key(tmp_path, "a" * 16) == find_by_name(tmp_path, "main") == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("address", "shown"),
    [("http://me:secret@host:1/x", "http://host:1/x"), ("sqlite:////a/b.db", "sqlite:////a/b.db")],
)
def test_passwords_are_not_printed(address: str, shown: str) -> None:
    """No user name and no password of a server is ever printed."""
    assert without_password(address) == shown


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("a\nb"), "a"),
        (KeyError(), "KeyError"),
        (ValueError("x" * 300), "x" * 200 + "..."),
    ],
)
def test_a_warning_quotes_one_line(error: Exception, line: str) -> None:
    """A warning quotes the first line of an error, shortened."""
    assert first_line(error) == line


@pytest.mark.slow
def test_two_processes_make_one_store(tmp_path: Path) -> None:
    """Processes that start together on a fresh clone create one store and one experiment."""
    code = (
        "import sys, pathlib; from refcolor.tracking.store import connect;"
        "print(connect(pathlib.Path(sys.argv[1])).experiment_id)"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    answers = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(set(answers)) == 1
