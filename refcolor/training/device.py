"""The device of tensors, and how long the process keeps their memory."""

import ctypes

import torch

from refcolor.errors import RefcolorError


def choose_device(name: str) -> torch.device:
    """Turn `runtime.device` into a device; `auto` is the first available of CUDA, MPS and CPU.

    Raises RefcolorError for a device that this machine does not have.
    """
    available = {
        "cpu": 1,
        "mps": int(torch.backends.mps.is_available()),
        "cuda": torch.cuda.device_count(),
    }
    if name == "auto":
        name = next(kind for kind in ("cuda", "mps", "cpu") if available[kind])
    device = torch.device(name)
    if (device.index or 0) >= available[device.type]:
        raise RefcolorError(
            f"runtime.device is {name}, but this machine has {available[device.type]} of its kind; "
            "take auto or cpu"
        )
    return device


def keep_freed_memory() -> None:
    """Let this process reuse the memory of freed tensors instead of returning it to the system.

    A step of the published network frees and allocates gigabytes. By default glibc returns each
    large tensor to the system, which must map and clear the pages again: a seventh of the time of a
    step on a CPU. Without glibc the call does nothing.
    """
    trim_threshold, mmap_max = -1, -4  # M_TRIM_THRESHOLD and M_MMAP_MAX of malloc.h
    allocator = ctypes.CDLL(None)
    if hasattr(allocator, "mallopt"):
        allocator.mallopt(trim_threshold, -1)
        allocator.mallopt(mmap_max, 0)
