"""The Inception wrapper, with a fake network: no test downloads anything."""

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from refcolor.errors import RefcolorError
from refcolor.evaluation.features import inception
from refcolor.evaluation.features.inception import WEIGHTS, Inception, resize_clean


class FakeNetwork(nn.Module):
    """Gives the mean of each channel as the first three of 2048 pooled features."""

    def __init__(self, *, resize_input: bool, normalize_input: bool) -> None:
        super().__init__()
        self.prepares = resize_input, normalize_input
        self.seen: list[tuple[int, ...]] = []

    def forward(self, batch: Tensor) -> list[Tensor]:
        assert not self.training
        self.seen.append(tuple(batch.shape))
        pooled = torch.zeros(len(batch), 2048, 1, 1)
        pooled[:, :3, 0, 0] = batch.mean(dim=(2, 3))
        return [pooled]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the weights' file and the network by the fake network."""
    monkeypatch.setattr(inception, "fetch", lambda weights: weights.path)
    monkeypatch.setattr(torch, "load", lambda file, **_: {})
    monkeypatch.setattr("pytorch_fid.inception.InceptionV3", FakeNetwork)


@pytest.mark.usefixtures("fake")
def test_clean_features_are_resized_and_normalised_by_us() -> None:
    """35 pictures of 13 x 17 come as 32 and 3 squares of 299, (level - 128) / 128, as they are."""
    pictures = np.full((35, 13, 17, 3), 128, np.uint8)
    pictures[34] = (255, 64, 0)
    features = Inception(resize="clean")
    rows = features(pictures)
    assert features._network.prepares == (False, False)
    assert features._network.seen == [(32, 3, 299, 299), (3, 3, 299, 299)]
    assert rows.shape == (35, 2048)
    assert rows.dtype == np.float64
    np.testing.assert_allclose(rows[34, :4], [127 / 128, -0.5, -1, 0], atol=1e-6)
    assert not rows[:34].any()


@pytest.mark.usefixtures("fake")
def test_pytorch_features_are_resized_by_the_package() -> None:
    """Pictures come in their size in [0, 1]; the package's network resizes and normalises."""
    features = Inception(resize="pytorch")
    rows = features(np.full((2, 13, 17, 3), (255, 51, 0), np.uint8))
    assert features._network.prepares == (True, True)
    assert features._network.seen == [(2, 3, 13, 17)]
    np.testing.assert_allclose(rows[1, :4], [1, 0.2, 0, 0], atol=1e-6)


@pytest.mark.usefixtures("fake")
def test_an_empty_set_gives_zero_rows() -> None:
    """The result has shape (0, 2048)."""
    assert Inception()(np.zeros((0, 16, 16, 3), np.uint8)).shape == (0, 2048)


def test_resizing_is_antialiased() -> None:
    """A fine checkerboard reduced to 299 pixels is even grey; without antialiasing it is not."""
    fine = np.zeros((1196, 1196, 3), np.uint8)
    fine[::2, ::2] = fine[1::2, 1::2] = 255
    reduced = resize_clean(fine)
    assert reduced.shape == (299, 299, 3)
    assert reduced.dtype == np.float32
    np.testing.assert_allclose(reduced[4:-4, 4:-4], 127.5, atol=2.5)


def test_resizing_is_pillows_bicubic_before_rounding() -> None:
    """It is Pillow's result without its two roundings; overshoot is clipped."""
    picture = np.random.default_rng(0).integers(90, 160, (31, 37, 3)).astype(np.uint8)
    rounded = np.asarray(Image.fromarray(picture).resize((299, 299), Image.Resampling.BICUBIC))
    apart = resize_clean(picture) - rounded
    assert 0.2 < np.abs(apart).max() < 1.2
    contrast = resize_clean(np.where(picture < 125, np.uint8(0), np.uint8(255)))
    assert (contrast.min(), contrast.max()) == (0, 255)


@pytest.fixture
def put_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[object], None]:
    """Put a file into an empty cache, and expect its checksum."""

    def put_weights(content: object) -> None:
        file = tmp_path / "saved"
        torch.save(content, file)
        digits = hashlib.sha256(file.read_bytes()).hexdigest()[:8]
        weights = dataclasses.replace(
            WEIGHTS, address=WEIGHTS.address.replace(WEIGHTS.checksum_prefix, digits)
        )
        weights.path.parent.mkdir()
        file.rename(weights.path)
        monkeypatch.setattr(inception, "WEIGHTS", weights)
        monkeypatch.setattr("pytorch_fid.inception.FID_WEIGHTS_URL", weights.address)

    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    return put_weights


def test_a_pickle_with_code_is_refused(
    put_weights: Callable[[object], None], tmp_path: Path
) -> None:
    """Weights are loaded as tensors only: a pickle that calls a function never runs."""

    class Evil:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
            return Path.touch, (Path(tmp_path / "ran"),)

    put_weights({"x": Evil()})
    with pytest.raises(RefcolorError, match="Weights only load failed"):
        Inception()
    assert not (tmp_path / "ran").exists()


def test_weights_of_another_network_are_refused(put_weights: Callable[[object], None]) -> None:
    """The error names a parameter that is missing, in one line."""
    put_weights({"x": torch.zeros(2)})
    with pytest.raises(RefcolorError, match=r"Missing key.*evaluate\.features: random") as caught:
        Inception()
    assert "\n" not in str(caught.value)


def test_the_network_of_pytorch_fid_gives_2048_features(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real architecture with untrained weights accepts our input."""
    monkeypatch.setattr(inception, "fetch", lambda weights: weights.path)
    monkeypatch.setattr(torch, "load", lambda file, **_: {})
    monkeypatch.setattr("pytorch_fid.inception.load_state_dict_from_url", lambda url, **_: {})
    monkeypatch.setattr(nn.Module, "load_state_dict", lambda self, state, **_: None)
    features = Inception()
    assert features(np.full((1, 20, 20, 3), 90, np.uint8)).shape == (1, 2048)
    assert not any(weight.requires_grad for weight in features._network.parameters())
