"""A training batch: sketches, their pictures with a colour offset, and warped references."""

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
from refcolor.training.distributed import SINGLE_PROCESS, Processes


@dataclass(frozen=True)
class Batch:
    """Inputs and target of the generator.

    sketch: (B, 1, S, S), reference, target: (B, 3, S, S), all in [-1, 1].
    warped: the warp that turned the target into the reference; no pixel is valid where the
        reference is another picture of the group.
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
    processes: Processes = SINGLE_PROCESS,
) -> Batch:
    """Draw colour offsets and warps for the pictures at `index`, and apply them.

    index: (B,) int64, indices into `pictures`. The target is the picture with the offset, the
    reference is the warped target, or another picture of its group with the same offset and warp;
    the sketch was drawn from the picture before the offset, so that it holds nothing of the
    target's colours.
    processes: every rank draws the random numbers of the whole batch, applies its part of them to
    its part of the pictures, and returns that part.
    A share of 0 in `augment` draws no random number.
    """
    count, settings, local_part = len(index), params.augment, processes.local_part
    offsets = augment.draw_color_offsets(count, largest=settings.color_offset, generator=random)
    warps = augment.draw_warps(
        count, strength=settings.warp, mirror=settings.mirror, generator=random
    )
    index, offsets = local_part(index), local_part(offsets).to(device)
    warps = augment.Warps(local_part(warps.displacement), local_part(warps.mirrored))

    def with_offsets(index: Tensor) -> Tensor:
        colors = pictures.colors(index, device=device).contiguous(memory_format=torch.channels_last)
        return augment.offset_colors(colors, offsets)

    target = with_offsets(index)
    if settings.other_reference:
        mask = augment.draw_mask(count, share=settings.other_reference, generator=random)
        others = pictures.others(index, local_part(torch.rand(count, generator=random)))
        shown = torch.where(local_part(mask), others, index)
        warped = augment.drop_matches(augment.warp(with_offsets(shown), warps), shown != index)
    else:
        warped = augment.warp(target, warps)
    if settings.patch_shuffle:
        orders = augment.draw_patch_orders(
            count, share=settings.patch_shuffle, patches=settings.patches, generator=random
        )
        warped = augment.shuffle_patches(warped, local_part(orders))
    if settings.drop_reference:
        dropped = augment.draw_mask(count, share=settings.drop_reference, generator=random)
        warped = augment.drop_references(warped, local_part(dropped))
    sketch = pictures.sketches(index, device=device)
    if settings.sketch_variation:
        variations = draw_variations(count, share=settings.sketch_variation, generator=random)
        sketches = vary_sketches(pictures, index, local_part(variations))
        sketch = image.to_tensor(sketches[..., None], device=device)
    return Batch(sketch, warped.picture, target, warped)


def draw_variations(
    count: int, *, share: float, generator: torch.Generator
) -> list[XDoGSettings | None]:
    """Draw XDoG settings for each picture, or None where the stored sketch is used.

    share: the probability of settings.
    """
    varied = augment.draw_mask(count, share=share, generator=generator).tolist()
    uniform = torch.rand(count, 2, generator=generator, dtype=torch.float64).tolist()
    return [
        settings_between(sigma, k) if is_varied else None
        for is_varied, (sigma, k) in zip(varied, uniform, strict=True)
    ]


def vary_sketches(
    pictures: Pictures, index: Tensor, settings: Sequence[XDoGSettings | None]
) -> Picture:
    """Return the sketches at `index`, drawn again by XDoG where there are settings.

    Returns (B, S, S) uint8. XDoG is applied to the picture before the colour offset.
    """
    return np.stack(
        [
            pictures.sketch[i] if xdog is None else sketch_picture(pictures.color[i], xdog)
            for i, xdog in zip(index.tolist(), settings, strict=True)
        ]
    )
