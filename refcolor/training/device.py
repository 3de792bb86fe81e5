"""Where tensors live."""

import ctypes

import torch

from refcolor.errors import RefcolorError


def choose_device(name: str) -> torch.device:
    """Turn `runtime.device` into a device; `auto` takes the first of CUDA, MPS and the CPU.

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
    """Let this process keep the memory of freed tensors for the next ones.

    A step of the published network frees gigabytes and takes them again. glibc gives each large
    tensor back to the system at once, whose pages must then be made and cleared anew: a seventh of
    the step on a CPU. Without glibc nothing happens.
    """
    trim_threshold, mmap_max = -1, -4  # their numbers in malloc.h
    allocator = ctypes.CDLL(None)
    if hasattr(allocator, "mallopt"):
        allocator.mallopt(trim_threshold, -1)
        allocator.mallopt(mmap_max, 0)
