"""The sections of a study's page, each a run of Markdown lines."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from refcolor.study.observations import answer
from refcolor.study.plan import Comparison, runs
from refcolor.study.results import BASELINES, HALFWAY, Results
from refcolor.study.statistics import Difference
from refcolor.study.table import Row, as_text
from refcolor.study.words import MISSING, interval, markdown, number, p_value, plus_minus

# Counts, and what only repeats the questions: no results.
_NO_RESULT: Final = ("images", "pairs", "real_images", "train_images", "train_steps")
_FIRST: Final = ("transfer_", "delta_e", "histogram", "entangle", "cycle", "attention_", "tag_")
_SCREENED: Final = (
    "transfer_delta_e_moved",
    "delta_e",
    "histogram_distance",
    "entanglement",
    "cycle_delta_e",
    "attention_accuracy",
    "attention_part_accuracy",
)


def state(results: Results) -> Iterator[str]:
    """Say how far the study is, which code ran, and whether the plan was changed since."""
    wanted = [run for run in runs(results.plan) if not run.halfway]
    finished = [row for row in results.rows if row.status == "finished"]
    failed = [row for row in results.rows if row.status == "failed"]
    missing = len(wanted) - len(results.rows)
    told = f"{len(finished)} of {len(wanted)} runs finished, {len(failed)} failed"
    yield f"**{told}, {missing} not run yet.**" if missing else f"**{told}.**"
    every = [*results.rows, *results.halfway]
    if every:
        commits = ", ".join(f"`{commit[:10]}`" for commit in dict.fromkeys(r.commit for r in every))
        versions = ", ".join(dict.fromkeys(row.torch for row in every))
        yield f"Code: {commits}. torch {versions}."
    plans = {row.plan for row in every} - {results.digest}
    if plans:
        changed = sum(row.plan in plans for row in every)
        yield (
            f"**The plan was changed after {changed} of these runs**; `git log -p` of plan.yaml "
            "and its parameter file says how."
        )


def planned(results: Results) -> Iterator[str]:
    """Write the family of planned comparisons with intervals, tests and why they were expected."""
    plan, base = results.plan, results.plan.main.baseline
    percent = f"{100 * plan.confidence:g} %"
    yield (
        f"Differences to `{base}`, paired by seed, mean and {percent} t-interval over seeds; p of "
        f"the paired t-test, two-sided, then after Holm's correction over these "
        f"{len(plan.comparisons)}. The primary endpoint is `{plan.primary}`: "
        f"{plan.primary_why.strip()} Differences of it below {number(plan.smallest_difference)} "
        "are too small to care about."
    )
    yield ""
    lines = []
    for comparison, (found, adjusted) in zip(plan.comparisons, results.planned(), strict=True):
        lines.append(
            [
                f"`{comparison.arm}`: `{comparison.metric}`"
                + (" (primary)" if comparison.metric == plan.primary else ""),
                comparison.expected,
                interval(found),
                p_value(found.p if found else None),
                p_value(adjusted),
                _verdict(results, comparison, found, adjusted),
            ]
        )
    yield from markdown(["arm and number", "expected", "difference", "p", "p, Holm", "so"], lines)
    yield ""
    yield "Why these were expected:"
    yield ""
    for one in plan.comparisons:
        yield f"- `{one.arm}`, `{one.metric}`, {one.expected}: {one.because.strip()}"


def _verdict(
    results: Results, comparison: Comparison, found: Difference | None, adjusted: float | None
) -> str:
    if found is None or adjusted is None or found.low is None or found.high is None:
        return "not tested: fewer than two pairs"
    small = results.plan.smallest_difference
    primary = comparison.metric == results.plan.primary
    if adjusted >= 1 - results.plan.confidence:
        within = primary and -small < found.low and found.high < small
        return f"no difference of {number(small)} or more" if within else "no difference shown"
    direction = "higher" if found.mean > 0 else "lower"
    if primary and abs(found.mean) < small:
        direction += ", but too little to care about"
    if comparison.expected == "either":
        return direction
    agrees = direction.startswith(comparison.expected)
    return f"{direction}, {'as' if agrees else 'against what was'} expected"


def everything(results: Results) -> Iterator[str]:
    """Write every number of the main arms, then what no seed changes."""
    arms, base = list(results.plan.main.arms), results.plan.main.baseline
    others = [arm for arm in arms if arm != base]
    names = _results_in(results.rows)
    if not names:
        yield "Nothing yet."
        return
    same = _constant(results.rows, names)
    yield (
        "Mean ± standard deviation over seeds, and the paired differences with intervals of "
        f"{100 * results.plan.confidence:g} % each. Only the planned comparisons above carry "
        "claims; these are shown so that nothing is left out."
    )
    yield ""
    header = ["", *(f"`{arm}`" for arm in arms), *(f"`{arm}` - `{base}`" for arm in others)]
    lines = [
        [
            f"`{name}`",
            *(plus_minus(list(results.values(arm, name).values())) for arm in arms),
            *(interval(results.difference(arm, base, name)) for arm in others),
        ]
        for name in names
        if name not in same and any(results.values(arm, name) for arm in arms)
    ]
    yield from markdown(header, lines)
    if same:
        told = ", ".join(f"`{name}` {number(value)}" for name, value in same.items())
        yield from ("", f"The same in every run: {told}.")
    trivial = _trivial(results.rows)
    if trivial:
        yield from ("", "Beside them, the trivial answers, which no seed changes:", "")
        prefixes = [one for one in BASELINES if any(one in cells for cells in trivial.values())]
        yield from markdown(
            ["", *(prefix.rstrip("_").replace("_", " ") for prefix in prefixes)],
            [
                [f"`{name}`", *(cells.get(prefix, MISSING) for prefix in prefixes)]
                for name, cells in trivial.items()
            ],
        )


def screening(results: Results) -> Iterator[str]:
    """Write the screened arms beside their reference, without intervals."""
    plan = results.plan
    assert plan.screening is not None
    seeds, primary = plan.screening.seeds, plan.primary
    yield (
        f"`{as_text(plan.screening.changes)}`, seeds {', '.join(map(str, seeds))}. "
        "**No claims**: this says what is worth a study of its own, and short runs have misled "
        f"before. `{results.reference}` is the baseline measured on its way at the same budget "
        f"({HALFWAY}): a longer training goes on from there, bit for bit. Differences are means "
        "over the seeds that both have, without intervals or tests."
    )
    yield ""
    names = [name for name in _SCREENED if any(name in row.metrics for row in results.rows)]
    header = ["arm", *(f"seed {seed}" for seed in seeds), "difference", *(f"`{n}`" for n in names)]

    def line(label: str) -> list[str]:
        values = results.values(label, primary)
        found = results.difference(label, results.reference, primary)
        return [
            f"`{label}`",
            *(number(values.get(seed)) for seed in seeds),
            MISSING if label == results.reference or not found else number(found.mean, sign=True),
            *(_mean(results.values(label, name)) for name in names),
        ]

    labels = [results.reference, *plan.screening.arms]
    labels.sort(key=lambda label: _order(results.values(label, primary)))
    yield from markdown(header, map(line, labels))


def costs(results: Results) -> Iterator[str]:
    """Write what each arm changes and what its network costs."""
    plan = results.plan
    size = results.base["clean"]["size"]
    told = (
        f"Parameters of the generator, and its multiply-accumulates for one picture of {size} px. "
        "Minutes are the median of the arm's trainings"
    )
    if plan.screening:
        told += (
            ", on whatever else the machine did; where a training went on from a halfway one, only "
            "what came after"
        )
    yield f"{told}."
    yield ""
    lines = []
    screened = plan.screening.arms if plan.screening else {}
    for name, arm in (plan.main.arms | screened).items():
        rows = [row for row in results.rows if row.arm == name and row.status == "finished"]
        part = plan.screening if plan.screening and name in screened else plan.main
        changes = as_text(part.changes | arm.changes)
        lines.append(
            [
                f"`{name}`",
                arm.asks.strip(),
                f"`{changes}`" if changes else MISSING,
                f"{rows[0].parameters:,}" if rows else MISSING,
                f"{rows[0].operations / 1e6:.0f} M" if rows else MISSING,
                f"{np.median([row.train_seconds for row in rows]) / 60:.1f}" if rows else MISSING,
            ]
        )
    header = ["arm", "what it asks", "parameters changed", "parameters", "operations", "minutes"]
    yield from markdown(header, lines)


def observations(results: Results) -> Iterator[str]:
    """Write each observation with the numbers that answer it, and a person's words."""
    for place, one in enumerate(results.plan.observations, start=1):
        yield f"{place}. *{one.said.strip()}*"
        yield ""
        yield f"   {one.question.strip()} {answer(results, one.quantity)}"
        if said := results.words.observations.get(one.quantity):
            yield ""
            yield f"   {said.strip()}"
        yield ""


def test_set(results: Results, rows: Sequence[Row]) -> Iterator[str]:
    """Write the rows of the test set, and how often it was looked at."""
    test = results.plan.test
    assert test is not None
    looks = "once" if len(rows) == 1 else f"{len(rows)} times"
    yield (
        f"{test.count} characters drawn from the seeds {test.shape_seed} and {test.palette_seed}, "
        "every one with hair or clothes that nothing else in refcolor draws. No training and no "
        f"choice has seen them. They were looked at {looks}."
    )
    yield ""
    names = [name for name in _results_in(rows) if not name.startswith("train_")]
    header = ["", *(f"`{row.experiment}`, `{row.commit[:10]}`" for row in rows)]
    lines = [[f"`{name}`", *(number(row.metrics.get(name)) for row in rows)] for name in names]
    grey = f"grey_{results.plan.primary}"
    if any(grey in row.metrics for row in rows):
        lines.append([f"`{grey}`", *(number(row.metrics.get(grey)) for row in rows)])
    yield from markdown(header, lines)


def failures(results: Results) -> Iterator[str]:
    """Write what failed or is missing, and what went otherwise than planned."""
    failed = [row for row in (*results.halfway, *results.rows) if row.status == "failed"]
    for row in failed:
        yield f"- `{row.experiment}` failed: {row.message}"
    if failed:
        yield (
            "- A failed run has no number: its seed is missing from the pairs of its arm, and "
            "means of the arm are those of the runs that ended."
        )
    unfinished = [run.name for run in runs(results.plan) if results.row(run) is None]
    if unfinished:
        yield f"- Not run yet: {', '.join(f'`{name}`' for name in unfinished)}."
    yield results.words.deviations.strip() or (
        "No run failed, and none is missing." if not failed and not unfinished else ""
    )


def _results_in(rows: Sequence[Row]) -> list[str]:
    names = {
        name
        for row in rows
        for name in row.metrics
        if not name.startswith(BASELINES) and name not in _NO_RESULT
    }
    return sorted(names, key=lambda name: (_rank(name), name))


def _constant(rows: Sequence[Row], names: Sequence[str]) -> dict[str, float]:
    """Pick the numbers that several runs share: they belong to the questions, not the answers."""
    found = {name: [row.metrics[name] for row in rows if name in row.metrics] for name in names}
    return {
        name: values[0]
        for name, values in found.items()
        if len(values) > 1 and len(set(values)) == 1
    }


def _rank(name: str) -> int:
    return next((rank for rank, one in enumerate(_FIRST) if name.startswith(one)), len(_FIRST))


def _trivial(rows: Sequence[Row]) -> dict[str, dict[str, str]]:
    """Collect the baselines by number and kind; one that differs between runs is given as range."""
    found: dict[str, dict[str, str]] = {}
    for name in sorted({name for row in rows for name in row.metrics}):
        prefix = next((one for one in BASELINES if name.startswith(one)), None)
        if prefix is not None:
            values = sorted({row.metrics[name] for row in rows if name in row.metrics})
            text = number(values[0])
            if len(values) > 1:
                text += f" to {number(values[-1])}"
            found.setdefault(name.removeprefix(prefix), {})[prefix] = text
    return found


def _mean(values: dict[int, float]) -> str:
    return number(float(np.mean(list(values.values())))) if values else MISSING


def _order(values: dict[int, float]) -> float:
    return float(np.mean(list(values.values()))) if values else float("inf")
