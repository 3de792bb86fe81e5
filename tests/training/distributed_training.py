"""Trainings that one process does and that several share: the same code, so they can be compared.

    torchrun --nproc-per-node 2 -m tests.training.distributed_training FOLDER

does in two processes what `one_after_another` does in one, and what needs two.
"""

import contextlib
import json
import math
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import refcolor.training.train as training
from refcolor.errors import RefcolorError
from refcolor.training import losses
from refcolor.training.checkpoint import StateFile
from refcolor.training.distributed import SINGLE_PROCESS, Processes, process_group
from refcolor.training.tracker import NullTracker

from ..conftest import random_pictures, tiny_params

CPU = torch.device("cpu")
PICTURES = 11  # two batches of 4 make an epoch
SHARED: dict[str, Any] = {"model.norm": "group"}
CASES: dict[str, dict[str, Any]] = {
    "group": {},
    "instance": {"model.norm": "instance"},
    "none": {"model.norm": "none"},
    "sga": {"model.attention": "sga", "loss.match": 0.5},
    "triplet": {"loss.triplet": 1},
    "match": {"loss.match": 1},
    "fine": {
        "model.query_stride": 2,
        "model.key_stride": 4,
        "model.transport": 1,
        "model.convex_upsampling": 1,
        "loss.triplet": 1,
    },
    "features": {"loss.perceptual": 1, "loss.style": 50},
    "patch_shuffle": {"augment.patch_shuffle": 0.5, "loss.match": 1},
    "drop_reference": {"augment.drop_reference": 0.5, "loss.triplet": 1},
    "sketch_variation": {"augment.sketch_variation": 0.5},
    "other_reference": {"augment.other_reference": 0.5, "loss.match": 1},
    "views": {"augment.framing": 0.5, "augment.ink": 0.5, "loss.match": 1},
    "colors": {
        "augment.color_gain": 0.3,
        "augment.channel_order": 0.5,
        "augment.keep_white": 1,
        "train.cool_down": 0.5,
    },
}
EVERYTHING: dict[str, Any] = SHARED | {
    "train.precision": "bf16",
    "augment.patch_shuffle": 0.5,
    "augment.drop_reference": 0.2,
    "augment.sketch_variation": 0.5,
    "augment.other_reference": 0.5,
    "augment.framing": 0.5,
    "augment.ink": 0.5,
    "loss.triplet": 1,
    "loss.match": 0.5,
}


class Features(nn.Module):
    """Stands in for VGG: two layers without weights."""

    def forward(self, picture: Tensor) -> list[Tensor]:
        return [picture, F.avg_pool2d(picture, 4)]


class KeptStates(StateFile):
    """A state that is saved after every step, and every state kept."""

    def due(self) -> bool:
        return True

    def save(self, state: Mapping[str, Any]) -> None:
        super().save(state)
        shutil.copy(self._state, self._state.with_name(f"state-{state['step']}.pt"))


@contextlib.contextmanager
def plain_descent() -> Iterator[None]:
    """Let weights move by their gradients alone.

    Adam divides by a gradient's size: where it is zero but for rounding, the step is rounding too.
    """

    def sgd(parameters: Any, lr: float, **_options: object) -> torch.optim.Optimizer:
        return torch.optim.SGD(parameters, lr)

    with mock.patch.object(training.torch.optim, "Adam", sgd):
        yield


def train(
    folder: Path,
    changes: dict[str, Any],
    *,
    processes: Processes = SINGLE_PROCESS,
    start: Path | None = None,
    count: int = PICTURES,
) -> list[dict[str, Tensor]]:
    """Train in a folder, from a kept state if there is one; give the last generator and its EMA."""
    params = tiny_params(changes)
    states = KeptStates(folder / "state", epochs=params.train.epochs)
    if processes.is_first_rank and start:
        shutil.copy(start, folder / "state" / "2-epochs" / "state.pt")
    last: list[dict[str, Tensor]] = []
    update = training.update_ema

    def spy(ema: nn.Module, generator: nn.Module, **options: Any) -> None:
        update(ema, generator, **options)  # type: ignore[arg-type]
        last[:] = [generator.state_dict(), ema.state_dict()]

    with (
        mock.patch.object(training, "update_ema", spy),
        mock.patch.object(training, "load_vgg", Features),
        mock.patch.object(os, "fsync", lambda _descriptor: None),
    ):
        training.train(
            params,
            pictures=random_pictures(count),
            validation=random_pictures(3, seed=1),
            folders=training.Folders(
                models=folder / "out" / "models",
                curves=folder / "out" / "curves",
                previews=folder / "out" / "previews",
            ),
            state_file=states,
            tracker=NullTracker(),
            device=CPU,
            processes=processes,
        )
    return last


def one_after_another(folder: Path, processes: Processes = SINGLE_PROCESS) -> None:
    """Do every case."""
    for name, changes in CASES.items():
        with plain_descent():
            rates = {
                "train.learning_rate_generator": 1e-3,
                "train.learning_rate_discriminator": 1e-2,
            }
            weights = train(folder / name, SHARED | rates | changes, processes=processes)
        torch.save(weights, folder / name / f"rank-{processes.rank}.pt")
    train(folder / "everything", EVERYTHING, processes=processes)


def what_needs_two(folder: Path, alone: Path, processes: Processes) -> None:
    """Go on from states, and be refused; what is said goes to a file for each process."""
    everything, said = folder / "everything", {}
    train(folder / "resumed", EVERYTHING, processes=processes, start=state(everything, 2))
    train(folder / "after one", EVERYTHING, processes=processes, start=state(alone, 2))
    calls: list[int] = []

    def spoiled(fake: Tensor) -> Tensor:
        calls.append(1)
        return fake.mean() * (math.nan if processes.rank == 1 and len(calls) == 3 else 1)

    with mock.patch.object(losses, "adversarial_generator", spoiled):
        said["nan"] = refusal(lambda: train(folder / "nan", EVERYTHING, processes=processes))
    turns = folder / "turns"

    def fetch() -> bool:
        there = turns.exists()
        time.sleep(0.3)
        turns.touch()
        return there

    said["turns"] = str(processes.first_rank_first(fetch))
    said["few"] = refusal(lambda: train(folder / "few", SHARED, processes=processes, count=1))
    said["same"] = refusal(lambda: processes.require_equal("a"))
    said["other"] = refusal(lambda: processes.require_equal(f"{processes.rank}"))
    (folder / f"said-{processes.rank}.json").write_text(json.dumps(said))


def state(folder: Path, step: int) -> Path:
    """Name the state that a training kept after a step."""
    return folder / "state" / "2-epochs" / f"state-{step}.pt"


def refusal(act: Any) -> str:
    """Give the words of a refusal, none when there is none."""
    try:
        act()
    except RefcolorError as error:
        return str(error)
    return ""


if __name__ == "__main__":
    torch.set_num_threads(1)
    root = Path(sys.argv[1])
    with process_group(int(os.environ["WORLD_SIZE"]), device=CPU) as (processes, _):
        one_after_another(root / "two", processes)
        what_needs_two(root / "two", root / "one" / "everything", processes)
