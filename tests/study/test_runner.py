"""A whole study of tiny runs in a small repository: killed, stopped, failed, continued."""

import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from ruamel.yaml import YAML

from refcolor.study.rows import Row, read_rows

from ..pipeline.conftest import TINY, Project, make_project
from .conftest import PLAN

pytestmark = pytest.mark.slow

NAMES = {"s-scft-half-0", "s-scft-0"}


@dataclass
class Trial:
    """A repository with a plan, and the commands of a user."""

    project: Project
    outputs: list[str] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        return self.project.root / "study"

    def rows(self, name: str = "runs.csv") -> dict[str, Row]:
        return read_rows(self.folder / name)

    def start(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            ["refcolor", "study", "run", "--plan", "study/plan.yaml"],
            cwd=self.project.root,
            env=self.project.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def go_on(self, check: bool = True) -> str:
        plan = ("--plan", "study/plan.yaml")
        return self.project.run("refcolor", "study", "run", *plan, check=check)

    def commit(self) -> None:
        self.project.run("git", "add", "-A")
        self.project.run("git", "commit", "-qm", "a commit")


def wait_for(happened: Callable[[], Any], process: "subprocess.Popen[bytes]") -> None:
    """Wait until a condition holds, while the study still runs."""
    limit = time.monotonic() + 240
    while not happened():
        assert process.poll() is None and time.monotonic() < limit, "it did not happen"
        time.sleep(0.05)


def states(trial: Trial) -> dict[Path, int]:
    """List the times at which the states of all trainings were saved."""
    folder = trial.project.root / ".refcolor" / "checkpoints"
    return {path: path.stat().st_mtime_ns for path in folder.glob("*/*/state.pt")}


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    """A study that was killed and stopped at chosen moments, and then ran to its end."""
    root = tmp_path_factory.mktemp("study") / "project"
    root.mkdir()
    project = make_project(root, TINY | {"runtime.save_seconds": 0.2})
    trial = Trial(project)
    trial.folder.mkdir()
    parameters = trial.folder / "params.yaml"
    shutil.copy(root / "params.yaml", parameters)
    plan = PLAN | {"name": "s", "comparisons": PLAN["comparisons"][:1]}
    plan["main"] = PLAN["main"] | {"seeds": [0], "changes": {"train.epochs": 40}}
    fails = {"asks": "does it fail?", "changes": {"train.learning_rate_generator": 1e20}}
    plan["main"]["arms"] = PLAN["main"]["arms"] | {"triplet": fails}
    plan["screening"] = {"seeds": [0], "changes": {"train.epochs": 20}, "arms": {}}
    YAML().dump(plan, trial.folder / "plan.yaml")
    trial.commit()
    project.set({"loss.margin": 5, "source.count": 25})  # of the user, and none of the study's

    # Everything dies at once in the middle of the first training, as in a power cut.
    process = trial.start()
    wait_for(lambda: states(trial), process)
    for child in [*psutil.Process(process.pid).children(recursive=True), process]:
        child.kill()
    process.wait()
    trial.outputs.append("killed")

    # Ctrl-C once the first run has its row and the next one is under way.
    process = trial.start()
    wait_for(lambda: trial.rows("halfway.csv"), process)
    known = states(trial)
    wait_for(lambda: states(trial) != known, process)
    process.send_signal(signal.SIGINT)
    assert process.wait(90) == 130
    trial.outputs.append(trial.go_on())
    return trial


def test_every_run_has_a_row(trial: Trial) -> None:
    """After a kill and a Ctrl-C all runs are there, with keys, cost, times and numbers."""
    rows = trial.rows() | trial.rows("halfway.csv")
    assert {name for name, row in rows.items() if row.status == "finished"} == NAMES
    for name in NAMES:
        row = rows[name]
        assert row.metrics["transfer_delta_e"] > 0 and row.metrics["train_steps"] > 0
        assert row.parameters > 1000 and row.operations > 10_000
        assert row.train_seconds > 0 and row.evaluate_seconds > 0
        assert len(row.train_key) == len(row.evaluate_key) == 16
        assert row.key.startswith(f"{row.train_key}-")
    assert rows["s-scft-half-0"].changes == "train.epochs=20"
    assert len({row.commit for row in rows.values()}) == 1


def test_the_stopped_training_resumed(trial: Trial) -> None:
    """The training that was interrupted resumed from its state."""
    assert "resumed at step" in trial.outputs[-1]


def test_a_failed_run_has_a_row(trial: Trial) -> None:
    """A loss that becomes NaN is recorded with the training's message, without numbers."""
    row = trial.rows()["s-triplet-0"]
    assert row.status == "failed"
    assert row.message.startswith("train: the ") and "loss became" in row.message
    assert not row.metrics and not row.evaluate_key


def test_a_finished_study_runs_nothing(trial: Trial) -> None:
    """Starting it again skips finished and failed runs alike, and changes no row."""
    before = (trial.folder / "runs.csv").read_bytes()
    output = trial.go_on()
    assert output.count("not run again") == 3
    assert "Running stage" not in output
    assert (trial.folder / "runs.csv").read_bytes() == before


def test_the_users_tree_is_left_alone(trial: Trial) -> None:
    """Only the study's folder is written; the user's parameters stay and were not used."""
    changed = trial.project.run("git", "status", "--porcelain").splitlines()
    assert sorted(line[3:] for line in changed) == [
        "params.yaml",
        "study/curves/",
        "study/halfway.csv",
        "study/pictures/",
        "study/runs.csv",
    ]
    assert not (trial.project.root / "models").exists()


def test_every_run_is_in_mlflow_once(trial: Trial) -> None:
    """MLflow has each run, finished, under the experiment's name and the tag `study`."""
    store = sqlite3.connect(trial.project.root / "mlflow.db")
    rows = store.execute(
        "select name, status from runs join tags on tags.run_uuid = runs.run_uuid "
        "where tags.key = 'study' and tags.value = 's'"
    ).fetchall()
    finished = [name for name, status in rows if status == "FINISHED"]
    assert sorted(finished) == sorted(NAMES)
    assert ("s-triplet-0", "FAILED") in rows


def test_the_users_repository_has_the_experiments(trial: Trial) -> None:
    """`dvc exp list` of the user's repository lists every finished run by name."""
    listed = trial.project.run("dvc", "exp", "list", "--all-commits", "--name-only").split()
    assert set(listed) >= NAMES


def test_dirty_code_is_refused(trial: Trial) -> None:
    """A study does not start while code differs from the commit, and the message names the file."""
    file = trial.project.root / "refcolor" / "training" / "train.py"
    code = file.read_text()
    file.write_text(code + "\n# an idea\n")
    output = trial.go_on(check=False)
    file.write_text(code)
    assert "refcolor/training/train.py" in output and "commit or restore" in output


def test_a_changed_evaluation_reuses_the_trainings(trial: Trial) -> None:
    """When only the evaluation changed, trainings come out of DVC's cache and rows are new."""
    before = trial.rows()
    parameters = trial.folder / "params.yaml"
    text = parameters.read_text()
    parameters.write_text(text.replace("warp: 0.15 ", "warp: 0.16 "))
    assert parameters.read_text() != text
    trial.commit()
    shutil.rmtree(trial.project.root / ".refcolor" / "study")  # a new clone is all that it costs
    output = trial.go_on()
    after = trial.rows()
    assert "Running stage 'train'" not in output
    assert after["s-scft-0"].train_key == before["s-scft-0"].train_key
    assert after["s-scft-0"].evaluate_key != before["s-scft-0"].evaluate_key
    assert after["s-scft-0"].train_seconds == before["s-scft-0"].train_seconds
    assert after["s-triplet-0"] == before["s-triplet-0"]


def test_tables_and_figures_are_written(trial: Trial) -> None:
    """`refcolor study report` writes them from the rows, pictures included."""
    trial.project.run("refcolor", "study", "report", "--plan", "study/plan.yaml")
    text = (trial.folder / "tables.md").read_text(encoding="utf-8")
    assert "2 runs finished, 1 failed" in text and "](plots/pictures.png)" in text
