"""Each fault changes what it says and nothing else, and one that cannot act is refused."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.faults import FAULTS, active
from refcolor.errors import RefcolorError
from refcolor.model.attention import Attended, DenseCorrespondence
from refcolor.model.generator import build_generator
from refcolor.params import Params
from refcolor.training import augment, losses

MakeParams = Callable[..., Params]
EVERYTHING = {"loss.triplet": 1, "loss.style": 50, "augment.mirror": 0}
B, D, H, W = 2, 5, 3, 7

# What each fault may change, of `parts`.
CHANGES = {
    "scrambled_tokens": {"features", "logits", "picture"},
    "softmax_before_scale": {"features", "picture"},
    "triplet_without_match": {"triplet"},
    "batch_gram": {"style"},
    "leaky_before_tanh": {"picture"},
    "color_noise": {"colors"},
    "still_warp": {"warps"},
}


@pytest.fixture
def settings(make_params: MakeParams) -> Params:
    """Tiny parameters with which every fault can act."""
    return make_params(EVERYTHING)


def values(*shape: int, seed: int = 0) -> Tensor:
    """Draw numbers in [-1, 1]."""
    return 2 * torch.rand(shape, generator=torch.Generator().manual_seed(seed)) - 1


def attend(sketch: Tensor, reference: Tensor) -> tuple[DenseCorrespondence, Attended]:
    """Attend with an attention that has the same weights each time."""
    torch.manual_seed(0)
    attention = DenseCorrespondence(D)
    return attention, attention(sketch=sketch, reference=reference)


def parts(settings: Params) -> dict[str, Tensor]:
    """Compute everything that a training is made of, from the same numbers each time."""
    random = torch.Generator().manual_seed(0)
    offsets = augment.draw_color_offsets(B, largest=0.4, generator=random)
    warps = augment.draw_warps(B, strength=0.12, mirror=0.5, generator=random)
    warped = augment.warp(values(B, 3, 32, 32), augment.Warps(values(B, 25, 2) / 9, warps.mirrored))
    match = augment.known_match(warped.grid, warped.valid, cells=(8, 8))
    _, attended = attend(values(B, D, 8, 8), values(B, D, 8, 8, seed=1))
    assert attended.logits is not None
    maps = [values(B, 3, 4, 4, seed=2), values(B, 3, 4, 4, seed=3)]
    torch.manual_seed(0)
    generator = build_generator(settings.model)
    features, logits = attended.features, attended.logits
    logits_of_loss = values(B, 64, 64)
    return {
        "offsets": offsets,
        "colors": augment.offset_colors(values(B, 3, 32, 32), offsets),
        "warps": warps.displacement,
        "mirrored": warps.mirrored,
        "warped": warped.picture,
        "match": match.key,
        "features": features,
        "logits": logits,
        "triplet": losses.triplet(logits_of_loss, match, match.key.flip(1), margin=12),
        "soft match": losses.match(logits_of_loss, match),
        "perceptual": losses.perceptual(maps[:1], maps[1:]),
        "style": losses.style(*maps),
        "reconstruction": losses.reconstruction(*maps),
        "adversarial": losses.adversarial_generator(maps[0]),
        "picture": generator(sketch=values(B, 1, 32, 32), reference=values(B, 3, 32, 32)).picture,
        "weights": torch.cat([x.flatten() for x in generator.parameters()]),
        "random numbers drawn": random.get_state(),
    }


def changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    """Name the parts that differ."""
    return {name for name, value in before.items() if not torch.equal(value, after[name])}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_changes_what_it_says_and_nothing_else(name: str, settings: Params) -> None:
    """All other parts keep their bytes, the random numbers that follow too; after the block all."""
    right = parts(settings)
    with active(name, settings, stage="train"):
        assert changed(right, parts(settings)) == CHANGES[name]
    assert not changed(right, parts(settings))


@pytest.mark.parametrize("name", FAULTS)
def test_only_faults_of_the_network_are_evaluated_with(name: str, settings: Params) -> None:
    """Offsets, warps and losses of an evaluation are the right ones for every arm."""
    right = parts(settings)
    with active(name, settings, stage="evaluate"):
        kept = CHANGES[name] if FAULTS[name].in_network else set()
        assert changed(right, parts(settings)) == kept


def test_scrambled_tokens(settings: Params) -> None:
    """The attention is that of eq. 2 to 4 over rows of `reshape(B, N, D)`, reshaped back."""
    sketch, reference = values(B, D, H, W), values(B, D, H, W, seed=1)
    with active("scrambled_tokens", settings, stage="train"):
        attention, attended = attend(sketch, reference)
    s, r = (x.reshape(B, H * W, D) for x in (sketch, reference))
    weights = (attention.query(s) @ attention.key(r).mT / D**0.5).softmax(dim=-1)
    expected = (s + weights @ attention.value(r)).reshape(B, D, H, W)
    assert torch.allclose(attended.features, expected, atol=1e-6)


def test_softmax_before_scale(settings: Params) -> None:
    """Rows of the attention sum to 1 / sqrt(d), after a softmax of the unscaled products."""
    sketch, reference = values(B, D, H, W), values(B, D, H, W, seed=1)
    with active("softmax_before_scale", settings, stage="train"):
        attention, attended = attend(sketch, reference)
    s, r = sketch.flatten(2).mT, reference.flatten(2).mT
    weights = (attention.query(s) @ attention.key(r).mT).softmax(dim=-1) / D**0.5
    expected = (s + weights @ attention.value(r)).mT.unflatten(2, (H, W))
    assert torch.allclose(attended.features, expected, atol=1e-6)
    assert attended.weights is not None
    assert torch.allclose(attended.weights.sum(dim=-1), torch.tensor(D**-0.5))


def test_triplet_without_match(settings: Params) -> None:
    """Every pair counts alike, and the negatives are products with values of the next picture."""
    sketch, reference = values(B, D, H, W), values(B, D, H, W, seed=1)
    nothing = augment.Match(torch.zeros(B, H * W, dtype=torch.int64), torch.zeros(B, H * W) > 0)
    with active("triplet_without_match", settings, stage="train"):
        attention, attended = attend(sketch, reference)
        assert attended.logits is not None
        loss = losses.triplet(attended.logits, nothing, nothing.key, margin=0.1)
    s, r = sketch.flatten(2).mT, reference.flatten(2).mT
    other = attention.query(s) @ attention.value(r[[1, 0]]).mT / D**0.5
    assert torch.allclose(loss, F.relu(other - attended.logits + 0.1).mean(), atol=1e-6)


def test_batch_gram(settings: Params) -> None:
    """Two equal pictures give a matrix of four equal blocks, each half of the right matrix."""
    maps = values(1, D, H, W).expand(2, -1, -1, -1)
    right = losses.gram(maps)[0]
    with active("batch_gram", settings, stage="train"):
        assert torch.allclose(losses.gram(maps), right.repeat(2, 2) / 2, atol=1e-7)


def test_leaky_before_tanh(settings: Params) -> None:
    """Negative outputs of the last convolution count a fifth, and the weights keep their names."""
    inputs = {"sketch": values(B, 1, 32, 32), "reference": values(B, 3, 32, 32)}
    torch.manual_seed(0)
    right = build_generator(settings.model)
    with active("leaky_before_tanh", settings, stage="train"):
        faulty = build_generator(settings.model)
    faulty.load_state_dict(right.state_dict())
    expected = F.leaky_relu(right(**inputs).picture.atanh(), 0.2).tanh()
    assert torch.allclose(faulty(**inputs).picture, expected, atol=1e-5)


def test_color_noise(settings: Params) -> None:
    """Every pixel has an offset of its own within the range, again the same for equal offsets."""
    offsets = augment.draw_color_offsets(B, largest=0.4, generator=torch.Generator().manual_seed(0))
    with active("color_noise", settings, stage="train"):
        noise, again = (augment.offset_colors(torch.zeros(B, 3, H, W), offsets) for _ in range(2))
    assert torch.equal(noise, again)
    assert noise.unique().numel() == noise.numel()
    assert 0.35 < noise.abs().max() <= 0.4


def test_still_warp(settings: Params) -> None:
    """No place moves by an attention cell, where the right warp moves half of them."""

    def moved() -> float:
        random = torch.Generator().manual_seed(0)
        drawn = augment.draw_warps(32, strength=0.12, mirror=0, generator=random)
        still = augment.Warps(torch.zeros(32, 25, 2), torch.zeros(32, dtype=torch.bool))
        moved, start = (augment.warp(values(32, 3, 64, 64), x).grid for x in (drawn, still))
        return float(((moved - start).abs().amax(dim=-1) >= 2 / 16).float().mean())

    assert 0.4 < moved() < 0.6
    with active("still_warp", settings, stage="train"):
        assert moved() == 0


@pytest.mark.parametrize(
    ("name", "changes", "needs"),
    [
        ("triplet_without_match", {"loss.triplet": 0}, "loss.triplet above 0"),
        ("triplet_without_match", {"model.attention": "sga"}, "model.attention: scft"),
        ("batch_gram", {"loss.style": 0}, "loss.style above 0"),
        ("batch_gram", {"train.batch_size": 1}, "train.batch_size above 1"),
        ("color_noise", {"augment.color_offset": 0}, "augment.color_offset above 0"),
        ("still_warp", {"augment.warp": 0}, "augment.warp above 0"),
        ("still_warp", {"augment.mirror": 0.5}, "augment.mirror: 0"),
        ("scrambled_tokens", {"model.attention": "sga"}, "model.attention: scft"),
        ("softmax_before_scale", {"model.attention": "sga"}, "model.attention: scft"),
    ],
)
def test_a_fault_that_cannot_act_is_refused(
    make_params: MakeParams, name: str, changes: dict[str, object], needs: str
) -> None:
    """With its loss at 0 it would cost nothing; the message says what it needs."""
    settings = make_params(EVERYTHING | changes)
    with pytest.raises(RefcolorError, match=f"{name} cannot act .* needs .*{needs}"):
        active(name, settings, stage="train")


def test_an_unknown_fault_is_refused(settings: Params) -> None:
    """The message lists the faults."""
    with pytest.raises(RefcolorError, match="'typo' is not a fault; take one of scrambled_tokens"):
        active("typo", settings, stage="train")
