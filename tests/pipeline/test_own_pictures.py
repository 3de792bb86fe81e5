"""The user's pictures and weights never get into Git through an experiment."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from refcolor.io import image

from .closure import ROOT
from .conftest import TINY, Project, make_project

pytestmark = pytest.mark.slow

FOLDER: dict[str, Any] = TINY | {"source.kind": "folder", "source.count": 0}
PICTURES = [f"{index}.png" for index in range(3)]


def put_pictures(folder: Path) -> None:
    """Write three pictures; `discover` opens none of them."""
    for index, name in enumerate(PICTURES):
        image.write(folder / name, np.full((8, 8, 3), 80 * index, np.uint8))


def published(project: Project) -> set[str]:
    """Push everything, experiments and branches, and list all files that arrived."""
    remote = str(project.root.parent / "remote.git")
    project.run("git", "init", "-q", "--bare", remote)
    project.run("git", "push", "-q", remote, "--all")
    names = project.run("dvc", "exp", "list", "--all-commits", "--name-only").split()
    project.run("dvc", "exp", "push", "--no-cache", remote, *names)
    listed = project.run("git", "-C", remote, "rev-list", "--all", "--objects").splitlines()
    return {line.partition(" ")[2] for line in listed}


def refuse(project: Project, *arguments: str) -> str:
    """Run an experiment that must fail and commit nothing; return refcolor's line."""
    printed = project.run("dvc", "exp", "run", *arguments, check=False)
    assert "Traceback" not in printed
    assert project.run("dvc", "exp", "list", "--all-commits", "--name-only").split() == []
    assert project.run("git", "diff", "--cached", "--name-only") == ""
    (line,) = [line for line in printed.splitlines() if line.startswith("refcolor: ")]
    return line


@pytest.fixture
def folder_project(tmp_path: Path) -> Project:
    """A project on a folder that is still empty."""
    return make_project(tmp_path / "project", FOLDER)


def test_pictures_in_the_inbox_are_never_published(folder_project: Project) -> None:
    """`git add -A`, `dvc exp run` and `dvc exp push` leave them here, and the inbox in Git."""
    inbox = folder_project.root / "data/inbox"
    put_pictures(inbox / "sub")
    folder_project.repro("discover")
    folder_project.run("git", "add", "-A")
    folder_project.run("git", "commit", "-qm", "baseline")
    folder_project.run("dvc", "exp", "run", "discover", "-f", "-n", "mine", "-S", "split.seed=3")
    arrived = published(folder_project)
    assert {name for name in arrived if name.startswith("data/inbox/")} == {"data/inbox/.gitkeep"}
    assert {"data/manifest.jsonl", "dvc.lock"} <= arrived
    assert sorted(path.name for path in (inbox / "sub").iterdir()) == PICTURES
    assert folder_project.run("git", "status", "--porcelain", "data") == ""


@pytest.mark.parametrize("linked", [False, True])
def test_another_folder_is_refused_until_git_ignores_it(
    folder_project: Project, linked: bool
) -> None:
    """The first stage stops before DVC commits; with the line it names, the experiment runs."""
    mine = folder_project.root / "mine"
    put_pictures(mine.with_name("elsewhere") if linked else mine)
    if linked:
        mine.symlink_to("elsewhere")
        with (folder_project.root / ".git/info/exclude").open("a") as file:
            file.write("elsewhere\n")
    run = ("discover", "-n", "mine", "-S", "source.folder.path=mine")
    line = refuse(folder_project, *run)
    assert "add the line /mine to .gitignore" in line
    with (folder_project.root / ".gitignore").open("a") as file:
        file.write("/mine\n")
    folder_project.run("dvc", "exp", "run", *run)
    arrived = published(folder_project)
    assert "data/manifest.jsonl" in arrived
    assert not {name for name in arrived if name.startswith(("mine", "elsewhere"))}
    assert sorted(path.name for path in mine.iterdir()) == PICTURES


def test_tracked_pictures_are_refused_and_survive_the_command(folder_project: Project) -> None:
    """After the command of the message the experiment holds no picture, and the disk still does."""
    inbox = folder_project.root / "data/inbox"
    put_pictures(inbox)
    folder_project.run("git", "add", "-f", "data/inbox")
    folder_project.run("git", "commit", "-qm", "pictures")
    line = refuse(folder_project, "discover")
    folder_project.run("sh", "-c", line.partition("run: ")[2])
    folder_project.run("dvc", "exp", "run", "discover", "-n", "mine")
    reference = folder_project.run("git", "for-each-ref", "--format=%(refname)", "refs/exps/*/*/*")
    listed = folder_project.run("git", "ls-tree", "-r", "--name-only", reference.strip())
    assert [name for name in listed.split() if "inbox" in name] == ["data/inbox/.gitkeep"]
    assert sorted(path.name for path in inbox.glob("*.png")) == PICTURES


def test_a_temporary_run_needs_the_absolute_path(folder_project: Project) -> None:
    """`--temp` has none of the ignored pictures, or only the tracked ones; both are refused."""
    inbox = folder_project.root / "data/inbox"
    put_pictures(inbox)
    temporary = ("--temp", "discover", "-n", "mine")
    line = refuse(folder_project, *temporary)
    assert line.endswith(f"lacks 3 files from there; set source.folder.path to {inbox}")
    folder_project.run("dvc", "exp", "run", *temporary, "-S", f"source.folder.path={inbox}")
    folder_project.run("dvc", "exp", "remove", "mine")
    folder_project.run("git", "add", "-f", "data/inbox/0.png")
    folder_project.run("git", "commit", "-qm", "a picture")
    assert "would publish data/inbox/0.png" in refuse(folder_project, *temporary)


def test_make_repro_refuses_before_dvc(folder_project: Project) -> None:
    """A path with ~, of which DVC says [Errno 2], and a folder that DVC would not look at again."""
    root = folder_project.root
    shutil.copy(ROOT / "Makefile", root)
    for name in ("pyproject.toml", "requirements.lock", ".venv/ready"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).touch()
    put_pictures(root / "mine")
    for path, said in (("~/pictures", "must not begin with ~"), ("mine", "add the line /mine to")):
        folder_project.set({"source.folder.path": path})
        printed = folder_project.run("make", "repro", check=False)
        assert said in printed
        assert "dvc repro" not in printed


@pytest.mark.parametrize(
    ("stage", "name"), [("train", "train.init"), ("evaluate", "evaluate.tagger")]
)
def test_weights_are_refused_where_the_earlier_stages_do_not_run(
    project: Project, stage: str, name: str
) -> None:
    """An experiment on the last stages stops before it commits a folder that only these read."""
    (project.root / "mine").mkdir()
    (project.root / "mine/weights").write_bytes(b"0")
    line = refuse(project, stage, "-S", f"{name}=mine")
    assert line.startswith(f"refcolor: {name} is mine, and every experiment would publish")
