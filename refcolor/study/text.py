"""Numbers and tables as Markdown."""

import math
from collections.abc import Iterable, Sequence

import pandas as pd

from refcolor.study.statistics import Difference

DIGITS = 4  # significant digits of a number; a deviation has two
MISSING = "–"  # noqa: RUF001


def number(value: float, *, sign: bool = False) -> str:
    """Write four significant digits; with `sign` a plus in front of what is not negative."""
    if math.isnan(value):
        return MISSING
    plus = "+" if sign else ""
    text = f"{value:{plus}.{DIGITS}g}"
    return text if "e" not in text else f"{value:{plus}.2e}"


def plus_minus(values: pd.Series) -> str:
    """Write mean ± standard deviation (n - 1); the mean alone below two values."""
    if len(values) < 2:
        return number(values.mean())
    return f"{number(values.mean())} ± {values.std():.2g}"


def interval(difference: Difference | None) -> str:
    """Write a mean difference with its interval and the number of pairs."""
    if difference is None:
        return MISSING
    mean = number(difference.mean, sign=True)
    if difference.pairs < 2:
        return f"{mean} (one pair, no interval)"
    low, high = number(difference.low, sign=True), number(difference.high, sign=True)
    return f"{mean} [{low}, {high}] ({difference.pairs} pairs)"


def p_value(p: float) -> str:
    """Write a p-value with two digits, and very small ones as a bound."""
    if math.isnan(p):
        return MISSING
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}"


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Write a table."""
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
