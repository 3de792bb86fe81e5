"""Layers of the generator and the discriminator."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

Norm = Callable[[int], nn.Module]

_GROUP_CHANNELS = 8


class InstanceNorm(nn.InstanceNorm2d):
    """Affine instance norm that keeps the channels-last memory format; PyTorch's does not.

    The next convolution and the backward pass would have to convert it back.
    """

    def __init__(self, channels: int) -> None:
        """channels: C of input and output."""
        super().__init__(channels, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        last = x.is_contiguous(memory_format=torch.channels_last)
        order = torch.channels_last if last else torch.contiguous_format
        return super().forward(x).contiguous(memory_format=order)


def _no_norm(_channels: int) -> nn.Module:
    return nn.Identity()


def _group_norm(channels: int) -> nn.Module:
    groups = max(1, channels // _GROUP_CHANNELS)
    while channels % groups:
        groups -= 1
    return nn.GroupNorm(groups, channels)


NORMS: dict[str, Norm] = {
    "none": _no_norm,
    "batch": nn.BatchNorm2d,
    "instance": InstanceNorm,
    "group": _group_norm,
}


class ConvBlock(nn.Sequential):
    """3x3 convolution, norm, LeakyReLU(0.2)."""

    def __init__(self, channels_in: int, channels_out: int, *, norm: Norm, stride: int = 1) -> None:
        """stride: 2 halves the size."""
        super().__init__(
            nn.Conv2d(channels_in, channels_out, 3, stride, padding=1),
            norm(channels_out),
            nn.LeakyReLU(0.2),
        )


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with a skip connection."""

    def __init__(self, channels: int, *, norm: Norm) -> None:
        """channels: C of input and output."""
        super().__init__()
        self.body = nn.Sequential(
            ConvBlock(channels, channels, norm=norm),
            nn.Conv2d(channels, channels, 3, padding=1),
            norm(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        change: Tensor = self.body(x)
        return x + change
