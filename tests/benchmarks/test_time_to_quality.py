"""Time to quality: which step counts, the minutes, and the command on a small preset."""

from pathlib import Path

import pytest

from benchmarks import time_to_quality
from benchmarks.time_to_quality import PAIRS, Point, prepare, table
from refcolor.errors import RefcolorError

from ..conftest import TINY


def test_the_first_judgement_that_reaches_a_quality_counts() -> None:
    """Minutes are start-up and steps; a quality that is reached once is reached."""
    points = [Point(90, 0.5, 12, 0.62), Point(180, 1, 11, 0.55), Point(2700, 15, 11.6, 0.58)]
    never = "not reached (0.58 after 15 epochs)"
    assert table("small", points, {"idle": (6, 0.3), "busy": (12, 0.6)}) == [
        f"| small | steps |  |  | 180 | 180 | {never} | {never} |",
        "| small | minutes, idle | 6.0 | 0.300 | 1.0 | 1.0 |  |  |",
        "| small | minutes, busy | 12.0 | 0.600 | 2.0 | 2.0 |  |  |",
    ]


@pytest.mark.parametrize(
    ("preset", "problem"),
    [
        ("presets/no-such.yaml", "cannot be read"),
        ("presets/folder-128.yaml", "got folder and 128 pixels"),
    ],
)
def test_a_preset_that_cannot_be_measured_is_refused(
    preset: str, problem: str, tmp_path: Path
) -> None:
    """Its file is missing, or its pictures are not those of the pairs; nothing is written."""
    with pytest.raises(RefcolorError, match=f"^{preset} .*{problem}"):
        prepare(Path(preset), tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_a_folder_of_other_parameters_is_refused(tmp_path: Path) -> None:
    """Its data and its curve are those of another preset."""
    (tmp_path / "params.yaml").write_bytes(Path("presets/sample-64.yaml").read_bytes())
    with pytest.raises(RefcolorError, match=f"other parameters than {PAIRS}; delete it"):
        prepare(PAIRS, tmp_path)


@pytest.mark.slow
def test_a_small_preset_has_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Five steps an epoch are judged at every second step; a second run has the curve."""
    preset = tmp_path / "tiny.yaml"
    preset.write_text(TINY.replace("count: 11", "count: 24").replace("size: 48", "size: 64"))
    monkeypatch.setattr(time_to_quality, "PAIRS", preset)
    monkeypatch.setattr(time_to_quality, "ROUND", 2)
    monkeypatch.setattr(time_to_quality, "ROUNDS", 3)
    command = ["time_to_quality", "--preset", str(preset), "--folder", str(tmp_path / "out")]
    monkeypatch.setattr("sys.argv", [*command, "--only-curve"])
    time_to_quality.main()
    curve = (tmp_path / "out" / "tiny" / "curve.csv").read_text().splitlines()
    assert curve[0] == "step,epoch,transfer_delta_e,share"
    assert [line.split(",")[0] for line in curve[1:]] == ["2", "4", "6", "8", "10"]
    assert len({line.split(",")[2] for line in curve}) == 6
    monkeypatch.setattr("sys.argv", command)
    capsys.readouterr()
    time_to_quality.main()
    *_, steps, idle, busy = capsys.readouterr().out.splitlines()
    assert steps.startswith("| tiny | steps |  |  | not reached (1.")
    assert steps.count("after 2 epochs)") == 4
    for row, load in ((idle, "idle"), (busy, "busy")):
        _, name, minutes, startup, step, *_ = (cell.strip() for cell in row.split("|"))
        assert (name, minutes) == ("tiny", f"minutes, {load}")
        assert float(startup) > 0
        assert float(step) > 0
