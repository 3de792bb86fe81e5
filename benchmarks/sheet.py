"""How alike a part's colours are in many drawings of a character: `python -m benchmarks.sheet`.

Characters of one palette are drawn, with three pictures more as their sheet, and coloured after
the sheet with the included model, once as `--together` and once as `--sheet`. `poses`: hair,
clothes and face of a character are the same in all its drawings, and pose and expression differ.
`outfits`: only the palette is the same.

`spread`: CIEDE2000 of a part's mean colour in a drawing to the mean over the drawings of the
character; `main` is the same for the median of the part's colours. `error`: CIEDE2000 to the truth.
All beside the lines; means over the drawings, then over hair, eyes, skin, clothes and accessory,
each of which is given too, as spread / error. The row `truth` has the spread of the true colours,
whose shadows have another share in each drawing.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from refcolor import characters
from refcolor.characters import PARTS, Drawing, Shape
from refcolor.colorize.colorizer import Colorizer
from refcolor.colorize.look import Look
from refcolor.colorize.prepared import Prediction, Prepared
from refcolor.colorize.regions import TOLERANCE, find_regions
from refcolor.colorize.sheet import even_colors, sheet_palette
from refcolor.evaluation.metrics.color import difference, lab
from refcolor.io import image
from refcolor.io.image import Picture

SHEET = 3  # pictures
SIZE = 256  # pixels
SMALLEST = 60  # pixels of a part that counts
MEASURED = ("hair", "eyes", "skin", "clothes", "accessory")
# What differs between two drawings of a character.
POSE = {
    *("mouth", "mirrored", "scale", "x", "y", "tilt", "lean", "turn", "lid", "gaze"),
    *("brow_height", "brow_slant", "mouth_width", "mouth_open", "mouth_curve"),
}
_STEP = 2  # every second pixel of each axis is measured


@dataclass(frozen=True)
class Part:
    """A part of a drawing: its error, and its mean and main colours in CIELAB."""

    error: float
    mean: npt.NDArray[np.float64]
    main: npt.NDArray[np.float64]


def drawn(character: int, count: int, *, outfits: bool) -> tuple[list[Drawing], list[Picture]]:
    """Draw a character `count` times, and its sheet."""
    palette = characters.draw_palette(17, character)
    first = characters.draw_shape(18, 100 * character)
    drawings = []
    for index in range(count + SHEET):
        shape = characters.draw_shape(18, 100 * character + index)
        if not outfits:
            pose = {name: getattr(shape, name) for name in POSE}
            shape = replace(first, **pose)
        drawings.append(characters.render(shape, palette, size=SIZE))
    return drawings[SHEET:], [drawing.color for drawing in drawings[:SHEET]]


def palette_of(
    runs: list[tuple[Prepared, Prediction]], sheet: list[Picture]
) -> npt.NDArray[np.float32]:
    """Return the palette that `color_all` finds for these drawings."""
    found = [find_regions(result.colors, item.drawing.ink) for item, result in runs]
    shares = np.concatenate([regions.areas / regions.areas.sum() for regions in found])
    colors = np.concatenate([regions.medians for regions in found])
    even = np.concatenate([even_colors(picture) for picture in sheet])
    return sheet_palette(colors, shares, even, TOLERANCE)


def measure(colors: Picture, drawing: Drawing) -> dict[str, Part]:
    """Measure the parts of a coloured drawing."""
    steps = np.s_[::_STEP, ::_STEP]
    pixels, truth = lab(colors[steps]), lab(drawing.color[steps])
    off = difference(pixels, truth)
    parts = {}
    for name in MEASURED:
        inside = (drawing.parts == PARTS.index(name))[steps] & ~drawing.ink[steps]
        if inside.sum() * _STEP**2 >= SMALLEST:
            values = pixels[inside].astype(float)
            parts[name] = Part(float(off[inside].mean()), values.mean(0), np.median(values, axis=0))
    return parts


def spread(colors: list[npt.NDArray[np.float64]]) -> float:
    """Return the mean CIEDE2000 of colours to their mean."""
    values = np.stack(colors)
    return float(difference(values, np.broadcast_to(values.mean(0), values.shape)).mean())


def results(
    colorizer: Colorizer, character: int, count: int, *, outfits: bool
) -> Iterator[tuple[str, dict[str, tuple[float, float, float]]]]:
    """Yield a name and spread, main and error of each part for each way to colour a character."""
    drawings, sheet = drawn(character, count, outfits=outfits)
    references = [colorizer.place_reference(picture) for picture in sheet]
    runs = []
    for drawing in drawings:
        lines = np.where(drawing.ink, np.uint8(0), np.uint8(image.WHITE))
        prepared = colorizer.prepare(lines, references)
        runs.append((prepared, colorizer.run([prepared], with_weights=False)[0]))
    palette = palette_of(runs, sheet)
    pictures = {"truth": [drawing.color for drawing in drawings]}
    looks = {
        "soft, --together": Look(flat=False),
        "flat, --together": Look(),
        "flat, --sheet": Look(palette=palette),
    }
    for name, look in looks.items():
        pictures[name] = [
            colorizer.finish(replace(item, look=look), result).colors for item, result in runs
        ]
    for name, colored in pictures.items():
        measured = [measure(*pair) for pair in zip(colored, drawings, strict=True)]
        yield (
            name,
            {
                part: (
                    spread([parts[part].mean for parts in measured if part in parts]),
                    spread([parts[part].main for parts in measured if part in parts]),
                    float(np.mean([parts[part].error for parts in measured if part in parts])),
                )
                for part in MEASURED
                if any(part in parts for parts in measured)
            },
        )


def main() -> None:
    """Print a row for each set and way to colour."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--characters", type=int, default=10)
    parser.add_argument("--drawings", type=int, default=10, help="of each character")
    arguments = parser.parse_args()
    assert {field.name for field in fields(Shape)} >= POSE
    colorizer = Colorizer.demo(device="cpu")
    print("| set | colours | spread | main | error |", " | ".join(MEASURED), "|", flush=True)
    for outfits in (False, True):
        rows: dict[str, dict[str, list[tuple[float, float, float]]]] = {}
        for character in range(arguments.characters):
            for name, parts in results(colorizer, character, arguments.drawings, outfits=outfits):
                row = rows.setdefault(name, {part: [] for part in MEASURED})
                for part, numbers in parts.items():
                    row[part].append(numbers)
        for name, row in rows.items():
            means = np.array([np.mean(row[part], axis=0) for part in MEASURED])
            cells = [*(f"{number:.2f}" for number in means.mean(axis=0))]
            cells += [f"{s:.2f} / {e:.1f}" for s, _, e in means]
            print(f"| {'outfits' if outfits else 'poses'} | {name} |", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
