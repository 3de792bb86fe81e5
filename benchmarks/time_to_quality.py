"""Minutes of training until a quality, the figure by which speed is judged.

    python -m benchmarks.time_to_quality --preset params.yaml presets/paper-64.yaml

Quality is `transfer_delta_e` as a share of grey's, on the pairs of presets/paper-64.yaml for every
preset. Training is deterministic, so the quality after a step does not depend on the machine's
load: minutes are start-up + steps x seconds of a step, and the two are measured apart.

- Steps: a whole training of the preset, whose moving average, which would be published, is judged
  after each half of an epoch. The first judgement that reaches a quality counts. One thread, since
  the number of threads changes only the rounding.
- Seconds: a training in a process of its own, with the preset's threads, ends after ROUNDS rounds
  of steps; once on the machine as it is, and once beside matrix products in as many threads as
  there are cores. A step is the median of the rounds, start-up what passes before the first step.
  Validation losses, previews and saved states, a few percent of a training, are not counted.

Data, states and curves stay in --folder. After any stop the same command goes on, and a finished
curve is used again: with --only-curve it can be made on a busy machine, and then the command
without it takes a minute for each preset.
"""

import argparse
import contextlib
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from joblib import cpu_count
from torch import Tensor

from benchmarks.machine import machine
from benchmarks.material import changed
from refcolor import errors, params
from refcolor.errors import RefcolorError
from refcolor.evaluation.evaluation_set import load_evaluation_set
from refcolor.evaluation.metrics.baselines import grey
from refcolor.evaluation.metrics.transfer import part_differences, transfer_numbers
from refcolor.evaluation.predictions import Predictions
from refcolor.io.image import Picture
from refcolor.io.tables import read_csv, write_csv
from refcolor.model.generator import build_generator
from refcolor.params import Params
from refcolor.training.checkpoint import StateFile
from refcolor.training.data import load_pictures, read_groups, read_ids
from refcolor.training.device import choose_device, keep_freed_memory
from refcolor.training.tracker import NullTracker
from refcolor.training.train import Folders, train

ROOT = Path(__file__).parents[1]
QUALITIES = (0.6, 0.55, 0.5, 0.45)  # of grey's transfer_delta_e
PAIRS = Path("presets/paper-64.yaml")
ROUND, ROUNDS = 20, 5  # steps; rounds that are timed, after one that is not
PRODUCTS = """
import torch
torch.set_num_threads({threads})
matrix = torch.ones(2048, 2048)
print("ready", flush=True)
while True:
    matrix @ matrix
"""


@dataclass(frozen=True)
class Point:
    """A judgement after a step; `share` is that of grey's `transfer_delta_e`."""

    step: int
    epoch: float
    transfer_delta_e: float
    share: float


class Judge:
    """The pairs on which every preset is judged."""

    def __init__(self, folder: Path) -> None:
        """folder: of `prepare`."""
        self.params = params.load(folder / "params.yaml")
        self.data = load_evaluation_set(folder / "data", self.params)
        targets = [grey(case.target.color) for case in self.data.recolorings]
        self.grey = self.transfer_delta_e(np.stack(targets))

    def transfer_delta_e(self, pictures: Picture) -> float:
        """Compare a picture of each pair with the true recolouring."""
        differences = part_differences(pictures, self.data.recolorings)
        return transfer_numbers(differences)["transfer_delta_e"]

    def __call__(self, settings: Params, weights: Mapping[str, Tensor]) -> float:
        """Return the `transfer_delta_e` of a generator."""
        generator = build_generator(settings.model).eval()
        generator.load_state_dict(weights)
        predictions = Predictions(self.data, generator, self.params.evaluate)
        return self.transfer_delta_e(predictions.cross_reference.pictures[self.data.drawn_pairs])


class JudgedState(StateFile):
    """Judges the moving average whenever it saves the state, which holds all judgements."""

    def __init__(self, folder: Path, settings: Params, judge: Judge) -> None:
        """folder: of the states."""
        super().__init__(folder, epochs=settings.train.epochs)
        self.settings, self.judge = settings, judge
        self.step, self.steps_per_epoch, self.points = 0, 0, list[Point]()

    def resume(self, *, total_steps: int) -> dict[str, Any] | None:
        """Return the state to resume from, and take over its judgements."""
        self.steps_per_epoch = total_steps // self.settings.train.epochs
        if state := super().resume(total_steps=total_steps):
            self.step, self.points = state["step"], [Point(**point) for point in state["points"]]
        return state

    def due(self) -> bool:
        """Whether half an epoch has passed; `train` asks once after each step."""
        self.step += 1
        return self.step % max(1, self.steps_per_epoch // 2) == 0

    def save(self, state: Mapping[str, Any]) -> None:
        """Judge and save."""
        step, delta_e = state["step"], self.judge(self.settings, state["networks"][-1])
        point = Point(step, step / self.steps_per_epoch, delta_e, delta_e / self.judge.grey)
        print(f"step {step}: {delta_e:.3g}, {point.share:.3f} of grey", flush=True)
        self.points.append(point)
        super().save({**state, "points": [asdict(point) for point in self.points]})


class TimedState(StateFile):
    """Notes when each step ends, and stops the training as Ctrl-C does; saves nothing."""

    def __init__(self, folder: Path, *, steps: int) -> None:
        """folder: of the states. steps: after which the training stops."""
        super().__init__(folder, epochs=0)
        self.steps, self.ends = steps, list[float]()

    def due(self) -> bool:
        """Note the time; `train` asks once after each step."""
        self.ends.append(time.time())
        if len(self.ends) == self.steps:
            raise KeyboardInterrupt
        return False


def prepare(preset: Path, folder: Path) -> Params:
    """Run the stages before `train` in a folder, unless they have run; return the parameters.

    Raises RefcolorError for a preset that cannot be read or has other pictures than the pairs, and
    for a folder of other parameters.
    """
    settings, copy = params.load(preset), folder / "params.yaml"
    size = params.load(PAIRS).training_size
    if (settings.source.kind, settings.training_size) != ("sample", size):
        raise RefcolorError(
            f"{preset} must train on drawn characters (source.kind sample) of {size} pixels, as "
            f"those of the pairs, got {settings.source.kind} and {settings.training_size} pixels; "
            "its time to quality is not defined"
        )
    if copy.exists() and params.load(copy) != settings:
        raise RefcolorError(f"{folder} is of other parameters than {preset}; delete it")
    if not (folder / "metrics" / "data.png").exists():  # the last file of the last stage
        excluded = folder / settings.source.exclude_file
        excluded.parent.mkdir(parents=True, exist_ok=True)
        excluded.touch()
        copy.write_bytes(preset.read_bytes())
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        for stage in ("discover", "download", "clean", "sketch", "split"):
            command = [sys.executable, "-m", f"pipeline.{stage}"]
            subprocess.run(command, cwd=folder, env=environment, check=True)
    return settings


def train_in(folder: Path, settings: Params, state_file: StateFile) -> None:
    """Train on the data of a folder of `prepare`."""
    data = folder / "data"
    pictures, validation = (
        load_pictures(
            read_ids(data / "split" / f"{side}.txt"),
            color=data / "color",
            sketch=data / "sketch",
            groups=read_groups(data / "split" / "groups.json"),
        )
        for side in ("train", "val")
    )
    train(
        settings,
        pictures=pictures,
        validation=validation,
        folders=Folders(*(folder / name for name in ("models", "curves", "previews"))),
        state_file=state_file,
        tracker=NullTracker(),
        device=choose_device(settings.runtime.device),
    )


def judged_training(settings: Params, folder: Path) -> list[Point]:
    """Return the judgements of a whole training, from their file where there is one."""
    path = folder / "curve.csv"
    if not path.exists():
        pairs = folder.with_name(PAIRS.stem)
        prepare(PAIRS, pairs)
        state = JudgedState(folder / "state", settings, Judge(pairs))
        train_in(folder, changed(settings, train={"threads": 1}), state)
        write_csv(path, Point, state.points)
    return list(read_csv(path, Point, advice="delete it"))


def measure_seconds(settings: Params, folder: Path) -> tuple[float, float]:
    """Train in a process of its own; return the seconds before the first step, and of a step."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        start = time.time()
        ends = process.submit(timed_training, settings, folder, ROUND * (1 + ROUNDS)).result()
    step = median(np.diff(ends[ROUND - 1 :: ROUND])) / ROUND
    return ends[0] - start - step, step


def timed_training(settings: Params, folder: Path, steps: int) -> list[float]:
    """Train for some steps; return the time after each."""
    keep_freed_memory()
    state = TimedState(folder / "timed", steps=steps)
    with contextlib.suppress(KeyboardInterrupt):
        train_in(folder, settings, state)
    return state.ends


@contextlib.contextmanager
def busy_machine(threads: int) -> Iterator[None]:
    """Let another process compute matrix products in so many threads."""
    command = [sys.executable, "-c", PRODUCTS.format(threads=threads)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            process.stdout.readline()
            yield
        finally:
            process.kill()


def table(
    name: str, points: Sequence[Point], seconds: Mapping[str, tuple[float, float]]
) -> list[str]:
    """Write the rows of a preset: its steps to each quality, and its minutes under each load."""
    last = points[-1]
    never = f"not reached ({last.share:.2f} after {last.epoch:.0f} epochs)"
    steps = [
        next((point.step for point in points if point.share <= quality), None)
        for quality in QUALITIES
    ]
    rows = [["steps", "", "", *(never if count is None else f"{count:,}" for count in steps)]]
    for load, (startup, step) in seconds.items():
        minutes = (
            "" if count is None else f"{(startup + count * step) / 60:.1f}" for count in steps
        )
        rows.append([f"minutes, {load}", f"{startup:.1f}", f"{step:.3f}", *minutes])
    return [f"| {name} | {' | '.join(row)} |" for row in rows]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--preset", type=Path, nargs="+", default=[Path("params.yaml")])
    parser.add_argument("--folder", type=Path, default=Path(".refcolor/time-to-quality"))
    parser.add_argument("--only-curve", action="store_true", help="do not time steps")
    arguments = parser.parse_args()
    heads = ["preset", "", "start-up, s", "s/step", *map(str, QUALITIES)]
    rows = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for preset in arguments.preset:
        folder, seconds = arguments.folder / preset.stem, dict[str, tuple[float, float]]()
        settings = prepare(preset, folder)
        points = judged_training(settings, folder)
        if not arguments.only_curve:
            seconds["idle"] = measure_seconds(settings, folder)
            with busy_machine(cpu_count()):
                seconds["busy"] = measure_seconds(settings, folder)
        rows += table(preset.stem, points, seconds)
    print(machine(), "", *rows, sep="\n")


if __name__ == "__main__":
    errors.run(main)
