"""One training task: colour a sketch after its own picture, offset in colour and bent."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from refcolor import augment, image
from refcolor.data import Pictures
from refcolor.image import Picture
from refcolor.params import Params
from refcolor.processes import ALONE, Processes
from refcolor.sketch import XDoGSettings, settings_between, sketch_picture


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
    processes: Processes = ALONE,
) -> Task:
    """Draw offsets and warps for the chosen places of a split, and apply them.

    chosen: (B,) int64. The target is the offset picture, the reference its warp; the sketch was
    drawn from the picture before the offset, so that it cannot know the colours asked for.
    processes: who draws for all chosen places alike and applies it to its own share of them, of
    which the task is made.
    A share of 0 draws nothing: the tasks are those of a program without it.
    """
    count, asked, own = len(chosen), params.augment, processes.share
    offsets = augment.draw_color_offsets(count, largest=asked.color_offset, generator=random)
    warps = augment.draw_warps(count, strength=asked.warp, mirror=asked.mirror, generator=random)
    chosen = own(chosen)
    colors = pictures.colors(chosen, device=device).contiguous(memory_format=torch.channels_last)
    target = augment.offset_colors(colors, own(offsets).to(device))
    warped = augment.warp(target, augment.Warps(own(warps.displacement), own(warps.mirrored)))
    if asked.patch_shuffle:
        orders = augment.draw_patch_orders(
            count, share=asked.patch_shuffle, patches=asked.patches, generator=random
        )
        warped = augment.shuffle_patches(warped, own(orders))
    if asked.drop_reference:
        dropped = augment.draw_some(count, share=asked.drop_reference, generator=random)
        warped = augment.drop_references(warped, own(dropped))
    sketch = pictures.sketches(chosen, device=device)
    if asked.sketch_variation:
        settings = draw_variations(count, share=asked.sketch_variation, generator=random)
        drawn = vary_sketches(pictures, chosen, own(settings))
        sketch = image.to_tensor(drawn[..., None], device=device)
    return Task(sketch, warped.picture, target, warped)


def draw_variations(
    count: int, *, share: float, generator: torch.Generator
) -> list[XDoGSettings | None]:
    """Draw for each picture XDoG settings of its own, or None for one that keeps its sketch."""
    varied = augment.draw_some(count, share=share, generator=generator).tolist()
    places = torch.rand(count, 2, generator=generator, dtype=torch.float64).tolist()
    return [
        settings_between(sigma, k) if asked else None
        for asked, (sigma, k) in zip(varied, places, strict=True)
    ]


def vary_sketches(
    pictures: Pictures, chosen: Tensor, settings: Sequence[XDoGSettings | None]
) -> Picture:
    """Draw the sketches of the chosen places anew where there are settings for it.

    Returns (B, S, S) uint8. The colours are those of the picture, before any offset.
    """
    return np.stack(
        [
            pictures.sketch[place] if own is None else sketch_picture(pictures.color[place], own)
            for place, own in zip(chosen.tolist(), settings, strict=True)
        ]
    )
