"""The tables and figures of a study, beside the page that a person writes about them."""

from collections.abc import Iterator
from pathlib import Path

from matplotlib.figure import Figure

from refcolor.io import image
from refcolor.io.files import write_lines
from refcolor.study import figures, tables
from refcolor.study.results import Results, read_results


def write_report(path: Path) -> Path:
    """Write FOLDER/tables.md and FOLDER/plots/ of FOLDER/plan.yaml; returns where the tables are.

    Equal files give equal bytes: nothing but the plan, the rows and what lies beside them is read.
    """
    page = path.parent / "tables.md"
    write_lines(page, _page(read_results(path), path.parent))
    return page


def _page(results: Results, folder: Path) -> Iterator[str]:
    def figure(name: str, figure: Figure | None, text: str) -> Iterator[str]:
        file = folder / "plots" / f"{name}.png"
        file.unlink(missing_ok=True)
        if figure is not None:
            image.write(file, image.from_figure(figure))
            yield from ("", f"![{text}](plots/{name}.png)")

    plan = results.plan
    yield from (f"# {plan.title}: tables", "")
    yield from ("Written by `refcolor study report` from the files beside it; do not edit it.", "")
    yield from tables.progress(results)
    yield from ("", "## The planned comparisons", "", *tables.comparisons(results))
    text = "Differences with intervals; within the grey band they are too small to care about"
    yield from figure("forest", figures.forest(results), text)
    yield from ("", "## Everything measured on the main arms", "", *tables.measured(results))
    yield from figure("curves", figures.curves(results, plan.main.arms), "Learning curves")
    text = f"`{plan.primary}` over attention accuracy"
    yield from figure("attention", figures.attention_against(results), text)
    if plan.screening is not None:
        yield from ("", "## Screening", "", *tables.screening(results))
        text = "Screened arms beside their reference"
        yield from figure("screening", figures.screening(results), text)
        labels = (results.reference, *plan.screening.arms)
        screened = figures.curves(results, labels, ["validation"])
        yield from figure("screened", screened, "Validation loss")
    yield from ("", "## The same pairs by every arm", "")
    yield "First seed of each arm; every n-th pair of the validation: nobody chose them."
    strips = figures.pictures(results, folder / "pictures")
    yield from figure("pictures", strips, "Sketch, reference, every arm, true recolouring")
    yield from ("", "## What the arms cost", "", *tables.costs(results))
    if results.test:
        yield from ("", "## The test set", "", *tables.test_set(results))
