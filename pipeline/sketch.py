"""Stage `sketch`: line art of every colour picture, its own if it has one, else XDoG."""

from functools import partial
from pathlib import Path

import refcolor.interrupt  # noqa: F401
from refcolor import errors, params
from refcolor.io import image
from refcolor.io.files import write_lines
from refcolor.io.shards import File, files, locate, pack
from refcolor.lines.sketch import draw_settings, flag, ink_share, sketch_picture
from refcolor.params import SketchParams
from refcolor.workers.parallel import map_pictures


def sketch(color: File, settings: SketchParams, data: Path) -> tuple[str, float]:
    """Draw or take the sketch of one picture; return its name and share of ink."""
    own = locate(data / "own_sketch", color.name)
    drawn = (
        image.read_gray(own)
        if own.exists()
        else sketch_picture(image.read(color), draw_settings(settings, color.stem))
    )
    image.write(data / "sketch" / color.name, drawn)
    return color.stem, ink_share(drawn)


def main() -> None:
    """Write data/sketch and data/sketch.csv (share of ink; flagged ones are kept)."""
    settings, data = params.load(), Path("data")
    shared = data.absolute()  # the path of a shared file system on the machines of a cluster
    inks = map_pictures(
        partial(sketch, settings=settings.sketch, data=shared),
        files(shared / "color"),
        workers=settings.runtime.workers,
        cluster=settings.runtime.cluster,
        label="sketch",
    )
    lines = [f"{id},{ink:.4f},{flag(ink)}" for id, ink in inks]
    pack(data / "sketch")
    write_lines(data / "sketch.csv", ["id,ink,flag", *lines])


if __name__ == "__main__":
    errors.run(main)
