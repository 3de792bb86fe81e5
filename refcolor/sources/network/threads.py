"""Waiting for many servers at once."""

import threading
import time
from collections.abc import Callable, Generator, Iterable
from queue import SimpleQueue
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_FAREWELL = 1.0  # seconds in which threads that are told to stop may still come to an end


def in_threads(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    threads: int,
    stop: threading.Event,
) -> Generator[Result, None, None]:
    """Apply `function` to every item in threads; yield the results as they come, in no order.

    At most two items a thread are under way, so a long iterator costs no memory.
    stop: set at the end and after an error; a long function looks at it.
    The first exception, of a thread or Ctrl-C here, is raised here at once. The threads are
    daemons: one that hangs in a read does not keep the process alive.
    """
    tasks: SimpleQueue[tuple[Item] | None] = SimpleQueue()
    results: SimpleQueue[tuple[Result] | BaseException] = SimpleQueue()

    def work() -> None:
        while (task := tasks.get()) and not stop.is_set():
            try:
                results.put((function(*task),))
            except BaseException as error:  # raised again by the thread that waits for it
                results.put(error)

    workers = [threading.Thread(target=work, daemon=True) for _ in range(threads)]
    for worker in workers:
        worker.start()
    under_way = 0
    try:
        for item in items:
            if under_way == 2 * threads:
                yield _taken(results)
                under_way -= 1
            tasks.put((item,))
            under_way += 1
        for _ in range(under_way):
            yield _taken(results)
    finally:
        stop.set()
        for _ in workers:
            tasks.put(None)
        until = time.monotonic() + _FAREWELL
        for worker in workers:
            worker.join(max(0.0, until - time.monotonic()))


def _taken(results: "SimpleQueue[tuple[Result] | BaseException]") -> Result:
    result = results.get()
    if isinstance(result, BaseException):
        raise result
    return result[0]
