"""State is replaced as a whole or not at all; models are weights without code in them."""

import json
import os
import pickle
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from refcolor.errors import RefcolorError
from refcolor.model.discriminator import Discriminator
from refcolor.model.generator import Generator, build_generator
from refcolor.params import ModelParams
from refcolor.training import checkpoint
from refcolor.training.checkpoint import (
    StateFile,
    describe,
    load_generator,
    load_weights,
    save_model,
)

PARAMS = ModelParams(
    attention="scft", width=2, levels=3, blocks=1, norm="batch", discriminator_width=2
)


class Clock:
    """A clock that stands still until it is told to move."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


class Evil:
    """What must never run when a file is opened."""

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return Path.touch, (Path("evil-was-here"),)  # type: ignore[return-value]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Stop the clock that decides when saving is due."""
    clock = Clock()
    monkeypatch.setattr(checkpoint.time, "monotonic", clock)
    return clock


@pytest.fixture
def model(tmp_path: Path) -> tuple[Path, Generator]:
    """A saved model and the generator that it was made from, its norm statistics moved."""
    torch.manual_seed(0)
    generator, discriminator = build_generator(PARAMS), Discriminator(PARAMS)
    generator(sketch=torch.rand(3, 1, 20, 28), reference=torch.rand(3, 3, 20, 28))
    save_model(
        tmp_path / "models",
        generator=generator,
        discriminator=discriminator,
        params=PARAMS,
        size=32,
    )
    return tmp_path / "models", generator.eval()


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    """Numbers, tensors, lists and nesting survive, and there is nothing before the first save."""
    file = StateFile(tmp_path / "key", epochs=2)
    assert file.load() is None
    file.save({"step": 7, "rows": [{"x": 0.1}], "random": torch.Generator().get_state()})
    state = StateFile(tmp_path / "key", epochs=2).load()
    assert state is not None
    assert (state["step"], state["rows"]) == (7, [{"x": 0.1}])
    assert torch.equal(state["random"], torch.Generator().get_state())


def test_a_kill_before_the_rename_leaves_the_old_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A save that is stopped at its last moment changes nothing, and the next one works."""
    file = StateFile(tmp_path, epochs=2)
    file.save({"step": 1})

    def killed(*_paths: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            file.save({"step": 2})
    assert StateFile(tmp_path, epochs=2).load() == {"step": 1}
    file.save({"step": 3})
    assert StateFile(tmp_path, epochs=2).load() == {"step": 3}


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_leaves_the_old_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state for which the disk has no space raises the system's OSError; the old state stays."""
    file = StateFile(tmp_path, epochs=2)
    file.save({"step": 1})

    def token(_bytes: int) -> str:
        (tmp_path / "2-epochs" / ".state.x.part").symlink_to("/dev/full")
        return "x"

    monkeypatch.setattr("secrets.token_hex", token)
    with pytest.raises(OSError, match="No space left on device"):
        file.save({"step": 2, "weights": torch.zeros(10_000)})
    assert StateFile(tmp_path, epochs=2).load() == {"step": 1}


def test_the_next_save_removes_the_rest_of_a_killed_one(tmp_path: Path) -> None:
    """A temporary file that a killed process left is gone after the next save."""
    file = StateFile(tmp_path, epochs=2)
    (tmp_path / "2-epochs" / ".state.0123456789abcdef.part").write_bytes(b"half")
    file.save({"step": 1})
    assert not list((tmp_path / "2-epochs").glob(".*.part"))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_under_a_model_raises_os_error(model: tuple[Path, Generator]) -> None:
    """Weights for which the disk has no space raise OSError, not an error of safetensors."""
    folder, generator = model
    (folder / "generator.safetensors").unlink()
    (folder / "generator.safetensors").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device"):
        save_model(folder, generator=generator, discriminator=generator, params=PARAMS, size=32)


@pytest.mark.parametrize("seconds", [20, 3])
def test_saving_is_due_after_save_seconds(tmp_path: Path, clock: Clock, seconds: float) -> None:
    """A save is due `save_seconds` after the start, and after the last quick save."""
    file = StateFile(tmp_path, epochs=2, save_seconds=seconds)
    clock.now += seconds
    assert not file.due()
    clock.now += 0.1
    assert file.due()
    file.save({})
    assert not file.due()
    clock.now += seconds + 0.1
    assert file.due()


def test_saving_costs_at_most_a_twentieth(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A save that took 3 seconds puts off the next one by 60."""
    file = StateFile(tmp_path, epochs=2)
    rename = os.replace

    def slow(*paths: Path) -> None:
        clock.now += 3
        rename(*paths)

    monkeypatch.setattr(checkpoint.os, "replace", slow)
    file.save({})
    clock.now += 59.9
    assert not file.due()
    clock.now += 0.2
    assert file.due()


def test_the_finished_mark_goes_with_the_next_state(tmp_path: Path) -> None:
    """A finished training is marked, until another state takes the place of its last one."""
    file = StateFile(tmp_path, epochs=2)
    file.save({"step": 1})
    assert not file.finished
    file.finish()
    assert StateFile(tmp_path, epochs=2).finished
    file.save({"step": 2})
    assert not StateFile(tmp_path, epochs=2).finished


def test_a_second_training_of_one_key_waits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """While a run holds the lock, another run of its length prints that it waits, and then runs."""
    entered = threading.Event()

    def second() -> None:
        with StateFile(tmp_path, epochs=2).locked():
            entered.set()

    thread = threading.Thread(target=second)
    with StateFile(tmp_path, epochs=2).locked():
        thread.start()
        assert not entered.wait(0.3)
        said = capsys.readouterr().out
    thread.join(10)
    assert said == "the same training runs already; waiting for it to end\n"
    assert entered.is_set()


def test_several_processes_do_not_wait(tmp_path: Path) -> None:
    """With `wait=False` the second training is refused while the first one runs."""
    with (
        StateFile(tmp_path, epochs=2).locked(),
        pytest.raises(RefcolorError, match=r"runs already, and several processes do not wait"),
        StateFile(tmp_path, epochs=2).locked(wait=False),
    ):
        raise AssertionError
    with StateFile(tmp_path, epochs=2).locked(wait=False):
        pass


def test_another_key_does_not_wait(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Trainings of different keys run side by side, and an error releases the lock."""
    with (
        pytest.raises(RefcolorError),
        StateFile(tmp_path / "a", epochs=2).locked(),
        StateFile(tmp_path / "b", epochs=2).locked(),
    ):
        raise RefcolorError("x")
    with StateFile(tmp_path / "a", epochs=2).locked():
        assert capsys.readouterr().out == ""


def test_another_length_does_not_wait(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A short training of a key runs while a long one holds its own state."""
    with StateFile(tmp_path, epochs=9).locked(), StateFile(tmp_path, epochs=1).locked():
        assert capsys.readouterr().out == ""


def test_a_training_starts_from_the_most_advanced_state_of_its_key(tmp_path: Path) -> None:
    """Of states at steps 2, 5 and 9 the one at 5 serves 6 steps, and all three stay."""
    files = {step: StateFile(tmp_path, epochs=100 + step) for step in (2, 5, 9)}
    for step, file in files.items():
        file.save({"step": step})
        (file.previews / f"step-{step}.png").write_bytes(b"x")
    files[5].finish()
    file = StateFile(tmp_path, epochs=3)
    assert file.resume(total_steps=6) == {"step": 5}
    assert [path.name for path in file.previews.iterdir()] == ["step-5.png"]
    assert file.resume(total_steps=1) is None
    assert [other.load() for other in files.values()] == [{"step": step} for step in files]
    assert files[5].finished


def test_a_training_prefers_its_own_state(tmp_path: Path) -> None:
    """Stopped at step 1 it goes on from there, though another length has come to step 5."""
    StateFile(tmp_path, epochs=9).save({"step": 5})
    file = StateFile(tmp_path, epochs=3)
    file.save({"step": 1})
    assert file.resume(total_steps=6) == {"step": 1}


def test_a_finished_training_starts_from_its_beginning(tmp_path: Path) -> None:
    """Its own state is no short cut for a forced run, and neither is that of another length."""
    StateFile(tmp_path, epochs=1).save({"step": 1})
    file = StateFile(tmp_path, epochs=2)
    file.save({"step": 2})
    file.finish()
    assert file.resume(total_steps=2) is None
    assert file.load() is None


def test_only_a_stopped_training_hands_on_its_run(tmp_path: Path) -> None:
    """The tracker's run is known after a kill, and no more after the end."""
    file = StateFile(tmp_path, epochs=2)
    assert file.run_id is None
    file.run_id = "abc"
    file.save({"step": 1})
    assert StateFile(tmp_path, epochs=2).run_id == "abc"
    file.finish()
    assert StateFile(tmp_path, epochs=2).run_id is None
    file.save({"step": 2})
    file.run_id = None
    assert StateFile(tmp_path, epochs=2).run_id is None


def test_clear_forgets_everything(tmp_path: Path) -> None:
    """State, mark and previews are gone; clearing twice is no error."""
    file = StateFile(tmp_path, epochs=2)
    file.save({"step": 1})
    file.finish()
    (file.previews / "step-1.png").write_bytes(b"x")
    file.clear()
    file.clear()
    assert file.load() is None
    assert not file.finished
    assert list(file.previews.iterdir()) == []


def test_a_pickle_inside_a_state_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A state with code in it is not opened, and the code does not run."""
    monkeypatch.chdir(tmp_path)
    file = StateFile(tmp_path, epochs=2)
    torch.save({"step": Evil()}, tmp_path / "2-epochs" / "state.pt")
    with pytest.raises(RefcolorError, match="not the state of a training"):
        file.load()
    assert not (tmp_path / "evil-was-here").exists()


def test_a_saved_generator_gives_the_same_pictures(model: tuple[Path, Generator]) -> None:
    """What is loaded answers as what was saved, in evaluation mode, norm statistics included."""
    folder, generator = model
    loaded = load_generator(folder)
    assert not loaded.training
    question = {"sketch": torch.rand(2, 1, 20, 28), "reference": torch.rand(2, 3, 20, 28)}
    assert torch.equal(loaded(**question).picture, generator(**question).picture)
    assert describe(folder) == (PARAMS, 32)


def test_equal_models_are_equal_bytes(model: tuple[Path, Generator], tmp_path: Path) -> None:
    """Saving again gives the same bytes, so that DVC sees no change."""
    folder, generator = model
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    discriminator = Discriminator(PARAMS)
    load_weights(discriminator, folder / "discriminator.safetensors")
    save_model(
        tmp_path / "again", generator=generator, discriminator=discriminator, params=PARAMS, size=32
    )
    assert {path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()} == before
    assert set(before) == {"generator.safetensors", "discriminator.safetensors", "model.json"}


def test_channels_last_weights_are_saved(tmp_path: Path) -> None:
    """A network in another memory format, as in training, is written like any other."""
    network = nn.Conv2d(3, 5, 3).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    save_model(tmp_path, generator=network, discriminator=network, params=PARAMS, size=32)
    loaded = nn.Conv2d(3, 5, 3)
    load_weights(loaded, tmp_path / "generator.safetensors")
    assert torch.equal(loaded.weight, network.weight)


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    """A wrong folder says so, and what to do."""
    with pytest.raises(
        RefcolorError, match=r"does not hold a model \(model.json is missing\); run `dvc"
    ):
        load_generator(tmp_path)


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", '{"model": {"width": 2}, "size": 32}', '{"model": 5, "size": 1}']
)
def test_a_description_of_something_else_is_refused(
    model: tuple[Path, Generator], text: str
) -> None:
    """A model.json that is damaged or of another program is named."""
    (model[0] / "model.json").write_text(text)
    with pytest.raises(
        RefcolorError, match=r"model\.json does not describe a model of refcolor; train"
    ):
        load_generator(model[0])


def test_missing_weights_are_named(model: tuple[Path, Generator]) -> None:
    """A description without its weights names the file."""
    (model[0] / "generator.safetensors").unlink()
    with pytest.raises(RefcolorError, match=r"generator\.safetensors is missing; train a model"):
        load_generator(model[0])


def test_weights_of_another_network_are_refused(model: tuple[Path, Generator]) -> None:
    """Weights and description must be of one model."""
    path = model[0] / "model.json"
    description = json.loads(path.read_text())
    description["model"]["width"] = 3
    path.write_text(json.dumps(description))
    with pytest.raises(RefcolorError, match=r"does not fit this network; .* same `model` param"):
        load_generator(model[0])


@pytest.mark.parametrize("save", [torch.save, lambda x, path: path.write_bytes(pickle.dumps(x))])
def test_a_pickle_under_a_safe_name_is_refused(
    model: tuple[Path, Generator],
    save: Callable[[object, Path], object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A pickle that calls itself safetensors is never unpickled."""
    monkeypatch.chdir(model[0])
    save({"weight": Evil()}, model[0] / "generator.safetensors")
    with pytest.raises(RefcolorError, match="must be a safetensors file"):
        load_generator(model[0])
    assert not (model[0] / "evil-was-here").exists()
