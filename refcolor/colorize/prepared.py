"""Drawings and references on the model's grid, and what the model says of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from refcolor.colorize.hints import PointColor
from refcolor.colorize.look import LOOK, Look
from refcolor.colorize.placement import Placement
from refcolor.io import image
from refcolor.io.image import Picture, Unit
from refcolor.lines.drawing import Drawing
from refcolor.lines.frames import Framing, stretched

Output = tuple[Picture, Unit | None]  # colours on the grid and attention weights of a panel


@dataclass(frozen=True)
class Reference:
    """A reference on the model's grid: picture is (rows * stride, columns * stride, 3) uint8."""

    picture: Picture
    placement: Placement

    def color_at(self, u: float, v: float) -> str:
        """Return the colour at a point (u, v) of the original picture, as #rrggbb."""
        inner = self.placement.crop(self.picture)
        row = int(v * len(inner) / self.placement.height)
        column = int(u * inner.shape[1] / self.placement.width)
        return "#" + bytes(inner[row, column]).hex()


@dataclass(frozen=True)
class Panel:
    """A panel of a drawing, which is often all of it, as an input of the model.

    sketch: (rows * stride, columns * stride) uint8. bias: (N_s, N_r) float32, None without matches.
    """

    framing: Framing
    placement: Placement
    sketch: Picture
    bias: Unit | None


@dataclass(frozen=True)
class Prepared:
    """A drawing and its references as inputs of the model.

    bubbles: of `find_bubbles`, which stay paper; empty where they are coloured.
    spots: colours to lay over the model's.
    """

    drawing: Drawing
    bubbles: Picture
    panels: tuple[Panel, ...]
    references: tuple[Reference, ...]
    look: Look = LOOK
    spots: tuple[PointColor, ...] = ()

    @property
    def pixels(self) -> int:
        """The number of pixels that the model colours."""
        return sum(panel.sketch.size for panel in self.panels)

    @property
    def pairs(self) -> int:
        """The number of pairs of cells that the attention compares."""
        keys = sum(reference.placement.count for reference in self.references)
        return sum(panel.placement.count for panel in self.panels) * keys

    def can_batch(self, other: "Prepared") -> bool:
        """Whether both can be in one batch: one panel each, of equal shapes, and no matches."""
        panels = (*self.panels, *other.panels)
        return (
            len(self.panels) == len(other.panels) == 1
            and all(panel.bias is None for panel in panels)
            and panels[0].sketch.shape == panels[1].sketch.shape
            and [reference.picture.shape for reference in self.references]
            == [reference.picture.shape for reference in other.references]
        )


@dataclass(frozen=True)
class Prediction:
    """The model's output, with what has no colour as paper.

    colors: (h, w, 3) uint8, the whole page at the model's size of its largest panel.
    weights: of each panel, as in Attention.
    """

    colors: Picture
    weights: tuple[Unit | None, ...]


def join_panels(prepared: Prepared, outputs: Sequence[Output]) -> Prediction:
    """Join the model's outputs for all panels of a drawing."""
    pictures, weights = zip(*outputs, strict=True)
    return Prediction(place_panels(prepared, pictures), weights)


def place_panels(prepared: Prepared, grids: Sequence[Picture]) -> Picture:
    """Lay the colours of all panels on a page of paper, at the size of the largest."""
    placements = [panel.placement for panel in prepared.panels]
    shape = max((placement.inner_height, placement.inner_width) for placement in placements)
    page = np.empty((*shape, 3), np.uint8)
    page[:] = prepared.drawing.paper
    for panel, grid in zip(prepared.panels, grids, strict=True):
        panel.framing.lay(image.resize(panel.placement.crop(grid), *shape), page)
    page[stretched(prepared.bubbles, page) > 0] = prepared.drawing.paper
    return page
