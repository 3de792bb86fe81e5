"""Stage `split`: training and validation pictures, evaluation pairs, and the data report."""

from pathlib import Path

import refcolor.interrupt  # noqa: F401
from refcolor import errors, params
from refcolor.io import image
from refcolor.io.files import write_json, write_lines
from refcolor.prepare.clean import read_measurements
from refcolor.prepare.duplicates import group_duplicates
from refcolor.prepare.funnel import funnel, read_inks
from refcolor.prepare.report import draw_report
from refcolor.prepare.split import families, split
from refcolor.sources.manifest import read_manifest
from refcolor.sources.takedown import read_takedown

DATA, SPLIT, METRICS = Path("data"), Path("data/split"), Path("metrics")


def main() -> None:
    """Write data/split, metrics/data.json and metrics/data.png."""
    settings = params.load()
    measurements = read_measurements(DATA / "clean.csv")
    counts = funnel(DATA, measurements)
    takedown = read_takedown(Path(settings.source.exclude_file))
    hashes = {one.id: one.dhash for one in measurements if not one.reason}
    usable = [one for one in read_manifest(DATA / "manifest.jsonl") if one.id in hashes]
    records = [record for record in usable if not takedown.names(record)]
    ids, related = [one.id for one in records], {one.id: families(one) for one in records}
    distance = settings.split.duplicate_distance
    group_of = group_duplicates(
        ids, [hashes[id] for id in ids], distance=distance, families=related
    )
    sides = split(records, group_of, settings.split)
    write_lines(SPLIT / "train.txt", sides.train)
    write_lines(SPLIT / "val.txt", sides.validation)
    write_lines(SPLIT / "pairs.csv", ["sketch,reference", *map(",".join, sides.pairs)])
    write_json(SPLIT / "groups.json", {one.id: one.group for one in records if one.group})
    sizes = {"train": len(sides.train), "validation": len(sides.validation)}
    sizes |= {"pairs": len(sides.pairs), "groups": len(set(group_of.values()))}
    sizes |= {"excluded": len(usable) - len(records)}
    counts |= {"split": sizes}
    write_json(METRICS / "data.json", counts)
    report = draw_report(
        ids,
        color=DATA / "color",
        sketch=DATA / "sketch",
        inks=read_inks(DATA / "sketch.csv"),
        counts=counts,
    )
    image.write(METRICS / "data.png", report)


if __name__ == "__main__":
    errors.run(main)
