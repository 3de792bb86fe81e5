from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from refcolor.errors import RefcolorError
from refcolor.study.plan import load_plan, runs
from refcolor.study.rows import Row, as_text, read_rows, write_rows

MakeRow = Callable[..., Row]


def test_rows_survive_writing_and_reading(
    tmp_path: Path, write_plan: Callable[..., Path], make_row: MakeRow
) -> None:
    """Reading gives equal rows; a number that a run lacks stays missing."""
    plan = write_plan()
    first, second, *_ = runs(load_plan(plan))
    rows = [
        make_row(plan, first, transfer_delta_e=12.6321, ssim=0.85),
        replace(make_row(plan, second), status="failed", message='train: a "loss", became nan'),
    ]
    write_rows(tmp_path / "new" / "runs.csv", rows)
    assert list(read_rows(tmp_path / "new" / "runs.csv").values()) == rows
    assert read_rows(tmp_path / "none.csv") == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("0.85", "good"), "metrics.ssim should be a valid number, .*, got 'good'"),
        (("train_key", "trainkey"), "train_key is missing"),
        (("main", "<<<<<<< HEAD\nmain"), "seed should be a valid integer, .*got None"),
    ],
)
def test_a_damaged_row_is_reported(
    change: tuple[str, str],
    message: str,
    tmp_path: Path,
    write_plan: Callable[..., Path],
    make_row: MakeRow,
) -> None:
    """The message has the line and what to do: rows lie in Git, where a merge may damage them."""
    plan, path = write_plan(), tmp_path / "runs.csv"
    run, *_ = runs(load_plan(plan))
    write_rows(path, [replace(make_row(plan, run, ssim=0.85), arm="main")])
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(RefcolorError, match=rf"runs\.csv line 2: {message}; restore it from git"):
        read_rows(path)


@pytest.mark.parametrize("file", ["runs.csv", "halfway.csv", "portraits/runs.csv"])
def test_the_rows_of_this_repository_survive_reading_and_writing(
    file: str, root: Path, tmp_path: Path
) -> None:
    """Our rows, read and written again, are the same bytes."""
    path = root / "docs/study" / file
    write_rows(tmp_path / "runs.csv", read_rows(path).values())
    assert (tmp_path / "runs.csv").read_bytes() == path.read_bytes()


def test_rows_stand_in_the_order_of_the_plan(
    tmp_path: Path, write_plan: Callable[..., Path], make_row: MakeRow
) -> None:
    """Runs may finish in any order; a row of an arm that the plan lacks stays, at the end."""
    plan, path = write_plan(), tmp_path / "runs.csv"
    planned = list(runs(load_plan(plan)))
    rows = [make_row(plan, replace(planned[0], arm="gone"))]
    rows += [make_row(plan, planned[place]) for place in (3, 0)]
    write_rows(path, rows, order=[run.name for run in planned])
    assert list(read_rows(path)) == [planned[0].name, planned[3].name, rows[0].experiment]


def test_changes_in_one_line() -> None:
    """Changes read as on the command line of DVC."""
    assert as_text({"loss.triplet": 1, "filter.children": True}) == (
        "loss.triplet=1 filter.children=true"
    )
