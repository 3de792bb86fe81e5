"""How well flat colours keep the parts of a character apart: `python -m benchmarks.flats`.

Gaps of 0, 3 and 8 pixels are cut into the lines between the parts of drawn characters of 512
pixels, and, with `--kit FOLDER`, of characters composed from a kit (NNN_sketch.png, _ref, _truth,
_labels with 7 for lines). A page whose outline is open is one connected region, which trivially has
one colour; therefore three shares are measured, each the mean over the parts or the pixels of a
character, then over the characters:

- `color`: the part's pixels that have its most frequent colour;
- `region`: the pixels in regions that belong to the part which has most of the region;
- `both`: the part's pixels of which both is true.

They are given for flats and for plain connected regions, with the colours of the truth at 64 pixels
(as from a perfect model) and with those of the demo model. The last columns are CIEDE2000 to the
truth off the lines, without gaps: soft colours, then those of the regions.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from refcolor import characters
from refcolor.colorize.colorizer import Colorizer
from refcolor.colorize.fill import upsample
from refcolor.colorize.lab import share_colors, to_lab
from refcolor.colorize.regions import TOLERANCE, Regions, find_regions
from refcolor.evaluation.metrics.color import difference, lab
from refcolor.io import image
from refcolor.io.image import Picture

GAPS = (0, 3, 8)  # pixels
CUTS = 12  # gaps in a drawing
SMALLEST = 50  # pixels of a part that counts
_REACH = 8  # pixels around a cut: wider than a line
_KIT_FIXED, _KIT_LINE = 6, 7  # labels: colours of no channel, and lines

Mask = npt.NDArray[np.bool_]
Finder = Callable[[Picture, Picture], Regions]


@dataclass(frozen=True)
class Character:
    """ink: (H, W) uint8. parts: (H, W) uint8. counted: pixels of a part that has one colour."""

    ink: Picture
    parts: Picture
    counted: Mask
    truth: Picture
    reference: Picture


def drawn(count: int, *, size: int = 512) -> Iterator[Character]:
    """Draw characters, and references of the same palette and another shape."""
    for index in range(count):
        palette = characters.draw_palette(6, index)
        shown, other = (
            characters.render(characters.draw_shape(5, shape), palette, size=size)
            for shape in (index, index + count)
        )
        ink = shown.ink.astype(np.uint8) * np.uint8(image.WHITE)
        yield Character(ink, shown.parts, ~shown.ink, shown.color, other.color)


def from_kit(folder: Path, count: int) -> Iterator[Character]:
    """Read characters that were composed from a kit."""
    for labels in sorted(folder.glob("*_labels.png"))[:count]:
        number = labels.name.removesuffix("_labels.png")
        sketch, reference, truth = (
            image.read(folder / f"{number}_{kind}.png") for kind in ("sketch", "ref", "truth")
        )
        parts = image.read_gray(labels)
        counted = (parts != _KIT_FIXED) & (parts != _KIT_LINE)
        yield Character(image.WHITE - sketch[..., 0], parts, counted, truth, reference)


def cut(character: Character, gap: int, *, seed: int = 0) -> Picture:
    """Erase CUTS pieces of `gap` pixels from the lines between two parts; returns the ink."""
    ink, drawn = character.ink.copy(), character.ink > image.MIDDLE
    parts = character.parts.astype(np.float32)
    around = np.ones((_REACH + 3, _REACH + 3), np.uint8)
    least = cv2.erode(np.where(drawn, np.inf, parts), around)
    most = cv2.dilate(np.where(drawn, -np.inf, parts), around)
    rows, columns = np.nonzero(drawn & (least < most))
    height, width = ink.shape
    y, x = np.mgrid[:height, :width]
    for chosen in np.random.default_rng(seed).integers(0, len(rows), CUTS if gap else 0):
        down, right = y - rows[chosen], x - columns[chosen]
        near = (abs(down) <= _REACH) & (abs(right) <= _REACH)
        # The line runs along the main axis of the ink nearby.
        spread = np.cov(np.stack([down[near & drawn], right[near & drawn]]))
        along_down, along_right = np.linalg.eigh(spread)[1][:, -1]
        along = abs(down * along_down + right * along_right)
        across = abs(down * along_right - right * along_down)
        ink[(along <= gap / 2) & (across <= _REACH)] = 0
    return ink


def connected(colors: Picture, ink: Picture) -> Regions:
    """Make every connected component of the paper a region, the baseline."""
    count, labels = cv2.connectedComponents((ink <= image.MIDDLE).astype(np.uint8), connectivity=4)
    soft = to_lab(upsample(colors, ink))
    medians = np.array([np.median(soft[labels == label], axis=0) for label in range(count)])
    areas = np.bincount(labels.ravel())
    colors = share_colors(medians, areas, TOLERANCE)
    return Regions(labels.astype(np.uint16), colors, medians, areas)


def shares(regions: Regions, parts: Picture, counted: Mask) -> tuple[float, float, float]:
    """Return `color`, `region` and `both` of a character."""
    label, part = regions.labels[counted].astype(int), parts[counted].astype(int)
    color = np.unique(regions.colors, axis=0, return_inverse=True)[1].reshape(-1)[label]
    table = np.zeros((len(regions.colors), part.max() + 1), int)
    np.add.at(table, (label, part), 1)
    owned = table.argmax(axis=1)[label] == part
    of_color, of_both = [], []
    for number in np.flatnonzero(table.sum(axis=0) >= SMALLEST):
        inside = part == number
        same = color[inside] == np.bincount(color[inside]).argmax()
        of_color.append(same.mean())
        of_both.append((same & owned[inside]).mean())
    return float(np.mean(of_color)), float(owned.mean()), float(np.mean(of_both))


def error(colors: Picture, character: Character) -> float:
    """Return the mean CIEDE2000 to the truth over the counted pixels."""
    off = difference(lab(colors), lab(character.truth))
    return float(off[character.counted].mean())


def row(
    characters: list[Character], find: Finder, color: Callable[[Character, Picture], Picture]
) -> str:
    """Measure a way to find regions, with a way to get colours: a row of the table."""
    cells = []
    soft, flat = [], []
    for gap in GAPS:
        measured = []
        for character in characters:
            ink = cut(character, gap)
            colors = color(character, ink)
            regions = find(colors, ink)
            # The pixels of a gap belong to no part.
            counted = character.counted & (character.ink <= image.MIDDLE)
            measured.append(shares(regions, character.parts, counted))
            if not gap:
                soft.append(error(upsample(colors, ink), character))
                flat.append(error(regions.colors[regions.labels], character))
        cells.append(" / ".join(f"{share:.2f}" for share in np.mean(measured, axis=0)))
    return " | ".join([*cells, f"{np.mean(soft):.1f} | {np.mean(flat):.1f}"])


def perfect(character: Character, ink: Picture) -> Picture:
    """Give the truth at 64 pixels."""
    return image.fit(character.truth, 64)


def predict(colorizer: Colorizer, character: Character, ink: Picture) -> Picture:
    """Give the model's picture of a drawing with these lines."""
    reference = colorizer.place_reference(character.reference)
    return colorizer.run([colorizer.prepare(image.WHITE - ink, [reference])])[0].colors


def main() -> None:
    """Print a row for each set, way and source of colours."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kit", type=Path, metavar="FOLDER")
    parser.add_argument("--count", type=int, default=10, help="characters of each set")
    arguments = parser.parse_args()
    sets = {"drawn": list(drawn(arguments.count))}
    if arguments.kit:
        sets["kit"] = list(from_kit(arguments.kit, arguments.count))
    demo = Colorizer.demo(device="cpu")
    print("| set | colours of | regions |", " | ".join(f"gap {gap}" for gap in GAPS), end=" | ")
    print("soft | flat |\n|---|---|---|---|---|---|---|---|")
    for name, chosen in sets.items():
        for source, color in (("truth", perfect), ("demo", lambda *a: predict(demo, *a))):
            for way, find in (("connected", connected), ("flats", find_regions)):
                print(f"| {name} | {source} | {way} | {row(chosen, find, color)} |", flush=True)


if __name__ == "__main__":
    main()
