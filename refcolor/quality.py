"""What the numbers of an evaluation say of a model, as a table and as sentences.

A row and a sentence stand where their numbers are known, and nowhere else.
"""

from collections.abc import Iterator, Mapping

# key, what it says, whether higher is better.
_ROWS = (
    ("transfer_delta_e", "colour error, another picture as reference", False),
    ("delta_e", "colour error, its own picture, warped, as reference", False),
    ("ssim", "structure kept (SSIM); does not see colour", True),
    ("histogram_distance", "distance of its colours to the reference's, wherever they lie", False),
    ("color_part_accuracy", "parts that took the colour of the same part", True),
    ("fid", "FID to real pictures", False),
    ("fid_random", "distance to real pictures in random features; not FID", False),
)
_BASELINES = ("grey_", "mean_color_", "copy_")  # before the key of their numbers


def table(numbers: Mapping[str, float]) -> str:
    """Put a model's numbers beside those of answers that need no model, in Markdown.

    numbers: metrics/eval.json, of which any may be missing.
    """
    rows = [
        "| | better | model | grey | mean colour | copied reference |",
        "|---|---|---|---|---|---|",
    ]
    for key, words, higher in _ROWS:
        if key in numbers:
            score, *baselines = (_cell(numbers, f"{answer}{key}") for answer in ("", *_BASELINES))
            cells = (f"{words} (`{key}`)", "high" if higher else "low", f"**{score}**", *baselines)
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def weaknesses(numbers: Mapping[str, float]) -> Iterator[str]:
    """Say in sentences what a model does badly, each with its figures.

    numbers: metrics/eval.json, of which any may be missing.
    """
    for key, what in (
        ("transfer_delta_e", "the true colours of a foreign reference"),
        ("delta_e", "the true colours with the own picture as reference"),
    ):
        if not {key, f"grey_{key}"} <= numbers.keys():
            continue
        error, grey = numbers[key], numbers[f"grey_{key}"]
        verdict = "**no better than no colour at all**" if error >= grey else "visibly off"
        # Below 2.3 a difference is hard to see side by side.
        if error >= 2.3:
            yield f"Its colours are {verdict}: {error:.1f} from {what}, where grey gets {grey:.1f}."
    prefix = "transfer_delta_e_"
    parts = {
        key.removeprefix(prefix): numbers[key] / numbers[f"grey_{key}"]
        for key in numbers
        if key.startswith(prefix) and f"grey_{key}" in numbers
    }
    if len(parts) > 1:
        best, *_, worst = sorted(parts, key=parts.__getitem__)
        yield (
            f"It is worst at {worst}: {parts[worst]:.0%} of the error that grey has there; its "
            f"best is {best} with {parts[best]:.0%}."
        )
    if "color_part_accuracy" in numbers:
        wrong = 1 - numbers["color_part_accuracy"]
        yield f"{wrong:.0%} of the parts take the colour of another part, or of none."
    if {"attention_accuracy", "attention_identity"} <= numbers.keys():
        hit, ahead = numbers["attention_accuracy"], numbers["attention_identity"]
        yield (
            f"Its strongest match lies within one cell of the true one in {hit:.0%} of the cases; "
            f"looking straight ahead gets {ahead:.0%}."
        )
    for key in ("fid", "fid_random"):
        if numbers.get(f"copy_{key}", float("inf")) <= numbers.get(key, 0):
            yield f"`{key}` ranks a copied reference above it: that number cannot judge colouring."


def _cell(numbers: Mapping[str, float], name: str) -> str:
    return f"{numbers[name]:.3g}" if name in numbers else "-"
