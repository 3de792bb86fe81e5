"""Inception features of the original FID network, through the loader of the pytorch-fid package."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from refcolor import image
from refcolor.errors import RefcolorError

SIDE = 299  # pixels, the network's input
DIMENSIONS = 2048

_BATCH = 32  # pictures


class Inception:
    """The 2048 pooled features of the Inception-v3 with which FID was defined.

    Pictures are resized by Pillow's antialiased bicubic filter, as clean-fid does; pytorch-fid's
    own command resizes without antialiasing and gives other numbers for pictures above 299 pixels.
    Reference: Parmar, Zhang, Zhu, "On Aliased Resizing and Surprising Subtleties in GAN
    Evaluation", CVPR 2022.
    """

    name = "inception"

    def __init__(self, *, device: str | torch.device = "cpu") -> None:
        """Load the weights, downloading them when they are not in torch's folder of checkpoints.

        Raises RefcolorError with the address and the place when they cannot be had.
        """
        self._device = torch.device(device)
        self._network = _load().eval().to(self._device)

    @torch.no_grad()
    def __call__(self, pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Map (N, H, W, 3) uint8 of any size to (N, 2048) float64."""
        rows = [np.empty((0, DIMENSIONS))]
        for start in range(0, len(pictures), _BATCH):
            unit = np.stack([resize_unit(p) for p in pictures[start : start + _BATCH]])
            batch = torch.from_numpy(unit).permute(0, 3, 1, 2).to(self._device)
            rows.append(self._network(batch)[0].flatten(1).double().cpu().numpy())
        return np.concatenate(rows)


def resize_unit(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Resize to the network's 299 pixels with antialiasing, not rounded back to 8 bits.

    picture: (H, W, 3) uint8.  Returns (299, 299, 3) float32 in [0, 1]. What bicubic interpolation
    overshoots is clipped.
    """
    channels = [
        np.asarray(Image.fromarray(channel).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
        for channel in np.moveaxis(image.to_unit(picture), -1, 0)
    ]
    return np.stack(channels, axis=-1).clip(0, 1)


def _load() -> Any:
    from pytorch_fid import inception

    url = inception.FID_WEIGHTS_URL
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    try:
        # The package unpickles whatever the file holds, so anything but tensors is refused first.
        torch.hub.load_state_dict_from_url(
            url, map_location="cpu", check_hash=True, weights_only=True
        )
        return inception.InceptionV3(resize_input=False)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        reason = " ".join(str(error).split())[:200]
        raise RefcolorError(
            f"the Inception weights of evaluate.features: inception cannot be had ({reason}); "
            f"download {url} to {path} by hand, or set evaluate.features: random, "
            "which does without"
        ) from error
