"""Save the same few pairs of every arm beside the rows, for drawn characters only.

Pictures that somebody else made, and pictures coloured after them, must not be committed.
"""

import csv
from pathlib import Path

import numpy as np

from refcolor.evaluation.metrics.truth import recolored
from refcolor.io import image
from refcolor.io.shards import locate
from refcolor.params import Params
from refcolor.sources.manifest import read_manifest
from refcolor.sources.naming import result_name

PAIRS = 8
GIVEN = ("sketch", "reference", "truth")  # strips that all arms share


def keep_pictures(tree: Path, folder: Path, label: str, params: Params) -> None:
    """Write a strip of results, one below the other, and the strips of the inputs.

    tree: the checkout of a finished run. folder: of the files `<label>.png`, `sketch.png`,
    `reference.png` and `truth.png`, each (PAIRS * S, S). The pairs are every n-th pair of
    data/split/pairs.csv, which are the same for every arm with the same data.
    """
    with (tree / "data/split/pairs.csv").open(encoding="utf-8", newline="") as file:
        pairs = [(row["sketch"], row["reference"]) for row in csv.DictReader(file)]
    pairs = pairs[:: max(1, len(pairs) // PAIRS)][:PAIRS]
    records = {record.id: record for record in read_manifest(tree / "data/manifest.jsonl")}

    sample, clean = params.source.sample, params.clean

    def truth(sketch: str, reference: str) -> image.Picture:
        a, b = records[sketch], records[reference]
        return recolored(a, b, drawn_at=sample.size, size=clean.size, fit=clean.fit).color

    strips = {
        label: [image.read(tree / "results" / result_name(a, b)) for a, b in pairs],
        "sketch": [image.read(locate(tree / "data/sketch", f"{a}.png")) for a, _ in pairs],
        "reference": [image.read(locate(tree / "data/color", f"{b}.png")) for _, b in pairs],
        "truth": [truth(a, b) for a, b in pairs],
    }
    for name, strip in strips.items():
        image.write(folder / f"{name}.png", np.concatenate(strip))
