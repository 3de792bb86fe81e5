"""A small copy of the repository in which the real pipeline ran once."""

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from ..conftest import make_once
from .closure import ROOT

STAGES = ("discover", "download", "clean", "sketch", "split", "train", "evaluate")

TINY: dict[str, Any] = {
    "source.count": 24,
    "source.sample.palettes": 3,
    "source.sample.size": 64,
    "clean.size": 32,
    "clean.min_side": 16,
    "split.validation": 0.2,
    "split.hold_out": [],
    "augment.other_reference": 0.5,
    "model.width": 2,
    "model.widths": [2, 4, 8],
    "model.levels": 3,
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

    def commit(self, message: str) -> None:
        """Commit everything that Git does not ignore."""
        self.run("git", "add", "-A")
        self.run("git", "commit", "-qm", message)

    def numbers(self, name: str) -> dict[str, Any]:
        """Read a file of metrics."""
        content: dict[str, Any] = json.loads((self.root / "metrics" / name).read_text())
        return content


def environment_of(root: Path) -> dict[str, str]:
    """Return the environment in which a project's commands use its own code and DVC cache."""
    environment = os.environ | {
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
    environment.pop("MLFLOW_TRACKING_URI", None)
    return environment


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
    kept = (*code, "data/in", "data/tagger", "data/pairs", "data/exclude.txt")
    for name in listed:
        if name.startswith(kept) and (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name)
    shutil.copy(ROOT / preset, root / "params.yaml")
    (root / "metrics").mkdir()
    (root / "metrics" / ".gitkeep").touch()
    project = Project(root, environment_of(root) | environment)
    project.set(values)
    project.run("git", "init", "-q")
    project.commit("start")
    return project


def copy_project(source: Project, folder: Path) -> Project:
    """Copy a project, with all that it has made, to `folder/project`."""
    root = folder / "project"
    locks = shutil.ignore_patterns("rwlock*", "lock")  # another worker's, gone at any moment
    shutil.copytree(source.root, root, symlinks=True, ignore=locks)
    places = {"PYTHONPATH": str(root), "DVC_SITE_CACHE_DIR": str(folder / "site-cache")}
    return Project(root, source.environment | places)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose pipeline ran once for the whole session; tests leave it as it is.

    Where strace is installed, `traces/pipeline.STAGE` lists the files that the stage opened.
    """

    def make(folder: Path) -> None:
        project = make_project(folder / "project", TINY)
        traced = _trace_stages(project, folder)
        assert traced.repro() == list(STAGES)
        project.commit("baseline")

    folder = make_once(tmp_path_factory, "finished", make)
    return Project(folder / "project", environment_of(folder / "project"))


@pytest.fixture(scope="session")
def experiment(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """That project after the README's first experiment, whose results lie in the workspace."""

    def make(folder: Path) -> None:
        project = copy_project(finished, folder)
        # A copied repository starts an MLflow experiment of its own; here it is the original.
        with contextlib.closing(sqlite3.connect(project.root / "mlflow.db")) as store, store:
            for place in ("experiments.artifact_location", "runs.artifact_uri"):
                table, column = place.split(".")
                store.execute(
                    f"update {table} set {column} = replace({column}, ?, ?)",
                    (str(finished.root), str(project.root)),
                )
        project.run("dvc", "exp", "run", "-n", "triplet-on", "-S", "loss.triplet=1")

    folder = make_once(tmp_path_factory, "experiment", make)
    return Project(folder / "project", environment_of(folder / "project"))


@pytest.fixture
def project(finished: Project, tmp_path: Path) -> Project:
    """A copy of the finished project that a test may change."""
    return copy_project(finished, tmp_path)


def _trace_stages(project: Project, folder: Path) -> Project:
    strace = shutil.which("strace")
    if strace is None:
        return project
    (folder / "traces").mkdir()
    program = folder / "bin" / "python"
    program.parent.mkdir()
    options = "-f -qq --seccomp-bpf -e trace=open,openat"
    program.write_text(
        f'#!/bin/sh\nexec {strace} {options} -o {folder}/traces/$2 {sys.executable} "$@"\n'
    )
    program.chmod(0o755)
    path = f"{program.parent}{os.pathsep}{project.environment['PATH']}"
    return replace(project, environment=project.environment | {"PATH": path})
