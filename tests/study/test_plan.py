from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from refcolor.errors import RefcolorError
from refcolor.params import flatten, load, read_yaml
from refcolor.study.plan import digest, load_plan, put, runs

from .conftest import PLAN

WritePlan = Callable[..., Path]


def test_the_order_of_runs(write_plan: WritePlan) -> None:
    """Seed by seed, the halfway run right before the run that continues it, the screening last."""
    names = [run.name for run in runs(load_plan(write_plan()))]
    assert names == [
        "tiny-scft-half-0",
        "tiny-scft-0",
        "tiny-triplet-0",
        "tiny-scft-half-1",
        "tiny-scft-1",
        "tiny-triplet-1",
        "tiny-scft-2",
        "tiny-triplet-2",
        "tiny-none-0",
        "tiny-none-1",
    ]


def test_what_a_run_changes(write_plan: WritePlan, content: dict[str, Any]) -> None:
    """A run sets what its part and its arm set, and the seed; the rest is the parameter file."""
    values = {run.name: run.values for run in runs(load_plan(write_plan()))}
    assert values["tiny-triplet-1"] == {"seed": 1, "train.epochs": 4, "loss.triplet": 1}
    assert values["tiny-scft-half-0"] == {"seed": 0, "train.epochs": 2}
    assert values["tiny-none-1"] == {"seed": 1, "train.epochs": 2, "model.attention": "none"}
    before = flatten(content)
    put(content, values["tiny-triplet-1"])
    assert flatten(content) == before | values["tiny-triplet-1"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"primry": 1}, "primry"),
        ({"main.baseline": "sga"}, "'sga' is not an arm of main"),
        ({"comparisons": []}, "comparisons"),
        ({"comparisons": PLAN["comparisons"] * 2}, "twice"),
        ({"primary": "delta_e"}, "lack the primary endpoint 'delta_e'"),
        ({"screening.seeds": [0, 9]}, "has seed 9, which main lacks"),
        ({"screening.arms": {"scft": {"asks": "again"}}}, "repeats the arm 'scft'"),
        ({"main.changes": {"train.epoch": 1}}, "'train.epoch', which is not a parameter"),
        ({"main.changes": {"train.epochs": 0}}, "tiny-scft-half-0|tiny-scft-0: train.epochs"),
        (
            {"screening.arms": {"x": {"asks": "", "changes": {"source.kind": "tape"}}}},
            "tiny-x-0: source.kind",
        ),
    ],
)
def test_a_plan_that_cannot_run_is_refused(
    write_plan: WritePlan, changes: dict[str, Any], message: str
) -> None:
    """Every run is checked before the first one, and the message names what is wrong."""
    with pytest.raises(RefcolorError, match=message):
        load_plan(write_plan(changes))


def test_the_digest_covers_plan_and_parameters(write_plan: WritePlan) -> None:
    """Changing a word of the plan or a number of its parameter file changes the digest."""
    path = write_plan()
    before = digest(path)
    path.write_text(path.read_text() + "# a word\n")
    reworded = digest(path)
    parameters = path.parent / "params.yaml"
    parameters.write_text(parameters.read_text().replace("margin: 12", "margin: 13"))
    assert len({before, reworded, digest(path)}) == 3


@pytest.mark.parametrize(
    ("folder", "count"),
    [
        ("docs/study", 28),
        ("docs/study/portraits", 6),
        ("docs/study/additions", 18),
        ("docs/study/faults", 24),
    ],
)
def test_the_plans_of_this_repository(root: Path, folder: str, count: int) -> None:
    """Our plans are valid, and have as many runs as they announce."""
    planned = list(runs(load_plan(root / folder / "plan.yaml")))
    assert sum(not run.halfway for run in planned) == count
    assert len({run.name for run in planned}) == len(planned)


@pytest.mark.parametrize(
    ("frozen", "preset"),
    [("sample-64.yaml", "sample-64"), ("portraits/folder-128.yaml", "folder-128")],
)
def test_frozen_parameters_have_the_keys_of_the_presets(
    root: Path, frozen: str, preset: str
) -> None:
    """The parameter files of our plans have every key of the presets, in their order."""
    study = root / "docs/study" / frozen
    load(study)
    assert list(flatten(read_yaml(study))) == list(
        flatten(read_yaml(root / "presets" / f"{preset}.yaml"))
    )
