"""Options that several commands share: a model, and a device to run it on."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from refcolor.colorize.colorizer import Colorizer

MODELS = Path("models")  # the output folder of the stage `train`


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add --model and --device."""
    parser.add_argument(
        "--model",
        type=Path,
        metavar="FOLDER",
        help="a trained model (default: models, which `dvc repro` makes, or else the small demo "
        "model that comes with refcolor)",
    )
    parser.add_argument(
        "--device",
        default="auto",
        help="auto, cpu, cuda, cuda:1 or mps (default: auto, the fastest there is)",
    )


def load_model(arguments: argparse.Namespace) -> "Colorizer":
    """Load the model of --model or models/; without them print a line and load the demo model."""
    from refcolor.colorize.colorizer import Colorizer

    if arguments.model is None and not (MODELS / "model.json").exists():
        print(
            "refcolor: no model in models/, so the small demo model is used, which knows drawn "
            "characters only; --model names another",
            file=sys.stderr,
        )
        return Colorizer.demo(device=arguments.device)
    return Colorizer.load(arguments.model or MODELS, device=arguments.device)
