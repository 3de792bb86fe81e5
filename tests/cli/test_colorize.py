"""`refcolor colorize` and `refcolor match` from the command line."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from xml.etree import ElementTree
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image

from refcolor.colorize import colorizer
from refcolor.colorize.documents import Layer
from refcolor.colorize.ora import write_ora
from refcolor.colorize.psd import write_psd
from refcolor.io import image
from tests.colorize.material import blocks, line_art, save_tiny

from .conftest import CommandResult


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with three drawings and two references; the default model is a tiny one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(colorizer, "DEMO", save_tiny(tmp_path / "package"))
    for index, name in enumerate("abc"):
        image.write(Path(f"drawings/{name}.png"), line_art(64, 40 + index))
    for index, name in enumerate("ab"):
        image.write(Path(f"colors/{name}.png"), blocks(48, 48, seed=index))
    return tmp_path


def test_a_drawing_is_coloured(folder: Path, refcolor: Callable[..., CommandResult]) -> None:
    """An OUT with a picture's extension is the result, in the drawing's own size."""
    result = refcolor("colorize", "drawings/a.png", "-r", "colors/a.png", "-o", "x/y.png")
    assert (result.code, result.out) == (0, "coloured: 1\n")
    assert image.read(Path("x/y.png")).shape == (64, 40, 3)


@pytest.mark.parametrize("references", [["-r", "colors/a.png"], ["-r", "colors/a.png", "-r"]])
def test_the_drawing_may_stand_behind_the_reference(
    references: list[str], folder: Path, refcolor: Callable[..., CommandResult]
) -> None:
    """Of two names after -r without a drawing, the second is the drawing."""
    result = refcolor("colorize", *references, "drawings/a.png", "-o", "out/a.png")
    assert (result.code, result.out) == (0, "coloured: 1\n")
    assert image.read(Path("out/a.png")).shape == (64, 40, 3)


def test_a_folder_is_coloured_by_name(folder: Path, refcolor: Callable[..., CommandResult]) -> None:
    """A drawing without a reference of its name is reported; the others are done, the code is 1."""
    result = refcolor("colorize", "drawings", "--reference", "colors", "--output", "out")
    assert result.code == 1
    assert sorted(os.listdir("out")) == ["a.png", "b.png"]
    assert "failed: drawings/c.png has no reference called c" in result.err
    assert result.last == "refcolor: 1 failed, as listed above; all else is done"
    second = refcolor("colorize", "drawings", "--reference", "colors", "--output", "out")
    assert second.out == "coloured: 0, 2 were there already (--force makes them again)\n"


def test_a_character_sheet(folder: Path, refcolor: Callable[..., CommandResult]) -> None:
    """All drawings are coloured after all its pictures; what cannot be read there is named."""
    Path("colors/c.png").write_text("hello, I am a text")
    result = refcolor("colorize", "drawings", "--sheet", "colors", "-o", "out")
    assert (result.code, result.out) == (1, "coloured: 3\n")
    assert "failed: colors/c.png is not a picture" in result.err
    assert sorted(os.listdir("out")) == ["a.png", "b.png", "c.png"]


def test_flat_colors_and_chosen_colors(
    folder: Path, refcolor: Callable[..., CommandResult]
) -> None:
    """The box takes the colour of its spot, in flat and soft colours; around it is paper."""
    mask = np.zeros((64, 40), np.uint8)
    mask[:, :10] = 255
    image.write(Path("mask.png"), mask)
    hints = ("--match", "20,32=#3a7bd5", "--keep", "mask.png", "--keep", "20,8")
    for look in ("--flat", "--soft"):
        result = refcolor(
            "colorize", "drawings/a.png", "-r", "colors/a.png", "-o", look[2:], look, *hints
        )
        assert result.code == 0
    flat, soft = (image.read(Path(f"{look}/a.png")) for look in ("flat", "soft"))
    assert flat[32, 20].tolist() == [0x3A, 0x7B, 0xD5]
    assert np.abs(np.median(soft[28:36, 16:24], axis=(0, 1)) - flat[32, 20]).max() <= 8
    assert (flat[8, 20:26] == 255).all()
    assert (flat[20:40, 7:9] == 255).all()


def test_a_mask_of_another_size_fails_only_those_drawings(
    folder: Path, refcolor: Callable[..., CommandResult]
) -> None:
    """The drawing that fits the mask is coloured; the others are listed with both sizes."""
    image.write(Path("mask.png"), np.zeros((64, 41), np.uint8))
    result = refcolor(
        *("colorize", "drawings", "-r", "colors/a.png", "-o", "out", "--keep", "mask.png")
    )
    assert result.code == 1
    assert os.listdir("out") == ["b.png"]
    assert (
        "a.png: the mask of what stays paper has 41 x 64 pixels, the drawing 40 x 64" in result.err
    )


def test_layers_and_psd(folder: Path, refcolor: Callable[..., CommandResult]) -> None:
    """Colours, lines and a PSD lie beside the result."""
    refcolor(
        *("colorize", "drawings/a.png", "-r", "colors/a.png", "-o", "out", "--layers", "--psd")
    )
    assert sorted(os.listdir("out")) == ["a.png", "a.psd", "a_colors.png", "a_lines.png"]


def test_results_keep_resolution_transparency_and_folders(
    folder: Path, refcolor: Callable[..., CommandResult]
) -> None:
    """A tree of drawings: resolution, transparency, 16 bits, and the line layers of PSD and ORA.

    The line layer is the drawing of a.png, below it are areas that no line drawing has.
    """
    lines = line_art(64, 40)
    pages, clear = Path("pages"), np.dstack([lines, np.full(lines.shape[:2], 255, np.uint8)])
    clear[:, 37:, 3] = 0
    for name in ("1", "2"):
        (pages / name).mkdir(parents=True)
    Image.fromarray(clear).save(pages / "1/cut.png", dpi=(300, 300))
    sixteen = Image.fromarray(lines[..., 0].astype(np.uint16) * 257)
    sixteen.save(pages / "2/deep.tif", dpi=(600, 600))
    ink = np.dstack([np.zeros_like(lines), 255 - lines[..., 0]])
    layers = [Layer("rough", np.full((64, 40, 4), 90, np.uint8)), Layer("ink", ink)]
    write_psd(pages / "2/a.psd", layers, np.full((64, 40, 3), 90, np.uint8), (350, 350))
    write_ora(pages / "b.ora", layers, lines, (72, 72))
    image.write(pages / "c.png", lines)
    command = ("colorize", "pages", "-r", "colors/a.png", "-o", "out", "--ora", "--psd")
    result = refcolor(*command)
    assert result.code == 1  # the merged picture of the PSD is an area without lines
    assert len(result.err.splitlines()) == 3 and "pages/2/a.psd: " in result.err
    names = {path.relative_to("out").as_posix() for path in Path("out").rglob("*.png")}
    assert names == {"1/cut.png", "2/deep.png", "b.png", "c.png"}
    with Image.open("out/1/cut.png") as cut:
        assert cut.mode == "RGBA"
        assert cut.info["dpi"] == pytest.approx((300, 300), abs=0.02)
        np.testing.assert_array_equal(np.asarray(cut)[..., 3], clear[..., 3])
    with Image.open("out/2/deep.png") as deep:
        assert deep.info["dpi"] == pytest.approx((600, 600), abs=0.02)
    black = lines[..., 0] == 0
    for name in ("1/cut", "2/deep", "b", "c"):
        assert (image.read(Path(f"out/{name}.png"))[black] == 0).all()
    with ZipFile("out/b.ora") as archive:
        root = ElementTree.fromstring(archive.read("stack.xml"))
    assert [child.get("name") for child in root[0]] == ["lines", "colors"]

    result = refcolor(*command, "--layer", "ink", "--force")
    assert result.code == 1
    assert result.out == "coloured: 2\n"
    assert "cut.png has no layers; colour it without a layer name" in result.err
    with Image.open("out/2/a.png") as opened:
        assert opened.info["dpi"] == pytest.approx((350, 350), abs=0.02)
    assert (image.read(Path("out/2/a.png"))[black] == 0).all()

    result = refcolor(*command, "--layer", "linen", "--force")
    assert "a.psd has no layer 'linen'; it has ink, rough" in result.err


def test_a_line_of_a_table_may_name_several_references(
    folder: Path, refcolor: Callable[..., CommandResult]
) -> None:
    """A line with two references is done; a line whose output would leave the folder is refused."""
    Path("pairs.csv").write_text(
        "sketch,reference,reference2,output\n"
        "drawings/a.png,colors/a.png,colors/b.png,\n"
        "drawings/b.png,colors/a.png,,../b\n"
    )
    result = refcolor("colorize", "--pairs", "pairs.csv", "-o", "out")
    assert result.code == 1
    assert os.listdir("out") == ["a.png"]
    assert not Path("b.png").exists()
    assert "pairs.csv line 3: output '../b' would leave the folder out" in result.err


@pytest.mark.slow
def test_ctrl_c_leaves_complete_results_and_the_next_call_makes_the_rest(
    folder: Path, refcolor: Callable[..., CommandResult]
) -> None:
    """It ends with one line and 130; finished results are complete and are not made again."""
    image.write(Path("many/0.png"), line_art(256, 256))
    for index in range(1, 100):
        shutil.copy("many/0.png", f"many/{index}.png")
    arguments = ["colorize", "many", "-r", "colors/a.png", "-o", "out", "--layers"]
    process = subprocess.Popen(
        [sys.executable, "-c", "from refcolor.cli.main import main; main()", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        # Tests in the background ignore Ctrl-C, and what they start would too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while not list(folder.glob("out/1?.png")):
        assert process.poll() is None, "it ended before it could be stopped"
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stderr.endswith("\nrefcolor: stopped. The same command goes on from here.\n")
    assert "Traceback" not in stderr
    files = sorted(os.listdir("out"))
    assert all(image.read(Path("out", name)).shape == (256, 256, 3) for name in files)
    finished = [name for name in files if "_" not in name]
    assert 0 < len(finished) < 100
    result = refcolor(*arguments)
    skipped = f"{len(finished)} were there already (--force makes them again)"
    assert result.out == f"coloured: {100 - len(finished)}, {skipped}\n"


def test_a_match_changes_the_picture(folder: Path, refcolor: Callable[..., CommandResult]) -> None:
    """The same drawing with and without a hint differs."""
    command = ("colorize", "drawings/a.png", "-r", "colors/a.png", "-o")
    refcolor(*command, "plain.png")
    refcolor(*command, "hinted.png", "--match", "20,30=40,8", "--match", "5,5=1:2,2")
    plain, hinted = (image.read(Path(f"{name}.png")) for name in ("plain", "hinted"))
    assert not np.array_equal(plain, hinted)


ONE = ("colorize", "drawings/a.png", "-r", "colors/a.png", "-o", "out")
ALL = ("colorize", "drawings", "-r", "colors/a.png", "-o", "out")
MATCH = ("match", "drawings/a.png", "colors/a.png", "-o")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["colorize", "drawings/a.png", "-o", "out"], 2, "no reference was named"),
        (ONE[:-2], 2, "required: -o/--output"),
        ([*ALL[:-1], "drawings"], 2, "would be overwritten"),
        (["colorize", "--pairs", "p.csv", "drawings", "-o", "out"], 2, "leave SKETCH, --reference"),
        ([*ONE, "--sheet", "colors"], 2, "--sheet names the references of all drawings; leave"),
        (["colorize", "a.png", "--sheet", "colors", "--soft", "-o", "out"], 2, "leave --soft out"),
        (["colorize", "--pairs", "p.csv", "--sheet", "colors", "-o", "out"], 2, "--pairs out"),
        (["colorize", "drawings", "--sheet", "none", "-o", "out"], 2, "none does not exist"),
        ([*ONE, "--match", "1,1"], 2, "a match reads X,Y=U,V in pixels"),
        ([*ALL, "--match", "1,2=#12345g"], 2, "a match reads X,Y=U,V in pixels"),
        ([*ALL, "--match", "1,2=red"], 2, "X,Y=#rrggbb for any colour"),
        ([*ALL, "--match", "1,1=1,1"], 2, "point at spots of one drawing, but there are 3"),
        ([*ALL, "--keep", "1,1"], 2, "point at spots of one drawing, but there are 3"),
        ([*ALL, "--keep", "none.png"], 2, "takes a spot X,Y or the picture of a mask, got 'none."),
        (["colorize", "-r", "a", "b", "c", "-o", "out"], 2, "no sketch was named; write it first"),
        (["colorize", "-r", "a", "b", "--together", "-o", "out"], 2, "no sketch was named"),
        (
            ["colorize", "a", "-r", "https://e.org/a.png", "-o", "out"],
            2,
            "https://e.org/a.png is a",
        ),
        ([*ONE, "--keep", "https://e.org/a.png"], 2, "https://e.org/a.png is a web address"),
        ([*ALL, "--flat-tolerance", "-2"], 2, "the tolerance of flats must be 0 or more"),
        ([*ONE, "--model", "colors"], 1, "colors does not hold a model"),
        ([*ONE, "--match", "9,9=2"], 1, "match 9,9=2 names reference 2, but there is 1"),
        ([*ONE, "--match", "500,1=1,1"], 1, "500,1 lies outside of the sketch, which is 40 x 64"),
        ([*ALL[:-1], "colors/a.png/out"], 1, "Not a directory"),
        ([*MATCH, "who.jpg"], 2, "write -o who.png"),
        ([*MATCH, "drawings/a.png"], 2, "one of the pictures given"),
        ([*MATCH, "who.png", "--at", "1"], 2, "a spot reads X,Y"),
        ([*MATCH, "who.png", "--at", "99,1"], 1, "99,1 lies outside of the drawing"),
    ],
)
def test_wrong_use_exits_with_2_and_impossible_values_with_1(
    folder: Path,
    refcolor: Callable[..., CommandResult],
    arguments: Sequence[str],
    code: int,
    message: str,
) -> None:
    """There is a message and no traceback, and nothing is written."""
    result = refcolor(*arguments)
    assert result.code == code
    assert message in (result.last if code == 2 else result.err)
    assert "Traceback" not in result.err
    assert not list(folder.glob("out/*")) + list(folder.glob("who.*"))


def test_the_default_is_the_model_of_the_package_even_beside_a_trained_one(
    folder: Path, refcolor: Callable[..., CommandResult]
) -> None:
    """models/ is used only where --model names it; a name that does not exist is an error."""
    save_tiny(Path("models"), seed=1)
    colored = {}
    for name, model in (("default", []), ("mine", ["models"]), ("same", ["package"])):
        options = ["--model", *model] if model else []
        result = refcolor("colorize", "drawings/a.png", "-r", "colors/a.png", "-o", name, *options)
        assert result.code == 0
        colored[name] = Path(name, "a.png").read_bytes()
    assert colored["default"] == colored["same"] != colored["mine"]
    wrong = refcolor(
        *("colorize", "drawings/a.png", "-r", "colors/a.png", "-o", "o", "--model", "nowhere")
    )
    assert wrong.code == 1
    assert "nowhere does not hold a model" in wrong.err


def test_match_draws_a_picture(folder: Path, refcolor: Callable[..., CommandResult]) -> None:
    """The name of the picture is printed; --spot gives another one."""
    result = refcolor("match", "drawings/a.png", "colors/a.png", "-o", "who.png")
    assert (result.code, result.out) == (0, "who.png\n")
    spot = refcolor("match", "drawings/a.png", "colors/a.png", "-o", "at.png", "--at", "20,30")
    assert spot.code == 0
    whole, single = (image.read(Path(f"{name}.png")) for name in ("who", "at"))
    assert whole.shape == single.shape
    assert not np.array_equal(whole, single)
