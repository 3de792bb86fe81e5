"""Stage `train`: the generator, its curves and its previews."""

from pathlib import Path

import refcolor.interrupt  # noqa: F401
from refcolor import errors, params
from refcolor.checkpoint import StateFile, state_folder
from refcolor.data import load_pictures, png_example, read_ids
from refcolor.device import choose_device
from refcolor.files import write_json
from refcolor.kept import KEPT
from refcolor.stages import repository, stage_key
from refcolor.tracking import open_training
from refcolor.train import Folders, train

SPLIT, MODELS = Path("data/split"), Path("models")
FOLDERS = Folders(MODELS, Path("metrics/curves"), Path("metrics/previews"))


def main() -> None:
    """Write models, metrics/train.json, metrics/curves and metrics/previews."""
    settings, root = params.load(), repository()
    runtime, flat = settings.runtime, params.flatten(settings.model_dump())
    device = choose_device(runtime.device)
    pictures, validation = (load_pictures(read_ids(SPLIT / f"{side}.txt"), keep=root / KEPT)
                            for side in ("train", "val"))
    # More epochs go on from the same state; other pictures or another device never do.
    unfinished = stage_key("train", without=("train.epochs",))
    state = state_folder(root, unfinished, pictures.digest(), validation.digest(), device.type)
    with (
        StateFile(state) as file,
        open_training(kind=runtime.tracker, root=root, key=stage_key("train"), params=flat,
                      resume_run_id=file.run_id) as tracker,
    ):
        file.run_id = tracker.run_id
        numbers = train(settings, pictures=pictures, validation=validation, folders=FOLDERS,
                        state_file=file, tracker=tracker, device=device)
        tracker.model(MODELS, example=png_example(validation.ids[0]))
    write_json(Path("metrics/train.json"), numbers)


if __name__ == "__main__":
    errors.run(main)
