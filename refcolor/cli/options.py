"""Options that several commands share: a model, and a device to run it on."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from refcolor.errors import UsageError
from refcolor.io.names import named_file

if TYPE_CHECKING:
    from refcolor.colorize.colorizer import Colorizer


def path(text: str) -> Path:
    """Read an argument that names a file or a folder, as `named_file` does."""
    try:
        return named_file(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add --model, --onnx and --device."""
    models = parser.add_mutually_exclusive_group()
    models.add_argument(
        "--model",
        type=path,
        metavar="FOLDER",
        help="a trained model, such as models, which `dvc repro` writes (default: the model that "
        "comes with refcolor)",
    )
    models.add_argument(
        "--onnx",
        dest="model",
        type=_onnx_file,
        metavar="FILE.onnx",
        help="a file of `refcolor export`, run by onnxruntime without torch",
    )
    parser.add_argument(
        "--device",
        default="auto",
        help="auto, cpu, cuda, cuda:1 or mps (default: auto, the fastest there is)",
    )


def load_model(arguments: argparse.Namespace) -> "Colorizer":
    """Load the model of --model, or the one that comes with refcolor."""
    from refcolor.colorize.colorizer import Colorizer

    if arguments.model is None:
        return Colorizer.demo(device=arguments.device)
    return Colorizer.load(arguments.model, device=arguments.device)


def _onnx_file(text: str) -> Path:
    if not text.endswith(".onnx"):
        raise argparse.ArgumentTypeError(f"an ONNX file's name ends in .onnx, got {text!r}")
    return path(text)
