"""Stage `train`: the generator, its curves and its previews."""

import hashlib
import json
import os
from pathlib import Path

from refcolor import errors, params
from refcolor.checkpoint import StateFile
from refcolor.data import load_pictures, read_ids
from refcolor.device import choose_device
from refcolor.stages import stage_key
from refcolor.tracking import open_training
from refcolor.train import Folders, train

COLOR, SKETCH, SPLIT = Path("data/color"), Path("data/sketch"), Path("data/split")
FOLDERS = Folders(Path("models"), Path("metrics/curves"), Path("metrics/previews"))


def main() -> None:
    """Write models, metrics/train.json, metrics/curves and metrics/previews."""
    settings = params.load()
    device = choose_device(settings.runtime.device)
    pictures, validation = (
        load_pictures(read_ids(SPLIT / name), color=COLOR, sketch=SKETCH)
        for name in ("train.txt", "val.txt")
    )
    # DVC_ROOT is the repository itself, also where DVC runs the stage in a temporary clone of it.
    root = Path(os.environ.get("DVC_ROOT", "."))
    key = stage_key("train", without=("train.epochs",))
    unique = "/".join((key, pictures.digest(), validation.digest(), device.type))
    name = hashlib.sha256(unique.encode()).hexdigest()[:16]
    with (
        StateFile(root / ".refcolor" / "checkpoints" / name) as state_file,
        open_training(
            kind=settings.runtime.tracker,
            root=root,
            key=stage_key("train"),
            params=params.flatten(settings.model_dump()),
            resume_run_id=state_file.run_id,
        ) as tracker,
    ):
        state_file.run_id = tracker.run_id
        numbers = train(
            settings,
            pictures=pictures,
            validation=validation,
            folders=FOLDERS,
            state_file=state_file,
            tracker=tracker,
            device=device,
        )
        first = f"{validation.ids[0]}.png"
        example = {"sketch": SKETCH / first, "reference": COLOR / first}
        tracker.model(
            FOLDERS.models, example={name: file.read_bytes() for name, file in example.items()}
        )
    text = json.dumps(numbers, indent=2) + "\n"
    Path("metrics/train.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    errors.run(main)
