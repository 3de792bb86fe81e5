"""What others reported of the method, each answered by numbers of the study."""

import itertools
from collections.abc import Callable
from typing import Final

from refcolor.study.plan import Quantity
from refcolor.study.results import Results, base_params
from refcolor.study.statistics import mean_and_deviation
from refcolor.study.words import interval, number, plus_minus

LAST = 0.25  # share of a training whose reports count as the end of it


def answer(results: Results, quantity: Quantity) -> str:
    """Say in one paragraph what the rows tell of a quantity; says so where they tell nothing."""
    return _ANSWERS[quantity](results)


def _attention_channels(results: Results) -> str:
    params = base_params(results)
    channels = 2 * sum(params.model.width * 2**level for level in range(params.model.levels))
    side = params.clean.size // params.model.stride
    text = (
        f"Every map is averaged down to {side} x {side} places and keeps its own channels, so that "
        f"a place has {channels} of them."
    )
    base = results.plan.main.baseline
    found = list(results.values(base, "attention_accuracy").values())
    ahead = list(results.values(base, "attention_identity").values())
    if found and ahead:
        text += (
            f" On these the attention of `{base}` finds the right place for {plus_minus(found)} of "
            f"the places, where looking straight ahead finds {number(ahead[0])}."
        )
    without = results.difference("none", results.reference, results.plan.primary)
    if without:
        text += (
            f" With plain concatenation instead (`none`, half budget, no claim) "
            f"`{results.plan.primary}` changes by {number(without.mean, sign=True)}."
        )
    return text if found else text + " No run has finished yet."


def _negatives(results: Results) -> str:
    arm, base = _arm_with(results, "loss.triplet"), results.plan.main.baseline
    found = results.difference(arm, base, "attention_accuracy") if arm else None
    if found is None:
        return _nothing("loss.triplet")
    return (
        "Here a wrong key is one of the same picture, more than a cell away from the right one. "
        f"With it L_tr changes `attention_accuracy` by {interval(found)}: "
        + (
            "it does act on the attention."
            if found.low is not None and found.high is not None and found.low * found.high > 0
            else "no effect on the attention is shown."
        )
    )


def _style_layer(results: Results) -> str:
    weight = base_params(results).loss.style
    arm = _arm_with(results, "loss.style")
    if weight == 0 and arm is None:
        return (
            "**This study does not answer it**: `loss.style` is 0 in every run, because the layer "
            "belongs to VGG-19, whose weights are a download. refcolor takes relu5_1 as well, with "
            "one Gram matrix for each picture."
        )
    return f"`loss.style` is {number(weight)} in the parameters, and changed in `{arm}`."


def _triplet(results: Results) -> str:
    arm = _arm_with(results, "loss.triplet")
    primary = results.plan.primary
    found = results.difference(arm, results.plan.main.baseline, primary) if arm else None
    if arm is None or found is None:
        return _nothing("loss.triplet")
    text = f"`{primary}` changes by {interval(found)}."
    curves = [curve for (label, _), curve in results.curves.items() if label == arm]
    curves = [curve for curve in curves if curve and "triplet" in curve[0]]
    if curves:
        first = mean_and_deviation([curve[0]["triplet"] for curve in curves])[0]
        last = mean_and_deviation([curve[-1]["triplet"] for curve in curves])[0]
        text += (
            f" The term itself goes from {number(first)} (mean of the steps before the first "
            f"report, at step {number(curves[0][0]['step'])}) to {number(last)} at the end, with a "
            f"margin of {number(base_params(results).loss.margin)}."
        )
    return text


def _swing(results: Results) -> str:
    base, primary = results.plan.main.baseline, results.plan.primary
    changes = [
        abs(later["validation"] - earlier["validation"]) / earlier["validation"]
        for (label, _), curve in results.curves.items()
        if label == base
        for earlier, later in itertools.pairwise(curve[-max(2, round(LAST * len(curve))) :])
    ]
    if not changes:
        return "No run has finished yet."
    text = (
        f"In the last quarter of a training of `{base}` the validation loss changes by "
        f"{number(100 * sum(changes) / len(changes))} % from one report to the next, at most by "
        f"{number(100 * max(changes))} %. What is judged here is the moving average of the weights"
    )
    values = list(results.values(base, primary).values())
    if len(values) > 1:
        text += f"; from seed to seed `{primary}` is {plus_minus(values)}"
    return text + "."


def _adversarial(results: Results) -> str:
    base = results.plan.main.baseline
    last = [curve[-1] for (label, _), curve in results.curves.items() if label == base and curve]
    last = [row for row in last if {"adversarial", "discriminator"} <= row.keys()]
    if not last:
        return "No run with an adversarial loss has finished yet."
    return (
        f"At the end of `{base}` the generator's term is "
        f"{plus_minus([row['adversarial'] for row in last])} and the discriminator's, doubled "
        "because eq. 7 has a factor 1/2 that the observation lacks, "
        f"{plus_minus([2 * row['discriminator'] for row in last])} (both before their weight; "
        f"`loss.adversarial` is {number(base_params(results).loss.adversarial)}, there it was 1)."
    )


def _arm_with(results: Results, name: str) -> str | None:
    """Name the first main arm that switches a weight on."""
    arms = results.plan.main.arms.items()
    return next((arm for arm, one in arms if one.changes.get(name)), None)


def _nothing(name: str) -> str:
    return f"Nothing to say yet: no pair of runs with and without `{name}` has finished."


_ANSWERS: Final[dict[Quantity, Callable[[Results], str]]] = {
    "attention_channels": _attention_channels,
    "negatives": _negatives,
    "style_layer": _style_layer,
    "triplet": _triplet,
    "swing": _swing,
    "adversarial": _adversarial,
}
