"""The checks of a device, on the CPU and on each device that this machine has."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from ruamel.yaml import YAML

from benchmarks import device
from benchmarks.device import Check, checks
from benchmarks.material import changed
from refcolor.params import Params


@pytest.mark.parametrize(
    "name",
    [
        "cpu",
        pytest.param("cuda", marks=pytest.mark.gpu),
        pytest.param("mps", marks=pytest.mark.mps),
    ],
)
def test_a_device_passes_every_check(
    settings: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Batches, gradients, a short training and its continuation agree with the CPU."""
    monkeypatch.setattr(device, "VALIDATION", 3)
    settings = changed(settings, train={"learning_rate_generator": 1e-3})
    found = checks(settings, device=torch.device(name), scratch=tmp_path, count=12)
    assert [str(check) for check in found if not check.passed] == []
    assert len(found) >= 4


def test_a_number_above_its_limit_and_nan_fail() -> None:
    """The row says so."""
    numbers = [Check("x", number, 0.1) for number in (0.1, 0.2, float("nan"))]
    assert [check.passed for check in numbers] == [True, False, False]
    assert str(numbers[1]) == "| x | 0.2 | 0.1 | **no** |"


@pytest.mark.slow
def test_the_command_prints_the_tables(settings: Params, tmp_path: Path, root: Path) -> None:
    """At 32 pixels on a CPU: checks, peak, and a table of the step; then without any time."""
    preset = tmp_path / "tiny.yaml"
    YAML(typ="safe").dump(settings.model_dump(mode="json"), preset)
    options = ["--device", "cpu", "--small", str(preset), "--preset", str(preset)]
    options += ["--pictures", "6", "--batch", "2", "--steps", "1"]
    for seconds in (480, 0):
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.device", *options, "--seconds", str(seconds)],
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ("| batch 2 | s | pictures/s | GB |" in done.stdout) == bool(seconds)
        assert ("batch 2 was left out: 0 seconds are over" in done.stdout) != bool(seconds)
    assert done.returncode == 0, done.stderr
