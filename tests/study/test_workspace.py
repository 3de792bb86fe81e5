"""The checkout of a study has complete files after a kill."""

import os
from pathlib import Path
from unittest.mock import Mock

import pytest

from refcolor.study.workspace import Workspace
from refcolor.tracking.stages import read_lock

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


def test_a_run_begins_with_the_outs_of_the_data_stages(workspace: Workspace) -> None:
    """dvc.lock drops train and evaluate once; calling it again continues."""
    workspace.begin("key")
    assert set(read_lock(workspace.tree)["stages"]) == {"split"}
    assert workspace.attempt == {"key": "key"}
    (workspace.tree / "dvc.lock").write_text(LOCK)
    workspace.begin("key")
    assert (workspace.tree / "dvc.lock").read_text() == LOCK


def test_a_kill_leaves_complete_files(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """dvc.lock and params.yaml are the old ones until the new ones are written, with comments."""
    source, target = tmp_path / "given.yaml", workspace.tree / "params.yaml"
    source.write_text("# first\nseed: 2  # of the run\n")
    workspace.write_parameters(source, {"seed": 3})
    assert target.read_text() == "# first\nseed: 3  # of the run\n"
    monkeypatch.setattr(os, "replace", Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        workspace.write_parameters(source, {"seed": 4})
    with pytest.raises(KeyboardInterrupt):
        workspace.begin("key")
    assert target.read_text() == "# first\nseed: 3  # of the run\n"
    assert (workspace.tree / "dvc.lock").read_text() == LOCK
