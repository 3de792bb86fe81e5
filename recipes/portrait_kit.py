"""Compose characters from the portrait kit of GearHead Caramel, with exact ink and known parts.

By Joseph Hewitt, `por_lorderin_*` by Lord Erin, CC BY 4.0: recipes/README.md.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from recipes import kit, squares
from recipes.kit import TONES, Canvas
from recipes.squares import SPECIAL_FAMILIES
from refcolor import errors
from refcolor.characters import palette
from refcolor.characters.palette import ANY, GARMENT_FAMILIES, Family, draw_color, draw_skin
from refcolor.io import image
from refcolor.io.files import write_lines
from refcolor.io.image import WHITE, Picture
from refcolor.sources.listing.attribution import Attribution
from refcolor.workers.parallel import map_pictures

NAME = "kit"  # sub-folder of the groups
AUTHOR, OTHER_AUTHOR, OTHER_PREFIX = "Joseph Hewitt", "Lord Erin", "por_lorderin_"
LICENCE = "CC-BY-4.0"
TRIPLE = ("sketch", "reference", "truth", "labels", "reference_labels")
GROUND_FAMILIES: tuple[Family, ...] = (
    (2.0, ANY, (0.05, 0.30), (0.85, 0.98)),
    (1.0, ANY, (0.20, 0.60), (0.30, 0.90)),
)
# label, share of special colours, these, the usual ones; none for skin, which has its own
PAINTS: tuple[tuple[int, float, tuple[Family, ...], tuple[Family, ...]], ...] = (
    (kit.CLOTHING, 0.35, SPECIAL_FAMILIES, GARMENT_FAMILIES),
    (kit.SKIN, 0.12, SPECIAL_FAMILIES + GARMENT_FAMILIES, ()),
    (kit.HAIR, 0.25, SPECIAL_FAMILIES, palette.HAIR_FAMILIES),
    (kit.DETAIL, 0.35, SPECIAL_FAMILIES, GARMENT_FAMILIES),
    (kit.CLOTHING_2, 0.35, SPECIAL_FAMILIES, GARMENT_FAMILIES),
)


def color_table(generator: np.random.Generator, *, grounds: float) -> Picture:
    """Draw a palette for the whole kit: (8 * 256, 3) uint8, the colour of 256 * label + value.

    grounds: share of palettes with a plain coloured ground; the others are white.
    """
    table = np.zeros((8, TONES, 3))
    table[kit.BACKGROUND] = WHITE
    if generator.random() < grounds:
        table[kit.BACKGROUND] = draw_color(generator, GROUND_FAMILIES)
    value = np.linspace(0, 1, TONES)[:, None]
    for label, share, special, usual in PAINTS:
        if generator.random() < share:
            color = draw_color(generator, special)
        else:
            color = draw_color(generator, usual) if usual else draw_skin(generator)
        light = np.clip(np.array(color) * generator.uniform(1, 1.25), 0, WHITE)
        dark = light * generator.uniform(0.12, 0.5) * generator.uniform(0.85, 1.15, 3)
        table[label] = dark + (light - dark) * value ** generator.uniform(0.8, 1.1)
    bits = np.arange(TONES)
    table[kit.FIXED] = np.stack([(bits >> 5) / 7, (bits >> 2 & 7) / 7, (bits & 3) / 3], 1) * WHITE
    return np.rint(np.clip(table, 0, WHITE)).astype(np.uint8).reshape(-1, 3)


def window(canvas: Canvas, generator: np.random.Generator, *, bust: bool) -> dict[str, Any]:
    """Draw the square of the canvas that a picture shows: the whole figure, or head and chest.

    Returns the keywords of `image.cut`. A whole figure stands on the bottom, as the kit ends it.
    """
    rows = np.flatnonzero(canvas.any(axis=1))
    height = int(rows[-1] + 1 - rows[0])
    if bust:
        side = round(height * generator.uniform(0.4, 0.62))
        top = int(rows[0] - side * generator.uniform(0.02, 0.12))
        columns = np.flatnonzero(canvas[: top + side // 2].any(axis=0))
    else:
        columns = np.flatnonzero(canvas.any(axis=0))
        side = round(max(height, columns[-1] - columns[0]) * generator.uniform(1.02, 1.15))
        top = int(rows[-1] + 1 - side)
    middle = (columns[0] + columns[-1]) / 2 + side * generator.uniform(-0.06, 0.06)
    return {"top": top, "left": round(middle - side / 2), "shape": (side, side)}


def views(canvas: Canvas, square: Mapping[str, Any], table: Picture) -> dict[str, Picture]:
    """Paint a square of a canvas: color, sketch (exact ink, black on white) and labels."""
    pixels = image.cut(canvas, **square, fill=0)
    labels = (pixels // TONES).astype(np.uint8)
    nearest = np.arange(squares.SIDE) * len(labels) // squares.SIDE
    return {
        "color": squares.scaled(table[pixels]),
        "sketch": squares.scaled(np.where(labels == kit.LINE, 0, WHITE).astype(np.uint8)),
        "labels": labels[np.ix_(nearest, nearest)],
    }


def make_picture(index: int, *, source: Path, folder: Path, seed: int, share: int) -> Attribution:
    """Write picture `index` of the training set, in the colours of its group."""
    generator, group = np.random.default_rng([seed, 0, index]), index // share
    bits = kit.read_kit(source)
    chosen = kit.choose(bits, kit.held_out(bits), generator, unseen=False)
    canvas = kit.draw(source, chosen)
    square = window(canvas, generator, bust=generator.random() < 0.5)
    table = color_table(np.random.default_rng([seed, 1, group]), grounds=0.25)
    path, *_ = squares.save(
        folder, f"{NAME}/{group:04d}/{index:05d}", **views(canvas, square, table)
    )
    files = [layer["fname"] for bit in chosen for layer in bit.get("layers", ())]
    authors = [AUTHOR, OTHER_AUTHOR][: 1 + any(file.startswith(OTHER_PREFIX) for file in files)]
    return Attribution(path, ";".join(authors), LICENCE, kit.PAGE)


def make_triple(index: int, *, source: Path, folder: Path, seed: int) -> str:
    """Write an evaluation triple with held-out parts in a fresh palette; return its row."""
    generator = np.random.default_rng([seed, 2, index])
    bits = kit.read_kit(source)
    table = color_table(generator, grounds=0)
    pages = []
    for _ in range(2):
        canvas = kit.draw(source, kit.choose(bits, kit.held_out(bits), generator, unseen=True))
        pages.append(views(canvas, window(canvas, generator, bust=False), table))
    drawn, other = pages
    pictures = (drawn["sketch"], other["color"], drawn["color"], drawn["labels"], other["labels"])
    return ",".join(
        squares.save(folder, f"{index:03d}", **dict(zip(TRIPLE, pictures, strict=True)))
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Write the groups of training pictures, or the triples of the evaluation."""
    options = squares.parser(__doc__)
    options.add_argument("kit", type=Path, metavar="KIT", help="folder with portrait_*.json")
    options.add_argument("folder", type=Path, metavar="FOLDER", help="where to write")
    options.add_argument("--count", type=int, default=2200, help="pictures, or triples (2200)")
    options.add_argument("--share", type=int, default=4, help="characters of a palette (4)")
    options.add_argument("--pairs", action="store_true", help="write evaluation triples instead")
    given = options.parse_args(argv)
    kit.read_kit(given.kit)  # a wrong folder is refused before anything is removed
    where: dict[str, Any] = {"source": given.kit, "folder": given.folder, "seed": given.seed}
    numbers = range(given.count)
    if given.pairs:
        squares.make_room(given.folder, "", force=given.force, kinds=TRIPLE)
        triple = partial(make_triple, **where)
        rows = map_pictures(triple, numbers, workers=given.workers, label="triples")
        write_lines(given.folder / "pairs.csv", [",".join(TRIPLE), *rows])
    else:
        squares.make_room(given.folder, NAME, force=given.force)
        picture = partial(make_picture, **where, share=given.share)
        made = map_pictures(picture, numbers, workers=given.workers, label="characters")
        usual = Attribution(f"color/{NAME}", AUTHOR, LICENCE, kit.PAGE)
        squares.credit(given.folder, NAME, [usual, *(row for row in made if row.artist != AUTHOR)])


if __name__ == "__main__":
    errors.run(main)
