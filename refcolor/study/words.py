"""Numbers and tables as the page writes them."""

from collections.abc import Iterable, Sequence

from refcolor.study.statistics import Difference, mean_and_deviation

DIGITS = 4  # significant ones of a number; two of a deviation
MISSING = "–"  # noqa: RUF001


def number(value: float | None, *, sign: bool = False) -> str:
    """Write four significant digits; with `sign` a plus in front of what is not negative."""
    if value is None:
        return MISSING
    text = f"{value:{'+' if sign else ''}.{DIGITS}g}"
    return text if "e" not in text else f"{value:{'+' if sign else ''}.2e}"


def plus_minus(values: Sequence[float]) -> str:
    """Write mean ± standard deviation; the mean alone below two values."""
    if not values:
        return MISSING
    mean, deviation = mean_and_deviation(values)
    return number(mean) if deviation is None else f"{number(mean)} ± {deviation:.2g}"


def interval(difference: Difference | None) -> str:
    """Write a mean difference with its interval and the number of pairs."""
    if difference is None:
        return MISSING
    mean = number(difference.mean, sign=True)
    pairs = len(difference.seeds)
    if difference.low is None or difference.high is None:
        return f"{mean} (one pair, no interval)"
    low, high = number(difference.low, sign=True), number(difference.high, sign=True)
    return f"{mean} [{low}, {high}] ({pairs} pairs)"


def p_value(p: float | None) -> str:
    """Write a p-value with two digits, and very small ones as a bound."""
    if p is None:
        return MISSING
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}"


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Write a table."""
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
