"""Formats of pictures and drawings that refcolor does not read, and what to do with such a file."""

import re
from dataclasses import dataclass
from typing import Final

HEAD: Final = 256  # bytes of a file that tell its format


@dataclass(frozen=True)
class Foreign:
    """A format: its name with an article, the extensions of its files, and what to do.

    head: a regular expression for the first bytes of a file.
    """

    name: str
    extensions: str
    head: bytes
    advice: str


FORMATS: Final = (
    Foreign("a HEIC photograph", ".heic .heif", rb"....ftyp(hei|hev|mif|msf)", "save it as JPEG"),
    Foreign("a JPEG XL picture", ".jxl", rb"\xff\x0a|\0\0\0\x0cJXL ", "save it as PNG"),
    Foreign(
        "a Krita document",
        ".kra .krz",
        rb"PK.{28}mimetypeapplication/x-kr",
        "export it as PNG or OpenRaster",
    ),
    Foreign("a Clip Studio document", ".clip .lip", rb"CSFCHUNK", "export it as PNG or PSD"),
    Foreign("a MediBang document", ".mdp", rb"mdipack", "export it as PNG or PSD"),
    Foreign("a GIMP document", ".xcf", rb"gimp xcf", "export it as PNG or OpenRaster"),
    Foreign("a PDF document", ".pdf", rb"%PDF-", "export its page as PNG, a scan at 300 dpi"),
    Foreign(
        "a vector drawing",
        ".svg .eps",
        rb"(<\?xml.*)?<svg|%!PS",
        "export it as PNG, 1000 pixels wide or more",
    ),
    Foreign("a Photoshop document", "", rb"8BPS", "export it as PNG; only colorize reads it"),
)

EXTENSIONS: Final = frozenset(suffix for item in FORMATS for suffix in item.extensions.split())


def foreign_format(head: bytes) -> Foreign | None:
    """Return the format of a file with these first bytes, None for any other file."""
    formats = (item for item in FORMATS if re.match(item.head, head, re.DOTALL))
    return next(formats, None)
