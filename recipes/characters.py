"""Draw refcolor's own characters at 512 px with exact ink, four shapes in each palette."""

import dataclasses
from collections.abc import Sequence
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np

from recipes import squares
from refcolor import characters, errors
from refcolor.characters.palette import Palette, draw_color
from refcolor.io.image import WHITE
from refcolor.sources.listing.attribution import Attribution
from refcolor.workers.parallel import map_pictures

NAME = "characters"  # sub-folder of the groups
# What the default parameters hold out (split.hold_out), so that they can judge what learnt here.
HELD_OUT = ("buns", "wavy_long", "kimono")


def palette(seed: int, index: int) -> Palette:
    """Draw the palette of a group, with colours that drawn characters do not have by themselves.

    A third of the clothes and of the accessories and a fifth of the hair are white, black, grey,
    pastel or dark.
    """
    generator = np.random.default_rng([seed, index])
    special: dict[str, Any] = {
        part: draw_color(generator, squares.SPECIAL_FAMILIES)
        for part, share in (("clothes", 0.3), ("accessory", 0.3), ("hair", 0.2))
        if generator.random() < share
    }
    return dataclasses.replace(characters.draw_palette(seed, index), **special)


def make_picture(
    numbered: tuple[int, characters.Shape], *, folder: Path, seed: int, share: int
) -> None:
    """Write a character in the colours of its group."""
    index, shape = numbered
    drawing = characters.render(shape, palette(seed, index // share), size=2 * squares.SIDE)
    ink = np.where(drawing.ink, 0, WHITE).astype(np.uint8)
    name = f"{NAME}/{index // share:04d}/{index:05d}"
    squares.save(folder, name, color=squares.scaled(drawing.color), sketch=squares.scaled(ink))


def main(argv: Sequence[str] | None = None) -> None:
    """Write the groups of drawn characters."""
    options = squares.parser(__doc__)
    options.add_argument("folder", type=Path, metavar="FOLDER", help="where to write")
    options.add_argument("--count", type=int, default=1700, help="pictures (1700)")
    options.add_argument("--share", type=int, default=4, help="characters of a palette (4)")
    given = options.parse_args(argv)
    squares.make_room(given.folder, NAME, force=given.force)
    shapes = (characters.draw_shape(given.seed, index) for index in count())
    seen = (one for one in shapes if not {one.hair_style, one.clothes} & set(HELD_OUT))
    items = list(enumerate(islice(seen, given.count)))
    make = partial(make_picture, folder=given.folder, seed=given.seed, share=given.share)
    for _ in map_pictures(make, items, workers=given.workers, label="characters"):
        pass
    squares.credit(given.folder, NAME, [Attribution(f"color/{NAME}", "refcolor", "MIT")])


if __name__ == "__main__":
    errors.run(main)
