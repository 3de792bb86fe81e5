"""What a stage really opens inside the repository is what dvc.yaml declares."""

import re
import shutil

import pytest
from ruamel.yaml import YAML

from refcolor.params import flatten

from .closure import ALLOWED, allowed
from .conftest import STAGES, Project

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is missing"),
]

# The files that say what to do, and plumbing outside DVC's view.
PLUMBING = {
    "params.yaml",
    "dvc.yaml",
    "dvc.lock",
    ".refcolor",
    "mlflow.db",
    "mlflow.db-journal",
    "mlartifacts",
    ".git",
    ".gitignore",
    ".dvcignore",
} | ALLOWED
INTERPOLATED = re.compile(r"\$\{(.*?)\}")
OPENED = re.compile(r'open(?:at)?\((?:AT_FDCWD, )?"([^"]+)", ([A-Z_|]+)[^)]*\) = \d')


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_opens_only_declared_files(finished: Project, stage: str) -> None:
    """Every file opened in the repository lies under a declared dep or out of the stage."""
    definition = YAML(typ="safe").load(finished.root / "dvc.yaml")["stages"][stage]
    values = flatten(YAML(typ="safe").load(finished.root / "params.yaml"))
    declared = set(PLUMBING)
    for group in ("deps", "outs", "metrics", "plots"):
        for entry in definition.get(group, []):
            path = next(iter(entry)) if isinstance(entry, dict) else entry
            declared.add(INTERPOLATED.sub(lambda match: str(values[match[1]]), path))
    trace = finished.root.parent / "traces" / f"pipeline.{stage}"
    opened = OPENED.findall(trace.read_text(errors="replace"))
    assert any(name.endswith(f"pipeline/{stage}.py") for name, _ in opened)
    undeclared = set()
    for name, flags in opened:
        path = finished.root / name
        if not path.is_relative_to(finished.root) or "O_DIRECTORY" in flags or path.is_dir():
            continue
        if path.name.startswith(".") and path.name.endswith(".part"):
            continue  # written under a temporary name, then renamed
        relative = path.relative_to(finished.root)
        if stage == "train" and relative.parts[0] == "refcolor":
            continue  # MLflow copies the library beside the model; imports have a test of their own
        if declared & {str(place) for place in (relative, *relative.parents)}:
            continue
        if path.suffix != ".py" or not allowed(str(relative)):
            undeclared.add(str(relative))
    assert undeclared == set()
