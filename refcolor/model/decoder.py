"""The decoder, and the upsampling of transported colours."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from refcolor.model.blocks import ConvBlock, Norm, ResidualBlock


class Decoder(nn.Module):
    """A U-Net decoder with skip connections from the sketch encoder only."""

    def __init__(
        self,
        channels_in: int,
        widths: list[int],
        *,
        norm: Norm,
        transport: bool,
        convex: bool = False,
        blocks: int = 0,
    ) -> None:
        """widths: channels of the encoder's levels, largest map first.

        transport: whether the decoder gets the colours of transport.
        convex: whether `convex_upsample` upsamples them for the result, not bilinear interpolation.
        blocks: residual blocks on the smallest map.
        """
        super().__init__()
        colors = 3 if transport else 0
        self.enter = ConvBlock(channels_in + colors, widths[-1], norm=norm)
        self.blocks = nn.Sequential(*(ResidualBlock(widths[-1], norm=norm) for _ in range(blocks)))
        self.joins = nn.ModuleList(
            ConvBlock(below + width + colors, width, norm=norm)
            for below, width in pairwise(widths[::-1])
        )
        self.leave = nn.Conv2d(widths[0] + colors, 3, 3, padding=1)
        self.mixture = nn.Conv2d(widths[0] + colors, 9, 3, padding=1) if convex else None

    def forward(self, x: Tensor, skips: list[Tensor], colors: Tensor | None = None) -> Tensor:
        """skips: last maps of the levels above the smallest, largest first.

        colors: (B, 3, h, w) float32 in [-1, 1], transported colours; None without transport.
        """
        x = self.blocks(self.enter(with_colors(x, colors)))
        for join, skip in zip(self.joins, reversed(skips), strict=True):
            x = join(
                with_colors(torch.cat([F.interpolate(x, scale_factor=2.0), skip], dim=1), colors)
            )
        # No ReLU before the tanh: dark colours need negative inputs.
        x = with_colors(x, colors)
        picture = self.leave(x).float()
        if colors is not None:
            if self.mixture is None:
                large = resized(colors, picture)
            else:
                large = convex_upsample(colors, self.mixture(x))
            picture = picture + torch.atanh(large.clamp(-0.98, 0.98))
        return torch.tanh(picture)


def convex_upsample(colors: Tensor, logits: Tensor) -> Tensor:
    """Upsample colours: each pixel is a weighted mean of the 3 x 3 cells around it.

    An addition to the paper. Unlike bilinear interpolation, learned weights can end at a line.
    colors: (B, 3, h, w); the border is repeated.
    logits: (B, 9, H, W), of which the softmax weighs the cells row by row; h and w divide H and W.
    Returns (B, 3, H, W) float32.
    Reference: Teed, Deng: RAFT, ECCV 2020 (arXiv 2003.12039), for optical flow.
    """
    rows, columns = colors.shape[-2:]
    padded = F.pad(colors.float(), (1, 1, 1, 1), mode="replicate")
    parts = []
    for place, weight in enumerate(logits.float().softmax(dim=1).unbind(dim=1)):
        y, x = divmod(place, 3)
        near = padded[..., y : y + rows, x : x + columns]
        parts.append(weight[:, None] * F.interpolate(near, size=logits.shape[-2:]))
    return torch.stack(parts).sum(dim=0)


def resized(colors: Tensor, picture: Tensor) -> Tensor:
    """Interpolate (B, 3, h, w) colours to the size of a picture."""
    return F.interpolate(colors, size=picture.shape[-2:], mode="bilinear")


def with_colors(x: Tensor, colors: Tensor | None) -> Tensor:
    """Append transported colours to the channels of a map; None returns the map."""
    return x if colors is None else torch.cat([x, resized(colors, x).to(x.dtype)], dim=1)
