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
    inputs.check(settings)  # before torch is imported, which takes seconds
    from refcolor.training import distributed
    from refcolor.training.checkpoint import StateFile, state_folder
    from refcolor.training.data import load_pictures, png_example, read_groups, read_ids
    from refcolor.training.device import choose_device, keep_freed_memory
    from refcolor.training.train import Folders, train

    runtime, flat = settings.runtime, params.flatten(settings.model_dump())
    device, count = choose_device(runtime.device), settings.train.processes
    if distributed.needs_launch(settings, device=device):
        return distributed.launch("pipeline.train", count=count)
    keep_freed_memory()
    with distributed.process_group(count, device=device) as (processes, device):
        load = partial(
            load_pictures,
            groups=read_groups(SPLIT / "groups.json"),
            cache=root / PIXEL_CACHE,
            silent=not processes.is_first_rank,
        )
        lists = [read_ids(SPLIT / f"{side}.txt") for side in ("train", "val")]
        pictures, validation = processes.first_rank_first(lambda: [load(ids) for ids in lists])
        # More epochs resume the same state, unless the cool-down depends on them.
        epochs = () if settings.train.cool_down else ("train.epochs",)
        key = stage_key("train", without=("train.processes", *epochs))
        state = state_folder(root, key, pictures.digest(), validation.digest(), device.type)
        processes.require_equal(stage_key("train") + state.name)
        state_file = StateFile(
            state, epochs=settings.train.epochs, save_seconds=runtime.save_seconds
        )
        run_training = partial(
            train,
            settings,
            pictures=pictures,
            validation=validation,
            folders=Folders(MODELS, Path("metrics/curves"), Path("metrics/previews")),
            state_file=state_file,
            device=device,
            processes=processes,
        )
        if not processes.is_first_rank:
            run_training(tracker=NullTracker())
            return
        with (
            state_file.locked(wait=count == 1),
            open_training(
                kind=runtime.tracker,
                root=root,
                key=stage_key("train"),
                params=flat,
                resume_run_id=state_file.run_id,
            ) as tracker,
        ):
            state_file.run_id = tracker.run_id
            numbers = run_training(tracker=tracker)
            tracker.model(MODELS, example=png_example(validation.ids[0]))
    write_json(Path("metrics/train.json"), numbers)


if __name__ == "__main__":
    errors.run(main)
