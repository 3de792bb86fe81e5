"""Pictures on the command line: which files are pictures, and their names."""

from pathlib import Path

import pytest

from refcolor.colorize.folders import find_pictures, list_pictures
from refcolor.errors import UsageError


def make(folder: Path, *names: str) -> None:
    """Make empty files."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_a_folder_gives_names_without_extension(tmp_path: Path) -> None:
    """Sub-folders are part of a name; other files, hidden ones and broken links are left out."""
    make(tmp_path, "b.PNG", "a/b.jpg", "a/.hidden.png", ".git/c.png", "notes.txt", "a/d.webp")
    (tmp_path / "link.png").symlink_to("nowhere")
    assert find_pictures([tmp_path]) == {
        "a/b": tmp_path / "a/b.jpg",
        "a/d": tmp_path / "a/d.webp",
        "b": tmp_path / "b.PNG",
    }


def test_names_are_composed(tmp_path: Path) -> None:
    """Decomposed accents, as macOS writes them, give the name that other systems write."""
    make(tmp_path, "e\u0301te\u0301/u\u0308.png")
    assert find_pictures([tmp_path]) == {"\xe9t\xe9/\xfc": tmp_path / "e\u0301te\u0301/u\u0308.png"}


def test_files_of_other_programs_are_listed_without_their_exports(tmp_path: Path) -> None:
    """A document without a picture of its name is listed, so that its reader can refuse it."""
    make(tmp_path, "a.clip", "a.png", "b.KRA", "x/a.heic", "x/a.pdf", "notes.txt")
    listed = [path.relative_to(tmp_path) for path in list_pictures(tmp_path)]
    assert [path.with_suffix("").as_posix() for path in listed] == ["a", "b", "x/a"]
    assert listed[0].suffix == ".png"


def test_a_named_file_is_called_by_its_stem(tmp_path: Path) -> None:
    """A file that is named is used whatever its extension; the same file twice is one."""
    make(tmp_path, "x/one.png", "two.drawing")
    files = [tmp_path / "x/one.png", tmp_path / "two.drawing", tmp_path / "x/../x/one.png"]
    assert list(find_pictures(files)) == ["one", "two"]


def test_results_inside_a_source_are_not_sources(tmp_path: Path) -> None:
    """The output folder is left out of the folder around it."""
    make(tmp_path, "a.png", "lines/a.png", "lines/deep/b.png")
    assert list(find_pictures([tmp_path], exclude=tmp_path / "x/../lines")) == ["a"]


@pytest.mark.parametrize(
    ("names", "sources", "message"),
    [
        (["a.png", "a.jpg"], ["."], r"a\.(png|jpg) and .*a\.(png|jpg) would both be called a"),
        (["x/a.png", "y/a.png"], ["x/a.png", "y/a.png"], "would both be called a; rename"),
        (["a.txt"], ["."], "has no picture files"),
        ([], ["nowhere"], "nowhere does not exist; name a picture or a folder"),
    ],
)
def test_unusable_sources_are_refused(
    tmp_path: Path, names: list[str], sources: list[str], message: str
) -> None:
    """Two pictures of one name, an empty folder and a missing one are usage errors."""
    make(tmp_path, *names)
    with pytest.raises(UsageError, match=message):
        find_pictures([tmp_path / source for source in sources])
