"""Map a function over pictures on the workers of a Dask scheduler.

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

MAX_BATCH = 128  # items of a task: 128 sketches take 0.4 s, the scheduler 3 ms
TASKS_PER_THREAD = 4  # submitted before their results are read
MIN_TASKS = 64  # submitted in any case, for workers that join later
CONNECT_TIMEOUT = 5  # seconds for the scheduler to answer
WORKER_TIMEOUT = 10  # seconds for the first worker to join
DESERTED_TIMEOUT = 60  # seconds without any worker before the map fails


def map_on_cluster(
    function: Callable[[Item], Result], items: Sequence[Item], *, scheduler: str
) -> Iterator[Result]:
    """Apply `function` to every item on the workers of a scheduler; yield results in item order.

    function: pure. A function of __main__ is pickled by value, a function of a module by name. Its
        paths must be absolute and refer to the same files on every machine.
    scheduler: address, as tcp://10.0.0.5:8786.
    Another worker repeats the tasks of a dead worker, and workers may join at any time. Workers
    with other code, libraries or another working folder are rejected, because their pictures would
    differ. When the iterator is closed, workers stop after their current picture.
    Raises RefcolorError when the scheduler or all workers are missing or a worker is rejected, and
    the first exception of `function`.
    """
    if not items:
        return
    with _connected(scheduler) as client, _probe() as probe:
        local = versions()
        threads = _check_workers(client, scheduler, local, probe)
        max_tasks = max(MIN_TASKS, TASKS_PER_THREAD * threads)
        size = max(1, min(MAX_BATCH, len(items) // (4 * threads)))
        dumped = _dumps(function)
        tasks: deque[Future[list[Result]]] = deque()
        for start in range(0, len(items), size):
            batch = pickle.dumps(list(items[start : start + size]))
            tasks.append(client.submit(_run_batch, dumped, batch, local, probe, pure=False))
            if len(tasks) >= max_tasks:
                yield from _result(client, scheduler, tasks.popleft())
        while tasks:
            yield from _result(client, scheduler, tasks.popleft())


@functools.cache
def versions() -> dict[str, str]:
    """Return the versions of everything that affects pictures: name -> version.

    The result is cached, so that a worker reports the code that it loaded and not later edits.
    """
    package = Path(__file__).parents[1]
    code = hashlib.sha256()
    for file in sorted(package.rglob("*.py")):
        code.update(f"{file.relative_to(package).as_posix()}\n".encode())
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


def version_difference(remote: Mapping[str, str], local: Mapping[str, str]) -> str:
    """Describe the differences between versions and what to do; empty if they are equal."""
    different = [name for name in local if remote.get(name) != local[name]]
    if not different:
        return ""
    remote_list = ", ".join(f"{name} {remote.get(name, 'none')}" for name in different)
    local_list = ", ".join(f"{name} {local[name]}" for name in different)
    return (
        f"has {remote_list}, this machine has {local_list}; install the same commit and "
        "requirements.lock there and start it again"
    )


def _run_batch(function: bytes, items: bytes, local: Mapping[str, str], probe: Path) -> list[Any]:
    """Apply a pickled function to pickled items; runs in a worker."""
    results = []
    apply = pickle.loads(function)
    for item in pickle.loads(items):
        problem = _problem(local, probe)
        if problem:
            raise RefcolorError(f"the worker {_name()} {problem}")
        results.append(apply(item))
    return results


def _problem(local: Mapping[str, str], probe: Path) -> str:
    """Describe why this worker is rejected; empty if it is accepted."""
    if not probe.exists():
        return (
            f"does not have the folder {probe.parent.parent} of this machine; mount it there under "
            "the same path"
        )
    return version_difference(versions(), local)


def _name() -> str:
    return f"on {socket.gethostname()} (process {os.getpid()})"


def _dumps(function: Callable[..., Any]) -> bytes:
    # Pickles functions of __main__ by value; workers cannot import them.
    import cloudpickle

    dumped: bytes = cloudpickle.dumps(function)
    return dumped


@contextmanager
def _probe() -> Iterator[Path]:
    """Create a file that every worker must see, and remove it at the end."""
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
        logging.getLogger(name).setLevel(logging.CRITICAL)  # RefcolorError replaces the log
    try:
        client = Client(scheduler, timeout=CONNECT_TIMEOUT, set_as_default=False, name="refcolor")
    except (OSError, TimeoutError, ValueError) as error:
        raise RefcolorError(
            f"runtime.scheduler is {scheduler}, but no Dask scheduler answers there; start it with "
            "`dask scheduler`, or set runtime.engine to processes"
        ) from error
    try:
        yield client
    finally:
        with suppress(Exception):  # the scheduler may be gone
            client.close(timeout=CONNECT_TIMEOUT)


def _check_workers(client: "Client", scheduler: str, local: Mapping[str, str], probe: Path) -> int:
    """Wait for a worker, check all workers, and return the number of their threads."""
    try:
        client.wait_for_workers(1, timeout=WORKER_TIMEOUT)
    except TimeoutError as error:
        raise RefcolorError(
            f"the scheduler at {scheduler} has no worker; start some with `dask worker {scheduler}`"
        ) from error
    try:
        client.run_on_scheduler(_name)  # the scheduler must be able to import refcolor
    except (ImportError, AttributeError) as error:
        raise RefcolorError(f"the scheduler at {scheduler} {_missing(error)}") from error
    answers = client.run(_problem, local, probe, on_error="return")
    for worker, answer in sorted(answers.items()):
        if isinstance(answer, OSError):
            continue  # it left in the meantime
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
    """Return the results of a task; raise RefcolorError when there is no worker for some time."""
    from distributed.scheduler import KilledWorker

    try:
        while True:
            try:
                return task.result(timeout=DESERTED_TIMEOUT)
            except TimeoutError:
                if task.done():
                    break  # it ended in the meantime
                if not client.nthreads():
                    raise RefcolorError(
                        f"all workers of {scheduler} are gone; start some with `dask worker "
                        f"{scheduler}` and run the same command again"
                    ) from None
        return task.result()
    except KilledWorker as error:
        raise RefcolorError(
            f"the same pictures killed several workers of {scheduler}; look for the reason there, "
            "such as `dask worker --memory-limit`, and run the same command again"
        ) from error
    except (CancelledError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # by the function, such as a full disk
        raise RefcolorError(
            f"the scheduler at {scheduler} is gone; start it again and run the same command again"
        ) from error
