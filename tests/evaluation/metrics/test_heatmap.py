"""The figure of the confusion shows what the table says."""

import json
from pathlib import Path

import numpy as np

from refcolor.evaluation.metrics.confusion import SOURCES, TAKERS
from refcolor.evaluation.metrics.heatmap import draw_confusion


def _counts(*places: tuple[int, int]) -> np.ndarray:
    counts = np.zeros((6, 7), np.int64)
    for row, column in places:
        counts[row, column] = 5
    return counts


def test_a_panel_for_each_table() -> None:
    """Attention and colours are two panels; without attention one panel is left."""
    right = _counts(*((part, part) for part in range(6)))
    both, single = (
        draw_confusion({"attention": right, "colour": right}),
        draw_confusion({"colour": right}),
    )
    assert both.dtype == np.uint8
    assert both.shape[0] == single.shape[0]
    assert both.shape[1] == 2 * single.shape[1]


def test_the_dark_fields_are_the_large_shares() -> None:
    """All hair in the first column, all background in the last: dark top left, bottom right."""
    picture = draw_confusion({"colour": _counts((0, 0), (5, 6))}).astype(int)
    dark = picture[..., 2] - picture[..., 0] > 70  # the deepest blue; ink is nearly grey
    rows, columns = (np.flatnonzero(dark.mean(axis=axis) > 0.05) for axis in (1, 0))
    fields = dark[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = fields.shape[0] // 6, fields.shape[1] // 7
    assert fields[: height - 8, : width - 8].mean() > 0.7
    assert fields[8 - height :, 8 - width :].mean() > 0.7
    assert fields[: height - 8, 8 - width :].mean() < 0.1


def test_equal_tables_give_equal_bytes() -> None:
    """A forced run writes the same picture again."""
    counts = _counts((0, 0), (1, 3), (4, 6))
    np.testing.assert_array_equal(
        draw_confusion({"attention": counts}), draw_confusion({"attention": counts.copy()})
    )


def test_the_plots_page_of_dvc_has_the_same_order(root: Path) -> None:
    """The template for DVC sorts rows and columns as the picture does, and reads our columns."""
    template = json.loads((root / ".dvc" / "plots" / "parts.json").read_text(encoding="utf-8"))
    encoding = template["spec"]["encoding"]
    assert encoding["x"]["sort"] == list(SOURCES)
    assert encoding["y"]["sort"] == list(TAKERS)
    assert template["facet"]["row"]["field"] == "measure"
    assert template["data"]["format"]["parse"] == {"share": "number"}
