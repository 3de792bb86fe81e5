"""Train on another machine, such as one with a GPU and without DVC and MLflow.

    python -m recipes.elsewhere pack .refcolor/training.zip  # here, after `dvc repro split`
    python -m recipes.elsewhere train training.zip trained   # there; the same command resumes
    python -m recipes.elsewhere unpack .refcolor/trained     # here

`pack` writes the parameters, the split and the pictures of a prepared run into one file; `unpack`
puts model, curves and previews where the stage `train` writes them. Both hold pictures: keep them
in a folder that Git ignores, such as `.refcolor`. docs/scale.md has the rest.
"""

import argparse
import json
import shutil
import tempfile
import zipfile
from pathlib import Path

import refcolor.interrupt  # noqa: F401
from refcolor import errors, params
from refcolor.errors import RefcolorError
from refcolor.io import image
from refcolor.io.files import replacing, write_json
from refcolor.params import Params

LIMIT = 64  # megabytes
SPLIT, MODELS, INIT = Path("data/split"), Path("models"), "init"
SIDES = ("train", "val")
PARAMETERS, NUMBERS = "params.json", "train.json"
TRAINING = {"seed", "augment", "model", "loss", "train"}  # sections that training reads


def pack(target: Path, *, size: int = 0, limit: int = LIMIT) -> int:
    """Write the training of the working directory into a ZIP file; return its size in bytes.

    size: side to which pictures are reduced, 0 for none. Windows (`augment.framing`) and inked
    lines lose detail where it is less than that of the files.
    limit: megabytes that the file may have.
    Raises RefcolorError for a larger file and for weights of `train.init` that are missing.
    """
    from refcolor.training.data import load_pictures, read_ids

    settings = params.load()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for side in SIDES:
            shutil.copy(SPLIT / f"{side}.txt", root)
            pictures = load_pictures(read_ids(SPLIT / f"{side}.txt"))
            pictures = pictures.at_size(size) if size else pictures
            for index, id in enumerate(pictures.ids):
                image.write(root / "color" / f"{id}.png", pictures.color[index])
                image.write(root / "sketch" / f"{id}.png", pictures.sketch[index])
        shutil.copy(SPLIT / "groups.json", root)
        if settings.train.init:
            shutil.copytree(settings.train.init, root / INIT)
        write_json(root / PARAMETERS, settings.model_dump(mode="json"))
        with replacing(target) as temporary:
            with zipfile.ZipFile(temporary, "w") as archive:
                for file in sorted(path for path in root.rglob("*") if path.is_file()):
                    archive.write(file, file.relative_to(root))
            size_of_file = temporary.stat().st_size
            if size_of_file > limit * 1_000_000:
                raise RefcolorError(
                    f"{target} would have {size_of_file / 1e6:.0f} MB, more than the {limit} of "
                    f"--limit; give --size {settings.training_size}, or fewer pictures "
                    "(source.count), or a higher --limit"
                )
    return size_of_file


def train(source: Path, target: Path, *, device: str = "auto") -> dict[str, float]:
    """Train what `pack` wrote; a training that was stopped is resumed.

    target: folder for model, curves, previews, the numbers and the state.
    """
    from refcolor.training.checkpoint import StateFile
    from refcolor.training.data import load_pictures, read_groups, read_ids
    from refcolor.training.device import choose_device, keep_freed_memory
    from refcolor.training.tracker import NullTracker
    from refcolor.training.train import Folders
    from refcolor.training.train import train as run_training

    keep_freed_memory()
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        with zipfile.ZipFile(source) as archive:
            archive.extractall(root)
        settings = _read(root / PARAMETERS)
        if (root / INIT).exists():
            settings = settings.model_copy(
                update={"train": settings.train.model_copy(update={"init": str(root / INIT)})}
            )
        groups = read_groups(root / "groups.json")
        pictures, validation = (
            load_pictures(
                read_ids(root / f"{side}.txt"),
                color=root / "color",
                sketch=root / "sketch",
                groups=groups,
            )
            for side in SIDES
        )
        state = StateFile(target / "state", epochs=settings.train.epochs)
        with state.locked(wait=False):
            numbers = run_training(
                settings,
                pictures=pictures,
                validation=validation,
                folders=Folders(target / "models", target / "curves", target / "previews"),
                state_file=state,
                tracker=NullTracker(),
                device=choose_device(device),
            )
        shutil.copy(root / PARAMETERS, target)
    write_json(target / NUMBERS, numbers)
    return numbers


def unpack(source: Path) -> None:
    """Put model, curves, previews and numbers where the stage `train` writes them.

    Raises RefcolorError for a training that has not ended, and for one with other parameters.
    """
    if not (source / NUMBERS).exists():
        raise RefcolorError(f"the training in {source} has not ended; train it to the end first")
    there, here = (
        x.model_dump(include=TRAINING) for x in (_read(source / PARAMETERS), params.load())
    )
    if there != here:
        before, now = params.flatten(there), params.flatten(here)
        other = [name for name in now if before.get(name) != now[name]]
        raise RefcolorError(
            f"{source} was trained with other values of {', '.join(other)}; "
            "restore params.yaml, or pack and train again"
        )
    for name, folder in (
        ("models", MODELS),
        ("curves", Path("metrics/curves")),
        ("previews", Path("metrics/previews")),
    ):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(source / name, folder)
    shutil.copy(source / NUMBERS, "metrics/train.json")


def _read(path: Path) -> Params:
    return params.check(json.loads(path.read_text(encoding="utf-8")), where=path)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    verbs = parser.add_subparsers(required=True, metavar="VERB", dest="verb")
    options = verbs.add_parser("pack", help="write a prepared run into one file")
    options.add_argument("file", type=Path)
    options.add_argument("--size", type=int, default=0, help="reduce pictures to this side (0: no)")
    options.add_argument("--limit", type=int, default=LIMIT, help=f"megabytes ({LIMIT})")
    options = verbs.add_parser("train", help="train that file, or resume it")
    options.add_argument("file", type=Path)
    options.add_argument("folder", type=Path)
    options.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps (auto)")
    options = verbs.add_parser("unpack", help="take over the trained model")
    options.add_argument("folder", type=Path)
    return parser


def main() -> None:
    """Run a verb."""
    arguments = _parser().parse_args()
    match arguments.verb:
        case "pack":
            size = pack(arguments.file, size=arguments.size, limit=arguments.limit)
            print(f"{arguments.file}: {size / 1e6:.1f} MB")
        case "train":
            train(arguments.file, arguments.folder, device=arguments.device)
        case "unpack":
            unpack(arguments.folder)
            print("now run: dvc commit --force train && dvc repro")


if __name__ == "__main__":
    errors.run(main)
