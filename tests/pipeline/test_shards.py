"""The whole pipeline on shards: the same model and the same numbers as on single files."""

import importlib
from functools import partial

import pytest
from ruamel.yaml import YAML

from refcolor.io.shards import pack

from .conftest import STAGES, Project

pytestmark = pytest.mark.slow

PACKED = {"data/raw", "data/color", "data/sketch"}


def outs(project: Project) -> dict[str, dict[str, bytes]]:
    """Give the files of every out in dvc.lock, by the out and their name."""
    stages = YAML(typ="safe").load(project.lock())["stages"]
    paths = [out["path"] for stage in stages.values() for out in stage["outs"]]
    return {
        path: {
            str(file.relative_to(project.root)): file.read_bytes()
            for file in [project.root / path, *(project.root / path).rglob("*")]
            if file.is_file()
        }
        for path in paths
    }


def test_shards_change_neither_model_nor_numbers(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With shards for more than five files only the folders of pictures differ: no table, split,
    weight, result or number does.
    """
    before = outs(project)
    project.change(runtime__tracker="none")
    monkeypatch.chdir(project.root)
    for name in STAGES[1:]:
        stage = importlib.import_module(f"pipeline.{name}")
        if hasattr(stage, "pack"):
            monkeypatch.setattr(stage, "pack", partial(pack, above=5))
        stage.main()
    after = outs(project)
    assert {path for path in after if after[path] != before[path]} == PACKED
    assert before.keys() == after.keys() and "metrics/eval.json" in after
    assert all(name.endswith(".tar") for path in PACKED for name in after[path])
    # One shard of each folder holds the same pictures.
    color, sketch = (
        sorted((project.root / "data" / name).iterdir()) for name in ("color", "sketch")
    )
    assert [path.name for path in color] == [path.name for path in sketch]
