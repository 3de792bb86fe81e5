"""What a release says of itself, and how a public host checks it."""

import os
import re
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

import refcolor

ROOT = Path(__file__).parents[1]
WORKFLOW = ".github/workflows/ci.yml"


def read_yaml(name: str) -> Any:
    """Read a YAML file of the repository."""
    return YAML(typ="safe").load(ROOT / name)


def test_one_version_and_one_date_everywhere() -> None:
    """The package, CITATION.cff and the top of CHANGELOG.md name the same version and date."""
    heading = re.search(r"^## (\S+) \((.+)\)$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert heading
    citation = read_yaml("CITATION.cff")
    assert citation["version"] == heading[1] == refcolor.__version__
    assert str(citation.get("date-released", "unreleased")) == heading[2]


def test_the_workflow_runs_the_commands_of_the_project() -> None:
    """Each is a script of .ci/ or a target of the Makefile; without make, a line of a target."""
    makefile = (ROOT / "Makefile").read_text()
    options = re.search("^PYTEST = (.+)", makefile, re.M)
    assert options
    recipes = makefile.replace("$(PYTEST)", options[1]).replace(".venv/bin/", "")
    steps = [step for job in read_yaml(WORKFLOW)["jobs"].values() for step in job["steps"]]
    for command in [line for step in steps for line in step.get("run", "").splitlines()]:
        program, *arguments = command.split()
        if program == "make":
            assert f"\n{arguments[0]}: $(READY)" in makefile
        elif program.startswith(".ci/"):
            assert os.access(ROOT / program, os.X_OK)
        elif program == "sudo":
            assert f" {arguments[-1]} " in (ROOT / ".ci/run").read_text()
        else:
            line, *folders = re.split(r" (?=tests/)", command)
            assert f"\t{line}\n" in recipes
            assert all((ROOT / folder).is_dir() for folder in folders)
