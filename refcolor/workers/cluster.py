"""Per-picture work on the workers of a Dask scheduler, on other machines too.

Why not joblib's own Dask backend: docs/decisions/003-cluster.md.
"""

import functools
import hashlib
import logging
import os
import pickle
import platform
import socket
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from refcolor.errors import RefcolorError

if TYPE_CHECKING:
    from distributed import Client, Future

Item = TypeVar("Item")
Result = TypeVar("Result")

BATCH = 128  # items of a task, at most: as many sketches take 0.4 s, handing them out 3 ms
AHEAD = 4  # tasks for each thread of the cluster that are handed out before the first is back,
AT_LEAST = 64  # or so many, for workers that join later
CONNECT = 5  # seconds until a scheduler has answered
WORKERS = 10  # seconds until a worker has turned up, at the beginning
DESERTED = 60  # seconds without any worker after which nobody is waited for


def map_on_cluster(
    function: Callable[[Item], Result], items: Sequence[Item], *, scheduler: str
) -> Iterator[Result]:
    """Apply `function` to every item on the workers of a scheduler; yield results in item order.

    function: pure. One of the program itself is sent to the workers, one of a module by its name.
    Whatever paths it uses must be absolute and mean the same files on every machine.
    scheduler: address, as tcp://10.0.0.5:8786.
    What a dead worker had is done again by another, and workers may join at any time. Those that
    have other code or libraries, or another folder under the name of this one, are refused, because
    their pictures would be others. When the iterator is closed, workers stop after the picture
    at hand.
    Raises RefcolorError when the scheduler or its workers are not there or must be refused, and
    the first exception of `function`.
    """
    if not items:
        return
    with _connected(scheduler) as client, _probe() as probe:
        ours = build()
        threads = _threads(client, scheduler, ours, probe)
        ahead = max(AT_LEAST, AHEAD * threads)
        size = max(1, min(BATCH, len(items) // (4 * threads)))
        sent = _dumps(function)
        tasks: deque[Future[list[Result]]] = deque()
        for start in range(0, len(items), size):
            batch = pickle.dumps(list(items[start : start + size]))
            tasks.append(client.submit(_do, sent, batch, ours, probe, pure=False))
            if len(tasks) >= ahead:
                yield from _result(client, scheduler, tasks.popleft())
        while tasks:
            yield from _result(client, scheduler, tasks.popleft())


@functools.cache
def build() -> dict[str, str]:
    """Say what a process runs on, as far as it can change a picture: name -> version.

    It is kept, so that a worker answers with the code that it loaded and not with what was put in
    its place since.
    """
    here = Path(__file__).parents[1]
    code = hashlib.sha256()
    for file in sorted(here.rglob("*.py")):
        code.update(f"{file.relative_to(here).as_posix()}\n".encode())
        code.update(file.read_bytes())
    from importlib import metadata

    import cv2
    import numpy
    import PIL
    from PIL import features

    codecs = ", ".join(f"{name} {features.version(name)}" for name in ("zlib", "jpg", "webp"))
    return {
        "refcolor": code.hexdigest()[:12],
        "python": ".".join(platform.python_version_tuple()[:2]),
        "numpy": numpy.__version__,
        "opencv": cv2.__version__,
        "pillow": f"{PIL.__version__} ({codecs})",
        "distributed": metadata.version("distributed"),
    }


def refusal(theirs: Mapping[str, str], ours: Mapping[str, str]) -> str:
    """Say how another build differs from this one; empty if they are the same."""
    different = [name for name in ours if theirs.get(name) != ours[name]]
    if not different:
        return ""
    have = ", ".join(f"{name} {theirs.get(name, 'none')}" for name in different)
    has = ", ".join(f"{name} {ours[name]}" for name in different)
    return (
        f"has {have}, this machine has {has}; install the same commit and requirements.lock there "
        "and start it again"
    )


def _do(function: bytes, items: bytes, ours: Mapping[str, str], probe: Path) -> list[Any]:
    """Do a batch, in a worker."""
    results = []
    apply = pickle.loads(function)
    for item in pickle.loads(items):
        problem = _problem(ours, probe)
        if problem:
            raise RefcolorError(f"the worker {_name()} {problem}")
        results.append(apply(item))
    return results


def _problem(ours: Mapping[str, str], probe: Path) -> str:
    """Say why this process must not work for the client; empty if it may."""
    if not probe.exists():
        return (
            f"does not see {probe.parent.parent} as this machine does; mount the folder of the "
            "project there, under the same path"
        )
    return refusal(build(), ours)


def _name() -> str:
    return f"on {socket.gethostname()} (process {os.getpid()})"


def _dumps(function: Callable[..., Any]) -> bytes:
    # Knows functions of the program itself, which no worker could import.
    import cloudpickle

    dumped: bytes = cloudpickle.dumps(function)
    return dumped


@contextmanager
def _probe() -> Iterator[Path]:
    """Make a file that every worker must see, and remove it at the end."""
    folder = Path.cwd() / ".refcolor"
    folder.mkdir(exist_ok=True)
    probe = folder / f"cluster-{socket.gethostname()}-{os.getpid()}"
    probe.touch()
    try:
        yield probe
    finally:
        probe.unlink(missing_ok=True)


@contextmanager
def _connected(scheduler: str) -> Iterator["Client"]:
    try:
        from distributed import Client
    except ImportError as error:
        raise RefcolorError(
            "runtime.engine dask needs dask[distributed], which is not installed; "
            "run: pip install -e '.[cluster]', or set runtime.engine to processes"
        ) from error
    for name in ("distributed", "distributed.client", "tornado.application"):
        logging.getLogger(name).setLevel(
            logging.CRITICAL
        )  # the errors raised here say it in a line
    try:
        client = Client(scheduler, timeout=CONNECT, set_as_default=False, name="refcolor")
    except (OSError, TimeoutError, ValueError) as error:
        raise RefcolorError(
            f"runtime.scheduler is {scheduler}, but no Dask scheduler answers there; start it with "
            "`dask scheduler`, or set runtime.engine to processes"
        ) from error
    try:
        yield client
    finally:
        with suppress(Exception):  # a scheduler that is gone cannot be taken leave of
            client.close(timeout=CONNECT)


def _threads(client: "Client", scheduler: str, ours: Mapping[str, str], probe: Path) -> int:
    """Count the threads of the workers once one is there and none must be refused."""
    try:
        client.wait_for_workers(1, timeout=WORKERS)
    except TimeoutError as error:
        raise RefcolorError(
            f"the scheduler at {scheduler} has no worker; start some with `dask worker {scheduler}`"
        ) from error
    try:
        client.run_on_scheduler(_name)  # which must know what it hands out
    except (ImportError, AttributeError) as error:
        raise RefcolorError(f"the scheduler at {scheduler} {_missing(error)}") from error
    answers = client.run(_problem, ours, probe, on_error="return")
    for worker, answer in sorted(answers.items()):
        if isinstance(answer, OSError):
            continue  # it left at this moment
        problem = _missing(answer) if isinstance(answer, Exception) else answer
        if problem:
            raise RefcolorError(f"the worker at {worker} {problem}")
    threads: int = sum(client.nthreads().values())
    return max(1, threads)


def _missing(error: Exception) -> str:
    return (
        f"cannot load refcolor ({' '.join(str(error).split())[:200]}); install the same commit and "
        "requirements.lock there and start it again"
    )


def _result(client: "Client", scheduler: str, task: "Future[list[Result]]") -> list[Result]:
    """Wait for a batch as long as there is a worker."""
    from distributed.scheduler import KilledWorker

    try:
        while True:
            try:
                return task.result(timeout=DESERTED)
            except TimeoutError:
                if task.done():
                    break  # at this moment
                if not client.nthreads():
                    raise RefcolorError(
                        f"all workers of {scheduler} are gone; start some with `dask worker "
                        f"{scheduler}` and run the same command again"
                    ) from None
        return task.result()
    except KilledWorker as error:
        raise RefcolorError(
            f"the same pictures ended several workers of {scheduler}: look there for the reason, "
            "memory most of all (`dask worker --memory-limit`), and run the same command again"
        ) from error
    except (CancelledError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # by the function: a full disk, say
        raise RefcolorError(
            f"the scheduler at {scheduler} went away; start it again and run the same command again"
        ) from error
