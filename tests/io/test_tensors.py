"""Copies to a device, shown with devices that this machine need not have."""

from typing import Any

import numpy as np
import pytest
import torch

from refcolor.io import image
from refcolor.io.tensors import to_device


class Copies:
    """Records copies to a device instead of making them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pinned: list[torch.Tensor] = []
        self.calls: list[tuple[torch.Tensor, str, bool]] = []

        def to(tensor: torch.Tensor, device: Any, non_blocking: bool = False) -> torch.Tensor:
            if not isinstance(device, torch.dtype):
                self.calls.append((tensor, str(device), non_blocking))
                return tensor
            return tensor.type(device)

        def pin_memory(tensor: torch.Tensor) -> torch.Tensor:
            self.pinned.append(tensor.clone())
            return self.pinned[-1]

        monkeypatch.setattr(torch.Tensor, "to", to)
        monkeypatch.setattr(torch.Tensor, "pin_memory", pin_memory)


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> Copies:
    """Record the copies of a test."""
    return Copies(monkeypatch)


@pytest.mark.parametrize("device", ["mps", "cpu"])
def test_a_copy_of_pageable_memory_blocks(copies: Copies, device: str) -> None:
    """On Apple's GPUs a copy that does not wait may read memory that was freed meanwhile."""
    image.to_tensor(np.zeros((2, 4, 4, 3), np.uint8), device=device)
    assert [call[1:] for call in copies.calls] == [(device, False)]
    assert not copies.pinned


@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_a_copy_to_cuda_does_not_wait_and_comes_from_pinned_memory(
    copies: Copies, device: str
) -> None:
    """Only from pinned memory, which torch keeps until the copy is done, it need not block."""
    image.to_tensor(np.zeros((2, 4, 4, 3), np.uint8), device=device)
    ((copied, *call),) = copies.calls
    assert call == [device, True]
    assert copied is copies.pinned[0]


def test_a_copy_keeps_values_and_type() -> None:
    """On one device the tensor itself is returned."""
    tensor = torch.arange(5)
    assert to_device(tensor, "cpu") is tensor
