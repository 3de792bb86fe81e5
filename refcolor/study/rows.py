"""The rows of a study: one for each run, in a CSV file that git keeps."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pandas as pd

from refcolor.io.files import replacing
from refcolor.io.tables import read_csv
from refcolor.study.plan import Changes

ROWS, HALFWAY, TEST = "runs.csv", "halfway.csv", "test.csv"  # file names, beside the plan
ADVICE = "restore it from git, or take the line out and run the study again"


@dataclass(frozen=True)
class Row:
    """The outcome of one run.

    changes: parameters that differ from the plan's, as text. experiment: the name in DVC and
    MLflow, which identifies the row. commit: of the code that ran. plan: digest of the plan as it
    was then. torch: its version.
    key: of train and evaluate together, known before a run; a row with today's key is current.
    train_key, evaluate_key: as in MLflow's tags; empty where the stage did not finish.
    train_seconds, evaluate_seconds: wall time, start of the stage included, added up over sittings;
    the time of a killed sitting is not known.
    parameters, operations: of the generator; operations are multiply-accumulates a picture.
    message: why a run failed. metrics: metrics/eval.json, and metrics/train.json as `train_*`.
    """

    arm: str
    seed: int
    status: Literal["finished", "failed"]
    changes: str
    experiment: str
    commit: str
    plan: str
    torch: str
    key: str
    train_key: str
    evaluate_key: str = ""
    train_seconds: float = 0.0
    evaluate_seconds: float = 0.0
    parameters: int = 0
    operations: int = 0
    message: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)


def read_rows(path: Path) -> dict[str, Row]:
    """Read rows by the name of their experiment; none where there is no file.

    Raises RefcolorError naming the line that cannot be read.
    """
    if not path.exists():
        return {}
    return {row.experiment: row for row in read_csv(path, Row, rest="metrics", advice=ADVICE)}


def write_rows(path: Path, rows: Iterable[Row], *, order: Iterable[str] = ()) -> None:
    """Write rows under a temporary name, then rename: a kill leaves the old file or the new one.

    order: names of experiments; other rows, of arms that the plan no longer has, stay at the end.
    The columns of metrics are sorted; a number that a run lacks is an empty cell.
    """
    places = {name: place for place, name in enumerate(order)}
    rows = sorted(rows, key=lambda row: places.get(row.experiment, len(places)))
    metrics = pd.DataFrame([row.metrics for row in rows]).sort_index(axis=1)
    table = pd.DataFrame(rows).drop(columns="metrics").join(metrics)
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.10g", lineterminator="\n")


def as_text(changes: Changes) -> str:
    """Write changes in one line: `loss.triplet=1 train.epochs=8`."""
    return " ".join(f"{name}={str(value).lower()}" for name, value in changes.items())
