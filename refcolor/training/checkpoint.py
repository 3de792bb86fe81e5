"""What training keeps: the state to go on from, and the model that others load."""

import hashlib
import json
import os
import pickle
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import torch
from filelock import FileLock, Timeout
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from refcolor.errors import RefcolorError
from refcolor.io.files import replacing
from refcolor.model.generator import Generator, build_generator
from refcolor.params import ModelParams

GENERATOR, DISCRIMINATOR, DESCRIPTION = (
    "generator.safetensors",
    "discriminator.safetensors",
    "model.json",
)

SAVE_SECONDS = 20.0  # between two saves, at least


class StateFile:
    """The newest state of one training, replaced as a whole or not at all.

    Trainings of one key that differ in their number of epochs have a state each, and start from
    one another's: up to its step a state is the same for all of them.
    Saving is due after the longer of 20 seconds and 20 times the duration of the last save, so that
    it costs at most a twentieth of the time. A finished training is marked: its state serves for
    going on with more epochs and is never taken for the result of another run.
    As a context manager it makes a second run of the same training wait for the first.
    """

    def __init__(self, key_folder: Path, *, epochs: int, patient: bool = True) -> None:
        """key_folder: the folder of one checkpoint key, made when it is missing.

        epochs: the length of the training.
        patient: whether to wait for another run of this training; processes that wait for this one
        cannot, so several are refused.
        Previews are kept beside the state: what DVC removes before a stage runs must survive here.
        """
        folder = key_folder / f"{epochs}-epochs"
        self._key_folder = key_folder
        self.previews = folder / "previews"
        self.previews.mkdir(parents=True, exist_ok=True)
        self._state, self._finished = folder / "state.pt", folder / "finished"
        self._run, self._lock = folder / "run", FileLock(folder / "lock")
        self._patient = patient
        self._due, self._saved = SAVE_SECONDS, time.monotonic()

    def __enter__(self) -> Self:
        """Take the lock, and say so when that means waiting.

        Raises RefcolorError instead of waiting when not patient.
        """
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            if not self._patient:
                raise RefcolorError(
                    "the same training runs already, and several processes do not wait for it; "
                    "start it again when that one has ended"
                ) from error
            print("the same training runs already; waiting for it to end", flush=True)
            self._lock.acquire()
        return self

    def __exit__(self, *_error: object) -> None:
        """Give the lock back; the system does it for a process that was killed."""
        self._lock.release()

    @property
    def run_id(self) -> str | None:
        """The tracker's name of the training that was stopped; None after one that finished."""
        known = self._run.exists() and not self.finished
        return self._run.read_text(encoding="utf-8") or None if known else None

    @run_id.setter
    def run_id(self, run_id: str | None) -> None:
        with replacing(self._run) as temporary:
            temporary.write_text(run_id or "", encoding="utf-8")

    @property
    def finished(self) -> bool:
        """Whether the training that wrote the state came to its end."""
        return self._finished.exists()

    def load(self) -> dict[str, Any] | None:
        """Return the state, or None when there is none.

        Raises RefcolorError for a damaged file, and for one with code in it.
        """
        return _load(self._state)

    def resume(self, *, total_steps: int) -> dict[str, Any] | None:
        """Return the state to go on from, or None when the training starts from its beginning.

        A training that was stopped goes on from its own state. One without a state starts from the
        most advanced state of this key that is not beyond `total_steps`, and takes its previews
        over; the other training keeps both. One that finished starts from its beginning.
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
        start = max(steps, key=lambda path: steps[path])
        for preview in (start.parent / "previews").glob("*.png"):
            shutil.copy(preview, self.previews)
        return _load(start)

    def clear(self) -> None:
        """Forget state and previews: the training starts afresh, in the same tracked run."""
        for path in (self._state, self._finished, *self.previews.iterdir()):
            path.unlink(missing_ok=True)

    def due(self) -> bool:
        """Whether it is time to save."""
        return time.monotonic() - self._saved > self._due

    def save(self, state: Mapping[str, Any]) -> None:
        """Write a state and put it in the place of the last one."""
        start = time.monotonic()
        temporary = self._state.with_suffix(".part")
        with temporary.open("wb") as file:
            torch.save(dict(state), file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self._state)
        self._finished.unlink(missing_ok=True)
        self._saved = time.monotonic()
        self._due = max(SAVE_SECONDS, 20 * (self._saved - start))

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
            f"{path} is not the state of a training; delete its folder to start afresh"
        ) from error
    return state


def state_folder(root: Path, *parts: str) -> Path:
    """Name the folder of one checkpoint key: equal parts, equal folder.

    root: the repository itself, so that a run in a temporary clone of it finds the same state.
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
) -> None:
    """Write a model: EMA generator, discriminator (for fine-tuning), and what describes them.

    discriminator: None where it was not trained; then no file is written.
    size: side in pixels of the pictures it was trained on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, network in ((GENERATOR, generator), (DISCRIMINATOR, discriminator)):
        if network is None:
            (folder / name).unlink(missing_ok=True)
            continue
        weights = {key: value.cpu().contiguous() for key, value in network.state_dict().items()}
        # By way of Python's files: the library's own writer hides a full disk in its own error.
        (folder / name).write_bytes(save(weights))
    description = {"format": 1, "model": params.model_dump(), "size": size}
    (folder / DESCRIPTION).write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")


def describe(folder: Path) -> tuple[ModelParams, int]:
    """Read what a model is: its parameters and the side of its training pictures in pixels.

    Raises RefcolorError when the folder holds no model.
    """
    path = folder / DESCRIPTION
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
        return ModelParams.model_validate(description["model"]), int(description["size"])
    except OSError as error:
        raise RefcolorError(
            f"{folder} holds no model ({DESCRIPTION} is missing); "
            "run `dvc repro` or name another folder"
        ) from error
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise RefcolorError(f"{path} describes no model of refcolor; train it anew") from error


def load_generator(folder: Path, *, device: torch.device | str = "cpu") -> Generator:
    """Load a trained generator in evaluation mode.

    Raises RefcolorError when weights are missing or do not fit.
    """
    generator = build_generator(describe(folder)[0])
    load_weights(generator, folder / GENERATOR)
    return generator.to(device).eval()


def load_weights(network: nn.Module, path: Path) -> None:
    """Load a safetensors file into a network.

    Raises RefcolorError when it is missing, no safetensors file, or made for another network.
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
