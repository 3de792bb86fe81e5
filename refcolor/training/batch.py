"""A training batch: sketches, and as references their own pictures, offset in colour and bent."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from refcolor.io import image
from refcolor.io.image import Picture
from refcolor.lines.sketch import XDoGSettings, settings_between, sketch_picture
from refcolor.params import Params
from refcolor.training import augment
from refcolor.training.data import Pictures
from refcolor.training.distributed import ALONE, Processes


@dataclass(frozen=True)
class Batch:
    """Inputs and target of the generator.

    sketch: (B, 1, S, S), reference, target: (B, 3, S, S), all in [-1, 1].
    warped: how the reference came out of the target.
    """

    sketch: Tensor
    reference: Tensor
    target: Tensor
    warped: augment.Warped


def make_batch(
    pictures: Pictures,
    index: Tensor,
    params: Params,
    *,
    random: torch.Generator,
    device: torch.device,
    processes: Processes = ALONE,
) -> Batch:
    """Draw offsets and warps for some pictures of a split, and apply them.

    index: (B,) int64, places in `pictures`. The target is the offset picture, the reference its
    warp; the sketch was drawn from the picture before the offset, so that it holds nothing of the
    target's colours.
    processes: each rank draws for the whole batch alike, and applies its share of the draws to its
    share of the pictures, which it returns.
    A share of 0 in `augment` draws nothing: the batches are those of a program without it.
    """
    count, settings, share = len(index), params.augment, processes.share
    offsets = augment.draw_color_offsets(count, largest=settings.color_offset, generator=random)
    warps = augment.draw_warps(
        count, strength=settings.warp, mirror=settings.mirror, generator=random
    )
    index = share(index)
    colors = pictures.colors(index, device=device).contiguous(memory_format=torch.channels_last)
    target = augment.offset_colors(colors, share(offsets).to(device))
    warped = augment.warp(target, augment.Warps(share(warps.displacement), share(warps.mirrored)))
    if settings.patch_shuffle:
        orders = augment.draw_patch_orders(
            count, share=settings.patch_shuffle, patches=settings.patches, generator=random
        )
        warped = augment.shuffle_patches(warped, share(orders))
    if settings.drop_reference:
        dropped = augment.draw_some(count, share=settings.drop_reference, generator=random)
        warped = augment.drop_references(warped, share(dropped))
    sketch = pictures.sketches(index, device=device)
    if settings.sketch_variation:
        variations = draw_variations(count, share=settings.sketch_variation, generator=random)
        drawn = vary_sketches(pictures, index, share(variations))
        sketch = image.to_tensor(drawn[..., None], device=device)
    return Batch(sketch, warped.picture, target, warped)


def draw_variations(
    count: int, *, share: float, generator: torch.Generator
) -> list[XDoGSettings | None]:
    """Draw for each picture XDoG settings of its own, or None for one that keeps its sketch."""
    varied = augment.draw_some(count, share=share, generator=generator).tolist()
    places = torch.rand(count, 2, generator=generator, dtype=torch.float64).tolist()
    return [
        settings_between(sigma, k) if is_varied else None
        for is_varied, (sigma, k) in zip(varied, places, strict=True)
    ]


def vary_sketches(
    pictures: Pictures, index: Tensor, settings: Sequence[XDoGSettings | None]
) -> Picture:
    """Return the sketches at an index, drawn anew from the pictures where there are settings.

    Returns (B, S, S) uint8. XDoG sees the picture's own colours, before any offset.
    """
    return np.stack(
        [
            pictures.sketch[place] if one is None else sketch_picture(pictures.color[place], one)
            for place, one in zip(index.tolist(), settings, strict=True)
        ]
    )
