"""The table of what happens to pictures before a step."""

from pathlib import Path

import pytest

from benchmarks import data
from benchmarks.data import alone, compared, lines, rates
from refcolor.params import Params


def test_works_take_turns_and_the_first_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six pictures in 2 s of CPU are 3 a second; the warm-up is not among them."""
    order: list[str] = []
    clock = iter([0.0, 9.0, 0.0, 9.0, 10.0, 12.0, 20.0, 21.0, 30.0, 33.0, 40.0, 41.5])
    monkeypatch.setattr("time.process_time", lambda: next(clock))
    works = {name: lambda name=name: order.append(name) for name in ("ours", "plain")}
    assert rates(works, pictures=6, rounds=2) == {"ours": [3.0, 2.0], "plain": [6.0, 4.0]}
    assert order == ["ours", "plain"] * 3


def test_a_line_has_the_median_of_the_ratios() -> None:
    """Worked by hand: ratios 2, 50 and 3 have the median 3; medians are 100 and 10."""
    line = compared("warp", [100.0, 500.0, 30.0], [50.0, 10.0, 10.0], target=3)
    assert line.split() == "warp 100 10.0 3 3".split()
    assert compared("warp", [29.0], [10.0], target=3).endswith("3          3  MISSED")
    assert alone("clean", [1.0, 90.0, 70.0]).split() == ["clean", "70"]


def test_everything_is_measured(settings: Params, tmp_path: Path) -> None:
    """Every part does its work on real files at 32 pixels, in two unequal batches."""
    head, *rest = lines(settings, count=7, rounds=1, folder=tmp_path)
    assert head.split() == ["ours", "plain", "ours/plain", "target"]
    found = {line.partition(",")[0]: line for line in rest}
    assert set(found) == {"draw a character", "clean", "sketch", "load", "batch", "XDoG", "warp"}
    assert len(rest) == 8
    for name in data.TARGETS:
        ours, plain, ratio, target = map(float, found[name].removesuffix("  MISSED").split()[-4:])
        assert ours > plain > 0
        assert ratio == pytest.approx(ours / plain, rel=0.2)
        assert target == data.TARGETS[name]
    assert len(list((tmp_path / "sketch").iterdir())) == 7
