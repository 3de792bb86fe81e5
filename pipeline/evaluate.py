"""Stage `evaluate`: the numbers and pictures that say how well the generator colours."""

import json
import os
from pathlib import Path

import torch

from refcolor import errors, image, params
from refcolor.device import choose_device
from refcolor.evaluate import evaluate
from refcolor.stages import locked_key, read_lock, stage_key
from refcolor.tracking import Training, open_evaluation

COLOR, SKETCH, SPLIT = Path("data/color"), Path("data/sketch"), Path("data/split")
MODELS, IMAGES = Path("models"), Path("metrics/images")


def main() -> None:
    """Write results, metrics/images and metrics/eval.json."""
    settings = params.load()
    torch.set_num_threads(settings.train.threads)
    numbers = evaluate(
        settings,
        models=MODELS,
        manifest=Path("data/manifest.jsonl"),
        split=SPLIT,
        color=COLOR,
        sketch=SKETCH,
        results=Path("results"),
        images=IMAGES,
        device=choose_device(settings.runtime.device),
    )
    text = json.dumps(numbers, indent=2, sort_keys=True) + "\n"
    Path("metrics/eval.json").write_text(text, encoding="utf-8")

    first = f"{(SPLIT / 'val.txt').read_text(encoding='utf-8').split()[0]}.png"
    example = {"sketch": (SKETCH / first).read_bytes(), "reference": (COLOR / first).read_bytes()}
    training = Training(
        key=locked_key("train", read_lock()),
        curves=Path("metrics/curves"),
        previews=Path("metrics/previews"),
        model=MODELS,
        example=example,
    )
    with open_evaluation(
        kind=settings.runtime.tracker,
        root=Path(os.environ.get("DVC_ROOT", ".")),
        key=stage_key("evaluate"),
        params=params.flatten(settings.model_dump()),
        training=training,
    ) as tracker:
        tracker.metrics(numbers)
        for sheet in sorted(IMAGES.glob("*.png")):
            tracker.picture(sheet.stem, image.read(sheet))


if __name__ == "__main__":
    errors.run(main)
