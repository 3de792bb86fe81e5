"""Data-parallel training: ranks, all-reduce and broadcast, and how processes start and end.

A training by one process does not touch torch.distributed. Why gradients are averaged here and not
by DistributedDataParallel: docs/decisions/002-processes.md.
"""

import contextlib
import datetime
import logging
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
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
_POLL_SECONDS = 0.5  # between two looks for the process that started this one


@dataclass(frozen=True)
class Processes:
    """The processes of a training as one of them sees them; with a world size of 1 all is local.

    rank: the number of this process, 0 to world_size - 1. local_rank: its number on its machine.
    Every method but `share` and `say` must be called by all ranks, in the same order. Each raises
    LostProcessError when another process is gone.
    """

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0

    @property
    def is_first_rank(self) -> bool:
        """Whether this is rank 0, which reads and writes states, tracks and prints."""
        return self.rank == 0

    def share(self, batch: _Batch) -> _Batch:
        """Take this rank's part of what was drawn for a whole batch.

        batch: (B, ...) or a list of B entries; world_size divides B.  Returns B / world_size.
        """
        size = len(batch) // self.world_size
        return batch[self.rank * size : (self.rank + 1) * size]  # type: ignore[return-value]

    def say(self, text: str) -> None:
        """Print a line, from rank 0 alone."""
        if self.is_first_rank:
            tqdm.write(text)

    def broadcast_weights(self, network: nn.Module) -> None:
        """Give a network the weights of rank 0, and batch norm the statistics of all ranks.

        Fresh weights come from one seed, but two kinds of processors may differ in the last bits.
        """
        if self.world_size == 1:
            return
        if any(parameter.is_cuda for parameter in network.parameters()):
            nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        for value in network.state_dict().values():
            # A copy, because only memory without gaps can be sent.
            sent = value.detach().clone(memory_format=torch.contiguous_format)
            with _lost_process():
                dist.broadcast(sent, 0)
            value.copy_(sent)

    def average_gradients(self, network: nn.Module) -> None:
        """Replace each gradient by its mean over the ranks, in one all-reduce.

        A weight without gradient has none in any rank: the graph is the same in all.
        """
        if self.world_size == 1:
            return
        gradients = [x.grad for x in network.parameters() if x.grad is not None]
        vector = self._all_reduce(torch.cat([x.flatten() for x in gradients])) / self.world_size
        parts = vector.split([x.numel() for x in gradients])  # type: ignore[no-untyped-call]
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def means(self, terms: Mapping[str, Tensor]) -> dict[str, float]:
        """Return the mean of each scalar over the ranks, the same numbers in each rank."""
        values = torch.stack([term.detach().float() for term in terms.values()])
        means = (self._all_reduce(values) / self.world_size).tolist()
        return dict(zip(terms, means, strict=True))

    def weight(self, count: Tensor) -> Tensor:
        """Weight of a mean over `count` entries of this rank among the means of all ranks.

        The plain average of the weighted means is the mean over the entries of all ranks.
        count: a scalar, 0 where this rank has no entry.
        """
        return self.world_size * count / self._all_reduce(count.clone()).clamp_min(1)

    def broadcast(self, compute: Callable[[], _Value]) -> _Value:
        """Compute a value in rank 0 and return it in all.

        An error is raised in rank 0; the others end because they lost a process.
        """
        if self.world_size == 1:
            return compute()
        value = [compute() if self.is_first_rank else None]
        with _lost_process():
            dist.broadcast_object_list(value, 0, device=torch.device("cpu"))
        return value[0]  # type: ignore[return-value]

    def first_rank_first(self, load: Callable[[], _Value]) -> _Value:
        """Load something in every rank, behind a barrier for all but the first of each machine.

        What the first fetches or decodes into a cache is there for the others.
        """
        if self.local_rank == 0:
            loaded = load()
            self._all_reduce(torch.zeros(1))
            return loaded
        self._all_reduce(torch.zeros(1))
        return load()

    def refuse_difference(self, fingerprint: str) -> None:
        """Make sure that all ranks train the same thing.

        Raises RefcolorError in every rank when one has another fingerprint.
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


ALONE = Processes()


class LostProcessError(RefcolorError):
    """Another process of the training is gone; its own end is the one to be reported."""

    exit_code = 3


@contextlib.contextmanager
def _lost_process() -> Iterator[None]:
    # gloo and nccl raise RuntimeError for a closed connection, in many words.
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        raise LostProcessError(
            "another process of this training ended; the last state is kept. "
            "The same command goes on from it."
        ) from error


def must_be_started(params: Params, *, device: torch.device) -> bool:
    """Say whether this program has to start the processes of its training itself.

    Not for a world size of 1, and not where torchrun started this program as one of them.
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
    here = int(os.environ.get("LOCAL_WORLD_SIZE", count))
    if device.type == "cuda" and here > torch.cuda.device_count():
        raise RefcolorError(
            f"{here} processes on this machine need a GPU each, but it has "
            f"{torch.cuda.device_count()}; lower train.processes, or start them on several hosts "
            "(docs/scale.md)"
        )
    return world is None


@contextlib.contextmanager
def joined(count: int, *, device: torch.device) -> Iterator[tuple[Processes, torch.device]]:
    """Connect this process with the others of its training; yield them and this rank's device.

    count: the world size. With 1 nothing is connected and the device stays the one given.
    A rank ends at once when the process that started it is gone.
    Raises RefcolorError when the processes do not reach each other.
    """
    if count == 1:
        yield ALONE, device
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
            f"the {count} processes cannot be connected ({reason}); docs/scale.md says how several "
            "hosts find each other"
        ) from error
    yield Processes(dist.get_rank(), count, local_rank), device
    # Not after an error: the process ends anyway, and this could wait for a rank that is gone.
    dist.destroy_process_group()


def _exit_with_parent() -> None:
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_POLL_SECONDS)
        os._exit(LostProcessError.exit_code)

    threading.Thread(target=watch, daemon=True).start()


def start(module: str, *, count: int) -> None:
    """Run `python -m module` in several processes of this machine with torchrun's elastic agent.

    A process that ends is not restarted. Returns when all have ended with code 0.
    Raises RefcolorError with the message of the first process that failed; KeyboardInterrupt and
    Terminated after Ctrl-C and SIGTERM, once the processes have ended.
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
            rank, failure = min(error.failures.items(), key=lambda item: _blame(item[1]))
            raise RefcolorError(_message(rank, count, failure)) from error
        except SignalException as error:
            raise KeyboardInterrupt if error.sigval == signal.SIGINT else Terminated from error


def _blame(failure: "ProcessFailure") -> tuple[bool, int]:
    # A process that ended because of another one sorts last.
    consequence = (LostProcessError.exit_code, Terminated.exit_code, -signal.SIGTERM)
    return failure.exitcode in consequence, failure.timestamp


def _message(rank: int, count: int, failure: "ProcessFailure") -> str:
    if failure.exitcode in (Terminated.exit_code, -signal.SIGTERM):
        how = "was ended by SIGTERM"
    elif failure.exitcode < 0:
        how = f"was ended by {failure.signal_name()}"
    elif os.path.exists(failure.error_file):
        return str(failure.message)
    else:
        how = f"ended with code {failure.exitcode}, for the reason above"
    return (
        f"process {rank} of {count} {how}, and the training with it; the last state is kept. "
        "The same command goes on from it."
    )
