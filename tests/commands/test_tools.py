"""The commands card, export, sketch and metrics: what they print, and how they end."""

import argparse
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from refcolor import errors, image
from refcolor import sketch as xdog
from refcolor.checkpoint import save_model
from refcolor.commands import card, export, metrics, sketch
from refcolor.features.inception import WEIGHTS
from refcolor.model.discriminator import Discriminator
from refcolor.model.generator import build_generator
from refcolor.params import ModelParams
from refcolor.sources.sample import draw_palette, draw_shape, render

PARAMS = ModelParams(
    attention="scft", width=2, levels=3, blocks=1, norm="batch", discriminator_width=2
)


def run(command: ModuleType, *arguments: object) -> int:
    """Run a command as the command line does, and give its exit code."""
    parser = argparse.ArgumentParser(prog="refcolor")
    command.add(parser.add_subparsers())
    name = command.__name__.rpartition(".")[2]
    try:
        parsed = parser.parse_args([name, *map(str, arguments)])
        errors.run(lambda: parsed.command(parsed))
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A tiny model."""
    torch.manual_seed(0)
    networks = {"generator": build_generator(PARAMS), "discriminator": Discriminator(PARAMS)}
    save_model(tmp_path / "models", **networks, params=PARAMS, size=32)
    return tmp_path / "models"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of three characters."""
    for index in range(3):
        drawn = render(draw_shape(1, index), draw_palette(2, index), size=64).color
        image.write(tmp_path / f"pictures/{index}.png", drawn)
    return tmp_path / "pictures"


def test_presets_are_those_of_the_pipeline() -> None:
    """The command names every preset that there is: it does not import them for its help."""
    assert set(sketch.PRESETS) == set(xdog.PRESETS)


def test_sketch_draws_keeps_and_fails(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 when all is drawn, 0 when all is there, 1 with a line for what fails."""
    out = tmp_path / "lines"
    arguments = (pictures, "-o", out, "--preset", "all", "--size", 48, "--workers", 1)
    assert run(sketch, *arguments) == 0
    assert capsys.readouterr().out == f"9 drawn into {out}\n"
    (pictures / "broken.png").write_bytes(b"no")
    assert run(sketch, *arguments) == 1
    said = capsys.readouterr()
    assert said.out == f"0 drawn into {out}, 9 were there already (--force draws them again)\n"
    assert "broken.png is no picture" in said.err
    assert said.err.endswith("refcolor: 3 could not be drawn; they are listed above\n")


def test_sketch_of_nothing_is_wrong_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that is missing ends with 2 and one line."""
    assert run(sketch, tmp_path / "nowhere", "-o", tmp_path) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "nowhere does not exist" in line


def test_metrics_prints_numbers_or_json(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same numbers both ways; names without a partner are told beside them."""
    image.write(tmp_path / "b/0.png", image.read(pictures / "0.png")[:, ::-1])
    image.write(tmp_path / "b/1.png", image.read(pictures / "1.png"))
    assert run(metrics, pictures, tmp_path / "b", "--workers", 1) == 0
    said = capsys.readouterr()
    assert f"only in {pictures}: 2" in said.err
    rows = dict(line.rsplit(maxsplit=1) for line in said.out.splitlines())
    assert rows["pairs"] == "2"
    assert run(metrics, pictures, tmp_path / "b", "--json", "--workers", 1) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["pictures"]["1"]["ssim"] == 1
    assert found["alone"] == [["2"], []]
    for name in ("ssim", "ms_ssim", "psnr", "delta_e", "fid_random", "kid_random"):
        assert float(rows[name]) == pytest.approx(found[name], rel=1e-5)


def test_metrics_fails_with_what_cannot_be_measured(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pair of two sizes ends with 1 after all other numbers; a missing folder with 2."""
    image.write(tmp_path / "b/0.png", np.zeros((20, 30, 3), np.uint8))
    image.write(tmp_path / "b/1.png", image.read(pictures / "1.png"))
    assert run(metrics, pictures, tmp_path / "b", "--workers", 1) == 1
    said = capsys.readouterr()
    assert "0.png is 64 x 64 and" in said.err
    assert "pairs               1\n" in said.out
    assert run(metrics, pictures, tmp_path / "nowhere") == 2


def test_metrics_without_inception_names_the_option(
    pictures: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Weights that cannot be fetched are one line that names the option, not a parameter."""
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    WEIGHTS.place.write_bytes(b"another file")
    assert run(metrics, pictures, pictures, "--features", "inception") == 1
    said = capsys.readouterr().err.strip()
    assert "give --features random, which does without" in said
    assert "evaluate.features" not in said
    assert len(said.splitlines()) == 1


def test_card_prints_or_writes(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The page comes to the screen, or into a file, as the same text."""
    assert run(card, "--model", model, "--repository", tmp_path) == 0
    page = capsys.readouterr().out
    assert page.startswith("---\nlicense: other\n")
    assert run(card, "--model", model, "--repository", tmp_path, "-o", tmp_path / "x/C.md") == 0
    assert (tmp_path / "x/C.md").read_text() == page


@pytest.mark.slow
def test_export_says_what_it_wrote(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line: file, size, difference and checksum."""
    assert run(export, "--onnx", tmp_path / "g.onnx", "--model", model) == 0
    (line,) = capsys.readouterr().out.strip().splitlines()
    assert line.startswith(f"{tmp_path / 'g.onnx'}: 32 x 32 pixels, ")
    assert "weights SHA-256" in line


def test_export_of_nothing_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder without a model ends with 1."""
    assert run(export, "--onnx", tmp_path / "g.onnx", "--model", tmp_path) == 1
    assert "holds no model" in capsys.readouterr().err
