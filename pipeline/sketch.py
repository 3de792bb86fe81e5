"""Stage `sketch`: line art for every colour picture, its own where it has one, else XDoG."""

from functools import partial
from pathlib import Path

import refcolor.interrupt  # noqa: F401
from refcolor import errors, image, params
from refcolor.files import write_lines
from refcolor.parallel import map_pictures
from refcolor.params import SketchParams
from refcolor.shards import File, files, locate, pack
from refcolor.sketch import draw_settings, flag, ink_share, sketch_picture

COLOR, OWN_SKETCH, SKETCH = Path("data/color"), Path("data/own_sketch"), Path("data/sketch")


def sketch(color: File, settings: SketchParams) -> tuple[str, float]:
    """Draw or take the sketch of one picture; return its name and share of ink."""
    own = locate(OWN_SKETCH, color.name)
    drawn = (
        image.read_gray(own)
        if own.exists()
        else sketch_picture(image.read(color), draw_settings(settings, color.stem))
    )
    image.write(SKETCH / color.name, drawn)
    return color.stem, ink_share(drawn)


def main() -> None:
    """Write data/sketch and data/sketch.csv (share of ink; flagged ones are kept)."""
    settings = params.load()
    one = partial(sketch, settings=settings.sketch)
    inks = map_pictures(one, files(COLOR), workers=settings.runtime.workers, label="sketch")
    lines = [f"{id},{ink:.4f},{flag(ink)}" for id, ink in inks]
    pack(SKETCH)
    write_lines(Path("data/sketch.csv"), ["id,ink,flag", *lines])


if __name__ == "__main__":
    errors.run(main)
