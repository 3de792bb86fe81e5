"""The real pipeline in a small repository: what reruns, what does not, and the same bytes."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest

from refcolor.io import image

from .conftest import STAGES, Project, copy_project

pytestmark = pytest.mark.slow


def test_an_unchanged_tree_runs_nothing(finished: Project) -> None:
    """`dvc repro` on an unchanged tree runs no stage."""
    assert finished.repro() == []


def test_everything_listed_is_kept_or_dropped(finished: Project) -> None:
    """Kept + dropped = listed at every stage, and the split divides what was kept."""
    counts = finished.numbers("data.json")
    for stage in ("discover", "download", "clean"):
        one = counts[stage]
        assert one["kept"] + sum(one["dropped"].values()) == one["listed"]
    assert counts["split"]["train"] + counts["split"]["validation"] == counts["clean"]["kept"]


def test_groups_reach_training_and_evaluation(finished: Project) -> None:
    """Three palettes are three groups in the split, and other pictures of them are measured."""
    groups = json.loads((finished.root / "data/split/groups.json").read_text())
    assert set(groups.values()) == {f"palette:2/{i}" for i in range(3)}
    numbers = finished.numbers("eval.json")
    assert {"other_delta_e", "grey_other_delta_e", "copy_other_ssim"} <= set(numbers)


def test_the_plots_page_shows_the_confusion_once(finished: Project) -> None:
    """`dvc plots show` finds the confusion of parts, drawn by our template."""
    pages = json.loads(finished.run("dvc", "plots", "show", "--json"))["data"]
    found = [plots for name, plots in pages.items() if name.endswith("confusion.csv")]
    assert len(found) == 1
    content = found[0][0]["content"]
    assert content["facet"]["row"]["field"] == "measure"
    took = {(row["part"], row["took"]) for row in content["data"]["values"]}
    assert ("hair", "hair") in took


def test_going_back_to_a_value_comes_from_the_cache(
    finished: Project, experiment: Project, tmp_path: Path
) -> None:
    """loss.triplet 0 -> 1 -> 0 trains once and gives the same bytes, and each result has a run."""
    assert experiment.lock() != finished.lock()
    project = copy_project(experiment, tmp_path)
    project.change(loss__triplet=0)
    assert project.repro() == []
    assert project.lock() == finished.lock()
    with contextlib.closing(sqlite3.connect(project.root / "mlflow.db")) as store:
        runs = store.execute(
            "select r.status, count(m.key) from runs r left join latest_metrics m "
            "on r.run_uuid = m.run_uuid group by r.run_uuid"
        ).fetchall()
    assert [status for status, _ in runs] == ["FINISHED", "FINISHED"]
    assert all(metrics > 20 for _, metrics in runs)


def test_an_experiment_has_one_name_in_dvc_and_mlflow(experiment: Project) -> None:
    """`dvc exp run -S` makes a DVC experiment and an MLflow run of one name, each found by it."""
    assert "triplet-on" in experiment.run("dvc", "exp", "list")
    assert "triplet-on" in experiment.run("refcolor", "runs", "triplet-on")
    assert "loss.triplet" in experiment.run("dvc", "params", "diff")


def test_a_temporary_run_keeps_its_state_in_the_repository(project: Project) -> None:
    """`dvc exp run --temp` tracks into the repository's own store, not into its clone."""
    states = project.root / ".refcolor" / "checkpoints"
    before = len(list(states.iterdir()))
    project.run("dvc", "exp", "run", "--temp", "-S", "loss.match=1", "train")
    assert len(list(states.iterdir())) == before + 1


def test_another_size_is_not_taken_from_the_run_cache(project: Project) -> None:
    """A changed `clean.size` makes new squares instead of taking old ones out of the run cache."""
    project.change(clean__size=48)
    assert project.repro("clean") == ["clean"]
    assert image.read(next((project.root / "data/color").iterdir())).shape == (48, 48, 3)


# Python runs a module of this name at its start. The named stage waits where it writes its first
# output, and `train` saves its state after every step.
PAUSE = """
import os, sys, threading, time
from pathlib import Path

def pause(event, arguments):
    if event != "open" or not isinstance(arguments[0], str | os.PathLike) or paused.exists():
        return
    path, _, flags = arguments
    inside = [(Path.cwd() / path).is_relative_to(output) for output in outputs]
    main = threading.current_thread() is threading.main_thread()
    if any(inside) and flags & (os.O_WRONLY | os.O_RDWR) and main:
        paused.touch()
        time.sleep(60)

paused = Path({paused!r})
outputs = [Path.cwd() / name for name in ("data", "models", "metrics")]
if "pipeline.{stage}" in sys.orig_argv:
    if "{stage}" == "train":
        from refcolor.training.checkpoint import StateFile
        StateFile.due = lambda self: True
    sys.addaudithook(pause)
"""


def interrupt(project: Project, stage: str, number: signal.Signals, *command: str) -> str:
    """Run a command, and send it a signal when a stage writes its first output; give its words."""
    folder = project.root.parent
    paused, hook = folder / "paused", folder / "hook" / "sitecustomize.py"
    paused.unlink(missing_ok=True)
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(PAUSE.format(paused=str(paused), stage=stage))
    with subprocess.Popen(
        command,
        cwd=project.root,
        env=project.environment | {"PYTHONPATH": f"{hook.parent}{os.pathsep}{project.root}"},
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        while not paused.exists() and process.poll() is None:
            time.sleep(0.02)
        os.killpg(process.pid, number)
        said, _ = process.communicate(timeout=30)
    assert process.returncode != 0, said
    return said


def test_every_stage_interrupted_ends_with_the_same_bytes(project: Project) -> None:
    """Each stage run by force, stopped by Ctrl-C where it writes (`train` also by SIGKILL), and run
    again ends with the dvc.lock of a pipeline that was never stopped.
    """
    expected = project.lock()
    project.change(runtime__tracker="none")
    project.run("rm", "-rf", ".dvc/cache/runs", ".refcolor")
    for stage in STAGES:
        repro = ("dvc", "repro", "--single-item", "--force", stage)
        said = interrupt(project, stage, signal.SIGINT, *repro)
        assert "stopped. The same command goes on from here." in said
        assert "Traceback" not in said
        if stage == "train":
            interrupt(project, stage, signal.SIGKILL, *repro)
        said = project.run(*repro)
        assert ("resumed at step" in said) == (stage == "train")
    assert project.lock() == expected
