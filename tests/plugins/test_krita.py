"""The dock in a real Krita, without a screen: its layers are those of `refcolor colorize`."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from refcolor import characters
from refcolor.colorize.documents import Layer
from refcolor.colorize.ora import read_ora, write_ora
from refcolor.io import image

KRITA = Path(shutil.which("krita") or "")
ROOT = Path(__file__).parents[2]
SIDE = 160
DEFAULTS = {"layer": "inks", "depth": "U8", "flat": True, "size": 0, "stop": False}
CONFIGURATION = """[python]
enable_refcolor_krita=true
enable_krita_driver=true
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (shutil.which("krita") and shutil.which("xvfb-run")), reason="krita or xvfb is missing"
    ),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with drawings and references, and with what Krita made of them."""
    folder = tmp_path_factory.mktemp("krita")
    drawn = [
        characters.render(
            characters.draw_shape(7, index), characters.draw_palette(7, index), size=SIDE
        )
        for index in range(3)
    ]
    ink = np.where(drawn[0].ink, 255, 0).astype(np.uint8)
    inks = np.dstack([np.zeros((SIDE, SIDE, 3), np.uint8), ink])
    paper = np.full((SIDE, SIDE, 4), 255, np.uint8)
    layers = [Layer("paper", paper), Layer("inks", inks), Layer("notes", np.zeros_like(inks))]
    write_ora(folder / "layers.ora", layers, np.dstack([255 - ink] * 3), None)
    Image.fromarray(inks).save(folder / "inks.png")
    image.write(folder / "scan.png", np.dstack([255 - ink] * 3))
    image.write(folder / "empty.png", paper[..., :3])
    references = [str(folder / f"reference-{index}.png") for index in range(2)]
    for path, picture in zip(references, drawn[1:], strict=True):
        image.write(Path(path), picture.color)

    program = folder / "refcolor"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m refcolor "$@"\n')
    program.chmod(0o755)
    common = DEFAULTS | {"program": str(program), "references": references[:1]}
    ora, scan = str(folder / "layers.ora"), str(folder / "scan.png")
    cases = [
        common | {"name": "flat", "drawing": ora},
        common | {"name": "deep", "drawing": ora, "depth": "U16"},
        common
        | {"name": "soft", "drawing": scan, "layer": "Background", "flat": False}
        | {"references": references, "size": 96},
        common | {"name": "alone", "drawing": str(folder / "inks.png"), "layer": "Background"},
        common | {"name": "stopped", "drawing": ora, "stop": True},
        common | {"name": "empty", "drawing": str(folder / "empty.png"), "layer": "Background"},
        common | {"name": "elsewhere", "drawing": ora, "program": "/nowhere/refcolor"},
    ]
    (folder / "cases.json").write_text(json.dumps(cases), encoding="utf-8")
    run_krita(folder)

    color = [program, "colorize", "--ora", "--output"]
    flat = [*color, folder / "flat-cli.png", ora, "--layer", "inks", "-r", references[0]]
    soft = [*color, folder / "soft-cli.png", scan, "-r", *references, "--together", "--soft"]
    for command in (flat, [*soft, "--size", "96"]):
        subprocess.run(command, check=True)
    return folder


def run_krita(folder: Path) -> None:
    """Start Krita with the dock and the driver, in a home of its own, and wait for its end."""
    plugins = folder / "share" / "krita" / "pykrita"
    shutil.copytree(ROOT / "plugins" / "krita", plugins)
    driver = plugins / "krita_driver"
    driver.mkdir()
    shutil.copy(ROOT / "tests" / "plugins" / "krita_driver.py", driver / "__init__.py")
    desktop = (plugins / "refcolor_krita.desktop").read_text(encoding="utf-8")
    (plugins / "krita_driver.desktop").write_text(desktop.replace("refcolor_krita", "krita_driver"))
    (folder / "config").mkdir()
    (folder / "config" / "kritarc").write_text(CONFIGURATION)
    # Mesa's software rendering may wait for Xvfb for ever.
    (folder / "config" / "kritadisplayrc").write_text("[General]\nOpenGLRenderer=none\n")
    environment = {"HOME": str(folder), "DRIVER": str(folder), "QT_QPA_PLATFORM": "xcb"}
    environment["PATH"] = str(KRITA.parent)  # a virtual environment hides the Python of Krita
    environment["QT_QUICK_BACKEND"] = "software"
    for name in ("share", "config", "cache", "state", "runtime"):
        (folder / name).mkdir(exist_ok=True, mode=0o700)
    environment |= {
        "XDG_DATA_HOME": str(folder / "share"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "XDG_RUNTIME_DIR": str(folder / "runtime"),
    }
    screen = ["xvfb-run", "--auto-servernum", "--server-args=-screen 0 1280x900x24"]
    with (folder / "krita.log").open("wb") as log:
        subprocess.run(
            [*screen, "krita", "--nosplash"],
            env=environment,
            stdout=log,
            stderr=log,
            timeout=900,
            check=True,
        )


def report(folder: Path, case: str) -> dict[str, Any]:
    """Read what Krita held after a case."""
    path = folder / f"{case}.json"
    assert path.exists(), (folder / "krita.log").read_text(encoding="utf-8", errors="replace")
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return read


def pixels(folder: Path, name: str, width: int, height: int) -> image.Picture:
    """Read pixels as Krita gave them, (height, width, 4) uint8, and put red first."""
    read = np.frombuffer((folder / name).read_bytes(), np.uint8)
    return read.reshape(height, width, 4)[..., [2, 1, 0, 3]]


def paint_layers(layers: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the paint layers of groups."""
    for layer in layers:
        if layer["pixels"]:
            yield layer
        yield from paint_layers(layer["layers"])


def assert_same_layers(folder: Path, group: dict[str, Any], document: Path) -> None:
    """Compare each paint layer of a group with the layer of that name in an OpenRaster file."""
    for layer in paint_layers(group["layers"]):
        left, top, width, height = layer["box"]
        canvas = np.zeros((SIDE, SIDE, 4), np.uint8)
        canvas[top : top + height, left : left + width] = pixels(
            folder, layer["pixels"], width, height
        )
        with document.open("rb") as file:
            expected, _ = read_ora(file, document.name, layer["name"])
        np.testing.assert_array_equal(canvas[..., 3], expected[..., 3])
        seen = expected[..., 3] > 0
        np.testing.assert_array_equal(canvas[seen], expected[seen])


@pytest.mark.parametrize("case", ["flat", "deep"])
def test_flat_colors_lie_below_the_lines(folder: Path, case: str) -> None:
    """Each colour is a layer with the pixels of the command line, whatever the document's depth."""
    held = report(folder, case)
    assert [layer["name"] for layer in held["layers"]] == ["paper", "refcolor", "inks", "notes"]
    assert all(layer["visible"] for layer in held["layers"])
    assert held["selected"] == "inks"
    (colors,) = held["layers"][1]["layers"]
    assert colors["type"] == "grouplayer"
    assert len(colors["layers"]) > 3
    assert all(layer["name"].startswith("#") for layer in colors["layers"])
    assert_same_layers(folder, held["layers"][1], folder / "flat-cli.ora")
    shown = pixels(folder, held["picture"], SIDE, SIDE)[..., :3].astype(int)
    assert np.abs(shown - image.read(folder / "flat-cli.png")).max() <= 1


def test_the_only_layer_gets_colors_below_it(folder: Path) -> None:
    """The lowest layer of a drawing is lifted above its colours."""
    held = report(folder, "alone")
    assert [layer["name"] for layer in held["layers"]] == ["refcolor", "Background"]
    assert_same_layers(folder, held["layers"][0], folder / "flat-cli.ora")


def test_colors_and_lines_lie_above_a_scan(folder: Path) -> None:
    """A layer with paper would hide the colours; what Krita shows is the command line's picture."""
    held = report(folder, "soft")
    scan, group = held["layers"]
    assert (scan["name"], group["name"]) == ("Background", "refcolor")
    assert [layer["name"] for layer in group["layers"]] == ["colors", "lines"]
    assert_same_layers(folder, group, folder / "soft-cli.ora")
    shown = pixels(folder, held["picture"], SIDE, SIDE)[..., :3].astype(int)
    assert np.abs(shown - image.read(folder / "soft-cli.png")).max() <= 1


def test_krita_goes_on_meanwhile(folder: Path) -> None:
    """While refcolor works, Krita comes round many times and draws its windows."""
    assert report(folder, "flat")["turns"] > 10


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("stopped", "Stopped; the drawing is as it was."),
        ("empty", "“Background” has no visible lines"),
        ("elsewhere", "“/nowhere/refcolor” does not start."),
    ],
)
def test_a_failure_is_one_line_and_changes_nothing(folder: Path, case: str, message: str) -> None:
    """Stop, a layer without lines and a wrong program leave the drawing as it was."""
    held = report(folder, case)
    assert held["message"].startswith(message)
    assert "\n" not in held["message"]
    assert "refcolor" not in [layer["name"] for layer in held["layers"]]
