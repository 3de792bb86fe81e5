"""The funnel counts every picture: kept + dropped = listed at every stage."""

import json
from pathlib import Path

import pytest

from refcolor.errors import RefcolorError
from refcolor.prepare.clean import Measurement, write_measurements
from refcolor.prepare.funnel import funnel


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Eleven listed, eight kept, two not fetched, one not clean, five drawn; three of line art."""
    discover = {"listed": 11, "kept": 8, "dropped": {"no_partner": 2, "over_count": 1}}
    (tmp_path / "discover.json").write_text(json.dumps(discover))
    lines = [
        {"id": "g", "list": "manifest", "reason": "not_found"},
        {"id": "h", "list": "manifest", "reason": "not_found"},
        {"id": "x", "list": "lineart", "reason": "gone"},
    ]
    (tmp_path / "lineart.jsonl").write_text('{"id": "x"}\n{"id": "y\u2028"}\n{"id": "z"}\n')
    write_measurements(
        tmp_path / "lineart.csv", [Measurement("y"), Measurement("z", reason="empty")]
    )
    (tmp_path / "download.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "sketch.csv").write_text(
        "id,ink,flag\na,0.1,\nb,0.4,too_dark\nc,0.001,too_light\nd,0.5,too_dark\ne,0.2,\n"
    )
    return tmp_path


def measured(**reasons: str) -> list[Measurement]:
    """Measure six pictures, those named dropped for their reason."""
    flags = {"b": "bars_not_uniform", "f": "bars_not_uniform"}
    return [Measurement(id, reason=reasons.get(id, ""), flag=flags.get(id, "")) for id in "abcdef"]


def test_every_picture_is_counted(data: Path) -> None:
    """Each stage lists what the one before kept, and counts what it dropped by reason."""
    assert funnel(data, measured(f="colorless")) == {
        "discover": {"listed": 11, "kept": 8, "dropped": {"no_partner": 2, "over_count": 1}},
        "download": {"listed": 8, "kept": 6, "dropped": {"not_found": 2}},
        "clean": {
            "listed": 6,
            "kept": 5,
            "dropped": {"colorless": 1},
            "flagged": {"bars_not_uniform": 1},
        },
        "sketch": {"drawn": 5, "flagged": {"too_dark": 2, "too_light": 1}},
        "line_art": {"listed": 3, "kept": 1, "dropped": {"empty": 1, "gone": 1}},
    }


def test_kept_and_dropped_make_listed(data: Path) -> None:
    """Kept + dropped = listed at every stage."""
    stages = funnel(data, iter(measured(f="colorless")))
    for name in ("discover", "download", "clean", "line_art"):
        stage = stages[name]
        assert stage["kept"] + sum(stage["dropped"].values()) == stage["listed"], name


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        ("measurement", "download kept 6 pictures, clean saw 5"),
        ("failure", "download kept 7 pictures, clean saw 6"),
        ("sketch", "clean kept 5, sketch drew 4"),
        ("drawing", "discover kept 2 line drawings, clean saw 3"),
    ],
)
def test_a_lost_picture_is_an_error(data: Path, lost: str, message: str) -> None:
    """A picture missing without a reason is an error at every stage."""
    measurements = measured(f="colorless")
    if lost == "measurement":
        measurements = measurements[1:]
    if lost == "failure":
        path = data / "download.jsonl"
        path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    if lost == "drawing":
        path = data / "lineart.jsonl"
        path.write_text('{"id": "x"}\n{"id": "z"}\n')
    if lost == "sketch":
        path = data / "sketch.csv"
        path.write_text(path.read_text().replace("e,0.2,\n", ""))
    with pytest.raises(ValueError, match=message):
        funnel(data, measurements)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("discover.json", '{"listed": 11}', "discover.json: kept is missing; rerun"),
        ("download.jsonl", '{"id": "g", "list": "manifest"}\n', "line 1: reason is missing; rerun"),
        ("download.jsonl", '{"id": "g", "list": "x", "reason": "y"}\n', "line 1: list should be"),
        ("sketch.csv", "id,ink,flag\na,much,\n", "line 2: ink should be a valid number"),
    ],
)
def test_a_damaged_file_is_named(data: Path, name: str, content: str, message: str) -> None:
    """The message has the file, the line, and the command that rewrites it."""
    (data / name).write_text(content)
    with pytest.raises(RefcolorError, match=message):
        funnel(data, measured(f="colorless"))
