"""The discriminator scores patches of (picture, sketch) independently of other pictures."""

import pytest
import torch
from torch import Tensor

from refcolor.model.discriminator import Discriminator
from refcolor.params import ModelParams

PARAMS = ModelParams(
    attention="scft", width=2, levels=3, blocks=1, norm="batch", discriminator_width=3
)


def picture(*shape: int, seed: int) -> Tensor:
    """Draw a picture in [-1, 1]."""
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.fixture
def discriminator() -> Discriminator:
    """A discriminator with known weights."""
    torch.manual_seed(0)
    return Discriminator(PARAMS)


def test_verdicts_are_patches(discriminator: Discriminator) -> None:
    """256 x 256 pixels give 30 x 30 scores, as in pix2pix; the smallest picture gives 2 x 2."""
    for (height, width), shape in (((256, 256), (30, 30)), ((32, 32), (2, 2)), ((64, 88), (6, 9))):
        verdict = discriminator(
            picture=picture(1, 3, height, width, seed=1),
            sketch=picture(1, 1, height, width, seed=2),
        )
        assert verdict.shape == (1, 1, *shape)


def test_a_verdict_sees_70_pixels(discriminator: Discriminator) -> None:
    """The receptive field of a score is 70 x 70 pixels, apart from instance norm."""
    for layer in discriminator.layers:
        if isinstance(layer, torch.nn.InstanceNorm2d):
            layer.forward = lambda x: x  # type: ignore[method-assign]
    pixels = picture(1, 3, 256, 256, seed=1).requires_grad_()
    verdict = discriminator(picture=pixels, sketch=picture(1, 1, 256, 256, seed=2))
    verdict[0, 0, 15, 15].backward()
    rows, columns = pixels.grad[0].abs().amax(dim=0).nonzero().unbind(1)
    assert rows.max() - rows.min() + 1 == 70
    assert columns.max() - columns.min() + 1 == 70


def test_a_verdict_does_not_depend_on_the_batch(discriminator: Discriminator) -> None:
    """The scores of a picture do not depend on its batch, also in training mode."""
    discriminator.train()
    pictures, sketches = picture(5, 3, 32, 48, seed=1), picture(5, 1, 32, 48, seed=2)
    batch = discriminator(picture=pictures, sketch=sketches)
    alone = discriminator(picture=pictures[3:4], sketch=sketches[3:4])
    assert torch.allclose(batch[3:4], alone, atol=1e-5)


def test_picture_and_sketch_both_count(discriminator: Discriminator) -> None:
    """Another sketch changes the scores, and so does another picture."""
    pixels, sketch = picture(1, 3, 32, 48, seed=1), picture(1, 1, 32, 48, seed=2)
    verdict = discriminator(picture=pixels, sketch=sketch)
    assert not torch.allclose(verdict, discriminator(picture=pixels, sketch=-sketch))
    assert not torch.allclose(verdict, discriminator(picture=-pixels, sketch=sketch))


def test_verdicts_are_not_squashed(discriminator: Discriminator) -> None:
    """Least squares needs a linear last layer: scores leave [-1, 1] on both sides."""
    for bias in (-7.0, 7.0):
        torch.nn.init.constant_(discriminator.layers[-1].bias, bias)
        verdict = discriminator(
            picture=picture(1, 3, 32, 32, seed=1), sketch=picture(1, 1, 32, 32, seed=2)
        )
        assert verdict.mean().item() == pytest.approx(bias, abs=2)
