"""The rows of a study: one for each run, in a CSV file that git keeps."""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal

from refcolor.files import replacing
from refcolor.study.plan import Changes, Run
from refcolor.tables import read_csv

Status = Literal["finished", "failed"]
ADVICE = "restore it from git, or take the line out and run the study again"


@dataclass(frozen=True)
class Row:
    """What one run left.

    changes: parameters that differ from the plan's, as text. experiment: of DVC and MLflow.
    commit: of the code that ran. plan: digest of the plan as it was then. torch: its version.
    key: of train and evaluate together, known before a run; a row with the key of today is current.
    train_key, evaluate_key: as in MLflow's tags; empty where the stage did not finish.
    train_seconds, evaluate_seconds: wall time, start of the stage included, sittings added up;
    what a killed sitting took is not known.
    parameters, operations: of the generator; operations are multiply-accumulates a picture.
    message: why a run failed. metrics: metrics/eval.json, and metrics/train.json as `train_*`.
    """

    arm: str
    seed: int
    status: Status
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


# Columns that every file has; those of the metrics follow.
FIXED = tuple(one.name for one in fields(Row) if one.name != "metrics")


def read_rows(path: Path) -> list[Row]:
    """Read rows in the order of the file; none where there is no file.

    Raises RefcolorError naming the line that is none.
    """
    if not path.exists():
        return []
    return list(read_csv(path, Row, rest="metrics", advice=ADVICE))


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write rows under a temporary name, then rename: a kill leaves the old file or the new one.

    The columns of metrics are sorted; a number that a run has not is an empty cell.
    """
    rows = list(rows)
    metrics = sorted({name for row in rows for name in row.metrics})
    with (
        replacing(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*FIXED, *metrics])
        for row in rows:
            fixed = [_cell(getattr(row, name)) for name in FIXED]
            writer.writerow([*fixed, *(_cell(row.metrics.get(name, "")) for name in metrics)])


def find_row(rows: Iterable[Row], run: Run) -> Row | None:
    """Return the row of a run, whatever its key."""
    return next((row for row in rows if (row.arm, row.seed) == (run.arm, run.seed)), None)


def replaced(rows: Iterable[Row], row: Row, *, order: Iterable[Run]) -> list[Row]:
    """Put a row in the place of the one of its arm and seed, and all rows into the plan's order.

    Rows of arms and seeds that the plan no longer has stay, at the end.
    """
    kept = {(one.arm, one.seed): one for one in rows} | {(row.arm, row.seed): row}
    planned = [(run.arm, run.seed) for run in order]
    places = [place for place in planned if place in kept]
    return [kept[place] for place in (*places, *(place for place in kept if place not in planned))]


def as_text(changes: Changes) -> str:
    """Write changes in one line: `loss.triplet=1 train.epochs=8`."""
    return " ".join(f"{name}={_value(value)}" for name, value in changes.items())


def _cell(value: object) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _value(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
