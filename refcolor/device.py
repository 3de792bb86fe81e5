"""Where tensors live."""

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
