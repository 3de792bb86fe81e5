"""Redraw the pictures of the README from a finished run: `python docs/pictures.py`."""

import csv
from pathlib import Path

import numpy as np

from refcolor import Colorizer, characters
from refcolor.app.samples import draw_samples
from refcolor.io import image
from refcolor.io.shards import locate
from refcolor.sources import drawn
from refcolor.sources.manifest import read_manifest

IMAGES, SIDE = Path("docs/images"), 128
ROWS, COLUMNS = 4, 2  # of sketch, reference, result, truth


def enlarged(picture: image.Picture) -> image.Picture:
    """Repeat pixels up to SIDE, in colour."""
    factor = SIDE // picture.shape[0]
    in_color = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)
    return in_color.repeat(factor, axis=0).repeat(factor, axis=1)


def sheet_of_characters() -> image.Picture:
    """Draw 24 characters."""
    pictures = [
        characters.render(
            characters.draw_shape(1, index), characters.draw_palette(2, index), size=192
        ).color
        for index in range(24)
    ]
    return image.grid([pictures[row * 8 : row * 8 + 8] for row in range(3)])


def sheet_of_results() -> image.Picture:
    """Show every n-th pair of the evaluation: nobody chose them."""
    records = {record.id: record for record in read_manifest(Path("data/manifest.jsonl"))}
    with Path("data/split/pairs.csv").open(encoding="utf-8", newline="") as file:
        pairs = [(row["sketch"], row["reference"]) for row in csv.DictReader(file)]
    chosen = pairs[:: len(pairs) // (ROWS * COLUMNS)][: ROWS * COLUMNS]
    cells = []
    for drawing, reference in chosen:
        truth = drawn.draw(records[drawing], size=256, palette_of=records[reference]).color
        cells.append(
            [
                enlarged(image.read_gray(locate(Path("data/sketch"), f"{drawing}.png"))),
                enlarged(image.read(locate(Path("data/color"), f"{reference}.png"))),
                enlarged(image.read(Path(f"results/{drawing}__{reference}.png"))),
                enlarged(image.square(truth, 64)),
            ]
        )
    return image.grid([[*cells[row], *cells[row + ROWS]] for row in range(ROWS)])


def sheet_of_colored() -> image.Picture:
    """Colour the drawings of `refcolor app` with the demo model; the last column has no lines."""
    demo, samples = Colorizer.demo(device="cpu"), draw_samples()
    cells = []
    for drawing, reference in zip(samples.drawings, samples.references, strict=True):
        colored = demo.colorize(drawing.data, reference.data)
        pictures = (drawing.picture, reference.picture, colored.picture, colored.colors)
        cells.append([image.resize(picture, 2 * SIDE, 2 * SIDE) for picture in pictures])
    return image.grid([cells[0], cells[1]])


if __name__ == "__main__":
    image.write(IMAGES / "sample.png", sheet_of_characters())
    image.write(IMAGES / "foreign.png", sheet_of_results())
    image.write(IMAGES / "colored.png", sheet_of_colored())
