"""What a training step costs: `python -m benchmarks.train_step --device cuda --compile`.

Seconds of each part, pictures a second, peak memory, and the operations a step does as a share of
the matrix products that this machine reaches in the same run. `plain` is the same method as public
copies write it (benchmarks/plain.py); its `discriminator` includes a generator pass. All variants
take turns, each in a process of its own, and `plain/this` is the median over the turns of the ratio
of their times. `loss diff` is the largest relative difference of a loss term from plain's, in the
first step. All losses of the paper are on. The first steps of each are not timed: until memory has
found its places they are slower than all that follow.

Operations are those that PyTorch's counter sees in the step without torch.compile: convolutions and
matrix products, forward and backward. Memory is the process's largest on a CPU (libraries
included), the most that tensors took on a GPU.
"""

import argparse
import dataclasses
import multiprocessing
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, suppress
from pathlib import Path
from statistics import median
from typing import Any

import torch
from joblib import cpu_count
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.machine import processor
from benchmarks.material import PAPER, any_vgg, changed, drawn_pictures, vgg_is_cached
from benchmarks.plain import PlainStep
from benchmarks.step import PARTS, Clock, TrainingStep
from refcolor import errors, params
from refcolor.errors import RefcolorError
from refcolor.params import Params
from refcolor.training.data import Pictures
from refcolor.training.device import choose_device, keep_freed_memory, set_numerics

STEPS = {"cpu": 4, "cuda": 40}  # timed for each variant unless asked otherwise
WARM_UP = {"cpu": 3, "cuda": 5}  # steps between the first, which is counted, and those timed
TURN = {"cpu": 1, "cuda": 5}  # steps before the next variant's turn
MATRIX = {"cpu": 2048, "cuda": 8192}  # side of the matrices of the peak
PRODUCTS = {"cpu": 3, "cuda": 20}  # in a row; the best of ROUNDS such rows is the peak
ROUNDS = 5
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclasses.dataclass(frozen=True)
class Variant:
    """A way to do the step."""

    kind: str  # plain | refcolor
    precision: str
    compiled: bool = False
    graphs: bool = False  # with CUDA graphs, which torch.compile makes

    def __str__(self) -> str:
        """Name it as in the table."""
        extra = " CUDA graphs" if self.graphs else " compiled" if self.compiled else ""
        return f"{self.kind} {self.precision}{extra}"


@dataclasses.dataclass
class Measured:
    """What is known of a variant; `failure` says in a line why the rest is missing."""

    operations: float = 0.0  # a step
    losses: dict[str, float] = dataclasses.field(default_factory=dict)  # of the first step
    turns: list[list[dict[str, float]]] = dataclasses.field(default_factory=list)  # seconds
    bytes: float = 0.0
    failure: str = ""

    def part(self, name: str) -> float:
        """Median seconds of a part of the step."""
        return median(step[name] for turn in self.turns for step in turn)

    def step(self) -> float:
        """Median seconds of a step."""
        return median(self.turn_times())

    def turn_times(self) -> list[float]:
        """Median seconds of the steps of each turn."""
        return [median(sum(step.values()) for step in turn) for turn in self.turns]


def measure(
    variants: Sequence[Variant],
    settings: Params,
    *,
    pictures: Pictures,
    device: torch.device,
    steps: int,
) -> dict[Variant, Measured]:
    """Time all variants in turns, each in a process of its own; all pictures are one batch."""
    context = multiprocessing.get_context("spawn")
    measured = {variant: Measured() for variant in variants}
    workers = {}
    with ExitStack() as stack:
        for variant, one in measured.items():
            worker = stack.enter_context(ProcessPoolExecutor(1, mp_context=context))
            workers[variant] = worker
            # One at a time: what a variant prepares must not disturb another.
            first = _ask(worker, one, _prepare, variant, settings, pictures, device)
            if first:
                one.operations, one.losses = first
        for _ in range(-(-steps // TURN[device.type])):
            for variant, one in measured.items():
                turn = _ask(workers[variant], one, _turn, TURN[device.type], device)
                if turn:
                    one.turns.append(turn)
        for variant, one in measured.items():
            one.bytes = _ask(workers[variant], one, _peak_bytes, device) or 0.0
    return measured


def matrix_peak(device: torch.device, precision: str, *, side: int = 0) -> float:
    """Operations a second of the product of two large square matrices, at best."""
    side = side or MATRIX[device.type]
    count = PRODUCTS[device.type]
    set_numerics(device)
    a, b = torch.randn(2, side, side, device=device).to(DTYPES[precision])
    a @ b
    rates = []
    for _ in range(ROUNDS):
        clock = Clock(device)
        for _ in range(count):
            a @ b
        clock.lap("products")
        rates.append(2 * side**3 * count / clock.seconds()["products"])
    return max(rates)


def table(measured: dict[Variant, Measured], peaks: dict[str, float], *, batch: int) -> list[str]:
    """Write a line for each variant, a heading above."""
    first, plain = next(iter(measured.values())), next(iter(measured))
    names = (*PARTS, "step s", "pictures/s", "GB", "TFLOP", "share", "plain/this", "loss diff")
    lines = [f"{f'batch {batch}':<24}" + "".join(f"{name:>{_wide(name)}}" for name in names)]
    for variant, one in measured.items():
        if one.failure:
            lines.append(f"{variant!s:<24}  {one.failure}")
            continue
        seconds = one.step()
        share = one.operations / seconds / peaks[variant.precision]
        cells = [f"{one.part(name):.3g}" for name in PARTS]
        cells += [f"{seconds:.3g}", f"{batch / seconds:.3g}", f"{one.bytes / 1e9:.2f}"]
        cells += [f"{one.operations / 1e12:.2f}", f"{share:.1%}"]
        if first.failure:
            cells += ["", ""]
        else:
            ratios = zip(first.turn_times(), one.turn_times(), strict=True)
            cells += [f"{median(theirs / ours for theirs, ours in ratios):.2f}"]
            cells += ["" if variant == plain else f"{loss_difference(first, one):.1e}"]
        row = zip(names, cells, strict=True)
        lines.append(f"{variant!s:<24}" + "".join(f"{cell:>{_wide(name)}}" for name, cell in row))
    return lines


def loss_difference(one: Measured, other: Measured) -> float:
    """Largest relative difference of the loss terms of two first steps."""
    assert one.losses.keys() == other.losses.keys()
    return max(abs(other.losses[name] / value - 1) for name, value in one.losses.items())


def _wide(name: str) -> int:
    return max(8, len(name) + 1)


def _ask(
    worker: ProcessPoolExecutor, measured: Measured, work: Callable[..., Any], *arguments: object
) -> Any:
    """Let the process of a variant work; None once the variant has failed."""
    if measured.failure:
        return None
    try:
        return worker.submit(work, *arguments).result()
    except BrokenProcessPool:
        measured.failure = "its process was killed; there may be too little memory"
    except Exception as error:  # told in the table; the other variants go on
        measured.failure = f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
    return None


_step: PlainStep | TrainingStep  # of the variant that this process works on


def _prepare(
    variant: Variant, settings: Params, pictures: Pictures, device: torch.device
) -> tuple[float, dict[str, float]]:
    """Make the step and warm it up; returns the operations and losses of its first run."""
    global _step
    torch.set_num_threads(settings.train.threads)
    settings = changed(settings, train={"precision": variant.precision})
    # "plain" has what PyTorch has by default.
    if variant.kind == "refcolor":
        set_numerics(device, training=True)
    make = PlainStep if variant.kind == "plain" else TrainingStep
    if variant.kind == "refcolor":
        keep_freed_memory()  # as the train stage does
    _step = make(settings, pictures=pictures, vgg=any_vgg(seed=settings.seed), device=device)
    with FlopCounterMode(display=False) as counter:
        losses = _step(Clock(device).lap)
    if isinstance(_step, TrainingStep) and variant.compiled:
        _step.compile(mode="reduce-overhead" if variant.graphs else "default")
    for _ in range(WARM_UP[device.type]):
        _step(Clock(device).lap)
    _forget_peak(device)
    return float(counter.get_total_flops()), losses


def _turn(steps: int, device: torch.device) -> list[dict[str, float]]:
    """Take some steps; returns the seconds of the parts of each."""
    turn = []
    for _ in range(steps):
        clock = Clock(device)
        _step(clock.lap)
        turn.append(clock.seconds())
    return turn


def _forget_peak(device: torch.device) -> None:
    # What the preparation took at most is no part of a step.
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        with suppress(OSError):  # a kernel that cannot forget reports the process's whole life
            Path("/proc/self/clear_refs").write_text("5")


def _peak_bytes(device: torch.device) -> float:
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device))
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return float(found[1]) * 1024 if found else float("nan")


def machine(device: torch.device) -> str:
    """Name the GPU or the processor."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return processor()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", default="auto", help="cpu, cuda or cuda:1")
    parser.add_argument("--preset", default="presets/danbooru-256.yaml", help="parameter file")
    parser.add_argument("--batch", type=int, nargs="+", default=[4, 16], help="pictures a step")
    parser.add_argument("--steps", type=int, help="timed for each variant")
    parser.add_argument(
        "--precision", nargs="+", choices=list(DTYPES), default=list(DTYPES), help="of refcolor"
    )
    parser.add_argument("--compile", action="store_true", help="also with torch.compile")
    parser.add_argument("--threads", type=int, default=cpu_count(), help="of a CPU")
    return parser.parse_args()


def main() -> None:
    """Print what is measured on which machine, and a table for each batch size."""
    arguments = _arguments()
    device = choose_device(arguments.device)
    if device.type not in STEPS:
        raise RefcolorError(f"nothing is timed on {device.type} yet; take --device cpu")
    settings = changed(
        params.load(arguments.preset), loss=PAPER, train={"threads": arguments.threads}
    )
    torch.set_num_threads(arguments.threads)
    variants = [Variant("plain", "fp32")] + [
        Variant("refcolor", precision, compiled)
        for precision in arguments.precision
        for compiled in ([False, True] if arguments.compile else [False])
    ]
    peaks = {name: matrix_peak(device, name) for name in DTYPES}
    print(f"{machine(device)}, {arguments.threads} threads, torch {torch.__version__}")
    weights = "ImageNet weights" if vgg_is_cached() else "random weights, for want of the real ones"
    print(f"{arguments.preset} at {settings.clean.size} px, all losses on, VGG-19 with {weights}")
    for batch in arguments.batch:
        pictures = drawn_pictures(range(batch), size=settings.clean.size, sketch=settings.sketch)
        steps = arguments.steps or STEPS[device.type]
        measured = measure(variants, settings, pictures=pictures, device=device, steps=steps)
        # The machine may have been slowed down before: the best of all counts.
        peaks = {name: max(peak, matrix_peak(device, name)) for name, peak in peaks.items()}
        print("", *table(measured, peaks, batch=batch), sep="\n", flush=True)
    print()
    for name, peak in peaks.items():
        print(f"matrix peak in {name}: {peak / 1e12:.4g} TFLOP/s")


if __name__ == "__main__":
    errors.run(main)
