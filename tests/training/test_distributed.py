"""Ranks and what is refused; what two ranks do together is in test_distributed_training."""

import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

from refcolor.errors import RefcolorError
from refcolor.model.generator import build_generator
from refcolor.params import Params
from refcolor.training import distributed
from refcolor.training.distributed import SINGLE_PROCESS, LostProcessError, Processes

CPU = torch.device("cpu")
KEPT = ", and the training with it; the last state is kept. The same command resumes from it."


@pytest.mark.parametrize("whole", [torch.arange(6), list(range(6))])
def test_shares_are_equal_and_make_the_whole(whole: Any) -> None:
    """Three processes take places 0 1, 2 3 and 4 5; alone, one takes all."""
    shares = [list(Processes(rank, 3).local_part(whole)) for rank in range(3)]
    assert shares == [[0, 1], [2, 3], [4, 5]]
    assert list(SINGLE_PROCESS.local_part(whole)) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("known", [[4, 1], [0, 3], [5, 0], [0, 0]])
def test_weighted_means_have_the_mean_over_all_as_their_average(
    monkeypatch: pytest.MonkeyPatch, known: list[int]
) -> None:
    """Sums 3 and 7 over so many things each: the average of the weighted means is 10 / all."""
    monkeypatch.setattr(Processes, "_all_reduce", lambda _self, _values: torch.tensor(sum(known)))
    sums = [3.0 if known[0] else 0.0, 7.0 if known[1] else 0.0]
    terms = [
        Processes(rank, 2).weight(torch.tensor(known[rank])) * sums[rank] / max(known[rank], 1)
        for rank in (0, 1)
    ]
    assert float(sum(terms)) / 2 == pytest.approx(sum(sums) / max(sum(known), 1))


def test_alone_a_mean_has_the_weight_1() -> None:
    """With a world size of 1 the weighted mean is the mean, and 0 where nothing was counted."""
    assert [SINGLE_PROCESS.weight(torch.tensor(count)) for count in (4, 1, 0)] == [1, 1, 0]


@pytest.fixture
def must_start(make_params: Callable[..., Params]) -> Callable[..., bool]:
    """Ask whether processes must be started for some parameters on a device."""

    def must_start(changes: dict[str, Any], device: str = "cpu") -> bool:
        params = make_params({"model.norm": "group"} | changes)
        return distributed.needs_launch(params, device=torch.device(device))

    return must_start


def test_several_processes_are_launched_once(
    must_start: Callable[..., bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One trains as it is; several are started once, by us or by torchrun."""
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert not must_start({"model.norm": "batch"})
    assert must_start({"train.processes": 2})
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert not must_start({"train.processes": 2})


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
    must_start: Callable[..., bool],
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
        must_start({"train.processes": 2} | changes, device)


def test_batch_norm_is_shared_on_gpus(
    must_start: Callable[..., bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On CUDA batch norm is no reason to refuse, nor are more hosts than GPUs here."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert must_start({"model.norm": "batch", "train.processes": 2}, "cuda")
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert not must_start({"model.norm": "batch", "train.processes": 4}, "cuda")


def test_batch_norm_over_processes_has_the_states_of_one(
    make_params: Callable[..., Params],
) -> None:
    """Synchronised batch norm keeps weights, names and statistics: each state serves the other."""
    generator = build_generator(make_params().model)
    before, values = list(generator.parameters()), generator.state_dict()
    nn.SyncBatchNorm.convert_sync_batchnorm(generator)
    assert any(isinstance(layer, nn.SyncBatchNorm) for layer in generator.modules())
    assert all(one is other for one, other in zip(generator.parameters(), before, strict=True))
    assert list(generator.state_dict()) == list(values)
    build_generator(make_params().model).load_state_dict(generator.state_dict())


@pytest.fixture
def make_failure(tmp_path: Path) -> Callable[..., ProcessFailure]:
    """Make the end of a process as torchrun sees it, with the line that it left, if any."""

    def make(exitcode: int, *, seconds: int, line: str = "") -> ProcessFailure:
        file = tmp_path / f"{exitcode}-{seconds}.json"
        if line:
            file.write_text(json.dumps({"message": line, "timestamp": seconds}))
        failure = ProcessFailure(0, 1, exitcode, str(file))
        failure.timestamp = seconds
        return failure

    return make


@pytest.mark.parametrize(
    ("ends", "line"),
    [
        # The first that ended by itself, whoever followed in the same second.
        (
            [(3, 7, "lost"), (-signal.SIGKILL, 7, "")],
            "process 1 of 2 was ended by SIGKILL" + KEPT,
        ),
        ([(-signal.SIGTERM, 6, ""), (1, 7, "the disk is full")], "the disk is full"),
        # A process that hung was killed half a minute later.
        ([(-signal.SIGKILL, 37, ""), (1, 7, "the disk is full")], "the disk is full"),
        # A bug has shown its traceback.
        (
            [(143, 7, "terminated"), (1, 7, "")],
            "process 1 of 2 ended with code 1, for the reason above" + KEPT,
        ),
        # An operator ended one of them, and so the other.
        (
            [(143, 6, "terminated"), (3, 7, "lost")],
            "process 0 of 2 was ended by SIGTERM" + KEPT,
        ),
    ],
)
def test_the_process_that_ended_first_is_named(
    make_failure: Callable[..., ProcessFailure],
    monkeypatch: pytest.MonkeyPatch,
    ends: list[tuple[int, int, str]],
    line: str,
) -> None:
    """The first failure is reported, with its own message if there is one."""
    failures = {
        rank: make_failure(code, seconds=seconds, line=words)
        for rank, (code, seconds, words) in enumerate(ends)
    }

    def launch(_config: object, program: str) -> Callable[..., None]:
        def run(*arguments: str) -> None:
            assert (program, *arguments) == (sys.executable, "-m", "some.module")
            raise ChildFailedError("some.module", failures)

        return run

    monkeypatch.setattr("torch.distributed.launcher.api.elastic_launch", launch)
    with pytest.raises(RefcolorError) as end:
        distributed.launch("some.module", count=2)
    assert str(end.value) == line


def test_processes_that_cannot_be_connected_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """What torch says of it in many lines becomes one, with where to read on."""

    def fail(*_arguments: object, **_options: object) -> None:
        raise RuntimeError("no such interface\nException raised from somewhere")

    monkeypatch.setattr(dist, "init_process_group", fail)
    monkeypatch.setattr(distributed, "_exit_with_parent", lambda: None)
    monkeypatch.setenv("LOCAL_RANK", "0")
    said = r"^the 2 processes cannot be connected \(no such interface\); docs/scale.md explains"
    with pytest.raises(RefcolorError, match=said), distributed.process_group(2, device=CPU):
        raise AssertionError


GLOO = "[gloo/transport/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]:8410"
NCCL = "NCCL error in: NCCLUtils.cpp:94, {}, NCCL version 2.29.3\n{}: {}"
REMOTE = NCCL.format(
    "remote process exited or there was a network error",
    "ncclRemoteError",
    "A call failed possibly due to a network error or a remote process exiting prematurely.",
)
CLOSED_SOCKET = NCCL.format(
    "unhandled system error (run with NCCL_DEBUG=INFO for details)",
    "ncclSystemError",
    "System call or external library call failed. Last error: Connection closed by remote peer",
)


def means_where_all_reduce_fails(monkeypatch: pytest.MonkeyPatch, error: RuntimeError) -> None:
    """Average a term where the all-reduce of torch raises an error."""

    def fail(_values: torch.Tensor) -> None:
        raise error

    monkeypatch.setattr(dist, "all_reduce", fail)
    Processes(0, 2).means([torch.ones(())])


@pytest.mark.parametrize("message", [GLOO, REMOTE, CLOSED_SOCKET])
def test_a_closed_connection_is_a_lost_process(
    monkeypatch: pytest.MonkeyPatch, message: str
) -> None:
    """gloo, NCCL and NCCL's sockets each say in their own words that the other end is gone."""
    with pytest.raises(LostProcessError, match="another process of this training ended"):
        means_where_all_reduce_fails(monkeypatch, RuntimeError(message))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 15 GB"),
        torch.AcceleratorError("CUDA error: device-side assert triggered"),
        dist.DistBackendError(NCCL.format("invalid usage", "ncclInvalidUsage", "bad argument")),
        dist.DistBackendError("Duplicate GPU detected: rank 1 and rank 0 both on device 81000"),
        RuntimeError("No backend type associated with device type mps"),
    ],
)
def test_other_errors_of_a_device_keep_their_words(
    monkeypatch: pytest.MonkeyPatch, error: RuntimeError
) -> None:
    """An error of CUDA or NCCL that is not a closed connection is raised as it is."""
    with pytest.raises(type(error)) as raised:
        means_where_all_reduce_fails(monkeypatch, error)
    assert raised.value is error


def test_alone_nothing_is_connected() -> None:
    """One process keeps its device, and torch.distributed is not started."""
    with distributed.process_group(1, device=CPU) as (processes, device):
        assert processes == Processes(rank=0, world_size=1)
        assert device == CPU
        assert not dist.is_initialized()


def test_windows_trains_in_one_process(
    must_start: Callable[..., bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There a process does not notice that its parent has ended."""
    with monkeypatch.context() as windows:
        windows.setattr(distributed.os, "name", "nt")
        assert not must_start({})
        with pytest.raises(RefcolorError, match=r"processes must be 1 on Windows, got 2; several"):
            must_start({"train.processes": 2})
