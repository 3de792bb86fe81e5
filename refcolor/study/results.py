"""The results of a study: its plan, the rows of its runs, and their curves."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from refcolor.errors import RefcolorError
from refcolor.params import read_yaml
from refcolor.study.plan import HALF, Plan, digest, load_plan, runs
from refcolor.study.rows import ADVICE, HALFWAY, ROWS, TEST, Row, read_rows
from refcolor.study.statistics import Difference, holm, paired_difference

# Trivial answers, and the truth.
BASELINES: Final = ("grey_", "copy_", "mean_color_", "paper_", "true_")
NOT_RESULTS: Final = ("images", "pairs", "real_images", "train_images", "train_steps")


@dataclass(frozen=True)
class Results:
    """A plan with the results of its runs, without rows of arms and seeds that it does not have.

    base: the content of the plan's parameter file. digest: of the plan as it is now.
    rows: by the names of the experiments, in the order of the plan. test: of the test set.
    metrics: a column for each number of the finished runs, by label and seed of every planned run.
    curves: a column for each loss term, by label, seed and step.
    """

    plan: Plan
    base: dict[str, Any]
    digest: str
    rows: Mapping[str, Row]
    test: Mapping[str, Row]
    metrics: pd.DataFrame
    curves: pd.DataFrame

    def values(self, label: str, metric: str) -> pd.Series:
        """Return a number of every finished run of an arm by seed; a missing one is left out.

        label: an arm, or `reference`.
        """
        if metric not in self.metrics:
            return pd.Series(dtype=float)
        of_label: pd.Series = self.metrics[metric].loc[label]
        return of_label.dropna()

    def typical(self, metric: str) -> float:
        """Return the median of a number that no training changes; NaN where no run has it."""
        return float(self.metrics[metric].median()) if metric in self.metrics else math.nan

    def difference(self, label: str, baseline: str, metric: str) -> Difference | None:
        """Compare two labels by seed."""
        arm, base = self.values(label, metric), self.values(baseline, metric)
        return paired_difference(arm, base, confidence=self.plan.confidence)

    def planned(self) -> tuple[list[Difference | None], list[float]]:
        """Return the difference of each planned comparison, and its p-value after Holm."""
        base = self.plan.main.baseline
        found = [self.difference(one.arm, base, one.metric) for one in self.plan.comparisons]
        p = pd.Series([one.p if one else None for one in found], dtype=float)
        return found, holm(p).to_list()

    @property
    def reference(self) -> str:
        """The label that the screening is compared with."""
        return f"{self.plan.main.baseline}-{HALF}"

    @property
    def labels(self) -> list[str]:
        """All labels in the order of the plan."""
        return list(dict.fromkeys(run.label for run in runs(self.plan)))


def read_results(path: Path) -> Results:
    """Read a plan, and the rows and curves of its folder.

    Raises RefcolorError for a file that cannot be read.
    """
    folder, plan = path.parent, load_plan(path)
    planned = list(runs(plan))
    rows = read_rows(folder / ROWS) | read_rows(folder / HALFWAY)
    rows = {run.name: rows[run.name] for run in planned if run.name in rows}
    places = [(run.label, run.seed) for run in planned]
    metrics = [rows[run.name].metrics if run.name in rows else {} for run in planned]
    files = {place: folder / "curves" / "{}-{}.csv".format(*place) for place in places}
    curves = {place: _read_curve(file) for place, file in files.items() if file.exists()}
    return Results(
        plan=plan,
        base=read_yaml(folder / plan.parameters),
        digest=digest(path),
        rows=rows,
        test=read_rows(folder / TEST),
        metrics=pd.DataFrame(metrics, index=pd.MultiIndex.from_tuples(places)),
        curves=pd.concat(curves) if curves else pd.DataFrame(),
    )


def result_names(metrics: pd.DataFrame, *, first: str) -> list[str]:
    """List the columns that depend on the model.

    first: an endpoint, listed first with its parts; the others follow in alphabetical order.
    """
    every = map(str, metrics.columns)
    names = [name for name in every if not name.startswith((*BASELINES, *NOT_RESULTS))]
    return sorted(names, key=lambda name: (name != first, not name.startswith(first), name))


def _read_curve(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path, index_col="step", dtype=float)
    except ValueError as error:
        raise RefcolorError(f"{path} is not a table of numbers ({error}); {ADVICE}") from error
