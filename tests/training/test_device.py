"""What a device computes in, and what a process does with memory that tensors gave back."""

import platform
import re
import subprocess
import sys
from unittest import mock

import numpy as np
import pytest
import torch

import refcolor.training.device as device_module
from refcolor.io import image
from refcolor.training.device import (
    Numerics,
    keep_freed_memory,
    memory_format,
    multiplies_bfloat16,
    network_input,
    set_numerics,
)

SCRIPT = """
import re, sys
from pathlib import Path
import torch
from refcolor.training.device import keep_freed_memory

def resident():
    return int(re.search(r"VmRSS:\\s*(\\d+)", Path("/proc/self/status").read_text())[1]) / 1000

if sys.argv[1] == "keep":
    keep_freed_memory()
before = resident()
tensors = [torch.ones(50_000_000, dtype=torch.uint8) for _ in range(4)]
assert resident() - before > 190
del tensors
print(resident() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other libraries keep their own way")
@pytest.mark.parametrize(("way", "least", "most"), [("keep", 190, 250), ("give", -10, 50)])
def test_freed_memory_is_kept_after_the_call(way: str, least: float, most: float) -> None:
    """Four tensors of 50 MB are freed: the process keeps all of it, or by default nothing."""
    command = [sys.executable, "-c", SCRIPT, way]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.fullmatch(r"(-?[\d.]+)\n", done.stdout)
    assert found
    assert least < float(found[1]) < most


class Properties:
    """What torch says of a GPU."""

    def __init__(self, major: int, arch: str = "") -> None:
        self.major, self.gcnArchName = major, arch


@pytest.mark.parametrize(
    ("majors", "device", "multiplies"),
    [((7, 9), "cuda:0", False), ((7, 9), "cuda:1", True), ((9, 7), "cuda:1", False)],
)
def test_bfloat16_depends_on_the_gpu_that_is_used(
    monkeypatch: pytest.MonkeyPatch, majors: tuple[int, int], device: str, multiplies: bool
) -> None:
    """A T4 beside an H200: Turing (7.5) emulates bfloat16, whichever GPU is the current one."""
    monkeypatch.setattr(torch.version, "hip", None)
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda given: Properties(majors[given.index])
    )
    assert multiplies_bfloat16(torch.device(device)) is multiplies


@pytest.mark.parametrize(
    ("arch", "multiplies"),
    [
        ("gfx90a:sramecc+:xnack-", True),
        ("gfx942", True),
        ("gfx1100", True),
        ("gfx906:sramecc-:xnack-", False),
        ("gfx1030", False),
    ],
)
def test_amd_gpus_without_matrix_instructions_emulate_bfloat16(
    monkeypatch: pytest.MonkeyPatch, arch: str, multiplies: bool
) -> None:
    """ROCm calls bfloat16 supported on every GPU; gfx906 and gfx103x have no instruction for it."""
    monkeypatch.setattr(torch.version, "hip", "7.1")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _given: Properties(10, arch))
    assert multiplies_bfloat16(torch.device("cuda")) is multiplies


@pytest.fixture
def numerics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the process's numerics back after the test."""
    for owner, name in ((torch.backends.cudnn, "allow_tf32"), (torch.backends.cudnn, "benchmark")):
        monkeypatch.setattr(owner, name, getattr(owner, name))


@pytest.mark.usefixtures("numerics")
def test_float32_is_float32_for_training_and_evaluation() -> None:
    """PyTorch's default lets cuDNN drop 13 bits of each factor; cuDNN chooses only in training."""
    cuda = torch.device("cuda")
    torch.backends.cudnn.allow_tf32 = True
    with mock.patch.object(device_module, "multiplies_bfloat16", lambda _device: True):
        trained = set_numerics(cuda, precision="bf16", training=True)
        assert trained == Numerics("cuda", "bf16", tf32=False, cudnn_benchmark=True)
        assert (torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark) == (False, True)
        assert set_numerics(cuda) == Numerics("cuda", "fp32", tf32=False, cudnn_benchmark=False)
    assert (torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark) == (False, False)
    assert torch.get_float32_matmul_precision() == "highest"
    assert not torch.backends.cuda.matmul.allow_tf32


@pytest.mark.usefixtures("numerics")
def test_emulated_bfloat16_becomes_float32() -> None:
    """Apple's GPUs are not asked for bfloat16."""
    assert set_numerics(torch.device("mps"), precision="bf16").precision == "fp32"


def test_only_apples_gpus_get_contiguous_tensors() -> None:
    """There channels-last tensors had wrong gradients; elsewhere they are faster."""
    formats = {name: memory_format(torch.device(name)) for name in ("cpu", "cuda", "mps")}
    assert formats == {
        "cpu": torch.channels_last,
        "cuda": torch.channels_last,
        "mps": torch.contiguous_format,
    }


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
def test_the_input_of_a_network_has_the_format_of_its_device(
    monkeypatch: pytest.MonkeyPatch, order: torch.memory_format
) -> None:
    """The values are the same in both."""
    monkeypatch.setattr(device_module, "memory_format", lambda _device: order)
    pictures = np.random.default_rng(0).integers(0, 256, (2, 6, 5, 3), dtype=np.uint8)
    tensor = network_input(pictures, torch.device("cpu"))
    assert tensor.is_contiguous(memory_format=order)
    assert torch.equal(tensor, image.to_tensor(pictures))


def test_memory_is_left_alone_where_a_process_has_no_handle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On Windows `ctypes.CDLL(None)` is a TypeError."""

    def load(_name: None) -> None:
        raise TypeError("expected str, bytes or os.PathLike object, not NoneType")

    monkeypatch.setattr(device_module.ctypes, "CDLL", load)
    keep_freed_memory()
