"""What became of every picture: kept + dropped = listed, at each stage, every reason counted."""

import csv
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from refcolor.clean import Measurement


def funnel(data: Path, measurements: Iterable[Measurement]) -> dict[str, Any]:
    """Count the pictures through discover, download, clean and sketch.

    data: the folder with discover.json, download.jsonl and sketch.csv.
    Raises ValueError when a picture was lost without a reason.
    """
    discover = json.loads((data / "discover.json").read_text(encoding="utf-8"))
    failures = [
        json.loads(line)["reason"]
        for line in (data / "download.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    reasons = [measurement.reason for measurement in measurements]
    with (data / "sketch.csv").open(encoding="utf-8", newline="") as file:
        flags = [row["flag"] for row in csv.DictReader(file)]
    stages = {
        "discover": discover,
        "download": _stage(failures, kept=discover["kept"] - len(failures)),
        "clean": _stage([reason for reason in reasons if reason], kept=reasons.count("")),
    }
    for before, after in (("discover", "download"), ("download", "clean")):
        if stages[before]["kept"] != stages[after]["listed"]:
            raise ValueError(
                f"{before} kept {stages[before]['kept']} pictures, "
                f"{after} saw {stages[after]['listed']}"
            )
    if len(flags) != stages["clean"]["kept"]:
        raise ValueError(f"clean kept {stages['clean']['kept']}, sketch drew {len(flags)}")
    flagged = Counter(flag for flag in flags if flag)
    return stages | {"sketch": {"drawn": len(flags), "flagged": dict(sorted(flagged.items()))}}


def _stage(dropped: list[str], *, kept: int) -> dict[str, Any]:
    return {
        "listed": kept + len(dropped),
        "kept": kept,
        "dropped": dict(sorted(Counter(dropped).items())),
    }
