"""Whether a device computes what the CPU computes, and how fast it trains.

    python -m benchmarks.device --device cuda        # at most eight minutes
    python -m benchmarks.device --device cpu --preset presets/paper-64.yaml --batch 4 --steps 1

First checks, at the size of the default parameters: batches and gradients against the CPU, bf16
against fp32, a short training, and the same training stopped and resumed. Then the step of the
published network at each batch size, in fp32, in bf16, compiled, and with CUDA graphs: seconds,
pictures a second, memory, and the share of the matrix products that the device reaches. Prints
Markdown for docs/performance.md. What would begin after --seconds is left out, and a line says so.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import refcolor.training.train as training
from benchmarks.material import PAPER, changed, drawn_pictures, first_networks
from benchmarks.train_step import DTYPES, STEPS, Variant, machine, matrix_peak, measure
from refcolor import errors, params
from refcolor.errors import RefcolorError
from refcolor.params import Params
from refcolor.training import losses
from refcolor.training.batch import Batch, make_batch
from refcolor.training.checkpoint import StateFile
from refcolor.training.data import Pictures
from refcolor.training.device import (
    choose_device,
    memory_format,
    multiplies_bfloat16,
    set_numerics,
)
from refcolor.training.tracker import NullTracker

CPU = torch.device("cpu")
SECONDS = 480
PICTURES, VALIDATION, EPOCHS = 128, 16, 3  # of the short training, unless given
VARIANTS = (
    Variant("refcolor", "fp32"),
    Variant("refcolor", "bf16"),
    Variant("refcolor", "bf16", compiled=True),
    Variant("refcolor", "bf16", compiled=True, graphs=True),
)


@dataclass(frozen=True)
class Check:
    """A check: a number and the most that it may be."""

    name: str
    number: float
    limit: float

    @property
    def passed(self) -> bool:
        """Whether the number is within its limit; NaN is not."""
        return self.number <= self.limit

    def __str__(self) -> str:
        """Return a row of the table."""
        verdict = "yes" if self.passed else "**no**"
        return f"| {self.name} | {self.number:.2g} | {self.limit:g} | {verdict} |"


def checks(
    settings: Params, *, device: torch.device, scratch: Path, count: int = PICTURES
) -> list[Check]:
    """Compare a device with the CPU, and train on it.

    settings: of a model small enough for the CPU. scratch: an empty folder. count: of pictures to
    train on.
    """
    size = settings.training_size
    pictures, validation = (
        drawn_pictures(indices, size=size, sketch=settings.sketch)
        for indices in (range(count), range(count, count + VALIDATION))
    )
    set_numerics(device)
    ours, theirs = (_batch(pictures, settings, device=where) for where in (device, CPU))
    found = [
        Check("batch: largest difference from the CPU", _largest_difference(ours, theirs), 1e-3)
    ]
    expected = _gradients(settings, theirs, "fp32", device=CPU)
    # From one batch, so that only the networks differ.
    moved = _moved(theirs, device)
    fp32 = _gradients(settings, moved, "fp32", device=device)
    found.append(Check("gradients in fp32: relative difference", _relative(fp32, expected), 1e-2))
    if multiplies_bfloat16(device):
        bf16 = _gradients(settings, moved, "bf16", device=device)
        found.append(Check("gradients in bf16, the same", _relative(bf16, expected), 0.3))
    whole, stopped = (
        _short_training(
            settings,
            pictures,
            validation,
            device=device,
            folder=scratch / name,
            stop=name == "stopped",
        )
        for name in ("whole", "stopped")
    )
    (before, *_, after), resumed = whole, stopped[-1]
    return [
        *found,
        Check("validation loss at the end, as a share of the first", after / before, 1),
        Check("stopped and resumed: relative difference of it", abs(resumed / after - 1), 0.1),
    ]


def _batch(pictures: Pictures, settings: Params, *, device: torch.device) -> Batch:
    random = torch.Generator().manual_seed(0)
    index = torch.arange(settings.train.batch_size)
    return make_batch(pictures, index, settings, random=random, device=device)


def _moved(batch: Batch, device: torch.device) -> Batch:
    order = memory_format(device)
    sketch, reference, target = (
        x.to(device).contiguous(memory_format=order)
        for x in (batch.sketch, batch.reference, batch.target)
    )
    return Batch(sketch, reference, target, batch.warped)


def _largest_difference(ours: Batch, theirs: Batch) -> float:
    pairs = ((ours.sketch, theirs.sketch), (ours.reference, theirs.reference))
    return max((one.cpu() - other).abs().max().item() for one, other in pairs)


def _gradients(settings: Params, batch: Batch, precision: str, *, device: torch.device) -> Tensor:
    """Return the gradients of reconstruction and adversarial loss, of both networks."""
    generator, _, discriminator = first_networks(settings)
    networks: tuple[nn.Module, ...] = (generator, discriminator)
    for network in networks:
        network.to(device=device, memory_format=memory_format(device)).train()  # type: ignore[call-overload]
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
        output = generator(sketch=batch.sketch, reference=batch.reference)
        fake = discriminator(picture=output.picture, sketch=batch.sketch)
    loss = losses.reconstruction(output.picture, batch.target)
    (loss + losses.adversarial_generator(fake)).backward()  # type: ignore[no-untyped-call]
    gradients = [x.grad for network in networks for x in network.parameters()]
    return torch.cat([x.flatten().cpu() for x in gradients if x is not None])


def _relative(ours: Tensor, theirs: Tensor) -> float:
    return ((ours - theirs).norm() / theirs.norm()).item()


class _StoppedState(StateFile):
    """A state that is saved after every step; the training is stopped in the middle."""

    stops_after = 0

    def due(self) -> bool:
        return True

    def save(self, state: Mapping[str, Any]) -> None:
        super().save(state)
        if state["step"] == self.stops_after:
            raise KeyboardInterrupt


def _short_training(
    settings: Params,
    pictures: Pictures,
    validation: Pictures,
    *,
    device: torch.device,
    folder: Path,
    stop: bool,
) -> list[float]:
    """Train, or train half, stop and resume; return the validation losses of the reports."""
    steps = EPOCHS * (len(pictures) // settings.train.batch_size)
    settings = changed(
        settings,
        train={"epochs": EPOCHS, "report_every": max(1, steps // 4), "init": ""},
        loss={"perceptual": 0.0, "style": 0.0},
    )
    folders = training.Folders(*(folder / name for name in ("models", "curves", "previews")))

    def run(stops_after: int) -> None:
        state = _StoppedState(folder / "state", epochs=EPOCHS)
        state.stops_after = stops_after
        training.train(
            settings,
            pictures=pictures,
            validation=validation,
            folders=folders,
            state_file=state,
            tracker=NullTracker(),
            device=device,
        )

    if stop:
        try:
            run(steps // 2)
        except KeyboardInterrupt:
            pass
    run(0)
    head, *rows = (folders.curves / "loss.csv").read_text(encoding="utf-8").splitlines()
    column = head.split(",").index("validation")
    return [float(row.split(",")[column]) for row in rows]


def steps_table(
    settings: Params, *, batch: int, steps: int, device: torch.device, peaks: Mapping[str, float]
) -> list[str]:
    """Time the variants of a step that the device can do; return the rows of a table."""
    pictures = drawn_pictures(range(batch), size=settings.training_size, sketch=settings.sketch)
    variants = [
        x for x in VARIANTS if device.type == "cuda" or not (x.compiled or x.precision == "bf16")
    ]
    measured = measure(variants, settings, pictures=pictures, device=device, steps=steps)
    rows = [
        f"| batch {batch} | s | pictures/s | GB | TFLOP | share of the matrix peak |",
        "|---|---|---|---|---|---|",
    ]
    for variant, one in measured.items():
        if one.failure:
            rows.append(f"| {variant} | {one.failure} | | | | |")
            continue
        seconds = one.step()
        share = one.operations / seconds / peaks[variant.precision]
        rows.append(
            f"| {variant} | {seconds:.3g} | {batch / seconds:.3g} | {one.bytes / 1e9:.1f} "
            f"| {one.operations / 1e12:.2f} | {share:.0%} |"
        )
    return rows


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1 or mps")
    parser.add_argument("--small", default="params.yaml", help="parameter file of the checks")
    parser.add_argument("--pictures", type=int, default=PICTURES, help="the checks train on")
    parser.add_argument("--preset", default="presets/danbooru-256.yaml", help="that of the steps")
    parser.add_argument("--batch", type=int, nargs="*", default=[16, 64], help="pictures a step")
    parser.add_argument("--steps", type=int, help="timed for each variant")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="after which nothing begins")
    return parser.parse_args()


def main() -> None:
    """Print the tables; a check that fails ends the program with exit code 1."""
    arguments = _arguments()
    device, start = choose_device(arguments.device), time.monotonic()
    small, settings = params.load(arguments.small), params.load(arguments.preset)
    print(f"{machine(device)}, torch {torch.__version__}, {time.strftime('%Y-%m-%d')}\n")

    def timed(title: str, seconds: float, work: Callable[[], list[str]]) -> None:
        # `seconds`: what the part took at most, by estimate.
        if time.monotonic() - start + seconds > arguments.seconds:
            print(f"{title} was left out: {arguments.seconds:.0f} seconds are over\n", flush=True)
            return
        print(*work(), "", sep="\n", flush=True)

    found: list[Check] = []

    def run_checks() -> list[str]:
        with tempfile.TemporaryDirectory() as folder:
            scratch, count = Path(folder), arguments.pictures
            found.extend(checks(small, device=device, scratch=scratch, count=count))
        return [
            "| check | number | at most | passed |",
            "|---|---|---|---|",
            *(str(check) for check in found),
        ]

    timed("the checks", 60, run_checks)
    if device.type in STEPS:
        settings = changed(settings, loss=PAPER)
        peaks = {name: matrix_peak(device, name) for name in DTYPES}
        for name, peak in peaks.items():
            print(f"matrix peak in {name}: {peak / 1e12:.4g} TFLOP/s\n")
        for batch in arguments.batch:
            timed(
                f"batch {batch}",
                150 if device.type == "cuda" else 0,
                lambda batch=batch: steps_table(  # type: ignore[misc]
                    settings,
                    batch=batch,
                    steps=arguments.steps or STEPS[device.type],
                    device=device,
                    peaks=peaks,
                ),
            )
    print(f"{time.monotonic() - start:.0f} seconds")
    failed = [check.name for check in found if not check.passed]
    if failed:
        raise RefcolorError(f"{machine(device)} fails: {'; '.join(failed)}")


if __name__ == "__main__":
    errors.run(main)
