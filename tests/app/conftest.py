"""A colorizer of the smallest model, and pictures for it."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from refcolor.app.samples import Samples
from refcolor.app.scene import Scene, Sheet
from refcolor.app.studio import Studio
from refcolor.checkpoint import save_model
from refcolor.colorize.colorizer import Colorizer
from refcolor.image import Picture
from refcolor.model.generator import build_generator
from refcolor.params import ModelParams, Params


def png(picture: Picture) -> bytes:
    """Write a picture as PNG."""
    file = BytesIO()
    Image.fromarray(picture).save(file, format="PNG")
    return file.getvalue()


def drawn_box(height: int, width: int) -> Picture:
    """Draw a black rectangle with a cross in it on white paper: (height, width, 3) uint8."""
    picture = np.full((height, width, 3), 255, np.uint8)
    top, left, thick = height // 5, width // 5, 2
    picture[top : top + thick, left:-left] = picture[-top - thick : -top, left:-left] = 0
    picture[top:-top, left : left + thick] = picture[top:-top, -left - thick : -left] = 0
    picture[height // 2, left:-left] = 0
    return picture


def two_colors(height: int, width: int) -> Picture:
    """Paint red above green: (height, width, 3) uint8."""
    picture = np.full((height, width, 3), (200, 40, 30), np.uint8)
    picture[height // 2 :] = (30, 160, 60)
    return picture


@pytest.fixture
def sheets() -> tuple[Sheet, Sheet, Sheet]:
    """Give a drawing of 131 x 97 pixels, and two references of 61 x 83 and 67 x 53."""
    return (
        Sheet.read("box.png", png(drawn_box(97, 131))),
        Sheet.read("warm.png", png(two_colors(83, 61))),
        Sheet.read("cold.png", png(two_colors(53, 67)[..., ::-1].copy())),
    )


@pytest.fixture
def scene(sheets: tuple[Sheet, Sheet, Sheet]) -> Scene:
    """Give a page with a drawing and two references."""
    return Scene(drawing=sheets[0], references=sheets[1:])


@pytest.fixture
def make_colorizer(make_params: Callable[..., Params]) -> Callable[..., Colorizer]:
    """Give a model that was never trained: `make_colorizer(attention="none")`."""

    def make(**changes: object) -> Colorizer:
        model = make_params({f"model.{key}": value for key, value in changes.items()}).model
        torch.manual_seed(5)
        return Colorizer(build_generator(model).eval(), model=model, size=32)

    return make


@pytest.fixture
def studio(
    tmp_path: Path, sheets: tuple[Sheet, Sheet, Sheet], make_colorizer: Callable[..., Colorizer]
) -> Studio:
    """Give a studio whose only samples are the three sheets."""
    return Studio(make_colorizer(), Samples(sheets[:1], sheets[1:]), tmp_path)


def write_model(folder: Path, model: ModelParams) -> Path:
    """Write a model that was never trained into a folder."""
    torch.manual_seed(5)
    save_model(
        folder,
        generator=build_generator(model),
        discriminator=torch.nn.Linear(1, 1),
        params=model,
        size=32,
    )
    return folder
