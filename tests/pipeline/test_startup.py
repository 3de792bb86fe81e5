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
def test_a_stage_imports_neither_torch_nor_mlflow_at_first(module: str) -> None:
    """Both are imported only when the stage has work to do."""
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
