"""The processes of one training: which one this is, and the little that they say to each other.

torch.distributed starts and connects them; it stays untouched where one process trains alone.
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

_Whole = TypeVar("_Whole", bound=Sequence[Any] | Tensor)
_Answer = TypeVar("_Answer")

_PATIENCE = datetime.timedelta(minutes=30)  # for another process that works, but not for us
_LOOK = 0.5  # seconds between two looks for the process that started this one


@dataclass(frozen=True)
class Processes:
    """One process that trains alone; `Group` is the same for several.

    rank: the number of this process, 0 to count - 1.
    """

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that reads and writes states, tracks and speaks."""
        return self.rank == 0

    def share(self, whole: _Whole) -> _Whole:
        """Take this process's part of what was drawn for a whole batch.

        whole: (B, ...) or a list of B entries; count divides B.  Returns B / count of them.
        """
        size = len(whole) // self.count
        return whole[self.rank * size : (self.rank + 1) * size]  # type: ignore[return-value]

    def say(self, text: str) -> None:
        """Print a line, once for all processes."""
        if self.first:
            tqdm.write(text)

    def join(self, network: nn.Module) -> None:
        """Give a network the weights of the first process, and batch norm all their statistics."""

    def average_gradients(self, network: nn.Module) -> None:
        """Replace each gradient by its mean over the processes."""

    def means(self, terms: Mapping[str, Tensor]) -> dict[str, float]:
        """Give the mean of each term over the processes.  terms: scalars of the same names."""
        return {name: term.item() for name, term in terms.items()}

    def weight(self, count: Tensor) -> Tensor | float:
        """Say how much a mean over `count` things of this process weighs among all of them.

        Means that were multiplied by it have the mean over all things as their plain average.
        count: a scalar, the things in this process's share, maybe none.
        """
        return 1.0

    def of_first(self, ask: Callable[[], _Answer]) -> _Answer:
        """Let the first process answer, and give its answer to all."""
        return ask()

    def in_turn(self, load: Callable[[], _Answer]) -> _Answer:
        """Load what may have to be fetched: the others of a machine find what its first left."""
        return load()

    def refuse_difference(self, fingerprint: str) -> None:
        """Make sure that all processes train the same thing.

        Raises RefcolorError in each of them when one has another fingerprint.
        """


ALONE = Processes()


@dataclass(frozen=True)
class Group(Processes):
    """Several processes with equal shares of each batch, connected by torch.distributed.

    local_rank: the number of this process on its machine.
    Every method but `share` and `say` must be called by all of them, in the same order. Each raises
    LostProcessError when another process is gone.
    """

    local_rank: int = 0

    def join(self, network: nn.Module) -> None:
        """Give a network the weights of the first process, and batch norm all their statistics.

        Fresh weights come from one seed, but two kinds of processors may differ in the last bits.
        """
        if any(parameter.is_cuda for parameter in network.parameters()):
            nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        for value in network.state_dict().values():
            # A copy, because only memory without gaps can be sent.
            sent = value.detach().clone(memory_format=torch.contiguous_format)
            with _lost_named():
                dist.broadcast(sent, 0)
            value.copy_(sent)

    def average_gradients(self, network: nn.Module) -> None:
        """Replace each gradient by its mean over the processes.

        All go as one vector. A weight without gradient has none in any process: the graph is the
        same in all.
        """
        gradients = [x.grad for x in network.parameters() if x.grad is not None]
        vector = self._summed(torch.cat([x.flatten() for x in gradients])) / self.count
        parts = vector.split([x.numel() for x in gradients])  # type: ignore[no-untyped-call]
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def means(self, terms: Mapping[str, Tensor]) -> dict[str, float]:
        """Give the mean of each term over the processes, the same number in each."""
        values = torch.stack([term.detach().float() for term in terms.values()])
        means = (self._summed(values) / self.count).tolist()
        return dict(zip(terms, means, strict=True))

    def weight(self, count: Tensor) -> Tensor | float:
        """Say how much a mean over `count` things of this process weighs among all of them."""
        return self.count * count / self._summed(count.clone()).clamp_min(1)

    def of_first(self, ask: Callable[[], _Answer]) -> _Answer:
        """Let the first process answer, and give its answer to all.

        What it raises is raised there, and the others end as those who lost a process.
        """
        answer = [ask() if self.first else None]
        with _lost_named():
            dist.broadcast_object_list(answer, 0, device=torch.device("cpu"))
        return answer[0]  # type: ignore[return-value]

    def in_turn(self, load: Callable[[], _Answer]) -> _Answer:
        """Load what may have to be fetched: the others of a machine find what its first left."""
        loaded = load() if self.local_rank == 0 else None
        self._summed(torch.zeros(1))
        return load() if loaded is None else loaded

    def refuse_difference(self, fingerprint: str) -> None:
        """Make sure that all processes train the same thing."""
        found: list[tuple[str, str]] = [("", "")] * self.count
        with _lost_named():
            dist.all_gather_object(found, (fingerprint, socket.gethostname()))
        for rank, (other, host) in enumerate(found):
            if other != found[0][0]:
                raise RefcolorError(
                    f"process {rank} on {host} has other code, parameters or pictures than process "
                    f"0 on {found[0][1]}; give every host the same commit, params.yaml and data/"
                )

    def _summed(self, values: Tensor) -> Tensor:
        with _lost_named():
            dist.all_reduce(values)
        return values


class LostProcessError(RefcolorError):
    """Another process of the training is gone; its own end is the one to be told."""

    exit_code = 3


@contextlib.contextmanager
def _lost_named() -> Iterator[None]:
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
    """Say whether this program has to start the processes of its training by itself.

    It need not where it trains alone, and where torchrun started it as one of them.
    device: kind of the device that training was asked to use.
    Raises RefcolorError for a number of processes that cannot be.
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
    """Connect this process with the others of its training; give it and its own device.

    count: of all. Alone, nothing is connected and the device is the one given.
    A process whose starter is gone ends at once, so that none is left behind.
    Raises RefcolorError when the processes do not reach each other.
    """
    if count == 1:
        yield ALONE, device
        return
    _end_with_the_starter()
    local_rank, backend = int(os.environ["LOCAL_RANK"]), "gloo"
    if device.type == "cuda":
        device, backend = torch.device("cuda", local_rank), "cpu:gloo,cuda:nccl"
        torch.cuda.set_device(device)
    try:
        dist.init_process_group(backend, timeout=_PATIENCE)
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        raise RefcolorError(
            f"the {count} processes cannot be connected ({reason}); docs/scale.md says how several "
            "hosts find each other"
        ) from error
    yield Group(dist.get_rank(), count, local_rank), device
    # After an error the process ends anyway; taking leave could wait for one that is gone.
    dist.destroy_process_group()


def _end_with_the_starter() -> None:
    starter = os.getppid()

    def watch() -> None:
        while os.getppid() == starter:
            time.sleep(_LOOK)
        os._exit(LostProcessError.exit_code)

    threading.Thread(target=watch, daemon=True).start()


def start(module: str, *, count: int) -> None:
    """Run `python -m module` in several processes of this machine, by torchrun's own machinery.

    None is started again. Returns when all have ended well.
    Raises RefcolorError in the words of the first process that did not; KeyboardInterrupt and
    Terminated after Ctrl-C and SIGTERM, once the processes have ended.
    """
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    # What its loggers say of an end, pages of it, is said below in one line.
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
            rank, failure = min(error.failures.items(), key=lambda one: _blame(one[1]))
            raise RefcolorError(_in_words(rank, count, failure)) from error
        except SignalException as error:
            raise KeyboardInterrupt if error.sigval == signal.SIGINT else Terminated from error


def _blame(failure: "ProcessFailure") -> tuple[bool, int]:
    # Who ended because of another one is named last.
    consequence = (LostProcessError.exit_code, Terminated.exit_code, -signal.SIGTERM)
    return failure.exitcode in consequence, failure.timestamp


def _in_words(rank: int, count: int, failure: "ProcessFailure") -> str:
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
