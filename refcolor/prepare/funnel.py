"""The funnel: pictures listed, kept and dropped by reason at each stage."""

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
    """Count the pictures of discover, download, clean and sketch, and the foreign line art.

    data: the folder with discover.json, lineart.jsonl, download.jsonl, lineart.csv and sketch.csv.
    Raises RefcolorError for a malformed file, and ValueError when a picture is missing without a
    reason.
    """
    discover = read_json(data / "discover.json", _Discovered, advice="rerun `dvc repro discover`")
    failures = [
        *read_json_lines(data / "download.jsonl", _Failure, advice="rerun `dvc repro download`")
    ]
    failed = [failure.reason for failure in failures if failure.list == "manifest"]
    failed_line_art = [failure.reason for failure in failures if failure.list == "lineart"]
    measurements = list(measurements)
    clean = [measurement.reason for measurement in measurements]
    line_art = [measurement.reason for measurement in read_measurements(data / "lineart.csv")]
    flags = [flag for _, flag in read_inks(data / "sketch.csv").values()]
    clean_flags = [measurement.flag for measurement in measurements if not measurement.reason]
    stages = {
        "discover": asdict(discover),
        "download": _stage(failed, kept=discover.kept - len(failed)),
        "clean": _stage([reason for reason in clean if reason], kept=clean.count(""))
        | {"flagged": _count(clean_flags)},
    }
    for before, after in (("discover", "download"), ("download", "clean")):
        if stages[before]["kept"] != stages[after]["listed"]:
            raise ValueError(
                f"{before} kept {stages[before]['kept']} pictures, "
                f"{after} saw {stages[after]['listed']}"
            )
    if len(flags) != stages["clean"]["kept"]:
        raise ValueError(f"clean kept {stages['clean']['kept']}, sketch drew {len(flags)}")
    dropped_line_art = failed_line_art + [reason for reason in line_art if reason]
    line_art_stage = _stage(dropped_line_art, kept=line_art.count(""))
    listed = len(_lines(data / "lineart.jsonl"))
    if line_art_stage["listed"] != listed:
        raise ValueError(
            f"discover kept {listed} line drawings, clean saw {line_art_stage['listed']}"
        )
    return stages | {
        "sketch": {"drawn": len(flags), "flagged": _count(flags)},
        "line_art": line_art_stage,
    }


def read_inks(path: Path) -> dict[str, tuple[float, str]]:
    """Read data/sketch.csv: id -> (share of ink, flag)."""
    rows = read_csv(path, _Ink, advice="rerun `dvc repro sketch`")
    return {row.id: (row.ink, row.flag) for row in rows}


def _lines(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="\n") as file:
        return list(file)


def _count(reasons: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(reason for reason in reasons if reason).items()))


def _stage(dropped: list[str], *, kept: int) -> dict[str, Any]:
    return {"listed": kept + len(dropped), "kept": kept, "dropped": _count(dropped)}
