"""A take-down list names pictures by id, artist or checksum; adding ids changes no other byte."""

from pathlib import Path

import pytest

from refcolor.errors import RefcolorError
from refcolor.sources.manifest import Record
from refcolor.sources.takedown import Takedown, add_ids, read_takedown

MD5 = "0123456789abcdef0123456789abcdef"


def read(path: Path, text: str) -> Takedown:
    """Read a list with the given text."""
    path.write_bytes(text.encode())
    return read_takedown(path)


def test_every_kind_of_line_is_read(tmp_path: Path) -> None:
    """Ids, artists and checksums are read past comments, empty lines, spaces, tabs and a BOM."""
    text = (
        "\ufeff# asked for on 1 May\r\n\r\nid 12\n  id danbooru-13   # by mail\nid a-b_c.9\n"
        f"artist some_one\nartist\tSome  Two #2\nartist ghost#3\n md5 {MD5.upper()}  \nid 12"
    )
    assert read(tmp_path / "exclude.txt", text) == Takedown(
        ids=frozenset({"12", "13", "a-b_c.9"}),
        artists=frozenset({"some one", "some two", "ghost#3"}),
        md5s=frozenset({MD5}),
    )
    assert read(tmp_path / "exclude.txt", "") == Takedown()


@pytest.mark.parametrize(
    "line",
    ["12", "id", "id 1 2", "id ../12", "artist", "artist # who?", "md5 12", f"md5 {MD5}0", "ids 1"],
)
def test_other_lines_are_refused(line: str, tmp_path: Path) -> None:
    """A line of another form is reported with its number and the right form."""
    with pytest.raises(RefcolorError, match=r"exclude.txt line 3 must read 'id 123', .* got '"):
        read(tmp_path / "exclude.txt", f"# ours\nid 1\n{line}\n")


def test_missing_and_unreadable_lists_are_explained(tmp_path: Path) -> None:
    """No file, a folder in its place, an empty name and another encoding say what to do."""
    for path in (tmp_path / "none.txt", tmp_path, Path("")):
        with pytest.raises(RefcolorError, match=r"source\.exclude_file must .*create that file"):
            read_takedown(path)
    (tmp_path / "latin.txt").write_bytes(b"artist caf\xe9\n")
    with pytest.raises(RefcolorError, match="save it as UTF-8"):
        read_takedown(tmp_path / "latin.txt")


def test_a_number_and_its_prefixed_id_are_equal(tmp_path: Path) -> None:
    """`id 12` and `id danbooru-12` both name the post 12 and the record danbooru-12, no other."""
    for line in ("id 12", "id danbooru-12"):
        takedown = read(tmp_path / "exclude.txt", line)
        assert takedown.names(Record("danbooru-12", "a"))
        assert takedown.names(Record("12", "a"))
        for id in ("danbooru-120", "112", "sample-12", "danbooru-12.b"):
            assert not takedown.names(Record(id, "a"))


def test_pictures_are_named_by_any_of_the_three(tmp_path: Path) -> None:
    """One of several artists, or either checksum, in any case, is enough; unknown match none."""
    takedown = read(tmp_path / "exclude.txt", f"artist Jos\u00e9_(b)\nmd5 {MD5}")
    assert takedown.names(Record("1", "a", artist=("other", "jose\u0301_(B)")))
    assert takedown.names(Record("1", "a", artist=("jos\u00e9 (b)",)))
    assert takedown.names(Record("1", "a", md5=MD5))
    assert takedown.names(Record("1", "a", checksum=MD5.upper()))
    assert not takedown.names(Record("1", "a", artist=("jos\u00e9",), md5=MD5[::-1]))
    assert not Takedown().names(Record("1", "a"))


def test_ids_are_added_once(tmp_path: Path) -> None:
    """Existing text stays byte for byte; listed ids are not added again."""
    path = tmp_path / "exclude.txt"
    before = "\ufeff# by hand\r\nid 7 # kept"
    path.write_bytes(before.encode())
    assert add_ids(path, ["danbooru-8", "7", "x-y", "8"]) == ["id 8", "id x-y"]
    assert path.read_bytes() == f"{before}\nid 8\nid x-y\n".encode()
    assert add_ids(path, ["8", "danbooru-7", "x-y"]) == []
    assert path.read_bytes() == f"{before}\nid 8\nid x-y\n".encode()
    assert read_takedown(path).ids == {"7", "8", "x-y"}
    assert list(tmp_path.iterdir()) == [path]


def test_a_linked_list_stays_a_link(tmp_path: Path) -> None:
    """A list that is a link is extended at its target."""
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "ours.txt").write_text("id 1\n")
    (tmp_path / "exclude.txt").symlink_to("shared/ours.txt")
    add_ids(tmp_path / "exclude.txt", ["2"])
    assert (tmp_path / "exclude.txt").is_symlink()
    assert (tmp_path / "shared" / "ours.txt").read_text() == "id 1\nid 2\n"
