"""What each fault of public copies costs: `python -m benchmarks.fault_study` runs the plan.

A training for each fault and seed of docs/study/faults/plan.yaml in the checkout of the study,
through the code of the stages `train` and `evaluate` with the fault switched on. Rows, curves and
pictures are those of `refcolor study run`, so that `refcolor study report` makes tables of them.
After any stop the same command goes on. `--run faults-right-0` repeats a single run.

The frozen network of the perceptual and style losses is VGG-19 at a quarter of the width with
random weights: those of ImageNet are a download, and the full width would double the time.
"""

import argparse
import contextlib
import inspect
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from unittest.mock import patch

from torch import nn

import pipeline.evaluate
import pipeline.train
import refcolor.training.train as training
from benchmarks.faults import FAULTS, Stage, active
from benchmarks.material import random_vgg
from refcolor import errors, params
from refcolor.errors import RefcolorError
from refcolor.study.plan import Plan, Run, digest, load_plan, runs
from refcolor.study.repository import code_commit, refuse_uncommitted
from refcolor.study.rows import ROWS, Row, read_rows, write_rows
from refcolor.study.runner import begun, keep, run_key, with_numbers
from refcolor.study.workspace import Workspace, opened
from refcolor.tracking.stages import stage_key
from refcolor.training.vgg import VGGFeatures, load_vgg

QUARTER_VGG = [16, 16, "M", 32, 32, "M", *[64] * 4, "M", *[128] * 4, "M", *[128] * 4, "M"]
OUTPUTS = ("models", "metrics/previews", "metrics/curves", "results", "metrics/images")


def run_faults(root: Path, path: Path, *, only: str = "") -> None:
    """Run every training of the plan whose row is missing or stale.

    root: the folder of the repository. path: of the plan, to whose folder rows, curves and pictures
    are written. only: the name of a single run, such as `faults-right-0`, which runs in any case.
    Raises RefcolorError when code or plan are not committed, for an arm that is not a fault or that
    cannot act, for a run that the plan does not have, and when the data cannot be prepared.
    """
    plan = load_plan(path)
    parameters = path.parent / plan.parameters
    refuse_uncommitted(root, [path, parameters, root / "benchmarks"])
    planned = list(runs(plan))
    names = [run.name for run in planned]
    if only:
        planned = [run for run in planned if run.name == only]
        if not planned:
            raise RefcolorError(f"{path} has no run {only!r}; its runs are {', '.join(names)}")
    with opened(root, plan.name) as workspace:
        workspace.check_out(code_commit(root))
        for run in planned:
            workspace.write_parameters(parameters, run.values | {"runtime.tracker": "none"})
            check_fault(plan, run, workspace.tree)
        if failed := workspace.repro("split", experiment=""):
            raise RefcolorError(f"the data of the study cannot be made: {failed.message}")
        for number, run in enumerate(planned, start=1):
            workspace.write_parameters(parameters, run.values | {"runtime.tracker": "none"})
            key = f"{run_key(workspace.tree)}-{fault_digest(run.arm)}"
            rows = read_rows(path.parent / ROWS)
            heading = f"[{number}/{len(planned)}] {run.name}"
            if not only and run.name in rows and rows[run.name].key == key:
                print(f"{heading}: {rows[run.name].status} before, not run again", flush=True)
                continue
            print(f"{heading}: runs", flush=True)
            row = run_fault(plan, run, workspace, key=key, plan_digest=digest(path))
            if row.status == "finished":
                keep(workspace.tree, path.parent, run, first=run.seed == plan.main.seeds[0])
            write_rows(path.parent / ROWS, (rows | {run.name: row}).values(), order=names)
            minutes = (row.train_seconds + row.evaluate_seconds) / 60
            print(f"{heading}: {row.message or row.status} after {minutes:.1f} minutes", flush=True)


def check_fault(plan: Plan, run: Run, tree: Path) -> None:
    """Raise RefcolorError for an arm that is not a fault, or that cannot act."""
    if run.arm != plan.main.baseline:
        active(run.arm, params.load(tree / "params.yaml"), stage="train")


def run_fault(plan: Plan, run: Run, workspace: Workspace, *, key: str, plan_digest: str) -> Row:
    """Train and evaluate in the checkout, with the fault of the arm; returns the row.

    A training whose loss or weights become NaN or infinite gives a failed row.
    """
    fault = "" if run.arm == plan.main.baseline else run.arm
    for folder in OUTPUTS:
        shutil.rmtree(workspace.tree / folder, ignore_errors=True)
    row = begun(run, commit=workspace.commit, plan=plan_digest, key=key)
    try:
        seconds = run_stage(pipeline.train.main, "train", fault, workspace)
    except RefcolorError as error:
        if training.DIVERGENCE_ADVICE not in str(error):
            raise
        return replace(row, message=f"train: {error}")
    row = replace(row, train_seconds=round(seconds, 1))
    seconds = run_stage(pipeline.evaluate.main, "evaluate", fault, workspace)
    return with_numbers(replace(row, evaluate_seconds=round(seconds, 1)), workspace.tree)


def run_stage(main: Callable[[], None], stage: Stage, fault: str, workspace: Workspace) -> float:
    """Run a stage in the checkout; returns its seconds.

    The fault enters the key of the training's state, so that none resumes from another's.
    """
    start = time.monotonic()

    def key(name: str, **options: object) -> str:
        return f"{stage_key(name, **options)}-{fault_digest(fault)}"  # type: ignore[arg-type]

    with (
        contextlib.chdir(workspace.tree),
        patch.dict(os.environ, DVC_ROOT=str(workspace.root)),
        patch.object(pipeline.train, "stage_key", key),
        # The key of the training in dvc.lock is for the tracker, which is off.
        patch.object(pipeline.evaluate, "locked_key", lambda _stage, _lock: ""),
        patch.object(training, "load_vgg", stand_in),
        active(fault, params.load(), stage=stage) if fault else contextlib.nullcontext(),
    ):
        main()
    return time.monotonic() - start


def stand_in() -> VGGFeatures:
    """Load a narrow VGG-19 with random weights, always the same, as the real one is loaded."""
    network = nn.Module()
    network.features = random_vgg(QUARTER_VGG, seed=0).layers
    return load_vgg(lambda: network)


def fault_digest(fault: str) -> str:
    """Name the code of a fault in 8 characters; another patch gives another name."""
    code = inspect.getsource(FAULTS[fault].patched) if fault in FAULTS else ""
    return sha256(f"{fault}\n{code}".encode()).hexdigest()[:8]


def main() -> None:
    """Run the plan."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--plan", type=Path, default=Path("docs/study/faults/plan.yaml"))
    parser.add_argument("--run", default="", metavar="NAME", help="repeat this run alone")
    options = parser.parse_args()
    run_faults(Path.cwd(), options.plan.resolve(), only=options.run)


if __name__ == "__main__":
    errors.run(main)
