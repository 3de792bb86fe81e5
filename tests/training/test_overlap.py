"""The next item is made while the caller works, and values arrive in their order."""

import threading
from collections.abc import Iterator

import pytest
import torch

from refcolor.training.overlap import Readback, ahead, overlaps

CPU = torch.device("cpu")


def test_the_next_item_is_made_while_the_caller_has_one() -> None:
    """The items are those of the iterator; item 1 is made before the caller returns for it."""
    made = [threading.Event() for _ in range(3)]

    def items() -> Iterator[int]:
        for number, event in enumerate(made):
            event.set()
            yield number

    received = []
    for item in ahead(items(), device=CPU):
        assert made[min(item + 1, 2)].wait(timeout=30)
        received.append(item)
    assert received == [0, 1, 2]


def test_an_error_of_the_thread_reaches_the_caller() -> None:
    """It is raised when its item is due."""

    def items() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    results = ahead(items(), device=CPU)
    assert next(results) == 1
    with pytest.raises(ValueError, match="broken"):
        next(results)


def test_the_thread_uses_the_gpu_of_its_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise each rank would pin its memory for GPU 0."""
    chosen: list[tuple[str, str]] = []

    def set_device(device: torch.device) -> None:
        chosen.append((threading.current_thread().name, str(device)))

    monkeypatch.setattr(torch.cuda, "set_device", set_device)
    assert list(ahead(iter([5]), device=torch.device("cuda", 1))) == [5]
    ((thread, device),) = chosen
    assert (thread != threading.main_thread().name, device) == (True, "cuda:1")


def test_the_newest_values_stay_on_their_way() -> None:
    """Values arrive in the order in which they were sent."""
    readback = Readback()
    for number in range(3):
        readback.start(torch.tensor([number, 0.5]))
    assert list(readback.finish(leave=1)) == [[0, 0.5], [1, 0.5]]
    assert list(readback.finish(leave=1)) == []
    assert list(readback.finish()) == [[2, 0.5]]


def test_only_cuda_works_beside_the_host() -> None:
    """On a CPU another thread would take time from the training."""
    assert [overlaps(torch.device(name)) for name in ("cpu", "mps", "cuda:1")] == [
        False,
        False,
        True,
    ]
