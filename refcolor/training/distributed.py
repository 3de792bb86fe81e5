"""Data-parallel training: all-reduce and broadcast between ranks, and launching the processes.

With a world size of 1 torch.distributed is not used. docs/decisions/002-processes.md explains why
gradients are averaged here and not by DistributedDataParallel.
"""

import contextlib
import datetime
import logging
import os
import re
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from tqdm import tqdm

from refcolor.errors import RefcolorError, Terminated
from refcolor.params import Params

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

_Batch = TypeVar("_Batch", bound=Sequence[Any] | Tensor)
_Value = TypeVar("_Value")

_TIMEOUT = datetime.timedelta(minutes=30)  # for a rank that still decodes pictures or saves a state
_CLOSED = re.compile(
    "connection (was )?(closed|reset|refused)|broken pipe|socket closed|failed to recv, got 0 bytes"
    "|remote process exited|ncclRemoteError",
    re.IGNORECASE,
)
_POLL_SECONDS = 0.5  # between two checks whether the parent process is alive


@dataclass(frozen=True)
class Processes:
    """The ranks of a training, seen from this one; with a world size of 1 nothing is communicated.

    rank: of this process, 0 to world_size - 1. local_rank: its number on its machine.
    Every method but `local_part` and `log` must be called by all ranks, in the same order. Each
    raises LostProcessError when another process has ended.
    """

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0

    @property
    def is_first_rank(self) -> bool:
        """Whether this is rank 0, which reads and writes states, tracks and prints."""
        return self.rank == 0

    def local_part(self, batch: _Batch) -> _Batch:
        """Return this rank's part of a batch.

        batch: (B, ...) or a list of B entries; world_size divides B.  Returns B / world_size.
        """
        size = len(batch) // self.world_size
        return batch[self.rank * size : (self.rank + 1) * size]  # type: ignore[return-value]

    def log(self, text: str) -> None:
        """Print a line in rank 0; the other ranks print nothing."""
        if self.is_first_rank:
            tqdm.write(text)

    def broadcast_weights(self, network: nn.Module) -> None:
        """Broadcast the weights of rank 0, and synchronise batch norm over the ranks on GPUs.

        The ranks draw their weights from the same seed, but processors may differ in the last bits.
        """
        if self.world_size == 1:
            return
        if any(parameter.is_cuda for parameter in network.parameters()):
            nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        for value in network.state_dict().values():
            # A copy, because only contiguous memory can be broadcast.
            contiguous = value.detach().clone(memory_format=torch.contiguous_format)
            with _lost_process():
                dist.broadcast(contiguous, 0)
            value.copy_(contiguous)

    def average_gradients(self, network: nn.Module) -> None:
        """Replace each gradient by its mean over the ranks, in one all-reduce.

        All ranks run the same graph, so that the same weights have gradients in all of them.
        """
        if self.world_size == 1:
            return
        gradients = [x.grad for x in network.parameters() if x.grad is not None]
        vector = self._all_reduce(torch.cat([x.flatten() for x in gradients])) / self.world_size
        parts = vector.split([x.numel() for x in gradients])  # type: ignore[no-untyped-call]
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def means(self, terms: Iterable[Tensor]) -> Tensor:
        """Return the mean of each of T scalars over the ranks, in every rank: (T,) float32."""
        values = torch.stack([term.detach().float() for term in terms])
        return self._all_reduce(values) / self.world_size

    def weight(self, count: Tensor) -> Tensor:
        """Return the factor of this rank's mean over `count` entries.

        With it the average of the means of all ranks is the mean over the entries of all ranks.
        count: a scalar tensor, 0 where this rank has no entry.
        """
        return self.world_size * count / self._all_reduce(count.clone()).clamp_min(1)

    def broadcast(self, compute: Callable[[], _Value]) -> _Value:
        """Compute a value in rank 0 and return it in all ranks.

        An error is raised in rank 0; the other ranks then raise LostProcessError.
        """
        if self.world_size == 1:
            return compute()
        value = [compute() if self.is_first_rank else None]
        with _lost_process():
            dist.broadcast_object_list(value, 0, device=torch.device("cpu"))
        return value[0]  # type: ignore[return-value]

    def first_rank_first(self, load: Callable[[], _Value]) -> _Value:
        """Call `load` in local rank 0, and after a barrier in the other ranks.

        What local rank 0 downloads or decodes into a cache is there when the others load it.
        """
        if self.local_rank == 0:
            loaded = load()
            self._all_reduce(torch.zeros(1))
            return loaded
        self._all_reduce(torch.zeros(1))
        return load()

    def require_equal(self, fingerprint: str) -> None:
        """Check that all ranks have the same fingerprint of code, parameters and pictures.

        Raises RefcolorError in every rank when a rank has another fingerprint.
        """
        if self.world_size == 1:
            return
        gathered: list[tuple[str, str]] = [("", "")] * self.world_size
        with _lost_process():
            dist.all_gather_object(gathered, (fingerprint, socket.gethostname()))
        for rank, (other, host) in enumerate(gathered):
            if other != gathered[0][0]:
                raise RefcolorError(
                    f"process {rank} on {host} has other code, parameters or pictures than process "
                    f"0 on {gathered[0][1]}; give every host the same commit, params.yaml and data/"
                )

    def _all_reduce(self, values: Tensor) -> Tensor:
        if self.world_size > 1:
            with _lost_process():
                dist.all_reduce(values)
        return values


SINGLE_PROCESS = Processes()


class LostProcessError(RefcolorError):
    """Another process of the training has ended; the cause is reported by that process."""

    exit_code = 3


@contextlib.contextmanager
def _lost_process() -> Iterator[None]:
    # torch has no exception of its own for a closed connection: it raises a RuntimeError with the
    # words of gloo, NCCL or its store. Any other error of CUDA or NCCL is not the end of a process.
    try:
        yield
    except RuntimeError as error:
        if not _CLOSED.search(str(error)):
            raise
        raise LostProcessError(
            "another process of this training ended; the last state is kept. "
            "The same command resumes from it."
        ) from error


def needs_launch(params: Params, *, device: torch.device) -> bool:
    """Return whether this process must launch the ranks of its training.

    False for a world size of 1, and where torchrun started this process as a rank.
    device: the device of `runtime.device`.
    Raises RefcolorError for a number of processes that device, norm or torchrun do not allow.
    """
    count, world = params.train.processes, os.environ.get("WORLD_SIZE")
    if world is not None and int(world) != count:
        raise RefcolorError(
            f"train.processes is {count}, but torchrun started {world} (WORLD_SIZE); "
            "give both the same number"
        )
    if count == 1:
        return False
    if os.name == "nt":
        raise RefcolorError(
            f"train.processes must be 1 on Windows, got {count}; several need Linux or macOS"
        )
    if device.type not in ("cpu", "cuda"):
        raise RefcolorError(
            f"train.processes must be 1 on {device.type}, got {count}; several need CPUs or CUDA"
        )
    if device.type == "cpu" and params.model.norm == "batch":
        raise RefcolorError(
            f"train.processes must be 1 for model.norm batch on a CPU, got {count}: processes "
            "share the statistics of a batch on GPUs only; take model.norm group or instance"
        )
    if device.index is not None:
        raise RefcolorError(
            f"runtime.device is {params.runtime.device}, one GPU, but train.processes is {count}; "
            "take auto or cuda"
        )
    local_count = int(os.environ.get("LOCAL_WORLD_SIZE", count))
    if device.type == "cuda" and local_count > torch.cuda.device_count():
        raise RefcolorError(
            f"{local_count} processes on this machine need a GPU each, but it has "
            f"{torch.cuda.device_count()}; lower train.processes, or start them on several hosts "
            "(docs/scale.md)"
        )
    return world is None


@contextlib.contextmanager
def process_group(count: int, *, device: torch.device) -> Iterator[tuple[Processes, torch.device]]:
    """Join the process group of the training; yield the ranks and the device of this one.

    count: the world size. With 1 there is no process group and `device` is yielded unchanged.
    A rank exits as soon as the process that launched it has ended.
    Raises RefcolorError when the processes cannot be connected.
    """
    if count == 1:
        yield SINGLE_PROCESS, device
        return
    _exit_with_parent()
    local_rank, backend = int(os.environ["LOCAL_RANK"]), "gloo"
    if device.type == "cuda":
        device, backend = torch.device("cuda", local_rank), "cpu:gloo,cuda:nccl"
        torch.cuda.set_device(device)
    try:
        dist.init_process_group(backend, timeout=_TIMEOUT)
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        raise RefcolorError(
            f"the {count} processes cannot be connected ({reason}); docs/scale.md explains how "
            "several hosts find each other"
        ) from error
    yield Processes(dist.get_rank(), count, local_rank), device
    # Not after an error: the process ends anyway, and this call could wait for a rank that ended.
    dist.destroy_process_group()


def _exit_with_parent() -> None:
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_POLL_SECONDS)
        os._exit(LostProcessError.exit_code)

    threading.Thread(target=watch, daemon=True).start()


def launch(module: str, *, count: int) -> None:
    """Run `python -m module` in several processes of this machine with torchrun's elastic agent.

    Processes are not restarted. Returns when all have ended with code 0.
    Raises RefcolorError with the message of the first process that failed; KeyboardInterrupt after
    Ctrl-C and Terminated after SIGTERM, once the processes have ended.
    """
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    # The agent logs pages about a failed process; the error raised below is one line.
    logging.getLogger("torch.distributed.elastic").propagate = False
    logging.getLogger("torch.distributed.elastic").addHandler(logging.NullHandler())
    with tempfile.TemporaryDirectory(prefix="refcolor-") as folder:
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=count,
            run_id=module,
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",
            local_addr="localhost",
            max_restarts=0,
            logs_specs=DefaultLogsSpecs(folder),
        )
        try:
            elastic_launch(config, sys.executable)("-m", module)
        except ChildFailedError as error:
            rank, failure = min(error.failures.items(), key=lambda item: _cause_first(item[1]))
            raise RefcolorError(_failure_message(rank, count, failure)) from error
        except SignalException as error:
            raise KeyboardInterrupt if error.sigval == signal.SIGINT else Terminated from error


def _cause_first(failure: "ProcessFailure") -> tuple[bool, int]:
    # Sort key: processes that ended because another one did come last.
    consequences = (LostProcessError.exit_code, Terminated.exit_code, -signal.SIGTERM)
    return failure.exitcode in consequences, failure.timestamp


def _failure_message(rank: int, count: int, failure: "ProcessFailure") -> str:
    if failure.exitcode in (Terminated.exit_code, -signal.SIGTERM):
        event = "was ended by SIGTERM"
    elif failure.exitcode < 0:
        event = f"was ended by {failure.signal_name()}"
    elif os.path.exists(failure.error_file):
        return str(failure.message)
    else:
        event = f"ended with code {failure.exitcode}, for the reason above"
    return (
        f"process {rank} of {count} {event}, and the training with it; the last state is kept. "
        "The same command resumes from it."
    )
