"""What became of every picture: kept + dropped = listed, at each stage, every reason counted."""

import csv
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from refcolor.clean import Measurement, read_measurements


def funnel(data: Path, measurements: Iterable[Measurement]) -> dict[str, Any]:
    """Count the pictures through discover, download, clean and sketch, and the line art beside.

    data: the folder with discover.json, lineart.jsonl, download.jsonl, lineart.csv and sketch.csv.
    Raises ValueError when a picture was lost without a reason.
    """
    discover = json.loads((data / "discover.json").read_text(encoding="utf-8"))
    failures = [json.loads(line) for line in _lines(data / "download.jsonl")]
    failed = [one["reason"] for one in failures if one["list"] == "manifest"]
    missing = [one["reason"] for one in failures if one["list"] == "lineart"]
    measurements = list(measurements)
    clean = [one.reason for one in measurements]
    line_art = [one.reason for one in read_measurements(data / "lineart.csv")]
    flags = [flag for _, flag in read_inks(data / "sketch.csv").values()]
    flags_of_clean = [one.flag for one in measurements if not one.reason]
    stages = {
        "discover": discover,
        "download": _stage(failed, kept=discover["kept"] - len(failed)),
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
    with path.open(encoding="utf-8", newline="") as file:
        return {row["id"]: (float(row["ink"]), row["flag"]) for row in csv.DictReader(file)}


def _lines(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="\n") as file:
        return list(file)


def _counted(reasons: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(reason for reason in reasons if reason).items()))


def _stage(dropped: list[str], *, kept: int) -> dict[str, Any]:
    return {"listed": kept + len(dropped), "kept": kept, "dropped": _counted(dropped)}
