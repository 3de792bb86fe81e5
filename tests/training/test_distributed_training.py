"""Two processes train what one trains, go on where they were stopped, and end together."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from . import distributed_training as shared
from .distributed_training import CASES, EVERYTHING

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Path:
    """Name a folder in which every case was trained by one process, and then by two."""
    folder = tmp_path_factory.mktemp("shared")
    shared.one_after_another(folder / "one")
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [sys.executable, *command, "-m", "tests.training.distributed_training", str(folder)],
        cwd=pytestconfig.rootpath,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    (folder / "printed").write_text(done.stdout)
    return folder


def files(folder: Path) -> dict[str, bytes]:
    """Read all that a training wrote."""
    out = folder / "out"
    return {
        str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()
    }


def said(folder: Path, name: str) -> list[str]:
    """Give what each of both processes was refused with."""
    return [json.loads((folder / "two" / f"said-{rank}.json").read_text())[name] for rank in (0, 1)]


@pytest.mark.parametrize("case", CASES)
def test_two_processes_train_what_one_trains(folder: Path, case: str) -> None:
    """After four steps of plain descent all weights agree to 1e-6, and moved by 1e-3."""
    one, two = (
        torch.load(shared.state(folder / name / case, 4), weights_only=True)
        for name in ("one", "two")
    )
    before = torch.load(shared.state(folder / "one" / case, 1), weights_only=True)
    assert [state["processes"] for state in (one, two)] == [1, 2]
    moved = 0.0
    for start, expected, found in zip(
        before["networks"], one["networks"], two["networks"], strict=True
    ):
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-6)
            moved = max(moved, (value - start[name]).abs().max().item())
    assert moved > 1e-3


@pytest.mark.parametrize("case", CASES)
def test_two_processes_log_what_one_logs(folder: Path, case: str) -> None:
    """Every term of the curves is the mean over both shares: it agrees to 1e-4."""
    rows = [
        torch.load(shared.state(folder / name / case, 3), weights_only=True)["rows"]
        for name in ("one", "two")
    ]
    assert len(rows[0]) == 1
    assert rows[1][0] == pytest.approx(rows[0][0], rel=1e-4)


@pytest.mark.parametrize("case", CASES)
def test_both_processes_have_the_same_weights(folder: Path, case: str) -> None:
    """Generator and EMA are equal in both, byte for byte."""
    first, second = (
        torch.load(folder / "two" / case / f"rank-{rank}.pt", weights_only=True) for rank in (0, 1)
    )
    for one, other in zip(first, second, strict=True):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_two_processes_draw_what_one_draws(folder: Path) -> None:
    """After four steps with every augmentation and random negatives, both draw on alike."""
    one, two = (
        torch.load(shared.state(folder / name / "everything", 4), weights_only=True)["random"]
        for name in ("one", "two")
    )
    assert torch.equal(one, two)


def test_resumed_is_as_if_never_stopped(folder: Path) -> None:
    """Two processes that go on from the second step write the bytes of two never stopped."""
    straight, resumed = files(folder / "two" / "everything"), files(folder / "two" / "resumed")
    assert "resumed at step 2" in (folder / "printed").read_text()
    assert len(straight) == 6
    assert resumed == straight


def test_two_processes_go_on_from_one_and_say_so(folder: Path) -> None:
    """The first of the two says once that the result is another one."""
    printed = (folder / "printed").read_text()
    assert printed.count("train.processes was 1 until now and is 2 from here on") == 1
    assert len(files(folder / "two" / "after one")) == 6


def test_one_process_goes_on_from_two_and_says_so(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The state of two processes serves one, which says that the result is another one."""
    shared.train(tmp_path, EVERYTHING, start=shared.state(folder / "two" / "everything", 2))
    said = capsys.readouterr().out
    assert "resumed at step 2\n" in said
    assert "train.processes was 2 until now and is 1 from here on" in said
    found, expected = (
        load_file(path / "out" / "models" / "generator.safetensors")
        for path in (tmp_path, folder / "one" / "everything")
    )
    assert found.keys() == expected.keys()


def test_only_the_first_writes(folder: Path) -> None:
    """Nobody but the first reaches state, model, curves and previews: each is there once."""
    assert {path.name for path in (folder / "two" / "everything").iterdir()} == {"out", "state"}
    assert list(files(folder / "two" / "everything")) == list(files(folder / "one" / "everything"))


def test_a_loss_that_is_no_number_anywhere_stops_all(folder: Path) -> None:
    """NaN in the share of the second ends both at the same step, with the same words."""
    first, second = said(folder, "nan")
    assert first == second
    assert first.startswith("the adversarial loss became nan at step 3; the last good state")
    kept = torch.load(folder / "two" / "nan" / "state" / "2-epochs" / "state.pt", weights_only=True)
    assert kept["step"] == 2


def test_the_second_of_a_machine_finds_what_the_first_fetched(folder: Path) -> None:
    """What the first takes time to make is there when the second looks."""
    assert said(folder, "turns") == ["False", "True"]


def test_every_process_needs_a_picture(folder: Path) -> None:
    """One picture cannot be shared by two."""
    first, second = said(folder, "few")
    assert first == second
    assert first.startswith("train.processes is 2, but there are only 1 pictures to train on")


def test_processes_that_train_other_things_are_refused(folder: Path) -> None:
    """Another fingerprint in one process is refused in all, naming that process."""
    assert said(folder, "same") == ["", ""]
    first, second = said(folder, "other")
    assert first == second
    assert first.startswith("process 1 on ")
    assert "has other code, parameters or pictures than process 0" in first
