"""The system metrics of a run: load of processor and memory."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from refcolor.tracking import system
from refcolor.tracking.session import open_training
from refcolor.tracking.store import Store

if TYPE_CHECKING:
    from mlflow.entities import Run

ReadRun = Callable[[str | None], "Run"]
LOAD = "system/cpu_utilization_percentage"


def wait_for_load(read_run: ReadRun, run_id: str | None) -> float | None:
    """Wait for the first sample, at most ten seconds."""
    limit = time.monotonic() + 10
    while LOAD not in (metrics := read_run(run_id).data.metrics) and time.monotonic() < limit:
        time.sleep(0.05)
    return metrics.get(LOAD)


@pytest.fixture
def switched_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sample often, with MLflow's switches removed from the environment."""
    monkeypatch.delenv(system.SWITCH, raising=False)
    monkeypatch.setattr(system, "SECONDS", 0.05)


def test_load_is_logged(
    store: Store, root: Path, key: str, read_run: ReadRun, switched_on: None
) -> None:
    """Processor and memory are metrics of the run, and a reopened run continues their steps."""
    tracker = open_training(kind="mlflow", root=root, key=key, params={})
    run_id = tracker.run_id
    load = wait_for_load(read_run, run_id)
    tracker.finish("KILLED")
    assert load is not None and 0 <= load <= 100
    assert "system/system_memory_usage_megabytes" in read_run(run_id).data.metrics

    def steps() -> list[int]:
        return [point.step for point in store.client.get_metric_history(str(run_id), LOAD)]

    before = steps()
    reopened = open_training(kind="mlflow", root=root, key=key, params={}, resume_run_id=run_id)
    limit = time.monotonic() + 10
    while len(steps()) == len(before) and time.monotonic() < limit:
        time.sleep(0.05)
    reopened.finish()
    assert len(steps()) > len(before)
    assert len(set(steps())) == len(steps())


def test_system_metrics_can_be_switched_off(root: Path, key: str, read_run: ReadRun) -> None:
    """MLflow's environment variable switches them off."""
    with open_training(kind="mlflow", root=root, key=key, params={}) as tracker:
        time.sleep(0.2)
    assert LOAD not in read_run(tracker.run_id).data.metrics


def test_a_monitor_that_fails_is_a_warning(
    root: Path,
    key: str,
    switched_on: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Without psutil, for example, the run continues with one warning."""
    from mlflow.system_metrics import system_metrics_monitor

    def broken(*_arguments: object, **_options: object) -> None:
        raise ModuleNotFoundError("no psutil")

    monkeypatch.setattr(system_metrics_monitor, "SystemMetricsMonitor", broken)
    with open_training(kind="mlflow", root=root, key=key, params={}) as tracker:
        tracker.scalars(1, {"loss": 2.0})
    assert "no psutil" in caplog.text
