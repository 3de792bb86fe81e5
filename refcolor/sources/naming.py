"""Readable ids for pictures that have none of their own, and names of files that fit."""

import hashlib
import os
import re
import unicodedata

LONGEST_ID = 200  # letters; as the stem of a file it needs room for an ending
LONGEST_NAME = 255  # bytes of a file name, on every common file system

_SLUG_LENGTH = 60
_HALF = (LONGEST_NAME - len("__.png")) // 2


def readable_id(name: str, *, unique: str) -> str:
    """Make an id that a record may have: the ASCII slug of `name` and 8 digits of a hash.

    unique: what tells this picture from all others; its SHA-256 gives the digits.
    Accents may be composed or decomposed in both without changing the id.
    """
    digest = hashlib.sha256(unicodedata.normalize("NFC", unique).encode()).hexdigest()[:8]
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^A-Za-z0-9]+", "-", plain)[:_SLUG_LENGTH].strip("-")
    return f"{slug or 'picture'}-{digest}"


def file_name(stem: str, ending: str) -> str:
    """Put stem and ending together.

    Where no file can be called so, the stem is cut, and 16 digits of its SHA-256 tell it from
    others.
    """
    return _cut(stem, LONGEST_NAME - len(ending.encode())) + ending


def result_name(sketch: str, reference: str) -> str:
    """Name the picture of a sketch coloured after a reference: `<sketch>__<reference>.png`.

    Where no file can be called so, each id that is longer than half of the room is cut as
    `file_name` does it.
    """
    name = f"{sketch}__{reference}.png"
    if len(name) <= LONGEST_NAME:
        return name
    return f"{_cut(sketch, _HALF)}__{_cut(reference, _HALF)}.png"


def in_result(id: str) -> set[str]:
    """Give the forms in which an id may stand in the name of a result: whole, and cut."""
    return {id, _cut(id, _HALF)}


def _cut(stem: str, room: int) -> str:
    encoded = os.fsencode(stem)
    if len(encoded) <= room:
        return stem
    digest = hashlib.sha256(encoded).hexdigest()[:16]
    return f"{encoded[: room - 17].decode(errors='ignore')}-{digest}"
