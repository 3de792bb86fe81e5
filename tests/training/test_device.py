"""What a process does with memory that tensors gave back."""

import platform
import re
import subprocess
import sys

import pytest

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
