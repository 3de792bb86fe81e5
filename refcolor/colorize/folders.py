"""Pictures that a person names on the command line: files and folders, each under a name."""

import os
from collections.abc import Sequence
from pathlib import Path

from refcolor.errors import UsageError
from refcolor.io.image import EXTENSIONS


def find_pictures(sources: Sequence[Path], *, but: Path | None = None) -> dict[str, Path]:
    """List the pictures of files and folders, sub-folders included, sorted by name.

    A picture's name is its path inside the folder without the extension, `/` between the parts; a
    file named by itself goes by its stem.
    but: a folder that is left out, so that results inside a source are not taken for sources.
    Raises UsageError as `list_pictures` does, and for two files of one name: one of them would take
    the other's place.
    """
    found: dict[str, Path] = {}
    for source in sources:
        for file in list_pictures(source, but=but):
            inside = file.relative_to(source) if source.is_dir() else Path(file.name)
            name = inside.with_suffix("").as_posix()
            if name in found and found[name].resolve() != file.resolve():
                raise UsageError(
                    f"{found[name]} and {file} would both be called {name}; rename one of them"
                )
            found[name] = file
    return dict(sorted(found.items()))


def list_pictures(source: Path, *, subfolders: bool = True, but: Path | None = None) -> list[Path]:
    """Give what a person means by a path: a file itself, of a folder its pictures, sorted.

    A file counts whatever its extension. In a folder the extension decides; hidden files and
    folders are left alone, links to folders are not followed.
    but: a folder that is left out.
    Raises UsageError for a path that is missing and for a folder without pictures.
    """
    if not os.path.exists(source):  # unlike Path's, it takes any name
        raise UsageError(f"{source} does not exist; name a picture or a folder of pictures")
    if not source.is_dir():
        return [source]
    left_out = but and but.resolve()
    found = []
    for directory, folders, names in os.walk(source):
        deeper = [name for name in folders if subfolders and not name.startswith(".")]
        folders[:] = [name for name in deeper if Path(directory, name).resolve() != left_out]
        files = [Path(directory, name) for name in names if not name.startswith(".")]
        found += [file for file in files if file.suffix.lower() in EXTENSIONS and file.is_file()]
    if not found:
        raise UsageError(
            f"{source} holds no pictures to be read ({' '.join(sorted(EXTENSIONS))}); name another "
            "folder"
        )
    return sorted(found)
