"""A generator in torch."""

from collections.abc import Sequence
from pathlib import Path

import torch

from refcolor.colorize.weights import check_weights
from refcolor.errors import RefcolorError
from refcolor.io import image
from refcolor.io.image import Picture, Unit
from refcolor.io.tensors import to_device
from refcolor.model.generator import Generator
from refcolor.params import ModelParams
from refcolor.training.checkpoint import GENERATOR, describe, load_generator
from refcolor.training.device import (
    choose_device,
    memory_format,
    multiplies_bfloat16,
    network_input,
)


class TorchNetwork:
    """A generator on a device, in bfloat16 where that is fast; see `Network`."""

    def __init__(
        self, generator: Generator, *, model: ModelParams, size: int, device: str = "cpu"
    ) -> None:
        """generator: in evaluation mode.  device: cpu, cuda, cuda:1 or mps."""
        self.model, self.size, self.device = model, size, torch.device(device)
        self._generator = generator.to(self.device).to(memory_format=memory_format(self.device))
        self._bfloat16 = multiplies_bfloat16(self.device)

    @torch.inference_mode()
    def __call__(
        self,
        sketches: Picture,
        references: Sequence[Picture],
        *,
        bias: Unit | None,
        with_weights: bool,
    ) -> tuple[Picture, Unit | None]:
        """Colour sketches after their references."""
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self._bfloat16):
            output = self._generator(
                sketch=network_input(sketches, self.device),
                reference=[network_input(pictures, self.device) for pictures in references],
                bias=None if bias is None else to_device(torch.from_numpy(bias), self.device),
            )
        weights = None
        if with_weights and output.logits is not None:
            weights = output.logits.softmax(dim=-1).cpu().numpy()
        return image.to_uint8(output.picture), weights


def load_torch(folder: Path, *, device: str) -> TorchNetwork:
    """Load a model folder; see `Colorizer.load`."""
    model, size = describe(folder)
    check_weights(folder / GENERATOR, model)
    try:
        torch_device = choose_device(device)
    except (RuntimeError, KeyError) as error:
        raise RefcolorError(
            f"the device must be auto, cpu, cuda, cuda:1 or mps, got {device!r}"
        ) from error
    return TorchNetwork(load_generator(folder), model=model, size=size, device=str(torch_device))
