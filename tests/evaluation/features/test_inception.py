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
    """Weights that nobody needs and the network above."""
    monkeypatch.setattr(inception, "fetch", lambda weights: weights.path)
    monkeypatch.setattr(torch, "load", lambda file, **_: {})
    monkeypatch.setattr("pytorch_fid.inception.InceptionV3", FakeNetwork)


@pytest.mark.usefixtures("fake")
def test_clean_pictures_reach_the_network_resized_and_normalised() -> None:
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
def test_pytorch_pictures_are_left_to_the_package() -> None:
    """They come in their own size in [0, 1]; the package's network resizes and normalises."""
    features = Inception(resize="pytorch")
    rows = features(np.full((2, 13, 17, 3), (255, 51, 0), np.uint8))
    assert features._network.prepares == (True, True)
    assert features._network.seen == [(2, 3, 13, 17)]
    np.testing.assert_allclose(rows[1, :4], [1, 0.2, 0, 0], atol=1e-6)


@pytest.mark.usefixtures("fake")
def test_no_picture_gives_no_row() -> None:
    """An empty set keeps the 2048 columns."""
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
    """It is Pillow's own result, which rounds twice; what overshoots is clipped."""
    picture = np.random.default_rng(0).integers(90, 160, (31, 37, 3)).astype(np.uint8)
    rounded = np.asarray(Image.fromarray(picture).resize((299, 299), Image.Resampling.BICUBIC))
    apart = resize_clean(picture) - rounded
    assert 0.2 < np.abs(apart).max() < 1.2
    contrast = resize_clean(np.where(picture < 125, np.uint8(0), np.uint8(255)))
    assert (contrast.min(), contrast.max()) == (0, 255)


@pytest.fixture
def put(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[object], None]:
    """Put a file into an empty cache, with the checksum that is asked for."""

    def put(content: object) -> None:
        file = tmp_path / "saved"
        torch.save(content, file)
        digits = hashlib.sha256(file.read_bytes()).hexdigest()[:8]
        asked = dataclasses.replace(
            WEIGHTS, address=WEIGHTS.address.replace(WEIGHTS.checksum_prefix, digits)
        )
        asked.path.parent.mkdir()
        file.rename(asked.path)
        monkeypatch.setattr(inception, "WEIGHTS", asked)
        monkeypatch.setattr("pytorch_fid.inception.FID_WEIGHTS_URL", asked.address)

    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    return put


def test_a_file_with_code_in_it_is_refused(put: Callable[[object], None], tmp_path: Path) -> None:
    """Weights are loaded as tensors only: a pickle that calls a function never runs."""

    class Evil:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
            return Path.touch, (Path(tmp_path / "ran"),)

    put({"x": Evil()})
    with pytest.raises(RefcolorError, match="Weights only load failed"):
        Inception()
    assert not (tmp_path / "ran").exists()


def test_weights_of_another_network_are_refused(put: Callable[[object], None]) -> None:
    """The error names the parameter that does without, in one line."""
    put({"x": torch.zeros(2)})
    with pytest.raises(RefcolorError, match=r"Missing key.*evaluate\.features: random") as caught:
        Inception()
    assert "\n" not in str(caught.value)


def test_the_packages_own_network_pools_2048_features(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real architecture, its weights left as they are made, takes what is handed to it."""
    monkeypatch.setattr(inception, "fetch", lambda weights: weights.path)
    monkeypatch.setattr(torch, "load", lambda file, **_: {})
    monkeypatch.setattr("pytorch_fid.inception.load_state_dict_from_url", lambda url, **_: {})
    monkeypatch.setattr(nn.Module, "load_state_dict", lambda self, state, **_: None)
    features = Inception()
    assert features(np.full((1, 20, 20, 3), 90, np.uint8)).shape == (1, 2048)
    assert not any(weight.requires_grad for weight in features._network.parameters())
