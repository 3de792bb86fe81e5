"""The whole pipeline on shards: the same model and the same numbers as on single files."""

import os
import signal
import subprocess
import time

import pytest
from ruamel.yaml import YAML

from .conftest import Project, shard_above

pytestmark = pytest.mark.slow

PACKED = ("data/raw", "data/color", "data/sketch")


@pytest.fixture
def sharded(project: Project) -> Project:
    """A project where more than five files make shards; what is there are still files."""
    shard_above(project, 5)
    return project


def outs(lock: str) -> dict[str, str]:
    """Give the md5 of every out in dvc.lock."""
    stages = YAML(typ="safe").load(lock)["stages"]
    return {out["path"]: out["md5"] for stage in stages.values() for out in stage["outs"]}


def names(project: Project, folder: str) -> list[str]:
    """List what lies in a folder."""
    return sorted(path.name for path in (project.root / folder).iterdir())


def test_shards_change_neither_model_nor_numbers(sharded: Project) -> None:
    """Only the folders of pictures differ: tables, split, weights, results and numbers do not."""
    before = outs(sharded.lock())
    assert len(sharded.repro()) == 7
    after = outs(sharded.lock())
    assert {path for path in after if after[path] != before[path]} == set(PACKED)
    assert before.keys() == after.keys() and "metrics/eval.json" in after
    for folder in PACKED:
        assert all(name.endswith(".tar") for name in names(sharded, folder))
    # One shard of each folder holds the same pictures.
    assert names(sharded, "data/color") == names(sharded, "data/sketch")
    assert sharded.repro() == []


def test_a_kill_amid_packing_is_finished_by_the_next_run(sharded: Project) -> None:
    """Killed when a part of data/color is packed, the next run ends with the same lock."""
    straight = sharded.repro("sketch")
    assert straight == ["discover", "download", "clean", "sketch"]
    expected = sharded.lock()
    sharded.run("git", "checkout", "-q", "dvc.lock")
    sharded.run("rm", "-rf", ".dvc/cache/runs", "data/color")
    module = sharded.root / "refcolor" / "shards.py"
    code = module.read_text(encoding="utf-8")
    slow = code.replace("        _write(folder / shard, ", SLOWLY)
    assert slow != code
    module.write_text(slow, encoding="utf-8")
    process = subprocess.Popen(
        ["dvc", "repro", "clean"],
        cwd=sharded.root,
        env=sharded.environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    color, limit = sharded.root / "data/color", time.monotonic() + 120
    while len(list(color.glob("*.tar"))) < 3:
        assert process.poll() is None and time.monotonic() < limit, "nothing was packed"
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert len(list(color.glob("*.png"))) > 3
    module.write_text(code, encoding="utf-8")
    assert "clean" in sharded.repro("sketch")
    assert sharded.lock() == expected


SLOWLY = """\
        if folder.name == "color":
            import time
            time.sleep(0.5)
        _write(folder / shard, """
