"""`refcolor gc` says what it would free, and frees that and nothing else."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import CommandResult

STATES = ".refcolor/checkpoints"


def make(*names: str, size: int = 1_000_000) -> None:
    """Make files of a size, each a second newer than the one before."""
    for second, name in enumerate(names):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(bytes(size))
        os.utime(name, (second, second))


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A DVC repository with an output, another in the cache alone, states and decoded pixels."""
    monkeypatch.chdir(tmp_path)
    dvc = (sys.executable, "-m", "dvc")
    Path("used.bin").write_bytes(b"used")
    for command in (["git", "init", "-q"], [*dvc, "init", "-q"], [*dvc, "add", "-q", "used.bin"]):
        subprocess.run(command, check=True)
    make(".dvc/cache/files/md5/00/00000000000000000000000000000000"[:-2], size=3_000_000)
    make(*(f"{STATES}/{key}/12-epochs/state.pt" for key in ("older", "newer", "stopped")))
    make(*(f"{STATES}/{key}/12-epochs/finished" for key in ("older", "newer")), size=0)
    make(*(f".refcolor/pictures/{name}/color.npy" for name in ("old", "new")), size=2_000_000)
    os.utime(".refcolor/pictures/old", (0, 0))
    make("mlartifacts/models/m/model.safetensors", ".refcolor/downloads/a.png")
    return tmp_path


def test_what_nothing_needs_is_said_and_then_freed(
    repository: Path, refcolor: Callable[..., CommandResult]
) -> None:
    """Without a yes nothing is deleted; with it only unused outputs, states and pixels are."""
    before = sorted(path for path in Path().rglob("*") if ".dvc/tmp" not in str(path))
    said = refcolor("gc")
    assert said.code == 0
    table = {line.split()[2]: line.split()[:2] for line in said.out.splitlines()[1:-1]}
    assert table == {
        ".dvc/cache:": ["3.0", "3.0"],
        f"{STATES}:": ["3.0", "1.0"],
        ".refcolor/pictures:": ["4.0", "2.0"],
        "mlartifacts:": ["1.0", "0.0"],
        ".refcolor/downloads:": ["1.0", "0.0"],
    }
    assert said.out.endswith("nothing was deleted; `refcolor gc --yes` frees it\n")
    assert sorted(path for path in Path().rglob("*") if ".dvc/tmp" not in str(path)) == before

    freed = refcolor("gc", "--yes")
    assert freed.out.endswith("freed 6.0 MB\n")
    assert sorted(path.name for path in Path(STATES).iterdir()) == ["newer", "older", "stopped"]
    assert sorted(Path(STATES).rglob("state.pt")) == [
        Path(STATES, key, "12-epochs/state.pt") for key in ("newer", "stopped")
    ]
    assert [path.name for path in Path(".refcolor/pictures").iterdir()] == ["new"]
    assert [path.stat().st_size for path in Path(".dvc/cache").rglob("*") if path.is_file()] == [4]
    assert Path("mlartifacts/models/m/model.safetensors").exists()
    assert refcolor("gc").out.endswith("nothing to free\n")
