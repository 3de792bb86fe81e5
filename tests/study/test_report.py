import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from refcolor import image
from refcolor.errors import RefcolorError
from refcolor.study.plan import load_plan, runs
from refcolor.study.report import write_report
from refcolor.study.results import read_results
from refcolor.study.table import Row, read_rows, write_rows

WritePlan = Callable[..., Path]
MakeRow = Callable[..., Row]
CURVE = """step,discriminator,reconstruction,adversarial,{term}validation
10,0.25,0.4,0.8,{value}0.30
20,0.10,0.3,0.7,{value}0.20
"""


@pytest.fixture
def finished(write_plan: WritePlan, make_row: MakeRow) -> Path:
    """A plan whose runs have finished: triplet is 1.9, 2.0 and 2.1 worse; none is 5 worse."""
    plan = write_plan()
    folder = plan.parent
    rows, halfway = [], []
    for run in runs(load_plan(plan)):
        error = 12.0 + 0.1 * run.seed
        error += {"triplet": 1.9 + 0.1 * run.seed, "none": 5.0}.get(run.arm, 0.0)
        error += 1.0 if run.halfway or run.arm == "none" else 0.0
        numbers = {
            "transfer_delta_e": error,
            "delta_e": 7.5,
            "grey_transfer_delta_e": 19.25,
            "train_steps": 20.0,
        }
        if run.arm != "none":
            numbers["attention_accuracy"] = 0.5 if run.arm == "triplet" else 0.3 + 0.01 * run.seed
            numbers["attention_identity"] = 0.4
        (halfway if run.halfway else rows).append(make_row(plan, run, **numbers))
        curve = folder / "curves" / f"{run.label}-{run.seed}.csv"
        curve.parent.mkdir(exist_ok=True)
        triplet = run.arm == "triplet"
        curve.write_text(
            CURVE.format(term="triplet," if triplet else "", value="6.5," if triplet else "")
        )
        picture = np.full((64, 32, 3), 40 * run.seed, np.uint8)
        image.write(folder / "pictures" / f"{run.label}.png", picture)
    for given in ("sketch", "reference", "truth"):
        image.write(folder / "pictures" / f"{given}.png", np.zeros((64, 32, 3), np.uint8))
    write_rows(folder / "runs.csv", rows)
    write_rows(folder / "halfway.csv", halfway)
    return plan


def edited(plan: Path, change: Callable[[Row], Row | None]) -> None:
    """Change rows, or leave them out where None comes back."""
    file = plan.parent / "runs.csv"
    write_rows(file, [row for one in read_rows(file) if (row := change(one)) is not None])


def test_the_page_of_a_finished_study(finished: Path) -> None:
    """The page has the planned difference as worked by hand, its verdict, and every picture."""
    page = write_report(finished)
    text = page.read_text(encoding="utf-8")
    assert page == finished.parent.with_suffix(".md")
    assert "**8 of 8 runs finished, 0 failed.**" in text
    # Differences 1.9, 2.0, 2.1: mean 2, deviation 0.1, half width 4.3027 * 0.1 / sqrt(3) = 0.2484.
    assert "| +2 [+1.752, +2.248] (3 pairs) |" in text
    assert "higher, as expected" in text
    assert "higher, against what was expected" in text  # the attention accuracy
    for name in ("forest", "curves", "attention", "screening", "screened", "pictures"):
        assert f"](study/plots/{name}.png)" in text
        assert (finished.parent / "plots" / f"{name}.png").stat().st_size > 1000
    assert "No run failed, and none is missing." in text


def test_the_screening_has_its_reference_and_no_test(finished: Path) -> None:
    """`none` is compared with the half-trained baseline of its seeds, without an interval."""
    lines = write_report(finished).read_text(encoding="utf-8").splitlines()
    (line,) = [line for line in lines if line.startswith("| `none` | 18 |")]
    assert line.split(" | ")[:4] == ["| `none`", "18", "18.1", "+5"]
    assert "[" not in line


def test_equal_files_give_equal_bytes(finished: Path) -> None:
    """Writing the page twice changes no byte of it or of its figures."""

    def digests() -> list[str]:
        page = write_report(finished)
        files = [page, *sorted((finished.parent / "plots").iterdir())]
        return [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]

    assert digests() == digests()


def test_a_study_without_a_row(write_plan: WritePlan) -> None:
    """Before the first run the page says what is planned, and shows no figure."""
    plan = write_plan()
    text = write_report(plan).read_text(encoding="utf-8")
    assert "**0 of 8 runs finished, 0 failed, 8 not run yet.**" in text
    assert "not tested: fewer than two pairs" in text
    assert "](study/plots/" not in text
    assert "`tiny-none-1`" in text


def test_failed_and_missing_runs_are_told(finished: Path) -> None:
    """A failed run leaves its pair, a missing one is named, and no number is made up for either."""

    def change(row: Row) -> Row | None:
        if (row.arm, row.seed) == ("triplet", 2):
            return replace(row, status="failed", message="train: became nan", metrics={})
        return None if (row.arm, row.seed) == ("scft", 1) else row

    edited(finished, change)
    text = write_report(finished).read_text(encoding="utf-8")
    assert "**6 of 8 runs finished, 1 failed, 1 not run yet.**" in text
    assert "- `tiny-triplet-2` failed: train: became nan" in text
    assert "- Not run yet: `tiny-scft-1`." in text
    assert "+1.9 (one pair, no interval)" in text


def test_a_plan_that_changed_after_a_run_shows(finished: Path) -> None:
    """Words that were changed after the data are pointed at."""
    finished.write_text(finished.read_text().replace("Does it help?", "Did it help?"))
    text = write_report(finished).read_text(encoding="utf-8")
    assert "**The plan was changed after 10 of these runs**" in text


def test_a_small_difference_is_called_small(finished: Path, make_row: MakeRow) -> None:
    """An interval within the smallest difference that matters is told as such."""

    def change(row: Row) -> Row:
        nearly = {0: 0.01, 1: -0.02, 2: 0.02}[row.seed] if row.arm == "triplet" else 0.0
        return replace(row, metrics={**row.metrics, "transfer_delta_e": 12.0 + nearly})

    edited(finished, change)
    assert "no difference of 0.3 or more" in write_report(finished).read_text(encoding="utf-8")


def test_the_words_of_a_person(finished: Path) -> None:
    """Conclusions, deviations and answers come from words.yaml; an unknown key is refused."""
    words = finished.parent / "words.yaml"
    words.write_text("conclusions: It harms.\nobservations: {swing: It does swing.}\n")
    text = write_report(finished).read_text(encoding="utf-8")
    assert "It harms." in text and "It does swing." in text
    words.write_text("conclusion: It harms.\n")
    with pytest.raises(RefcolorError, match="conclusion"):
        write_report(finished)


def test_the_observations_are_answered_by_numbers(finished: Path) -> None:
    """Each observation has the numbers of the rows and curves, worked by hand."""
    text = write_report(finished).read_text(encoding="utf-8")
    answers = text[text.index("## Observations") : text.index("## Failures")]
    assert "averaged down to 8 x 8 places" in answers  # 32 px, three levels
    assert "has 28 of them" in answers  # 2 * (2 + 4 + 8)
    assert "(`none`, half budget, no claim) `transfer_delta_e` changes by +5." in answers
    assert "L_tr changes `attention_accuracy` by +0.19" in answers
    assert "**This study does not answer it**" in answers
    assert "goes from 6.5" in answers and "at step 10) to 6.5 at the end" in answers
    assert "changes by 33.33 % from one report to the next" in answers  # 0.3 to 0.2
    assert "the generator's term is 0.7 ± 0" in answers
    assert "lacks, 0.2 ± 0" in answers  # twice 0.1


def test_numbers_of_all_runs_alike_are_told_once(finished: Path) -> None:
    """What no run changes is no result, and stands in one line."""
    text = write_report(finished).read_text(encoding="utf-8")
    assert "The same in every run: `delta_e` 7.5, `attention_identity` 0.4." in text
    assert "| `transfer_delta_e` | 19.25 |" in text  # grey


def test_results_leave_out_what_is_not_planned(finished: Path) -> None:
    """A row of an arm that the plan does not have is no result of it."""
    file = finished.parent / "runs.csv"
    rows = read_rows(file)
    write_rows(file, [*rows, replace(rows[0], arm="gone", metrics={"transfer_delta_e": 1.0})])
    assert "gone" not in {row.arm for row in read_results(finished).rows}
    assert "gone" not in write_report(finished).read_text(encoding="utf-8")
