"""A small plan, and rows as finished runs leave them."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from refcolor.study.plan import Run, digest
from refcolor.study.rows import Row

PLAN: dict[str, Any] = {
    "name": "tiny",
    "title": "A tiny study",
    "question": "Does it help?",
    "parameters": "params.yaml",
    "primary": "transfer_delta_e",
    "primary_why": "It is what the method is for.",
    "smallest_difference": 0.3,
    "confidence": 0.95,
    "rules": ["The unit is a training."],
    "main": {
        "seeds": [0, 1, 2],
        "changes": {"train.epochs": 4},
        "baseline": "scft",
        "arms": {
            "scft": {"asks": "the baseline"},
            "triplet": {"asks": "what does it change?", "changes": {"loss.triplet": 1}},
        },
    },
    "comparisons": [
        {
            "arm": "triplet",
            "metric": "transfer_delta_e",
            "expected": "higher",
            "because": "a pilot said so",
        },
        {
            "arm": "triplet",
            "metric": "attention_accuracy",
            "expected": "lower",
            "because": "to be contradicted",
        },
    ],
    "screening": {
        "seeds": [0, 1],
        "changes": {"train.epochs": 2},
        "arms": {"none": {"asks": "no attention", "changes": {"model.attention": "none"}}},
    },
    "observations": [{"said": "it falls", "question": "Does it?", "quantity": "swing"}],
    "test": {"shape_seed": 5, "palette_seed": 6, "count": 16},
}


@pytest.fixture
def plan_content() -> dict[str, Any]:
    """Give the content of a plan, to be changed by a test."""
    return copy.deepcopy(PLAN)


@pytest.fixture
def write_plan(
    tmp_path: Path, content: dict[str, Any], plan_content: dict[str, Any]
) -> Callable[..., Path]:
    """Write a plan with changes by path and its parameter file; returns the plan's path."""

    def write(changes: dict[str, Any] | None = None) -> Path:
        for path, value in (changes or {}).items():
            *sections, last = path.split(".")
            place = plan_content
            for section in sections:
                place = place[section]
            place[last] = value
        folder = tmp_path / "study"
        folder.mkdir(exist_ok=True)
        YAML().dump(content, folder / "params.yaml")
        YAML().dump(plan_content, folder / "plan.yaml")
        return folder / "plan.yaml"

    return write


@pytest.fixture
def make_row() -> Callable[..., Row]:
    """Make the row of a finished run: `make_row(plan, run, transfer_delta_e=12.5)`."""

    def make(plan: Path, run: Run, **metrics: float) -> Row:
        return Row(
            arm=run.arm,
            seed=run.seed,
            status="finished",
            changes="",
            experiment=run.name,
            commit="c" * 40,
            plan=digest(plan),
            torch="2.15.0",
            key=f"key-{run.name}",
            train_key="t" * 16,
            evaluate_key="e" * 16,
            train_seconds=90.0,
            evaluate_seconds=10.5,
            parameters=4791,
            operations=2_992_128,
            metrics=metrics,
        )

    return make
