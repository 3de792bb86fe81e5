"""Target pictures with their lines and parts: exact for drawn characters, else estimated."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from refcolor.characters import PARTS
from refcolor.evaluation.metrics.color import LINE_BELOW
from refcolor.io import image
from refcolor.lines.sketch import PRESETS, sketch_picture
from refcolor.sources.drawn import draw
from refcolor.sources.manifest import Record

BACKGROUND = PARTS.index("background")

# Share of a pixel. Drawn lines are 0.4 pixels wide at 64: with 0.5 most of them would be missed.
LINE_FROM = 0.25


@dataclass(frozen=True)
class Truth:
    """A target picture with its lines and parts.

    color: (S, S, 3) uint8; line: (S, S) bool, pixels whose colour is not scored;
    parts: (S, S) uint8, indices of PARTS; only background and other in pictures not drawn by us.
    """

    color: NDArray[np.uint8]
    line: NDArray[np.bool_]
    parts: NDArray[np.uint8]


def recolored(
    sketch: Record, reference: Record, *, drawn_at: int, size: int, fit: Literal["pad", "crop"]
) -> Truth:
    """Draw the character of one record in the colours of another.

    drawn_at: side in pixels of the drawing; size, fit: of the square made from it.
    The part of a pixel is the part that covers most of it; a pixel is line where ink covers a
    quarter of it.
    """
    drawing = draw(sketch, size=drawn_at, palette_of=reference)
    return Truth(
        color=image.square(drawing.color, size, fit=fit),
        line=reduced(drawing.ink, size, size) >= LINE_FROM,
        parts=reduce_labels(drawing.parts, np.ones_like(drawing.ink), size, size),
    )


def observed(picture: NDArray[np.uint8]) -> Truth:
    """Return the estimated truth of a picture that was not drawn by us: the picture itself.

    picture: (S, S, 3) uint8. Lines are the default XDoG of the picture; pixels of the border's
    colour are background, the others are `other`.
    """
    foreground = image.foreground_mask(picture)
    return Truth(
        color=picture,
        line=sketch_picture(picture, PRESETS["default"]) < LINE_BELOW,
        parts=np.where(foreground, PARTS.index("other"), BACKGROUND).astype(np.uint8),
    )


def reduced(mask: NDArray[np.bool_ | np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Return the share of each pixel of a smaller picture that the mask covers.

    mask: (H, W) bool, or float32 shares.  Returns (height, width) float32.
    """
    plane = Image.fromarray(mask.astype(np.float32))
    return np.asarray(plane.resize((width, height), Image.Resampling.BOX))


def reduce_labels(
    labels: NDArray[np.uint8], free: NDArray[np.bool_], height: int, width: int
) -> NDArray[np.uint8]:
    """Return the label that covers most of each pixel of a smaller picture, beside the lines.

    labels: (H, W) uint8. free: (H, W) bool, pixels without a line.
    Returns (height, width) uint8, the lowest label among equals.
    """
    present = np.unique(labels)
    shares = [reduced((labels == label) & free, height, width) for label in present]
    most: NDArray[np.uint8] = present[np.argmax(shares, axis=0)]
    return most
