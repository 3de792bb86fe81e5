"""Check a model's file of weights against its description before loading it."""

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from refcolor.errors import RefcolorError
from refcolor.model.generator import build_generator
from refcolor.params import ModelParams
from refcolor.training.checkpoint import DESCRIPTION


def check_weights(path: Path, model: ModelParams) -> None:
    """Check that a file holds the weights of a network with these parameters.

    Only the header is read, and the network is built on the meta device without memory.
    Raises RefcolorError for a missing file, another format, and the first tensor that differs.
    """
    try:
        with safe_open(path, framework="pt") as file:
            stored = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}
    except FileNotFoundError as error:
        raise RefcolorError(f"{path} is missing; `dvc repro` writes it, or name another") from error
    except (SafetensorError, OSError) as error:
        raise RefcolorError(
            f"{path} is not a safetensors file; other formats can contain code and are refused; "
            "take the file that `dvc repro` wrote"
        ) from error
    with torch.device("meta"):
        network = build_generator(model)
    expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    for name in sorted(expected.keys() | stored.keys()):
        if expected.get(name) != stored.get(name):
            raise RefcolorError(
                f"{path} does not fit the {DESCRIPTION} beside it: {name} is "
                f"{_shape_text(stored.get(name))} there, {_shape_text(expected.get(name))} here; "
                "take both files of one training"
            )


def _shape_text(shape: tuple[int, ...] | None) -> str:
    return "missing" if shape is None else " x ".join(map(str, shape)) or "one number"
