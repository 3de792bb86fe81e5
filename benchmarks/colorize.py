"""How fast drawings are coloured, and in how much memory: `python -m benchmarks.colorize`.

Each row is a process of its own, so that its peak of memory is its own too. The wide model is that
of presets/danbooru-256.yaml with random weights: neither time nor memory depends on them.
On a machine that is busy with other work, compare the seconds of CPU.
"""

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from refcolor import characters, params
from refcolor.colorize.batch import Options, batch_size, color_all
from refcolor.colorize.colorizer import Colorizer
from refcolor.colorize.jobs import plan
from refcolor.colorize.prepared import Prepared
from refcolor.colorize.torch_network import TorchNetwork
from refcolor.io import image
from refcolor.io.image import Picture
from refcolor.lines.sketch import draw_settings, sketch_picture
from refcolor.model.generator import build_generator
from refcolor.params import SketchParams

ROOT = Path(__file__).parents[1]
FOLDER = 100  # drawings


class Clock:
    """Seconds by the clock and of CPU, of all threads, since it was made."""

    def __init__(self) -> None:
        """It runs at once."""
        self._start, self._cpu = time.perf_counter(), time.process_time()

    def read(self) -> tuple[float, float]:
        """Return both."""
        return time.perf_counter() - self._start, time.process_time() - self._cpu


def wide() -> Colorizer:
    """Make the published network, with weights that keep the signal alive."""
    settings = params.load(ROOT / "presets/danbooru-256.yaml")
    with torch.device("meta"):  # its own initialisation takes longer than everything here
        generator = build_generator(settings.model)
    generator = generator.to_empty(device="cpu").eval()
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in generator.state_dict().items():
            if tensor.ndim > 1:
                largest = (3 / tensor[0].numel()) ** 0.5
                tensor.uniform_(-largest, largest, generator=random)
            else:
                tensor.fill_(float("running_var" in name or name.endswith("weight")))
    return Colorizer(TorchNetwork(generator, model=settings.model, size=settings.clean.size))


def small() -> Colorizer:
    """Load the trained model of this repository."""
    return Colorizer.load(ROOT / "models", device="cpu")


def drawn(count: int, *, size: int) -> list[tuple[Picture, Picture]]:
    """Draw characters: line art and the colours of another one."""
    colors = [
        characters.render(
            characters.draw_shape(1, i), characters.draw_palette(2, i), size=size
        ).color
        for i in range(count + 1)
    ]
    settings = draw_settings(SketchParams(preset="default"), "drawn")
    return [(sketch_picture(color, settings), other) for color, other in pairwise(colors)]


def one(colorizer: Colorizer, drawing: Picture, reference: Picture, *, size: int | None) -> str:
    """Colour and save one drawing three times."""
    taken = []
    with TemporaryDirectory() as folder:
        paths = Path(folder) / "sketch.png", Path(folder) / "reference.png"
        for path, picture in zip(paths, (drawing, reference), strict=True):
            image.write(path, picture)
        for _ in range(3):
            clock = Clock()
            colorizer.colorize(*paths, size=size).save(Path(folder) / "result.png")
            taken.append(clock.read())
    (first, _), (later, cpu) = taken[0], min(taken[1:])
    return f"{first:.2f} s the first time, then {later:.2f} s (CPU {cpu:.2f} s)"


def folder(colorizer: Colorizer, *, size: int, count: int = FOLDER) -> str:
    """Colour a folder, beside what the model alone takes for as many passes."""
    with TemporaryDirectory() as name:
        root = Path(name)
        for index, (drawing, reference) in enumerate(drawn(count, size=size)):
            image.write(root / "sketches" / f"{index}.png", drawing)
            image.write(root / "references" / f"{index}.png", reference)
        jobs = plan([root / "sketches"], [root / "references"], output=root / "out").jobs
        color_all(colorizer, jobs[:8], Options())  # what happens once, happens before
        clock = Clock()
        report = color_all(colorizer, jobs, Options(force=True))
        whole, whole_cpu = clock.read()
        assert report.done == count, list(report.lines())
        prepared = [
            colorizer.prepare(job.sketch, [colorizer.place_reference(job.references[0])])
            for job in jobs
        ]
        single, _ = ask(colorizer, prepared, step=1)
        model, model_cpu = ask(colorizer, prepared, step=batch_size(prepared[0]))
    return (
        f"{whole:.1f} s, {count / whole:.1f} pictures/s; the model alone {model:.1f} s, "
        f"{whole / model - 1:+.0%} (CPU {whole_cpu:.1f} and {model_cpu:.1f} s); the model alone, "
        f"a drawing at a time, {single:.1f} s, {whole / single - 1:+.0%}"
    )


def ask(colorizer: Colorizer, prepared: list[Prepared], *, step: int) -> tuple[float, float]:
    """Take the time of the model alone, `step` drawings at a time."""
    clock = Clock()
    for first in range(0, len(prepared), step):
        colorizer.run(prepared[first : first + step], with_weights=False)
    return clock.read()


def large() -> str:
    """Colour 4000 x 6000 pixels."""
    drawing, reference = drawn(1, size=500)[0]
    tall = np.full((750, 500), image.WHITE, np.uint8)
    tall[125:625] = drawing
    return one(small(), tall.repeat(8, axis=0).repeat(8, axis=1), reference, size=None)


ROWS: dict[str, tuple[str, Callable[[], str]]] = {
    "512 px, wide model": ("1.5 s, 2 GB", lambda: one(wide(), *drawn(1, size=512)[0], size=None)),
    "512 px, wide model at 512": (
        "1.5 s, 2 GB",
        lambda: one(wide(), *drawn(1, size=512)[0], size=512),
    ),
    f"{FOLDER} of 256 px, wide model": ("model alone + 10 %", lambda: folder(wide(), size=256)),
    f"{FOLDER} of 64 px, sample-64": ("40 pictures/s", lambda: folder(small(), size=64)),
    "4000 x 6000, sample-64": ("60 s, 2 GB", large),
}


def main() -> None:
    """Print a row for each measurement, or take the one that is named."""
    if len(sys.argv) > 1:
        said = ROWS[sys.argv[1]][1]()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"{said} | {peak:.2f} GB")
        return
    print(f"{torch.get_num_threads()} threads\n\n| what | asked for | time | memory |")
    print("|---|---|---|---|", flush=True)
    for name, (asked, _) in ROWS.items():
        command = [sys.executable, "-m", "benchmarks.colorize", name]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
        print(f"| {name} | {asked} | {done.stdout.strip().splitlines()[-1]} |", flush=True)


if __name__ == "__main__":
    main()
