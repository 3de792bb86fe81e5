"""One seam for per-picture work: a pure function mapped over items on all cores."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from joblib import Parallel, delayed
from tqdm import tqdm

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_pictures(
    function: Callable[[Item], Result], items: Sequence[Item], *, workers: int, label: str
) -> Iterator[Result]:
    """Apply `function` to every item in worker processes; yield the results in item order.

    function: importable by name and pure, so that neither order nor worker count changes a byte.
    workers: number of processes; 0 means one for each core that this process may use.
    The first exception of a worker is raised here.
    """
    results = Parallel(n_jobs=workers or -1, return_as="generator")(
        delayed(function)(item) for item in items
    )
    yield from tqdm(results, total=len(items), desc=label, unit="picture")
