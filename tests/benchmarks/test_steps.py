"""The timed steps: refcolor's is the training's own, the plain one gives the same losses."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.utils.flop_counter import FlopCounterMode

import refcolor.training.train as training
from benchmarks.material import changed
from benchmarks.plain import PlainStep
from benchmarks.step import PARTS, Clock, TrainingStep
from refcolor.params import Params
from refcolor.training.checkpoint import StateFile
from refcolor.training.data import Pictures
from refcolor.training.tracker import NullTracker
from refcolor.training.vgg import VGGFeatures

CPU = torch.device("cpu")


@pytest.fixture
def make_step(
    settings: Params, pictures: Pictures, vgg: Callable[[], VGGFeatures]
) -> Callable[..., PlainStep | TrainingStep]:
    """Make a step of either kind, `make_step(PlainStep)`, with changed `train` parameters."""

    def make(kind: type[PlainStep] | type[TrainingStep], **train: object) -> object:
        asked = changed(settings, train=train)
        return kind(asked, pictures=pictures, vgg=vgg(), device=CPU)

    return make


def silent(_name: str) -> None:
    """Measure nothing."""


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_timed_step_is_the_trainings(
    make_step: Callable[..., TrainingStep],
    settings: Params,
    pictures: Pictures,
    vgg: Callable[[], VGGFeatures],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    precision: str,
) -> None:
    """After two steps the networks are those of `train`, byte for byte."""
    monkeypatch.setattr(training, "load_vgg", vgg)
    numbers = training.train(
        changed(settings, train={"precision": precision}),
        pictures=pictures,
        validation=pictures,
        folders=training.Folders(tmp_path / "models", tmp_path, tmp_path),
        state_file=StateFile(tmp_path / "state", epochs=settings.train.epochs),
        tracker=NullTracker(),
        device=CPU,
    )
    step = make_step(TrainingStep, precision=precision)
    values = [step(silent), step(silent)]
    assert numbers["steps"] == 2
    for name in ("discriminator", "style", "triplet"):
        assert numbers[name] == (values[0][name] + values[1][name]) / 2
    for file, network in (("generator", step.ema), ("discriminator", step.discriminator)):
        kept = load_file(tmp_path / "models" / f"{file}.safetensors")
        found = network.state_dict()
        assert kept.keys() == found.keys()
        assert all(torch.equal(kept[name], found[name]) for name in kept)


def test_plain_and_refcolor_have_equal_losses(make_step: Callable[..., PlainStep]) -> None:
    """In fp32 every term agrees to 1e-3, in the first step and in those that build on it."""
    plain, ours = make_step(PlainStep), make_step(TrainingStep)
    for _ in range(4):
        wanted, found = plain(silent), ours(silent)
        assert set(wanted) == {
            "discriminator",
            "reconstruction",
            "adversarial",
            "perceptual",
            "style",
            "triplet",
        }
        assert min(wanted.values()) > 0
        assert found == pytest.approx(wanted, rel=1e-3)


def test_refcolor_counts_fewer_operations(make_step: Callable[..., PlainStep]) -> None:
    """The plain step passes the generator twice and computes the gradients of VGG's weights."""
    counts, passes = [], []
    for kind in (PlainStep, TrainingStep):
        step = make_step(kind)
        calls: list[int] = []
        step.generator.register_forward_hook(lambda *_, calls=calls: calls.append(1))
        with FlopCounterMode(display=False) as counter:
            step(silent)
        counts.append(counter.get_total_flops())
        learns = all(weight.grad is not None for weight in step.vgg.parameters())
        passes.append((len(calls), learns))
    assert passes == [(2, True), (1, False)]
    assert 0 < counts[1] < 0.9 * counts[0]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")  # from torch's own tracing
def test_a_compiled_step_has_the_same_losses(make_step: Callable[..., TrainingStep]) -> None:
    """torch.compile traces all three networks and changes no term beyond rounding."""
    eager, compiled = make_step(TrainingStep), make_step(TrainingStep)
    compiled.compile(backend="aot_eager")
    for _ in range(3):
        assert compiled(silent) == pytest.approx(eager(silent), rel=1e-3)


@pytest.mark.parametrize("kind", [PlainStep, TrainingStep])
def test_every_part_is_timed(make_step: Callable[..., PlainStep], kind: type[PlainStep]) -> None:
    """A step passes through the six parts, the optimiser twice."""
    names: list[str] = []
    make_step(kind)(names.append)
    assert set(names) == set(PARTS)
    assert [names.count(name) for name in PARTS] == [1, 1, 1, 1, 1, 2]


def test_the_clock_adds_parts_of_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds between two laps belong to the second."""
    times = iter([10.0, 11.0, 13.0, 13.5])
    monkeypatch.setattr("time.perf_counter", lambda: next(times))
    clock = Clock(CPU)
    for name in ("forward", "optimiser", "forward"):
        clock.lap(name)
    assert clock.seconds() == {"forward": 1.5, "optimiser": 2.0}
