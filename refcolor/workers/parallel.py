"""Map a pure function over pictures, in local processes or on a Dask cluster."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

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
    if cluster:
        results = map_on_cluster(function, items, scheduler=cluster)
    else:
        results = Parallel(n_jobs=workers or -1, return_as="generator")(
            delayed(function)(item) for item in items
        )
    yield from tqdm(results, total=len(items), desc=label, unit="picture")
