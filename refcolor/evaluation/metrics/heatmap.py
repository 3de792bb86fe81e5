"""The confusion of parts as a picture."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from refcolor.evaluation.metrics.confusion import SOURCES, TAKERS, Counts, shares
from refcolor.io import image
from refcolor.io.image import Picture

_TITLES = {"attention": "Where the attention looks", "colour": "Whose colour arrives"}
_PANEL_INCHES = (5.4, 4.9)


def draw_confusion(tables: Mapping[str, Counts]) -> Picture:
    """Draw a panel for each table: rows are parts of the sketch, columns parts of the reference.

    tables: `attention` or `colour` -> counts of `confusion`, at least one.
    Returns (H, W, 3) uint8. Numbers are per cent of the row, a dot for less than 0.5; the diagonal
    is framed, rows without counts are empty.
    """
    width, height = _PANEL_INCHES
    figure = Figure(figsize=(width * len(tables), height), dpi=110, layout="constrained")
    panels = figure.subplots(1, len(tables), squeeze=False)[0]
    for panel, (measure, counts) in zip(panels, tables.items(), strict=True):
        panel.set_title(_TITLES[measure], loc="left")
        _draw(panel, counts)
    panels[0].set_ylabel("part of the sketch")
    return image.from_figure(figure)


def _draw(panel: Axes, counts: Counts) -> None:
    values = shares(counts)
    panel.pcolormesh(np.nan_to_num(values), cmap="Blues", vmin=0, vmax=1, ec="white", lw=2)
    for (row, column), share in np.ndenumerate(values):
        if not np.isnan(share):
            text = f"{100 * share:.0f}" if share >= 0.005 else "·"
            panel.text(
                column + 0.5,
                row + 0.5,
                text,
                ha="center",
                va="center",
                color="white" if share > 0.5 else "black",
                weight="bold" if row == column else "normal",
            )
    for part in range(len(TAKERS)):
        panel.add_patch(Rectangle((part, part), 1, 1, fill=False, ec="C1", lw=2, clip_on=False))
    columns, rows = np.arange(len(SOURCES)) + 0.5, np.arange(len(TAKERS)) + 0.5
    panel.set_xticks(columns, SOURCES, rotation=35, ha="right", rotation_mode="anchor")
    panel.set_yticks(rows, TAKERS)
    panel.set_xlabel("part of the reference, % of the row")
    panel.invert_yaxis()
    panel.tick_params(length=0)
    panel.spines[:].set_visible(False)
