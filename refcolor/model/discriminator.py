"""The discriminator: a PatchGAN on (picture, sketch), Isola et al. (CVPR 2017)."""

import torch
from torch import Tensor, nn

from refcolor.model.blocks import InstanceNorm
from refcolor.params import ModelParams


class Discriminator(nn.Module):
    """Classifies overlapping patches; the last layer is linear for the least-squares loss."""

    def __init__(self, params: ModelParams) -> None:
        """Channels w, 2w, 4w, 8w with w = model.discriminator_width; patches of 70 x 70 pixels.

        Instance norm instead of batch norm: batch statistics would separate real from fake batches.
        """
        super().__init__()
        width = params.discriminator_width
        layers: list[nn.Module] = [nn.Conv2d(4, width, 4, 2, padding=1), nn.LeakyReLU(0.2)]
        for stride, scale in ((2, 1), (2, 2), (1, 4)):
            layers += [
                nn.Conv2d(width * scale, width * scale * 2, 4, stride, padding=1),
                InstanceNorm(width * scale * 2),
                nn.LeakyReLU(0.2),
            ]
        self.layers = nn.Sequential(*layers, nn.Conv2d(width * 8, 1, 4, padding=1))

    def forward(self, *, picture: Tensor, sketch: Tensor) -> Tensor:
        """Score patches of picture (B, 3, H, W) and sketch (B, 1, H, W): (B, 1, h, w), 1 = real."""
        scores: Tensor = self.layers(torch.cat([picture, sketch], dim=1))
        return scores
