"""Hints and several references: a bias on the logits, and concatenated keys."""

import pytest
import torch
from torch import Tensor, nn

from refcolor.model.attention import Attended, biased, build_attention
from refcolor.model.blocks import NORMS
from refcolor.model.encoder import pyramid
from refcolor.model.generator import Generator, build_generator, concatenate_positions
from refcolor.params import ModelParams

CHANNELS = 11
MINUS = -1e6  # a key with this bias is never looked at


def attention(kind: str) -> nn.Module:
    """Build an attention of 11 channels with known weights."""
    torch.manual_seed(0)
    return build_attention(kind, CHANNELS, norm=NORMS["instance"])


def generator(kind: str) -> Generator:
    """Build a tiny generator of stride 4 with known weights, in evaluation mode."""
    torch.manual_seed(0)
    tiny = {"width": 2, "levels": 3, "blocks": 1, "norm": "batch", "discriminator_width": 2}
    return build_generator(ModelParams.model_validate(tiny | {"attention": kind})).eval()


def draw(*shape: int, seed: int) -> Tensor:
    """Draw values in [-1, 1]."""
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def attend(kind: str, bias: Tensor | None) -> Attended:
    """Attend from 2 x 3 sketch positions to 5 x 7 reference positions."""
    sketch, reference = draw(2, CHANNELS, 2, 3, seed=1), draw(2, CHANNELS, 5, 7, seed=2)
    attended: Attended = attention(kind)(sketch=sketch, reference=reference, bias=bias)
    return attended


def test_without_a_bias_the_logits_are_left_alone() -> None:
    """Without a bias the same tensor is returned."""
    logits = draw(2, 6, 35, seed=1)
    assert biased(logits, None) is logits


@pytest.mark.parametrize("kind", ["scft", "sga", "none"])
def test_one_reference_without_a_bias_is_the_plain_network(kind: str) -> None:
    """A forward pass by hand without biases gives the same bytes."""
    made = generator(kind)
    sketch, reference = draw(2, 1, 20, 28, seed=1), draw(2, 3, 20, 28, seed=2)
    maps = made.sketch_encoder(sketch)
    attended = made.attention(
        sketch=pyramid(maps), reference=pyramid(made.reference_encoder(reference))
    ).features
    expected = made.decoder(torch.cat([made.trunk(attended), attended], dim=1), maps[1:-1:2])
    for references in (reference, [reference]):
        assert torch.equal(made(sketch=sketch, reference=references).picture, expected)


@pytest.mark.parametrize("kind", ["scft", "sga"])
def test_a_bias_is_added_to_the_logits_of_every_picture(kind: str) -> None:
    """Logits with a bias are those without, plus the bias, for each picture of the batch."""
    bias = draw(6, 35, seed=3)
    assert torch.equal(attend(kind, bias).logits, attend(kind, None).logits + bias)


def test_scft_takes_everything_from_a_key_with_a_large_bias() -> None:
    """Sketch position 4 is sent to key 23: it receives W_v of that key and nothing else."""
    bias = torch.zeros(6, 35)
    bias[4, 23] = -MINUS
    features = attend("scft", bias).features.flatten(2)
    sketch, reference = draw(2, CHANNELS, 2, 3, seed=1), draw(2, CHANNELS, 5, 7, seed=2)
    value = attention("scft").value(reference.flatten(2)[..., 23])
    assert torch.allclose(features[..., 4], sketch.flatten(2)[..., 4] + value, atol=1e-5)
    untouched = attend("scft", None).features.flatten(2)
    assert torch.equal(features[..., :4], untouched[..., :4])


@pytest.mark.parametrize("shape", [(35, 6), (6, 34), (1, 6, 35)])
def test_a_bias_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    """A bias of another shape is an error with both shapes."""
    with pytest.raises(ValueError, match=r"bias must be \(6, 35\), sketch by reference positions"):
        attend("scft", torch.zeros(shape))


def test_without_attention_a_bias_is_refused() -> None:
    """The baseline has no logits for a bias."""
    with pytest.raises(ValueError, match=r"bias needs attention, got model\.attention none"):
        generator("none")(
            sketch=draw(1, 1, 20, 28, seed=1),
            reference=draw(1, 3, 20, 28, seed=2),
            bias=torch.zeros(35, 35),
        )


def test_without_attention_a_second_reference_is_refused() -> None:
    """The baseline needs one reference of the sketch's size."""
    reference = draw(1, 3, 20, 28, seed=2)
    with pytest.raises(
        ValueError, match="without attention sketch and reference must have the same"
    ):
        generator("none")(sketch=draw(1, 1, 20, 28, seed=1), reference=[reference, reference])


@pytest.mark.parametrize("kind", ["scft", "sga"])
def test_keys_of_several_references_are_concatenated(kind: str) -> None:
    """Logits of two references of two sizes are those of the first, then those of the second."""
    made = generator(kind)
    sketch = draw(2, 1, 20, 28, seed=1)
    first, second = draw(2, 3, 8, 12, seed=2), draw(2, 3, 20, 16, seed=3)
    both = made(sketch=sketch, reference=[first, second]).logits
    each = [made(sketch=sketch, reference=x).logits for x in (first, second)]
    assert torch.allclose(both, torch.cat(each, dim=2), atol=1e-6)


def test_a_reference_that_nobody_may_look_at_changes_nothing() -> None:
    """A bias that hides the keys of the second reference equals its absence."""
    made = generator("scft")
    sketch = draw(1, 1, 20, 28, seed=1)
    first, second = draw(1, 3, 8, 12, seed=2), draw(1, 3, 20, 16, seed=3)
    bias = torch.zeros(35, 6 + 20)
    bias[:, 6:] = MINUS
    hidden = made(sketch=sketch, reference=[first, second], bias=bias).picture
    from_first, from_second = (
        (made(sketch=sketch, reference=x).picture - hidden).abs().max() for x in (first, second)
    )
    assert from_first < 0.01 * from_second


@pytest.mark.parametrize("kind", ["scft", "sga"])
def test_the_order_of_references_does_not_matter(kind: str) -> None:
    """The order of references does not change the result."""
    made = generator(kind)
    sketch = draw(1, 1, 20, 28, seed=1)
    pictures = [draw(1, 3, 8, 12, seed=2), draw(1, 3, 20, 16, seed=3)]
    straight, turned = (
        made(sketch=sketch, reference=some).picture for some in (pictures, pictures[::-1])
    )
    assert torch.allclose(straight, turned, atol=1e-5)


def test_positions_side_by_side_by_hand() -> None:
    """A map of 1 x 2 and one of 2 x 1 give four positions: row by row, map by map."""
    maps = [torch.tensor([[[[1.0, 2.0]]]]), torch.tensor([[[[3.0], [4.0]]]])]
    assert concatenate_positions(maps).tolist() == [[[[1.0], [2.0], [3.0], [4.0]]]]
    assert concatenate_positions(maps[:1]) is maps[0]


def test_no_reference_is_refused() -> None:
    """An empty list of references raises ValueError."""
    with pytest.raises(ValueError, match="at least one reference, got none"):
        generator("scft")(sketch=draw(1, 1, 20, 28, seed=1), reference=[])
