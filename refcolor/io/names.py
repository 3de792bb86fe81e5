"""Names of files, as people and tables write them."""

import os
import re
import unicodedata
from pathlib import Path

from refcolor.errors import UsageError

_WEB_ADDRESS = re.compile(r"https?:[/\\].*", re.IGNORECASE | re.DOTALL)


def composed(name: str) -> str:
    """Return a name with composed accents (NFC): keyboards write them so, macOS decomposed."""
    return unicodedata.normalize("NFC", name)


def named_file(name: str, *, folder: Path = Path()) -> Path:
    r"""Return the path of a file or folder that a person or a table names.

    `~` is the home folder. Where nothing has the name as it is written, `\` separates folders as
    `/` does, and accents may be composed or decomposed; a name that nothing has stays as it is.
    folder: of relative names.
    Raises UsageError for the address of a web page.
    """
    if _WEB_ADDRESS.fullmatch(name):
        raise UsageError(f"{name} is a web address; download the picture and name the file")
    path = folder / os.path.expanduser(name)
    slashed = Path(path.as_posix().replace("\\", "/"))
    return _existing(path) or _existing(slashed) or path


def _existing(path: Path) -> Path | None:
    if os.path.exists(path):
        return path
    if path.parent == path or str(path).isascii():
        return None
    parent, name = _existing(path.parent), composed(path.name)
    if parent is None or not os.path.isdir(parent):
        return None
    return next((parent / other for other in os.listdir(parent) if composed(other) == name), None)
