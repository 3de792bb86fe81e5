"""Writes are atomic, with concurrent writers and after errors."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from refcolor.io.files import relative, replacing, sweep, write_lines


def test_a_file_is_replaced_at_the_end(tmp_path: Path) -> None:
    """The old content stays until the block ends; missing folders are created."""
    path = tmp_path / "new" / "a.csv"
    with replacing(path) as temporary:
        temporary.write_text("old")
        assert not path.exists()
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    """The partial file is removed."""
    path = tmp_path / "a.csv"
    path.write_text("old")
    with pytest.raises(OSError, match="No space"), replacing(path) as temporary:
        temporary.write_text("half")
        raise OSError(28, "No space left on device")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_lines_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """The old file stays until the last line is written, and after an error."""
    path = tmp_path / "new" / "a.txt"
    write_lines(path, ["old", "漢"])
    assert path.read_bytes() == "old\n漢\n".encode()

    def stopped() -> Iterator[str]:
        yield "new" * 10_000
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_lines(path, stopped())
    assert path.read_bytes() == "old\n漢\n".encode()
    assert list(path.parent.iterdir()) == [path]


def test_two_may_write_the_same_file(tmp_path: Path) -> None:
    """Writers have different temporary names; the last to end wins."""
    path, first_is_in = tmp_path / "a.csv", threading.Event()

    def write_second() -> None:
        first_is_in.wait()
        with replacing(path) as temporary:
            temporary.write_text("second")

    thread = threading.Thread(target=write_second)
    thread.start()
    with replacing(path) as temporary:
        temporary.write_text("first")
        first_is_in.set()
        thread.join()
        assert path.read_text() == "second"
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("letter", ["n", "漢", "😀"])
def test_names_as_long_as_the_file_system_allows(letter: str, tmp_path: Path) -> None:
    """A name of 255 bytes works: the temporary name is cut."""
    path = tmp_path / f"{letter * (251 // len(letter.encode()))}.csv"
    with replacing(path) as temporary:
        temporary.touch()
    assert path.exists()


def test_sweep_removes_temporary_files(tmp_path: Path) -> None:
    """Temporary files are removed, complete and other hidden files stay."""
    with pytest.raises(KeyboardInterrupt), replacing(tmp_path / "a.png") as temporary:
        left = temporary.name
        raise KeyboardInterrupt
    for name in (left, ".gitkeep", "part.png"):
        (tmp_path / name).write_bytes(b"half")
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".gitkeep", "part.png"]
    sweep(tmp_path / "absent")


def test_a_relative_path_has_slashes_and_may_be_on_another_drive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Windows there is no relative path from C: to D:; the path itself is returned."""
    assert relative(tmp_path / "a" / "b.png", tmp_path) == "a/b.png"
    assert relative(tmp_path, tmp_path / "a") == ".."

    def other_drive(_path: Path, _start: Path) -> str:
        raise ValueError("path is on mount 'D:', start on mount 'C:'")

    monkeypatch.setattr(os.path, "relpath", other_drive)
    assert relative(tmp_path / "b.png", tmp_path) == (tmp_path / "b.png").as_posix()
