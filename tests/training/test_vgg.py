"""VGG features: torchvision's own numbers, frozen for good."""

import pickle
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision
from PIL import Image
from torch import nn
from torchvision.models import VGG19_Weights
from torchvision.models.vgg import cfgs, make_layers

from refcolor.errors import RefcolorError
from refcolor.io import image
from refcolor.training import losses
from refcolor.training.vgg import WEIGHTS, VGGFeatures, load_vgg
from refcolor.training.weights import Weights

RELU_1 = ("1", "6", "11", "20", "29")


@pytest.fixture(scope="module")
def layers() -> nn.Sequential:
    """The `features` of torchvision's VGG-19 with random weights that keep the signal alive."""
    torch.manual_seed(0)
    layers = make_layers(cfgs["E"], batch_norm=False)
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
    return layers


@pytest.fixture
def vgg(layers: nn.Sequential) -> VGGFeatures:
    """The features under test, from a fake loader."""
    return load_vgg(lambda: network(layers))


def network(layers: nn.Sequential) -> nn.Module:
    """Make what torchvision's loader returns."""
    whole = nn.Module()
    whole.features = layers
    return whole


def test_the_layers_are_those_of_vgg_19() -> None:
    """Layers 1, 6, 11, 20 and 29 are the first ReLU of each of the five blocks."""
    names, block, place = {}, 1, 1
    for index, layer in enumerate(make_layers(cfgs["E"], batch_norm=False)):
        if isinstance(layer, nn.ReLU):
            names[f"relu{block}_{place}"] = str(index)
            place += 1
        elif isinstance(layer, nn.MaxPool2d):
            block, place = block + 1, 1
    assert tuple(names[f"relu{block}_1"] for block in range(1, 6)) == RELU_1


def test_features_equal_torchvisions_own(vgg: VGGFeatures, layers: nn.Sequential) -> None:
    """A picture through torchvision's ImageNet transform and layers gives the same five maps."""
    picture = np.random.default_rng(0).integers(0, 256, (48, 48, 3), np.uint8)
    transform = VGG19_Weights.IMAGENET1K_V1.transforms(crop_size=48, resize_size=48)
    x = transform(Image.fromarray(picture))[None]
    with torch.no_grad():
        found = vgg(image.to_tensor(picture)[None])
        for name, layer in layers.named_children():
            x = layer(x)
            if name in RELU_1:
                place = RELU_1.index(name)
                assert found[place].shape == x.shape
                assert torch.allclose(found[place], x, rtol=1e-3, atol=1e-4), name
    assert [maps.shape[1] for maps in found] == [64, 128, 256, 512, 512]


def test_gradients_equal_those_of_layers_that_are_not_in_place(
    vgg: VGGFeatures, layers: nn.Sequential
) -> None:
    """The gradients of each of the five maps at the picture are those of plain layers."""
    drawn = torch.Generator().manual_seed(0)
    ours = (torch.rand(1, 3, 32, 32, generator=drawn) * 2 - 1).requires_grad_()
    theirs = ours.detach().clone().requires_grad_()
    sum(maps.square().mean() for maps in vgg(ours)).backward()
    x, total = ((theirs + 1) / 2 - vgg.mean) / vgg.std, torch.zeros(())
    for name, layer in layers.named_children():
        x = F.relu(x) if isinstance(layer, nn.ReLU) else layer(x)
        if name in RELU_1:
            total = total + x.square().mean()
    total.backward()
    assert torch.allclose(ours.grad, theirs.grad, rtol=1e-3, atol=1e-7)
    assert theirs.grad.abs().max() > 1e-4


@pytest.mark.parametrize("term", ["perceptual", "style"])
def test_gradients_reach_the_picture_and_no_weight(vgg: VGGFeatures, term: str) -> None:
    """Both losses have gradients at the picture; VGG's weights neither change nor have any."""
    picture = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    picture.requires_grad_()
    expected = vgg(torch.zeros(2, 3, 32, 32))
    found = vgg(picture)
    if term == "perceptual":
        losses.perceptual(found, expected).backward()
    else:
        losses.style(found[-1], expected[-1]).backward()
    assert picture.grad.flatten(1).abs().amax(dim=1).min() > 0
    for weight in vgg.parameters():
        assert not weight.requires_grad
        assert weight.grad is None


def test_train_does_not_unfreeze_it(vgg: VGGFeatures) -> None:
    """`train()`, by itself or from a parent, leaves evaluation mode and frozen weights alone."""
    parent = nn.ModuleList([vgg])
    parent.train()
    vgg.train()
    assert not any(module.training for module in vgg.modules())
    assert not any(weight.requires_grad for weight in vgg.parameters())


def test_normalisation_is_not_in_the_state_dict(vgg: VGGFeatures) -> None:
    """Mean and deviation move with the network to a device, and are not saved."""
    assert not any("mean" in name or "std" in name for name in vgg.state_dict())
    assert {"mean", "std"} <= {name for name, _ in vgg.named_buffers()}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (URLError("no route to host"), "no route to host"),
        (
            RuntimeError('invalid hash value (expected "dcbb9e9d",\n got "0")'),
            'invalid hash value (expected "dcbb9e9d", got "0")',
        ),
        (pickle.UnpicklingError("Weights only load failed"), "Weights only load failed"),
        (EOFError("Ran out of input"), "Ran out of input"),
    ],
)
def test_missing_weights_are_explained(error: Exception, reason: str) -> None:
    """One line with reason, address, place, and the parameters that do without."""

    def loader() -> nn.Module:
        raise error

    with pytest.raises(RefcolorError) as refusal:
        load_vgg(loader)
    said = str(refusal.value)
    assert f"({reason})" in said
    assert "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth" in said
    assert f"at {torch.hub.get_dir()}/checkpoints/vgg19-dcbb9e9d.pth by hand" in said
    assert "set loss.perceptual and loss.style to 0" in said
    assert "\n" not in said


def test_weights_are_never_unpickled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The checked file is read as tensors only, and fills torchvision's own network."""
    fetched: list[Weights] = []

    def fetch(weights: Weights) -> Path:
        fetched.append(weights)
        return tmp_path / "weights"

    def empty(**_options: object) -> nn.Module:
        return network(nn.Sequential(nn.Linear(3, 2, bias=False)))

    monkeypatch.setattr("refcolor.training.vgg.fetch", fetch)
    monkeypatch.setattr(torchvision.models, "vgg19", empty)
    torch.save({"features.0.weight": torch.full((2, 3), 7.0)}, tmp_path / "weights")
    assert load_vgg().layers[0].weight.tolist() == [[7.0] * 3] * 2
    assert fetched == [WEIGHTS]
    torch.save({"features.0.weight": print}, tmp_path / "weights")
    with pytest.raises(RefcolorError, match="Weights only load failed"):
        load_vgg()
