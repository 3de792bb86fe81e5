"""The measurements of colouring run, on a model that takes milliseconds."""

import re
from pathlib import Path

import pytest

from benchmarks.colorize import drawn, folder, one, wide
from refcolor.colorize.colorizer import Colorizer
from tests.colorize.material import save_tiny


@pytest.fixture
def colorizer(tmp_path: Path) -> Colorizer:
    """A tiny model with random weights."""
    return Colorizer.load(save_tiny(tmp_path), device="cpu")


def test_one_drawing_is_timed(colorizer: Colorizer) -> None:
    """The first time, later times, and CPU."""
    (pair,) = drawn(1, size=64)
    said = one(colorizer, *pair, size=None)
    assert re.fullmatch(r"[\d.]+ s the first time, then [\d.]+ s \(CPU [\d.]+ s\)", said)


def test_a_folder_is_timed_beside_the_model_alone(colorizer: Colorizer) -> None:
    """Every drawing is coloured, and the model is asked as often without the rest."""
    said = folder(colorizer, size=64, count=3)
    assert re.search(r"pictures/s; the model alone [\d.]+ s, [+-]\d+% \(CPU", said)


@pytest.mark.slow
def test_the_wide_model_is_the_published_network() -> None:
    """82 M random weights colour a drawing with more than one colour."""
    colorizer = wide()
    assert (colorizer.model.width, colorizer.model.levels, colorizer.size) == (16, 5, 256)
    (pair,) = drawn(1, size=64)
    assert colorizer.colorize(*pair).colors.std() > 1
