"""A small copy of the repository in which the real pipeline ran once."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from .closure import ROOT

TINY: dict[str, Any] = {
    "source.count": 24,
    "source.sample.size": 64,
    "clean.size": 32,
    "clean.min_side": 16,
    "split.validation": 0.2,
    "split.hold_out": [],
    "model.width": 2,
    "model.levels": 2,
    "model.blocks": 1,
    "model.discriminator_width": 2,
    "train.epochs": 2,
    "train.batch_size": 4,
    "train.threads": 1,
    "train.report_every": 2,
    "runtime.workers": 1,
    "runtime.device": "cpu",
}


@dataclass(frozen=True)
class Project:
    """A repository of its own, and the commands that a user types there."""

    root: Path
    environment: dict[str, str]

    def run(self, *command: str, check: bool = True, **options: Any) -> str:
        """Run a command and return what it printed; with `check`, it must succeed."""
        done = subprocess.run(
            command,
            cwd=self.root,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            **options,
        )
        assert done.returncode == 0 or not check, done.stdout
        return done.stdout

    def repro(self, *arguments: str, check: bool = True) -> list[str]:
        """Run `dvc repro` and return the stages that really ran."""
        said = self.run("dvc", "repro", *arguments, check=check)
        return [line.split("'")[1] for line in said.splitlines() if line.startswith("Running ")]

    def change(self, **values: Any) -> None:
        """Set parameters; `loss__triplet=1` is `loss.triplet`."""
        self.set({name.replace("__", "."): value for name, value in values.items()})

    def set(self, values: dict[str, Any]) -> None:
        """Set parameters by their dotted names."""
        yaml = YAML()
        path = self.root / "params.yaml"
        content = yaml.load(path)
        for name, value in values.items():
            *sections, last = name.split(".")
            place = content
            for section in sections:
                place = place[section]
            place[last] = value
        yaml.dump(content, path)

    def lock(self) -> str:
        """Return dvc.lock, which holds the md5 of everything."""
        return (self.root / "dvc.lock").read_text(encoding="utf-8")

    def numbers(self, name: str) -> dict[str, Any]:
        """Read a file of metrics."""
        content: dict[str, Any] = json.loads((self.root / "metrics" / name).read_text())
        return content


def make_project(
    root: Path, values: dict[str, Any], *, preset: str = "params.yaml", **environment: str
) -> Project:
    """Copy the files of the repository to `root` as a repository of its own, with a preset."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout.split("\0")
    code = ("refcolor/", "pipeline/", ".dvc", "dvc.yaml", "params.yaml", ".gitignore")
    kept = (*code, "data/in", "data/tagger", "data/exclude.txt")
    for name in listed:
        if name.startswith(kept) and (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name)
    shutil.copy(ROOT / preset, root / "params.yaml")
    (root / "metrics").mkdir()
    (root / "metrics" / ".gitkeep").touch()
    environment = (
        os.environ
        | environment
        | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(root),
            "PYTHONDONTWRITEBYTECODE": "1",
            "DVC_SITE_CACHE_DIR": str(root.parent / "site-cache"),
            "DVC_NO_ANALYTICS": "1",
            "OMP_NUM_THREADS": "1",
            "GIT_AUTHOR_NAME": "a",
            "GIT_AUTHOR_EMAIL": "a@example.org",
            "GIT_COMMITTER_NAME": "a",
            "GIT_COMMITTER_EMAIL": "a@example.org",
        }
    )
    environment.pop("MLFLOW_TRACKING_URI", None)
    project = Project(root, environment)
    project.set(values)
    project.run("git", "init", "-q")
    project.run("git", "add", "-A")
    project.run("git", "commit", "-qm", "start")
    return project


def copy_project(source: Project, folder: Path) -> Project:
    """Copy a project, with all that it has made, to `folder/project`."""
    root = folder / "project"
    shutil.copytree(source.root, root, symlinks=True)
    environment = source.environment | {
        "PYTHONPATH": str(root),
        "DVC_SITE_CACHE_DIR": str(folder / "site-cache"),
    }
    return Project(root, environment)


def shard_above(project: Project, count: int) -> None:
    """Let a project pack folders of more than `count` files, instead of ten thousand."""
    module = project.root / "refcolor" / "shards.py"
    code = module.read_text(encoding="utf-8")
    assert code.count("SHARD_ABOVE = 10_000") == 1
    module.write_text(code.replace("10_000", str(count)), encoding="utf-8")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose pipeline ran; tests leave it as it is."""
    root = tmp_path_factory.mktemp("finished") / "project"
    root.mkdir()
    project = make_project(root, TINY)
    ran = project.repro()
    assert ran == ["discover", "download", "clean", "sketch", "split", "train", "evaluate"]
    project.run("git", "add", "-A")
    project.run("git", "commit", "-qm", "baseline")
    return project


@pytest.fixture
def project(finished: Project, tmp_path: Path) -> Project:
    """A copy of the finished project that a test may change."""
    return copy_project(finished, tmp_path)
