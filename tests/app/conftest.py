"""A colorizer of the smallest model, pictures for it, and one server and browser for all tests."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image

from refcolor.app import actions
from refcolor.app.samples import Samples
from refcolor.app.scene import Result, Scene, Sheet
from refcolor.app.sessions import Sessions
from refcolor.colorize.colorizer import Colorizer
from refcolor.colorize.look import LOOK
from refcolor.colorize.torch_network import TorchNetwork
from refcolor.io.image import Picture
from refcolor.model.generator import build_generator

from ..browser import CHROMIUM, FLAGS
from ..colorize.material import line_art, save_tiny, tiny

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Seconds that the page may take to show something; a machine that trains meanwhile needs more.
PATIENCE = float(os.environ.get("REFCOLOR_TEST_PATIENCE", "45"))


def png(picture: Picture) -> bytes:
    """Write a picture as PNG."""
    file = BytesIO()
    Image.fromarray(picture).save(file, format="PNG")
    return file.getvalue()


def color_scene(
    scene: Scene, colorizer: Colorizer, *, size: int, clean_lines: bool, flat: bool = LOOK.flat
) -> Result:
    """Return the result of `actions.coloring`, after its steps."""
    *_, result = actions.coloring(scene, colorizer, size=size, clean_lines=clean_lines, flat=flat)
    assert isinstance(result, Result)
    return result


def two_colors(height: int, width: int) -> Picture:
    """Paint red above green: (height, width, 3) uint8."""
    picture = np.full((height, width, 3), (200, 40, 30), np.uint8)
    picture[height // 2 :] = (30, 160, 60)
    return picture


@pytest.fixture
def sheets() -> tuple[Sheet, Sheet, Sheet]:
    """Give a drawing of 131 x 97 pixels, and two references of 61 x 83 and 67 x 53."""
    return (
        Sheet.read("box.png", png(line_art(97, 131))),
        Sheet.read("warm.png", png(two_colors(83, 61))),
        Sheet.read("cold.png", png(two_colors(53, 67)[..., ::-1].copy())),
    )


@pytest.fixture
def scene(sheets: tuple[Sheet, Sheet, Sheet]) -> Scene:
    """Give a page with a drawing and two references."""
    return Scene(drawing=sheets[0], references=sheets[1:])


@pytest.fixture
def make_colorizer() -> Callable[..., Colorizer]:
    """Give a model that was never trained: `make_colorizer(attention="none")`."""

    def make(**changes: object) -> Colorizer:
        torch.manual_seed(5)
        model = tiny(**changes)
        return Colorizer(TorchNetwork(build_generator(model).eval(), model=model, size=32))

    return make


@pytest.fixture
def sessions(
    tmp_path: Path, sheets: tuple[Sheet, Sheet, Sheet], make_colorizer: Callable[..., Colorizer]
) -> Sessions:
    """Give sessions whose only samples are the three sheets."""
    return Sessions(make_colorizer(), Samples(sheets[:1], sheets[1:]), tmp_path)


@dataclass
class Server:
    """A running `refcolor app`."""

    address: str
    model: Path
    files: Path  # where the process keeps temporary files
    process: subprocess.Popen[str] = field(repr=False)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Start `refcolor app` with a model that was never trained."""
    pytest.importorskip("gradio", reason="gradio is missing")
    home = tmp_path_factory.mktemp("app")
    model = save_tiny(home / "model", seed=5)  # its attention tells two spots apart
    files = home / "files"
    files.mkdir()
    # Each pytest worker has a server, and two that start together would find the same free port.
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-c", "from refcolor.cli.main import main; main()", "app"]
    process = subprocess.Popen(
        [*command, "--model", str(model), "--no-browser", "--port", str(port)],
        cwd=home,
        env=os.environ | {"TMPDIR": str(files), "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout
    output = ""
    while not (address := re.search(r"The page is at (\S+)", output)):
        line = process.stdout.readline()
        assert line, output
        output += line
    try:
        yield Server(address[1].rstrip("/"), model, files, process)
    finally:
        process.send_signal(signal.SIGINT)
        remaining, _ = process.communicate(timeout=2 * PATIENCE)
    assert "Traceback" not in remaining, remaining
    assert list(files.glob("refcolor-app-*")) == []


@pytest.fixture(scope="module")  # while it is open, no test can call asyncio.run
def browser() -> Iterator["Browser"]:
    """Headless Chromium, Debian's own: nothing is downloaded."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is missing")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=CHROMIUM, args=FLAGS, timeout=1000 * PATIENCE
        )
        yield browser
        browser.close()
