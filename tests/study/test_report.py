from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from refcolor.errors import RefcolorError
from refcolor.io import image
from refcolor.study import tables
from refcolor.study.plan import load_plan, runs
from refcolor.study.report import write_report
from refcolor.study.results import read_results
from refcolor.study.rows import Row, read_rows, write_rows

WritePlan = Callable[..., Path]
MakeRow = Callable[..., Row]
CURVE = """step,reconstruction,validation
10,0.4,0.30
20,0.3,0.20
"""


@pytest.fixture
def finished(write_plan: WritePlan, make_row: MakeRow) -> Path:
    """Give a plan whose runs have finished: triplet is 1.9, 2.0 and 2.1 worse; none is 5 worse."""
    plan = write_plan()
    folder = plan.parent
    rows, halfway = [], []
    for run in runs(load_plan(plan)):
        error = 12.0 + 0.1 * run.seed
        error += {"triplet": 1.9 + 0.1 * run.seed, "none": 5.0}.get(run.arm, 0.0)
        error += 1.0 if run.halfway or run.arm == "none" else 0.0
        numbers = {
            "transfer_delta_e": error,
            "grey_transfer_delta_e": 19.25,
            "train_steps": 20.0,
        }
        if run.arm != "none":
            numbers["attention_accuracy"] = 0.5 if run.arm == "triplet" else 0.3 + 0.01 * run.seed
        (halfway if run.halfway else rows).append(make_row(plan, run, **numbers))
        curve = folder / "curves" / f"{run.label}-{run.seed}.csv"
        curve.parent.mkdir(exist_ok=True)
        curve.write_text(CURVE)
        picture = np.full((64, 32, 3), 40 * run.seed, np.uint8)
        image.write(folder / "pictures" / f"{run.label}.png", picture)
    for kind in ("sketch", "reference", "truth"):
        image.write(folder / "pictures" / f"{kind}.png", np.zeros((64, 32, 3), np.uint8))
    write_rows(folder / "runs.csv", rows)
    write_rows(folder / "halfway.csv", halfway)
    return plan


def report(plan: Path) -> str:
    """Write tables and figures, and return the tables."""
    return write_report(plan).read_text(encoding="utf-8")


def edit(plan: Path, change: Callable[[Row], Row | None]) -> None:
    """Change rows; a row for which the function returns None is left out."""
    file = plan.parent / "runs.csv"
    changed = map(change, read_rows(file).values())
    write_rows(file, [row for row in changed if row is not None])


def test_the_tables_of_a_finished_study(finished: Path) -> None:
    """They have the planned difference as worked by hand, its verdict, and every picture."""
    text = report(finished)
    assert "**10 runs finished, 0 failed, 0 not run yet.**" in text
    # Differences 1.9, 2.0, 2.1: mean 2, deviation 0.1, half width 4.3027 * 0.1 / sqrt(3) = 0.2484.
    assert "| +2 [+1.752, +2.248] (3 pairs) |" in text
    assert "higher, as expected" in text
    assert "higher, against what was expected" in text  # the attention accuracy
    row = "| `transfer_delta_e` | 12.1 ± 0.1 | 14.1 ± 0.2 | +2 [+1.752, +2.248] (3 pairs) | 19.25 |"
    assert row in text
    assert "train_steps" not in text
    for name in ("forest", "curves", "attention", "screening", "screened", "pictures"):
        assert f"](plots/{name}.png)" in text
        assert (finished.parent / "plots" / f"{name}.png").stat().st_size > 1000


@pytest.mark.parametrize("study", ["study", "study/portraits"])
def test_the_tables_of_our_studies_follow_from_their_rows(root: Path, study: str) -> None:
    """The planned comparisons on our pages are computed from our rows, to the last digit."""
    results = read_results(root / "docs" / study / "plan.yaml")
    page = (root / "docs" / f"{study}.md").read_text(encoding="utf-8")
    lines = [line for line in tables.comparisons(results) if line.startswith("| `")]
    assert len(lines) == len(results.plan.comparisons)
    assert all(line in page for line in lines)


def test_the_screening_has_its_reference_and_no_test(finished: Path) -> None:
    """`none` is compared with the half-trained baseline of its seeds, without an interval."""
    (line,) = [line for line in report(finished).splitlines() if line.startswith("| `none` | 18 |")]
    assert line.split(" | ")[:4] == ["| `none`", "18", "18.1", "+5"]
    assert "[" not in line


def test_equal_files_give_equal_bytes(finished: Path) -> None:
    """Writing the tables twice changes no byte of them or of the figures."""

    def contents() -> list[bytes]:
        page = write_report(finished)
        return [file.read_bytes() for file in (page, *sorted((page.parent / "plots").iterdir()))]

    assert contents() == contents()


def test_a_study_without_a_row(write_plan: WritePlan) -> None:
    """Before the first run the tables list what is planned, and have no figure."""
    text = report(write_plan())
    assert "**0 runs finished, 0 failed, 10 not run yet.**" in text
    assert "not tested: fewer than two pairs" in text
    assert "](plots/" not in text
    assert "`tiny-none-1`" in text


def test_failed_and_missing_runs_are_named(finished: Path) -> None:
    """A failed run drops its pair, a missing one is listed; neither gets a number."""

    def change(row: Row) -> Row | None:
        if row.experiment == "tiny-triplet-2":
            return replace(row, status="failed", message="train: became nan", metrics={})
        return None if row.experiment == "tiny-scft-1" else row

    edit(finished, change)
    text = report(finished)
    assert "**8 runs finished, 1 failed, 1 not run yet.**" in text
    assert "- `tiny-triplet-2` failed: train: became nan" in text
    assert "- Not run yet: `tiny-scft-1`." in text
    assert "+1.9 (one pair, no interval)" in text


def test_a_plan_changed_after_a_run_is_reported(finished: Path) -> None:
    """Words that were changed after the runs are listed."""
    finished.write_text(finished.read_text().replace("Does it help?", "Did it help?"))
    assert "**The plan was changed after 10 of these runs**" in report(finished)


def test_a_small_difference_is_called_small(finished: Path) -> None:
    """An interval within the smallest difference that matters is reported as such."""

    def change(row: Row) -> Row:
        nearly = {0: 0.01, 1: -0.02, 2: 0.02}[row.seed] if row.arm == "triplet" else 0.0
        return replace(row, metrics={**row.metrics, "transfer_delta_e": 12.0 + nearly})

    edit(finished, change)
    assert "no difference of 0.3 or more" in report(finished)


def test_rows_that_are_not_planned_are_left_out(finished: Path) -> None:
    """A row of an arm that the plan does not have is not in the tables."""
    file = finished.parent / "runs.csv"
    rows = list(read_rows(file).values())
    unplanned = replace(rows[0], arm="gone", experiment="tiny-gone-0", metrics={"gone_psnr": 1.0})
    write_rows(file, [*rows, unplanned])
    assert "gone" not in report(finished)


def test_a_damaged_curve_is_reported(finished: Path) -> None:
    """Curves lie in Git, where a merge or an edit may damage them."""
    (finished.parent / "curves" / "none-0.csv").write_text("step,validation\n10,good\n")
    with pytest.raises(RefcolorError, match=r"none-0\.csv is not a table of numbers .*restore it"):
        write_report(finished)
