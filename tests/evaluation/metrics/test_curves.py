"""The figure of the training curves."""

from pathlib import Path

import numpy as np

from refcolor.evaluation.metrics.curves import draw_curves


def write(path: Path, rows: int, names: list[str]) -> Path:
    """Write a curves file of straight lines."""
    lines = [",".join(["step", *names])]
    lines += [",".join([str(10 * row), *(str(row) for _ in names)]) for row in range(rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_panel_for_every_column(tmp_path: Path) -> None:
    """Three curves fill three quarters of the picture and leave the fourth empty."""
    picture = draw_curves(write(tmp_path / "c.csv", 5, ["a", "b", "c"]))
    assert picture.dtype == np.uint8
    height, width = picture.shape[0] // 2, picture.shape[1] // 2
    quarters = [
        picture[top : top + height - 40, left : left + width - 20]
        for top in (0, height + 40)
        for left in (0, width + 20)
    ]
    blue = [(quarter.astype(int)[..., 2] - quarter[..., 0] > 60).sum() for quarter in quarters]
    assert all(count > 100 for count in blue[:3])
    assert blue[3] == 0


def test_equal_curves_give_equal_bytes(tmp_path: Path) -> None:
    """A forced run writes the same picture again."""
    first = draw_curves(write(tmp_path / "one.csv", 3, ["a"]))
    second = draw_curves(write(tmp_path / "other.csv", 3, ["a"]))
    assert (first == second).all()
