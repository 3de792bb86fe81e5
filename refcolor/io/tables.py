"""Tables of dataclasses: JSON and CSV are read with each row validated, CSV is written."""

import csv
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from refcolor.errors import RefcolorError
from refcolor.io.files import replacing

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Row = TypeVar("Row", bound="DataclassInstance")


def read_json(path: Path, row: type[Row], *, advice: str) -> Row:
    """Read a file with a JSON object; row, advice, Raises: as in `read_json_lines`."""
    return _validate(
        TypeAdapter(row).validate_json, path.read_bytes(), where=str(path), advice=advice
    )


def read_json_lines(path: Path, row: type[Row], *, advice: str) -> Iterator[Row]:
    """Read a JSON object from each line.

    row: the dataclass of the objects.  advice: end of the message, what to do about a bad file.
    Raises RefcolorError with the file, the line, the field, its expected type and its value.
    """
    check = TypeAdapter(row).validate_json
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            yield _validate(check, line, where=f"{path} line {number}", advice=advice)


def read_csv(path: Path, row: type[Row], *, advice: str, rest: str = "") -> Iterator[Row]:
    """Read a table with a header; cells are converted to the types of the fields.

    rest: name of the field, a mapping, for the columns without a field and their non-empty cells;
        if empty, these columns are ignored.
    row, advice, Raises: as in `read_json_lines`.
    """
    check = TypeAdapter(row).validate_python
    names = {field.name for field in dataclasses.fields(row)}
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        try:
            for cells in reader:
                where = f"{path} line {reader.line_num}"
                if None in cells:
                    raise RefcolorError(f"{where}: more cells than in the header; {advice}")
                others = (pair for pair in cells.items() if pair[0] not in names)
                values = {**cells, rest: {name: cell for name, cell in others if cell}}
                yield _validate(check, values, where=where, advice=advice)
        except csv.Error as error:
            raise RefcolorError(
                f"{path} line {reader.reader.line_num}: it is not a CSV ({error}); {advice}"
            ) from error
        except UnicodeDecodeError as error:
            raise RefcolorError(f"{path} is not UTF-8 text ({error}); {advice}") from error


def write_csv(path: Path, row: type[Row], rows: Iterable[Row]) -> None:
    """Write a table with the fields of `row` as its header; the write is atomic."""
    with (
        replacing(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([field.name for field in dataclasses.fields(row)])
        writer.writerows(map(dataclasses.astuple, rows))


def _validate(check: Callable[[Any], Row], value: object, *, where: str, advice: str) -> Row:
    try:
        return check(value)
    except ValidationError as error:
        raise RefcolorError(f"{where}: {_format_problem(error.errors()[0])}; {advice}") from error


def _format_problem(problem: Mapping[str, Any]) -> str:
    name = ".".join(map(str, problem["loc"])) or "it"
    match problem["type"]:
        case "json_invalid":
            return f"it is not JSON ({problem['ctx']['error']})"
        case "missing":
            return f"{name} is missing"
        case "unexpected_keyword_argument":
            return f"{name} is not a known field"
        case "dataclass_type":
            expected = "should be an object with fields"
        case "value_error":
            return str(problem["ctx"]["error"])
        case _:
            expected = problem["msg"].removeprefix("Input ")
    return f"{name} {expected}, got {repr(problem['input'])[:80]}"
