"""The study of faults: its plan, its frozen network, and two runs of a small plan."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from ruamel.yaml import YAML

from benchmarks.fault_study import fault_digest, stand_in
from benchmarks.faults import FAULTS, active
from refcolor.params import Params, read_yaml
from refcolor.study.plan import load_plan, put, runs
from refcolor.study.rows import read_rows

from ..pipeline.conftest import TINY, make_project
from ..study.conftest import PLAN

LOSSES = {"loss.perceptual": 0.01, "loss.style": 50, "loss.triplet": 1, "augment.mirror": 0}


def test_every_fault_is_an_arm_that_can_act(root: Path) -> None:
    """The plan has all faults as arms, with a comparison of the primary endpoint each."""
    path = root / "docs/study/faults/plan.yaml"
    plan = load_plan(path)
    assert list(plan.main.arms) == [plan.main.baseline, *FAULTS]
    assert [comparison.arm for comparison in plan.comparisons] == list(FAULTS)
    assert {comparison.metric for comparison in plan.comparisons} == {plan.primary}
    for run in runs(plan):
        content = read_yaml(path.parent / plan.parameters)
        put(content, run.values)
        if run.arm in FAULTS:
            active(run.arm, Params.model_validate(content), stage="train")


def test_the_frozen_network_is_the_same_each_time() -> None:
    """It has a quarter of VGG-19's channels, frozen weights, and gradients to the picture."""
    one, same = stand_in(), stand_in()
    picture = torch.rand(1, 3, 32, 32, requires_grad=True)
    maps = one(picture)
    assert [x.shape[1] for x in maps] == [16, 32, 64, 128, 128]
    assert all(torch.equal(x, y) for x, y in zip(maps, same(picture), strict=True))
    assert not any(weight.requires_grad for weight in one.parameters())
    assert torch.autograd.grad(maps[-1].sum(), picture)[0].abs().sum() > 0


def test_a_fault_has_a_key_of_its_own() -> None:
    """No training resumes from the state of another fault, or of the right one."""
    assert len({fault_digest(name) for name in ("", *FAULTS)}) == 1 + len(FAULTS)


@pytest.mark.slow
def test_a_small_study_of_faults(root: Path, tmp_path: Path) -> None:
    """Both arms get a row, other numbers, curves and pictures; only `--run` runs one again."""
    project = make_project(tmp_path / "project", TINY | LOSSES)
    shutil.copytree(root / "benchmarks", project.root / "benchmarks")
    folder = project.root / "study"
    folder.mkdir()
    shutil.copy(project.root / "params.yaml", folder)
    arms: dict[str, Any] = {"right": {"asks": "nothing"}, "batch_gram": {"asks": "one matrix"}}
    changes = {"model.query_stride": 0, "model.key_stride": 0, "model.transport": 0}
    main = {"seeds": [0], "changes": changes, "baseline": "right", "arms": arms}
    comparisons = [PLAN["comparisons"][0] | {"arm": "batch_gram"}]
    small = {"name": "faults", "main": main, "comparisons": comparisons}
    plan = {name: PLAN[name] for name in PLAN if name not in ("screening", "test")} | small
    YAML().dump(plan, folder / "plan.yaml")
    project.commit("plan")
    command = ("python", "-m", "benchmarks.fault_study", "--plan", "study/plan.yaml")
    project.run(*command)
    rows = read_rows(folder / "runs.csv")
    assert [row.status for row in rows.values()] == ["finished"] * 2
    right, fault = (rows[f"faults-{arm}-0"].metrics for arm in arms)
    assert right["train_steps"] == fault["train_steps"]
    assert right["train_style"] != fault["train_style"]
    assert right["transfer_delta_e"] != fault["transfer_delta_e"]
    assert (folder / "curves" / "batch_gram-0.csv").exists()
    assert (folder / "pictures" / "batch_gram.png").exists()
    assert project.run(*command).count("finished before, not run again") == 2
    assert "faults-right-0: runs" in project.run(*command, "--run", "faults-right-0")
    assert read_rows(folder / "runs.csv")["faults-right-0"].metrics == right
    refused = project.run(*command, "--run", "right-7", check=False)
    assert "has no run 'right-7'; its runs are faults-right-0, faults-batch_gram-0" in refused
