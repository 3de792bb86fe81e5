"""One store for all tests of tracking, since making one takes seconds. Each test has its key."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from refcolor.tracking.store import Store, connect, quiet

if TYPE_CHECKING:
    from mlflow.entities import Run

SILENCED = ("mlflow", "alembic", "urllib3.connectionpool")


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("MLFLOW_TRACKING_URI", "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV", "REFCOLOR_STUDY")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "false")


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository's folder; a blank and an umlaut in its name must not break addresses."""
    path: Path = tmp_path_factory.mktemp("my drawings ü")
    return path


@pytest.fixture(scope="session")
def store(root: Path) -> Iterator[Store]:
    """The store of that repository."""
    yield connect(root)
    for name in SILENCED:
        logging.getLogger(name).setLevel(logging.NOTSET)


@pytest.fixture
def key() -> str:
    """A key that no other test has."""
    return uuid4().hex[:16]


@pytest.fixture
def read_run(store: Store) -> Callable[[str | None], "Run"]:
    """Read a run from the store."""

    def read(run_id: str | None) -> "Run":
        assert run_id
        with quiet():
            return store.client.get_run(run_id)

    return read


@pytest.fixture
def points(store: Store) -> Callable[[str | None, str], list[tuple[int, float]]]:
    """Read a curve as (step, value)."""

    def read(run_id: str | None, name: str) -> list[tuple[int, float]]:
        assert run_id
        with quiet():
            history = store.client.get_metric_history(run_id, name)
        return [(point.step, point.value) for point in history]

    return read


@pytest.fixture
def curves(tmp_path: Path) -> Path:
    """A curves file with a validation loss at every second step."""
    file = tmp_path / "curves" / "loss.csv"
    file.parent.mkdir()
    file.write_text("step,loss,validation\n1,5,\n2,4,40\n3.0,3,\n4,2,20\n")
    return file
