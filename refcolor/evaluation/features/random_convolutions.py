"""Features without a download: a small random convolution network, normalised on drawn pictures.

They rank sets of pictures by colour and blur, and hardly see slight noise or parts in each other's
colours (docs/decisions/007-features.md). They are **not** those of Inception: their distances have
another name (`fid_random`) and cannot be compared with published FID values.
"""

import functools
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from refcolor.characters import draw_palette, draw_shape, render
from refcolor.io import image

CHANNELS = (3, 16, 32, 64)
SEED = 20200508
DIMENSIONS = sum(CHANNELS[1:])

_CALIBRATION_PICTURES = 32
_CALIBRATION_SIZE = 64  # pixels
_BATCH = 64  # pictures


class RandomConvolutions:
    """Three 3x3 convolutions of stride 2 with fixed weights, each normalised, then ReLU.

    Called with (N, H, W, 3) uint8 pictures of any size it returns (N, 112) float64, the mean over
    the picture of every channel of every layer. Pictures are not resized: compare only pictures of
    one size. The weights are drawn by numpy and normalised on the CPU in float64, so they have the
    same bytes on every machine and device.
    """

    name = "random"

    def __init__(self, *, device: str | torch.device = "cpu", seed: int = SEED) -> None:
        """Draw the weights and normalise each layer over a fixed set of drawn pictures.

        seed: of the weights; numbers of different seeds cannot be compared.
        """
        self._device = torch.device(device)
        self._layers: list[tuple[Tensor, ...]] = []
        generator = np.random.default_rng(seed)
        maps = image.to_tensor(_calibration_pictures()).double()
        for channels_in, channels in pairwise(CHANNELS):
            weight = torch.from_numpy(generator.standard_normal((channels, channels_in, 3, 3)))
            deviation, mean = torch.std_mean(_convolve(maps, weight), dim=(0, 2, 3))
            layer = (weight / deviation.reshape(-1, 1, 1, 1), -mean / deviation)
            self._layers.append(tuple(part.float().to(self._device) for part in layer))
            maps = _convolve(maps, *layer).relu()

    @torch.no_grad()
    def __call__(self, pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Map (N, H, W, 3) uint8 to (N, 112) float64."""
        rows = [
            self._rows(self._tensor(pictures[start : start + _BATCH]))
            for start in range(0, len(pictures), _BATCH)
        ]
        return np.concatenate(rows) if rows else np.empty((0, DIMENSIONS))

    def _rows(self, maps: Tensor) -> NDArray[np.float64]:
        means = []
        for layer in self._layers:
            maps = _convolve(maps, *layer).relu()
            means.append(maps.mean(dim=(2, 3)))
        rows: NDArray[np.float64] = torch.cat(means, dim=1).double().cpu().numpy()
        return rows

    def _tensor(self, pictures: NDArray[np.uint8]) -> Tensor:
        return image.to_tensor(pictures, device=self._device)


def _convolve(maps: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Convolve with stride 2; the border is replicated, because other padding adds an edge."""
    return F.conv2d(F.pad(maps, (1, 1, 1, 1), mode="replicate"), weight, bias, stride=2)


@functools.cache
def _calibration_pictures() -> NDArray[np.uint8]:
    """Draw characters from seeds that no dataset uses."""
    drawings = (
        render(draw_shape(SEED, index), draw_palette(SEED + 1, index), size=_CALIBRATION_SIZE)
        for index in range(_CALIBRATION_PICTURES)
    )
    return np.stack([drawing.color for drawing in drawings])
