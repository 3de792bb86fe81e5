"""Rows are validated when they are read, and the message has the position."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from refcolor.errors import RefcolorError
from refcolor.io.tables import read_csv, read_json, read_json_lines


@dataclass(frozen=True)
class Pot:
    """A row of this test."""

    name: str
    litres: float
    lids: tuple[str, ...] = ()
    sizes: Mapping[str, float] = field(default_factory=dict)


def objects(path: Path, *lines: str) -> list[Pot]:
    """Read lines of JSON."""
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return list(read_json_lines(path, Pot, advice="wash it"))


def table(path: Path, text: str) -> list[Pot]:
    """Read CSV."""
    path.write_text(text, encoding="utf-8")
    return list(read_csv(path, Pot, advice="wash it"))


def test_objects_become_rows(tmp_path: Path) -> None:
    """Text, numbers and lists keep their types; a field with a default may be missing."""
    lines = '{"name": "漢", "litres": 2, "lids": ["a"]}', '{"litres": 0.5, "name": ""}'
    assert objects(tmp_path / "a", *lines) == [Pot("漢", 2, ("a",)), Pot("", 0.5)]
    assert objects(tmp_path / "a") == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"name": "b"}', "litres is missing"),
        ('{"name": 5, "litres": 1}', "name should be a valid string, got 5"),
        ('{"name": "b", "litres": "much"}', "litres should be a valid number, .*got 'much'"),
        ('{"name": "b", "litres": 1, "lids": "x"}', "lids should be a valid array, got 'x'"),
        ('{"name": "b", "litres": 1, "lids": [5]}', "lids.0 should be a valid string, got 5"),
        ("[1]", r"it should be an object with fields, got \[1\]"),
        ("", "it is not JSON"),
        ('{"name": "b', "it is not JSON"),
        ('{"name": "\\ud800", "litres": 1}', "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
    ],
)
def test_a_bad_json_line_is_an_error(tmp_path: Path, line: str, message: str) -> None:
    """The message is one line: file, line, field, expected type, value and advice."""
    path = tmp_path / "pots.jsonl"
    with pytest.raises(RefcolorError, match=rf"pots\.jsonl line 2: {message}.*; wash it$") as error:
        objects(path, '{"name": "a", "litres": 1}', line)
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


def test_a_file_may_be_an_object(tmp_path: Path) -> None:
    """The object may have several lines; errors read as those of a line."""
    path = tmp_path / "pot.json"
    path.write_text('{\n  "name": "a",\n  "litres": 1\n}\n')
    assert read_json(path, Pot, advice="wash it") == Pot("a", 1)
    path.write_text('{\n  "name": "a"\n}\n')
    with pytest.raises(RefcolorError, match=r"pot\.json: litres is missing; wash it$"):
        read_json(path, Pot, advice="wash it")


def test_cells_become_numbers(tmp_path: Path) -> None:
    """Cells are converted; further columns and empty lines are ignored."""
    text = '\ufeffname,litres,color\n"a, b",0.5,red\n\nc,2,\n'
    assert table(tmp_path / "a.csv", text) == [Pot("a, b", 0.5), Pot("c", 2)]
    assert table(tmp_path / "a.csv", "name,litres,\na,1,\n") == [Pot("a", 1)]
    assert table(tmp_path / "a.csv", "") == []


def test_other_columns_may_be_collected(tmp_path: Path) -> None:
    """The field `rest` collects the other columns, without empty cells."""
    (tmp_path / "a.csv").write_text("name,width,litres,height\na,3,1,\nb,,1,0.5\n")
    rows = list(read_csv(tmp_path / "a.csv", Pot, rest="sizes", advice="wash it"))
    assert [row.sizes for row in rows] == [{"width": 3}, {"height": 0.5}]
    names = [f"column{number}" for number in (7, 2, 9, 4)]
    (tmp_path / "a.csv").write_text(f"name,litres,{','.join(names)}\na,1,1,2,3,4\n")
    (row,) = read_csv(tmp_path / "a.csv", Pot, rest="sizes", advice="wash it")
    assert list(row.sizes) == names  # in the order of the table
    (tmp_path / "a.csv").write_text("name,width,litres\na,wide,1\n")
    with pytest.raises(RefcolorError, match=r"line 2: sizes.width should be a valid number"):
        list(read_csv(tmp_path / "a.csv", Pot, rest="sizes", advice="wash it"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name\na\n", "line 2: litres is missing"),
        ("name,litres\na,1\nb\n", "line 3: litres should be a valid number, got None"),
        ('name,litres\n"a\nb",1\nc,much\n', "line 4: litres should be a valid number, .*'much'"),
        ("name,litres\na,1,2,3\n", "line 2: more cells than in the header"),
        ('name,litres\n"a,1\n', "line 2: it is not a CSV"),
    ],
)
def test_a_bad_csv_row_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    """The line number is that of the file, also after a cell of several lines."""
    with pytest.raises(RefcolorError, match=rf"pots\.csv {message}.*; wash it$"):
        table(tmp_path / "pots.csv", text)


def test_a_table_must_be_utf_8(tmp_path: Path) -> None:
    """The message names a wrong encoding."""
    (tmp_path / "pots.csv").write_bytes(b"name,litres\n\xff,1\n")
    with pytest.raises(RefcolorError, match=r"pots\.csv is not UTF-8 text .*; wash it$"):
        list(read_csv(tmp_path / "pots.csv", Pot, advice="wash it"))
