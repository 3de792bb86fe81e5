"""The manifest: one JSON record a line, sorted, with ids that are safe as file names."""

import json
from pathlib import Path

import pytest

from refcolor.errors import RefcolorError
from refcolor.sources.manifest import Record, files_of, read_manifest, write_manifest

FULL = Record(
    id="b-2.x_1",
    address="子/ü — \u2028 x.png",
    page="https://example.org/2",
    artist=("桜", "Ünal"),
    rating="g",
    licence="CC0",
    family="parent:7",
    attributes={"hair": "bob", "clothes": "着物"},
    source="https://example.org/artist",
    md5="ab" * 16,
    checksum="cd" * 16,
    letterboxed=(1200, 900),
)


def test_records_survive_the_round_trip(tmp_path: Path) -> None:
    """Every field comes back as it was, in any script, line separators included."""
    records = [Record("a", "a.png"), FULL, Record("c", "")]
    write_manifest(tmp_path / "m.jsonl", records)
    assert read_manifest(tmp_path / "m.jsonl") == records


def test_the_file_is_sorted_and_readable(tmp_path: Path) -> None:
    """Lines are in the order of ids whatever the order given, and say only what is known."""
    write_manifest(tmp_path / "m.jsonl", [Record("b", "ü.png"), Record("a", "1", rating="g")])
    assert (tmp_path / "m.jsonl").read_text(encoding="utf-8") == (
        '{"address": "1", "id": "a", "rating": "g"}\n{"address": "ü.png", "id": "b"}\n'
    )


def test_a_manifest_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """What cannot be written in the middle leaves the manifest that was there."""
    path = tmp_path / "m.jsonl"
    write_manifest(path, [FULL])
    with pytest.raises(TypeError):
        write_manifest(path, [Record("a", "1"), Record("b", "2", attributes={"x": object()})])
    assert read_manifest(path) == [FULL]
    assert list(tmp_path.iterdir()) == [path]


def test_files_meet_their_records(tmp_path: Path) -> None:
    """A file belongs to the record of its stem; files and records without the other are left."""
    write_manifest(tmp_path / "m.jsonl", [Record("b", "2"), Record("a", "1"), Record("c", "3")])
    (tmp_path / "raw").mkdir()
    for name in ("c.webp", "a.png", "a.sketch.png", "d.png"):
        (tmp_path / "raw" / name).touch()
    found = files_of(tmp_path / "m.jsonl", tmp_path / "raw")
    assert [(path.name, record.id) for path, record in found] == [("a.png", "a"), ("c.webp", "c")]


@pytest.mark.parametrize(
    "id", ["", ".", "..", "../x", "a/b", "a\\b", ".hidden", "-rf", "a b", "ü", "a\n", "a:b"]
)
def test_unsafe_ids_are_refused(id: str) -> None:
    """An id that could leave its folder, hide, or pass for an option is no id."""
    with pytest.raises(ValueError, match="a record's id must be letters, digits"):
        Record(id, "a.png")


def test_an_id_is_given_once(tmp_path: Path) -> None:
    """Two pictures under one name are refused before anything is written."""
    with pytest.raises(ValueError, match="ids must be unique, got 'a' twice"):
        write_manifest(tmp_path / "m.jsonl", [Record("a", "1"), Record("b", "2"), Record("a", "3")])
    assert not (tmp_path / "m.jsonl").exists()


@pytest.mark.parametrize(
    "line",
    [
        b'{"id": "b", "addr',
        b"[1]",
        b"5",
        b"",
        b'{"id": "b"}',
        b'{"id": "../b", "address": "x"}',
        b'{"id": 5, "address": "x"}',
        b'{"id": "b", "address": "x", "colour": 1}',
        b'{"id": "b", "address": "\xff"}',
    ],
)
def test_a_damaged_line_is_named_by_its_number(tmp_path: Path, line: bytes) -> None:
    """Whatever is wrong with a line, the message has its number and what to do."""
    good = json.dumps({"id": "a", "address": "x"}).encode()
    (tmp_path / "m.jsonl").write_bytes(good + b"\n" + line + b"\n" + good + b"\n")
    with pytest.raises(RefcolorError, match=r"m\.jsonl line 2 is no record \(.*restore the file"):
        read_manifest(tmp_path / "m.jsonl")
