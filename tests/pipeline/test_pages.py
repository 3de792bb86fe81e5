"""The commands of README, CONTRIBUTING and docs/ run as they stand there, or say why not."""

import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
import pytest

from refcolor import characters
from refcolor.colorize.documents import Layer
from refcolor.colorize.ora import write_ora
from refcolor.io import image

from .closure import ROOT
from .conftest import Project, copy_project

pytestmark = pytest.mark.slow

PAGES = ("README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")))
PAGES += ("CONTRIBUTING.md",)

# What a line of an indented block begins with that is for a shell, or for Python.
SHELL = set(
    ". cp curl dask dvc export git make mlflow pip pre-commit python refcolor rm torchrun".split()
)
PYTHON = {"from", "import"}

# How a command that does not run here begins -> why not.
NOT_RUN = {
    "git clone": "a placeholder for an address",
    ". .venv/bin/activate": "the environment of the tests is active",
    "make test": "it is this suite",
    "make quick": "a part of this suite",
    "make lint": "minutes: mypy; CI runs it",
    "make ui": "it serves until it is stopped; test_browser.py opens it",
    "pre-commit install": "the hook would judge the commits of the commands that follow",
    "pip install": "the network",
    "refcolor benchmark": "minutes for 100 pairs; tests/cli/test_benchmark.py",
    "refcolor colorize --pairs pairs/pairs.csv": "the pairs of the benchmark are not drawn here",
    "refcolor app": "it serves until it is stopped; tests/app",
    "dvc exp run -n triplet-on": "the project was made by it: conftest.experiment",
    "dvc repro --force": "minutes; test_pipeline.py forces every stage",
    "dvc repro": "after `refcolor forget`; test_danbooru.py",
    "dvc exp run -S source.kind=folder": "the weights of VGG-19, and minutes at full width",
    "dvc exp run -S evaluate.tagger": "somebody else's network; tests/features/test_tagger.py",
    "dvc exp run -S evaluate.pairs": "real drawings; tests/evaluation/test_real_drawings.py",
    "dvc exp run -S train.processes": "minutes; test_processes.py",
    "python -c": "the model of refcolor is not trained here",
    "refcolor card -o refcolor/colorize/demo": "the model of refcolor is not trained here",
    "refcolor forget": "the project has no such post; test_danbooru.py forgets one",
    "git commit -am": "what it commits was not run",
    "dask scheduler": "it serves until it is stopped; tests/test_cluster.py",
    "dask worker": "it works until it is stopped; tests/test_cluster.py",
    "rm -rf models": "it belongs to the training on two hosts",
    "torchrun": "two hosts; test_processes.py starts two programs",
    "dvc commit": "it belongs to the training on two hosts",
    "mlflow models serve": "a placeholder for a model; tests/tracking/test_serving.py",
    "curl": "the model is not served here; tests/tracking/test_serving.py",
    "python -m benchmarks": "a GPU",
    "python -m recipes.elsewhere": "minutes: a training; tests/recipes/test_elsewhere.py",
    "import numpy, onnxruntime": "the arrays are the reader's; tests/test_export.py",
}
# After these, in their block, `make repro` and `dvc repro` take more than the tests have.
LONG = {
    "cp -r ~/pictures": "minutes: a training at 128 pixels",
    "cp presets/art-128.yaml": "an hour and a half; tests/recipes makes a small folder",
    "cp presets/danbooru-256.yaml": "the network and a GPU; test_danbooru.py has a small one",
}


@dataclass(frozen=True)
class Block:
    """Commands of a page that stand together."""

    page: str
    line: int
    commands: tuple[str, ...]

    def split(self) -> tuple[list[str], set[str]]:
        """Give the commands to run, and the beginnings of those that do not run here."""
        run: list[str] = []
        left: set[str] = set()
        long = ""
        for command in self.commands:
            why = [start for start in NOT_RUN if command.startswith(start)]
            long = next((start for start in LONG if command.startswith(start)), long)
            if long and re.match("(make|dvc) repro", command):
                left.add(long)
            elif why:
                left.update(why)
            else:
                run.append(command)
        return run, left


def read_blocks(page: str) -> Iterator[Block]:
    """Read the indented blocks of a page that hold commands."""
    lines = enumerate((ROOT / page).read_text(encoding="utf-8").splitlines(), start=1)
    for indented, block in groupby(lines, key=lambda line: line[1].startswith("    ")):
        if indented:
            (number, first), *rest = block
            texts = [first, *(text for _, text in rest)]
            texts = [text.removeprefix("    ").removeprefix("$ ") for text in texts]
            commands = tuple(join_commands(texts))
            if commands:
                yield Block(page, number, commands)


def join_commands(lines: list[str]) -> Iterator[str]:
    """Find the commands among lines; a Python block is one command."""
    if lines[0].split()[0] in PYTHON:
        yield "\n".join(lines)
        return
    command = ""
    for line in lines:
        command += line
        try:
            words = shlex.split(command, comments=True)
        except ValueError:  # a quotation or a line that goes on
            command += "\n"
            continue
        if words and words[0] in SHELL:
            yield command
        command = ""


BLOCKS = [block for page in PAGES for block in read_blocks(page)]
RUN = [block for block in BLOCKS if block.split()[0]]


@pytest.fixture(scope="module")
def workplace(experiment: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project after the README's experiment, with a home and the files that pages speak of."""
    project = copy_project(experiment, tmp_path_factory.mktemp("pages"))
    root, home = project.root, project.root.parent / "home"
    for name in ("Makefile", "pyproject.toml", "requirements.lock", "plugins", "presets"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, root / name)
    (root / ".venv").mkdir()
    (root / ".venv" / "ready").touch()
    for index in range(2):
        drawn = characters.render(
            characters.draw_shape(5, index), characters.draw_palette(6, index), size=256
        )
        lines = np.where(drawn.ink, 0, 255).astype(np.uint8)
        image.write(root / "drawings" / f"{index}.png", lines)
        for folder in (root / "pictures", root / "truth", root / "mika", home / "pictures"):
            image.write(folder / f"{index}.png", drawn.color)
    for name in ("drawing.png", "girl.png"):
        shutil.copy(root / "drawings" / "0.png", root / name)
    panel = np.pad(np.pad(lines, 9, constant_values=0), 20, constant_values=255)
    image.write(root / "page.png", np.hstack([panel, panel]))
    for name in ("ann.png", "bo.png"):
        shutil.copy(root / "pictures" / "1.png", root / name)
    image.write(root / "mask.png", np.eye(256, dtype=np.uint8) * 255)
    inked = np.dstack([np.zeros((256, 256, 3), np.uint8), 255 - lines])
    white = np.full((256, 256, 3), 255, np.uint8)
    write_ora(root / "pages" / "1.ora", [Layer("inks", inked)], white, None)
    shutil.copy(root / "pictures" / "1.png", root / "painting.jpg")
    return replace(project, environment=project.environment | {"HOME": str(home)})


@pytest.mark.parametrize("block", RUN, ids=lambda block: f"{block.page}:{block.line}")
def test_the_commands_of_a_page_work(workplace: Project, block: Block) -> None:
    """Each block of commands runs to its end in a project where the README's experiment ran."""
    commands, _ = block.split()
    if commands[0].split()[0] in PYTHON:
        workplace.run(sys.executable, "-c", commands[0])
    else:
        workplace.run("bash", "-e", "-c", "\n".join(commands))
    workplace.run("git", "checkout", "-q", ".")


def test_every_reason_is_about_a_command_of_a_page() -> None:
    """Each command with a reason for not running stands on a page."""
    left = set[str]().union(*(block.split()[1] for block in BLOCKS))
    assert left == NOT_RUN.keys() | LONG.keys()
