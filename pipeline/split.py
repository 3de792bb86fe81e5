"""Stage `split`: training and validation pictures, evaluation pairs, and the funnel so far."""

from pathlib import Path

import refcolor.interrupt  # noqa: F401
from refcolor import errors, params
from refcolor.clean import read_measurements
from refcolor.duplicates import groups
from refcolor.files import write_json, write_lines
from refcolor.funnel import funnel
from refcolor.sources.manifest import read_manifest
from refcolor.split import split

DATA, SPLIT = Path("data"), Path("data/split")


def main() -> None:
    """Write data/split and metrics/data.json."""
    settings = params.load().split
    measurements = read_measurements(DATA / "clean.csv")
    counts = funnel(DATA, measurements)
    hashes = {one.id: one.dhash for one in measurements if not one.reason}
    records = [one for one in read_manifest(DATA / "manifest.jsonl") if one.id in hashes]
    families = {record.id: record.family for record in records}
    distance = settings.duplicate_distance
    group_of = groups(list(hashes), list(hashes.values()), distance=distance, families=families)
    sides = split(records, group_of, settings)
    write_lines(SPLIT / "train.txt", sides.train)
    write_lines(SPLIT / "val.txt", sides.validation)
    write_lines(SPLIT / "pairs.csv", ["sketch,reference", *map(",".join, sides.pairs)])
    sizes = {"train": len(sides.train), "validation": len(sides.validation)}
    sizes |= {"pairs": len(sides.pairs), "groups": len(set(group_of.values()))}
    write_json(Path("metrics/data.json"), counts | {"split": sizes})


if __name__ == "__main__":
    errors.run(main)
