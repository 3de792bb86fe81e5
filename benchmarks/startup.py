"""How long commands take that have nothing to do: `python -m benchmarks.startup`.

Help is asked of the command line, and work of every stage in a folder that is no project, where it
must refuse. Each command runs several times, each time as a process of its own; the median counts.
The first time is left out: it reads the libraries from the disk.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.machine import machine
from refcolor import errors
from refcolor.errors import RefcolorError

ROOT = Path(__file__).parents[1]
ROUNDS = 5
REFCOLOR = ("-c", "from refcolor.cli.main import main; main()")
HELP, NOTHING = 0.5, 1.5  # seconds, the targets
COMMANDS = (
    "",
    "colorize",
    "match",
    "app",
    "sketch",
    "metrics",
    "export",
    "card",
    "runs",
    "forget",
    "study",
)
STAGES = ("discover", "download", "clean", "sketch", "split", "train", "evaluate")


def seconds(arguments: Sequence[str], *, folder: Path, says: str, rounds: int = ROUNDS) -> float:
    """Run Python with some arguments in a folder and return the median of its seconds.

    says: what its output must hold. Raises RefcolorError when it does not.
    """
    taken = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        taken.append(time.perf_counter() - start)
        if says not in done.stdout:
            raise RefcolorError(
                f"python {' '.join(arguments)} does not say {says!r}, so its time means nothing; "
                f"it says: {' '.join(done.stdout.split())[-300:]}"
            )
    return median(taken[1:])


def row(name: str, taken: float, target: float) -> str:
    """Write a line of the table."""
    return f"{name:<32}{taken:>8.2f} s{target:>11.1f} s{'' if taken <= target else '  MISSED'}"


def main() -> None:
    """Print a table: command, median seconds, target."""
    print(machine())
    print(f"{'command':<32}{'median':>10}{'target':>13}")
    with TemporaryDirectory() as empty:
        for name in COMMANDS:
            command = [*name.split(), "--help"]
            taken = seconds([*REFCOLOR, *command], folder=Path(empty), says="usage: ")
            print(row(" ".join(["refcolor", *command]), taken, HELP), flush=True)
        for name in STAGES:
            command = ["-m", f"pipeline.{name}"]
            taken = seconds(command, folder=Path(empty), says="params.yaml cannot be read")
            print(row(" ".join(["python", *command]), taken, NOTHING), flush=True)


if __name__ == "__main__":
    errors.run(main)
