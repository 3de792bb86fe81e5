"""Stage `split`: training and validation pictures, evaluation pairs, and the funnel so far."""

import json
from pathlib import Path

from refcolor import errors, params
from refcolor.clean import read_measurements
from refcolor.duplicates import groups
from refcolor.funnel import funnel
from refcolor.sources.manifest import read_manifest
from refcolor.split import split

SPLIT = Path("data/split")


def main() -> None:
    """Write data/split and metrics/data.json."""
    settings = params.load().split
    measurements = read_measurements(Path("data/clean.csv"))
    hashes = {one.id: one.dhash for one in measurements if not one.reason}
    records = [one for one in read_manifest(Path("data/manifest.jsonl")) if one.id in hashes]
    families = {record.id: record.family for record in records}
    group_of = groups(
        list(hashes),
        list(hashes.values()),
        distance=settings.duplicate_distance,
        families=families,
    )
    sides = split(records, group_of, settings)
    SPLIT.mkdir(parents=True, exist_ok=True)
    pairs = ["sketch,reference", *(",".join(pair) for pair in sides.pairs)]
    for name, lines in (
        ("train.txt", sides.train),
        ("val.txt", sides.validation),
        ("pairs.csv", pairs),
    ):
        (SPLIT / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    counts = funnel(Path("data"), measurements) | {
        "split": {
            "groups": len(set(group_of.values())),
            "train": len(sides.train),
            "validation": len(sides.validation),
            "pairs": len(sides.pairs),
        }
    }
    Path("metrics/data.json").write_text(json.dumps(counts, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    errors.run(main)
