from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from refcolor.errors import RefcolorError
from refcolor.study.plan import load_plan, runs
from refcolor.study.table import Row, as_text, find_row, read_rows, replaced, write_rows

MakeRow = Callable[..., Row]


def test_rows_come_back_as_they_were(
    tmp_path: Path, write_plan: Callable[..., Path], make_row: MakeRow
) -> None:
    """Writing and reading gives equal rows; a number that a run has not stays missing."""
    plan = write_plan()
    one, other, *_ = runs(load_plan(plan))
    rows = [
        make_row(plan, one, transfer_delta_e=12.6321, ssim=0.85),
        replace(make_row(plan, other), status="failed", message='train: a "loss", became nan'),
    ]
    write_rows(tmp_path / "new" / "runs.csv", rows)
    assert read_rows(tmp_path / "new" / "runs.csv") == rows
    assert read_rows(tmp_path / "none.csv") == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("finished", "fine"), "status should be 'finished' or 'failed', got 'fine'"),
        (("0.85", "good"), "metrics.ssim should be a valid number, .*, got 'good'"),
        (("train_key", "trainkey"), "train_key is missing"),
        (("main", "<<<<<<< HEAD\nmain"), "seed should be a valid integer, .*got None"),
    ],
)
def test_a_damaged_row_is_named(
    change: tuple[str, str],
    said: str,
    tmp_path: Path,
    write_plan: Callable[..., Path],
    make_row: MakeRow,
) -> None:
    """Rows lie in git, where a merge or a hand may spoil them: the line and what to do are said."""
    plan, path = write_plan(), tmp_path / "runs.csv"
    run, *_ = runs(load_plan(plan))
    write_rows(path, [replace(make_row(plan, run, ssim=0.85), arm="main")])
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(RefcolorError, match=rf"runs\.csv line 2: {said}; restore it from git"):
        read_rows(path)


def test_a_row_replaces_that_of_its_arm_and_seed(
    write_plan: Callable[..., Path], make_row: MakeRow
) -> None:
    """Rows stand in the order of the plan, whatever finished first, one for each arm and seed."""
    plan = write_plan()
    planned = [run for run in runs(load_plan(plan)) if not run.halfway]
    rows: list[Row] = []
    for run in (planned[3], planned[0], planned[3], planned[1]):
        rows = replaced(rows, make_row(plan, run, ssim=float(len(rows))), order=planned)
    assert [row.experiment for row in rows] == [planned[i].name for i in (0, 1, 3)]
    again = find_row(rows, planned[3])
    assert again is not None and again.metrics == {"ssim": 2.0}


def test_rows_that_the_plan_lost_stay(write_plan: Callable[..., Path], make_row: MakeRow) -> None:
    """A row of an arm that was taken out of the plan is not thrown away by the next one."""
    plan = write_plan()
    planned = [run for run in runs(load_plan(plan)) if not run.halfway]
    gone = replace(planned[0], arm="gone")
    rows = replaced([make_row(plan, gone)], make_row(plan, planned[1]), order=planned)
    assert [row.arm for row in rows] == [planned[1].arm, "gone"]


def test_changes_in_one_line() -> None:
    """Changes read as on the command line of DVC."""
    assert as_text({"loss.triplet": 1, "filter.children": True}) == (
        "loss.triplet=1 filter.children=true"
    )
