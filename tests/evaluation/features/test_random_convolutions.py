"""Random convolutions rank sets of pictures as an eye would, and are the same on every machine."""

import functools
import hashlib

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from skimage.filters import gaussian

from refcolor.characters import draw_palette, draw_shape, render
from refcolor.evaluation.features import random_convolutions
from refcolor.evaluation.features.random_convolutions import (
    DIMENSIONS,
    RandomConvolutions,
    _convolve,
)
from refcolor.evaluation.metrics.baselines import grey, mean_color
from refcolor.evaluation.metrics.distance import fid

Stack = NDArray[np.uint8]


@functools.cache
def _drawings() -> Stack:
    return np.stack(
        [render(draw_shape(1, i), draw_palette(2, i), size=64).color for i in range(96)]
    )


def _blurred(picture: Stack) -> Stack:
    return gaussian(picture, 2, channel_axis=-1, preserve_range=True).astype(np.uint8)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_damaged_pictures_are_farther_than_the_floor(seed: int) -> None:
    """Two disjoint halves of drawings are nearer than blurred, grey or flat ones, for any seed."""
    features = RandomConvolutions(seed=seed)
    first, second = _drawings()[::2], _drawings()[1::2]
    real = features(first)
    floor = fid(features(second), real)
    assert floor > 0
    for spoil in (_blurred, grey, mean_color):
        assert fid(features(np.stack([spoil(p) for p in second])), real) > 2 * floor


def test_features_are_means_of_every_channel_of_every_layer() -> None:
    """16 + 32 + 64 columns, none negative or constant, each layer normalised on drawings."""
    rows = RandomConvolutions()(_drawings())
    assert rows.shape == (96, DIMENSIONS) == (96, 112)
    assert rows.dtype == np.float64
    assert rows.min() >= 0
    assert (rows.std(axis=0) > 1e-3).all()
    means = rows.mean(axis=0)  # of a normalised response through ReLU: 0.4 or so, not 1e21
    for layer in (means[:16], means[16:48], means[48:]):
        assert 0.25 < layer.mean() < 0.55


def test_weights_are_the_same_on_every_machine() -> None:
    """The weights are these bytes; another seed gives other weights."""
    layers = RandomConvolutions()._layers
    content = b"".join(part.numpy().tobytes() for layer in layers for part in layer)
    assert hashlib.sha256(content).hexdigest()[:16] == "ad6bfbd610e4c964"
    few = _drawings()[:3]
    assert not np.allclose(RandomConvolutions(seed=1)(few), RandomConvolutions()(few))


def test_weights_do_not_depend_on_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are normalised on the CPU, and then moved to the device."""
    devices = []

    def convolve(maps: torch.Tensor, *layer: torch.Tensor) -> torch.Tensor:
        devices.append(maps.device.type)
        return _convolve(maps, *layer)

    monkeypatch.setattr(random_convolutions, "_convolve", convolve)
    features = RandomConvolutions(device="meta")
    assert set(devices) == {"cpu"}
    assert {part.device.type for layer in features._layers for part in layer} == {"meta"}


def test_any_size_and_any_number_of_pictures() -> None:
    """Sides may be odd and differ; a picture's row does not depend on its neighbours."""
    features = RandomConvolutions()
    pictures = np.random.default_rng(0).integers(0, 256, (67, 17, 23, 3)).astype(np.uint8)
    rows = features(pictures)
    assert rows.shape == (67, 112)
    np.testing.assert_allclose(features(pictures[65:66])[0], rows[65], rtol=1e-4, atol=1e-6)
    assert features(pictures[:0]).shape == (0, 112)
