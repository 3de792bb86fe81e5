"""`refcolor benchmark`: pairs with a known answer, and any program measured on them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from refcolor.evaluation.real_drawings import read_real_pairs
from refcolor.io import image

from .conftest import CommandResult

Run = Callable[..., CommandResult]


@pytest.fixture
def folder(tmp_path: Path, refcolor: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three pairs, in the current folder."""
    monkeypatch.chdir(tmp_path)
    assert refcolor("benchmark", "make", "pairs", "--count", 3).code == 0
    return tmp_path


def test_the_pairs_are_frozen(folder: Path, refcolor: Run) -> None:
    """Each has all five pictures at 256 pixels, and a smaller count gives the first ones."""
    pairs = read_real_pairs(folder / "pairs")
    assert [pair.sketch.name for pair in pairs] == ["000.png", "001.png", "002.png"]
    assert all(image.read(pair.reference).shape == (256, 256, 3) for pair in pairs)
    assert "MIT" in (folder / "pairs" / "LICENSE.txt").read_text(encoding="utf-8")
    refcolor("benchmark", "make", "fewer", "--count", 1)
    for column in ("sketch", "reference", "truth", "labels", "reference_labels"):
        first, again = (folder / name / column / "000.png" for name in ("pairs", "fewer"))
        assert first.read_bytes() == again.read_bytes()


def test_results_stand_beside_the_trivial_answers(folder: Path, refcolor: Run) -> None:
    """The truth has no error and the copied reference that of copy_; a sheet shows both."""
    shutil.copytree("pairs/truth", "truth")
    line = "cp {reference} {output}"
    assert refcolor("benchmark", "score", "pairs", "copied", "--command", line).code == 0
    result = refcolor("benchmark", "score", "pairs", "truth", "copied", "--json", "-o", "s.png")
    table = json.loads(result.out)
    assert list(table) == ["paper", "grey", "mean_color", "figure_color", "copy", "truth", "copied"]
    assert table["truth"]["delta_e"] == table["truth"]["parts_delta_e"] == 0
    assert table["truth"]["white_kept"] == 1
    assert table["copied"]["delta_e"] == pytest.approx(table["copy"]["delta_e"])
    assert table["copied"]["seconds"] > 0
    assert image.read(folder / "s.png").shape[1] > 2 * 4 * 256
    assert "figure_color" in refcolor("benchmark", "score", "pairs", "truth").out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["make", "pairs"], 2, "pairs is not empty"),
        (["make", "new", "--count", "0"], 2, "--count must be 1 or more, got 0"),
        (["score", "pairs", "none"], 1, "none lacks 000.png, 001.png, 002.png; numbers of a part"),
        (["score", "none", "none"], 2, "does not exist"),
        (["score", "pairs", "a", "b", "--command", "x"], 2, "--command fills one folder"),
        (["score", "pairs", "a", "--command", "x {picture}"], 2, "may have {sketch}, {reference}"),
        (["score", "pairs", "a", "--command", "ls nothing"], 1, "row 1: ls ended with 2 and no"),
        (["score", "pairs", "a", "--command", "no-such-program"], 1, "no-such-program"),
    ],
)
def test_wrong_use_is_a_line(
    folder: Path, refcolor: Run, arguments: list[str], code: int, message: str
) -> None:
    """It says what, what was given and what to do."""
    result = refcolor("benchmark", *arguments)
    assert (result.code, message in result.last) == (code, True), result.err
