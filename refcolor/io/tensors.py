"""Copies of tensors to a device."""

import torch
from torch import Tensor


def to_device(tensor: Tensor, device: torch.device | str) -> Tensor:
    """Copy a tensor of the CPU to a device.

    A copy to CUDA starts from pinned memory and does not wait for the work that the device has
    before it. Every other copy blocks: to MPS, one that does not wait may read memory that was
    freed meanwhile (pytorch#189690).
    """
    if torch.device(device).type != "cuda" or tensor.device.type != "cpu":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
