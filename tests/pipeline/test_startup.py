"""A stage that has nothing to do, or refuses, does not wait for libraries that it does not need."""

import subprocess
import sys

import pytest

from .closure import ROOT

HEAVY = {"torch", "torchvision", "mlflow", "dvc", "distributed", "gradio", "onnxruntime"}


@pytest.mark.parametrize(
    "module",
    ["refcolor.cli.main"]
    + [
        f"pipeline.{stage}"
        for stage in ("discover", "download", "clean", "sketch", "split", "train", "evaluate")
    ],
)
def test_importing_it_imports_nothing_heavy(module: str) -> None:
    """Neither torch nor mlflow is loaded before it is known that there is work for them."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys, {module}; print(*sys.modules)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stdout.split())
    assert module in loaded
    assert not loaded & HEAVY
