"""A tracker that writes to an MLflow run, through MlflowClient, which has no global current run."""

import csv
import json
import math
import re
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from refcolor.errors import signals_deferred
from refcolor.tracking.model import log_model
from refcolor.tracking.store import LOG, Store, failures, first_line, quiet
from refcolor.training.tracker import Status, Tracker

POINTS_PER_CALL = 1000  # MLflow's limit; 100 ms with SQLite
SECONDS_PER_CALL = 20.0
PARAMETERS_PER_CALL = 100
SLOW_SECONDS = 1.0  # a call that fails after this time means an unreachable server
FIRST_PAUSE, LONGEST_PAUSE = 30.0, 600.0  # seconds between retries of an unreachable server
MAX_BUFFERED_POINTS = 100_000  # while the server is unreachable; the curves file has all points
RUNTIME = "runtime."

_FORBIDDEN = re.compile(r"[^\w\-. :/]", re.ASCII)
_IMAGE = re.compile(r"images/(?P<key>.+)[+%]step[+%](?P<step>-?\d+)[+%]timestamp")


class MlflowTracker(Tracker):
    """Writes to a run synchronously, because asynchronous logging loses data when it is killed."""

    def __init__(
        self,
        store: Store,
        run_id: str,
        *,
        closing_tags: Mapping[str, str] | None = None,
        stop_watching: Callable[[], None] | None = None,
    ) -> None:
        """Continue an existing run, which may be empty.

        closing_tags: set when the run ends as FINISHED. stop_watching: called at the end.
        """
        self._stop_watching = stop_watching
        self._client, self._store, self._run_id = store.client, store, run_id
        self._closing_tags = dict(closing_tags or {})
        self._points: list[tuple[str, float, int, int]] = []  # name, value, milliseconds, step
        self._unsent: list[Callable[[], object]] = []
        self._sent = time.monotonic()
        self._pause, self._silent_until = FIRST_PAUSE, 0.0
        self._warned = self._finished = False
        with quiet():
            run = self._client.get_run(run_id)
            self._parameters = set(run.data.params)
            self._last_step = {
                name: max(point.step for point in self._client.get_metric_history(run_id, name))
                for name in run.data.metrics
            }
            self._pictures = {
                (match["key"], int(match["step"]))
                for file in self._client.list_artifacts(run_id, "images")
                if (match := _IMAGE.match(file.path))
            }

    @property
    def run_id(self) -> str:
        """The id of the run in the store."""
        return self._run_id

    def params(self, values: Mapping[str, object]) -> None:
        """Record parameters; those of `runtime.` become tags."""
        from mlflow.entities import Param

        self.tags({name: value for name, value in values.items() if name.startswith(RUNTIME)})
        new = [
            Param(name, as_text(value))
            for name, value in values.items()
            if not name.startswith(RUNTIME) and name not in self._parameters
        ]
        for start in range(0, len(new), PARAMETERS_PER_CALL):
            part = new[start : start + PARAMETERS_PER_CALL]
            self._parameters |= {param.key for param in part}
            self._send(partial(self._client.log_batch, self._run_id, params=part))

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Add a point to each named curve, unless the run has that step."""
        now = int(time.time() * 1000)
        for name, value in values.items():
            name = _FORBIDDEN.sub("_", name)
            if step > self._last_step.get(name, -1):
                self._last_step[name] = step
                self._points.append((name, float(value), now, step))
        full = len(self._points) >= POINTS_PER_CALL
        if full or time.monotonic() - self._sent >= SECONDS_PER_CALL:
            self.flush()

    def curves(self, path: Path) -> None:
        """Add the points of a curves file, or a folder of them, that the run does not have."""
        for file in sorted(path.glob("*.csv")) if path.is_dir() else [path]:
            with file.open(newline="", encoding="utf-8") as lines:
                for row in csv.DictReader(lines):
                    step = int(float(row.pop("step")))
                    self.scalars(step, {name: float(cell) for name, cell in row.items() if cell})

    def picture(self, key: str, picture: NDArray[np.uint8], *, step: int = 0) -> None:
        """Record a picture, unless the run has one with this key and step."""
        if (key.replace("/", "~"), step) not in self._pictures and self._try(
            lambda: self._client.log_image(self._run_id, picture, key=key, step=step)
        ):
            self._pictures.add((key.replace("/", "~"), step))

    def model(self, folder: Path, *, example: Mapping[str, bytes]) -> None:
        """Record the model of a folder."""
        self._try(lambda: log_model(self._store, self._run_id, folder, example=example))

    def metrics(self, values: Mapping[str, object]) -> None:
        """Record final numbers at step 0; skip curves, whose last point is the same number."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        numbers = [
            Metric(_FORBIDDEN.sub("_", name), float(value), now, 0)
            for name, value in values.items()
            if isinstance(value, int | float)
            and not isinstance(value, bool)
            and self._last_step.get(_FORBIDDEN.sub("_", name), 0) == 0
        ]
        if numbers:
            self._send(partial(self._client.log_batch, self._run_id, metrics=numbers))

    def tags(self, values: Mapping[str, object]) -> None:
        """Set tags."""
        from mlflow.entities import RunTag

        tags = [RunTag(name, as_text(value)) for name, value in values.items()]
        if tags:
            self._send(partial(self._client.log_batch, self._run_id, tags=tags))

    def flush(self) -> None:
        """Send the buffered calls and points; those that fail stay buffered."""
        from mlflow.entities import Metric

        unsent, self._unsent = self._unsent, []
        for action in unsent:
            self._send(action)
        while self._points:
            part = [Metric(*point) for point in self._points[:POINTS_PER_CALL]]
            if not self._try(partial(self._client.log_batch, self._run_id, metrics=part)):
                del self._points[:-MAX_BUFFERED_POINTS]
                break
            del self._points[: len(part)]
        self._sent = time.monotonic()

    def finish(self, status: Status = "FINISHED") -> None:
        """Send the points and end the run."""
        if self._finished:
            return
        self._finished = True
        self._silent_until = 0.0
        if self._stop_watching is not None:
            self._try(self._stop_watching)
        self.flush()
        if status == "FINISHED":
            self.tags(self._closing_tags)
        self._try(lambda: self._client.set_terminated(self._run_id, status))

    def _send(self, action: Callable[[], object]) -> None:
        if not self._try(action):
            self._unsent.append(action)

    def _try(self, action: Callable[[], object]) -> bool:
        if time.monotonic() < self._silent_until:
            return False
        start = time.monotonic()
        try:
            # Signals are deferred, because an exception inside a transaction holds the lock of the
            # SQLite store as long as its traceback exists, and `finish` would wait for the lock.
            with quiet(), signals_deferred():
                action()
        except failures() as error:
            if not self._warned:
                self._warned = True
                LOG.warning(
                    "MLflow run %s could not be written (%s); the work goes on without it",
                    self._run_id,
                    first_line(error),
                )
            if time.monotonic() - start > SLOW_SECONDS:
                self._silent_until = time.monotonic() + self._pause
                self._pause = min(2 * self._pause, LONGEST_PAUSE)
            return False
        self._pause = FIRST_PAUSE
        return True


def as_text(value: object) -> str:
    """Format a parameter as in YAML and JSON: true, 0.0003, ["a"]."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return json.dumps(value, default=str)
