"""What a stage really opens inside the repository is what dvc.yaml declares."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from refcolor.params import flatten

from .closure import ALLOWED
from .conftest import Project

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is missing"),
]

STAGES = ("discover", "download", "clean", "sketch", "split", "train", "evaluate")
# The files that say what to do, and plumbing outside DVC's view.
PLUMBING = {
    "params.yaml",
    "dvc.yaml",
    "dvc.lock",
    ".refcolor",
    "mlflow.db",
    "mlartifacts",
    ".git",
    ".gitignore",
    ".dvcignore",
} | ALLOWED
INTERPOLATED = re.compile(r"\$\{(.*?)\}")
OPENED = re.compile(r'open(?:at)?\((?:AT_FDCWD, )?"([^"]+)", ([A-Z_|]+)[^)]*\) = \d')


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_opens_only_declared_files(project: Project, stage: str, tmp_path: Path) -> None:
    """Every file opened in the repository lies under a declared dep or out of the stage."""
    project.set({"runtime.tracker": "none"})
    trace = tmp_path / "trace"
    definition = YAML(typ="safe").load(project.root / "dvc.yaml")["stages"][stage]
    environment = project.environment | {"PYTHONPYCACHEPREFIX": str(tmp_path / "pycache")}
    subprocess.run(
        [
            "strace",
            "-f",
            "-qq",
            "-e",
            "trace=open,openat",
            "-o",
            str(trace),
            *definition["cmd"].split(),
        ],
        cwd=project.root,
        env=environment,
        check=True,
        capture_output=True,
        timeout=300,
    )
    values = flatten(YAML(typ="safe").load(project.root / "params.yaml"))
    declared = set(PLUMBING)
    for group in ("deps", "outs", "metrics", "plots"):
        for entry in definition.get(group, []):
            path = next(iter(entry)) if isinstance(entry, dict) else entry
            declared.add(INTERPOLATED.sub(lambda match: str(values[match[1]]), path))
    undeclared = set()
    for name, flags in OPENED.findall(trace.read_text(errors="replace")):
        path = Path(name) if name.startswith("/") else project.root / name
        if not path.is_relative_to(project.root) or "O_DIRECTORY" in flags or path.is_dir():
            continue
        if path.name.startswith(".") and path.name.endswith(".part"):
            continue  # written under a temporary name, then renamed
        relative = path.relative_to(project.root).as_posix()
        if not any(
            relative == one or relative.startswith((f"{one}/", f"{one}-")) for one in declared
        ):
            undeclared.add(relative)
    assert undeclared == set()
