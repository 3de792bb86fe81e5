"""The figures of a study, drawn from its rows, curves and strips of pictures."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from refcolor.io import image
from refcolor.study.pictures import GIVEN
from refcolor.study.results import Results, result_names

MARKERS = "osD^vPX*<>+p"
ENLARGED = 1.28  # inches of a picture of a strip, at 100 dots per inch: 64 px are doubled
LETTER = 0.045  # inches above the strips for each letter of the longest name


def curves(results: Results, labels: Iterable[str], terms: Sequence[str] = ()) -> Figure | None:
    """Draw loss terms of some arms over the steps: seeds thin, their mean thick.

    terms: all that there are when empty. Returns None where no run of these arms left a curve.
    """
    known = set(results.curves.index.get_level_values(0))
    labels = [label for label in labels if label in known]
    if not labels:
        return None
    terms = terms or list(results.curves.loc[labels].dropna(axis=1, how="all").columns)
    figure, panels = _figure(len(terms), columns=2, height=2.6 if len(terms) > 1 else 4.0)
    for panel, term in zip(panels, terms, strict=True):
        for label in labels:
            seeds: pd.DataFrame = results.curves[term].loc[label].unstack(level=0)
            color = _look(results, label)["color"]
            if seeds.notna().any(axis=None):
                panel.plot(seeds, color=color, lw=0.6, alpha=0.5)
                panel.plot(seeds.mean(axis=1, skipna=False), color=color, lw=1.8, label=label)
        panel.set_title(term, loc="left", fontsize=10)
        panel.set_xlabel("step", fontsize=8)
    panels[0].legend(fontsize=8, frameon=False, ncols=2)
    return figure


def forest(results: Results) -> Figure | None:
    """Draw the differences of the main arms in the unit of the primary endpoint, with intervals.

    The endpoint first, then its parts and what is measured alike. None without a pair of runs.
    """
    base, primary = results.plan.main.baseline, results.plan.primary
    unit = primary.rpartition("transfer_")[2]
    several = len(results.plan.main.arms) > 2
    lines = [
        (f"{name} ({arm})" if several else name, arm, difference)
        for name in result_names(results.metrics, first=primary)
        for arm in results.plan.main.arms
        if unit in name and arm != base and (difference := results.difference(arm, base, name))
    ]
    if not lines:
        return None
    figure, (panel,) = _figure(1, height=0.6 + 0.26 * len(lines))
    for text, arm, difference in lines:
        color = _look(results, arm)["color"]
        panel.plot([difference.low, difference.high], [text, text], color=color, lw=2)
        panel.plot(difference.mean, text, "o", color=color)
    panel.axvline(0, color="black", lw=0.8)
    small = results.plan.smallest_difference
    panel.axvspan(-small, small, color="#dddddd", zorder=0)
    percent = f"{100 * results.plan.confidence:g} %"
    panel.set_xlabel(f"difference to {base}, {percent} t-interval over seeds", fontsize=9)
    panel.invert_yaxis()
    return figure


def attention_against(results: Results) -> Figure | None:
    """Draw the primary endpoint of every run over its attention accuracy, on both kinds of look-up.

    None where no run has an attention.
    """
    both = ("attention_accuracy", "attention_part_accuracy")
    measures = [measure for measure in both if measure in results.metrics]
    if not measures:
        return None
    figure, panels = _figure(len(measures), columns=2, height=4.2)
    for panel, measure in zip(panels, measures, strict=True):
        for label in results.labels:
            x, y = results.values(label, measure), results.values(label, results.plan.primary)
            if len(x):
                panel.plot(x, y, label=label, ls="", **_look(results, label))
        panel.set_xlabel(measure, fontsize=9)
        panel.set_ylabel(results.plan.primary, fontsize=9)
    panels[0].legend(fontsize=7, frameon=False, ncols=2)
    return figure


def screening(results: Results) -> Figure | None:
    """Draw the primary endpoint of each screened arm beside its reference, a dot for each seed.

    None without a finished screening run.
    """
    screened = results.plan.screening.arms if results.plan.screening else {}
    values = {arm: results.values(arm, results.plan.primary) for arm in screened}
    if not any(map(len, values.values())):
        return None
    reference = results.values(results.reference, results.plan.primary)
    values[results.reference] = reference
    figure, (panel,) = _figure(1, height=0.8 + 0.3 * len(values))
    for label in sorted(values, key=lambda label: values[label].mean()):
        color = "C1" if label == results.reference else "C0"
        panel.plot(values[label], [label] * len(values[label]), "o", color=color)
    panel.axvline(reference.mean(), color="C1", lw=0.8)
    panel.set_xlabel(f"{results.plan.primary} of each seed; no claims", fontsize=9)
    panel.invert_yaxis()
    return figure


def pictures(results: Results, folder: Path) -> Figure | None:
    """Lay the strips side by side: what was given, then every arm, then the truth.

    folder: of the strips. None where there are none.
    """
    sketch, reference, truth = GIVEN
    files = {name: folder / f"{name}.png" for name in (sketch, reference, *results.labels, truth)}
    strips = {name: image.read(file) for name, file in files.items() if file.exists()}
    if len(strips) <= len(GIVEN):
        return None
    height, width = strips[sketch].shape[:2]
    tall = ENLARGED * height / width
    names = 0.3 + LETTER * max(map(len, strips))
    figure = Figure(figsize=(ENLARGED * len(strips), tall + names))
    panels = figure.subplots(1, len(strips)).flat
    figure.subplots_adjust(0, 0, 1, tall / (tall + names), wspace=0.02)
    for panel, (name, strip) in zip(panels, strips.items(), strict=True):
        panel.imshow(strip, interpolation="nearest")
        panel.set_title(name, fontsize=9, rotation=40, ha="left", x=0.05)
        panel.axis("off")
    return figure


def _figure(count: int, *, columns: int = 1, height: float) -> tuple[Figure, list[Axes]]:
    """height: of a row of panels in inches."""
    columns = min(columns, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(9.0, height * rows), layout="constrained")
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for panel in panels[:count]:
        panel.grid(alpha=0.3)
        panel.tick_params(labelsize=8)
    for panel in panels[count:]:
        panel.axis("off")
    return figure, panels[:count]


def _look(results: Results, label: str) -> dict[str, Any]:
    """Return an arm the same colour and marker in every figure."""
    if label == results.reference:
        return {"color": "black", "marker": "x"}
    place = [arm for arm in results.labels if arm != results.reference].index(label)
    return {"color": f"C{place}", "marker": MARKERS[place % len(MARKERS)]}
