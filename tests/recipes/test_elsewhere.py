"""A training on another machine gives what the same training here gives."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from ruamel.yaml import YAML

from recipes import elsewhere
from refcolor.errors import RefcolorError
from refcolor.io import image
from refcolor.io.files import write_json, write_lines
from refcolor.params import Params
from refcolor.training.checkpoint import StateFile, load_generator
from refcolor.training.data import Pictures
from refcolor.training.tracker import NullTracker
from refcolor.training.train import Folders, train

ROOT = Path(__file__).parents[2]
ABSENT = "dvc mlflow ruamel pathspec skimage pandas matplotlib requests scipy torchvision"
# The command with the packages of its first argument missing.
WITHOUT = """
import runpy, sys
sys.modules |= dict.fromkeys(sys.argv.pop(1).split())
runpy.run_module("recipes.elsewhere", run_name="__main__", alter_sys=True)
"""


@pytest.fixture
def prepared(
    tmp_path: Path,
    make_params: Callable[..., Params],
    make_pictures: Callable[..., Pictures],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Params]:
    """Prepare a run in the working directory: pictures, sketches, split and parameters."""
    monkeypatch.chdir(tmp_path)

    def prepare(changes: dict[str, object] | None = None) -> Params:
        settings = make_params({"loss.match": 1} | (changes or {}))
        YAML(typ="safe").dump(settings.model_dump(mode="json"), Path("params.yaml"))
        for side, pictures in sides(make_pictures).items():
            for index, id in enumerate(pictures.ids):
                image.write(Path("data/color") / f"{side}{id}.png", pictures.color[index])
                image.write(Path("data/sketch") / f"{side}{id}.png", pictures.sketch[index])
            write_lines(Path("data/split") / f"{side}.txt", [f"{side}{id}" for id in pictures.ids])
        write_json(Path("data/split/groups.json"), {})
        return settings

    return prepare


def sides(make_pictures: Callable[..., Pictures]) -> dict[str, Pictures]:
    """Make the pictures of the two sides of the split."""
    return {"train": make_pictures(11), "val": make_pictures(3, seed=1)}


def test_a_training_elsewhere_has_the_bytes_of_one_here(
    prepared: Callable[..., Params], make_pictures: Callable[..., Pictures]
) -> None:
    """Without DVC, MLflow and all that only the pipeline needs; stopped once, and unpacked."""
    settings = prepared()
    elsewhere.pack(Path("training.zip"))
    command = [sys.executable, "-c", WITHOUT, ABSENT, "train", "training.zip", "trained"]
    done = subprocess.run(
        [*command, "--device", "cpu"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    elsewhere.unpack(Path("trained"))
    here = Path("here")
    pictures = sides(make_pictures)
    train(
        settings,
        pictures=pictures["train"],
        validation=pictures["val"],
        folders=Folders(here / "models", here / "metrics/curves", here / "metrics/previews"),
        state_file=StateFile(here / "state", epochs=settings.train.epochs),
        tracker=NullTracker(),
        device=torch.device("cpu"),
    )
    expected = [file for part in ("models", "metrics") for file in (here / part).rglob("*.*")]
    assert len(expected) == 6
    for file in expected:
        assert file.relative_to(here).read_bytes() == file.read_bytes()
    assert Path("metrics/train.json").exists()


def test_a_training_with_other_parameters_is_not_taken_over(
    prepared: Callable[..., Params],
) -> None:
    """The message names them; what training does not read may differ."""
    prepared()
    elsewhere.pack(Path("training.zip"))
    Path("trained").mkdir()
    with pytest.raises(RefcolorError, match="the training in trained has not ended"):
        elsewhere.unpack(Path("trained"))
    elsewhere.train(Path("training.zip"), Path("trained"), device="cpu")
    prepared({"loss.triplet": 1, "evaluate.batch_size": 7})
    with pytest.raises(RefcolorError, match=r"trained with other values of loss\.triplet; restore"):
        elsewhere.unpack(Path("trained"))
    assert not Path("models").exists()


def test_a_training_from_weights_takes_them_along(
    prepared: Callable[..., Params], tmp_path: Path
) -> None:
    """`train.init` is a folder of this machine: its weights are in the file."""
    prepared()
    elsewhere.pack(Path("training.zip"))
    elsewhere.train(Path("training.zip"), Path("trained"), device="cpu")
    prepared({"train.init": "trained/models", "train.learning_rate_generator": 1e-30})
    elsewhere.pack(Path("again.zip"))
    elsewhere.train(Path("again.zip"), Path("again"), device="cpu")
    one, other = (load_generator(Path(name) / "models") for name in ("trained", "again"))
    for first, second in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.allclose(first, second, atol=1e-6)


def test_a_file_above_the_limit_is_refused(prepared: Callable[..., Params]) -> None:
    """The message has its size and what makes it smaller: `--size` reduces the pictures."""
    prepared()
    with pytest.raises(RefcolorError, match=r"would have 0 MB, more than the 0 of --limit; give"):
        elsewhere.pack(Path("a.zip"), limit=0)
    assert not Path("a.zip").exists()
    elsewhere.pack(Path("b.zip"), size=16)
    with zipfile.ZipFile("b.zip") as archive:
        archive.extractall("small")
    assert {image.read(file).shape for file in Path("small/color").iterdir()} == {(16, 16, 3)}
    assert {image.read_gray(file).shape for file in Path("small/sketch").iterdir()} == {(16, 16)}
