"""Cut coloured pictures into squares, a group a picture, with sketches by XDoG."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from recipes import squares
from refcolor import errors
from refcolor.errors import UsageError
from refcolor.io import image
from refcolor.io.image import EXTENSIONS
from refcolor.io.names import composed
from refcolor.lines.sketch import XDoGSettings, sketch_picture
from refcolor.sources.listing.attribution import Attribution
from refcolor.workers.parallel import map_pictures

LEAST_FOREGROUND = 0.25  # of a square's pixels
MAX_TRIES = 100  # a square, on average; a strip of a picture never fills a square


def list_pictures(folder: Path, exclude: Path | None) -> list[Path]:
    """List the pictures of a folder by name, without those that a file of names excludes.

    Raises UsageError when there are none, and for an excluded name that the folder lacks.
    """
    found = (file for file in folder.glob("*") if file.suffix.lower() in EXTENSIONS)
    files = {composed(file.name): file for file in found}
    excluded = exclude.read_text(encoding="utf-8").split("\n") if exclude else []
    for name in filter(None, excluded):
        if files.pop(composed(name), None) is None:
            raise UsageError(f"{exclude} names {name}, which {folder} lacks; correct the line")
    if not files:
        raise UsageError(f"PICTURES must be a folder with pictures, got {folder}")
    return [files[name] for name in sorted(files)]


def make_group(
    numbered: tuple[int, Path], *, folder: Path, name: str, seed: int, count: int
) -> None:
    """Write the squares of a picture: the whole one, and `count - 1` random parts of it.

    A part shows 0.4 to 0.9 of the longer side, heads more often than feet, and something besides
    the ground. Sketches have lines as wide as inked ones: sigma 0.8 to 1.6 pixels, k 1.6 to 3.
    """
    number, file = numbered
    generator = np.random.default_rng([seed, number])
    picture = image.read(file)
    drawn, fill = image.foreground_mask(picture), image.border_color(picture)
    height, width = drawn.shape
    longer = max(height, width)
    middle = {"top": (height - longer) // 2, "left": (width - longer) // 2}
    windows: list[dict[str, Any]] = [{**middle, "shape": (longer, longer)}]
    least, tries = min(LEAST_FOREGROUND, drawn.mean()), 0
    while len(windows) < count:
        tries += 1
        side = round(longer * generator.uniform(0.4, 0.9))
        top = round((height - side) * generator.random() ** 1.5)
        left = round((width - side) * generator.random())
        window = {"top": top, "left": left, "shape": (side, side)}
        enough = image.cut(drawn, **window, fill=False).mean() >= least
        if enough or tries > MAX_TRIES * count:
            windows.append(window)
    for index, window in enumerate(windows):
        color = squares.scaled(image.cut(picture, **window, fill=fill))
        sigma, k = generator.uniform(0.8, 1.6), generator.uniform(1.6, 3)
        lines = XDoGSettings(sigma, k, sharpness=19.0, epsilon=0.01, phi=1e9)
        path = f"{name}/{file.stem}/{index:02d}"
        squares.save(folder, path, color=color, sketch=sketch_picture(color, lines))


def main(argv: Sequence[str] | None = None) -> None:
    """Write the groups of the pictures of a folder."""
    options = squares.parser(__doc__)
    options.add_argument("pictures", type=Path, metavar="PICTURES", help="coloured pictures")
    options.add_argument("folder", type=Path, metavar="FOLDER", help="where to write")
    options.add_argument("--count", type=int, default=14, help="squares of a picture (14)")
    options.add_argument("--exclude", type=Path, help="file with names of pictures to leave out")
    options.add_argument("--name", default="pictures", help="sub-folder of the groups (pictures)")
    options.add_argument("--artist", default="", help="several are separated by ;")
    options.add_argument("--licence", default="", help="SPDX name, as CC0-1.0")
    options.add_argument("--page", default="", help="where the pictures were published")
    given = options.parse_args(argv)
    files = list(enumerate(list_pictures(given.pictures, given.exclude)))
    squares.make_room(given.folder, given.name, force=given.force)
    make = partial(
        make_group, folder=given.folder, name=given.name, seed=given.seed, count=given.count
    )
    for _ in map_pictures(make, files, workers=given.workers, label="pictures"):
        pass
    row = Attribution(f"color/{given.name}", given.artist, given.licence, given.page)
    squares.credit(given.folder, given.name, [row])


if __name__ == "__main__":
    errors.run(main)
