"""The commands card, export, sketch and metrics: output and exit codes."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from refcolor.characters import draw_palette, draw_shape, render
from refcolor.cli import sketch
from refcolor.colorize.colorizer import Colorizer
from refcolor.evaluation.features.inception import WEIGHTS
from refcolor.evaluation.real_drawings import read_real_pairs, real_drawings
from refcolor.io import image
from refcolor.lines import sketch as xdog

from ..colorize.material import blocks, line_art, save_tiny
from .conftest import CommandResult

Run = Callable[..., CommandResult]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A tiny model."""
    return save_tiny(tmp_path / "models")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of three characters."""
    for index in range(3):
        drawn = render(draw_shape(1, index), draw_palette(2, index), size=64).color
        image.write(tmp_path / f"pictures/{index}.png", drawn)
    return tmp_path / "pictures"


def test_presets_are_those_of_the_pipeline() -> None:
    """The command lists every preset without importing them, which would slow its help."""
    assert set(sketch.PRESETS) == set(xdog.PRESETS)


def test_exit_codes_of_sketch(pictures: Path, tmp_path: Path, refcolor: Run) -> None:
    """0 when all is drawn or exists already, 1 with a line for each failure."""
    out = tmp_path / "lines"
    arguments = (pictures, "-o", out, "--preset", "all", "--size", 48, "--workers", 1)
    result = refcolor("sketch", *arguments)
    assert result.code == 0
    assert result.out == f"9 drawn into {out}\n"
    (pictures / "broken.png").write_bytes(b"no")
    result = refcolor("sketch", *arguments)
    assert result.code == 1
    assert result.out == f"0 drawn into {out}, 9 were there already (--force draws them again)\n"
    assert "broken.png is not a picture" in result.err
    assert result.err.endswith("refcolor: 3 could not be drawn; they are listed above\n")


def test_sketch_of_a_missing_folder_exits_with_2(tmp_path: Path, refcolor: Run) -> None:
    """The message is one line."""
    result = refcolor("sketch", tmp_path / "nowhere", "-o", tmp_path)
    assert result.code == 2
    (line,) = result.err.strip().splitlines()
    assert "nowhere does not exist" in line


def test_metrics_prints_numbers_or_json(pictures: Path, tmp_path: Path, refcolor: Run) -> None:
    """Both forms have the same numbers; unpaired names are listed beside them."""
    image.write(tmp_path / "b/0.png", image.read(pictures / "0.png")[:, ::-1])
    image.write(tmp_path / "b/1.png", image.read(pictures / "1.png"))
    result = refcolor("metrics", pictures, tmp_path / "b", "--workers", 1)
    assert result.code == 0
    assert f"only in {pictures}: 2" in result.err
    rows = dict(line.rsplit(maxsplit=1) for line in result.out.splitlines())
    assert rows["pairs"] == "2"
    result = refcolor("metrics", pictures, tmp_path / "b", "--json", "--workers", 1)
    assert result.code == 0
    numbers = json.loads(result.out)
    assert numbers["pictures"]["1"]["ssim"] == 1
    assert numbers["alone"] == [["2"], []]
    for name in ("ssim", "ms_ssim", "psnr", "delta_e", "fid_random", "kid_random"):
        assert float(rows[name]) == pytest.approx(numbers[name], rel=1e-5)


def test_exit_codes_of_metrics(pictures: Path, tmp_path: Path, refcolor: Run) -> None:
    """1 after all other numbers for a pair of two sizes; 2 for a missing folder."""
    image.write(tmp_path / "b/0.png", np.zeros((20, 30, 3), np.uint8))
    image.write(tmp_path / "b/1.png", image.read(pictures / "1.png"))
    result = refcolor("metrics", pictures, tmp_path / "b", "--workers", 1)
    assert result.code == 1
    assert "0.png is 64 x 64 and" in result.err
    assert "pairs               1\n" in result.out
    result = refcolor("metrics", pictures, tmp_path / "nowhere")
    assert result.code == 2


def test_metrics_without_weights_names_the_option(
    pictures: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    refcolor: Run,
) -> None:
    """Weights that cannot be fetched give one line that names the option, not a parameter."""
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    WEIGHTS.path.write_bytes(b"another file")
    result = refcolor("metrics", pictures, pictures, "--features", "inception")
    assert result.code == 1
    (line,) = result.err.strip().splitlines()
    assert "give --features random to do without them" in line
    assert "evaluate.features" not in line


@pytest.fixture
def drawings(tmp_path: Path) -> Path:
    """A folder of two drawings, of which one has a truth with labels."""
    folder = tmp_path / "drawings"
    image.write(folder / "line.png", line_art(64, 48))
    image.write(folder / "color.png", blocks(64, 48))
    image.write(folder / "labels.png", np.ones((64, 48), np.uint8))
    rows = ("line.png,color.png,color.png,labels.png", "line.png,color.png,,")
    (folder / "pairs.csv").write_text("\n".join(("sketch,reference,truth,labels", *rows)))
    return folder


def test_metrics_of_a_model_on_drawings(
    drawings: Path, model: Path, tmp_path: Path, refcolor: Run
) -> None:
    """Its numbers are those of the evaluation, its rises stand below, and a sheet is written."""
    sheet = tmp_path / "sheet.png"
    common = ("metrics", "--pairs", drawings, "--model", model)
    result = refcolor(*common, "--rises", "-o", sheet)
    assert result.code == 0, result.err
    rows = {name: float(number) for name, number in map(str.split, result.out.splitlines())}
    pairs = read_real_pairs(drawings)
    numbers = real_drawings(Colorizer.load(model, device="cpu"), pairs).numbers
    assert (rows["real_pairs"], rows["real_truths"]) == (2, 1)
    assert rows["real_delta_e"] == pytest.approx(numbers["real_delta_e"], rel=1e-4)
    changes = ("frame", "margin", "thin", "thick", "small", "second", "size_3_4", "size_4_3")
    assert [name for name in rows if name.startswith("rise_")] == [f"rise_{c}" for c in changes]
    assert image.read(sheet).shape[0] == 256
    flat = json.loads(refcolor(*common, "--flat", "--json").out)
    assert flat["real_delta_e"] != pytest.approx(numbers["real_delta_e"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "there must be two folders, A and B, or --pairs FOLDER"),
        (("a",), "there must be two folders, A and B, or --pairs FOLDER"),
        (("a", "b", "--rises"), "--rises needs --pairs FOLDER"),
        (("a", "--pairs", "b"), "--pairs takes no other folder, got a"),
        (("--pairs", "nowhere"), "nowhere/pairs.csv does not exist"),
    ],
)
def test_metrics_needs_two_folders_or_a_table(
    arguments: tuple[str, ...], message: str, refcolor: Run
) -> None:
    """Without two folders or --pairs the exit code is 2, and the message says what is missing."""
    result = refcolor("metrics", *arguments)
    assert result.code == 2
    assert message in result.last


def test_rises_need_a_truth(drawings: Path, refcolor: Run) -> None:
    """Without true colours there is no error that could rise, and the exit code is 2."""
    (drawings / "pairs.csv").write_text("sketch,reference,truth\nline.png,color.png,\n")
    result = refcolor("metrics", "--pairs", drawings, "--rises")
    assert result.code == 2
    assert "--rises needs drawings with a truth" in result.last


def test_card_prints_or_writes(model: Path, tmp_path: Path, refcolor: Run) -> None:
    """The card is printed, or written to a file with the same text."""
    result = refcolor("card", "--model", model, "--repository", tmp_path)
    assert result.code == 0
    page = result.out
    assert page.startswith("---\nlicense: other\n")
    result = refcolor("card", "--model", model, "--repository", tmp_path, "-o", tmp_path / "x/C.md")
    assert result.code == 0
    assert (tmp_path / "x/C.md").read_text() == page


@pytest.mark.slow
def test_export_prints_file_size_difference_and_checksum(
    model: Path, tmp_path: Path, refcolor: Run
) -> None:
    """One line: file, size, difference and checksum."""
    result = refcolor("export", "--onnx", tmp_path / "g.onnx", "--model", model)
    assert result.code == 0
    (line,) = result.out.strip().splitlines()
    assert line.startswith(f"{tmp_path / 'g.onnx'}: 32 x 32 pixels, ")
    assert "weights SHA-256" in line


def test_export_of_a_missing_model_exits_with_1(tmp_path: Path, refcolor: Run) -> None:
    """The message is one line."""
    result = refcolor("export", "--onnx", tmp_path / "g.onnx", "--model", tmp_path)
    assert result.code == 1
    assert "does not hold a model" in result.err
