"""The store of MLflow runs: a tracking server, or the SQLite database of the repository."""

import logging
import os
import re
import sqlite3
import warnings
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlparse
from urllib.request import url2pathname

from filelock import FileLock

from refcolor.errors import RefcolorError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment

EXPERIMENT = "refcolor"
LOG = logging.getLogger(__name__)
# For calls of MLflow: hides the warnings of MLflow and its dependencies from the user.
quiet = partial(warnings.catch_warnings, action="ignore")
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # Limits after which a server counts as unreachable: with MLflow's defaults the first call
    # blocks for four minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}
_SQLITE = "sqlite:///"


@dataclass(frozen=True)
class Store:
    """An open store and the experiment of new runs."""

    client: "MlflowClient"
    experiment_id: str


def failures() -> tuple[type[Exception], ...]:
    """Return the exceptions of MLflow, its database and its server; others are bugs."""
    from alembic.util import CommandError
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    # OSError is also the base class of the errors of requests.
    return MlflowException, SQLAlchemyError, sqlite3.Error, CommandError, OSError


def connect(root: Path) -> Store:
    """Open the store of MLFLOW_TRACKING_URI, or that of the repository.

    root: the folder of the repository (DVC_ROOT), not the working directory, which is a temporary
    copy in queued runs. If the server does not answer, a warning is logged and the local store is
    opened.
    Raises RefcolorError when the local store cannot be used.
    """
    root = root.resolve()
    address = os.environ.get("MLFLOW_TRACKING_URI", "")
    if address:
        try:
            return _open(_absolute(address, root), root)
        except failures() as error:
            LOG.warning(
                "MLFLOW_TRACKING_URI %s does not work (%s); this run is kept in %s instead",
                without_password(address),
                first_line(error),
                root / "mlflow.db",
            )
    database = root / "mlflow.db"
    try:
        return _open(_sqlite_address(database), root)
    except failures() as error:
        raise RefcolorError(unusable(f"sqlite:///{database}", error)) from error


def store_exists(root: Path) -> bool:
    """Whether there is a store to search."""
    return bool(os.environ.get("MLFLOW_TRACKING_URI")) or (root / "mlflow.db").exists()


def without_password(address: str) -> str:
    """Remove name and password from an address."""
    return re.sub(r"//[^/@]*@", "//", address)


def first_line(error: Exception) -> str:
    """Return the first line of an error, shortened for a warning."""
    error = getattr(error.__cause__, "orig", None) or error  # the error of the database itself
    lines = without_password(str(error)).strip().splitlines() or [type(error).__name__]
    return lines[0] if len(lines[0]) <= 200 else f"{lines[0][:200]}..."


def unusable(address: str, error: Exception) -> str:
    """Return the message that a store cannot be used, with the reason and what to do."""
    message = f"{without_password(address)} cannot be used ({first_line(error)})"
    if not address.startswith(_SQLITE):
        return message
    return (
        f"{message}. If an older MLflow wrote it, run `mlflow db upgrade {address}`; if a newer "
        "one did, install that one; if it is damaged, move the file away and a new one is made"
    )


def _open(address: str, root: Path) -> Store:
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    lock = root / ".refcolor" / "mlflow.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    # Processes that create the same SQLite store at the same time crash (MLflow 3.17).
    with quiet(), FileLock(lock):
        from mlflow import MlflowClient

        # MLflow's database layer also logs a traceback of every error that it raises.
        for logger in ("mlflow", "alembic", "urllib3.connectionpool"):
            logging.getLogger(logger).setLevel(logging.CRITICAL)
        client = MlflowClient(tracking_uri=address)
        return Store(client=client, experiment_id=_experiment(client, address, root))


def _experiment(client: "MlflowClient", address: str, root: Path) -> str:
    """Return the experiment of this repository.

    The location of artifacts cannot be changed after an experiment was created. When the repository
    was moved or copied, a new experiment (refcolor-2, ...) is created.
    """
    served = urlparse(address).scheme in ("http", "https", "databricks")
    artifacts = (root / "mlartifacts").resolve()
    for number in count(1):
        name = EXPERIMENT if number == 1 else f"{EXPERIMENT}-{number}"
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            location = None if served else artifacts.as_uri()
            return str(client.create_experiment(name, artifact_location=location))
        if experiment.lifecycle_stage == "active" and (served or _is_inside(experiment, root)):
            return str(experiment.experiment_id)
    raise AssertionError("count() is infinite")


def _is_inside(experiment: "Experiment", root: Path) -> bool:
    location = urlparse(experiment.artifact_location)
    if location.scheme not in ("", "file"):
        return True
    return Path(url2pathname(location.path)).is_relative_to(root.resolve())


def _sqlite_address(database: Path) -> str:
    from sqlalchemy import URL

    # MLflow retries for 100 seconds to open an invalid file; this fails at once.
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA user_version")
    return URL.create("sqlite", database=str(database)).render_as_string()


def _absolute(address: str, root: Path) -> str:
    if address.startswith(_SQLITE) and not Path(address.removeprefix(_SQLITE)).is_absolute():
        return _sqlite_address(root / address.removeprefix(_SQLITE))
    return address
