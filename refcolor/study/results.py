"""What a study has so far, as its page reads it: the plan, the rows, and the curves beside them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import Field, ValidationError

from refcolor.errors import RefcolorError
from refcolor.params import Params, Section, check, read_yaml
from refcolor.study.plan import HALF, Plan, Quantity, Run, digest, load_plan, runs
from refcolor.study.statistics import Difference, holm, paired_difference
from refcolor.study.table import ADVICE, Row, find_row, read_rows
from refcolor.tables import read_csv

ROWS, HALFWAY, TEST, WORDS = "runs.csv", "halfway.csv", "test.csv", "words.yaml"
BASELINES: Final = ("grey_", "copy_", "mean_color_", "true_")  # trivial answers, and the truth

Curve = list[dict[str, float]]


class Words(Section):
    """What a person wrote after the data: never numbers that the page can make itself."""

    conclusions: str = ""
    deviations: str = ""
    observations: dict[Quantity, str] = Field(default_factory=dict)


@dataclass(frozen=True)
class Results:
    """Rows of the runs that the plan has.

    rows, halfway: of whole runs, and of the reference of the screening. curves: by label and seed.
    digest: of the plan as it is now. base: the content of its parameter file.
    """

    plan: Plan
    base: dict[str, Any]
    digest: str
    rows: Sequence[Row]
    halfway: Sequence[Row]
    curves: dict[tuple[str, int], Curve]
    words: Words

    def row(self, run: Run) -> Row | None:
        """Return the row of a run, if it has one."""
        return find_row(self.halfway if run.halfway else self.rows, run)

    def values(self, label: str, metric: str) -> dict[int, float]:
        """Return a number of every finished run of an arm by seed; a missing one is left out.

        label: an arm, or an arm with `-half` for what was measured on its way.
        """
        arm = label.removesuffix(f"-{HALF}")
        rows = self.rows if arm == label else self.halfway
        return {
            row.seed: row.metrics[metric]
            for row in rows
            if row.arm == arm and row.status == "finished" and metric in row.metrics
        }

    def difference(self, label: str, baseline: str, metric: str) -> Difference | None:
        """Compare two labels by seed."""
        return paired_difference(
            self.values(label, metric),
            self.values(baseline, metric),
            confidence=self.plan.confidence,
        )

    def planned(self) -> list[tuple[Difference | None, float | None]]:
        """Give each planned comparison its difference and its p-value after Holm."""
        found = [
            self.difference(one.arm, self.plan.main.baseline, one.metric)
            for one in self.plan.comparisons
        ]
        adjusted = holm([one.p if one else None for one in found])
        return list(zip(found, adjusted, strict=True))

    @property
    def reference(self) -> str:
        """The label that the screening is compared with."""
        return f"{self.plan.main.baseline}-{HALF}"

    @property
    def labels(self) -> list[str]:
        """All labels in the order of the plan."""
        return list(dict.fromkeys(run.label for run in runs(self.plan)))


def read_results(path: Path) -> Results:
    """Read a plan and what lies beside it.

    Rows of arms and seeds that the plan has not are left out. Raises RefcolorError for a file that
    cannot be read.
    """
    folder, plan = path.parent, load_plan(path)
    planned = list(runs(plan))
    kept = {False: read_rows(folder / ROWS), True: read_rows(folder / HALFWAY)}
    rows, halfway = (
        [row for run in planned if run.halfway == half and (row := find_row(kept[half], run))]
        for half in (False, True)
    )
    curves = {
        (run.label, run.seed): _curve(file)
        for run in planned
        if (file := folder / "curves" / f"{run.label}-{run.seed}.csv").exists()
    }
    return Results(
        plan=plan,
        base=read_yaml(folder / plan.parameters),
        digest=digest(path),
        rows=rows,
        halfway=halfway,
        curves=curves,
        words=_words(folder / WORDS),
    )


def base_params(results: Results) -> Params:
    """Return the parameters that the arms change."""
    return check(results.base, where=results.plan.parameters)


@dataclass(frozen=True)
class _Step:
    values: dict[str, float]


def _curve(path: Path) -> Curve:
    return [step.values for step in read_csv(path, _Step, rest="values", advice=ADVICE)]


def _words(path: Path) -> Words:
    if not path.exists():
        return Words()
    try:
        return Words.model_validate(read_yaml(path) or {})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise RefcolorError(f"{path}: {where}: {first['msg']}; correct it") from error
