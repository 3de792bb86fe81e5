"""The encoders, and what the attention gets from their maps: eq. 1 of the paper, or context."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from refcolor.model.blocks import ConvBlock, Norm


class Encoder(nn.Module):
    """Two 3x3 convolutions per level; all levels except the first begin with stride 2."""

    def __init__(self, channels_in: int, widths: list[int], *, norm: Norm) -> None:
        """widths: channels of each level."""
        super().__init__()
        self.levels = nn.ModuleList()
        for level, width in enumerate(widths):
            first = ConvBlock(channels_in, width, norm=norm, stride=2 if level else 1)
            self.levels.append(nn.ModuleList([first, ConvBlock(width, width, norm=norm)]))
            channels_in = width

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the maps f_1 ... f_2L of all layers, large to small."""
        maps = []
        for level in self.levels:
            for layer in level.children():
                x = layer(x)
                maps.append(x)
        return maps


class Context(nn.Module):
    """A U-Net on the attention grid, which enlarges the receptive field.

    An addition to the paper, whose encoders have a receptive field of a third of the picture's
    side: too small to recognise the middle of a coat.
    """

    def __init__(self, channels: int, levels: int, *, norm: Norm) -> None:
        """levels: number of halvings; each adds half of `channels`."""
        super().__init__()
        widths = [channels + channels * level // 2 for level in range(levels + 1)]
        self.downs = nn.ModuleList(
            nn.Sequential(
                ConvBlock(above, below, norm=norm, stride=2), ConvBlock(below, below, norm=norm)
            )
            for above, below in pairwise(widths)
        )
        self.ups = nn.ModuleList(
            ConvBlock(below + above, above, norm=norm) for below, above in pairwise(widths[::-1])
        )

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Process the last map of the encoder: (B, C, h, w), for any h and w."""
        skips, x = [], maps[-1]
        for down in self.downs:
            skips.append(x)
            x = down(x)
        for up, skip in zip(self.ups, reversed(skips), strict=True):
            x = up(torch.cat([F.interpolate(x, size=skip.shape[-2:]), skip], dim=1))
        return x


class UpPath(nn.Module):
    """The upsampling half of a U-Net whose downsampling half is an encoder.

    An addition to the paper: positions of a fine map get the receptive field of the last level.
    """

    def __init__(self, widths: list[int], *, norm: Norm) -> None:
        """widths: channels of the encoder's levels from that of the result to the last."""
        super().__init__()
        self.ups = nn.ModuleList(
            ConvBlock(below + above, above, norm=norm) for below, above in pairwise(widths[::-1])
        )

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Return the map of one level with the context of all smaller ones.

        maps: of all layers of the encoder, largest first.
        """
        *skips, x = maps[1::2][-len(self.ups) - 1 :]
        for up, skip in zip(self.ups, reversed(skips), strict=True):
            x = up(torch.cat([F.interpolate(x, size=skip.shape[-2:]), skip], dim=1))
        return x


def tokens(maps: list[Tensor], context: Context | UpPath | None) -> Tensor:
    """Return the input of the attention: V of eq. 1, or the output of a U-Net."""
    return pyramid(maps) if context is None else context(maps)


def pyramid(maps: list[Tensor]) -> Tensor:
    """Compute V of eq. 1: all maps average-pooled to the size of the last, concatenated."""
    height, width = maps[-1].shape[-2:]
    return torch.cat([F.adaptive_avg_pool2d(x, (height, width)) for x in maps], dim=1)
