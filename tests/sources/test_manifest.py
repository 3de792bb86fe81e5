"""The manifest: one JSON record a line, sorted, with ids that are safe as file names."""

import json
from pathlib import Path

import pytest

from refcolor.errors import RefcolorError
from refcolor.sources.manifest import Record, files_with_records, read_manifest, write_manifest

FULL = Record(
    id="b-2.x_1",
    address="子/ü — \u2028 x.png",
    page="https://example.org/2",
    artist=("桜", "Ünal"),
    rating="g",
    licence="CC0",
    family="parent:7",
    group='桜, "the first"',
    attributes={"hair": "bob", "clothes": "着物"},
    source="https://example.org/artist",
    md5="ab" * 16,
    checksum="cd" * 16,
    letterboxed=(1200, 900),
)

DRAWN = Record(
    id="sample-000003",
    address="sample:1/2/3",
    attributes={"shape": "3", "shape_seed": "1", "palette": "3", "palette_seed": "2"},
)


def test_records_survive_the_round_trip(tmp_path: Path) -> None:
    """Every field comes back as it was, in any script, line separators included."""
    records = [Record("a", "a.png"), FULL, Record("c", "c"), DRAWN]
    write_manifest(tmp_path / "m.jsonl", records)
    assert read_manifest(tmp_path / "m.jsonl") == records


def test_the_file_is_sorted_and_readable(tmp_path: Path) -> None:
    """Lines are sorted by id and omit empty fields."""
    write_manifest(tmp_path / "m.jsonl", [Record("b", "ü.png"), Record("a", "1", rating="g")])
    assert (tmp_path / "m.jsonl").read_text(encoding="utf-8") == (
        '{"address": "1", "id": "a", "rating": "g"}\n{"address": "ü.png", "id": "b"}\n'
    )


def test_a_manifest_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """An error in the middle of writing leaves the old manifest."""
    path = tmp_path / "m.jsonl"
    write_manifest(path, [FULL])
    damaged = Record("b", "2")
    damaged.attributes["x"] = object()  # type: ignore[assignment]
    with pytest.raises(TypeError):
        write_manifest(path, [Record("a", "1"), damaged])
    assert read_manifest(path) == [FULL]
    assert list(tmp_path.iterdir()) == [path]


def test_files_are_matched_with_records(tmp_path: Path) -> None:
    """A file belongs to the record of its stem; unmatched files and records are left out."""
    write_manifest(tmp_path / "m.jsonl", [Record("b", "2"), Record("a", "1"), Record("c", "3")])
    (tmp_path / "raw").mkdir()
    for name in ("c.webp", "a.png", "a.sketch.png", "d.png"):
        (tmp_path / "raw" / name).touch()
    pairs = files_with_records(tmp_path / "m.jsonl", tmp_path / "raw")
    assert [(path.name, record.id) for path, record in pairs] == [("a.png", "a"), ("c.webp", "c")]


@pytest.mark.parametrize(
    "id",
    ["", ".", "..", "../x", "a/b", "a\\b", ".hidden", "-rf", "a b", "ü", "a\n", "a:b", "x" * 201],
)
def test_unsafe_ids_are_refused(id: str) -> None:
    """An id that could leave its folder, be hidden or look like an option, or is too long."""
    with pytest.raises(ValueError, match="id must be 1 to 200 letters, digits"):
        Record(id, "a.png")
    assert Record("x" * 200, "a.png")


@pytest.mark.parametrize("address", ["", "../a.png", "/etc/passwd.png", "sub/../../a.png", "a\0b"])
def test_addresses_stay_inside_the_folder(address: str) -> None:
    """Neither a picture nor its line art may be outside the folder of the source."""
    with pytest.raises(ValueError, match="must be a path inside the folder of the source"):
        Record("a", address)
    with pytest.raises(ValueError, match="must be a path inside the folder of the source"):
        Record("a", "a.png", attributes={"sketch": address})
    assert Record("a", "http://a.example/../a.png", attributes={"sketch": address})


@pytest.mark.parametrize(
    ("address", "changed"),
    [
        ("sample:1/2", {}),
        ("sample:1/2/x", {}),
        ("sample:1/2/3", {"shape": "three"}),
        ("sample:1/2/3", {"palette_seed": "-1"}),
        ("sample:1/2/3", {"palette": "9" * 5000}),
        ("sample:1/2/3", {"shape_seed": "٣"}),
    ],
)
def test_the_record_of_a_drawn_character(address: str, changed: dict[str, str]) -> None:
    """Its address has three numbers, and its attributes the four that draw it."""
    with pytest.raises(ValueError, match="sample:1/2/3 with the attributes shape"):
        Record("a", address, attributes=DRAWN.attributes | changed)
    for missing in DRAWN.attributes:
        facts = {name: fact for name, fact in DRAWN.attributes.items() if name != missing}
        with pytest.raises(ValueError, match="sample:1/2/3 with the attributes shape"):
            Record("a", "sample:1/2/3", attributes=facts)


def test_ids_must_be_unique(tmp_path: Path) -> None:
    """Two records with one id are an error before anything is written."""
    with pytest.raises(ValueError, match="ids must be unique, got 'a' twice"):
        write_manifest(tmp_path / "m.jsonl", [Record("a", "1"), Record("b", "2"), Record("a", "3")])
    assert not (tmp_path / "m.jsonl").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"id": "b", "addr', "it is not JSON"),
        (b'{"id": "b"}', "address is missing"),
        (b'{"id": "../b", "address": "x"}', "id must be .*, got '../b'"),
        (b'{"id": "b", "address": "x", "colour": 1}', "colour is not a known field"),
        (b'{"id": "b", "address": "x", "attributes": {"hair": 5}}', "attributes.hair should be"),
        (b'{"id": "b", "address": "x", "letterboxed": [640]}', r"letterboxed must be .*\[640\]"),
        (b'{"id": "b", "address": "x", "letterboxed": [640, 0]}', "letterboxed must be two"),
        (b'{"id": "b", "address": "x", "letterboxed": "640"}', "letterboxed must be two"),
        (b'{"id": "b", "address": "sample:1/2/3"}', "a drawn character has an address like"),
        (b'{"id": "a", "address": "y"}', "id 'a' is on an earlier line too"),
    ],
)
def test_a_damaged_line_is_refused(tmp_path: Path, line: bytes, message: str) -> None:
    """The message has the line's number, the field and what to do."""
    valid = json.dumps({"id": "a", "address": "x"}).encode()
    (tmp_path / "m.jsonl").write_bytes(valid + b"\n" + line + b"\n" + valid + b"\n")
    with pytest.raises(RefcolorError, match=rf"m\.jsonl line 2: {message}.*; .*restore the file"):
        read_manifest(tmp_path / "m.jsonl")
