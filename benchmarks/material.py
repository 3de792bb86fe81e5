"""What the training benchmarks work on: parameters, drawn pictures, first weights, VGG-19."""

from collections.abc import Sequence
from functools import partial

import cv2
import numpy as np
import torch
from torch import nn
from torchvision.models.vgg import cfgs, make_layers

from refcolor import characters
from refcolor.io.image import Picture
from refcolor.lines.sketch import draw_settings, sketch_picture
from refcolor.model.discriminator import Discriminator
from refcolor.model.generator import Generator, build_generator
from refcolor.params import Params, SketchParams
from refcolor.training.data import Pictures
from refcolor.training.vgg import WEIGHTS, VGGFeatures, load_vgg
from refcolor.workers.parallel import map_pictures

# The weights of docs/paper.md: all losses on, eq. 5 among them.
PAPER: dict[str, object] = {
    "reconstruction": 30.0,
    "adversarial": 1.0,
    "perceptual": 0.01,
    "style": 50.0,
    "triplet": 1.0,
    "match": 0.0,
}


def changed(settings: Params, **sections: dict[str, object]) -> Params:
    """Change some parameters, checked as a file of them is: `changed(p, train={"epochs": 2})`."""
    content = settings.model_dump()
    for name, values in sections.items():
        content[name] |= values
    return Params.model_validate(content)


def character(index: int, *, size: int) -> Picture:
    """Draw a character at size x size pixels."""
    shape, palette = characters.draw_shape(1, index), characters.draw_palette(2, index)
    return characters.render(shape, palette, size=size).color


def drawn_pictures(
    indices: range, *, size: int, sketch: SketchParams, workers: int = 1
) -> Pictures:
    """Draw the characters of these indices at size x size pixels, and their line art."""
    draw = partial(_drawn, size=size, sketch=sketch)
    drawn = list(map_pictures(draw, indices, workers=workers, label="draw"))
    return Pictures(
        ids=tuple(_name(index) for index in indices),
        color=np.stack([color for color, _ in drawn]),
        sketch=np.stack([lines for _, lines in drawn]),
    )


def first_networks(settings: Params) -> tuple[Generator, Generator, Discriminator]:
    """Build generator, moving average and discriminator with the weights `train` begins with."""
    torch.manual_seed(settings.seed)
    generator, ema = build_generator(settings.model), build_generator(settings.model)
    discriminator = Discriminator(settings.model)
    ema.load_state_dict(generator.state_dict())
    ema.requires_grad_(False).eval()
    return generator, ema, discriminator


def vgg_is_cached() -> bool:
    """Whether the ImageNet weights of VGG-19 are at hand without a network."""
    return WEIGHTS.path.exists()


def any_vgg(*, seed: int) -> VGGFeatures:
    """Load VGG-19 for the losses, with random weights where the real ones are not at hand.

    Speed, memory and operations do not depend on the weights; the quality of a model does.
    """
    return load_vgg() if vgg_is_cached() else random_vgg(cfgs["E"], seed=seed)


def random_vgg(widths: Sequence[int | str], *, seed: int) -> VGGFeatures:
    """Make VGG features whose random weights keep the signal alive.

    widths: channels of the convolutions and "M" for pooling, as torchvision writes VGG-19.
    """
    layers = make_layers(list(widths))
    random = torch.Generator().manual_seed(seed)
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, generator=random)
            nn.init.zeros_(layer.get_parameter("bias"))
    return VGGFeatures(layers)


def _name(index: int) -> str:
    return f"drawn-{index:06d}"


def _drawn(index: int, *, size: int, sketch: SketchParams) -> tuple[np.ndarray, np.ndarray]:
    cv2.setNumThreads(1)
    color = character(index, size=size)
    return color, sketch_picture(color, draw_settings(sketch, _name(index)))
