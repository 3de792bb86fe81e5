"""Run the trainings of a study one after another; an interrupted study is resumed."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from refcolor import params
from refcolor.errors import RefcolorError
from refcolor.io.files import replacing
from refcolor.study.pictures import keep_pictures
from refcolor.study.plan import Plan, Run, digest, load_plan, runs
from refcolor.study.repository import code_commit, refuse_uncommitted
from refcolor.study.rows import HALFWAY, ROWS, Row, as_text, read_rows, write_rows
from refcolor.study.workspace import Workspace, opened
from refcolor.tracking.stages import locked_key, read_lock, stage_key

DATA_SECTIONS = ("source", "filter", "clean", "sketch", "split")  # of the stages before train


def run_study(root: Path, path: Path, *, overrides: Mapping[str, str], dry: bool = False) -> None:
    """Run every run whose row is missing or stale, in the order of the plan.

    An interrupted run is resumed. A run that fails by itself gets a row with its message, and is
    repeated only when its code or parameters change.

    root: the folder of the user's repository. path: of the plan; rows, curves and pictures are
    written to its folder. overrides: parameters of this machine, such as a folder of pictures,
    which are not recorded in the rows. dry: only print what would run.
    Raises RefcolorError when code or plan are not committed, when the data cannot be prepared, and
    for failures outside of an experiment.
    """
    plan = load_plan(path)
    parameters = path.parent / plan.parameters
    refuse_uncommitted(root, [path, parameters])
    planned = list(runs(plan))
    names = [run.name for run in planned]
    with opened(root, plan.name) as workspace:
        workspace.check_out(code_commit(root))
        prepared = None
        for number, run in enumerate(planned, start=1):
            content = workspace.write_parameters(parameters, {**run.values, **overrides})
            data = [content[name] for name in DATA_SECTIONS]
            if data != prepared:
                _prepare(workspace)
                prepared = data
            key = run_key(workspace.tree)
            file = path.parent / (HALFWAY if run.halfway else ROWS)
            rows = read_rows(file)
            row = rows.get(run.name)
            heading = f"[{number}/{len(planned)}] {run.name}"
            if row is not None and is_current(row, key):
                print(f"{heading}: {row.status} before, not run again", flush=True)
            elif dry:
                print(f"{heading}: {'stale, ' if row else ''}would run", flush=True)
            else:
                print(f"{heading}: runs", flush=True)
                row = _run(workspace, run, key=key, earlier=row, plan=digest(path))
                if row.status == "finished":
                    keep(workspace.tree, path.parent, run, first=run.seed == plan.main.seeds[0])
                write_rows(file, (rows | {run.name: row}).values(), order=names)
                print(f"{heading}: {_summary(plan, row)}", flush=True)


def run_key(tree: Path) -> str:
    """Return the key of a run, which is known before it runs.

    It is the hash of code, data and parameters of train and evaluate, without the outs of train.
    """
    train = stage_key("train", root=tree)
    evaluate = stage_key("evaluate", root=tree, without_outs_of=("train",))
    return f"{train}-{evaluate}"


def is_current(row: Row, key: str) -> bool:
    """Whether another run would give the same row.

    key: the current key of the run. The part of the evaluation is ignored if the training failed.
    """
    if row.status == "failed" and row.message.startswith("train:"):
        return row.key.partition("-")[0] == key.partition("-")[0]
    return row.key == key


def _prepare(workspace: Workspace) -> None:
    if failed := workspace.repro("split", experiment=""):
        raise RefcolorError(f"the data of the study cannot be made: {failed.message}")


def _run(workspace: Workspace, run: Run, *, key: str, earlier: Row | None, plan: str) -> Row:
    train_key = key.partition("-")[0]
    workspace.begin(key)
    # A training of an earlier row comes from DVC's run cache. Other trainings must run, even if the
    # user's own run is in the cache, for their times and for an MLflow run of this study.
    known = earlier is not None and earlier.status == "finished" and earlier.train_key == train_key
    cache = [] if known else ["--no-run-cache"]
    failed = workspace.repro("train", "--single-item", *cache, experiment=run.name)
    failed = failed or workspace.repro(
        "evaluate", "--single-item", "--no-run-cache", experiment=run.name
    )
    seconds = workspace.attempt
    trained = earlier.train_seconds if earlier and known else seconds.get("train", 0.0)
    row = replace(
        begun(run, commit=workspace.commit, plan=plan, key=key),
        train_seconds=round(trained, 1),
        evaluate_seconds=round(seconds.get("evaluate", 0.0), 1),
    )
    if failed:
        return replace(row, message=f"{failed.stage}: {failed.message}")
    workspace.save(run.name)
    return replace(
        with_numbers(row, workspace.tree),
        evaluate_key=locked_key("evaluate", read_lock(workspace.tree)),
    )


def begun(run: Run, *, commit: str, plan: str, key: str) -> Row:
    """Return the row of a run without results, which is that of a failed one.

    commit: of the code.  plan: the digest of the plan.  key: of `run_key`.
    """
    return Row(
        arm=run.arm,
        seed=run.seed,
        status="failed",
        changes=as_text(run.changes),
        experiment=run.name,
        commit=commit,
        plan=plan,
        torch=version("torch"),
        key=key,
        train_key=key.partition("-")[0],
    )


def with_numbers(row: Row, tree: Path) -> Row:
    """Return the row of a finished run with what its stages wrote, and what its network costs.

    tree: the checkout in which it ran.
    """
    from refcolor.study.cost import cost  # imported late: it takes torch

    settings = params.load(tree / "params.yaml")
    parameters, operations = cost(settings.model, size=settings.clean.size)
    training = json.loads((tree / "metrics/train.json").read_bytes())
    return replace(
        row,
        status="finished",
        parameters=parameters,
        operations=operations,
        metrics=json.loads((tree / "metrics/eval.json").read_bytes())
        | {f"train_{name}": value for name, value in training.items()},
    )


def keep(tree: Path, folder: Path, run: Run, *, first: bool) -> None:
    """Save the curves, and for drawn characters the pictures, that the figures show.

    first: whether this is the first seed, whose pictures are saved.
    """
    with replacing(folder / "curves" / f"{run.label}-{run.seed}.csv") as temporary:
        shutil.copyfile(tree / "metrics/curves/loss.csv", temporary)
    settings = params.load(tree / "params.yaml")
    if first and settings.source.kind == "sample":
        keep_pictures(tree, folder / "pictures", run.label, settings)


def _summary(plan: Plan, row: Row) -> str:
    if row.status == "failed":
        return f"failed, {row.message}"
    value = row.metrics.get(plan.primary)
    result = "finished" if value is None else f"{plan.primary} {value:.4g}"
    return f"{result} after {(row.train_seconds + row.evaluate_seconds) / 60:.1f} minutes"
