"""A batch is the augmented-self reference, and whatever else a share of pictures gets."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from refcolor.io import image
from refcolor.params import Params
from refcolor.training import augment
from refcolor.training.augment import known_match
from refcolor.training.batch import Batch, make_batch
from refcolor.training.data import Pictures
from refcolor.training.sketches import draw_xdog

CPU = torch.device("cpu")
CHOSEN = torch.tensor([6, 0, 3, 2, 5])


@pytest.fixture
def batch(make_params: Callable[..., Params], make_pictures: Callable[..., Pictures]) -> Batch:
    """A batch of 5 pictures whose colours are far enough from black and white not to be clamped."""
    return draw_batch(make_params(), grayish(make_pictures(7)))


def grayish(pictures: Pictures) -> Pictures:
    """Move all colours to the middle half of the range."""
    return replace(pictures, color=pictures.color // 4 + 96)


def seeded(seed: int = 0) -> torch.Generator:
    """Make a generator in a known state."""
    return torch.Generator().manual_seed(seed)


def draw_batch(params: Params, pictures: Pictures, *, seed: int = 0) -> Batch:
    """Draw a batch of pictures 6, 0, 3, 2 and 5."""
    return make_batch(pictures, CHOSEN, params, random=seeded(seed), device=CPU)


def test_the_offset_is_one_per_picture_and_channel(
    make_params: Callable, make_pictures: Callable[..., Pictures]
) -> None:
    """Target minus picture is constant over pixels, in the range, and differs otherwise."""
    pictures = grayish(make_pictures(7))
    batch = draw_batch(make_params(), pictures)
    offset = batch.target - pictures.colors([6, 0, 3, 2, 5], device=CPU)
    per_channel = offset.flatten(2)
    assert torch.allclose(per_channel, per_channel[..., :1].expand_as(per_channel), atol=1e-6)
    assert per_channel.abs().max() <= 0.4
    assert len(per_channel[..., 0].unique()) == 15
    assert per_channel[..., 0].abs().mean() > 0.1


def test_the_sketch_does_not_know_the_offset(
    make_params: Callable, make_pictures: Callable[..., Pictures]
) -> None:
    """The sketch was drawn before the offset: it is the stored one, whatever the offset."""
    pictures = make_pictures(7)
    expected = pictures.sketches([6, 0, 3, 2, 5], device=CPU)
    for offset in (0.0, 0.4):
        batch = draw_batch(make_params({"augment.color_offset": offset}), pictures)
        assert torch.equal(batch.sketch, expected)


def test_the_reference_is_the_warp_of_the_target(batch: Batch) -> None:
    """The reference shows the jittered picture, sampled where the warp's grid says."""
    expected = F.grid_sample(
        batch.target, batch.warped.grid, padding_mode="border", align_corners=False
    )
    assert torch.allclose(batch.reference, expected, atol=1e-5)
    assert not torch.allclose(batch.reference, batch.target, atol=0.05)


def test_without_warp_and_mirror_reference_and_target_agree(
    make_params: Callable, make_pictures: Callable[..., Pictures]
) -> None:
    """One jitter serves both: the reference shows the colours of the target."""
    params = make_params({"augment.warp": 0.0, "augment.mirror": 0.0})
    batch = draw_batch(params, make_pictures(7))
    assert torch.allclose(batch.reference, batch.target, atol=1e-4)


def test_batches_follow_from_the_generator(
    make_params: Callable, make_pictures: Callable[..., Pictures]
) -> None:
    """Equal generator states give equal batches, others differ."""
    one, two, other = (draw_batch(make_params(), make_pictures(7), seed=s) for s in (0, 0, 1))
    assert torch.equal(one.reference, two.reference)
    assert not torch.equal(one.target, other.target)
    assert not torch.equal(one.warped.grid, other.warped.grid)


def test_a_share_of_zero_draws_no_number(
    make_params: Callable, make_pictures: Callable[..., Pictures]
) -> None:
    """By default a batch takes its offsets and warps from the generator, and nothing more."""
    one, two = seeded(), seeded()
    make_batch(make_pictures(7), CHOSEN, make_params(), random=one, device=CPU)
    augment.draw_color_offsets(5, largest=0.4, generator=two)
    augment.draw_warps(5, strength=0.12, mirror=0.5, generator=two)
    assert torch.equal(one.get_state(), two.get_state())


def test_sketch_variation_alone_draws_no_number_for_ink(
    make_params: Callable, make_pictures: Callable[..., Pictures]
) -> None:
    """Where no sketch is inked, the generator gives the XDoG settings and nothing more."""
    one, two = seeded(), seeded()
    params = make_params({"augment.sketch_variation": 0.5})
    make_batch(make_pictures(7), CHOSEN, params, random=one, device=CPU)
    augment.draw_color_offsets(5, largest=0.4, generator=two)
    augment.draw_warps(5, strength=0.12, mirror=0.5, generator=two)
    draw_xdog(torch.zeros(5, dtype=torch.bool), share=0.5, generator=two)
    assert torch.equal(one.get_state(), two.get_state())


@pytest.mark.parametrize(
    "share", ["patch_shuffle", "drop_reference", "sketch_variation", "other_reference", "ink"]
)
def test_what_a_share_gets_leaves_offsets_and_warps_alone(
    make_params: Callable, make_pictures: Callable[..., Pictures], share: str
) -> None:
    """Target and warp are drawn first, so that arms of a study begin with the same batches."""
    plain = draw_batch(make_params(), make_pictures(7))
    augmented = draw_batch(make_params({f"augment.{share}": 1}), make_pictures(7))
    assert torch.equal(augmented.target, plain.target)
    same = (
        torch.equal(augmented.sketch, plain.sketch),
        torch.equal(augmented.reference, plain.reference),
    )
    assert same == ((False, True) if share in ("sketch_variation", "ink") else (True, False))


def test_a_shuffled_reference_keeps_its_match(
    make_params: Callable, make_pictures: Callable[..., Pictures]
) -> None:
    """Where the match is known, both cells show the same place: the reference is sampled there."""
    pictures = grayish(make_pictures(7))
    params = make_params({"augment.warp": 0.0, "augment.mirror": 0.0, "augment.patch_shuffle": 1})
    batch = draw_batch(params, pictures)
    match = known_match(batch.warped.grid, batch.warped.valid, cells=(8, 8))
    assert match.known.all()
    assert (match.key != torch.arange(64)).float().mean() > 0.8
    reference, target = (F.avg_pool2d(x, 4).flatten(2) for x in (batch.reference, batch.target))
    found = reference.gather(2, match.key[:, None].expand(-1, 3, -1))
    assert torch.allclose(found, target, atol=1e-4)


def test_shuffling_loses_no_match(
    make_params: Callable, make_pictures: Callable[..., Pictures]
) -> None:
    """A bent reference in pieces shows the same cells: as many matches, at the same distances."""
    plain = draw_batch(make_params(), make_pictures(7))
    shuffled = draw_batch(make_params({"augment.patch_shuffle": 1}), make_pictures(7))
    one, two = (
        known_match(batch.warped.grid, batch.warped.valid, cells=(8, 8))
        for batch in (plain, shuffled)
    )
    assert torch.equal(one.known, two.known)
    assert not torch.equal(one.key, two.key)


def test_a_dropped_reference_is_white_paper_without_a_match(
    make_params: Callable, make_pictures: Callable[..., Pictures]
) -> None:
    """All dropped: every pixel is 1 and no query has a key; the answer stays the picture."""
    batch = draw_batch(make_params({"augment.drop_reference": 1}), make_pictures(7))
    assert (batch.reference == 1).all()
    assert not known_match(batch.warped.grid, batch.warped.valid, cells=(8, 8)).known.any()
    assert torch.equal(batch.target, draw_batch(make_params(), make_pictures(7)).target)


def test_another_picture_of_the_group_is_the_reference(
    make_params: Callable, make_pictures: Callable[..., Pictures]
) -> None:
    """Unbent, it is that picture with the target's offset; alone, the own one with its match.

    Of the pictures 6, 0, 3, 2 and 5, the second and the fourth are of one group; the last has two
    others in its own; the first is the only one of its group, the third of none.
    """
    groups = ("a", "b", "a", "", "b", "b", "c")
    pictures = replace(grayish(make_pictures(7)), groups=groups)
    changes = {"augment.warp": 0.0, "augment.mirror": 0.0}
    plain = draw_batch(make_params(changes), pictures)
    batch = draw_batch(make_params(changes | {"augment.other_reference": 1}), pictures)
    assert torch.equal(batch.target, plain.target)
    assert torch.equal(batch.sketch, plain.sketch)
    offset = batch.target - pictures.colors(CHOSEN, device=CPU)
    shown = batch.reference - offset
    allowed = [[6], [2], [3], [0], [1, 4]]
    for picture, places in zip(shown, allowed, strict=True):
        near = [
            torch.allclose(picture, color, atol=1e-5)
            for color in pictures.colors(range(7), device=CPU)
        ]
        assert sum(near) == 1 and near.index(True) in places
    match = known_match(batch.warped.grid, batch.warped.valid, cells=(8, 8))
    assert match.known.all(dim=1).tolist() == [True, False, True, False, False]
    assert not match.known[[1, 3, 4]].any()
    own = torch.arange(64).expand(2, -1)
    assert torch.equal(match.key[[0, 2]], own)


def test_another_picture_is_bent_like_the_own_one(
    make_params: Callable, make_pictures: Callable[..., Pictures]
) -> None:
    """The warp that was drawn for a row is that of its reference, whichever picture it shows."""
    pictures = make_pictures(7)
    plain = draw_batch(make_params(), pictures)
    batch = draw_batch(make_params({"augment.other_reference": 1}), pictures)
    assert torch.equal(batch.warped.grid, plain.warped.grid)
    assert not torch.equal(batch.reference, plain.reference)


def test_a_share_of_the_references_is_another_picture(
    make_params: Callable, make_pictures: Callable[..., Pictures]
) -> None:
    """Of 400 rows three tenths have no known match, and these alone show another picture."""
    pictures = make_pictures(6)
    index = torch.arange(400) % 6
    batches = [
        make_batch(pictures, index, make_params(changes), random=seeded(), device=CPU)
        for changes in ({}, {"augment.other_reference": 0.3})
    ]
    differs = (batches[0].reference != batches[1].reference).flatten(1).any(dim=1)
    assert torch.equal(differs, ~batches[1].warped.valid.flatten(1).any(dim=1))
    assert differs.float().mean().item() == pytest.approx(0.3, abs=0.08)


def test_a_varied_sketch_is_drawn_before_the_offset(
    make_params: Callable, make_pictures: Callable[..., Pictures]
) -> None:
    """Whatever the colour offset, new line art is that of the stored picture."""
    pictures = make_pictures(7)
    changes = {"augment.sketch_variation": 1}
    one = draw_batch(make_params(changes | {"augment.color_offset": 0.0}), pictures)
    two = draw_batch(make_params(changes | {"augment.color_offset": 0.4}), pictures)
    assert torch.equal(one.sketch, two.sketch)
    assert not torch.equal(one.sketch, pictures.sketches(CHOSEN, device=CPU))


def test_all_augmentations_together_make_a_batch(
    make_params: Callable, make_pictures: Callable[..., Pictures]
) -> None:
    """With every share at a half the batch has its shapes and ranges, and repeats."""
    shares = ("patch_shuffle", "drop_reference", "sketch_variation", "other_reference")
    shares += ("framing", "ink", "channel_order", "color_gain")
    changes = {f"augment.{share}": 0.5 for share in shares} | {"augment.keep_white": 1}
    params = make_params(changes)
    batch, again = (draw_batch(params, make_pictures(7), seed=4) for _ in range(2))
    assert batch.sketch.shape == (5, 1, 32, 32)
    assert batch.reference.shape == (5, 3, 32, 32)
    assert batch.sketch.abs().max() <= 1
    assert image.to_uint8(batch.sketch).dtype == np.uint8
    assert torch.equal(batch.reference, again.reference)
    assert torch.equal(batch.sketch, again.sketch)
