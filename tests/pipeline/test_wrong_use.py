"""What a user does wrong ends in one clear line or a counted drop, never in a traceback."""

import os
import resource
import shutil
import signal
import struct
import subprocess
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import train
from refcolor import characters, errors
from refcolor.io import image

from .closure import ROOT
from .conftest import TINY, Project, make_project

pytestmark = pytest.mark.slow

FOLDER: dict[str, Any] = TINY | {"source.kind": "folder", "source.count": 0}


def drawn(count: int, size: int = 64) -> list[np.ndarray]:
    """Draw some characters."""
    return [
        characters.render(
            characters.draw_shape(5, i), characters.draw_palette(6, i), size=size
        ).color
        for i in range(count)
    ]


def bomb(path: Path, side: int = 14_200) -> None:
    """Write a small PNG whose header claims over 200 megapixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(side * 3 + 1), 9)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


@pytest.fixture
def folder_project(tmp_path: Path) -> Project:
    """A project on a folder that is still empty."""
    return make_project(tmp_path / "project", FOLDER)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"train.epochs": "abc"}, "train.epochs"),
        ({"clean.size": 33}, "clean.size must be a multiple of 4"),
        ({"model.attention": "none", "loss.triplet": 1}, "model.attention none"),
        ({"runtime.device": "cuda:99", "seed": 1}, "runtime.device is cuda:99"),
        ({"train.processes": 3}, "train.batch_size must be a multiple of train.processes 3, got 4"),
        ({"train.processes": 2}, "train.processes must be 1 for model.norm batch on a CPU, got 2"),
    ],
)
def test_a_wrong_value_is_refused_before_any_work(
    finished: Project,
    tmp_path: Path,
    values: dict[str, Any],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The stage stops at once and names the key in one line."""
    shutil.copy(finished.root / "params.yaml", tmp_path)
    Project(tmp_path, {}).set(values)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        errors.run(train.main)
    assert end.value.code == 1
    line = capsys.readouterr().err.strip()
    assert said in line and "\n" not in line


def test_an_unknown_key_is_refused_with_a_suggestion(project: Project) -> None:
    """A key that no one reads is an error that says what was meant."""
    path = project.root / "params.yaml"
    path.write_text(path.read_text().replace("  triplet: 0", "  triplt: 0"))
    printed = project.run("dvc", "repro", check=False)
    assert "did you mean loss.triplet?" in printed
    assert "Traceback" not in printed


def test_a_misspelt_experiment_parameter_is_refused_by_dvc(project: Project) -> None:
    """`-S loss.triplt=1` never starts a run."""
    printed = project.run("dvc", "exp", "run", "-S", "loss.triplt=1", check=False)
    assert "loss.triplt" in printed
    assert "Running stage" not in printed


def test_an_empty_folder_is_one_clear_line(folder_project: Project) -> None:
    """No picture at all is said by the first stage."""
    printed = folder_project.run("dvc", "repro", check=False)
    assert "source.folder.path has no pictures" in printed
    assert "Traceback" not in printed


def test_a_folder_where_everything_is_dropped_says_why(folder_project: Project) -> None:
    """Grey pictures only: each is dropped and counted, and the run ends with one line."""
    for index in range(4):
        grey = np.full((64, 64, 3), 20 * index, np.uint8)
        grey[16:48, 16:48] = 255 - 20 * index
        image.write(folder_project.root / "data/inbox" / f"{index}.png", grey)
    printed = folder_project.run("dvc", "repro", check=False)
    assert "4 grey" in printed
    assert "Traceback" not in printed


def test_every_bad_file_is_a_counted_drop(folder_project: Project) -> None:
    """A bomb, a cut JPEG, HTML named .jpg and an empty file cost nothing but themselves."""
    inbox = folder_project.root / "data/inbox"
    (inbox / "sub folder").mkdir()
    for index, picture in enumerate(drawn(14)):
        image.write(inbox / "sub folder" / f"größe {index}.png", picture)
    bomb(inbox / "bomb.png")
    whole = inbox / "sub folder" / "größe 0.png"
    (inbox / "cut.png").write_bytes(whole.read_bytes()[:900])
    (inbox / "page.jpg").write_text("<html><body>not found</body></html>")
    (inbox / "nothing.webp").touch()
    (inbox / "notes.txt").write_text("hello")
    folder_project.set({"split.validation": 0.3})
    folder_project.repro("split")
    counts = folder_project.numbers("data.json")
    assert counts["discover"]["dropped"] == {"not_a_picture_name": 1}
    assert counts["clean"]["dropped"] == {
        "empty_file": 1,
        "not_a_picture": 1,
        "too_many_pixels": 1,
        "truncated": 1,
    }
    assert counts["clean"]["kept"] == 14


def test_own_line_art_replaces_xdog(folder_project: Project) -> None:
    """With layout pairs the sketch is the given file, and a missing partner is a counted drop."""
    inbox = folder_project.root / "data/inbox"
    for index, picture in enumerate(drawn(12, size=32)):
        image.write(inbox / "color" / f"{index}.png", picture)
        lines = np.full((32, 32), 255, np.uint8)
        lines[index + 1] = 0
        if index:
            image.write(inbox / "sketch" / f"{index}.png", lines)
    folder_project.set({"source.folder.layout": "pairs", "split.validation": 0.3})
    folder_project.repro("split")
    assert folder_project.numbers("data.json")["discover"]["dropped"] == {"no_partner": 1}
    for path in (folder_project.root / "data/sketch").iterdir():
        dark = np.flatnonzero(image.read_gray(path).mean(axis=1) < 128)
        assert len(dark) == 1


def test_a_full_disk_is_one_clear_line_and_loses_nothing(project: Project) -> None:
    """When `clean` cannot write, it says so; with room again the same command finishes."""
    project.change(clean__min_colorfulness=6)
    limited = 300  # bytes a file may have, less than any square needs

    def small_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limited, limited))

    done = subprocess.run(
        ["python", "-m", "pipeline.clean"],
        cwd=project.root,
        env=project.environment,
        preexec_fn=small_files,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "File too large" in done.stderr
    assert "Traceback" not in done.stderr
    project.repro("split")
    assert project.numbers("data.json")["clean"]["kept"] == 24


def test_outside_git_the_first_command_says_so(tmp_path: Path) -> None:
    """`make repro` in an unpacked archive explains what is missing."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("pyproject.toml", "requirements.lock"):
        (tmp_path / name).touch()
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv/ready").touch()
    done = subprocess.run(
        ["make", "repro"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"GIT_CEILING_DIRECTORIES": str(tmp_path.parent)},
    )
    assert done.returncode != 0
    assert "no git repository" in done.stdout + done.stderr
