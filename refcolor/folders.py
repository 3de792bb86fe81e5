"""Pictures that a person names on the command line: files and folders, each under a name."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from refcolor.errors import UsageError
from refcolor.sources.folder import EXTENSIONS


def find_pictures(sources: Sequence[Path], *, but: Path | None = None) -> dict[str, Path]:
    """List the pictures of files and folders, sub-folders included, sorted by name.

    A picture's name is its path inside the folder without the extension, `/` between the parts; a
    file named by itself goes by its stem, whatever its extension. Hidden files and folders are
    left alone, links to folders are not followed.
    but: a folder that is left out, so that results inside a source are not taken for sources.
    Raises UsageError for a source that is missing, a folder without pictures, and two files of one
    name: one of them would take the other's place.
    """
    found: dict[str, Path] = {}
    for source in sources:
        if source.is_dir():
            files = list(_inside(source, but))
            if not files:
                raise UsageError(
                    f"{source} holds no pictures ({' '.join(sorted(EXTENSIONS))}); name another "
                    "folder"
                )
            named = [(file.relative_to(source).with_suffix("").as_posix(), file) for file in files]
        elif source.exists():
            named = [(source.stem, source)]
        else:
            raise UsageError(f"{source} does not exist; name a picture or a folder of pictures")
        for name, file in named:
            if name in found and found[name].resolve() != file.resolve():
                raise UsageError(
                    f"{found[name]} and {file} would both be called {name}; rename one of them"
                )
            found[name] = file
    return dict(sorted(found.items()))


def _inside(folder: Path, but: Path | None) -> Iterator[Path]:
    left_out = but and but.resolve()
    for directory, folders, names in os.walk(folder):
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".") and (Path(directory) / name).resolve() != left_out
        ]
        for name in names:
            if not name.startswith(".") and Path(name).suffix.lower() in EXTENSIONS:
                yield Path(directory, name)
