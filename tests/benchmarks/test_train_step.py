"""The table of a training step."""

import multiprocessing
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
import torch
from ruamel.yaml import YAML

from benchmarks import train_step
from benchmarks.step import PARTS
from benchmarks.train_step import Measured, Variant, loss_difference, matrix_peak, table
from refcolor.params import Params

CPU = torch.device("cpu")


def turn(seconds: float) -> list[dict[str, float]]:
    """Make a turn of one step whose forward pass takes all but 50 ms."""
    return [dict.fromkeys(PARTS, 0.01) | {"forward": seconds - 0.05}]


def test_a_line_says_what_was_measured() -> None:
    """Worked by hand: 1 TFLOP in 0.5 s at a peak of 8 TFLOP/s is a share of a quarter."""
    plain = Measured(4e12, {"style": 2.0, "triplet": 0.5}, [turn(1), turn(4), turn(2)], 3.5e9)
    ours = Measured(1e12, {"style": 2.0, "triplet": 0.501}, [turn(0.5), turn(1), turn(0.5)], 2e9)
    measured = {Variant("plain", "fp32"): plain, Variant("refcolor", "bf16", True): ours}
    head, first, second = table(measured, {"fp32": 4e12, "bf16": 8e12}, batch=6)
    assert head.split()[:2] == ["batch", "6"]
    assert len(head) == len(first) == len(second)
    parts = "0.01 1.95 0.01 0.01 0.01 0.01"
    assert first.split() == f"plain fp32 {parts} 2 3 3.50 4.00 50.0% 1.00".split()
    parts = "0.01 0.45 0.01 0.01 0.01 0.01"
    wanted = f"refcolor bf16 compiled {parts} 0.5 12 2.00 1.00 25.0% 4.00 2.0e-03"
    assert second.split() == wanted.split()


def test_a_failed_variant_has_its_reason_in_the_table() -> None:
    """Without the plain variant there is no ratio."""
    plain = Measured(failure="OutOfMemoryError: too much")
    ours = Measured(1e12, {"style": 2.0}, [turn(0.5)], 2e9)
    measured = {Variant("plain", "fp32"): plain, Variant("refcolor", "fp32"): ours}
    _, first, second = table(measured, {"fp32": 4e12}, batch=6)
    assert first.split(maxsplit=2)[2] == "OutOfMemoryError: too much"
    assert second.split()[-1] == "50.0%"


def test_a_failure_is_reported_once() -> None:
    """A process that raises or is killed is a failure of its variant, which is not tried again."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as worker:
        raised, killed = Measured(), Measured()
        assert train_step._ask(worker, raised, int, "x") is None
        assert raised.failure.startswith("ValueError: invalid literal")
        assert train_step._ask(worker, killed, os._exit, 1) is None
        assert "was killed" in killed.failure
        assert train_step._ask(worker, killed, int, "1") is None


def test_loss_difference_is_the_largest_relative_one() -> None:
    """2.0 against 2.1 is 5 %, 10 against 9 is 10 %."""
    one, other = Measured(losses={"a": 2.0, "b": 10.0}), Measured(losses={"a": 2.1, "b": 9.0})
    assert loss_difference(one, other) == pytest.approx(0.1)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_matrix_peak_is_a_rate(precision: str) -> None:
    """A core does between 10 million and 100 trillion operations a second."""
    assert 1e7 < matrix_peak(CPU, precision, side=64) < 1e14


@pytest.mark.slow
def test_the_command_prints_a_table(settings: Params, tmp_path: Path, root: Path) -> None:
    """Two variants at 32 pixels: parts, ratio and loss difference are all there."""
    preset = tmp_path / "tiny.yaml"
    YAML(typ="safe").dump(settings.model_dump(mode="json"), preset)
    options = ["--device", "cpu", "--preset", str(preset), "--precision", "fp32"]
    options += ["--batch", "2", "--steps", "1", "--threads", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.train_step", *options],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    head = next(line for line in lines if line.startswith("batch 2"))
    ours = next(line for line in lines if line.startswith("refcolor fp32")).split()
    assert head.split()[2:8] == list(PARTS)
    assert len(ours) == 15
    assert float(ours[-1]) < 1e-3
    assert "matrix peak in fp32" in done.stdout
