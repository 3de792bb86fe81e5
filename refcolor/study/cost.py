"""The cost of a network: its parameters, and the operations for a picture."""

import torch
from torch.utils.flop_counter import FlopCounterMode

from refcolor.model.generator import build_generator
from refcolor.params import ModelParams


def cost(model: ModelParams, *, size: int) -> tuple[int, int]:
    """Count the parameters, and the multiply-accumulates for a picture.

    size: side in pixels of sketch and reference. Convolutions and matrix products are counted;
    element-wise operations (norms, activations, softmax) are not.
    """
    generator = build_generator(model).eval()
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        generator(sketch=torch.zeros(1, 1, size, size), reference=torch.zeros(1, 3, size, size))
    parameters = sum(weight.numel() for weight in generator.parameters())
    return parameters, counter.get_total_flops() // 2
