"""Stage `clean`: measure every picture, drop what cannot be used, square the rest."""

from functools import partial
from pathlib import Path

import refcolor.interrupt  # noqa: F401
from refcolor import errors, image, params
from refcolor.clean import Measurement, clean_picture, refuse_nothing, write_measurements
from refcolor.parallel import map_pictures
from refcolor.params import Params
from refcolor.sources.manifest import read_manifest

RAW, COLOR, OWN_SKETCH = Path("data/raw"), Path("data/color"), Path("data/own_sketch")


def clean(raw: Path, settings: Params) -> Measurement:
    """Clean one picture into data/color, its own line art into data/own_sketch."""
    color, own_sketch, measurement = clean_picture(
        raw, raw.stem, settings.clean, layout=settings.source.layout
    )
    if color is not None:
        image.write(COLOR / f"{raw.stem}.png", color)
    if own_sketch is not None:
        image.write(OWN_SKETCH / f"{raw.stem}.png", own_sketch)
    return measurement


def main() -> None:
    """Write data/color, data/own_sketch (maybe empty) and data/clean.csv."""
    settings = params.load()
    ids = {record.id for record in read_manifest(Path("data/manifest.jsonl"))}
    files = [path for path in sorted(RAW.iterdir()) if path.stem in ids]
    for folder in (COLOR, OWN_SKETCH):
        folder.mkdir(parents=True, exist_ok=True)
    one = partial(clean, settings=settings)
    workers = settings.runtime.workers
    measurements = list(map_pictures(one, files, workers=workers, label="clean"))
    write_measurements(Path("data/clean.csv"), measurements)
    refuse_nothing(measurements)


if __name__ == "__main__":
    errors.run(main)
