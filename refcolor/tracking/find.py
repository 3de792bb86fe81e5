"""Looking runs up."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from refcolor.tracking.session import COMMIT, EVALUATE_KEY, EXPERIMENT_NAME, TRAIN_KEY
from refcolor.tracking.store import connect, quiet, store_exists

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowRun


@dataclass(frozen=True)
class Run:
    """A run as the store has it; keys and names are empty where they are not known."""

    id: str
    name: str
    status: str
    train_key: str
    evaluate_key: str
    experiment_name: str
    commit: str
    metrics: Mapping[str, float]


def find_by_key(root: Path, train_key: str) -> list[Run]:
    """Return the runs of a train stage's key, newest first."""
    return _search(root, f"tags.`{TRAIN_KEY}` = '{train_key}'")


def find_by_name(root: Path, what: str) -> list[Run]:
    """Return the run with an id, or the runs with a name, newest first."""
    if what.isalnum():
        by_id = _search(root, f"attributes.run_id = '{what}'")
        if by_id:
            return by_id
    quote = '"' if "'" in what else "'"
    return _search(root, f"attributes.run_name = {quote}{what}{quote}")


def _search(root: Path, condition: str) -> list[Run]:
    if not store_exists(root):
        return []
    client = connect(root).client
    with quiet():
        everywhere = [found.experiment_id for found in client.search_experiments()]
        return [_run(found) for found in client.search_runs(everywhere, filter_string=condition)]


def _run(found: "MlflowRun") -> Run:
    tags = found.data.tags
    return Run(
        id=found.info.run_id,
        name=found.info.run_name or "",
        status=found.info.status,
        train_key=tags.get(TRAIN_KEY, ""),
        evaluate_key=tags.get(EVALUATE_KEY, ""),
        experiment_name=tags.get(EXPERIMENT_NAME, ""),
        commit=tags.get(COMMIT, ""),
        metrics=dict(found.data.metrics),
    )
