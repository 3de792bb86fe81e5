"""A short real training on drawn pictures: `python -m benchmarks.short_training --device cuda`.

The preset's own training (danbooru-256 unless told otherwise) for a few steps: data, previews,
states and the closing model included, tracking and evaluation not. VGG-19 has random weights where
the real ones are not at hand. Prints what it cost and what was learnt; curves and previews are
left in --out.
"""

import argparse
import csv
import tempfile
import time
from pathlib import Path
from unittest.mock import patch

import torch

import refcolor.training.train as training
from benchmarks.material import any_vgg, changed, drawn_pictures, vgg_is_cached
from refcolor import errors, params
from refcolor.params import Params
from refcolor.training.checkpoint import StateFile
from refcolor.training.device import choose_device
from refcolor.training.tracker import NullTracker

VALIDATION = 64
REPORTS = 4


def short_training(
    settings: Params, *, pictures: int, out: Path, scratch: Path, device: torch.device
) -> None:
    """Train on drawn pictures and print a table.

    pictures: of the training split; the validation pictures are other characters.
    out: for curves and previews. scratch: an empty folder for the state and the model.
    """
    size, workers = settings.clean.size, settings.runtime.workers
    splits = [
        drawn_pictures(indices, size=size, sketch=settings.sketch, workers=workers)
        for indices in (range(pictures), range(pictures, pictures + VALIDATION))
    ]
    vgg = any_vgg(seed=settings.seed)
    folders = training.Folders(scratch / "models", out / "curves", out / "previews")
    start = time.monotonic()
    # The weights of VGG-19 may be missing here, and loading them would end the training.
    with patch.object(training, "load_vgg", lambda: vgg):
        numbers = training.train(
            settings,
            pictures=splits[0],
            validation=splits[1],
            folders=folders,
            state_file=StateFile(scratch / "state", epochs=settings.train.epochs),
            tracker=NullTracker(),
            device=device,
        )
    seconds = time.monotonic() - start
    print(f"{'steps':<36}{numbers['steps']:>12.0f}")
    print(f"{'pictures seen':<36}{numbers['images']:>12.0f}")
    print(f"{'seconds, state and model included':<36}{seconds:>12.1f}")
    print(f"{'pictures/s, the same':<36}{numbers['images'] / seconds:>12.1f}")
    if device.type == "cuda":
        gigabytes = torch.cuda.max_memory_allocated(device) / 1e9
        print(f"{'GB of tensors at most':<36}{gigabytes:>12.2f}")
    print()
    with (out / "curves" / "loss.csv").open(newline="") as file:
        for row in csv.reader(file):
            print("".join(f"{cell:>15}" for cell in row))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", default="auto", help="cpu, cuda or cuda:1")
    parser.add_argument("--preset", default="presets/danbooru-256.yaml", help="parameter file")
    parser.add_argument("--pictures", type=int, default=2000, help="to train on")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--precision", choices=("fp32", "bf16"), help="instead of the preset's")
    parser.add_argument("--out", type=Path, help="folder for curves and previews")
    return parser.parse_args()


def main() -> None:
    """Train; what is written is thrown away, unless --out says where curves and previews go."""
    arguments = _arguments()
    device = choose_device(arguments.device)
    settings = params.load(arguments.preset)
    batch = min(settings.train.batch_size, arguments.pictures)
    steps = arguments.epochs * (arguments.pictures // batch)
    settings = changed(
        settings,
        train={
            "epochs": arguments.epochs,
            "report_every": max(1, steps // REPORTS),
            "precision": arguments.precision or settings.train.precision,
            "init": "",
        },
    )
    weights = "ImageNet weights" if vgg_is_cached() else "random weights, for want of the real ones"
    print(f"{arguments.preset} at {settings.clean.size} px in {settings.train.precision}, {device}")
    print(f"torch {torch.__version__}, VGG-19 with {weights}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        short_training(
            settings,
            pictures=arguments.pictures,
            out=arguments.out or scratch,
            scratch=scratch,
            device=device,
        )


if __name__ == "__main__":
    errors.run(main)
