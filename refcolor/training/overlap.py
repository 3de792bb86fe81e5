"""Work of the host while the device computes: the next batch, and values on their way back."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor

_Item = TypeVar("_Item")


def overlaps(device: torch.device) -> bool:
    """Whether the host has time while the device computes.

    Not on a CPU, which is the host, nor on MPS, which PyTorch does not call safe in two threads.
    """
    return device.type == "cuda"


def ahead(items: Iterator[_Item], *, device: torch.device) -> Iterator[_Item]:
    """Compute each item in a thread while the caller uses the one before it.

    items: yields no None. device: the current one of the thread.
    An error of `items` is raised here.
    """

    def use_device() -> None:
        # Which GPU memory is pinned for belongs to the thread.
        if device.type == "cuda":
            torch.cuda.set_device(device)

    with ThreadPoolExecutor(1, initializer=use_device) as thread:
        following = thread.submit(next, items, None)
        while (item := following.result()) is not None:
            following = thread.submit(next, items, None)
            yield item


class Readback:
    """Vectors on their way from the device; on CUDA neither `start` nor the device waits."""

    def __init__(self) -> None:
        """Nothing is on its way."""
        self._copies: deque[tuple[Tensor, torch.cuda.Event | None]] = deque()

    def start(self, vector: Tensor) -> None:
        """Begin to copy a vector."""
        event = None
        if vector.is_cuda:
            stream = torch.cuda.current_stream(vector.device)
            vector = vector.to("cpu", non_blocking=True)  # into pinned memory
            event = stream.record_event()
        self._copies.append((vector, event))

    def finish(self, *, leave: int = 0) -> Iterator[list[float]]:
        """Yield the oldest vectors, and wait for each; the newest `leave` stay on their way."""
        while len(self._copies) > leave:
            vector, event = self._copies.popleft()
            if event is not None:
                event.synchronize()
            yield vector.tolist()
