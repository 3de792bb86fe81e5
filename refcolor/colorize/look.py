"""The look of a coloured drawing: soft or flat, with regions in colours that a person chose."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from refcolor.colorize.fill import upsample
from refcolor.colorize.hints import PointColor
from refcolor.colorize.lab import from_lab, to_lab
from refcolor.colorize.reference import Source, as_file
from refcolor.colorize.regions import TOLERANCE, find_regions
from refcolor.errors import PictureError, RefcolorError, UsageError
from refcolor.io.image import MIDDLE, WHITE, Picture, Unit, read_rgba
from refcolor.lines.drawing import Drawing
from refcolor.lines.paper import strips

_SAMPLE = 1_000_000  # pixels that a median is computed of, at least

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Look:
    """What becomes of the model's colours.

    flat: each region of the drawing gets one colour; else colours vary as the model has them.
    tolerance: CIELAB distance below which colours become one, as in `find_regions`.
    keep: (H, W) bool, True where the drawing stays paper; see `read_mask`.
    color_bubbles: whether speech bubbles get colours; else they stay paper.
    palette: (P, 3) float32 CIELAB, the only flat colours, as in `sheet_palette`; soft ones are as
        without it.
    """

    flat: bool = True
    tolerance: float = TOLERANCE
    keep: Mask | None = None
    color_bubbles: bool = False
    palette: Unit | None = None

    def __post_init__(self) -> None:
        """Raise UsageError for a tolerance below 0."""
        if not self.tolerance >= 0:
            raise UsageError(
                "the tolerance of flats must be 0 or more, a difference of colours in CIELAB "
                f"units, got {self.tolerance:g}; {TOLERANCE:g} suits most drawings"
            )

    def check(self, drawing: Drawing) -> None:
        """Raise PictureError with the reason mask_size for a mask that does not fit a drawing."""
        height, width = drawing.size
        if self.keep is not None and self.keep.shape != drawing.size:
            rows, columns = self.keep.shape
            raise PictureError(
                "mask_size",
                f"the mask of what stays paper has {columns} x {rows} pixels, the drawing {width} "
                f"x {height}; save the mask at the size of the drawing",
            )

    def apply(
        self,
        colors: Picture,
        drawing: Drawing,
        spots: Sequence[PointColor] = (),
        outside: Mask | None = None,
    ) -> Picture:
        """Bring the model's colours to the size of a drawing in this look.

        colors: (h, w, 3) uint8.  spots: regions in a colour that a person chose; of two spots in
        one region the later counts.  outside: (H, W) bool, True outside of frames and panels,
        where only spots have a colour.  Returns (H, W, 3) uint8.
        """
        if not self.flat:  # before the regions are found, because it needs the most memory
            filled = upsample(colors, drawing.ink)
        if self.flat or spots:
            regions = find_regions(
                colors,
                drawing.ink,
                tolerance=self.tolerance,
                spots=[(spot.x, spot.y) for spot in spots],
                paper=drawing.paper,
                palette=self.palette,
            )
            if self.flat:
                filled = np.take(regions.colors, regions.labels, axis=0)
        if outside is not None:
            filled[outside] = drawing.paper
        if spots:
            for region, spot in dict(zip(regions.spots, spots, strict=True)).items():
                inside = regions.labels == region
                if spot.color is None:
                    filled[inside] = drawing.paper
                elif self.flat:
                    filled[inside] = spot.rgb
                else:
                    _recolor(filled, inside, spot.rgb)
        if self.keep is not None:
            filled[self.keep] = drawing.paper
        return filled


LOOK = Look()  # unless another is given


def check_spots(spots: Sequence[PointColor], drawing: Drawing) -> None:
    """Raise RefcolorError for a spot outside of a drawing or on a line."""
    height, width = drawing.size
    for spot in spots:
        if not (0 <= spot.x < width and 0 <= spot.y < height):
            raise RefcolorError(
                f"{spot} lies outside of the drawing, which is {width} x {height} pixels; "
                "count from its upper left corner"
            )
        if drawing.ink[int(spot.y), int(spot.x)] > MIDDLE:
            raise RefcolorError(f"{spot} lies on a line; name a spot beside it")


def read_mask(source: Source) -> Mask:
    """Read a mask: True where it is opaque, or white if nothing in it is transparent.

    Returns (H, W) bool. Raises PictureError as `image.read` does.
    """
    file = as_file(source)
    if isinstance(file, np.ndarray):
        buffer = BytesIO()
        Image.fromarray(file).save(buffer, format="PNG")
        file = buffer.getvalue()
    pixels = read_rgba(file)
    alpha = pixels[..., 3]
    marked: Mask = (alpha if (alpha < WHITE).any() else pixels[..., :3].max(axis=2)) > MIDDLE
    return marked


def _recolor(picture: Picture, inside: Mask, color: Picture) -> None:
    """Give the marked pixels a colour in place, as their median; they keep their shading."""
    target = to_lab(color[None, None])[0, 0]
    step = max(1, np.count_nonzero(inside) // _SAMPLE)
    shade = target[0] - np.median(to_lab(picture[inside][None, ::step])[..., 0])
    for rows in strips(len(picture)):
        if not inside[rows].any():
            continue
        lab = to_lab(picture[rows][inside[rows]][None])
        lab[..., 0] += shade
        lab[..., 1:] = target[1:]
        picture[rows][inside[rows]] = from_lab(lab)[0]
