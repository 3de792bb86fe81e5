"""Frozen VGG-19 features for the perceptual and style losses."""

import pickle
from collections.abc import Callable

import torch
from torch import Tensor, nn

from refcolor.training.weights import Weights, fetch

WEIGHTS = Weights(
    title="the ImageNet weights of VGG-19",
    address="https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
    megabytes=548,
    alternative="set loss.perceptual and loss.style to 0",
)

# Indices of relu1_1, relu2_1, relu3_1, relu4_1, relu5_1 in torchvision's vgg19().features.
RELU_LAYERS = (1, 6, 11, 20, 29)
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


class VGGFeatures(nn.Module):
    """Feature maps relu1_1 ... relu5_1 of pictures in [-1, 1].

    The weights are not trained and `train()` leaves evaluation mode on; gradients reach the input.
    """

    def __init__(self, layers: nn.Sequential) -> None:
        """layers: `features` of torchvision's VGG-19."""
        super().__init__()
        self.layers = layers[: RELU_LAYERS[-1] + 1]
        self.requires_grad_(False)
        super().train(False)
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(_MEAN).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).reshape(1, 3, 1, 1), persistent=False)

    def train(self, mode: bool = True) -> "VGGFeatures":
        """Do nothing: the network stays in evaluation mode."""
        return self

    def forward(self, picture: Tensor) -> list[Tensor]:
        """(B, 3, H, W) in [-1, 1] -> five maps of 64, 128, 256, 512, 512 channels."""
        x = ((picture + 1) / 2 - self.mean) / self.std
        maps = []
        for index, layer in enumerate(self.layers):
            # ReLU in place: only its output is used, not that of the convolution before it.
            x = torch.relu_(x) if isinstance(layer, nn.ReLU) else layer(x)
            if index in RELU_LAYERS:
                maps.append(x)
        return maps


def load_vgg(loader: Callable[[], nn.Module] | None = None) -> VGGFeatures:
    """Load VGG-19 with ImageNet weights, from torch's cache or the network.

    loader: returns a network with `features`; the default is torchvision's VGG-19.
    Raises RefcolorError that says where to put the file when it is not available.
    """
    try:
        network = (loader or _imagenet_vgg19)()
    except (OSError, ImportError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise WEIGHTS.unavailable(error) from error
    assert isinstance(network.features, nn.Sequential)
    return VGGFeatures(network.features)


def _imagenet_vgg19() -> nn.Module:
    import torchvision.models

    network: nn.Module = torchvision.models.vgg19(init_weights=False)
    network.load_state_dict(torch.load(fetch(WEIGHTS), map_location="cpu", weights_only=True))
    return network
