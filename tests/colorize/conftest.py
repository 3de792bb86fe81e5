"""A tiny model, loaded once."""

from pathlib import Path

import pytest

from refcolor.colorize.colorizer import Colorizer

from .material import save_tiny


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny model with attention and random weights."""
    return save_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def colorizer(models: Path) -> Colorizer:
    """That model, loaded."""
    return Colorizer.load(models, device="cpu")
