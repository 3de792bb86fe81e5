"""Attention: tokens are positions, the scale is in the softmax, SGA's weights get no gradient."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from refcolor.model.attention import (
    Concatenation,
    DenseCorrespondence,
    StopGradientAttention,
    StopGradientBlock,
    build_attention,
    similarity,
    twice_normalized,
)
from refcolor.model.blocks import NORMS
from refcolor.training import losses
from refcolor.training.augment import Match

CHANNELS = 11


@pytest.fixture
def attention() -> DenseCorrespondence:
    """A correspondence of 11 channels with weights large enough to matter."""
    torch.manual_seed(0)
    attention = DenseCorrespondence(CHANNELS)
    with torch.no_grad():
        for layer in (attention.query, attention.key):
            layer.weight.mul_(3)
    return attention


@pytest.fixture
def stopped() -> StopGradientAttention:
    """A stop-gradient attention of 11 channels, instance norm, W_q and W_k different."""
    torch.manual_seed(0)
    stopped = StopGradientAttention(CHANNELS, norm=NORMS["instance"])
    with torch.no_grad():
        stopped.query.weight.add_(torch.randn(CHANNELS, CHANNELS))
        stopped.key.weight.mul_(2)
    return stopped


def without_norms(stopped: StopGradientAttention) -> None:
    """Remove the norms of both blocks."""
    for block in (stopped.cross_block, stopped.self_block):
        block.norm = nn.Identity()


def features(*shape: int, seed: int) -> Tensor:
    """Draw features."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_eq_2_to_4_worked_by_loops(attention: DenseCorrespondence) -> None:
    """Output and logits equal the sums of the paper, written out position by position."""
    sketch, reference = features(2, CHANNELS, 2, 3, seed=1), features(2, CHANNELS, 2, 3, seed=2)
    attended = attention(sketch=sketch, reference=reference)
    w_q, w_k, w_v = (x.weight for x in (attention.query, attention.key, attention.value))
    assert attended.logits is not None
    for b in range(2):
        for i in range(6):
            v_s = sketch[b, :, i // 3, i % 3]
            references = [reference[b, :, j // 3, j % 3] for j in range(6)]
            scores = [(w_q @ v_s) @ (w_k @ v_r) / math.sqrt(CHANNELS) for v_r in references]
            weights = torch.stack(scores).exp() / torch.stack(scores).exp().sum()
            expected = v_s + sum(a * (w_v @ v) for a, v in zip(weights, references, strict=True))
            assert torch.allclose(attended.features[b, :, i // 3, i % 3], expected, atol=1e-5)
            assert torch.allclose(attended.logits[b, i], torch.stack(scores), atol=1e-5)


def test_rows_of_the_attention_sum_to_one(attention: DenseCorrespondence) -> None:
    """With values that are all one, every position receives exactly one: the rows sum to 1."""
    with torch.no_grad():
        attention.value.weight.copy_(torch.eye(CHANNELS))
    sketch = features(2, CHANNELS, 5, 7, seed=1)
    keys = features(2, CHANNELS, 5, 7, seed=2)
    attention.key.register_forward_hook(lambda _layer, _args, _out: keys.flatten(2).mT)
    received = attention(sketch=sketch, reference=torch.ones_like(sketch)).features - sketch
    assert torch.allclose(received, torch.ones_like(received), atol=1e-5)


@pytest.mark.parametrize("kind", ["attention", "stopped"])
def test_reference_positions_may_be_shuffled(kind: str, request: pytest.FixtureRequest) -> None:
    """Positions are tokens: the order of reference positions does not change the output."""
    attention = request.getfixturevalue(kind)
    sketch, reference = features(2, CHANNELS, 5, 7, seed=1), features(2, CHANNELS, 5, 7, seed=2)
    order = torch.randperm(35, generator=torch.Generator().manual_seed(3))
    shuffled = reference.flatten(2)[..., order].unflatten(2, (5, 7))
    straight, permuted = (attention(sketch=sketch, reference=x) for x in (reference, shuffled))
    assert torch.allclose(straight.features, permuted.features, atol=1e-5)
    assert torch.allclose(straight.logits[..., order], permuted.logits, atol=1e-5)


@pytest.mark.parametrize("kind", ["attention", "stopped"])
def test_sketch_positions_keep_their_place(kind: str, request: pytest.FixtureRequest) -> None:
    """Permuted sketch positions permute the output."""
    attention = request.getfixturevalue(kind)
    sketch, reference = features(1, CHANNELS, 5, 7, seed=1), features(1, CHANNELS, 5, 7, seed=2)
    order = torch.randperm(35, generator=torch.Generator().manual_seed(3))
    shuffled = sketch.flatten(2)[..., order].unflatten(2, (5, 7))
    straight, permuted = (
        attention(sketch=x, reference=reference).features for x in (sketch, shuffled)
    )
    assert torch.allclose(straight.flatten(2)[..., order], permuted.flatten(2), atol=1e-5)


@pytest.mark.parametrize("kind", ["attention", "stopped"])
def test_the_two_sizes_may_differ(kind: str, request: pytest.FixtureRequest) -> None:
    """2 x 3 sketch positions attend to 5 x 7 reference positions."""
    attention = request.getfixturevalue(kind)
    attended = attention(
        sketch=features(2, CHANNELS, 2, 3, seed=1), reference=features(2, CHANNELS, 5, 7, seed=2)
    )
    assert attended.features.shape == (2, CHANNELS, 2, 3)
    assert attended.logits.shape == (2, 6, 35)


def test_logits_are_float32_under_bfloat16(attention: DenseCorrespondence) -> None:
    """Under autocast the similarity is still computed in float32 from the projected tokens."""
    q, k = features(2, 3, CHANNELS, seed=1), features(2, 5, CHANNELS, seed=2)
    expected = torch.einsum("bid,bjd->bij", q, k) / math.sqrt(CHANNELS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = similarity(q, k)
        sketch = features(2, CHANNELS, 2, 3, seed=1)
        attended = attention(sketch=sketch, reference=sketch)
    assert logits.dtype == attended.logits.dtype == torch.float32
    assert torch.allclose(logits, expected, atol=1e-6)


def test_the_values_do_not_move_the_logits(attention: DenseCorrespondence) -> None:
    """A gradient on the logits reaches W_q and W_k, and W_v not at all."""
    sketch, reference = features(1, CHANNELS, 2, 3, seed=1), features(1, CHANNELS, 2, 3, seed=2)
    attention(sketch=sketch, reference=reference).logits[0, 2, 4].backward()
    assert attention.query.weight.grad.abs().max() > 0
    assert attention.key.weight.grad.abs().max() > 0
    assert attention.value.weight.grad is None


def test_without_attention_features_of_a_position_are_mixed() -> None:
    """The baseline mixes only sketch and reference of the same position, and has no logits."""
    torch.manual_seed(0)
    mix = Concatenation(CHANNELS)
    sketch, reference = features(1, CHANNELS, 5, 7, seed=1), features(1, CHANNELS, 5, 7, seed=2)
    before = mix(sketch=sketch, reference=reference)
    reference[0, :, 2, 3] += 1
    after = mix(sketch=sketch, reference=reference).features
    moved = (after - before.features).abs().amax(dim=1)[0] > 1e-6
    assert before.logits is None
    assert moved.nonzero().tolist() == [[2, 3]]


def test_without_attention_the_sizes_must_agree() -> None:
    """The baseline raises ValueError for different sizes."""
    with pytest.raises(ValueError, match=r"without attention .* got 2 x 3 and 5 x 7"):
        Concatenation(CHANNELS)(
            sketch=features(1, CHANNELS, 2, 3, seed=1),
            reference=features(1, CHANNELS, 5, 7, seed=2),
        )


def by_loops(
    block: StopGradientBlock, x: list[Tensor], y: list[Tensor], scores: list[list[Tensor]]
) -> list[Tensor]:
    """Write the sums of a block out, position by position."""
    rows = [torch.stack(row).exp() / torch.stack(row).exp().sum() for row in scores]
    totals = torch.stack(rows).sum(dim=0)
    results = []
    for a, row in zip(x, rows, strict=True):
        result = a + F.leaky_relu(block.own(a), 0.2)
        for b, share, total in zip(y, row, totals, strict=True):
            result = result + share / total * F.leaky_relu(block.other(b), 0.2)
        results.append(result)
    return results


def test_sga_worked_by_loops(stopped: StopGradientAttention) -> None:
    """Logits and output equal the sums of the cross block and then of the self block."""
    sketch, reference = features(2, CHANNELS, 2, 3, seed=1), features(2, CHANNELS, 2, 2, seed=2)
    without_norms(stopped)
    attended = stopped(sketch=sketch, reference=reference)
    w_q, w_k = stopped.query.weight, stopped.key.weight
    assert attended.logits is not None
    for b in range(2):
        x = [sketch[b, :, i // 3, i % 3] for i in range(6)]
        y = [reference[b, :, j // 2, j % 2] for j in range(4)]
        scores = [[(w_q @ v_s) @ (w_k @ v_r) / math.sqrt(CHANNELS) for v_r in y] for v_s in x]
        crossed = by_loops(stopped.cross_block, x, y, scores)
        among = [[q @ k / math.sqrt(CHANNELS) for k in crossed] for q in crossed]
        mixed = by_loops(stopped.self_block, crossed, crossed, among)
        for i in range(6):
            assert torch.allclose(attended.logits[b, i], torch.stack(scores[i]), atol=1e-5)
            features_i = attended.features[b, :, i // 3, i % 3]
            assert torch.allclose(features_i, mixed[i], atol=1e-4)


def test_both_normalizations_by_hand() -> None:
    """Softmax gives rows (3/4, 1/4) and (1/2, 1/2); columns are then divided by 5/4 and 3/4."""
    logits = torch.tensor([[[math.log(3), 0.0], [2.0, 2.0]]])
    expected = torch.tensor([[[3 / 5, 1 / 3], [2 / 5, 2 / 3]]])
    assert torch.allclose(twice_normalized(logits), expected)


def test_columns_of_the_sga_map_sum_to_one() -> None:
    """The weights of every key sum to 1, so rows sum to N_k / N_q on average and not to 1."""
    weights = twice_normalized(3 * features(2, 5, 7, seed=1))
    assert torch.allclose(weights.sum(dim=1), torch.ones(2, 7))
    assert torch.allclose(weights.sum(dim=2).mean(dim=1), torch.full((2,), 7 / 5))
    assert (weights.sum(dim=2) - 1).abs().max() > 0.1


def test_a_key_with_zero_weights_stays_zero() -> None:
    """A column whose softmax underflows to zero stays zero."""
    weights = twice_normalized(torch.tensor([[[0.0, -200.0], [0.0, -200.0]]]))
    assert weights.tolist() == [[[0.5, 0.0], [0.5, 0.0]]]


def test_the_sga_map_compares_the_features_themselves_at_first() -> None:
    """W_q and W_k begin as the identity: the first logits are products of the features."""
    fresh = StopGradientAttention(CHANNELS, norm=NORMS["batch"])
    sketch, reference = features(1, CHANNELS, 2, 3, seed=1), features(1, CHANNELS, 5, 7, seed=2)
    expected = sketch.flatten(2).mT @ reference.flatten(2) / math.sqrt(CHANNELS)
    logits = fresh(sketch=sketch, reference=reference).logits
    assert torch.allclose(logits, expected, atol=1e-5)


def test_no_gradient_of_the_features_reaches_the_sga_map(stopped: StopGradientAttention) -> None:
    """A loss on the features gives gradients to all weights except W_q and W_k."""
    sketch, reference = features(1, CHANNELS, 2, 3, seed=1), features(1, CHANNELS, 5, 7, seed=2)
    attended = stopped(sketch=sketch, reference=reference)
    assert attended.logits.requires_grad
    attended.features.square().sum().backward()
    for name, weight in stopped.named_parameters():
        if name in ("query.weight", "key.weight"):
            assert weight.grad is None, name
        else:
            assert weight.grad.abs().max() > 0, name


def test_sga_gradients_are_those_of_a_constant_map(stopped: StopGradientAttention) -> None:
    """The gradients of both feature maps are those of constant attention weights."""
    without_norms(stopped)
    sketch = features(1, CHANNELS, 2, 3, seed=1).requires_grad_()
    reference = features(1, CHANNELS, 5, 7, seed=2).requires_grad_()
    stopped(sketch=sketch, reference=reference).features.square().sum().backward()
    gradients = sketch.grad.clone(), reference.grad.clone()

    x, y = (z.detach().clone().requires_grad_() for z in (sketch, reference))
    tokens, others = x.flatten(2).mT, y.flatten(2).mT
    for layers in (stopped.cross_block, stopped.self_block):
        cross = layers is stopped.cross_block
        q, k = (stopped.query, stopped.key) if cross else (nn.Identity(), nn.Identity())
        logits = (q(tokens) @ k(others).mT / math.sqrt(CHANNELS)).detach()
        rows = logits.softmax(dim=2)
        fixed = rows / rows.sum(dim=1, keepdim=True)
        values = F.leaky_relu(layers.other(others), 0.2)
        tokens = tokens + fixed @ values + F.leaky_relu(layers.own(tokens), 0.2)
        others = tokens
    tokens.square().sum().backward()
    assert torch.allclose(gradients[0], x.grad, rtol=1e-3, atol=1e-4)
    assert torch.allclose(gradients[1], y.grad, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("term", ["triplet", "match"])
def test_triplet_and_match_train_the_attention_of_sga(
    stopped: StopGradientAttention, term: str
) -> None:
    """Both terms give gradients to W_q, W_k and the features, and none to the blocks."""
    sketch = features(1, CHANNELS, 5, 7, seed=1).requires_grad_()
    reference = features(1, CHANNELS, 5, 7, seed=2).requires_grad_()
    logits = stopped(sketch=sketch, reference=reference).logits
    match = Match(torch.arange(35)[None], torch.ones(1, 35, dtype=torch.bool))
    if term == "triplet":
        losses.triplet(logits, match, match.key.flip(1), margin=12).backward()
    else:
        losses.match(logits, match).backward()
    for learning in (stopped.query.weight, stopped.key.weight, sketch, reference):
        assert learning.grad.abs().max() > 0
    for block in (stopped.cross_block, stopped.self_block):
        assert all(weight.grad is None for weight in block.parameters())


@pytest.mark.parametrize("norm", NORMS)
def test_a_norm_closes_both_sga_blocks(norm: str) -> None:
    """Each norm of `model.norm` fits; batch and instance norm make each change of mean 0."""
    torch.manual_seed(0)
    stopped = StopGradientAttention(CHANNELS, norm=NORMS[norm])
    changes: list[Tensor] = []
    for block in (stopped.cross_block, stopped.self_block):
        block.norm.register_forward_hook(lambda _layer, _args, out: changes.append(out))
    sketch, reference = features(2, CHANNELS, 5, 7, seed=1), features(2, CHANNELS, 2, 3, seed=2)
    stopped(sketch=sketch, reference=reference)
    assert [tuple(change.shape) for change in changes] == [(2, CHANNELS, 35, 1)] * 2
    means = torch.stack([change.mean(dim=(0, 2, 3)) for change in changes])
    assert (means.abs().max() < 1e-5) == (norm in ("batch", "instance"))


def test_sga_logits_are_float32_under_bfloat16(stopped: StopGradientAttention) -> None:
    """Under autocast the logits stay float32 and the features nearly the same."""
    sketch, reference = features(2, CHANNELS, 2, 3, seed=1), features(2, CHANNELS, 5, 7, seed=2)
    full = stopped(sketch=sketch, reference=reference)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = stopped(sketch=sketch, reference=reference)
    assert half.logits.dtype == torch.float32
    assert torch.allclose(half.logits, full.logits, atol=0.2)
    assert not torch.equal(half.features.float(), full.features)


@pytest.mark.parametrize(
    ("kind", "made"),
    [("scft", DenseCorrespondence), ("sga", StopGradientAttention), ("none", Concatenation)],
)
def test_model_attention_names_a_kind(kind: str, made: type[nn.Module]) -> None:
    """Each value of `model.attention` makes its module with the given number of channels."""
    attention = build_attention(kind, CHANNELS, norm=NORMS["batch"])  # type: ignore[arg-type]
    assert type(attention) is made
    sketch = features(1, CHANNELS, 2, 3, seed=1)
    assert attention(sketch=sketch, reference=sketch).features.shape == sketch.shape
