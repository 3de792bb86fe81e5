"""Stage `train`: the generator, its curves and its previews."""

from functools import partial
from pathlib import Path

import refcolor.interrupt  # noqa: F401
from refcolor import errors, params
from refcolor.io.files import write_json
from refcolor.tracking import inputs
from refcolor.tracking.session import open_training
from refcolor.tracking.stages import repository, stage_key
from refcolor.training.pixel_cache import PIXEL_CACHE
from refcolor.training.tracker import NullTracker

SPLIT, MODELS = Path("data/split"), Path("models")


def main() -> None:
    """Write models, metrics/train.json, metrics/curves and metrics/previews."""
    settings, root = params.load(), repository()
    inputs.check(settings)  # a refusal need not wait for torch
    from refcolor.training import distributed
    from refcolor.training.checkpoint import StateFile, state_folder
    from refcolor.training.data import load_pictures, png_example, read_ids
    from refcolor.training.device import choose_device, keep_freed_memory
    from refcolor.training.train import Folders, train

    runtime, flat = settings.runtime, params.flatten(settings.model_dump())
    device, count = choose_device(runtime.device), settings.train.processes
    if distributed.must_be_started(settings, device=device):
        return distributed.start("pipeline.train", count=count)
    keep_freed_memory()
    with distributed.joined(count, device=device) as (processes, device):
        load = partial(load_pictures, cache=root / PIXEL_CACHE, silent=not processes.is_first_rank)
        lists = [read_ids(SPLIT / f"{side}.txt") for side in ("train", "val")]
        pictures, validation = processes.first_rank_first(lambda: [load(ids) for ids in lists])
        # More epochs go on from the same state; other pictures or another device never do.
        key = stage_key("train", without=("train.epochs", "train.processes"))
        state = state_folder(root, key, pictures.digest(), validation.digest(), device.type)
        processes.refuse_difference(stage_key("train") + state.name)
        file = StateFile(state, epochs=settings.train.epochs, patient=count == 1)
        folders = Folders(MODELS, Path("metrics/curves"), Path("metrics/previews"))
        work = partial(
            train,
            settings,
            pictures=pictures,
            validation=validation,
            folders=folders,
            state_file=file,
            device=device,
            processes=processes,
        )
        if not processes.is_first_rank:
            work(tracker=NullTracker())
            return
        with (
            file,
            open_training(
                kind=runtime.tracker,
                root=root,
                key=stage_key("train"),
                params=flat,
                resume_run_id=file.run_id,
            ) as tracker,
        ):
            file.run_id = tracker.run_id
            numbers = work(tracker=tracker)
            tracker.model(MODELS, example=png_example(validation.ids[0]))
    write_json(Path("metrics/train.json"), numbers)


if __name__ == "__main__":
    errors.run(main)
