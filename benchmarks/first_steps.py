"""Load all training pictures and take the first steps of a training, for `benchmarks.pipeline`."""

import dataclasses
import sys
import tempfile
from pathlib import Path

from benchmarks.material import changed
from pipeline.train import MODELS, SPLIT
from refcolor import errors, params
from refcolor.training.checkpoint import StateFile
from refcolor.training.data import load_pictures, read_ids
from refcolor.training.device import choose_device, keep_freed_memory
from refcolor.training.pixel_cache import PIXEL_CACHE
from refcolor.training.tracker import NullTracker
from refcolor.training.train import Folders, train


def main() -> None:
    """Write what the train stage writes, after as many steps as are asked for."""
    steps, settings = int(sys.argv[1]), params.load()
    keep_freed_memory()
    pictures = load_pictures(read_ids(SPLIT / "train.txt"), cache=PIXEL_CACHE)
    few = min(len(pictures), steps * settings.train.batch_size)
    few -= few % settings.train.batch_size
    first = dataclasses.replace(
        pictures, ids=pictures.ids[:few], color=pictures.color[:few], sketch=pictures.sketch[:few]
    )
    epochs = max(1, round(steps * settings.train.batch_size / few))
    with tempfile.TemporaryDirectory() as folder:
        train(
            changed(settings, train={"epochs": epochs, "report_every": steps}),
            pictures=first,
            validation=load_pictures(read_ids(SPLIT / "val.txt")),
            folders=Folders(MODELS, Path("metrics/curves"), Path("metrics/previews")),
            state_file=StateFile(Path(folder), epochs=epochs),
            tracker=NullTracker(),
            device=choose_device("cpu"),
        )


if __name__ == "__main__":
    errors.run(main)
