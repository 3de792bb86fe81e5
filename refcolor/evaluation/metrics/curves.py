"""The curves of a training as a picture, because DVC's plots need a network connection."""

import csv
from pathlib import Path

from matplotlib.figure import Figure

from refcolor.io.image import Picture, from_figure

INCHES, DOTS_PER_INCH = (9.0, 5.0), 100


def draw_curves(path: Path) -> Picture:
    """Draw every column of a curves file over its steps, one panel a column.

    path: a CSV file with the column `step`.  Returns (H, W, 3) uint8.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    steps = [float(row["step"]) for row in rows]
    names = [name for name in rows[0] if name != "step"]
    figure = Figure(figsize=INCHES, dpi=DOTS_PER_INCH, layout="constrained")
    columns = 2 if len(names) > 1 else 1
    panels = figure.subplots(-(-len(names) // columns), columns, squeeze=False, sharex=True).flat
    for name, panel in zip(names, panels, strict=False):
        panel.plot(steps, [float(row[name]) for row in rows], color="#3b6ea5")
        panel.set_title(name, loc="left", fontsize=10)
        panel.grid(alpha=0.3)
    for panel in panels:
        panel.axis("off")
    return from_figure(figure)
