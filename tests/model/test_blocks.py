"""The layers of the networks: what they keep."""

import pytest
import torch
from torch import nn

from refcolor.model.blocks import NORMS, InstanceNorm


@pytest.mark.parametrize("order", [torch.channels_last, torch.contiguous_format])
def test_instance_norm_is_pytorchs_and_keeps_the_order_of_memory(
    order: torch.memory_format,
) -> None:
    """Values and gradients are those of `nn.InstanceNorm2d`, bit for bit; its weights load."""
    torch.manual_seed(0)
    expected, norm = nn.InstanceNorm2d(6, affine=True), InstanceNorm(6)
    nn.init.normal_(expected.weight)
    norm.load_state_dict(expected.state_dict())
    picture = torch.randn(2, 6, 5, 7)
    results = []
    for layer in (expected, norm):
        x = picture.clone().contiguous(memory_format=order).requires_grad_()
        y = layer(x)
        y.square().sum().backward()
        results.append((y, x.grad, layer.weight.grad, layer.bias.grad))
    for first, second in zip(*results, strict=True):
        assert torch.equal(first, second)
    assert results[1][0].is_contiguous(memory_format=order)


@pytest.mark.parametrize("name", sorted(NORMS))
def test_channels_last_stays_through_every_norm(name: str) -> None:
    """The result keeps the memory format."""
    x = torch.randn(2, 16, 5, 7).contiguous(memory_format=torch.channels_last)
    assert NORMS[name](16)(x).is_contiguous(memory_format=torch.channels_last)
