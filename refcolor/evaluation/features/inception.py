"""Inception features of the original FID network, as pytorch-fid ported it."""

import pickle
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from refcolor.io import image
from refcolor.io.tensors import to_device
from refcolor.training.weights import Weights, fetch

SIDE = 299  # pixels, the network's input
DIMENSIONS = 2048
WEIGHTS = Weights(
    title="the Inception weights of evaluate.features: inception",
    address="https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
    "pt_inception-2015-12-05-6726825d.pth",
    megabytes=91,
    alternative="set evaluate.features: random",
)

_BATCH = 32  # pictures
_CENTRE = 128.0  # the original network takes (grey level - 128) / 128

Resize = Literal["clean", "pytorch"]


class Inception:
    """The 2048 pooled features of the Inception-v3 with which FID was defined.

    There are two common ways to resize pictures to the network's 299 pixels; do not compare the
    numbers of one with those of the other:
    `clean` is clean-fid's: Pillow's antialiased bicubic filter, not rounded back to 8 bits, and
    the original network's normalisation.
    `pytorch` is pytorch-fid's: bilinear interpolation in torch, without antialiasing, to [-1, 1].
    Reference: Parmar, Zhang, Zhu, "On Aliased Resizing and Surprising Subtleties in GAN
    Evaluation", CVPR 2022.
    """

    name = "inception"

    def __init__(self, *, resize: Resize = "clean", device: str | torch.device = "cpu") -> None:
        """Load the weights; download them if they are not in torch's folder of checkpoints.

        Raises RefcolorError with the address and the path when they are not available.
        """
        self._device = torch.device(device)
        self._preprocess = _clean if resize == "clean" else _unit
        # `_clean` has resized and normalised its pictures already.
        self._network = _load(preprocess=resize != "clean").eval().to(self._device)

    @torch.no_grad()
    def __call__(self, pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Map (N, H, W, 3) uint8 of any size to (N, 2048) float64."""
        rows = [np.empty((0, DIMENSIONS))]
        for start in range(0, len(pictures), _BATCH):
            batch = to_device(self._preprocess(pictures[start : start + _BATCH]), self._device)
            rows.append(self._network(batch)[0].flatten(1).double().cpu().numpy())
        return np.concatenate(rows)


def resize_clean(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Resize to the network's 299 pixels with antialiasing, not rounded back to 8 bits.

    picture: (H, W, 3) uint8.  Returns (299, 299, 3) float32 grey levels in [0, 255]; overshoots of
    the bicubic interpolation are clipped.
    """
    channels = [
        np.asarray(Image.fromarray(channel).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
        for channel in np.moveaxis(picture.astype(np.float32), -1, 0)
    ]
    return np.stack(channels, axis=-1).clip(0, image.WHITE)


def _clean(pictures: NDArray[np.uint8]) -> Tensor:
    levels = np.stack([resize_clean(picture) for picture in pictures])
    return (torch.from_numpy(levels).permute(0, 3, 1, 2) - _CENTRE) / _CENTRE


def _unit(pictures: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(image.to_unit(pictures)).permute(0, 3, 1, 2)


def _load(*, preprocess: bool) -> Any:
    from pytorch_fid import inception

    file = fetch(WEIGHTS)
    try:
        # The package unpickles the file without checks, so other objects are refused here first.
        torch.load(file, map_location="cpu", weights_only=True)
        return inception.InceptionV3(resize_input=preprocess, normalize_input=preprocess)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise WEIGHTS.unavailable(error) from error
