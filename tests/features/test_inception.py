"""The Inception wrapper, with a fake network: no test downloads anything."""

import urllib.error
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from refcolor.errors import RefcolorError
from refcolor.features.inception import Inception, resize_unit


class FakeNetwork(nn.Module):
    """Gives the mean of each channel as the first three of 2048 pooled features."""

    def __init__(self, *, resize_input: bool) -> None:
        super().__init__()
        assert not resize_input
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
    monkeypatch.setattr("torch.hub.load_state_dict_from_url", lambda url, **_: {})
    monkeypatch.setattr("pytorch_fid.inception.InceptionV3", FakeNetwork)


@pytest.mark.usefixtures("fake")
def test_pictures_reach_the_network_at_299_pixels_in_unit_range() -> None:
    """35 pictures of 13 x 17 come as batches of 32 and 3, RGB in [0, 1], and leave as rows."""
    pictures = np.zeros((35, 13, 17, 3), np.uint8)
    pictures[34] = (255, 51, 0)
    features = Inception()
    rows = features(pictures)
    assert features._network.seen == [(32, 3, 299, 299), (3, 3, 299, 299)]
    assert rows.shape == (35, 2048)
    assert rows.dtype == np.float64
    np.testing.assert_allclose(rows[34, :4], [1, 0.2, 0, 0], atol=1e-6)
    assert not rows[:34].any()


@pytest.mark.usefixtures("fake")
def test_no_picture_gives_no_row() -> None:
    """An empty set keeps the 2048 columns."""
    assert Inception()(np.zeros((0, 16, 16, 3), np.uint8)).shape == (0, 2048)


def test_resizing_is_antialiased() -> None:
    """A fine checkerboard reduced to 299 pixels is even grey; without antialiasing it is not."""
    fine = np.zeros((1196, 1196, 3), np.uint8)
    fine[::2, ::2] = fine[1::2, 1::2] = 255
    reduced = resize_unit(fine)
    assert reduced.shape == (299, 299, 3)
    assert reduced.dtype == np.float32
    np.testing.assert_allclose(reduced[4:-4, 4:-4], 0.5, atol=0.01)


def test_resizing_is_pillows_bicubic_before_rounding() -> None:
    """It is Pillow's own result, which rounds twice; what overshoots is clipped to [0, 1]."""
    picture = np.random.default_rng(0).integers(90, 160, (31, 37, 3)).astype(np.uint8)
    rounded = np.asarray(Image.fromarray(picture).resize((299, 299), Image.Resampling.BICUBIC))
    apart = resize_unit(picture) * 255 - rounded
    assert 0.2 < np.abs(apart).max() < 1.2
    contrast = resize_unit(np.where(picture < 125, np.uint8(0), np.uint8(255)))
    assert (contrast.min(), contrast.max()) == (0, 1)


def _no_network(url: str, **_: object) -> None:
    raise urllib.error.URLError("Name or service not known")


def _damaged(url: str, **_: object) -> None:
    raise RuntimeError("invalid magic number; corrupt file?")


@pytest.mark.parametrize(
    "loader, reason", [(_no_network, "Name or service not known"), (_damaged, "corrupt file")]
)
def test_missing_weights_say_what_to_do(
    loader: Callable[..., None], reason: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The error names the reason, the file, its address, its place, and the way around it."""
    monkeypatch.setattr("torch.hub.load_state_dict_from_url", loader)
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    with pytest.raises(RefcolorError) as caught:
        Inception()
    message = str(caught.value)
    place = tmp_path / "checkpoints" / "pt_inception-2015-12-05-6726825d.pth"
    assert reason in message
    assert f"to {place} by hand" in message
    assert "https://github.com/mseitzer/pytorch-fid/releases/" in message
    assert "evaluate.features: random" in message
    assert "\n" not in message


def test_a_file_with_code_in_it_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Weights are loaded as tensors only: a pickle that calls a function never runs."""

    class Evil:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
            return Path.touch, (Path(tmp_path / "ran"),)

    place = tmp_path / "checkpoints" / "pt_inception-2015-12-05-6726825d.pth"
    place.parent.mkdir()
    torch.save({"x": Evil()}, place)
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    with pytest.raises(RefcolorError, match="cannot be had"):
        Inception()
    assert not (tmp_path / "ran").exists()


def test_the_packages_own_network_pools_2048_features(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real architecture, its weights left as they are made, takes what is handed to it."""
    monkeypatch.setattr("torch.hub.load_state_dict_from_url", lambda url, **_: {})
    monkeypatch.setattr("pytorch_fid.inception.load_state_dict_from_url", lambda url, **_: {})
    monkeypatch.setattr(nn.Module, "load_state_dict", lambda self, state, **_: None)
    features = Inception()
    assert features(np.full((1, 20, 20, 3), 90, np.uint8)).shape == (1, 2048)
    assert not any(weight.requires_grad for weight in features._network.parameters())
