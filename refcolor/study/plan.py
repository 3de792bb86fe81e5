"""The plan of a study: what is asked, what runs and what is compared, before anything runs."""

import copy
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from refcolor.errors import RefcolorError
from refcolor.params import Positive, Section, Seed, check, read_yaml

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Changes = dict[str, bool | int | float | str | list[int]]  # dotted names of params.yaml
HALF = "half"  # the suffix of an arm that was measured on the way to a longer training


class Arm(Section):
    """One way to train."""

    asks: str
    changes: Changes = Field(default_factory=dict)


class Part(Section):
    """Arms that are trained with the same seeds and the same budget."""

    seeds: Annotated[tuple[Seed, ...], Field(strict=False, min_length=1)]
    changes: Changes = Field(default_factory=dict)
    arms: dict[Name, Arm]


class Main(Part):
    """The part that makes claims: two or more arms, paired by seed."""

    baseline: Name


class Screening(Part):
    """The part that makes no claims: many arms, few seeds, a smaller budget.

    Its reference are the runs of the main baseline with the same seeds and `changes`. They cost no
    training: the longer runs go on from their state.
    """


class Comparison(Section):
    """A planned comparison of a main arm with the baseline; all of them are one family."""

    arm: Name
    metric: str
    expected: Literal["higher", "lower", "either"]
    because: str


class TestSet(Section):
    """Characters that no training and no choice has seen: other seeds, and styles of their own."""

    __test__ = False  # for pytest, which takes a class of this name for a test

    shape_seed: Seed
    palette_seed: Seed
    count: Annotated[int, Field(ge=8)]


class Plan(Section):
    """Everything that is fixed before the first run."""

    name: Name  # the tag `study` of MLflow, and how the names of the experiments begin
    title: str
    question: str
    parameters: str  # a complete parameter file beside the plan, which the arms change
    primary: str  # the endpoint, a key of metrics/eval.json
    primary_why: str
    smallest_difference: Positive  # of the primary endpoint that anyone should care about
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    rules: tuple[str, ...] = Field(strict=False)
    main: Main
    comparisons: Annotated[tuple[Comparison, ...], Field(strict=False, min_length=1)]
    screening: Screening | None = None
    # What somebody reported about the method; the page answers it.
    observations: Annotated[tuple[dict[str, str], ...], Field(strict=False)] = ()
    test: TestSet | None = None

    @model_validator(mode="after")
    def _refuse_what_does_not_fit(self) -> "Plan":
        if self.main.baseline not in self.main.arms:
            raise ValueError(f"main.baseline {self.main.baseline!r} is not an arm of main; add it")
        others = set(self.main.arms) - {self.main.baseline}
        for comparison in self.comparisons:
            if comparison.arm not in others:
                raise ValueError(
                    f"comparisons name the arm {comparison.arm!r}, which main lacks beside its "
                    f"baseline; take one of {', '.join(sorted(others)) or 'none'}"
                )
        family = [(comparison.arm, comparison.metric) for comparison in self.comparisons]
        if len(set(family)) < len(family):
            raise ValueError("comparisons name an arm and metric twice; keep one of them")
        if self.primary not in {comparison.metric for comparison in self.comparisons}:
            raise ValueError(f"comparisons lack the primary endpoint {self.primary!r}; add it")
        if self.screening is not None:
            twice = sorted(set(self.screening.arms) & set(self.main.arms))
            if twice:
                raise ValueError(f"screening repeats the arm {twice[0]!r} of main; rename it")
            missing = sorted(set(self.screening.seeds) - set(self.main.seeds))
            if missing:
                raise ValueError(
                    f"screening has seed {missing[0]}, which main lacks, so that it has no "
                    f"reference; take some of {', '.join(map(str, self.main.seeds))}"
                )
        return self


@dataclass(frozen=True)
class Run:
    """One training with its evaluation.

    changes: what differs from the plan's parameter file, the seed left out.
    halfway: whether this is the reference of the screening, measured on the way to a main run.
    """

    study: str
    arm: str
    seed: int
    changes: Changes
    halfway: bool = False

    @property
    def label(self) -> str:
        """The name of the arm, or of the reference of the screening."""
        return f"{self.arm}-{HALF}" if self.halfway else self.arm

    @property
    def name(self) -> str:
        """The name of the DVC experiment and of the MLflow run."""
        return f"{self.study}-{self.label}-{self.seed}"

    @property
    def values(self) -> Changes:
        """What is set in the plan's parameter file, the seed included."""
        return {**self.changes, "seed": self.seed}


def load_plan(path: Path) -> Plan:
    """Read a plan, its parameter file included, and check that every run of it is possible.

    Raises RefcolorError for a key that is unknown, missing or of another type, for arms that do not
    fit each other, and for a run that refcolor would refuse, before anything runs.
    """
    content = read_yaml(path)
    try:
        plan = Plan.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the plan"
        raise RefcolorError(f"{path}: {where}: {first['msg']}; correct it") from error
    base = read_yaml(path.parent / plan.parameters)
    for run in runs(plan):
        content = copy.deepcopy(base)
        put(content, run.values)
        check(content, where=f"{path}: {run.name}")
    return plan


def runs(plan: Plan) -> Iterator[Run]:
    """List the runs in their order: seed by seed, so that a stopped study has whole pairs.

    A halfway run stands right before the main run that goes on from its state.
    """
    half = plan.screening
    for seed in plan.main.seeds:
        for name, arm in plan.main.arms.items():
            changes = plan.main.changes | arm.changes
            if half is not None and name == plan.main.baseline and seed in half.seeds:
                yield Run(plan.name, name, seed, changes | half.changes, halfway=True)
            yield Run(plan.name, name, seed, changes)
    if half is not None:
        for seed in half.seeds:
            for name, arm in half.arms.items():
                yield Run(plan.name, name, seed, half.changes | arm.changes)


def digest(plan: Path) -> str:
    """Name the content of a plan and of its parameter file in 8 characters.

    Each row bears it, so that a plan that was changed between two runs shows.
    """
    parameters = plan.parent / read_yaml(plan)["parameters"]
    return hashlib.sha256(plan.read_bytes() + parameters.read_bytes()).hexdigest()[:8]


def put(content: dict[str, Any], values: Mapping[str, object]) -> None:
    """Set values in the content of a parameter file by their dotted names.

    Raises RefcolorError for a name that is not there.
    """
    for path, value in values.items():
        *sections, last = path.split(".")
        place: Any = content
        for section in sections:
            place = place.get(section) if isinstance(place, Mapping) else None
        if not isinstance(place, dict) or last not in place:
            raise RefcolorError(
                f"a plan changes {path!r}, which is not a parameter; take one from presets/"
            )
        place[last] = value
