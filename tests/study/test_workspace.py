"""The checkout of a study: what a kill may leave there is whole."""

import os
from pathlib import Path

import pytest

from refcolor.stages import read_lock
from refcolor.study.workspace import Workspace

LOCK = """\
schema: '2.0'
stages:
  split:
    cmd: python -m pipeline.split
  train:
    cmd: python -m pipeline.train
  evaluate:
    cmd: python -m pipeline.evaluate
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Give a workspace whose tree holds a dvc.lock and parameters only."""
    with (tmp_path / "lock").open("a") as lock:
        workspace = Workspace(tmp_path, "s", lock)
    workspace.tree.mkdir(parents=True)
    (workspace.tree / "dvc.lock").write_text(LOCK)
    (workspace.tree / "params.yaml").write_text("seed: 1\n")
    return workspace


def kill_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a process be killed when all is written, and before it takes the place of the old one."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)


def test_a_run_begins_with_what_the_data_stages_made(workspace: Workspace) -> None:
    """dvc.lock forgets train and evaluate, and the attempt is noted."""
    workspace.begin("key")
    assert set(read_lock(workspace.tree)["stages"]) == {"split"}
    assert workspace.attempt == {"key": "key"}


def test_a_kill_leaves_a_whole_lock(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """dvc.lock is the old one until the new one is there."""
    kill_at_the_end(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        workspace.begin("key")
    assert (workspace.tree / "dvc.lock").read_text() == LOCK


def test_a_kill_leaves_whole_parameters(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """params.yaml is the old one until the new one is there, comments included."""
    given = tmp_path / "given.yaml"
    given.write_text("# first\nseed: 2  # of the run\n")
    workspace.write_parameters(given, {"seed": 3})
    written = "# first\nseed: 3  # of the run\n"
    assert (workspace.tree / "params.yaml").read_text() == written
    kill_at_the_end(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        workspace.write_parameters(given, {"seed": 4})
    assert (workspace.tree / "params.yaml").read_text() == written
