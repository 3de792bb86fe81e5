"""Running a study: one training after another, a row for each, from where the last one stopped."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from refcolor.errors import RefcolorError
from refcolor.files import replacing
from refcolor.params import Params, load, read_yaml
from refcolor.stages import locked_key, read_lock, stage_key
from refcolor.study import table
from refcolor.study.pictures import keep_pictures
from refcolor.study.plan import Plan, Run, digest, load_plan, runs
from refcolor.study.repository import code_commit, refuse_uncommitted
from refcolor.study.results import HALFWAY, ROWS
from refcolor.study.table import Row, find_row, read_rows, replaced, write_rows
from refcolor.study.workspace import Workspace, opened

DATA_SECTIONS = ("source", "filter", "clean", "sketch", "split")  # of the stages before train


@dataclass(frozen=True)
class Study:
    """A plan and where it lies; rows, curves and pictures lie beside it.

    root: the folder of the user's repository. digest: of the plan. overrides: values for this
    machine, such as the folder of somebody's pictures, which no row names.
    """

    root: Path
    path: Path
    plan: Plan
    digest: str
    overrides: Mapping[str, str]

    @property
    def folder(self) -> Path:
        """Where the plan lies."""
        return self.path.parent

    @property
    def parameters(self) -> Path:
        """The parameter file that the arms change."""
        return self.folder / self.plan.parameters

    def rows_file(self, run: Run) -> Path:
        """Where the row of a run goes; those measured halfway are no runs of their own."""
        return self.folder / (HALFWAY if run.halfway else ROWS)


def load_study(root: Path, path: Path, overrides: Mapping[str, str] | None = None) -> Study:
    """Read a plan.

    Raises RefcolorError when it cannot run, as `load_plan` does.
    """
    return Study(root, path, load_plan(path), digest(path), overrides or {})


def run_study(study: Study, *, dry: bool = False) -> None:
    """Make every row that is missing or stale.

    One run at a time, in the order of the plan. A run that was stopped goes on. A run that failed
    by itself gets a row that says so and is not tried again before its code or parameters change.
    dry: only say what would run. Raises RefcolorError when code or plan are not committed, when the
    data cannot be made, and when something outside an experiment goes wrong.
    """
    refuse_uncommitted(study.root, [study.path, study.parameters])
    planned = list(runs(study.plan))
    with opened(study.root) as workspace:
        workspace.check_out(code_commit(study.root))
        prepared: dict[str, Any] | None = None
        for number, run in enumerate(planned, start=1):
            changes = {**run.changes, "seed": run.seed, **study.overrides}
            workspace.write_parameters(study.parameters, changes)
            content = read_yaml(workspace.tree / "params.yaml")
            data = {name: content[name] for name in DATA_SECTIONS}
            if data != prepared:
                _prepare(workspace, study)
                prepared = data
            key = run_key(workspace.tree)
            file = study.rows_file(run)
            row = find_row(read_rows(file), run)
            heading = f"[{number}/{len(planned)}] {run.name}"
            if row is not None and is_current(row, key):
                print(f"{heading}: {row.status} before, not run again", flush=True)
            elif dry:
                print(f"{heading}: {'stale, ' if row else ''}would run", flush=True)
            else:
                print(f"{heading}: runs", flush=True)
                row = _run(workspace, study, run, key=key, earlier=row)
                same_file = [one for one in planned if one.halfway == run.halfway]
                write_rows(file, replaced(read_rows(file), row, order=same_file))
                print(f"{heading}: {_told(study, row)}", flush=True)


def run_key(tree: Path) -> str:
    """Name all that decides the outcome of a run, before it runs.

    Code, data and parameters of train and evaluate; what train writes follows from them.
    """
    train = stage_key("train", root=tree)
    evaluate = stage_key("evaluate", root=tree, without_outs_of=("train",))
    return f"{train}-{evaluate}"


def is_current(row: Row, key: str) -> bool:
    """Say whether running again would give the row again.

    key: of the run as it stands now. What no training came out of, no evaluation can change.
    """
    if row.status == "failed" and row.message.startswith("train:"):
        return row.key.partition("-")[0] == key.partition("-")[0]
    return row.key == key


def _prepare(workspace: Workspace, study: Study) -> None:
    failed = workspace.repro("split", study=study.plan.name, experiment="")
    if failed:
        raise RefcolorError(f"the data of the study cannot be made: {failed.message}")


def _run(workspace: Workspace, study: Study, run: Run, *, key: str, earlier: Row | None) -> Row:
    name = {"study": study.plan.name, "experiment": run.name}
    tree = workspace.tree
    train_key = stage_key("train", root=tree)
    if workspace.attempt is None or workspace.attempt.key != key:
        workspace.begin(key)
    # Trained for an earlier row: the run cache has it. Else it must really run, even where the
    # user's own run is in the cache, so that times are true and MLflow has it as one of the study.
    known = earlier is not None and earlier.status == "finished" and earlier.train_key == train_key
    cache = [] if known else ["--no-run-cache"]
    failed = workspace.repro("--single-item", *cache, "train", stage="train", **name)
    if not failed:
        failed = workspace.repro(
            "--single-item", "--no-run-cache", "evaluate", stage="evaluate", **name
        )
    seconds = workspace.attempt.seconds if workspace.attempt else {}
    trained = earlier.train_seconds if known and earlier else seconds.get("train", 0.0)
    row = Row(
        arm=run.arm,
        seed=run.seed,
        status="failed",
        changes=table.as_text(run.changes),
        experiment=run.name,
        commit=workspace.commit,
        plan=study.digest,
        torch=version("torch"),
        key=key,
        train_key=train_key,
        train_seconds=round(trained, 1),
        evaluate_seconds=round(seconds.get("evaluate", 0.0), 1),
    )
    if failed:
        return replace(row, message=f"{failed.stage}: {failed.message}")
    workspace.save(**name)
    params = load(tree / "params.yaml")
    _keep(study, run, tree, params)
    from refcolor.study.cost import cost

    parameters, operations = cost(params.model, size=params.clean.size)
    training, judgement = (_numbers(tree / f"metrics/{name}.json") for name in ("train", "eval"))
    return replace(
        row,
        status="finished",
        evaluate_key=locked_key("evaluate", read_lock(tree)),
        parameters=parameters,
        operations=operations,
        metrics=judgement | {f"train_{name}": value for name, value in training.items()},
    )


def _keep(study: Study, run: Run, tree: Path, params: Params) -> None:
    """Keep the small things that the page shows: the curves, and pictures where we may."""
    curves = study.folder / "curves" / f"{run.label}-{run.seed}.csv"
    with replacing(curves) as temporary:
        shutil.copyfile(tree / "metrics/curves/loss.csv", temporary)
    if params.source.kind == "sample" and run.seed == study.plan.main.seeds[0]:
        keep_pictures(tree, study.folder / "pictures", run.label, params)


def _numbers(path: Path) -> dict[str, float]:
    content = json.loads(path.read_text(encoding="utf-8"))
    return {name: float(value) for name, value in content.items()}


def _told(study: Study, row: Row) -> str:
    if row.status == "failed":
        return f"failed, {row.message}"
    value = row.metrics.get(study.plan.primary)
    spent = (row.train_seconds + row.evaluate_seconds) / 60
    number = f"{study.plan.primary} {value:.4g}" if value is not None else "finished"
    return f"{number} after {spent:.1f} minutes"
