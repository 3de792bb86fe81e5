"""Dense correspondence: tokens are positions, and the scale is inside the softmax."""

import math

import pytest
import torch
from torch import Tensor

from refcolor.model.attention import Concatenation, DenseCorrespondence

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
            wanted = v_s + sum(a * (w_v @ v) for a, v in zip(weights, references, strict=True))
            assert torch.allclose(attended.features[b, :, i // 3, i % 3], wanted, atol=1e-5)
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


def test_reference_positions_may_be_shuffled(attention: DenseCorrespondence) -> None:
    """Positions are tokens: another order of reference positions leaves the output unmoved."""
    sketch, reference = features(2, CHANNELS, 5, 7, seed=1), features(2, CHANNELS, 5, 7, seed=2)
    order = torch.randperm(35, generator=torch.Generator().manual_seed(3))
    shuffled = reference.flatten(2)[..., order].unflatten(2, (5, 7))
    straight, other = (attention(sketch=sketch, reference=x) for x in (reference, shuffled))
    assert torch.allclose(straight.features, other.features, atol=1e-5)
    assert torch.allclose(straight.logits[..., order], other.logits, atol=1e-5)


def test_sketch_positions_keep_their_place(attention: DenseCorrespondence) -> None:
    """Shuffled sketch positions shuffle the output alike."""
    sketch, reference = features(1, CHANNELS, 5, 7, seed=1), features(1, CHANNELS, 5, 7, seed=2)
    order = torch.randperm(35, generator=torch.Generator().manual_seed(3))
    shuffled = sketch.flatten(2)[..., order].unflatten(2, (5, 7))
    straight, other = (
        attention(sketch=x, reference=reference).features for x in (sketch, shuffled)
    )
    assert torch.allclose(straight.flatten(2)[..., order], other.flatten(2), atol=1e-5)


def test_the_two_sizes_may_differ(attention: DenseCorrespondence) -> None:
    """2 x 3 sketch positions attend to 5 x 7 reference positions."""
    attended = attention(
        sketch=features(2, CHANNELS, 2, 3, seed=1), reference=features(2, CHANNELS, 5, 7, seed=2)
    )
    assert attended.features.shape == (2, CHANNELS, 2, 3)
    assert attended.logits.shape == (2, 6, 35)


def test_logits_are_float32_under_bfloat16(attention: DenseCorrespondence) -> None:
    """Under autocast the similarity is still computed in float32 from the projected tokens."""
    q, k = features(2, 3, CHANNELS, seed=1), features(2, 5, CHANNELS, seed=2)
    wanted = torch.einsum("bid,bjd->bij", q, k) / math.sqrt(CHANNELS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = attention.similarity(q, k)
        sketch = features(2, CHANNELS, 2, 3, seed=1)
        attended = attention(sketch=sketch, reference=sketch)
    assert logits.dtype == attended.logits.dtype == torch.float32
    assert torch.allclose(logits, wanted, atol=1e-6)


def test_the_values_do_not_move_the_logits(attention: DenseCorrespondence) -> None:
    """A gradient on the logits reaches W_q and W_k, and W_v not at all."""
    sketch, reference = features(1, CHANNELS, 2, 3, seed=1), features(1, CHANNELS, 2, 3, seed=2)
    attention(sketch=sketch, reference=reference).logits[0, 2, 4].backward()
    assert attention.query.weight.grad.abs().max() > 0
    assert attention.key.weight.grad.abs().max() > 0
    assert attention.value.weight.grad is None


def test_without_attention_features_of_one_place_are_mixed() -> None:
    """The baseline mixes sketch and reference of the same place only, and has no logits."""
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
    """The baseline has no way to bring another size into place, and says so."""
    with pytest.raises(ValueError, match=r"without attention .* got 2 x 3 and 5 x 7"):
        Concatenation(CHANNELS)(
            sketch=features(1, CHANNELS, 2, 3, seed=1),
            reference=features(1, CHANNELS, 5, 7, seed=2),
        )
