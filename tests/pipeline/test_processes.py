"""The stage `train` in two processes: started by itself, stopped in every way, tracked once."""

import os
import signal
import socket
import sqlite3
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from .conftest import Project, copy_project

pytestmark = pytest.mark.slow

PARAMETERS = {
    "train.processes": 2,
    "model.norm": "group",
    "train.epochs": 24,
    "runtime.save_seconds": 0.05,
}


@pytest.fixture(scope="module")
def shared(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Give a project that saves often and was trained by two processes, never stopped."""
    project = copy_project(finished, tmp_path_factory.mktemp("processes"))
    project.set(PARAMETERS)
    assert project.repro("train") == ["train"]
    return project


def runs(project: Project) -> list[str]:
    """Give the status of every MLflow run that two processes made."""
    rows = sqlite3.connect(project.root / "mlflow.db").execute(
        "select r.status from runs r join params p on r.run_uuid = p.run_uuid "
        "where p.key = 'train.processes' and p.value = '2' order by r.start_time"
    )
    return [status for (status,) in rows]


def saved(project: Project) -> dict[Path, int]:
    """Say when each state was written."""
    folder = project.root / ".refcolor" / "checkpoints"
    return {path: path.stat().st_mtime_ns for path in folder.glob("*/*/state.pt")}


def start(project: Project) -> tuple[subprocess.Popen[str], list[psutil.Process]]:
    """Start the stage and wait for its next state; give it and its two processes."""
    before = saved(project)
    stage = subprocess.Popen(
        ["python", "-m", "pipeline.train"],
        cwd=project.root,
        env=project.environment,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    limit = time.monotonic() + 120
    while saved(project) == before:
        assert stage.poll() is None and time.monotonic() < limit, "no state was saved"
        time.sleep(0.02)
    ranks = [
        child
        for child in psutil.Process(stage.pid).children()
        if child.environ().get("RANK") in ("0", "1")
    ]
    assert len(ranks) == 2
    return stage, sorted(ranks, key=lambda child: child.environ()["RANK"])


def test_the_stage_starts_its_processes(shared: Project) -> None:
    """`dvc repro` leaves the model of two processes and one finished MLflow run."""
    assert shared.numbers("train.json")["steps"] == 120
    assert runs(shared) == ["FINISHED"]


def test_a_stopped_stage_resumes_to_the_same_bytes(shared: Project) -> None:
    """A process killed, Ctrl-C, the parent killed: one line, no process left, the same model."""
    expected = shared.lock()
    # As if that training had never been: no state, no cached run.
    shared.run("git", "checkout", "-q", "dvc.lock")
    shared.run("rm", "-rf", ".refcolor/checkpoints", ".dvc/cache/runs")

    stage, ranks = start(shared)
    ranks[1].kill()
    said = stage.communicate(timeout=60)[0]
    assert stage.returncode == 1
    line = "refcolor: process 1 of 2 was ended by SIGKILL, and the training with it; the last state"
    assert said.count(line) == said.count("refcolor:") == 1
    assert "Traceback" not in said
    assert not psutil.wait_procs(ranks, timeout=10)[1]

    stage, ranks = start(shared)
    os.killpg(stage.pid, signal.SIGINT)
    said = stage.communicate(timeout=60)[0]
    assert stage.returncode == 130
    assert said.count("refcolor: stopped. The same command") == said.count("refcolor:") == 1
    assert "resumed at step" in said
    assert "Traceback" not in said
    assert not psutil.wait_procs(ranks, timeout=10)[1]

    stage, ranks = start(shared)
    stage.kill()
    assert not psutil.wait_procs(ranks, timeout=10)[1]
    stage.communicate()

    said = shared.run("dvc", "repro", "train")
    assert said.count("resumed at step") == 1
    assert shared.lock() == expected
    assert runs(shared) == ["FINISHED", "FINISHED"]


def test_torchrun_starts_them_on_two_hosts(shared: Project) -> None:
    """Started by hand as on two hosts, more epochs go on; only the first host's program speaks."""
    shared.set({"train.epochs": 25})
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    hosts = [
        subprocess.Popen(
            [
                *("torchrun", "--nnodes", "2", "--nproc-per-node", "1", "--node-rank", str(rank)),
                *("--master-addr", "localhost", "--master-port", str(port), "-m", "pipeline.train"),
            ],
            cwd=shared.root,
            env=shared.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in (0, 1)
    ]
    said = [host.communicate(timeout=120)[0] for host in hosts]
    assert [host.returncode for host in hosts] == [0, 0], said
    assert ["resumed at step 120" in words for words in said] == [True, False]
    assert shared.numbers("train.json")["steps"] == 125
