"""Names that people and tables write lead to the files that they mean."""

import unicodedata
from pathlib import Path

import pytest

from refcolor.errors import UsageError
from refcolor.io.names import composed, named_file

NAMES = ("été/が.png", "Ångström.png", "plain/a.png", "한글.png")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("stored", ["NFC", "NFD"])
@pytest.mark.parametrize("written", ["NFC", "NFD"])
def test_accents_may_be_composed_or_not(
    name: str, stored: str, written: str, tmp_path: Path
) -> None:
    """A name of either form finds a file of either form, in sub-folders too."""
    file = tmp_path / unicodedata.normalize(stored, name)  # type: ignore[arg-type]
    file.parent.mkdir(exist_ok=True)
    file.touch()
    path = named_file(unicodedata.normalize(written, name), folder=tmp_path)  # type: ignore[arg-type]
    assert path.samefile(file)
    assert composed(path.name) == composed(file.name)


def test_the_form_as_it_is_written_has_precedence(tmp_path: Path) -> None:
    """Where both forms exist, each name means its own file."""
    for form in ("NFC", "NFD"):
        file = tmp_path / unicodedata.normalize(form, "é.png")  # type: ignore[arg-type]
        file.touch()
        assert named_file(file.name, folder=tmp_path) == file


def test_backslashes_separate_folders(tmp_path: Path) -> None:
    """A table from Windows works elsewhere; a file with a backslash in its name is still found."""
    (tmp_path / "a/é").mkdir(parents=True)
    (tmp_path / "a/é/b.png").touch()
    for name in (r"a\é\b.png", "a\\e\u0301\\b.png"):
        assert named_file(name, folder=tmp_path) == tmp_path / "a/é/b.png"
    literal = tmp_path / r"a\c.png"
    literal.touch()
    assert named_file(r"a\c.png", folder=tmp_path) == literal


def test_the_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a table or after `--reference=` no shell replaces it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert named_file("~/a.png", folder=Path("lists")) == tmp_path / "a.png"
    assert named_file("~draft.png", folder=Path("lists")) == Path("lists/~draft.png")


def test_a_name_of_nothing_stays_as_it_is(tmp_path: Path) -> None:
    """The message about a missing file has the name as it was written."""
    for name in ("gone.png", "gé.png", r"x\y.png", "", "a\0b"):
        assert named_file(name, folder=tmp_path) == tmp_path / name


@pytest.mark.parametrize("address", ["https://e.org/a.png", "HTTP://e.org/a.png", "https:/e.org/a"])
def test_a_web_address_is_refused(address: str) -> None:
    """The message shows the whole address, which Path would change to https:/."""
    with pytest.raises(UsageError) as caught:
        named_file(address)
    message = f"{address} is a web address; download the picture and name the file"
    assert str(caught.value) == message
