"""One training task: colour a sketch after its own picture, offset in colour and bent."""

from dataclasses import dataclass

import torch
from torch import Tensor

from refcolor import augment
from refcolor.data import Pictures
from refcolor.params import Params


@dataclass(frozen=True)
class Task:
    """What the generator is asked, and the answer.

    sketch: (B, 1, S, S), reference, target: (B, 3, S, S), all in [-1, 1].
    warped: how the reference came out of the target.
    """

    sketch: Tensor
    reference: Tensor
    target: Tensor
    warped: augment.Warped


def make_task(
    pictures: Pictures,
    chosen: Tensor,
    params: Params,
    *,
    random: torch.Generator,
    device: torch.device,
) -> Task:
    """Draw offsets and warps for the chosen places of a split, and apply them.

    chosen: (B,) int64. The target is the offset picture, the reference its warp; the sketch was
    drawn from the picture before the offset, so that it cannot know the colours asked for.
    """
    offsets = augment.draw_color_offsets(
        len(chosen), largest=params.augment.color_offset, generator=random
    )
    warps = augment.draw_warps(
        len(chosen), strength=params.augment.warp, mirror=params.augment.mirror, generator=random
    )
    colors = pictures.colors(chosen, device=device).contiguous(memory_format=torch.channels_last)
    target = augment.offset_colors(colors, offsets.to(device))
    warped = augment.warp(target, warps)
    return Task(pictures.sketches(chosen, device=device), warped.picture, target, warped)
