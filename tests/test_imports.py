"""What needs no heavy library does not wait for one."""

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"torch", "torchvision", "mlflow", "dvc", "distributed", "gradio", "onnxruntime"}
STAGES = ("discover", "download", "clean", "sketch", "split", "train", "evaluate")


@pytest.mark.parametrize(
    "module",
    [
        "refcolor",
        "refcolor.colorize.batch",
        "refcolor.colorize.fill",
        "refcolor.colorize.layers",
        "refcolor.io.image",
        "refcolor.tracking",
        *(f"pipeline.{stage}" for stage in STAGES),
    ],
)
def test_a_module_imports_no_heavy_library(module: str, root: Path) -> None:
    """A stage, and reading or writing drawings, import one only where they need it."""
    process = subprocess.run(
        [sys.executable, "-c", f"import sys, {module}; print(*sys.modules)"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(process.stdout.split())
    assert module in loaded
    assert not loaded & HEAVY
