"""The tables of a study as lines of Markdown, each after a sentence on how to read it."""

from collections.abc import Iterator
from statistics import median

import pandas as pd

from refcolor.study.plan import Comparison, runs
from refcolor.study.results import BASELINES, Results, result_names
from refcolor.study.rows import HALFWAY, as_text
from refcolor.study.statistics import Difference
from refcolor.study.text import MISSING, interval, markdown, number, p_value, plus_minus


def progress(results: Results) -> Iterator[str]:
    """Say what finished, failed and is missing, which code ran, and whether the plan changed."""
    rows = results.rows.values()
    failed = [row for row in rows if row.status == "failed"]
    missing = [run.name for run in runs(results.plan) if run.name not in results.rows]
    yield (
        f"**{len(rows) - len(failed)} runs finished, {len(failed)} failed, {len(missing)} not run "
        "yet.**"
    )
    for commit, torch in dict.fromkeys((row.commit, row.torch) for row in rows):
        yield f"Code: `{commit[:10]}`, torch {torch}."
    if changed := sum(row.plan != results.digest for row in rows):
        yield (
            f"**The plan was changed after {changed} of these runs**; `git log -p` of plan.yaml "
            "and its parameter file says how."
        )
    yield from ("", *(f"- `{row.experiment}` failed: {row.message}" for row in failed))
    if failed:
        yield "- A failed run has no numbers: its seed is missing from the pairs of its arm."
    if missing:
        yield f"- Not run yet: {', '.join(f'`{name}`' for name in missing)}."


def comparisons(results: Results) -> Iterator[str]:
    """Write the family of planned comparisons with intervals and tests."""
    plan = results.plan
    yield (
        f"Differences to `{plan.main.baseline}`, paired by seed, mean and "
        f"{100 * plan.confidence:g} % t-interval over seeds; p of the paired t-test, two-sided, "
        f"then after Holm's correction over these {len(plan.comparisons)}. The primary endpoint is "
        f"`{plan.primary}`; differences of it below {number(plan.smallest_difference)} are too "
        "small to care about."
    )
    lines = [
        [
            f"`{comparison.arm}`: `{comparison.metric}`"
            + (" (primary)" if comparison.metric == plan.primary else ""),
            comparison.expected,
            interval(difference),
            p_value(difference.p) if difference else MISSING,
            p_value(adjusted),
            _verdict(results, comparison, difference, adjusted),
        ]
        for comparison, difference, adjusted in zip(
            plan.comparisons, *results.planned(), strict=True
        )
    ]
    header = ["arm and number", "expected", "difference", "p", "p, Holm", "verdict"]
    yield from ("", *markdown(header, lines))


def _verdict(
    results: Results, comparison: Comparison, difference: Difference | None, adjusted: float
) -> str:
    if difference is None or difference.pairs < 2:
        return "not tested: fewer than two pairs"
    small = results.plan.smallest_difference
    primary = comparison.metric == results.plan.primary
    if adjusted >= 1 - results.plan.confidence:
        within = primary and -small < difference.low and difference.high < small
        return f"no difference of {number(small)} or more" if within else "no difference shown"
    direction = "higher" if difference.mean > 0 else "lower"
    if primary and abs(difference.mean) < small:
        direction += ", but too little to care about"
    if comparison.expected == "either":
        return direction
    agrees = direction.startswith(comparison.expected)
    return f"{direction}, {'as' if agrees else 'against what was'} expected"


def measured(results: Results) -> Iterator[str]:
    """Write every number of the main arms, with the trivial answers beside them."""
    arms, base = list(results.plan.main.arms), results.plan.main.baseline
    others = [arm for arm in arms if arm != base]
    yield (
        "Mean ± standard deviation over seeds, and the paired differences with intervals of "
        f"{100 * results.plan.confidence:g} % each. Only the planned comparisons carry claims. "
        "Beside them the trivial answers, which have no training."
    )
    metrics = results.metrics
    trivial = [prefix for prefix in BASELINES if metrics.columns.str.startswith(prefix).any()]
    lines = [
        [
            f"`{name}`",
            *(plus_minus(results.values(arm, name)) for arm in arms),
            *(interval(results.difference(arm, base, name)) for arm in others),
            *(number(results.typical(prefix + name)) for prefix in trivial),
        ]
        for name in result_names(metrics, first=results.plan.primary)
        if any(len(results.values(arm, name)) for arm in arms)
    ]
    header = ["", *(f"`{arm}`" for arm in arms), *(f"`{arm}` - `{base}`" for arm in others)]
    header += [prefix.rstrip("_").replace("_", " ") for prefix in trivial]
    yield from ("", *markdown(header, lines))


def screening(results: Results) -> Iterator[str]:
    """Write the screened arms beside their reference, without intervals."""
    plan = results.plan
    assert plan.screening is not None
    seeds, primary = plan.screening.seeds, plan.primary
    yield (
        f"`{as_text(plan.screening.changes)}`, seeds {', '.join(map(str, seeds))}. "
        f"**No claims.** `{results.reference}` is the baseline measured on its way at the same "
        f"budget ({HALFWAY}). Differences are means over the seeds that both have, without "
        "intervals or tests. The validation loss has the arm's own colour offset and warp, so "
        "arms that change these are compared by the transfer error only."
    )
    beside = dict.fromkeys(one.metric for one in plan.comparisons if one.metric != primary)
    names = [name for name in beside if name in results.metrics]

    def line(label: str) -> list[str]:
        values = results.values(label, primary)
        difference = results.difference(label, results.reference, primary)
        known = difference is not None and label != results.reference
        return [
            f"`{label}`",
            *(number(values.get(seed, float("nan"))) for seed in seeds),
            number(difference.mean, sign=True) if difference and known else MISSING,
            *(number(results.values(label, name).mean()) for name in names),
        ]

    labels = pd.Series([results.reference, *plan.screening.arms])
    means = labels.map(lambda label: results.values(label, primary).mean())
    header = ["arm", *(f"seed {seed}" for seed in seeds), "difference", *(f"`{n}`" for n in names)]
    yield from ("", *markdown(header, map(line, labels[means.argsort(kind="stable")])))


def costs(results: Results) -> Iterator[str]:
    """Write what each arm changes and what its network costs."""
    plan = results.plan
    yield (
        "Parameters of the generator, and its multiply-accumulates for one picture of "
        f"{results.base['clean']['size']} px. Minutes are the median of the arm's trainings; where "
        "a training went on from a halfway one, only what came after."
    )
    lines = []
    for part in filter(None, (plan.main, plan.screening)):
        for name, arm in part.arms.items():
            rows = [results.rows.get(f"{plan.name}-{name}-{seed}") for seed in part.seeds]
            finished = [row for row in rows if row and row.status == "finished"]
            cells = [MISSING] * 3
            if finished:
                seconds = median(row.train_seconds for row in finished)
                last = finished[-1]
                cells = [f"{last.parameters:,}", f"{last.operations / 1e6:.0f} M"]
                cells += [f"{seconds / 60:.1f}"]
            changes = as_text(part.changes | arm.changes) or MISSING
            lines.append([f"`{name}`", arm.asks.strip(), f"`{changes}`", *cells])
    header = ["arm", "what it asks", "parameters changed", "parameters", "operations", "minutes"]
    yield from ("", *markdown(header, lines))


def test_set(results: Results) -> Iterator[str]:
    """Write the rows of the test set, and how often it was looked at."""
    rows, primary = results.test.values(), results.plan.primary
    yield f"No training and no choice has seen these characters. Number of looks: {len(rows)}."
    metrics = pd.DataFrame([row.metrics for row in rows])
    names = [*result_names(metrics, first=primary), f"grey_{primary}"]
    header = ["", *(f"`{row.experiment}`, `{row.commit[:10]}`" for row in rows)]
    lines = ([f"`{name}`", *map(number, metrics[name])] for name in names if name in metrics)
    yield from ("", *markdown(header, lines))
