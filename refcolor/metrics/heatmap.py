"""The confusion of parts as a picture."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from refcolor.image import Picture, from_figure
from refcolor.metrics.confusion import SOURCES, TAKERS, Counts, shares

_TITLES = {"attention": "Where the attention looks", "colour": "Whose colour arrives"}
_PANEL_INCHES = (5.4, 4.9)
_DOTS_PER_INCH = 110
_INK, _FAINT, _FRAME = "#22303c", "#8b97a3", "#d9822b"
_PAPER_TO_BLUE = LinearSegmentedColormap.from_list(
    "paper to blue", ["#fbfaf7", "#cfe0ee", "#7fb0d6", "#3b78b0", "#173f6b"]
)
_WHITE_FROM = 0.55  # share from which figures are white
_SHOWN_FROM = 0.005  # smaller shares are a dot


def draw_confusion(tables: Mapping[str, Counts]) -> Picture:
    """Draw a panel for each table: rows are parts of the sketch, columns whose colour they took.

    tables: `attention` or `colour` -> counts of `confusion`, at least one.
    Returns (H, W, 3) uint8. Figures are per cent of the row; the right answers are framed, rows
    that were never asked are empty.
    """
    width, height = _PANEL_INCHES
    figure = Figure(figsize=(width * len(tables), height), dpi=_DOTS_PER_INCH, layout="constrained")
    panels = figure.subplots(1, len(tables), squeeze=False)[0]
    for panel, (measure, counts) in zip(panels, tables.items(), strict=True):
        _draw(panel, _TITLES[measure], counts)
        panel.set_ylabel("part of the sketch" if panel is panels[0] else "", color=_INK)
    return from_figure(figure)


def _draw(panel: Axes, title: str, counts: Counts) -> None:
    values = shares(counts)
    panel.imshow(np.nan_to_num(values), cmap=_PAPER_TO_BLUE, vmin=0, vmax=1, aspect="auto")
    for (row, column), share in np.ndenumerate(values):
        if np.isnan(share):
            continue
        figure = f"{100 * share:.0f}" if share >= _SHOWN_FROM else "·"
        color = "white" if share >= _WHITE_FROM else _INK if share >= _SHOWN_FROM else _FAINT
        weight = "bold" if row == column else "normal"
        panel.text(column, row, figure, ha="center", va="center", color=color, weight=weight)
    for right in range(len(TAKERS)):
        corner = (right - 0.5, right - 0.5)
        frame = Rectangle(corner, 1, 1, fill=False, edgecolor=_FRAME, linewidth=1.8, zorder=3)
        panel.add_patch(frame).set_clip_on(False)
    panel.set_title(title, loc="left", color=_INK, fontsize=12, pad=10)
    panel.set_xticks(range(len(SOURCES)), SOURCES, rotation=35, ha="right", rotation_mode="anchor")
    panel.set_yticks(range(len(TAKERS)), TAKERS)
    panel.set_xlabel("part of the reference, % of the row", color=_INK)
    panel.set_xticks(np.arange(0.5, len(SOURCES) - 1), minor=True)
    panel.set_yticks(np.arange(0.5, len(TAKERS) - 1), minor=True)
    panel.grid(which="minor", color="white", linewidth=2)
    panel.tick_params(which="both", length=0, colors=_INK)
    panel.spines[:].set_visible(False)
