"""What would fail on Windows only, shown on this machine."""

import argparse
import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from refcolor.cli import study
from refcolor.cli.main import expand_patterns
from refcolor.errors import RefcolorError
from refcolor.io.shards import remove

ROOT = Path(__file__).parents[1]
POSIX_ONLY = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "termios"}
# `refcolor study run`, which is refused on Windows.
ALLOWED = {"refcolor/study/workspace.py"}


def nodes(kind: type[ast.AST]) -> Iterator[tuple[str, ast.AST]]:
    """Yield the nodes of a kind, and the file, of everything that a user runs."""
    for package in ("refcolor", "pipeline", "recipes"):
        for file in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, kind):
                    yield file.relative_to(ROOT).as_posix(), node


def test_no_module_needs_a_library_of_posix() -> None:
    """Modules that Windows lacks are imported only by what is refused there."""
    found = {
        (file, alias.name)
        for file, node in nodes(ast.Import)
        for alias in node.names  # type: ignore[attr-defined]
        if alias.name in POSIX_ONLY
    }
    assert {file for file, _ in found} <= ALLOWED


def test_text_is_read_and_written_as_utf8() -> None:
    """Without `encoding` Windows takes the code page of its user."""
    wrong = []
    for file, call in nodes(ast.Call):
        assert isinstance(call, ast.Call)
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        given = {keyword.arg for keyword in call.keywords}
        if name in ("read_text", "write_text") and "encoding" not in given:
            wrong.append(f"{file}:{call.lineno}")
        if name == "run" and "text" in given and "encoding" not in given:
            wrong.append(f"{file}:{call.lineno}")
    assert not wrong


def test_patterns_become_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line of Windows leaves `*.png` to the program; names and options stay."""
    monkeypatch.chdir(tmp_path)
    for name in ("b.png", "a.png", "c.jpg", "[1].png"):
        Path(name).touch()
    given = ["colorize", "*.png", "[1].png", "*.gif", "-o", "out"]
    assert expand_patterns(given) == [
        "colorize",
        "[1].png",
        "a.png",
        "b.png",
        "[1].png",
        "*.gif",
        "-o",
        "out",
    ]


def test_names_can_be_printed_into_a_file_in_any_code_page() -> None:
    """A letter without a code is escaped instead of ending the program."""
    program = "from refcolor import errors; errors.run(lambda: print('が.png'))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONIOENCODING": "cp1252", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
    )
    assert done.stdout.strip() == b"\\u304c.png"


def test_files_that_are_read_only_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows refuses to delete such a file, as DVC's cache may have linked it."""
    file = tmp_path / "a.png"
    file.touch(mode=0o400)
    unlink = Path.unlink

    def unlink_on_windows(path: Path, missing_ok: bool = False) -> None:
        if path.exists() and not path.stat().st_mode & 0o200:
            raise PermissionError(13, "Access is denied", str(path))
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink_on_windows)
    remove([file, tmp_path / "missing.png"])
    assert not file.exists()


def test_a_study_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its runs are locked and stopped by means of Linux and macOS."""
    with monkeypatch.context() as windows:
        windows.setattr(study.os, "name", "nt")
        with pytest.raises(RefcolorError, match=r"Linux and macOS can; on Windows run it in WSL"):
            study._run(argparse.Namespace())
