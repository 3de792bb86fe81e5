"""The device of tensors: its choice, its numerics, their memory format and their memory."""

import ctypes
import dataclasses
from typing import Literal

import torch
from torch import Tensor

from refcolor.errors import RefcolorError
from refcolor.io import image
from refcolor.io.image import Picture

Precision = Literal["bf16", "fp32"]

# AMD's architectures with matrix instructions for bfloat16: MI100 and later, RX 7000 and later.
_ROCM_BFLOAT16 = ("gfx908", "gfx90a", "gfx94", "gfx95", "gfx11", "gfx12")


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


@dataclasses.dataclass(frozen=True)
class Numerics:
    """How a process computes; recorded in model.json and as tags `numerics.*` of the MLflow run.

    device: cpu, cuda or mps. precision: of convolutions and matrix products under autocast.
    tf32: whether those of float32 tensors may drop 13 of 23 bits of the fraction.
    cudnn_benchmark: whether cuDNN times its algorithms and takes the fastest, which may round
        differently in each run.
    """

    device: str
    precision: Precision
    tf32: bool
    cudnn_benchmark: bool


def set_numerics(
    device: torch.device, *, precision: Precision = "fp32", training: bool = False
) -> Numerics:
    """Set the numerics of this process, the same on every device; call it before any computation.

    precision: bf16 is replaced by fp32 where the device only emulates it, which is slower.
    training: with batches of one shape, for which cuDNN may choose its algorithms by time.
    """
    if not multiplies_bfloat16(device):
        precision = "fp32"
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = training
    torch.set_float32_matmul_precision("highest")
    return Numerics(device.type, precision, tf32=False, cudnn_benchmark=training)


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 in hardware, which halves the time.

    Apple's GPUs count as devices that do not: the first ones emulate it.
    """
    if device.type == "cuda":
        # Not `torch.cuda.is_bf16_supported`, which asks the current device and is true for any AMD.
        properties = torch.cuda.get_device_properties(device)
        if torch.version.hip:
            return str(properties.gcnArchName).startswith(_ROCM_BFLOAT16)
        return bool(properties.major >= 8)
    if device.type == "cpu":
        capabilities = torch.cpu.get_capabilities()
        return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return False


def memory_format(device: torch.device) -> torch.memory_format:
    """Return the memory format of pictures and weights: channels last, contiguous on MPS.

    On MPS the gradients of batch norm and grid_sample were wrong for channels-last tensors
    (pytorch#175189, pytorch#174339).
    """
    return torch.contiguous_format if device.type == "mps" else torch.channels_last


def network_input(pictures: Picture, device: torch.device) -> Tensor:
    """Turn pictures into the input of a network on a device.

    pictures: (B, H, W, C) uint8.  Returns (B, C, H, W) float32 in [-1, 1].
    """
    tensor = image.to_tensor(pictures, device=device)
    return tensor.contiguous(memory_format=memory_format(device))


def keep_freed_memory() -> None:
    """Let this process reuse the memory of freed tensors instead of returning it to the system.

    A step of the published network frees and allocates gigabytes. By default glibc returns each
    large tensor to the system, which must map and clear the pages again: a seventh of the time of a
    step on a CPU. Without glibc the call does nothing.
    """
    trim_threshold, mmap_max = -1, -4  # M_TRIM_THRESHOLD and M_MMAP_MAX of malloc.h
    try:
        allocator = ctypes.CDLL(None)
    except TypeError:  # on Windows, where a process has no handle of its own
        return
    if hasattr(allocator, "mallopt"):
        allocator.mallopt(trim_threshold, -1)
        allocator.mallopt(mmap_max, 0)
