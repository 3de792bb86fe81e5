"""Pictures per second of all that happens to pictures before a step: `python -m benchmarks.data`.

Rates are pictures per second of CPU time, so they are those of one core, also on a busy machine. A
rate is the median over the rounds. Where a plain form of the same is timed (benchmarks/plain.py),
both take turns on the same pictures, and `ours/plain` is the median over the rounds of the ratio of
their rates; a test holds that they give the same pictures.

XDoG is compared from grey tones to tones, with the preset `default`. `sketch` is the whole way of
a file's pixels: colours to grey, XDoG, 8 bits. Warps are those of presets/danbooru-256.yaml, as is
the loader: its pictures are decoded once (`load`), and batches are made of them at every step
(`batch`).
"""

import argparse
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import torch
from threadpoolctl import threadpool_limits

from benchmarks.machine import machine
from benchmarks.material import character
from benchmarks.plain import warp_alone, xdog_by_pixels
from refcolor import errors, params
from refcolor.io import image
from refcolor.lines.sketch import PRESETS, sketch_picture, xdog
from refcolor.params import Params
from refcolor.prepare.clean import clean_picture
from refcolor.training.augment import draw_warps, warp
from refcolor.training.batch import make_batch
from refcolor.training.data import load_pictures

ROOT = Path(__file__).parents[1]
RAW = 512  # pixels, as sources give them
PICTURES, ROUNDS = 32, 5
TARGETS = {"XDoG": 100, "warp": 20}  # times the plain form

Work = Callable[[], object]


def rates(works: dict[str, Work], *, pictures: int, rounds: int) -> dict[str, list[float]]:
    """Let works on some pictures take turns; return the pictures per second of each in each round.

    Each runs once before it is timed.
    """
    found: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(rounds + 1):
        for name, work in works.items():
            start = time.process_time()
            work()
            taken = time.process_time() - start
            if turn:
                found[name].append(pictures / taken)
    return found


def alone(name: str, found: list[float]) -> str:
    """Write the line of something that has no plain form."""
    return f"{name:<36}{median(found):>10.0f}"


def compared(name: str, ours: list[float], plain: list[float], *, target: float) -> str:
    """Write the line of something that has one."""
    ratio = median(one / other for one, other in zip(ours, plain, strict=True))
    line = f"{name:<36}{median(ours):>10.0f}{median(plain):>10.1f}{ratio:>12.0f}{target:>11.0f}"
    return line if ratio >= target else f"{line}  MISSED"


def lines(settings: Params, *, count: int, rounds: int, folder: Path) -> list[str]:
    """Measure everything; return the lines of the table.

    folder: for the files that are cleaned and loaded; it must exist and be empty.
    """
    size, preset, augment = settings.clean.size, PRESETS["default"], settings.augment
    raw = [character(index, size=RAW) for index in range(count)]
    names = [f"drawn-{index:06d}" for index in range(count)]
    small = [image.resize(picture, size, size) for picture in raw]
    unit = [image.to_unit(picture) for picture in small]
    gray = [np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.float32) for picture in unit]
    for name, picture, square in zip(names, raw, small, strict=True):
        image.write(folder / "raw" / f"{name}.png", picture)
        image.write(folder / "color" / f"{name}.png", square)
        image.write(folder / "sketch" / f"{name}.png", sketch_picture(square, preset))
    random = torch.Generator().manual_seed(0)
    batches = torch.arange(count).split(settings.train.batch_size)
    tensor = torch.from_numpy(np.stack(unit)).permute(0, 3, 1, 2)
    bent = [
        (
            tensor[chosen].contiguous(memory_format=torch.channels_last),
            draw_warps(len(chosen), strength=augment.warp, mirror=augment.mirror, generator=random),
        )
        for chosen in batches
    ]
    moved = torch.cat([warps.displacement for _, warps in bent]).double().numpy()
    mirrored = torch.cat([warps.mirrored for _, warps in bent]).tolist()
    load = partial(load_pictures, names, color=folder / "color", sketch=folder / "sketch")
    make = partial(make_batch, load(), params=settings, random=random, device=torch.device("cpu"))
    xdog_settings = asdict(preset)

    def each(work: Callable[..., object], *arguments: Iterable[object]) -> Work:
        # Nothing is kept, as in the stages: memory that is held makes the next picture slower.
        items = list(zip(*arguments, strict=True))
        return lambda: deque((work(*item) for item in items), maxlen=0)

    measure = partial(rates, pictures=count, rounds=rounds)
    files = [folder / "raw" / f"{name}.png" for name in names]
    table = [f"{'':<36}{'ours':>10}{'plain':>10}{'ours/plain':>12}{'target':>11}"]
    for name, work in {
        f"draw a character, {size} px": each(partial(character, size=size), range(count)),
        f"clean, {RAW} to {size} px": each(
            partial(clean_picture, params=settings.clean), files, names
        ),
        f"sketch, {RAW} px": each(partial(sketch_picture, settings=preset), raw),
        f"sketch, {size} px": each(partial(sketch_picture, settings=preset), small),
        f"load, {size} px, once": load,
        f"batch, {size} px, {len(batches[0])} pictures": each(make, batches),
    }.items():
        table.append(alone(name, measure({name: work})[name]))
    found = measure(
        {
            "ours": each(lambda tones: xdog(tones, **xdog_settings), gray),
            "plain": each(partial(xdog_by_pixels, settings=preset), gray),
        }
    )
    table.append(compared(f"XDoG, {size} px", **found, target=TARGETS["XDoG"]))
    found = measure(
        {
            "ours": each(warp, *zip(*bent, strict=True)),
            "plain": each(
                lambda picture, moves, flip: warp_alone(picture, moves, mirrored=flip),
                unit,
                moved,
                mirrored,
            ),
        }
    )
    table.append(compared(f"warp, {size} px", **found, target=TARGETS["warp"]))
    return table


def main() -> None:
    """Print what is measured on which machine, and the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"default: {ROUNDS}")
    arguments = parser.parse_args()
    settings = params.load(ROOT / "presets/danbooru-256.yaml")
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    print(f"{machine()}, OpenCV {cv2.__version__}, torch {torch.__version__}, one thread")
    print(f"{PICTURES} drawn characters, pictures per second of CPU time")
    with TemporaryDirectory() as folder, threadpool_limits(1):
        table = lines(settings, count=PICTURES, rounds=arguments.rounds, folder=Path(folder))
    print("", *table, sep="\n")


if __name__ == "__main__":
    errors.run(main)
