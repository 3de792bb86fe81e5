"""Lists of addresses become records, and each row is counted once."""

import csv
import hashlib
import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from refcolor.errors import RefcolorError
from refcolor.sources.listing.url_list import list_urls
from refcolor.sources.manifest import read_manifest, write_manifest

URL = "https://a.example/sub/Art%20No.%207.final.png"
MD5 = "d34e4cf0a437a5d65f8e82b7bcd02606"


def write_list(tmp_path: Path, text: str, *, encoding: str = "utf-8") -> Path:
    """Write a list."""
    path = tmp_path / "list"
    path.write_bytes(text.encode(encoding))
    return path


ROW = {
    "url": URL,
    "id": "seven",
    "md5": MD5.upper(),
    "artist": "Jane Doe; other_artist",
    "page": "https://a.example/7",
    "source": "https://jane.example/",
    "licence": "CC BY 4.0",
    "rating": "g",
    "group": "Éva",
    "hair": "blonde",
    "mood": "",
}


def as_csv(row: dict[str, str]) -> str:
    """Write a table of one row, with the byte order mark and line ends of a spreadsheet."""
    return "\ufeff" + "\r\n".join([",".join(row), ",".join(row.values()), "", ""])


def as_json(row: dict[str, Any]) -> str:
    """Write one JSON line after a byte order mark."""
    return "\ufeff" + json.dumps(row) + "\n\n"


@pytest.mark.parametrize(
    "text", [as_csv(ROW), as_json(ROW), as_json({**ROW, "artist": ["Jane Doe", "other_artist"]})]
)
def test_a_row_becomes_a_record(text: str, tmp_path: Path) -> None:
    """Table and JSON give the same record: the MD5 is also the checksum."""
    (record,), reasons = list_urls(write_list(tmp_path, text))
    assert (record.id, record.address) == ("seven", URL)
    assert record.artist == ("Jane Doe", "other_artist")
    assert (record.page, record.source) == ("https://a.example/7", "https://jane.example/")
    assert (record.licence, record.rating, record.group) == ("CC BY 4.0", "g", "Éva")
    assert (record.md5, record.checksum) == (MD5, MD5)
    assert record.attributes == {"hair": "blonde"}
    assert not reasons


def test_ids_are_readable_and_golden(tmp_path: Path) -> None:
    """An id is the slug of the file's name and 8 digits of the hash of the address."""
    records, _ = list_urls(
        write_list(tmp_path, f"url\n{URL}\nhttps://a.example/日本.jpg\nhttp://a/?x\n")
    )
    digests = [hashlib.sha256(record.address.encode()).hexdigest()[:8] for record in records]
    assert [record.id for record in records] == [
        f"Art-No-7-final-{digests[0]}", f"picture-{digests[1]}", f"picture-{digests[2]}"
    ]  # fmt: skip


def test_composed_and_decomposed_addresses_are_equal(tmp_path: Path) -> None:
    """The two forms of an accent give one id, of which the first is used."""
    forms = [unicodedata.normalize(form, "http://a/é.png") for form in ("NFC", "NFD")]
    records, reasons = list_urls(write_list(tmp_path, "\n".join(["url", *forms])))
    assert [record.address for record in records] == forms[:1]
    assert reasons == {"same_id": 1}


@pytest.mark.parametrize(
    "address",
    [
        "ftp://a.example/1.png",
        "file:///etc/passwd",
        "a.example/1.png",
        "",
        "https://",
        "https:///1.png",
        "http://[half/1.png",
        "https://a.example/1 2.png",
        "https://a.example/1\t2.png",
    ],
)
def test_only_web_addresses_are_taken(address: str, tmp_path: Path) -> None:
    """Other schemes, missing hosts and spaces are counted as not_http, in either form."""
    for text in (
        f'url\n"{address}"\n{URL}\n',
        as_json({"url": address}) + as_json({"url": URL})[1:],
    ):
        records, reasons = list_urls(write_list(tmp_path, text))
        assert [record.address for record in records] == [URL]
        assert reasons == {"not_http": 1}


@pytest.mark.parametrize(
    "row",
    [
        "https://a/1.png,no md5,x",
        "https://a/1.png,,../../up",
        "https://a/1.png,,.hidden",
        f"https://a/1.png,,{'x' * 201}",
        "https://user:password@a/1.png,,x",
        "https://a/1.png,",
        "https://a/1.png,,x,y",
    ],
)
def test_damaged_rows_are_counted(row: str, tmp_path: Path) -> None:
    """A wrong MD5, an invalid id, a password and a wrong number of cells."""
    records, reasons = list_urls(write_list(tmp_path, f"url,md5,id\n{row}\n{URL},,seven\n"))
    assert [record.id for record in records] == ["seven"]
    assert reasons == {"bad_record": 1}


def test_damaged_json_lines_are_counted(tmp_path: Path) -> None:
    """Lines that are not JSON objects, nested values and endless brackets are counted."""
    damaged = [
        "{",
        "[]",
        "null",
        '"a"',
        '{"url": "http://a/1.png", "more": {"a": 1}}',
        "[" * 100_000,
    ]
    damaged += [
        f'{{"url": "http://a/1.png", "more": {"[" * deep}1{"]" * deep}}}' for deep in (2, 900)
    ]
    text = "\n".join([json.dumps({"url": URL}), *damaged])
    records, reasons = list_urls(write_list(tmp_path, text))
    assert len(records) == 1
    assert reasons == {"bad_record": len(damaged)}


def test_the_same_id_is_taken_once(tmp_path: Path) -> None:
    """The first of two rows with one id, or one address, is used."""
    text = "url,id\nhttp://a/1.png,x\nhttp://a/2.png,x\nhttp://a/3.png,\nhttp://a/3.png,\n"
    records, reasons = list_urls(write_list(tmp_path, text))
    assert [record.address for record in records] == ["http://a/1.png", "http://a/3.png"]
    assert reasons == {"same_id": 2}


def test_headers_may_be_spelled_in_several_ways(tmp_path: Path) -> None:
    """Case and spaces around a name do not matter, and a license is a licence."""
    for text in (f"URL, License \n{URL},MIT\n", as_json({"Url": URL, "LICENSE": "MIT"})):
        (record,), _ = list_urls(write_list(tmp_path, text))
        assert record.licence == "MIT"
        assert record.attributes == {}


def test_schemes_become_lower_case(tmp_path: Path) -> None:
    """An address always begins with http:// or https://, as later stages expect."""
    records, _ = list_urls(write_list(tmp_path, "url\nHTTPS://A.example/B.png\nHttp://a/c\n"))
    assert [record.address for record in records] == ["https://A.example/B.png", "http://a/c"]


def test_values_of_json_may_be_numbers(tmp_path: Path) -> None:
    """Numbers become text, null is nothing."""
    row = {"url": URL, "id": 7, "page": None, "hair": 3, "eyes": None, "md5": None}
    (record,), _ = list_urls(write_list(tmp_path, as_json(row)))
    assert (record.id, record.page, record.attributes) == ("7", "", {"hair": "3"})


def test_records_survive_the_manifest(tmp_path: Path) -> None:
    """Quotes, commas, line breaks and half characters come back from the manifest."""
    path = tmp_path / "list.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["url", "artist", "hair"], [URL, 'a "b", c', "x\ny"]])
    half = write_list(tmp_path, '{"url": "http://a/1.png", "artist": "\\ud800", "\\ud800": 1}')
    for source in (path, half):
        records, _ = list_urls(source)
        write_manifest(tmp_path / "manifest.jsonl", records)
        assert read_manifest(tmp_path / "manifest.jsonl") == records
    assert list_urls(path)[0][0].artist == ('a "b", c',)
    assert list_urls(half)[0][0].artist == ("?",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "header of unique names with url"),
        (f"{URL}\n", "write url as the first line of a plain list"),
        (f"address\n{URL}\n", r"got \['address'\]"),
        (f"url,hair,Hair\n{URL},a,b\n", "header of unique names"),
        ("url\n", r"has no pictures: .*\(left out: nothing\)"),
        ("url\nftp://a/1.png\n", r"\(left out: 1 not_http\)"),
        (f'url,artist\n{URL},"open\n{URL},b\n', r"line 3 is not CSV .*close the quote"),
    ],
)
def test_lists_without_a_usable_row_are_explained(text: str, message: str, tmp_path: Path) -> None:
    """No header, another header, no rows, no valid rows and an open quote say what to do."""
    with pytest.raises(RefcolorError, match=message):
        list_urls(write_list(tmp_path, text))


def test_other_files_are_explained(tmp_path: Path) -> None:
    """A missing file, a folder, another encoding and a picture are user errors."""
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(RefcolorError, match=r"source\.url_list\.path must be a file, got"):
            list_urls(path)
    with pytest.raises(RefcolorError, match="save it as UTF-8"):
        list_urls(write_list(tmp_path, f"url,artist\n{URL},é\n", encoding="latin-1"))
