"""A training batch: sketches, their pictures with a colour offset, and warped references."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from refcolor.io import image
from refcolor.io.image import Picture
from refcolor.io.tensors import to_device
from refcolor.lines.sketch import XDoGSettings
from refcolor.params import Params
from refcolor.training import augment
from refcolor.training.data import Pictures
from refcolor.training.device import network_input
from refcolor.training.distributed import SINGLE_PROCESS, Processes
from refcolor.training.sketches import InkSettings, batch_sketches, draw_ink, draw_xdog
from refcolor.training.windows import between_windows, color_views, draw_windows, whole


@dataclass(frozen=True)
class Batch:
    """Inputs and target of the generator.

    sketch: (B, 1, S, S), reference, target: (B, 3, S, S), all in [-1, 1].
    warped: the warp that turned the target into the reference; no pixel is valid where the
        reference is another picture of the group.
    negatives: (B, N_s) float32 in [0, 1), for `losses.choose_negatives`; None without the triplet
        loss.
    """

    sketch: Tensor
    reference: Tensor
    target: Tensor
    warped: augment.Warped
    negatives: Tensor | None = None


def make_batch(
    pictures: Pictures,
    index: Tensor,
    params: Params,
    *,
    random: torch.Generator,
    device: torch.device,
    size: int | None = None,
    processes: Processes = SINGLE_PROCESS,
) -> Batch:
    """Draw the random transforms of the pictures at `index`, and apply them.

    index: (B,) int64, indices into `pictures`. The target is the picture in its window, with other
    colours; the reference is the warped target, or another picture of its group with the same
    change of colours, in a window of its own. The sketch was drawn from the picture before the
    change, so that it holds nothing of the target's colours.
    size: side S of the batch in pixels, by default that of the pictures.
    processes: every rank draws the random numbers of the whole batch, applies its part of them to
    its part of the pictures, and returns that part.
    A share of 0 in `augment` draws no random number.
    """
    count, settings, local_part = len(index), params.augment, processes.local_part
    side = pictures.color.shape[1]
    size = size or side
    offsets = augment.draw_color_offsets(count, largest=settings.color_offset, generator=random)
    warps = augment.draw_warps(
        count, strength=settings.warp, mirror=settings.mirror, generator=random
    )
    index, offsets = local_part(index), to_device(local_part(offsets), device)
    warps = augment.Warps(local_part(warps.displacement), local_part(warps.mirrored))
    shown = index
    if settings.other_reference:
        mask = augment.draw_mask(count, share=settings.other_reference, generator=random)
        others = pictures.others(index, local_part(torch.rand(count, generator=random)))
        shown = torch.where(local_part(mask), others, index)
    target_windows = reference_windows = whole(count, side)
    if settings.framing:
        target_windows, reference_windows = (
            draw_windows(count, side=side, share=settings.framing, generator=random)
            for _ in range(2)
        )
    redrawn = (target_windows != whole(count, size)).any(dim=1)  # the stored sketch does not fit
    target_windows, reference_windows = local_part(target_windows), local_part(reference_windows)

    change_colors = draw_color_change(offsets, params, random=random, processes=processes)
    colors = color_views(pictures.color, index, target_windows, size)
    target = change_colors(colors)
    if torch.equal(shown, index) and torch.equal(target_windows, reference_windows):
        warped = augment.warp(target, warps)
    else:
        views = color_views(pictures.color, shown, reference_windows, size)
        warped = augment.drop_matches(augment.warp(change_colors(views), warps), shown != index)
    if settings.framing:
        warped = between_windows(warped, reference=reference_windows, target=target_windows)
    if settings.patch_shuffle:
        orders = augment.draw_patch_orders(
            count, share=settings.patch_shuffle, patches=settings.patches, generator=random
        )
        warped = augment.shuffle_patches(warped, local_part(orders))
    if settings.drop_reference:
        dropped = augment.draw_mask(count, share=settings.drop_reference, generator=random)
        warped = augment.drop_references(warped, local_part(dropped))
    xdog: list[XDoGSettings | None] = [None] * count
    if settings.sketch_variation or redrawn.any():
        xdog = draw_xdog(redrawn, share=settings.sketch_variation, generator=random)
    ink: list[InkSettings | None] = [None] * count
    if settings.ink:
        ink = draw_ink(count, share=settings.ink, generator=random)
    sketch = batch_sketches(
        pictures, index, target_windows, colors, ink=local_part(ink), xdog=local_part(xdog)
    )
    lines = image.to_tensor(sketch[..., None], device=device)
    negatives = None
    if params.loss.triplet:
        queries = (size // params.model.cell_sizes[0]) ** 2
        negatives = local_part(torch.rand(count, queries, generator=random))
        negatives = to_device(negatives, device)
    return Batch(lines, warped.picture, target, warped, negatives)


def draw_color_change(
    offsets: Tensor, params: Params, *, random: torch.Generator, processes: Processes
) -> Callable[[Picture], Tensor]:
    """Draw the change of colours that target and reference of each picture have in common.

    offsets: (B, 3, 1, 1), of this rank.
    Returns a function of (B, S, S, 3) uint8 that returns (B, 3, S, S) float32 in [-1, 1].
    """
    settings, local_part = params.augment, processes.local_part
    count = len(offsets) * processes.world_size
    orders = gains = None
    if settings.channel_order:
        orders = local_part(
            augment.draw_channel_orders(count, share=settings.channel_order, generator=random)
        )
    if settings.color_gain:
        gains = augment.draw_color_gains(count, largest=settings.color_gain, generator=random)
        gains = to_device(local_part(gains), offsets.device)

    def change(colors: Picture) -> Tensor:
        picture = network_input(colors, offsets.device)
        changed = picture if orders is None else augment.reorder_channels(picture, orders)
        changed = augment.offset_colors(changed if gains is None else changed * gains, offsets)
        return augment.keep_white(changed, picture) if settings.keep_white else changed

    return change
