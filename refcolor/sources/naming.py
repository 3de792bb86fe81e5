"""Readable ids for pictures without an id, and file names within the length limit."""

import hashlib
import os
import re
import unicodedata

from refcolor.io.names import composed

LONGEST_ID = 200  # characters; leaves room for an extension
LONGEST_NAME = 255  # bytes of a file name on common file systems

_SLUG_LENGTH = 60
_HALF = (LONGEST_NAME - len("__.png")) // 2


def readable_id(name: str, *, unique: str) -> str:
    """Make a valid record id: the ASCII slug of `name` and 8 digits of a hash.

    unique: text that identifies the picture; the digits are from its SHA-256.
    Composed and decomposed accents give the same id.
    """
    digest = hashlib.sha256(composed(unique).encode()).hexdigest()[:8]
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^A-Za-z0-9]+", "-", plain)[:_SLUG_LENGTH].strip("-")
    return f"{slug or 'picture'}-{digest}"


def file_name(stem: str, ending: str) -> str:
    """Join stem and ending.

    If the name is longer than LONGEST_NAME, the stem is cut and ends with 16 digits of its SHA-256.
    """
    return _cut(stem, LONGEST_NAME - len(ending.encode())) + ending


def result_name(sketch: str, reference: str) -> str:
    """Name the picture of a sketch coloured after a reference: `<sketch>__<reference>.png`.

    If the name is longer than LONGEST_NAME, each id that is longer than half of it is cut as
    `file_name` cuts a stem.
    """
    name = f"{sketch}__{reference}.png"
    if len(name) <= LONGEST_NAME:
        return name
    return f"{_cut(sketch, _HALF)}__{_cut(reference, _HALF)}.png"


def forms_in_result(id: str) -> set[str]:
    """Return the forms that an id has in names of results: whole, and cut."""
    return {id, _cut(id, _HALF)}


def _cut(stem: str, room: int) -> str:
    encoded = os.fsencode(stem)
    if len(encoded) <= room:
        return stem
    digest = hashlib.sha256(encoded).hexdigest()[:16]
    return f"{encoded[: room - 17].decode(errors='ignore')}-{digest}"
