"""Any tree of folders gives stable records, and every file left out is counted."""

import hashlib
import os
import shutil
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from refcolor.errors import PictureError, RefcolorError
from refcolor.sources.fetching.download import copy_raw
from refcolor.sources.listing.folder import list_folder
from refcolor.sources.manifest import Record


def fill(root: Path, *names: str) -> None:
    """Make files that hold their own names."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode("utf-8", "surrogateescape"))


def test_every_picture_of_a_tree_is_listed(tmp_path: Path) -> None:
    """Deep folders, extensions in any case, spaces; hidden files are left alone, others counted."""
    extensions = ("png", "jpg", "jpeg", "webp", "avif", "bmp", "gif", "tif", "tiff", "PNG", "Jpg")
    pictures = [f"{n}/deep/er/a picture.{extension}" for n, extension in enumerate(extensions)]
    fill(tmp_path, *pictures, ".hidden.png", ".git/b.png", "notes.txt", "sub/Thumbs.db", "png")
    records, reasons = list_folder(tmp_path, "pictures")
    assert sorted(record.address for record in records) == sorted(pictures)
    assert reasons == {"not_a_picture_name": 3}
    assert [record.id for record in records] == sorted(record.id for record in records)


def test_ids_are_readable_and_golden(tmp_path: Path) -> None:
    """An id is the ASCII slug of the path and 8 digits of the hash of its composed form."""
    name = "Série 2/Éva & Ωmega (1).PNG"
    fill(tmp_path, unicodedata.normalize("NFD", name), "日本.jpg")
    first, second = list_folder(tmp_path, "side_by_side")[0]
    digest = hashlib.sha256(unicodedata.normalize("NFC", name).encode()).hexdigest()[:8]
    assert first.id == f"Serie-2-Eva-mega-1-{digest}"
    assert second.id == f"picture-{hashlib.sha256('日本.jpg'.encode()).hexdigest()[:8]}"
    assert (tmp_path / first.address).is_file()


def test_composed_and_decomposed_names_are_equal(tmp_path: Path) -> None:
    """The two forms of a name give one id; where a folder has both, same_name counts one."""
    composed, decomposed = (unicodedata.normalize(form, "é.png") for form in ("NFC", "NFD"))
    fill(tmp_path / "linux", composed)
    fill(tmp_path / "mac", decomposed)
    fill(tmp_path / "both", composed, decomposed)
    linux, mac = (list_folder(tmp_path / name, "pictures")[0] for name in ("linux", "mac"))
    assert linux[0].id == mac[0].id
    both, reasons = list_folder(tmp_path / "both", "pictures")
    if len(list((tmp_path / "both").iterdir())) == 2:  # macOS itself takes them for one file
        assert [record.id for record in both] == [linux[0].id]
        assert reasons == {"same_name": 1}


def test_similar_names_get_different_ids(tmp_path: Path) -> None:
    """Names with the same slug, and long names with the same beginning, differ in the hash."""
    long = "x" * 200
    fill(tmp_path, "a b.png", "a-b.png", "a_b.png", "a-b.jpg", f"{long}1.png", f"{long}2.png")
    records, reasons = list_folder(tmp_path, "pictures")
    assert len({record.id for record in records}) == 6
    assert max(len(record.id) for record in records) <= 69
    assert not reasons


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    """A link to a folder is counted, not followed; a link to a file is that file."""
    fill(tmp_path, "sub/a.png")
    (tmp_path / "sub" / "up").symlink_to(tmp_path)
    (tmp_path / "self.png").symlink_to(tmp_path / "self.png")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "link.png").symlink_to(tmp_path / "sub" / "a.png")
    records, reasons = list_folder(tmp_path, "pictures")
    assert sorted(record.address for record in records) == ["link.png", "sub/a.png"]
    assert reasons == {"linked_folder": 1, "broken_link": 2}


def test_names_that_are_not_unicode_are_counted(tmp_path: Path) -> None:
    """A name that cannot stand in a manifest is left out for that reason."""
    fill(tmp_path, "a.png")
    try:
        (tmp_path / os.fsdecode(b"caf\xe9.png")).touch()
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    records, reasons = list_folder(tmp_path, "pictures")
    assert [record.address for record in records] == ["a.png"]
    assert reasons == {"bad_name": 1}


def test_pairs_are_matched_by_name(tmp_path: Path) -> None:
    """Partners share the path up to the extension, in any form of accents; the rest is counted."""
    composed, decomposed = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
    fill(
        tmp_path,
        "color/1.png", "sketch/1.JPG",
        f"color/sub/{composed}.png", f"sketch/sub/{decomposed}.png",
        "color/sub/2.png", "sketch/2.png",
        "color/3.png", "color/3.jpg", "sketch/3.png",
        "color/4.png", "sketch/4.png", "sketch/4.webp",
    )  # fmt: skip
    records, reasons = list_folder(tmp_path, "pairs")
    partners = {record.address: record.attributes["sketch"] for record in records}
    assert partners == {
        "color/1.png": "sketch/1.JPG",
        f"color/sub/{composed}.png": f"sketch/sub/{decomposed}.png",
    }
    assert reasons == {"no_partner": 2, "ambiguous_partner": 6}


@pytest.mark.parametrize("top", ["", "color/"])
def test_sub_folders_are_groups_with_the_parameter(top: str, tmp_path: Path) -> None:
    """The group is the path of the sub-folder, composed; the top folder has none; default: off."""
    composed, decomposed = (unicodedata.normalize(form, "Éva") for form in ("NFC", "NFD"))
    names = ["a.png", f"{decomposed}/b.png", "miku/winter, 1/c.png", "miku/d.png"]
    fill(tmp_path, *(f"{top}{name}" for name in names))
    if top:
        fill(tmp_path, *(f"sketch/{name}" for name in names))
    layout = "pairs" if top else "pictures"
    records, _ = list_folder(tmp_path, layout, groups=True)  # type: ignore[arg-type]
    groups = {record.address.removeprefix(top): record.group for record in records}
    assert groups == dict(zip(names, ["", composed, "miku/winter, 1", "miku"], strict=True))
    plain, _ = list_folder(tmp_path, layout)  # type: ignore[arg-type]
    assert plain == [replace(record, group="") for record in records]


def test_artists_and_licences_come_from_a_table(tmp_path: Path) -> None:
    """The longest path that contains a picture counts: a file, a sub-folder or, empty, the folder.

    A path is one of whole names (`a` is no part of `ab`), and `;` separates artists.
    """
    fill(tmp_path, "top.png", "a/one.png", "a/b/two.png", "ab/three.png")
    table = ["path,artist,licence,page", ",Ann,MIT,", "a,Bo; Cy,CC-BY-4.0,https://b.example"]
    (tmp_path / "attribution.csv").write_text("\n".join([*table, "a/b/two.png,Di,CC0-1.0,"]))
    records, _ = list_folder(tmp_path, "pictures")
    assert {record.address: (record.artist, record.licence, record.page) for record in records} == {
        "top.png": (("Ann",), "MIT", ""),
        "a/one.png": (("Bo", "Cy"), "CC-BY-4.0", "https://b.example"),
        "a/b/two.png": (("Di",), "CC0-1.0", ""),
        "ab/three.png": (("Ann",), "MIT", ""),
    }


def test_a_table_of_artists_may_be_from_another_system(tmp_path: Path) -> None:
    """Backslashes and composed accents name the files of macOS too."""
    fill(tmp_path, "e\u0301/one.png", "a/two.png")
    (tmp_path / "attribution.csv").write_text("path,artist\n\xe9\\one.png,Ann\na\\two.png,Bo\n")
    records, _ = list_folder(tmp_path, "pictures")
    assert [record.artist for record in records] == [("Bo",), ("Ann",)]


def test_a_bad_table_of_artists_is_explained(tmp_path: Path) -> None:
    """A table without the column path is refused with its columns."""
    fill(tmp_path, "a.png")
    (tmp_path / "attribution.csv").write_text("artist\nAnn\n")
    with pytest.raises(RefcolorError, match=r"line 2: path is missing; its columns are path"):
        list_folder(tmp_path, "pictures")


def test_missing_folders_are_explained(tmp_path: Path) -> None:
    """A missing folder, a file in its place and missing halves of pairs say what to do."""
    fill(tmp_path, "file.png", "half/color/a.png")
    for path, layout in (("none", "pictures"), ("file.png", "pictures"), ("half", "pairs")):
        with pytest.raises(RefcolorError, match=r"must be a folder, got .*create it and put"):
            list_folder(tmp_path / path, layout)  # type: ignore[arg-type]


def test_empty_folders_are_explained(tmp_path: Path) -> None:
    """No picture at all is an error with the extensions to use and the files left out."""
    fill(tmp_path, ".gitkeep")
    with pytest.raises(RefcolorError, match=r"has no pictures: \S+; put files named \.avif"):
        list_folder(tmp_path, "pictures")
    fill(tmp_path, "a.psd", "b.psd")
    with pytest.raises(RefcolorError, match=r"\(left out: 2 not_a_picture_name\)"):
        list_folder(tmp_path, "pictures")
    fill(tmp_path, "color/a.png", "sketch/b.png")
    with pytest.raises(RefcolorError, match=r"has no pairs: .*2 no_partner"):
        list_folder(tmp_path, "pairs")


def test_unreadable_folders_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sub-folder that may not be read stops the listing instead of vanishing from it."""
    fill(tmp_path, "a.png", "locked/b.png")
    real = os.scandir

    def scandir(path: Any) -> Any:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(RefcolorError, match=r"cannot be read: .*locked"):
        list_folder(tmp_path, "pictures")


def test_copies_are_flat_and_unchanged(tmp_path: Path) -> None:
    """Files are copied byte for byte to <id>.<extension in lower case>; nothing else is written."""
    fill(tmp_path / "in", "color/sub/a b.PNG", "sketch/sub/a b.Jpeg")
    (record,), _ = list_folder(tmp_path / "in", "pairs")
    copy_raw(record, tmp_path / "in", tmp_path / "raw")
    expected = [tmp_path / "raw" / f"{record.id}{end}" for end in (".png", ".sketch.jpeg")]
    assert [path.read_bytes() for path in expected] == [
        b"color/sub/a b.PNG",
        b"sketch/sub/a b.Jpeg",
    ]
    assert sorted((tmp_path / "raw").iterdir()) == sorted(expected)


def test_a_failed_copy_leaves_no_partial_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full during the copy."""
    fill(tmp_path / "in", "a.png")
    (record,), _ = list_folder(tmp_path / "in", "pictures")

    def fail(_source: Path, file: Path) -> None:
        file.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", fail)
    with pytest.raises(OSError, match="No space"):
        copy_raw(record, tmp_path / "in", tmp_path / "raw")
    assert list((tmp_path / "raw").iterdir()) == []


@pytest.mark.parametrize("address", ["sub", "a.png/b.png", "x" * 300, "gone.png"])
def test_missing_files_are_picture_errors(address: str, tmp_path: Path) -> None:
    """A folder, a path through a file and an impossible name do not stop the others."""
    fill(tmp_path / "in", "a.png", "sub/b.png")
    with pytest.raises(PictureError, match="cannot be copied") as caught:
        copy_raw(Record("a", address), tmp_path / "in", tmp_path / "raw")
    assert caught.value.reason == "unreadable_file"
