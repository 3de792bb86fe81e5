"""Find the pictures of files and folders given on the command line."""

import os
from collections.abc import Sequence, Set
from pathlib import Path

from refcolor.errors import UsageError
from refcolor.io.foreign import EXTENSIONS as FOREIGN
from refcolor.io.image import EXTENSIONS
from refcolor.io.names import composed


def find_pictures(sources: Sequence[Path], *, exclude: Path | None = None) -> dict[str, Path]:
    """List the pictures of files and folders, with subfolders, sorted by name.

    The name of a picture is its path relative to the folder, with `/`, composed accents and without
    the extension; the name of a single file is its stem.
    exclude: a folder to skip, so that results inside a source are not read as sources.
    Raises UsageError as `list_pictures` does, and for two files of the same name.
    """
    pictures: dict[str, Path] = {}
    for source in sources:
        for file in list_pictures(source, exclude=exclude):
            relative = file.relative_to(source) if source.is_dir() else Path(file.name)
            name = composed(relative.with_suffix("").as_posix())
            if name in pictures and pictures[name].resolve() != file.resolve():
                raise UsageError(
                    f"{pictures[name]} and {file} would both be called {name}; rename one of them"
                )
            pictures[name] = file
    return dict(sorted(pictures.items()))


def list_pictures(
    source: Path, *, exclude: Path | None = None, extensions: Set[str] = EXTENSIONS
) -> list[Path]:
    """Return the pictures of a folder and its subfolders, sorted, or the given file.

    A given file may have any extension. In a folder only files with one of the extensions are
    returned, and those of other programs without such a file of the same name, so that their reader
    refuses them with advice. Hidden files and folders are skipped, and links to folders are not
    followed.
    exclude: a folder to skip.
    Raises UsageError for a path that does not exist and for a folder without pictures.
    """
    if not os.path.exists(source):  # Path.exists raises for some names, such as very long ones
        raise UsageError(f"{source} does not exist; name a picture or a folder of pictures")
    if not source.is_dir():
        return [source]
    excluded = exclude and exclude.resolve()
    pictures, foreign = [], []
    for directory, folders, names in os.walk(source):
        visible = [name for name in folders if not name.startswith(".")]
        folders[:] = [name for name in visible if Path(directory, name).resolve() != excluded]
        files = [Path(directory, name) for name in names if not name.startswith(".")]
        pictures += [file for file in files if file.suffix.lower() in extensions and file.is_file()]
        foreign += [file for file in files if file.suffix.lower() in FOREIGN and file.is_file()]
    exported = {file.with_suffix("") for file in pictures}
    by_name = {file.with_suffix(""): file for file in foreign}  # one of a .kra and a .clip
    pictures += [file for name, file in by_name.items() if name not in exported]
    if not pictures:
        raise UsageError(
            f"{source} has no picture files ({' '.join(sorted(extensions))}); name another folder"
        )
    return sorted(pictures)
