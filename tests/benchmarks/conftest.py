"""The smallest setting in which all losses are on: 6 pictures of 32 pixels and a narrow VGG."""

from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.material import PAPER, random_vgg
from refcolor.params import Params
from refcolor.training.data import Pictures
from refcolor.training.vgg import VGGFeatures

NARROW = [3, 3, "M", 5, 5, "M", *[7] * 4, "M", *[7] * 4, "M", *[7] * 4, "M"]


@pytest.fixture
def settings(make_params: Callable[..., Params]) -> Params:
    """Tiny parameters with the paper's weights; one batch is an epoch."""
    changes: dict[str, Any] = {f"loss.{name}": weight for name, weight in PAPER.items()}
    return make_params(changes | {"train.batch_size": 6, "train.report_every": 100})


@pytest.fixture
def pictures(make_pictures: Callable[..., Pictures]) -> Pictures:
    """Six random pictures."""
    return make_pictures(6)


@pytest.fixture
def vgg() -> Callable[[], VGGFeatures]:
    """Make the same narrow VGG each time."""
    return lambda: random_vgg(NARROW, seed=0)
