"""Readable ids for pictures that have none of their own."""

import hashlib
import re
import unicodedata

_SLUG_LENGTH = 60


def readable_id(name: str, *, unique: str) -> str:
    """Make an id that a record may have: the ASCII slug of `name` and 8 digits of a hash.

    unique: what tells this picture from all others; its SHA-256 gives the digits.
    Accents may be composed or decomposed in both without changing the id.
    """
    digest = hashlib.sha256(unicodedata.normalize("NFC", unique).encode()).hexdigest()[:8]
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^A-Za-z0-9]+", "-", plain)[:_SLUG_LENGTH].strip("-")
    return f"{slug or 'picture'}-{digest}"
