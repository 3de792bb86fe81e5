"""Two processes train what one trains, and what they refuse."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file

from refcolor import processes
from refcolor.errors import RefcolorError
from refcolor.params import Params
from refcolor.processes import ALONE, Group, Processes

from . import shared_training as shared
from .shared_training import CASES, CPU, EVERYTHING


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Path:
    """Name a folder in which every case was trained by one process, and then by two."""
    folder = tmp_path_factory.mktemp("shared")
    shared.one_after_another(folder / "one")
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [sys.executable, *command, "-m", "tests.shared_training", str(folder)],
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
    for start, wanted, found in zip(
        before["networks"], one["networks"], two["networks"], strict=True
    ):
        for name, value in wanted.items():
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
    found, wanted = (
        load_file(path / "out" / "models" / "generator.safetensors")
        for path in (tmp_path, folder / "one" / "everything")
    )
    assert found.keys() == wanted.keys()


def test_only_the_first_writes(folder: Path) -> None:
    """Nobody but the first reaches state, model, curves and previews: each is there once."""
    assert {path.name for path in (folder / "two" / "everything").iterdir()} == {"out", "state"}
    assert list(files(folder / "two" / "everything")) == list(files(folder / "one" / "everything"))


def test_a_loss_that_is_no_number_anywhere_stops_all(folder: Path) -> None:
    """NaN in the share of the second ends both at the same step, with the same words."""
    first, second = said(folder, "nan")
    assert first == second
    assert first.startswith("the adversarial loss became nan at step 3; the last good state")
    kept = torch.load(folder / "two" / "nan" / "state" / "state.pt", weights_only=True)
    assert kept["step"] == 2


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


@pytest.mark.parametrize("whole", [torch.arange(6), list(range(6))])
def test_shares_are_equal_and_make_the_whole(whole: Any) -> None:
    """Three processes take places 0 1, 2 3 and 4 5; alone, one takes all."""
    shares = [list(Group(rank, 3).share(whole)) for rank in range(3)]
    assert shares == [[0, 1], [2, 3], [4, 5]]
    assert list(ALONE.share(whole)) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("known", [[4, 1], [0, 3], [5, 0], [0, 0]])
def test_weighted_means_have_the_mean_over_all_as_their_average(
    monkeypatch: pytest.MonkeyPatch, known: list[int]
) -> None:
    """Sums 3 and 7 over so many things each: the average of the weighted means is 10 / all."""
    monkeypatch.setattr(Group, "_summed", lambda _self, _values: torch.tensor(sum(known)))
    sums = [3.0 if known[0] else 0.0, 7.0 if known[1] else 0.0]
    terms = [
        Group(rank, 2).weight(torch.tensor(known[rank])) * sums[rank] / max(known[rank], 1)
        for rank in (0, 1)
    ]
    assert float(sum(terms)) / 2 == pytest.approx(sum(sums) / max(sum(known), 1))
    assert ALONE.weight(torch.tensor(known[0])) == 1


@pytest.fixture
def asked(make_params: Callable[..., Params]) -> Callable[..., bool]:
    """Ask whether processes must be started for some parameters on a device."""

    def asked(changes: dict[str, Any], device: str = "cpu") -> bool:
        params = make_params({"model.norm": "group"} | changes)
        return processes.must_be_started(params, device=torch.device(device))

    return asked


def test_processes_are_started_where_several_are_asked_for(
    asked: Callable[..., bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One trains as it is; several are started once, by us or by torchrun."""
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert not asked({"model.norm": "batch"})
    assert asked({"train.processes": 2})
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert not asked({"train.processes": 2})


@pytest.mark.parametrize(
    ("changes", "device", "world", "message"),
    [
        (
            {"model.norm": "batch"},
            "cpu",
            None,
            r"1 for model.norm batch on a CPU, got 2: .* instan",
        ),
        ({}, "mps", None, r"train.processes must be 1 on mps, got 2"),
        (
            {"runtime.device": "cuda:1"},
            "cuda:1",
            None,
            r"runtime.device is cuda:1, one GPU, .* is 2",
        ),
        (
            {"train.processes": 4},
            "cuda",
            None,
            r"4 processes on this machine need .* it has 1; low",
        ),
        ({}, "cpu", "4", r"train.processes is 2, but torchrun started 4 \(WORLD_SIZE\); give both"),
        ({"train.processes": 1}, "cpu", "2", r"train.processes is 1, but torchrun started 2"),
    ],
)
def test_processes_that_cannot_be_are_refused(
    asked: Callable[..., bool],
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    device: str,
    world: str | None,
    message: str,
) -> None:
    """What, what was given, what to do, before any work; this machine shall have one GPU."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    if world:
        monkeypatch.setenv("WORLD_SIZE", world)
    with pytest.raises(RefcolorError, match=message):
        asked({"train.processes": 2} | changes, device)


def test_batch_norm_is_shared_on_gpus(
    asked: Callable[..., bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On CUDA batch norm is no reason to refuse, nor are more hosts than GPUs here."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert asked({"model.norm": "batch", "train.processes": 2}, "cuda")
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert not asked({"model.norm": "batch", "train.processes": 4}, "cuda")


def test_alone_nothing_is_connected() -> None:
    """One process keeps its device, and torch.distributed is not started."""
    with processes.joined(1, device=CPU) as (own, device):
        assert own == Processes(rank=0, count=1)
        assert device == CPU
        assert not dist.is_initialized()


def test_the_stage_imports_no_machinery_to_start_processes(root: Path) -> None:
    """What starts processes is imported when several are asked for."""
    code = (
        "import sys, pipeline.train\n"
        "print([x for x in sys.modules if x.startswith(('torch.distributed.elastic', "
        "'torch.distributed.launcher'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
