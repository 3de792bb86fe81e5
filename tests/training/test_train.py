"""Training: repeatable bit for bit, resumable at any step, and a damaged state is never saved."""

import csv
import itertools
import json
import math
import os
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import refcolor.training.train as training
from refcolor.errors import RefcolorError
from refcolor.io import image
from refcolor.io.shards import pack
from refcolor.model.discriminator import Discriminator
from refcolor.model.generator import build_generator
from refcolor.params import Params
from refcolor.training import device, losses
from refcolor.training.checkpoint import StateFile, load_generator
from refcolor.training.data import Pictures, load_pictures
from refcolor.training.tracker import NullTracker

CPU = torch.device("cpu")
AUGMENTED = {
    "augment.patch_shuffle": 0.5,
    "augment.drop_reference": 0.2,
    "augment.sketch_variation": 0.5,
    "augment.other_reference": 0.5,
    "augment.framing": 0.5,
    "augment.ink": 0.5,
    "augment.channel_order": 0.5,
    "augment.color_gain": 0.2,
}
EVERY_TERM = AUGMENTED | {
    "loss.triplet": 1,
    "loss.match": 0.5,
    "train.learning_rate_half_life": 1,
}


FINE = {
    "model.query_stride": 2,
    "model.key_stride": 4,
    "model.transport": 1,
    "model.convex_upsampling": 1,
}


class Recorder(NullTracker):
    """A tracker that records its calls."""

    def __init__(self) -> None:
        self.points: list[tuple[int, dict[str, float]]] = []
        self.pictures: list[tuple[int, Any]] = []
        self.set_tags: dict[str, object] = {}

    def tags(self, values: Mapping[str, object]) -> None:
        self.set_tags |= values

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        self.points.append((step, dict(values)))

    def picture(self, key: str, picture: Any, *, step: int = 0) -> None:
        assert key == "preview"
        self.pictures.append((step, picture))


class EagerState(StateFile):
    """A state that is saved after every step, and a process that dies after one of them."""

    dies_after = 0

    def due(self) -> bool:
        return True

    def save(self, state: Mapping[str, Any]) -> None:
        super().save(state)
        if state["step"] == self.dies_after:
            raise KeyboardInterrupt


class Run:
    """One training in folders of its own; its state stays for the next."""

    def __init__(self, folder: Path, pictures: Pictures, validation: Pictures) -> None:
        self.folder, self.pictures, self.validation = folder, pictures, validation
        self.tracker = Recorder()

    def __call__(self, params: Params, *, dies_after: int = 0) -> dict[str, float]:
        """Train as a fresh process would: whatever DVC owns was removed before."""
        self.tracker = Recorder()
        self.state = EagerState(self.folder / "state", epochs=params.train.epochs)
        self.state.dies_after = dies_after
        self.out = self.folder / f"out-{len(list(self.folder.iterdir()))}"
        return training.train(
            params,
            pictures=self.pictures,
            validation=self.validation,
            folders=training.Folders(
                models=self.out / "models",
                curves=self.out / "curves",
                previews=self.out / "previews",
            ),
            state_file=self.state,
            tracker=self.tracker,
            device=CPU,
        )

    def files(self) -> dict[str, bytes]:
        """Read all that the last training wrote."""
        return {
            str(path.relative_to(self.out)): path.read_bytes()
            for path in sorted(self.out.rglob("*"))
            if path.is_file()
        }

    def rows(self) -> list[dict[str, str]]:
        """Read the curves of the last training."""
        with (self.out / "curves" / "loss.csv").open(newline="") as file:
            return list(csv.DictReader(file))


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Saving after every step need not reach the disk here."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


@pytest.fixture
def make_run(tmp_path: Path, make_pictures: Callable[..., Pictures]) -> Callable[..., Run]:
    """Give runs on 11 pictures, or another number: two batches of 4 make an epoch."""

    def make(name: str = "run", count: int = 11) -> Run:
        (tmp_path / name).mkdir()
        return Run(tmp_path / name, make_pictures(count), make_pictures(3, seed=1))

    return make


@pytest.fixture
def batch(
    make_params: Callable[..., Params], make_pictures: Callable[..., Pictures]
) -> training.Batch:
    """A batch of 5 pictures."""
    random = torch.Generator().manual_seed(0)
    places = torch.arange(5)
    return training.make_batch(make_pictures(5), places, make_params(), random=random, device=CPU)


def test_the_files_of_a_training(make_run: Callable[..., Run], make_params: Callable) -> None:
    """Model, curves and previews are written, and the numbers of the last row are returned."""
    run = make_run()
    numbers = run(make_params())
    assert set(run.files()) == {
        "models/generator.safetensors",
        "models/discriminator.safetensors",
        "models/model.json",
        "curves/loss.csv",
        "previews/step-0000003.png",
        "previews/step-0000004.png",
    }
    rows = run.rows()
    assert list(rows[0]) == ["step", "discriminator", "reconstruction", "adversarial", "validation"]
    assert [row["step"] for row in rows] == ["3", "4"]
    assert (numbers["steps"], numbers["images"]) == (4, 16)
    assert numbers["validation"] == pytest.approx(float(rows[-1]["validation"]), rel=1e-4)
    assert load_generator(run.out / "models").stride == 4
    assert run.state.finished


def test_mapped_pictures_train_the_same_weights(
    make_run: Callable[..., Run], make_params: Callable, tmp_path: Path
) -> None:
    """Out of shards and mapped from the disk, pictures give the files of a training on arrays."""
    folders = {"color": tmp_path / "color", "sketch": tmp_path / "sketch"}
    runs = [make_run("arrays"), make_run("mapped")]
    for pictures in (runs[0].pictures, runs[0].validation):
        for name, folder in folders.items():
            for id, picture in zip(pictures.ids, getattr(pictures, name), strict=True):
                image.write(folder / f"{len(pictures)}-{id}.png", picture)
    pack(*folders.values(), above=0)
    for side in ("pictures", "validation"):
        given = getattr(runs[0], side)
        ids = [f"{len(given)}-{id}" for id in given.ids]
        groups = dict(zip(ids, given.groups, strict=True))
        mapped = load_pictures(
            ids, **folders, groups=groups, cache=tmp_path / "cache", cache_from=0
        )
        assert isinstance(mapped.color, np.memmap)
        setattr(runs[1], side, mapped)
    for run in runs:
        run(make_params(EVERY_TERM))
    assert runs[0].files() == runs[1].files()


def test_the_tracker_gets_every_row_and_preview(
    make_run: Callable[..., Run], make_params: Callable
) -> None:
    """Points and pictures come at the steps of the curves; sheets are those in the folder."""
    run = make_run()
    run(make_params())
    assert [step for step, _ in run.tracker.points] == [3, 4]
    assert [step for step, _ in run.tracker.pictures] == [3, 4]
    for (_, values), row in zip(run.tracker.points, run.rows(), strict=True):
        assert values == pytest.approx({n: float(x) for n, x in row.items() if n != "step"}, 1e-4)
    sheet = run.tracker.pictures[1][1]
    assert np.array_equal(sheet, image.read(run.out / "previews" / "step-0000004.png"))
    # Three validation pictures: rows of sketch, reference, result, target with gaps of 2 pixels.
    assert sheet.shape == (3 * 32 + 2 * 2, 4 * 32 + 3 * 2, 3)


def test_rows_hold_means_over_their_steps(
    make_run: Callable[..., Run], make_params: Callable
) -> None:
    """A row of three steps is the mean of three rows of one, the closing row of the last one."""
    coarse, fine = make_run("coarse"), make_run("fine")
    coarse(make_params())
    fine(make_params({"train.report_every": 1}))
    values = [float(row["reconstruction"]) for row in fine.rows()]
    found = [float(row["reconstruction"]) for row in coarse.rows()]
    assert found == pytest.approx([sum(values[:3]) / 3, values[3]], rel=1e-4)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_one_seed_gives_one_model(
    make_run: Callable[..., Run], make_params: Callable, precision: str
) -> None:
    """The same seed gives the same bytes of every file, another seed another model."""
    changes = EVERY_TERM | {"train.precision": precision}
    one, two, other = make_run("one"), make_run("two"), make_run("other")
    one(make_params(changes)), two(make_params(changes)), other(make_params(changes | {"seed": 4}))
    assert one.files() == two.files()
    name = "models/generator.safetensors"
    assert one.files()[name] != other.files()[name]


def test_precision_changes_the_numbers_where_the_device_multiplies_bfloat16(
    make_run: Callable[..., Run],
    make_params: Callable,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`bf16` changes the computation; where it is emulated it is replaced, and a line says so.

    The precision that was used is in model.json and in the tags of the run.
    """
    runs = {}
    for name, precision, multiplies in (
        ("fp32", "fp32", True),
        ("bf16", "bf16", True),
        ("replaced", "bf16", False),
    ):
        monkeypatch.setattr(device, "multiplies_bfloat16", lambda _device, here=multiplies: here)
        runs[name] = make_run(name)
        runs[name](make_params({"train.precision": precision}))
        line = "but this cpu only emulates it, which is slower than fp32: the training uses fp32"
        assert (line in capsys.readouterr().out) == (name == "replaced")
        used = "bf16" if name == "bf16" else "fp32"
        numerics = json.loads(runs[name].files()["models/model.json"])["numerics"]
        assert numerics == {
            "device": "cpu",
            "precision": used,
            "tf32": False,
            "cudnn_benchmark": True,
        }
        assert runs[name].tracker.set_tags == {f"numerics.{x}": y for x, y in numerics.items()}
    weights = {x: run.files()["models/generator.safetensors"] for x, run in runs.items()}
    assert weights["fp32"] == weights["replaced"] != weights["bf16"]


@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_a_resumed_training_gives_the_bytes_of_an_uninterrupted_one(
    make_run: Callable[..., Run],
    make_params: Callable,
    capsys: pytest.CaptureFixture[str],
    step: int,
) -> None:
    """Killed after any step, the same run resumes and writes the same bytes, curves included."""
    params = make_params(EVERY_TERM)
    straight, killed = make_run("straight"), make_run("killed")
    numbers = straight(params)
    assert "resumed" not in capsys.readouterr().out
    with pytest.raises(KeyboardInterrupt):
        killed(params, dies_after=step)
    assert not killed.files()
    assert killed(params) == numbers
    assert f"resumed at step {step}\n" in capsys.readouterr().out
    assert killed.files() == straight.files()
    assert killed.tracker.points == straight.tracker.points


def test_a_resumed_training_frees_the_weights_that_it_read(
    make_run: Callable[..., Run], make_params: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No copy of the saved weights stays beside the networks: at full width that is 0.7 GB."""
    params, run = make_params(EVERY_TERM), make_run()
    with pytest.raises(KeyboardInterrupt):
        run(params, dies_after=2)
    read: list[weakref.ref[Tensor]] = []
    alive: list[int] = []
    load = StateFile.load

    def watched(file: StateFile) -> dict[str, Any] | None:
        state = load(file)
        assert state
        read.extend(weakref.ref(value) for x in state["networks"] for value in x.values())
        return state

    def count(*_report: object) -> None:
        alive.append(sum(weight() is not None for weight in read))

    monkeypatch.setattr(StateFile, "load", watched)
    monkeypatch.setattr(Recorder, "scalars", count)
    run(params)
    assert len(read) > 0
    assert set(alive) == {0}


@pytest.mark.parametrize("step", [1, 2, 3])
def test_batches_made_ahead_change_no_byte(
    make_run: Callable[..., Run], make_params: Callable, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """A thread makes the next batch during a step; the state belongs to the step that is saved."""
    params = make_params(EVERY_TERM)
    plain, stopped = make_run("plain"), make_run("stopped")
    plain(params)
    monkeypatch.setattr(training, "overlaps", lambda _device: True)
    with pytest.raises(KeyboardInterrupt):
        stopped(params, dies_after=step)
    stopped(params)
    assert stopped.files() == plain.files()


def test_fine_queries_resume_to_the_same_bytes(
    make_run: Callable[..., Run], make_params: Callable
) -> None:
    """With every term, keys coarser than queries, bf16 and learned enlargement."""
    params = make_params(EVERY_TERM | FINE | {"train.precision": "bf16"})
    straight, killed = make_run("straight"), make_run("killed")
    straight(params)
    with pytest.raises(KeyboardInterrupt):
        killed(params, dies_after=2)
    killed(params)
    assert killed.files() == straight.files()
    generator = load_generator(straight.out / "models")
    assert (generator.stride, generator.query_stride, generator.key_stride) == (4, 2, 4)
    assert float(straight.rows()[0]["triplet"]) > 0
    assert float(straight.rows()[0]["match"]) > 0


def test_weights_without_a_gradient_stay_and_resume(
    make_run: Callable[..., Run], make_params: Callable
) -> None:
    """SGA without triplet and match keeps W_q and W_k the identity, stopped or not."""
    params = make_params({"model.attention": "sga"})
    straight, killed = make_run("straight"), make_run("killed")
    straight(params)
    with pytest.raises(KeyboardInterrupt):
        killed(params, dies_after=2)
    killed(params)
    assert killed.files() == straight.files()
    weights = load_file(straight.out / "models" / "generator.safetensors")
    assert torch.equal(weights["attention.query.weight"], torch.eye(28))
    assert torch.equal(weights["attention.key.weight"], torch.eye(28))


def test_more_epochs_resume_to_the_same_bytes(
    make_run: Callable[..., Run], make_params: Callable, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two epochs and then four give the bytes of four, rows and previews included."""
    once, twice = make_run("once"), make_run("twice")
    once(make_params(EVERY_TERM | {"train.epochs": 4}))
    twice(make_params(EVERY_TERM))
    twice(make_params(EVERY_TERM | {"train.epochs": 4}))
    assert "resumed at step 4\n" in capsys.readouterr().out
    assert twice.files() == once.files()
    assert [row["step"] for row in once.rows()] == ["3", "6", "8"]


def test_a_shorter_run_keeps_the_state_of_an_unfinished_one(
    make_run: Callable[..., Run], make_params: Callable, capsys: pytest.CaptureFixture[str]
) -> None:
    """After a run of 2 steps in between, a run stopped at step 5 of 8 resumes at step 5."""
    straight, stopped = make_run("straight"), make_run("stopped")
    straight(make_params({"train.epochs": 4}))
    with pytest.raises(KeyboardInterrupt):
        stopped(make_params({"train.epochs": 4}), dies_after=5)
    stopped(make_params({"train.epochs": 1}))
    assert "resumed" not in capsys.readouterr().out
    stopped(make_params({"train.epochs": 4}))
    assert "resumed at step 5\n" in capsys.readouterr().out
    assert stopped.files() == straight.files()


def test_a_shorter_run_starts_from_an_unfinished_longer_one(
    make_run: Callable[..., Run], make_params: Callable, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stopped at step 3 of 8, a run of 4 steps has one left and writes the bytes of 4."""
    straight, stopped = make_run("straight"), make_run("stopped")
    straight(make_params())
    with pytest.raises(KeyboardInterrupt):
        stopped(make_params({"train.epochs": 4}), dies_after=3)
    stopped(make_params())
    assert "resumed at step 3\n" in capsys.readouterr().out
    assert stopped.files() == straight.files()


def test_a_missing_preview_does_not_fail_the_training(
    make_run: Callable[..., Run], make_params: Callable, capsys: pytest.CaptureFixture[str]
) -> None:
    """The model is written, and a message names the preview."""
    straight, stopped = make_run("straight"), make_run("stopped")
    straight(make_params())
    with pytest.raises(KeyboardInterrupt):
        stopped(make_params(), dies_after=3)
    (stopped.state.previews / "step-0000003.png").unlink()
    stopped(make_params())
    assert "the preview step-0000003.png is missing in" in capsys.readouterr().out
    assert stopped.state.finished
    lost = "previews/step-0000003.png"
    assert stopped.files() == {k: v for k, v in straight.files().items() if k != lost}


@pytest.mark.parametrize("epochs", [2, 1])
def test_a_finished_run_is_not_resumed(
    make_run: Callable[..., Run],
    make_params: Callable,
    capsys: pytest.CaptureFixture[str],
    epochs: int,
) -> None:
    """With as many epochs or fewer, a finished training starts at step 0."""
    run, fresh = make_run("run"), make_run("fresh")
    run(make_params())
    run(make_params({"train.epochs": epochs}))
    fresh(make_params({"train.epochs": epochs}))
    assert "resumed" not in capsys.readouterr().out
    assert run.files() == fresh.files()


def test_a_nan_loss_ends_the_training_at_the_last_good_state(
    make_run: Callable[..., Run], make_params: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the third step the adversarial loss is NaN: the state of the second stays."""
    calls: list[int] = []

    def adversarial(fake: Tensor) -> Tensor:
        calls.append(1)
        return fake.mean() * (math.nan if len(calls) == 3 else 1)

    monkeypatch.setattr(losses, "adversarial_generator", adversarial)
    run = make_run()
    with pytest.raises(RefcolorError, match=r"the adversarial loss became nan at step 3; the last"):
        run(make_params())
    state = run.state.load()
    assert state is not None
    assert state["step"] == 2
    assert all(x.isfinite().all() for weights in state["networks"] for x in weights.values())
    assert not run.files()


def test_where_the_host_runs_ahead_a_nan_loss_is_named_with_its_step(
    make_run: Callable[..., Run], make_params: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The losses of a step are read after the next one, and always before a state is saved."""
    monkeypatch.setattr(training, "overlaps", lambda _device: True)
    steps: list[int] = []

    def adversarial(fake: Tensor) -> Tensor:
        steps.append(len(steps) + 1)
        return fake.mean() * (math.nan if steps[-1] == 2 else 1)

    monkeypatch.setattr(losses, "adversarial_generator", adversarial)
    run, message = make_run(), "the adversarial loss became nan at step 2; the last"
    params = make_params({"train.report_every": 100})
    with monkeypatch.context() as never_due, pytest.raises(RefcolorError, match=message):
        never_due.setattr(EagerState, "due", lambda _state: False)
        run(params)
    assert steps == [1, 2, 3]
    steps.clear()
    with pytest.raises(RefcolorError, match=message):
        run(params)
    assert steps == [1, 2]
    state = run.state.load()
    assert state is not None
    assert state["step"] == 1


def test_nan_weights_of_the_last_step_are_not_written(
    make_run: Callable[..., Run], make_params: Callable
) -> None:
    """A step with finite losses can give NaN weights: the message names them; no state is saved."""
    run = make_run(count=4)
    params = make_params({"train.epochs": 1, "train.learning_rate_generator": 1e39})
    with pytest.raises(
        RefcolorError, match=r"of the generator holds NaN or infinity after step 1; the last good"
    ):
        run(params)
    assert run.state.load() is None
    assert "models/generator.safetensors" not in run.files()


@pytest.mark.parametrize("spoiled", [0, 1, 2])
def test_a_state_with_infinite_values_is_not_saved(tmp_path: Path, spoiled: int) -> None:
    """An infinite weight or statistic in any network ends the training before it is saved."""
    networks = [nn.BatchNorm2d(3) for _ in range(3)]
    optimizers = [torch.optim.Adam(network.parameters()) for network in networks[:2]]
    file = StateFile(tmp_path, epochs=1)

    def save(step: int) -> None:
        training.save_state(
            file,
            step=step,
            rows=[],
            sums={},
            random_state=torch.Generator().get_state(),
            networks=networks,
            optimizers=optimizers,
        )

    save(1)
    networks[spoiled].running_var[1] = math.inf
    with pytest.raises(RefcolorError, match="running_var of the batchnorm2d holds NaN or infinity"):
        save(2)
    state = file.load()
    assert state is not None
    assert state["step"] == 1


def test_terms_of_weight_zero_need_no_network(
    make_run: Callable[..., Run], make_params: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without adversarial weight no discriminator is written, and VGG's file is not looked for."""

    def refuse() -> nn.Module:
        raise AssertionError("VGG is not needed")

    monkeypatch.setattr(training, "load_vgg", refuse)
    params, run = make_params({"loss.adversarial": 0}), make_run()
    run(params)
    assert list(run.rows()[0]) == ["step", "reconstruction", "validation"]
    assert not (run.out / "models" / "discriminator.safetensors").exists()


def test_an_adversarial_weight_trains_both_networks(
    make_run: Callable[..., Run], make_params: Callable
) -> None:
    """With the adversarial term alone, discriminator and generator both change."""
    params, run = make_params({"loss.reconstruction": 0}), make_run()
    run(params)
    torch.manual_seed(params.seed)
    generator, _ = build_generator(params.model), build_generator(params.model)
    discriminator = Discriminator(params.model)
    kept = load_file(run.out / "models" / "discriminator.safetensors")
    assert not torch.equal(kept["layers.0.weight"], discriminator.layers[0].weight)
    kept = load_file(run.out / "models" / "generator.safetensors")
    assert not torch.equal(kept["decoder.leave.weight"], generator.decoder.leave.weight)


@pytest.mark.parametrize("term", ["triplet", "match"])
def test_terms_of_the_match_appear_with_their_weight(
    make_run: Callable[..., Run], make_params: Callable, term: str
) -> None:
    """`-S loss.triplet=1` adds the term's curve and changes the model."""
    plain, changed = make_run("plain"), make_run("changed")
    plain(make_params()), changed(make_params({f"loss.{term}": 1}))
    assert term not in plain.rows()[0]
    assert float(changed.rows()[0][term]) > 0
    name = "models/generator.safetensors"
    assert plain.files()[name] != changed.files()[name]


def test_perceptual_and_style_see_the_features(
    make_run: Callable[..., Run], make_params: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Perceptual compares all layers and style the last one; both move the generator."""

    class Features(nn.Module):
        def forward(self, picture: Tensor) -> list[Tensor]:
            return [picture, F.avg_pool2d(picture, 4)]

    monkeypatch.setattr(training, "load_vgg", Features)
    changes = {"loss.reconstruction": 0, "loss.adversarial": 0}
    run = make_run()
    run(make_params(changes | {"loss.perceptual": 0.01, "loss.style": 50}))
    assert list(run.rows()[0]) == ["step", "perceptual", "style", "validation"]
    terms = training.generator_terms(
        make_params({"loss.perceptual": 1, "loss.style": 1}).loss,
        output := build_generator(make_params().model)(
            sketch=torch.rand(2, 1, 32, 32), reference=torch.rand(2, 3, 32, 32)
        ),
        training.Batch(
            torch.rand(2, 1, 32, 32),
            torch.rand(2, 3, 32, 32),
            target := torch.rand(2, 3, 32, 32),
            None,  # type: ignore[arg-type]
        ),
        discriminator=Discriminator(make_params().model),
        vgg=Features(),
    )
    last = F.avg_pool2d(output.picture, 4), F.avg_pool2d(target, 4)
    layers = F.l1_loss(output.picture, target) + F.l1_loss(*last)
    assert terms["perceptual"].item() == pytest.approx(layers.item(), rel=1e-5)
    assert terms["style"].item() == pytest.approx(losses.style(*last).item(), rel=1e-5)


def test_the_generators_step_does_not_change_the_discriminator(
    batch: training.Batch, make_params: Callable
) -> None:
    """The adversarial term trains G, costs D no gradient, and D can train again afterwards."""
    params = make_params()
    generator, discriminator = build_generator(params.model), Discriminator(params.model)
    output = generator(sketch=batch.sketch, reference=batch.reference)
    terms = training.generator_terms(
        params.loss,
        output,
        batch,
        discriminator=discriminator,
        vgg=None,
    )
    terms["adversarial"].backward()
    assert generator.decoder.leave.weight.grad.abs().max() > 0
    assert all(x.grad is None and x.requires_grad for x in discriminator.parameters())


def test_terms_are_weighted_as_in_the_paper(
    make_run: Callable[..., Run], make_params: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice the weight is twice the gradient: with SGD, twice the step of the last bias."""

    def plain(parameters: Any, lr: float, **_options: object) -> torch.optim.Optimizer:
        return torch.optim.SGD(parameters, lr)

    monkeypatch.setattr(training.torch.optim, "Adam", plain)
    moved = {}
    for weight in (1, 2):
        run = make_run(str(weight), count=4)
        changes = {"loss.reconstruction": weight, "loss.adversarial": 0, "train.epochs": 1}
        run(make_params(changes))
        state = run.state.load()
        assert state is not None
        torch.manual_seed(3)
        fresh = build_generator(make_params().model).state_dict()["decoder.leave.bias"]
        moved[weight] = state["networks"][0]["decoder.leave.bias"] - fresh
    assert torch.allclose(moved[2], 2 * moved[1], rtol=1e-3, atol=1e-7)
    assert moved[1].abs().min() > 0


@pytest.mark.parametrize(
    ("half_life", "images", "decay"),
    [
        # 40 pictures seen allow a half-life of 4, one batch: half is forgotten.
        (2000.0, 40, 0.5),
        # Warmed up: a batch of 4 is half a half-life of 8.
        (8.0, 1_000_000, 2**-0.5),
        # The first batch of 4 allows a half-life of 0.4: hardly anything stays.
        (2000.0, 4, 2**-10),
    ],
)
def test_ema_forgets_half_in_a_half_life(half_life: float, images: int, decay: float) -> None:
    """The average is decay * kept + (1 - decay) * fresh, statistics included; counts are copied."""
    kept, fresh = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
    nn.init.constant_(kept.weight, 2.0), nn.init.constant_(fresh.weight, -6.0)
    kept.running_mean.fill_(1.0), fresh.running_mean.fill_(5.0)
    fresh.num_batches_tracked.fill_(7)
    training.update_ema(
        kept,  # type: ignore[arg-type]
        fresh,  # type: ignore[arg-type]
        half_life=half_life,
        images=images,
        batch_size=4,
    )
    assert kept.weight.tolist() == pytest.approx([2 * decay - 6 * (1 - decay)] * 3, rel=1e-5)
    assert kept.running_mean.tolist() == pytest.approx([decay + 5 * (1 - decay)] * 3, rel=1e-5)
    assert kept.num_batches_tracked.item() == 7
    assert (fresh.weight == -6).all()


def test_the_written_model_is_the_moving_average(
    make_run: Callable[..., Run], make_params: Callable
) -> None:
    """What is published is the EMA of the generator, in between its past and its last weights."""
    run = make_run()
    run(make_params())
    state = run.state.load()
    assert state is not None
    raw, _, ema = state["networks"]
    published = load_file(run.out / "models" / "generator.safetensors")
    assert all(torch.equal(published[name], ema[name]) for name in ema)
    assert not torch.equal(published["decoder.leave.weight"], raw["decoder.leave.weight"])


@pytest.mark.parametrize(("half_life", "factor"), [(0, 1.0), (1, 0.25), (4, 2**-0.5)])
def test_learning_rates_halve_by_epochs(
    make_run: Callable[..., Run], make_params: Callable, half_life: float, factor: float
) -> None:
    """In the third epoch both rates are 2 ** (-2 / half-life) of the first; 0 keeps them."""
    run = make_run()
    changes = {"train.epochs": 3, "train.learning_rate_half_life": half_life}
    run(make_params(changes | {"train.learning_rate_discriminator": 2e-3}))
    state = run.state.load()
    assert state is not None
    rates = [optimizer["param_groups"][0]["lr"] for optimizer in state["optimizers"]]
    assert rates == pytest.approx([1e-3 * factor, 2e-3 * factor])


def test_learning_rates_fall_linearly_in_the_cool_down(
    make_run: Callable[..., Run], make_params: Callable
) -> None:
    """The last of 6 steps has 5/6 of the way behind it, so a third of the last half is left."""
    run = make_run()
    run(make_params({"train.epochs": 3, "train.cool_down": 0.5}))
    state = run.state.load()
    assert state is not None
    assert state["step"] == 6
    rate = state["optimizers"][0]["param_groups"][0]["lr"]
    assert rate == pytest.approx(make_params().train.learning_rate_generator * (1 / 6) / 0.5)


def test_training_at_a_lower_resolution_describes_its_model(
    make_run: Callable[..., Run], make_params: Callable
) -> None:
    """Pictures of 32 px train a model of 16 px, whose previews have that size."""
    run = make_run()
    params = make_params({"train.resolution": 16, "loss.adversarial": 0.0})
    run(params)
    assert json.loads((run.out / "models" / "model.json").read_text())["size"] == 16
    preview = image.read(min((run.out / "previews").iterdir()))
    assert preview.shape[1] == 4 * 16 + 3 * 2


def test_the_optimizers_are_those_of_the_paper(
    make_run: Callable[..., Run], make_params: Callable
) -> None:
    """Adam with betas 0.5 and 0.999 on both sides."""
    run = make_run()
    run(make_params())
    state = run.state.load()
    assert state is not None
    groups = [optimizer["param_groups"][0] for optimizer in state["optimizers"]]
    assert [tuple(group["betas"]) for group in groups] == [(0.5, 0.999)] * 2


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    """Each epoch sees every picture once, in an order that depends on seed and epoch only."""
    first = training.epoch_order(0, 13, seed=5)
    assert sorted(first.tolist()) == list(range(13))
    assert torch.equal(first, training.epoch_order(0, 13, seed=5))
    assert not torch.equal(first, training.epoch_order(1, 13, seed=5))
    assert not torch.equal(first, training.epoch_order(0, 13, seed=6))


def test_an_epoch_has_each_picture_once(
    make_run: Callable[..., Run], make_params: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches are slices of the epoch's order, which the next epoch changes."""
    seen: list[list[int]] = []
    make_batch = training.make_batch

    def spy(pictures: Pictures, chosen: Tensor, *args: Any, **options: Any) -> training.Batch:
        seen.append(chosen.tolist())
        return make_batch(pictures, chosen, *args, **options)

    monkeypatch.setattr(training, "make_batch", spy)
    make_run()(make_params())
    orders = [training.epoch_order(epoch, 11, seed=3).tolist() for epoch in (0, 1)]
    assert seen[0] == [0, 1, 2]
    assert seen[1:] == [orders[0][:4], orders[0][4:8], orders[1][:4], orders[1][4:8]]


def test_every_run_has_the_same_validation_batch(
    make_run: Callable[..., Run], make_params: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a share of the pictures gets is trained on, never validated and shown."""
    batches: list[training.Batch] = []
    make_batch = training.make_batch

    def spy(*args: Any, **options: Any) -> training.Batch:
        batches.append(make_batch(*args, **options))
        return batches[-1]

    monkeypatch.setattr(training, "make_batch", spy)
    make_run("plain")(make_params()), make_run("augmented")(make_params(AUGMENTED))
    plain, augmented = batches[0], batches[5]
    assert torch.equal(plain.sketch, augmented.sketch)
    assert torch.equal(plain.reference, augmented.reference)
    assert not torch.equal(batches[1].reference, batches[6].reference)


def test_without_a_known_match_its_terms_are_zero(
    make_run: Callable[..., Run], make_params: Callable
) -> None:
    """Every reference another picture: triplet and match are 0 in every row, and nothing is NaN."""
    run = make_run()
    changes = {"augment.other_reference": 1, "loss.triplet": 1, "loss.match": 1}
    run(make_params(changes | {"train.report_every": 1}))
    assert len(run.rows()) == 4
    for row in run.rows():
        assert float(row["triplet"]) == float(row["match"]) == 0
        assert math.isfinite(float(row["reconstruction"]))


def test_other_references_without_a_group_of_two_are_announced(
    make_run: Callable[..., Run], make_params: Callable, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where every picture to train on is alone, it is its own reference, and a line says so."""
    make_run(count=3)(make_params({"augment.other_reference": 0.5}))
    line = "augment.other_reference is 0.5, but no group has two of the 3 training pictures: each"
    assert line in capsys.readouterr().out


def test_fewer_pictures_than_a_batch_make_a_smaller_batch(
    make_run: Callable[..., Run], make_params: Callable
) -> None:
    """Three pictures with batches of 4: each epoch is one step of three pictures."""
    numbers = make_run(count=3)(make_params())
    assert (numbers["steps"], numbers["images"]) == (2, 6)


def test_training_starts_from_a_folder_of_weights(
    make_run: Callable[..., Run], make_params: Callable
) -> None:
    """Fine-tuning begins with the generator and discriminator of the folder."""
    first, second = make_run("first"), make_run("second")
    first(make_params())
    folder = first.out / "models"
    params = make_params()
    networks = build_generator(params.model), Discriminator(params.model)
    training.load_init(folder, generator=networks[0], discriminator=networks[1])
    for network, name in zip(networks, ("generator", "discriminator"), strict=True):
        weights = load_file(folder / f"{name}.safetensors")
        assert all(torch.equal(x, weights[key]) for key, x in network.state_dict().items())
    second(make_params({"train.init": str(folder)}))
    name = "models/generator.safetensors"
    assert second.files()[name] != first.files()[name]


def test_an_empty_folder_of_weights_means_from_scratch(
    tmp_path: Path, make_params: Callable
) -> None:
    """Without weights in the folder, the fresh ones stay."""
    params = make_params()
    generator, discriminator = build_generator(params.model), Discriminator(params.model)
    before = {key: x.clone() for key, x in generator.state_dict().items()}
    training.load_init(tmp_path, generator=generator, discriminator=discriminator)
    assert all(torch.equal(x, before[key]) for key, x in generator.state_dict().items())


def test_weights_to_start_from_may_lack_the_discriminator(
    tmp_path: Path, make_params: Callable
) -> None:
    """Then the discriminator stays fresh; a generator of another shape is refused."""
    params = make_params()
    generator, discriminator = build_generator(params.model), Discriminator(params.model)
    save_file(generator.state_dict(), tmp_path / "generator.safetensors")
    before = {key: x.clone() for key, x in discriminator.state_dict().items()}
    training.load_init(tmp_path, generator=generator, discriminator=discriminator)
    assert all(torch.equal(x, before[key]) for key, x in discriminator.state_dict().items())
    wider = build_generator(params.model.model_copy(update={"width": 3}))
    with pytest.raises(RefcolorError, match=r"generator\.safetensors does not fit this network"):
        training.load_init(tmp_path, generator=wider, discriminator=discriminator)


@pytest.mark.parametrize(("seconds", "times"), [(1.9, 0), (3.0, 1)])
def test_a_training_that_slows_down_is_reported_once(
    make_run: Callable[..., Run],
    make_params: Callable,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
    times: int,
) -> None:
    """Twenty steps of a second and then steps of three: one line with both speeds; not for 1.9."""
    ticks = itertools.accumulate(itertools.chain([0.0, 0.0], [1.0] * 20, itertools.repeat(seconds)))
    monkeypatch.setattr(training, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    make_run()(make_params({"train.epochs": 40}))
    said = capsys.readouterr().out
    assert "about 1 minutes left" in said
    line = "training slowed to 0.33 steps/s, less than half of the 1 of its first steps"
    assert said.count("training slowed") == said.count(line) == times


def test_steps_above_a_million_are_written_in_full(tmp_path: Path) -> None:
    """The step of a row is a whole number, not rounded like a loss."""
    training.write_curves(tmp_path / "x" / "loss.csv", [{"step": 1234567.0, "a": 0.123456789}])
    assert (tmp_path / "x" / "loss.csv").read_text() == "step,a\n1234567,0.123457\n"
