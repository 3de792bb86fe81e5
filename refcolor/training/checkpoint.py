"""The files of a training: the state that it resumes from, and the trained model."""

import hashlib
import json
import os
import pickle
import shutil
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from refcolor.errors import RefcolorError
from refcolor.io.files import replacing, sweep
from refcolor.io.locks import locked
from refcolor.model.generator import Generator, build_generator
from refcolor.params import ModelParams
from refcolor.training.device import Numerics

GENERATOR, DISCRIMINATOR, DESCRIPTION = (
    "generator.safetensors",
    "discriminator.safetensors",
    "model.json",
)


class StateFile:
    """The newest state of a training, replaced atomically.

    Trainings of one key that differ in their number of epochs have a state each, and start from
    each other's: up to its step a state is the same for all of them.
    Saving is due after the longer of `save_seconds` and 20 times the duration of the last save, so
    that it costs at most a twentieth of the time. A finished training is marked: more epochs start
    from its state, but the state is not used as the result of another run.
    """

    def __init__(self, key_folder: Path, *, epochs: int, save_seconds: float = 20.0) -> None:
        """key_folder: the folder of one checkpoint key, created when it is missing.

        epochs: the length of the training. save_seconds: the shortest time between two saves.
        The folder also holds the previews, because DVC removes the outs before a stage runs.
        """
        folder = key_folder / f"{epochs}-epochs"
        self._key_folder, self._lock = key_folder, folder / "lock"
        self.previews = folder / "previews"
        self.previews.mkdir(parents=True, exist_ok=True)
        self._state, self._finished, self._run = (
            folder / name for name in ("state.pt", "finished", "run")
        )
        self._save_seconds = self._seconds_to_save = save_seconds
        self._saved = time.monotonic()

    def locked(self, *, wait: bool = True) -> AbstractContextManager[None]:
        """Lock the state, so that the same training runs once at a time.

        wait: whether to wait, after printing a line, for another run of this training. Several
        ranks cannot wait, because those without the lock would time out at a barrier: False raises
        RefcolorError instead.
        """
        refusal = (
            "the same training runs already, and several processes do not wait for it; "
            "start it again when that one has ended"
        )
        return locked(
            self._lock,
            waiting="the same training runs already; waiting for it to end",
            refusal="" if wait else refusal,
        )

    @property
    def run_id(self) -> str | None:
        """The tracker's id of an interrupted training; None after a finished one."""
        interrupted = self._run.exists() and not self.finished
        return self._run.read_text(encoding="utf-8") or None if interrupted else None

    @run_id.setter
    def run_id(self, run_id: str | None) -> None:
        with replacing(self._run) as temporary:
            temporary.write_text(run_id or "", encoding="utf-8")

    @property
    def finished(self) -> bool:
        """Whether the training that wrote the state has finished."""
        return self._finished.exists()

    def load(self) -> dict[str, Any] | None:
        """Return the state, or None when there is none.

        Raises RefcolorError for a damaged file, and for a file that contains code.
        """
        return _load(self._state)

    def resume(self, *, total_steps: int) -> dict[str, Any] | None:
        """Return the state to resume from, or None when the training starts at step 0.

        An interrupted training resumes from its own state. A training without a state starts from
        the most advanced state of this key that is not beyond `total_steps`, and copies its
        previews. A finished training starts at step 0.
        """
        if self.finished:
            self.clear()
            return None
        state = self.load()
        if state:
            return state
        steps = {
            path: other["step"]
            for path in sorted(self._key_folder.glob("*/state.pt"))
            if (other := _load(path, mmap=True)) and other["step"] <= total_steps
        }
        if not steps:
            return None
        newest = max(steps, key=lambda path: steps[path])
        for preview in (newest.parent / "previews").glob("*.png"):
            shutil.copy(preview, self.previews)
        return _load(newest)

    def clear(self) -> None:
        """Delete state and previews, but not the run id: the tracked run stays the same."""
        for path in (self._state, self._finished, *self.previews.iterdir()):
            path.unlink(missing_ok=True)

    def due(self) -> bool:
        """Whether it is time to save."""
        return time.monotonic() - self._saved > self._seconds_to_save

    def save(self, state: Mapping[str, Any]) -> None:
        """Write a state that replaces the last one."""
        start = time.monotonic()
        sweep(self._state.parent)
        with replacing(self._state) as temporary, temporary.open("wb") as file:
            torch.save(dict(state), file)
            file.flush()
            os.fsync(file.fileno())
        self._finished.unlink(missing_ok=True)
        self._saved = time.monotonic()
        self._seconds_to_save = max(self._save_seconds, 20 * (self._saved - start))

    def finish(self) -> None:
        """Mark the training as finished."""
        self._finished.touch()


def _load(path: Path, *, mmap: bool = False) -> dict[str, Any] | None:
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except FileNotFoundError:
        return None
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise RefcolorError(
            f"{path} is not the state of a training; delete its folder to start from step 0"
        ) from error
    return state


def state_folder(root: Path, *parts: str) -> Path:
    """Return the folder of a checkpoint key, which is the hash of `parts`.

    root: the user's repository, also for a run in a temporary clone, which resumes the same state.
    """
    name = hashlib.sha256("/".join(parts).encode()).hexdigest()[:16]
    return root / ".refcolor" / "checkpoints" / name


def save_model(
    folder: Path,
    *,
    generator: nn.Module,
    discriminator: nn.Module | None,
    params: ModelParams,
    size: int,
    numerics: Numerics | None = None,
) -> None:
    """Write a model: EMA generator, discriminator (for fine-tuning), and their description.

    discriminator: None where it was not trained; then no file is written.
    size: side in pixels of the training pictures. numerics: of the training.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, network in ((GENERATOR, generator), (DISCRIMINATOR, discriminator)):
        if network is None:
            (folder / name).unlink(missing_ok=True)
            continue
        weights = {key: value.cpu().contiguous() for key, value in network.state_dict().items()}
        # Not by `save_file`, which hides the OSError of a full disk in an error of its own.
        (folder / name).write_bytes(save(weights))
    description = {"format": 1, "model": params.model_dump(), "size": size}
    if numerics:
        description["numerics"] = asdict(numerics)
    (folder / DESCRIPTION).write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")


def describe(folder: Path) -> tuple[ModelParams, int]:
    """Read the parameters of a model and the side of its training pictures in pixels.

    Raises RefcolorError when the folder does not hold a model.
    """
    path = folder / DESCRIPTION
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
        return ModelParams.model_validate(description["model"]), int(description["size"])
    except OSError as error:
        raise RefcolorError(
            f"{folder} does not hold a model ({DESCRIPTION} is missing); "
            "run `dvc repro` or name another folder"
        ) from error
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise RefcolorError(
            f"{path} does not describe a model of refcolor; train the model again"
        ) from error


def load_generator(folder: Path, *, device: torch.device | str = "cpu") -> Generator:
    """Load a trained generator in evaluation mode.

    Raises RefcolorError when the weights are missing or do not fit the description.
    """
    generator = build_generator(describe(folder)[0])
    load_weights(generator, folder / GENERATOR)
    return generator.to(device).eval()


def load_weights(network: nn.Module, path: Path) -> None:
    """Load a safetensors file into a network.

    Raises RefcolorError when it is missing, not a safetensors file, or of another network.
    """
    try:
        network.load_state_dict(load_file(path))
    except FileNotFoundError as error:
        raise RefcolorError(f"{path} is missing; train a model or name another folder") from error
    except (SafetensorError, RuntimeError) as error:
        raise RefcolorError(
            f"{path} does not fit this network; it must be a safetensors file made with the same "
            "`model` parameters"
        ) from error
