"""Pictures of a list of addresses, in a CSV table or as JSON lines."""

import csv
import json
import re
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import Any, TextIO
from urllib.parse import unquote, urlsplit

from refcolor.errors import RefcolorError
from refcolor.sources.manifest import Record
from refcolor.sources.naming import readable_id

_SPELLINGS = {"license": "licence"}
_COLUMNS = ("url", "id", "md5", "artist", "page", "source", "licence", "rating", "group")
_MD5 = re.compile(r"[0-9a-f]{32}")
_UNSAFE = re.compile(r"[\x00-\x20\x7f]")


def list_urls(path: Path) -> tuple[list[Record], Counter[str]]:
    """List the pictures of a table with a header, or of JSON lines, in file order.

    Columns: `url`, and optionally `id`, `md5` (of the file at that address), `artist` (several are
    separated by `;`, or a list in JSON), `page`, `source`, `licence`, `rating` and `group`. Other
    columns become attributes. A missing id is made from the name in the address and a hash of the
    address.

    Returns the records, and the number of rows left out by reason: not_http, bad_record (not an
    object, a wrong number of cells, a wrong MD5 or id, a login in the address), same_id.
    Raises RefcolorError when the file is missing, is not such a list or has no picture.
    """
    records: dict[str, Record] = {}
    reasons: Counter[str] = Counter()
    try:
        with closing(_rows(path)) as rows:
            for row in rows:
                record = _record(row) if row else "bad_record"
                if isinstance(record, str):
                    reasons[record] += 1
                elif record.id in records:
                    reasons["same_id"] += 1
                else:
                    records[record.id] = record
    except OSError as error:
        raise RefcolorError(
            f"source.url_list.path must be a file, got {path} ({error.strerror}); set it to "
            "a CSV with a column url, or JSON lines"
        ) from error
    except UnicodeDecodeError as error:
        raise RefcolorError(f"{path} is not UTF-8 text ({error}); save it as UTF-8") from error
    if not records:
        counts = ", ".join(f"{n} {reason}" for reason, n in sorted(reasons.items()))
        raise RefcolorError(
            f"source.url_list.path has no pictures: {path} (left out: {counts or 'nothing'}); "
            "list one http address a row under a header with url"
        )
    return list(records.values()), reasons


def _rows(path: Path) -> Generator[Mapping[str, Any] | None]:
    # None is an unreadable row. Spreadsheets begin a file with a byte order mark.
    with path.open(encoding="utf-8-sig", newline="") as file:
        is_json = file.readline().lstrip().startswith("{")
        file.seek(0)
        yield from _objects(file) if is_json else _table(file, path)


def _objects(file: TextIO) -> Iterator[Mapping[str, Any] | None]:
    for line in filter(str.strip, file):
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError):
            fields = None
        yield fields if isinstance(fields, dict) else None


def _table(file: TextIO, path: Path) -> Iterator[Mapping[str, Any] | None]:
    reader = csv.reader(file, strict=True)
    try:
        header = next((row for row in reader if row), [])
        names = [name.strip().lower() for name in header]
        if "url" not in names or len(set(names)) < len(names):
            raise RefcolorError(
                f"{path} must begin with a header of unique names with url, got "
                f"{header}; write url as the first line of a plain list"
            )
        for row in filter(None, reader):
            yield dict(zip(names, row, strict=True)) if len(row) == len(names) else None
    except csv.Error as error:  # the beginning of the next row is unknown
        raise RefcolorError(
            f"{path} line {reader.line_num} is not CSV ({error}); close the quote, or double it"
        ) from error


def _record(row: Mapping[str, Any]) -> Record | str:
    if not all(map(_is_flat, row.values())):
        return "bad_record"
    named = {_text(name).lower(): _text(value) for name, value in row.items()}
    texts = {_SPELLINGS.get(name, name): value for name, value in named.items()}
    columns = {name: texts.pop(name, "") for name in _COLUMNS}
    url, md5 = columns["url"], columns["md5"].lower()
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or _UNSAFE.search(url):
            return "not_http"
    except ValueError:
        return "not_http"
    name = PurePosixPath(unquote(parts.path)).stem
    id = columns["id"] or readable_id(name, unique=url)
    if parts.username is not None or (md5 and not _MD5.fullmatch(md5)):
        return "bad_record"
    try:
        return Record(
            id=id,
            address=parts.scheme + url[len(parts.scheme) :],  # in lower case
            page=columns["page"],
            artist=tuple(filter(None, map(str.strip, columns["artist"].split(";")))),
            rating=columns["rating"],
            licence=columns["licence"],
            group=columns["group"],
            attributes={name: value for name, value in texts.items() if name and value},
            source=columns["source"],
            md5=md5,
            checksum=md5,
        )
    except ValueError:
        return "bad_record"


def _is_flat(value: Any) -> bool:
    """Return True for a single value or a list of single values."""
    values = value if isinstance(value, list) else [value]
    return not any(isinstance(item, dict | list) for item in values)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return ";".join(map(_text, value))
    # JSON may escape half a surrogate pair, which no file can hold.
    return str(value).strip().encode("utf-8", "replace").decode()
