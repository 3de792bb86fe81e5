"""Stage `evaluate`: the metrics and pictures of the trained generator."""

from pathlib import Path

import refcolor.interrupt  # noqa: F401
from refcolor import errors, params
from refcolor.io import image
from refcolor.io.files import write_json
from refcolor.tracking import inputs
from refcolor.tracking.session import Training, open_evaluation
from refcolor.tracking.stages import locked_key, read_lock, repository, stage_key

DATA, MODELS = Path("data"), Path("models")
RESULTS, IMAGES = Path("results"), Path("metrics/images")
CURVES, PREVIEWS = Path("metrics/curves"), Path("metrics/previews")


def main() -> None:
    """Write results, metrics/images and metrics/eval.json."""
    settings, root = params.load(), repository()
    inputs.check(settings)  # before torch is imported, which takes seconds
    from refcolor.evaluation.evaluate import evaluate
    from refcolor.evaluation.metrics.curves import draw_curves
    from refcolor.training.data import png_example, read_ids
    from refcolor.training.device import choose_device

    runtime, flat = settings.runtime, params.flatten(settings.model_dump())
    report = evaluate(settings, models=MODELS, data=DATA, device=choose_device(runtime.device))
    report.write(results=RESULTS, images=IMAGES, confusion=Path("metrics/confusion.csv"))
    write_json(Path("metrics/eval.json"), dict(sorted(report.numbers.items())))
    image.write(IMAGES / "curves.png", draw_curves(CURVES / "loss.csv"))
    example = png_example(read_ids(DATA / "split/val.txt")[0])
    training = Training(locked_key("train", read_lock()), CURVES, PREVIEWS, MODELS, example)
    with open_evaluation(
        kind=runtime.tracker, root=root, key=stage_key("evaluate"), params=flat, training=training
    ) as tracker:
        tracker.metrics(report.numbers)
        for sheet in sorted(IMAGES.glob("*.png")):
            tracker.picture(sheet.stem, image.read(sheet))


if __name__ == "__main__":
    errors.run(main)
