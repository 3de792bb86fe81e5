"""Baselines: pictures made without a model, to compare the metrics of a model with."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Picture = NDArray[np.uint8]
Value = TypeVar("Value", bound=np.generic)


def grey(truth: Picture) -> Picture:
    """Convert a picture to grey (Rec. 601 luma, as Pillow's "L").

    truth: (H, W, 3) uint8.  Returns the same shape, three equal channels.
    """
    return np.asarray(Image.fromarray(truth).convert("L").convert("RGB"))


def mean_color(reference: Picture, mask: NDArray[np.bool_] | None = None) -> Picture:
    """Paint everything in the mean colour of a picture, or of a part of it.

    reference: (H, W, 3) uint8.  Returns the same shape.
    mask: (H, W) bool, the part; everything counts if it is empty.
    """
    pixels = reference[mask] if mask is not None and mask.any() else reference.reshape(-1, 3)
    color = np.rint(pixels.mean(axis=0, dtype=np.float64)).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(color, reference.shape))


def moved(picture: NDArray[Value]) -> NDArray[Value]:
    """Mirror a picture and shift it right by a sixth of its width; the left edge is repeated.

    picture: (H, W) or (H, W, C) of any type.  Returns the same shape. A model that copies colours
    by position gives wrong colours for a moved reference; a model that matches parts does not.
    """
    width = picture.shape[1]
    columns = np.maximum(np.arange(width) - width // 6, 0)
    result: NDArray[Value] = picture[:, ::-1][:, columns]
    return result
