"""Map a pure function over pictures, in local processes or on a Dask cluster."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

import cv2
from joblib import Parallel, delayed
from tqdm import tqdm

from refcolor.workers.cluster import map_on_cluster

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_pictures(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    workers: int,
    label: str,
    cluster: str = "",
) -> Iterator[Result]:
    """Apply `function` to every item in worker processes; yield the results in item order.

    function: importable by name and pure, so that order and number of workers change no byte.
    workers: number of processes; 0 means one for each core that this process may use.
    cluster: address of a Dask scheduler to use instead of processes; see `map_on_cluster`.
    Raises the first exception of a worker.
    """
    function = partial(_with_one_thread, function)
    if cluster:
        results = map_on_cluster(function, items, scheduler=cluster)
    else:
        results = Parallel(n_jobs=workers or -1, return_as="generator")(
            delayed(function)(item) for item in items
        )
    yield from tqdm(results, total=len(items), desc=label, unit="picture")


def _with_one_thread(function: Callable[[Item], Result], item: Item) -> Result:
    # There is a worker for each core; by default OpenCV starts as many threads in each of them.
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        return function(item)
    finally:
        cv2.setNumThreads(before)
