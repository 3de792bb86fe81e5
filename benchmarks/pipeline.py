"""What each stage costs as the data grow: `python -m benchmarks.pipeline --counts 600 6000 54000`.

Drawn characters at 128 px become squares of 64 px, in a clone of the newest commit that is thrown
away. Stages up to `split` run as `dvc repro -s STAGE`, DVC's hashing and caching included. `train`
loads all pictures and takes 200 steps, `evaluate` answers 500 validation pictures, so that what
grows there is what the number of pictures alone makes grow.

For each stage: seconds by the clock and of CPU, memory of its largest process, and what the clone
takes on the disk when it ends, hard links counted once. `growth` is the exponent of the CPU time
between this count and the one before: 1 is linear, and above it each picture of a larger set costs
more than one of a smaller.
"""

import argparse
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML

from refcolor import errors
from refcolor.study.plan import put
from refcolor.tracking.stages import PARAMETER_FILE

ROOT = Path(__file__).parents[1]
DATA = ("discover", "download", "clean", "sketch", "split")
STEPS, ANSWERS = 200, 500
FASTER = 1.15  # an exponent above it is growth that a table of noise does not explain


@dataclass(frozen=True)
class Cost:
    """Of one command."""

    seconds: float
    cpu: float
    megabytes: float  # of its largest process
    disk: float = 0.0  # MB in the clone afterwards


class Project:
    """A clone of the newest commit, with parameters of its own."""

    def __init__(self, root: Path, count: int) -> None:
        """count: how many characters are drawn."""
        self.root = root
        self.environment = {
            **os.environ,
            "DVC_SITE_CACHE_DIR": str(root.parent / "site"),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        subprocess.run(["git", "clone", "-q", str(ROOT), str(root)], check=True)
        changes = {
            "source.count": count,
            "source.sample.size": 128,
            "split.validation": ANSWERS / count,
            "split.hold_out": [],
            "runtime.tracker": "none",
        }
        yaml, path = YAML(), root / PARAMETER_FILE
        content = yaml.load(path)
        put(content, changes)
        yaml.dump(content, path)

    def run(self, *command: str) -> Cost:
        """Run a command that must succeed."""
        start = time.perf_counter()
        with tempfile.TemporaryFile("w+") as said:
            process = subprocess.Popen(
                command, cwd=self.root, env=self.environment, stdout=said, stderr=said
            )
            _, status, used = os.wait4(process.pid, 0)
            if status:
                said.seek(0)
                raise SystemExit(f"{' '.join(command)} failed:\n{said.read()[-2000:]}")
        seconds = time.perf_counter() - start
        cpu = used.ru_utime + used.ru_stime
        return Cost(seconds, cpu, used.ru_maxrss / 1e3, megabytes_on_disk(self.root))


def measure(count: int) -> dict[str, Cost]:
    """Run the whole pipeline once on so many pictures; give the cost of each stage."""
    costs = {}
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder) / "clone", count)
        for stage in DATA:
            costs[stage] = project.run("dvc", "repro", "-q", "-s", stage)
        costs["all of them, unchanged"] = project.run("dvc", "repro", "-q", "split")
        costs[f"train, {STEPS} steps"] = project.run(
            sys.executable, "-m", "benchmarks.first_steps", str(STEPS)
        )
        costs[f"evaluate, {ANSWERS} pictures"] = project.run(
            sys.executable, "-m", "pipeline.evaluate"
        )
    return costs


def table(counts: Sequence[int], measured: Sequence[dict[str, Cost]]) -> list[str]:
    """Write a row for each stage and count."""
    heads = ("stage", "pictures", "s", "CPU s", "ms a picture", "growth", "MB", "disk MB")
    rows = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for stage in measured[0]:
        growth, fewer, before = "", 0, 0.0
        for count, costs in zip(counts, measured, strict=True):
            cost = costs[stage]
            if fewer:
                exponent = math.log(cost.cpu / before) / math.log(count / fewer)
                growth = f"{exponent:.2f}" + (" **faster**" if exponent > FASTER else "")
            cells = (stage, f"{count:,}", f"{cost.seconds:.1f}", f"{cost.cpu:.1f}")
            cells += (f"{1e3 * cost.cpu / count:.2f}", growth)
            cells += (f"{cost.megabytes:.0f}", f"{cost.disk:,.0f}")
            rows.append(f"| {' | '.join(cells)} |")
            fewer, before = count, cost.cpu
    return rows


def megabytes_on_disk(root: Path) -> float:
    """Add up the blocks of all files below a folder, hard links once."""
    seen, total = set(), 0
    for folder, _, files in os.walk(root):
        for file in files:
            status = os.lstat(os.path.join(folder, file))
            if (status.st_dev, status.st_ino) not in seen:
                seen.add((status.st_dev, status.st_ino))
                total += status.st_blocks * 512
    return total / 1e6


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--counts", type=int, nargs="+", default=[600, 6000, 54_000])
    return parser.parse_args()


def main() -> None:
    """Print the table; a line for each count when it is done."""
    counts = _arguments().counts
    if min(counts) < ANSWERS + 100:
        raise errors.UsageError(f"--counts must be {ANSWERS + 100} or more, got {min(counts)}")
    measured = []
    for count in counts:
        measured.append(measure(count))
        seconds = sum(cost.seconds for cost in measured[-1].values())
        print(f"{count:,} pictures: {seconds:.0f} s", file=sys.stderr, flush=True)
    print(*table(counts, measured), sep="\n")


if __name__ == "__main__":
    errors.run(main)
