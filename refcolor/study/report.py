"""The page of a study, written from its plan, its rows and the small files beside them."""

from collections.abc import Callable, Iterator
from pathlib import Path

from refcolor import image
from refcolor.files import write_lines
from refcolor.study import figures, sections
from refcolor.study.results import ROWS, TEST, WORDS, Results, read_results
from refcolor.study.table import read_rows


def write_report(path: Path) -> Path:
    """Write the page of a plan, and its figures; returns where the page is.

    path: of the plan. FOLDER/plan.yaml gives FOLDER.md and FOLDER/plots/. Equal files give equal
    bytes: nothing but the plan, the rows and what lies beside them is read.
    """
    results, folder = read_results(path), path.parent
    plots = folder / "plots"
    drawn = {
        "curves": figures.learning_curves(results),
        "forest": figures.forest(results),
        "attention": figures.attention_against(results),
        "screening": figures.screening(results),
        "screened": figures.screened_curves(results),
        "pictures": figures.pictures(results, folder / "pictures"),
    }
    for name, picture in drawn.items():
        if picture is not None:
            image.write(plots / f"{name}.png", picture)
        else:
            (plots / f"{name}.png").unlink(missing_ok=True)
    shown = {name for name, picture in drawn.items() if picture is not None}

    def figure(name: str, says: str) -> list[str]:
        return ["", f"![{says}]({folder.name}/plots/{name}.png)"] if name in shown else []

    page = folder.with_suffix(".md")
    write_lines(page, _page(results, folder, figure))
    return page


Draw = Callable[[str, str], list[str]]


def _page(results: Results, folder: Path, figure: Draw) -> Iterator[str]:
    plan = results.plan
    yield f"# {plan.title}"
    yield ""
    yield (
        f"Written by `refcolor study report` from [plan.yaml]({folder.name}/plan.yaml), "
        f"[{ROWS}]({folder.name}/{ROWS}) and what lies beside them; do not edit it. "
        f"A person's words come from `{folder.name}/{WORDS}`."
    )
    yield ""
    yield from sections.state(results)
    yield from ("", "## The question", "", plan.question.strip())
    yield from ("", *(f"- {rule.strip()}" for rule in plan.rules))
    if results.words.conclusions:
        yield from ("", "## What it says", "", results.words.conclusions.strip())
    yield from ("", "## The planned comparisons", "")
    yield from sections.planned(results)
    yield from figure(
        "forest", "Differences by seed with intervals; the band is too little to care"
    )
    yield from ("", "## Everything measured on the main arms", "")
    yield from sections.everything(results)
    yield from figure("curves", "Learning curves of the main arms")
    yield from figure("attention", f"`{plan.primary}` over attention accuracy")
    if plan.screening is not None:
        yield from ("", "## Screening", "")
        yield from sections.screening(results)
        yield from figure("screening", "Screened arms beside their reference")
        yield from figure("screened", "Validation loss of the screened arms")
        yield ""
        yield (
            "The validation loss is asked with the arm's own colour offset and warp, so an arm "
            "that changes these answers other questions; the transfer error asks all the same."
        )
    says = "Sketch, reference, every arm, true recolouring"
    if sheet := figure("pictures", says):
        yield from ("", "## The same pairs by every arm", "")
        told = "First seed of each arm, every n-th pair of the validation: nobody chose them."
        if plan.screening:
            told += f" `{results.reference}` is the baseline after half of its training."
        yield told
        yield from sheet
    yield from ("", "## What the arms cost", "")
    yield from sections.costs(results)
    if plan.observations:
        yield from ("", "## Observations of others, one by one", "")
        yield from sections.observations(results)
    if (folder / TEST).exists():
        yield from ("", "## The test set", "")
        yield from sections.test_set(results, read_rows(folder / TEST))
    yield from ("", "## Failures and deviations", "")
    yield from sections.failures(results)
