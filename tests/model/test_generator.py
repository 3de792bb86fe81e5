"""The generator: published size, skips from the sketch only, and the full range of colours."""

import pytest
import torch
from torch import Tensor, nn

from refcolor.model.encoder import pyramid
from refcolor.model.generator import Generator, build_generator
from refcolor.params import ModelParams

BEYOND = {"context": 2, "transport": 1}
FINE = {"query_stride": 2, "key_stride": 4, "transport": 1, "convex_upsampling": 1}


def params(**changes: object) -> ModelParams:
    """Describe a tiny generator of stride 4, or the one with `changes`."""
    tiny = {"attention": "scft", "width": 2, "levels": 3, "blocks": 1, "norm": "batch"}
    return ModelParams.model_validate(tiny | {"discriminator_width": 2} | changes)


def build(**changes: object) -> Generator:
    """Build a generator with known weights."""
    torch.manual_seed(0)
    return build_generator(params(**changes))


def picture(*shape: int, seed: int) -> Tensor:
    """Draw a picture in [-1, 1]."""
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_the_published_network_has_its_size() -> None:
    """Width 16, five levels, four blocks: 992 channels, 82 M weights, most in the trunk."""
    with torch.device("meta"):
        generator = build_generator(params(width=16, levels=5, blocks=4))
    count = sum(x.numel() for x in generator.parameters())
    assert generator.attention.query.in_features == 992
    assert generator.stride == 16
    assert count == pytest.approx(82e6, rel=0.01)
    in_trunk = sum(x.numel() for x in generator.trunk.parameters())
    assert in_trunk / count == pytest.approx(0.86, abs=0.015)


def test_the_published_network_has_256_positions() -> None:
    """Five levels make 16 x 16 positions of 256 pixels for every width."""
    output = build(width=1, levels=5)(
        sketch=torch.zeros(1, 1, 256, 256), reference=torch.zeros(1, 3, 256, 256)
    )
    assert output.logits.shape == (1, 256, 256)
    assert output.cells == (16, 16)


def test_encoders_follow_the_table_of_the_paper() -> None:
    """Ten 3x3 convolutions of 16 ... 256 channels, stride 2 at layers 3, 5, 7 and 9."""
    generator = build(width=16, levels=5)
    for encoder, channels in ((generator.sketch_encoder, 1), (generator.reference_encoder, 3)):
        layers = [x for x in encoder.modules() if isinstance(x, nn.Conv2d)]
        assert [x.out_channels for x in layers] == [16, 16, 32, 32, 64, 64, 128, 128, 256, 256]
        assert [x.stride[0] for x in layers] == [1, 1, 2, 1, 2, 1, 2, 1, 2, 1]
        assert {x.kernel_size for x in layers} == {(3, 3)}
        assert layers[0].in_channels == channels
    slopes = {x.negative_slope for x in generator.modules() if isinstance(x, nn.LeakyReLU)}
    assert slopes == {0.2}


def test_the_pyramid_pools_all_maps_to_the_last_size() -> None:
    """Eq. 1: means over the pixels of each position, maps side by side."""
    large, small = picture(2, 3, 4, 6, seed=1), picture(2, 5, 2, 3, seed=2)
    stacked = pyramid([large, small])
    assert stacked.shape == (2, 8, 2, 3)
    assert torch.allclose(stacked[1, 2, 1, 2], large[1, 2, 2:4, 4:6].mean())
    assert torch.equal(stacked[:, 3:], small)


@pytest.mark.parametrize("norm", ["none", "batch", "instance", "group"])
@pytest.mark.parametrize(
    ("attention", "context", "transport"),
    [("scft", 0, 0), ("scft", 2, 1), ("sga", 0, 0), ("sga", 1, 1), ("none", 0, 0), ("none", 2, 0)],
)
def test_every_kind_colours_a_picture(
    attention: str, context: int, transport: int, norm: str
) -> None:
    """Each attention and norm gives a picture in [-1, 1]; only attention has logits."""
    output = build(attention=attention, norm=norm, context=context, transport=transport)(
        sketch=picture(2, 1, 20, 28, seed=1), reference=picture(2, 3, 20, 28, seed=2)
    )
    assert output.picture.shape == (2, 3, 20, 28)
    assert output.picture.dtype == torch.float32
    assert output.picture.abs().max() <= 1
    assert output.cells == (5, 7)
    assert (output.logits is None) == (attention == "none")


def test_group_norm_fits_any_width() -> None:
    """Widths that eight does not divide get a group number that does."""
    for width in (1, 3, 12, 13):
        build(norm="group", width=width)


@pytest.mark.parametrize("beyond", [{}, BEYOND])
def test_sketch_and_reference_may_differ_in_size(beyond: dict[str, int]) -> None:
    """Any multiples of the stride, not square, not alike: the sketch decides the result's size."""
    output = build(**beyond)(
        sketch=picture(1, 1, 20, 12, seed=1), reference=picture(1, 3, 28, 44, seed=2)
    )
    assert output.picture.shape == (1, 3, 20, 12)
    assert output.logits is not None
    assert output.logits.shape == (1, 15, 77)


@pytest.mark.parametrize(
    ("sketch", "reference", "message"),
    [
        ((20, 30), (20, 28), "sketch sides must be multiples of 4, got 20 x 30; pad it"),
        ((20, 28), (21, 28), "reference sides must be multiples of 4, got 21 x 28; pad it"),
    ],
)
def test_other_sides_are_refused(sketch: tuple, reference: tuple, message: str) -> None:
    """A side that the stride does not divide is an error with its name and size."""
    with pytest.raises(ValueError, match=message):
        build()(sketch=torch.zeros(1, 1, *sketch), reference=torch.zeros(1, 3, *reference))


def test_the_last_layer_reaches_every_colour() -> None:
    """There is no layer between the last convolution and the tanh: -1 is reachable like 1."""
    generator = build()
    sketch, reference = picture(1, 1, 8, 12, seed=1), picture(1, 3, 8, 12, seed=2)
    for bias in (-20.0, 20.0):
        nn.init.constant_(generator.decoder.leave.bias, bias)
        result = generator(sketch=sketch, reference=reference).picture
        assert torch.allclose(result, torch.full_like(result, bias / 20))


def test_the_result_is_the_tanh_of_a_convolution() -> None:
    """The decoder's last maps hold negative values, and the result is the tanh of their mixture."""
    generator = build().eval()
    seen: list[Tensor] = []
    generator.decoder.leave.register_forward_hook(lambda _layer, _args, out: seen.append(out))
    output = generator(sketch=picture(1, 1, 8, 12, seed=1), reference=picture(1, 3, 8, 12, seed=2))
    assert seen[0].min() < 0
    assert torch.equal(output.picture, seen[0].tanh())


@pytest.mark.parametrize("context", [0, 2])
def test_skips_come_from_the_sketch_only(context: int) -> None:
    """Without the attention no pixel of the reference affects the result."""
    generator = build(context=context).eval()
    sketch, reference = picture(1, 1, 8, 12, seed=1), picture(1, 3, 8, 12, seed=2)
    nn.init.zeros_(generator.attention.value.weight)
    first = generator(sketch=sketch, reference=reference).picture
    assert torch.equal(first, generator(sketch=sketch, reference=-reference).picture)
    assert not torch.equal(first, generator(sketch=-sketch, reference=reference).picture)


@pytest.mark.parametrize("attention", ["scft", "sga"])
def test_a_shuffled_reference_leaves_the_picture_unmoved(attention: str) -> None:
    """The whole generator takes reference positions as a set: their order carries no layout."""
    generator = build(attention=attention).eval()
    sketch, reference = picture(2, 1, 20, 28, seed=1), picture(2, 3, 20, 28, seed=2)
    straight = generator(sketch=sketch, reference=reference).picture
    order = torch.randperm(35, generator=torch.Generator().manual_seed(3))

    def shuffle(_layer: nn.Module, _args: tuple, kwargs: dict[str, Tensor]) -> tuple:
        flat = kwargs["reference"].flatten(2)[..., order]
        return (), kwargs | {"reference": flat.unflatten(2, (5, 7))}

    generator.attention.register_forward_pre_hook(shuffle, with_kwargs=True)
    assert torch.allclose(
        generator(sketch=sketch, reference=reference).picture, straight, atol=1e-5
    )


@pytest.mark.parametrize("context", [0, 2])
@pytest.mark.parametrize("attention", ["scft", "sga", "none"])
def test_gradients_reach_every_weight_and_both_pictures(attention: str, context: int) -> None:
    """A loss on the picture gives gradients to all weights except W_q and W_k of SGA."""
    generator = build(attention=attention, norm="group", context=context)
    sketch = picture(1, 1, 20, 28, seed=1).requires_grad_()
    reference = picture(1, 3, 20, 28, seed=2).requires_grad_()
    generator(sketch=sketch, reference=reference).picture.square().sum().backward()
    assert sketch.grad.abs().max() > 0
    assert reference.grad.abs().max() > 0
    stopped = {"attention.query.weight", "attention.key.weight"} if attention == "sga" else set()
    untaught = {name for name, weight in generator.named_parameters() if weight.grad is None}
    assert untaught == stopped
    for part in (generator.sketch_encoder, generator.reference_encoder, generator.attention):
        grads = [x.grad for n, x in part.named_parameters() if n[-6:] == "weight"]
        assert all(grad.abs().max() > 0 for grad in grads if grad is not None)


def sees(generator: Generator) -> Tensor:
    """Mark the pixels of a 60 x 52 sketch on which the logits of its middle cell depend."""
    sketch = picture(1, 1, 60, 52, seed=1).requires_grad_()
    output = generator(sketch=sketch, reference=picture(1, 3, 8, 12, seed=2))
    output.logits[0, 7 * 13 + 6].sum().backward()
    seen: Tensor = sketch.grad[0, 0] != 0
    return seen


def test_context_shows_a_cell_more_of_the_picture() -> None:
    """Six convolutions of two strides see 23 pixels; two further halvings see 60 and more.

    By hand, for the paper's: 1 + 2 (1 + 1 + 1 + 2 + 2 + 4) = 23, by stride at each 3x3 layer.
    """
    paper, further = (sees(build(context=context, norm="none")) for context in (0, 2))
    assert paper.any(dim=1).sum() == paper.any(dim=0).sum() == 23
    assert further.any(dim=1).sum() > 50
    assert further.any(dim=0).sum() == 52


def test_without_context_and_transport_the_network_is_the_papers() -> None:
    """Without context and transport there are no extra weights, and old weights load."""
    names = set(build().state_dict())
    assert not [name for name in names if "context" in name]
    assert names < set(build(**BEYOND).state_dict())
    assert build().decoder.leave.in_channels == 2


def carrying(generator: Generator) -> Generator:
    """Set the last layer of the decoder to zero."""
    nn.init.zeros_(generator.decoder.leave.weight)
    nn.init.zeros_(generator.decoder.leave.bias)
    return generator.eval()


@pytest.mark.parametrize("attention", ["scft", "sga"])
def test_transport_carries_the_colours_of_the_reference(attention: str) -> None:
    """A reference of one colour gives that colour; a sure key gives the mean of its cell."""
    generator = carrying(build(attention=attention, transport=1))
    sketch, color = picture(1, 1, 20, 28, seed=1), torch.tensor([0.5, -0.25, 0.9])
    flat = color.reshape(1, 3, 1, 1).expand(1, 3, 12, 8)
    result = generator(sketch=sketch, reference=flat).picture
    assert torch.allclose(result, color.reshape(1, 3, 1, 1).expand(1, 3, 20, 28), atol=1e-5)
    reference, bias = picture(1, 3, 12, 8, seed=2), torch.zeros(35, 6)
    bias[:, 3] = 1e4  # the cell in row 1, column 1
    result = generator(sketch=sketch, reference=reference, bias=bias).picture
    mean = reference[:, :, 4:8, 4:8].mean(dim=(2, 3), keepdim=True)
    assert torch.allclose(result, mean.expand_as(result), atol=1e-5)


def test_transport_takes_colours_of_all_references() -> None:
    """A sure key in the second of two references, of another size, gives its colour."""
    generator = carrying(build(transport=1, context=1))
    references = [picture(1, 3, 12, 8, seed=2), picture(1, 3, 8, 8, seed=3)]
    bias = torch.zeros(35, 6 + 4)
    bias[:, 6 + 2] = 1e4  # the cell in row 1, column 0 of the second
    result = generator(sketch=picture(1, 1, 20, 28, seed=1), reference=references, bias=bias)
    mean = references[1][:, :, 4:8, :4].mean(dim=(2, 3), keepdim=True)
    assert torch.allclose(result.picture, mean.expand(1, 3, 20, 28), atol=1e-5)


@pytest.mark.parametrize("beyond", [{}, BEYOND, FINE])
def test_a_picture_alone_equals_its_place_in_a_batch(beyond: dict[str, int]) -> None:
    """In evaluation mode a picture depends neither on its batch nor on the memory layout."""
    generator = build(**beyond)
    sketch, reference = picture(5, 1, 20, 28, seed=1), picture(5, 3, 20, 28, seed=2)
    generator(sketch=sketch, reference=reference)
    generator.eval().to(memory_format=torch.channels_last)
    batch = generator(
        sketch=sketch.contiguous(memory_format=torch.channels_last),
        reference=reference.contiguous(memory_format=torch.channels_last),
    )
    single = generator(sketch=sketch[3:4], reference=reference[3:4])
    assert torch.allclose(batch.picture[3:4], single.picture, atol=1e-5)
    assert torch.allclose(batch.logits[3:4], single.logits, atol=1e-5)


@pytest.mark.parametrize("beyond", [{}, BEYOND, FINE])
def test_bfloat16_keeps_logits_and_picture_in_float32(beyond: dict[str, int]) -> None:
    """Under autocast the picture and the logits are float32, and nearly the same."""
    generator = build(**beyond).eval()
    sketch, reference = picture(2, 1, 20, 28, seed=1), picture(2, 3, 20, 28, seed=2)
    full = generator(sketch=sketch, reference=reference)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = generator(sketch=sketch, reference=reference)
    assert half.picture.dtype == half.logits.dtype == torch.float32
    assert torch.allclose(half.picture, full.picture, atol=0.05)
    assert not torch.equal(half.picture, full.picture)


def test_one_seed_gives_one_network() -> None:
    """Fresh weights follow from torch's seed."""
    first, second = build().state_dict(), build().state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    torch.manual_seed(1)
    fresh = build_generator(params()).state_dict()
    assert not torch.equal(first["decoder.leave.weight"], fresh["decoder.leave.weight"])
