"""The figures of a study's page, drawn from its rows, curves and strips of pictures."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from refcolor import image
from refcolor.image import Picture
from refcolor.study.pictures import GIVEN
from refcolor.study.results import BASELINES, Curve, Results

DOTS_PER_INCH = 100
# As many as markers, so that no two arms of one figure look alike before there are thirteen.
COLORS = (
    *("#3b6ea5", "#c8553d", "#588b4c", "#8d6cab", "#b08900", "#3d9c9c"),
    *("#d678a8", "#777777", "#7a4a20", "#2f2f6f", "#9ac43c", "#f08c1a"),
)
MARKERS = "osD^vPX*<>hp"
ENLARGED = 1.28  # inches of a picture of a strip: 64 px are doubled


def learning_curves(results: Results) -> Picture | None:
    """Draw each loss term of the main arms over the steps: seeds thin, their mean thick.

    Returns (H, W, 3) uint8, None where no run has left a curve.
    """
    arms = [arm for arm in results.plan.main.arms if _curves(results, arm)]
    if not arms:
        return None
    columns = [name for arm in arms for name in _curves(results, arm)[0][0] if name != "step"]
    names = sorted(set(columns), key=lambda name: (name != "validation", columns.index(name)))

    def draw(panels: Sequence[Axes]) -> None:
        for panel, name in zip(panels, names, strict=False):
            for arm in arms:
                _lines(panel, _curves(results, arm), name, color=_look(results, arm)[0], label=arm)
            panel.set_title(name, loc="left", fontsize=10)
            panel.set_xlabel("step", fontsize=8)
        panels[0].legend(fontsize=8, frameon=False)

    return _figure(draw, panels=len(names), columns=2, height=2.6)


def screened_curves(results: Results) -> Picture | None:
    """Draw the validation loss of the screened arms beside the baseline's, means over seeds.

    Returns (H, W, 3) uint8, None where no screened run has left a curve.
    """
    if results.plan.screening is None:
        return None
    arms = [arm for arm in results.plan.screening.arms if _curves(results, arm)]
    if not arms:
        return None

    def draw(panels: Sequence[Axes]) -> None:
        (panel,) = panels
        for label in (results.reference, *arms):
            color = "black" if label == results.reference else _look(results, label)[0]
            _lines(panel, _curves(results, label), "validation", color=color, label=label)
        panel.set_title("validation", loc="left", fontsize=10)
        panel.set_xlabel("step", fontsize=8)
        panel.legend(fontsize=8, frameon=False, ncols=2)

    return _figure(draw, panels=1, columns=1, height=4.0)


def forest(results: Results) -> Picture | None:
    """Draw the differences of the main arms in the unit of the primary endpoint, with intervals.

    The endpoint first, then its parts and what is measured alike. Returns (H, W, 3) uint8, None
    without a pair of runs.
    """
    base, primary = results.plan.main.baseline, results.plan.primary
    arms = [arm for arm in results.plan.main.arms if arm != base]
    unit = primary.rpartition("transfer_")[2]
    alike = sorted(
        {
            name
            for row in results.rows
            for name in row.metrics
            if unit in name and not name.startswith(BASELINES)
        },
        key=lambda name: (name != primary, not name.startswith(primary), name),
    )
    lines = [
        (arm, name, found)
        for name in alike
        for arm in arms
        if (found := results.difference(arm, base, name))
    ]
    if not lines:
        return None

    def draw(panels: Sequence[Axes]) -> None:
        (panel,) = panels
        for place, (arm, _, found) in enumerate(lines):
            color = _look(results, arm)[0]
            if found.low is not None and found.high is not None:
                panel.plot([found.low, found.high], [-place, -place], color=color, lw=2)
            panel.plot([found.mean], [-place], "o", color=color, ms=6)
        panel.axvline(0, color="black", lw=0.8)
        small = results.plan.smallest_difference
        panel.axvspan(-small, small, color="#dddddd", zorder=0)
        several = len(arms) > 1
        names = [f"{name} ({arm})" if several else name for arm, name, _ in lines]
        panel.set_yticks([-place for place in range(len(lines))], names, fontsize=8)
        percent = f"{100 * results.plan.confidence:g} %"
        panel.set_xlabel(f"difference to {base}, {percent} t-interval over seeds", fontsize=9)
        panel.set_ylim(-len(lines) + 0.4, 0.6)

    return _figure(draw, panels=1, columns=1, height=0.6 + 0.26 * len(lines))


def attention_against(results: Results) -> Picture | None:
    """Draw the primary endpoint of every run over its attention accuracy, on both kinds of look-up.

    Returns (H, W, 3) uint8, None where no run has an attention.
    """
    measures = ("attention_accuracy", "attention_part_accuracy")
    points = {
        (label, measure): _pairs(results, label, measure)
        for label in results.labels
        for measure in measures
    }
    shown = [one for one in measures if any(points[label, one] for label in results.labels)]
    if not shown:
        return None

    def draw(panels: Sequence[Axes]) -> None:
        for panel, measure in zip(panels, shown, strict=True):
            for label in results.labels:
                if points[label, measure]:
                    x, y = zip(*points[label, measure], strict=True)
                    color, marker = _look(results, label)
                    panel.plot(x, y, marker, color=color, label=label, ms=6)
            panel.set_xlabel(measure, fontsize=9)
            panel.set_ylabel(results.plan.primary, fontsize=9)
        panels[0].legend(fontsize=7, frameon=False, ncols=2)

    return _figure(draw, panels=len(shown), columns=2, height=4.2)


def screening(results: Results) -> Picture | None:
    """Draw the primary endpoint of each screened arm beside its reference, a dot for each seed.

    Returns (H, W, 3) uint8, None without a finished screening run.
    """
    if results.plan.screening is None:
        return None
    primary = results.plan.primary
    labels = [results.reference, *results.plan.screening.arms]
    values = {label: list(results.values(label, primary).values()) for label in labels}
    known = [label for label in labels if values[label]]
    if not known or known == [results.reference]:
        return None
    known.sort(key=lambda label: float(np.mean(values[label])))

    def draw(panels: Sequence[Axes]) -> None:
        (panel,) = panels
        for place, label in enumerate(known):
            color = COLORS[1] if label == results.reference else COLORS[0]
            panel.plot(values[label], [-place] * len(values[label]), "o", color=color, ms=6)
        if values[results.reference]:
            panel.axvline(float(np.mean(values[results.reference])), color=COLORS[1], lw=0.8)
        panel.set_yticks([-place for place in range(len(known))], known, fontsize=9)
        panel.set_xlabel(f"{primary} of each seed, lower is better; no claims", fontsize=9)

    return _figure(draw, panels=1, columns=1, height=0.8 + 0.3 * len(known))


def pictures(results: Results, folder: Path) -> Picture | None:
    """Lay the strips side by side: what was given, then every arm, then the truth.

    folder: of the strips. Returns (H, W, 3) uint8, None where there are none.
    """
    sketch, reference, truth = GIVEN
    names = [sketch, reference, *results.labels, truth]
    files = {name: folder / f"{name}.png" for name in names}
    strips = {name: image.read(file) for name, file in files.items() if file.exists()}
    if len(strips) <= len(GIVEN):
        return None
    height, width = next(iter(strips.values())).shape[:2]
    across, down = ENLARGED * len(strips), ENLARGED * height / width
    figure = Figure(figsize=(across, down + 0.9), dpi=DOTS_PER_INCH)
    panels = figure.subplots(1, len(strips), squeeze=False).flat
    figure.subplots_adjust(0.002, 0.002, 0.998, down / (down + 0.9), wspace=0.02)
    for panel, (name, strip) in zip(panels, strips.items(), strict=True):
        panel.imshow(strip, interpolation="nearest")
        panel.set_title(name, fontsize=9, rotation=40, ha="left", x=0.05)
        panel.axis("off")
    return image.from_figure(figure)


def _figure(
    draw: Callable[[Sequence[Axes]], None], *, panels: int, columns: int, height: float
) -> Picture:
    """height: of a row of panels in inches."""
    columns = min(columns, panels)
    rows = -(-panels // columns)
    figure = Figure(figsize=(9.0, height * rows), dpi=DOTS_PER_INCH, layout="constrained")
    every = list(figure.subplots(rows, columns, squeeze=False).flat)
    for panel in every[:panels]:
        panel.grid(alpha=0.3)
        panel.tick_params(labelsize=8)
    for panel in every[panels:]:
        panel.axis("off")
    draw(every[:panels])
    return image.from_figure(figure)


def _lines(panel: Axes, curves: Sequence[Curve], name: str, *, color: str, label: str) -> None:
    known = [[(row["step"], row[name]) for row in curve if name in row] for curve in curves]
    known = [points for points in known if points]
    for points in known:
        panel.plot(*zip(*points, strict=True), color=color, lw=0.6, alpha=0.5)
    if known and len({len(points) for points in known}) == 1:
        steps = [step for step, _ in known[0]]
        middle = np.mean([[value for _, value in points] for points in known], axis=0)
        panel.plot(steps, middle, color=color, lw=1.8, label=label)


def _curves(results: Results, label: str) -> list[Curve]:
    return [curve for (one, _), curve in sorted(results.curves.items()) if one == label and curve]


def _pairs(results: Results, label: str, measure: str) -> list[tuple[float, float]]:
    x, y = results.values(label, measure), results.values(label, results.plan.primary)
    return [(x[seed], y[seed]) for seed in sorted(set(x) & set(y))]


def _look(results: Results, label: str) -> tuple[str, str]:
    """Give an arm the same colour and marker in every figure."""
    main = list(results.plan.main.arms)
    place = (main + [one for one in results.labels if one not in main]).index(label)
    return COLORS[place % len(COLORS)], MARKERS[place % len(MARKERS)]
