"""Stage `clean`: measure every picture, drop unusable ones, and fit the others into squares."""

from functools import partial
from pathlib import Path

import refcolor.interrupt  # noqa: F401
from refcolor import errors, params
from refcolor.io import image
from refcolor.io.shards import File, pack
from refcolor.params import Params
from refcolor.prepare.clean import Measurement, check_any_kept, clean_picture, write_measurements
from refcolor.sources.manifest import Record, files_with_records
from refcolor.sources.takedown import Takedown, read_takedown
from refcolor.workers.parallel import map_pictures

LISTS = (("raw", "manifest", "own_sketch"), ("raw_lineart", "lineart", "lineart"))


def clean(item: tuple[File, Record], settings: Params, banned: Takedown, art: Path) -> Measurement:
    """Clean a picture: its colours go to the folder `color` beside `art`, its line art to `art`."""
    raw, record = item
    if banned.names(record):
        return Measurement(record.id, reason="excluded")
    layout = "line_art" if art.name == "lineart" else settings.source.layout
    *squares, measurement = clean_picture(
        raw, record.id, settings.clean, layout=layout, letterboxed=record.letterboxed
    )
    for folder, square in zip((art.with_name("color"), art), squares, strict=True):
        if square is not None:
            image.write(folder / f"{record.id}.png", square)
    return measurement


def main() -> None:
    """Write data/color, own_sketch, lineart (the last two maybe empty), and two tables."""
    settings, data = params.load(), Path("data")
    shared = data.absolute()  # the path of a shared file system on the machines of a cluster
    banned = read_takedown(Path(settings.source.exclude_file))
    tables = {}
    for raw, listed, art in LISTS:
        one = partial(clean, settings=settings, banned=banned, art=shared / art)
        files = files_with_records(data / f"{listed}.jsonl", shared / raw)
        tables[raw] = list(
            map_pictures(
                one,
                files,
                workers=settings.runtime.workers,
                cluster=settings.runtime.cluster,
                label=f"clean {raw}",
            )
        )
    folders = [data / name for name in ("color", "own_sketch", "lineart")]
    pack(*folders)
    write_measurements(data / "clean.csv", tables["raw"])
    write_measurements(data / "lineart.csv", tables["raw_lineart"])
    check_any_kept(tables["raw"])


if __name__ == "__main__":
    errors.run(main)
