"""The generator with fine queries and coarser keys: what each position sees, takes and carries."""

import pytest
import torch
from torch import Tensor, nn

from refcolor.model.attention import ProjectedCorrespondence
from refcolor.model.decoder import convex_upsample
from refcolor.model.generator import Generator, build_generator
from refcolor.params import ModelParams


def build(**changes: object) -> Generator:
    """Build a tiny generator of stride 8 with queries of 2 and keys of 4 pixels, known weights."""
    tiny: dict[str, object] = {
        "attention": "scft",
        "width": 3,
        "widths": [3, 5, 7, 11],
        "levels": 4,
        "blocks": 1,
        "query_stride": 2,
        "key_stride": 4,
        "transport": 1,
        "norm": "batch",
        "discriminator_width": 2,
    }
    torch.manual_seed(0)
    return build_generator(ModelParams.model_validate(tiny | changes))


def picture(*shape: int, seed: int) -> Tensor:
    """Draw a picture in [-1, 1]."""
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def carrying(generator: Generator) -> Generator:
    """Let the decoder add nothing to the carried colours."""
    nn.init.zeros_(generator.decoder.leave.weight)
    nn.init.zeros_(generator.decoder.leave.bias)
    return generator.eval()


def test_the_network_of_the_decision_has_its_size() -> None:
    """Widths 16, 32, 64, 96 and 128 give 1.6 M weights, one less than the trial's temperature."""
    with torch.device("meta"):
        generator = build(width=16, widths=[16, 32, 64, 96, 128], levels=5)
    assert sum(x.numel() for x in generator.parameters()) == 1_605_508


@pytest.mark.parametrize("convex", [0, 1])
@pytest.mark.parametrize("norm", ["none", "batch", "instance", "group"])
@pytest.mark.parametrize(("query", "key"), [(1, 1), (1, 8), (2, 4), (4, 4), (8, 8)])
def test_queries_and_keys_have_their_own_strides(
    query: int, key: int, norm: str, convex: int
) -> None:
    """Each gives its number of cells, and the sketch decides the size of the picture."""
    generator = build(query_stride=query, key_stride=key, norm=norm, convex_upsampling=convex)
    output = generator(
        sketch=picture(2, 1, 40, 56, seed=1), reference=picture(2, 3, 24, 88, seed=2)
    )
    assert output.picture.shape == (2, 3, 40, 56)
    assert output.picture.dtype == torch.float32
    assert output.picture.abs().max() <= 1
    assert output.cells == (40 // query, 56 // query)
    assert output.key_cells == ((24 // key, 88 // key),)
    assert output.logits.shape == (2, 40 * 56 // query**2, 24 * 88 // key**2)


def test_sides_are_multiples_of_the_last_level() -> None:
    """The stride of queries would divide the side, but the deepest level does not."""
    with pytest.raises(ValueError, match="sketch sides must be multiples of 8, got 40 x 60; pad"):
        build()(sketch=torch.zeros(1, 1, 40, 60), reference=torch.zeros(1, 3, 40, 56))


def test_the_attention_by_hand() -> None:
    """Position by position: q.k / sqrt(d), softmax over the keys, values beside the sketch."""
    torch.manual_seed(0)
    attention = ProjectedCorrespondence(sketch=5, reference=7, channels=3)
    sketch, reference, bias = (
        picture(*shape, seed=seed)
        for seed, shape in enumerate([(2, 5, 2, 3), (2, 7, 1, 4), (6, 4)])
    )
    attended = attention(sketch=sketch, reference=reference, bias=bias)
    assert attended.features.shape == (2, 5 + 3, 2, 3)
    assert torch.equal(attended.features[:, :5], sketch)
    query = attention.query(sketch[1, :, 1, 2])
    keys = torch.stack([attention.key(reference[1, :, 0, j]) for j in range(4)])
    values = torch.stack([attention.value(reference[1, :, 0, j]) for j in range(4)])
    logits = keys @ query / 3**0.5 + bias[5]
    assert torch.allclose(attended.logits[1, 5], logits, atol=1e-6)
    assert torch.allclose(attended.features[1, 5:, 1, 2], logits.softmax(0) @ values, atol=1e-6)


def test_a_query_takes_the_mean_colour_of_its_key() -> None:
    """With queries of one pixel, two pixels side by side take colours of two references."""
    generator = carrying(build(query_stride=1))
    references = [picture(1, 3, 16, 8, seed=2), picture(1, 3, 8, 24, seed=3)]
    bias = torch.zeros(24 * 40, 4 * 2 + 2 * 6)
    bias[:, 5] = 1e4  # row 2, column 1 of the first
    bias[11 * 40 + 17] = torch.zeros(20).index_fill_(0, torch.tensor(8 + 9), 2e4)  # row 1, column 3
    result = generator(sketch=picture(1, 1, 24, 40, seed=1), reference=references, bias=bias)
    assert result.key_cells == ((4, 2), (2, 6))
    first = references[0][0, :, 8:12, 4:8].mean(dim=(1, 2))
    second = references[1][0, :, 4:8, 12:16].mean(dim=(1, 2))
    assert torch.allclose(result.picture[0, :, 11, 16], first, atol=1e-5)
    assert torch.allclose(result.picture[0, :, 11, 17], second, atol=1e-5)


@pytest.mark.parametrize("convex", [0, 1])
def test_a_reference_of_one_colour_gives_that_colour(convex: int) -> None:
    """Neither enlargement changes it, at the border neither."""
    generator = carrying(build(convex_upsampling=convex))
    color = torch.tensor([0.5, -0.25, 0.9]).reshape(1, 3, 1, 1)
    sketch = picture(1, 1, 24, 40, seed=1)
    result = generator(sketch=sketch, reference=color.expand(1, 3, 16, 8)).picture
    assert torch.allclose(result, color.expand(1, 3, 24, 40), atol=1e-5)


def test_convex_upsampling_by_hand() -> None:
    """A pixel takes the cell above, the one to its right, itself, or the mean of all nine."""
    colors = torch.arange(12.0).reshape(1, 1, 3, 4).expand(1, 3, 3, 4)
    logits = torch.full((1, 9, 6, 8), -1e4)
    logits[:, 4] = 0  # the own cell
    logits[0, :, 2, 5] = torch.tensor([0, 1e4, 0, 0, 0, 0, 0, 0, 0])  # above
    logits[0, :, 3, 5] = torch.tensor([0, 0, 0, 0, 0, 1e4, 0, 0, 0])  # to the right
    logits[0, :, 3, 4] = 0  # all alike
    logits[0, :, 0, 0] = torch.tensor([1e4, 0, 0, 0, 0, 0, 0, 0, 0])  # beyond the corner
    logits[0, :, 5, 7] = torch.tensor([0, 0, 0, 0, 0, 0, 1e4, 0, 0])  # below, to the left
    large = convex_upsample(colors, logits)
    expected = colors[0, 0].repeat_interleave(2, dim=0).repeat_interleave(2, dim=1).clone()
    expected[2, 5], expected[3, 5], expected[3, 4] = 2, 7, 6
    expected[0, 0], expected[5, 7] = 0, 10
    assert torch.allclose(large[0], expected.expand(3, 6, 8), atol=1e-5)


def test_convex_upsampling_also_serves_the_papers_network() -> None:
    """With transport alone, its cells of 4 pixels are enlarged by learned weights."""
    changes = {"query_stride": 0, "key_stride": 0, "levels": 3, "widths": [], "context": 1}
    generator = build(**changes, convex_upsampling=1)
    inputs = {"sketch": picture(2, 1, 20, 28, seed=1), "reference": picture(2, 3, 12, 44, seed=2)}
    generator(**inputs).picture.square().sum().backward()
    assert generator.decoder.mixture.weight.grad.abs().max() > 0


@pytest.mark.parametrize("convex", [0, 1])
def test_gradients_reach_every_weight_and_both_pictures(convex: int) -> None:
    """A loss on the picture teaches both encoders on all levels, the attention and the decoder."""
    generator = build(norm="group", convex_upsampling=convex)
    sketch = picture(1, 1, 40, 56, seed=1).requires_grad_()
    reference = picture(1, 3, 24, 40, seed=2).requires_grad_()
    generator(sketch=sketch, reference=reference).picture.square().sum().backward()
    assert sketch.grad.abs().max() > 0
    assert reference.grad.abs().max() > 0
    for name, weight in generator.named_parameters():
        assert weight.grad is not None, name
        if name.endswith("weight"):
            assert weight.grad.abs().max() > 0, name


def test_a_query_sees_far_more_than_its_own_level() -> None:
    """Three 3x3 convolutions at 1 and 2 pixels would see 12 pixels; by way of 8 it sees over 40."""
    generator = build(norm="none")
    sketch = picture(1, 1, 64, 72, seed=1).requires_grad_()
    output = generator(sketch=sketch, reference=picture(1, 3, 8, 16, seed=2))
    output.logits[0, 16 * 36 + 18].sum().backward()
    seen = sketch.grad[0, 0] != 0
    assert seen.any(dim=1).sum() > 40
    assert seen.any(dim=0).sum() > 40
