"""Files are there whole or not at all, whoever else writes and however the writer ends."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from refcolor.io.files import replacing, sweep, write_lines


def test_a_file_is_replaced_at_the_end(tmp_path: Path) -> None:
    """Until the block ends the old content is read; folders that are missing are made."""
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
    """What was written until then goes."""
    path = tmp_path / "a.csv"
    path.write_text("old")
    with pytest.raises(OSError, match="No space"), replacing(path) as temporary:
        temporary.write_text("half")
        raise OSError(28, "No space left on device")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_lines_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """Until the last line is there the old file is read, and after an error it stays."""
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
    """Each has a name of its own; the one that ends last stays."""
    path, first_is_in = tmp_path / "a.csv", threading.Event()

    def other() -> None:
        first_is_in.wait()
        with replacing(path) as temporary:
            temporary.write_text("other")

    thread = threading.Thread(target=other)
    thread.start()
    with replacing(path) as temporary:
        temporary.write_text("one")
        first_is_in.set()
        thread.join()
        assert path.read_text() == "other"
    assert path.read_text() == "one"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("letter", ["n", "漢", "😀"])
def test_names_as_long_as_the_file_system_allows(letter: str, tmp_path: Path) -> None:
    """255 bytes are no reason to fail: the temporary name is cut."""
    path = tmp_path / f"{letter * (251 // len(letter.encode()))}.csv"
    with replacing(path) as temporary:
        temporary.touch()
    assert path.exists()


def test_sweep_removes_what_a_killed_writer_left(tmp_path: Path) -> None:
    """Half a file under a temporary name goes, whole ones and other hidden ones stay."""
    with pytest.raises(KeyboardInterrupt), replacing(tmp_path / "a.png") as temporary:
        left = temporary.name
        raise KeyboardInterrupt
    for name in (left, ".gitkeep", "part.png"):
        (tmp_path / name).write_bytes(b"half")
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".gitkeep", "part.png"]
    sweep(tmp_path / "absent")
