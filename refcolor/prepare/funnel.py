"""What became of every picture: kept + dropped = listed, at each stage, every reason counted."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from refcolor.io.tables import read_csv, read_json, read_json_lines
from refcolor.prepare.clean import Measurement, read_measurements


@dataclass(frozen=True)
class _Discovered:
    listed: int
    kept: int
    dropped: Mapping[str, int]


@dataclass(frozen=True)
class _Failure:
    id: str
    list: Literal["manifest", "lineart"]
    reason: str


@dataclass(frozen=True)
class _Ink:
    id: str
    ink: float
    flag: str


def funnel(data: Path, measurements: Iterable[Measurement]) -> dict[str, Any]:
    """Count the pictures through discover, download, clean and sketch, and the line art beside.

    data: the folder with discover.json, lineart.jsonl, download.jsonl, lineart.csv and sketch.csv.
    Raises RefcolorError for a file that a stage did not write so, and ValueError when a picture
    was lost without a reason.
    """
    discover = read_json(data / "discover.json", _Discovered, advice="rerun `dvc repro discover`")
    failures = [
        *read_json_lines(data / "download.jsonl", _Failure, advice="rerun `dvc repro download`")
    ]
    failed = [one.reason for one in failures if one.list == "manifest"]
    missing = [one.reason for one in failures if one.list == "lineart"]
    measurements = list(measurements)
    clean = [one.reason for one in measurements]
    line_art = [one.reason for one in read_measurements(data / "lineart.csv")]
    flags = [flag for _, flag in read_inks(data / "sketch.csv").values()]
    flags_of_clean = [one.flag for one in measurements if not one.reason]
    stages = {
        "discover": asdict(discover),
        "download": _stage(failed, kept=discover.kept - len(failed)),
        "clean": _stage([reason for reason in clean if reason], kept=clean.count(""))
        | {"flagged": _counted(flags_of_clean)},
    }
    for before, after in (("discover", "download"), ("download", "clean")):
        if stages[before]["kept"] != stages[after]["listed"]:
            raise ValueError(
                f"{before} kept {stages[before]['kept']} pictures, "
                f"{after} saw {stages[after]['listed']}"
            )
    if len(flags) != stages["clean"]["kept"]:
        raise ValueError(f"clean kept {stages['clean']['kept']}, sketch drew {len(flags)}")
    aside = _stage(missing + [reason for reason in line_art if reason], kept=line_art.count(""))
    listed = len(_lines(data / "lineart.jsonl"))
    if aside["listed"] != listed:
        raise ValueError(f"discover kept {listed} drawings aside, clean saw {aside['listed']}")
    return stages | {
        "sketch": {"drawn": len(flags), "flagged": _counted(flags)},
        "line_art": aside,
    }


def read_inks(path: Path) -> dict[str, tuple[float, str]]:
    """Read data/sketch.csv: the share of ink of each sketch, and its flag."""
    rows = read_csv(path, _Ink, advice="rerun `dvc repro sketch`")
    return {row.id: (row.ink, row.flag) for row in rows}


def _lines(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="\n") as file:
        return list(file)


def _counted(reasons: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(reason for reason in reasons if reason).items()))


def _stage(dropped: list[str], *, kept: int) -> dict[str, Any]:
    return {"listed": kept + len(dropped), "kept": kept, "dropped": _counted(dropped)}
