"""A coloured drawing, and the files it is saved as."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from refcolor.colorize.attention import Attention
from refcolor.colorize.documents import Layer
from refcolor.colorize.layers import (
    compose,
    cut_out,
    document_layers,
    write_layers,
    write_picture,
)
from refcolor.colorize.ora import write_ora
from refcolor.colorize.psd import write_psd
from refcolor.io.image import Picture
from refcolor.lines.drawing import Drawing
from refcolor.lines.frames import panel_at


@dataclass(frozen=True)
class Colored:
    """A coloured drawing.

    colors: (H, W, 3) uint8 at the drawing's own size, without its lines.
    attentions: of each panel.
    flat: whether each region has one colour.
    """

    drawing: Drawing
    colors: Picture
    attentions: tuple[Attention, ...]
    flat: bool = False

    @property
    def attention(self) -> Attention:
        """The attention of the first panel, which is often the whole drawing."""
        return self.attentions[0]

    def attention_at(self, x: float, y: float) -> Attention | None:
        """Return the attention of the panel at a point of the drawing; None between panels."""
        if len(self.attentions) == 1:
            return self.attention
        framings = [attention.framing for attention in self.attentions]
        index = panel_at(framings, x, y, self.drawing.size)
        return None if index is None else self.attentions[index]

    @property
    def picture(self) -> Picture:
        """The colours under the drawing's own lines: (H, W, 3) uint8, white where it ends."""
        return compose(self.colors, self.drawing)

    @property
    def image(self) -> Image.Image:
        """The picture as a Pillow image, transparent around a drawing that is cut out."""
        return Image.fromarray(cut_out(self.picture, self.drawing))

    def save(self, path: Path | str) -> None:
        """Write the picture as PNG; missing folders are created."""
        picture = cut_out(self.picture, self.drawing)
        write_picture(Path(path), picture, self.drawing.resolution)

    def save_layers(self, folder: Path | str, stem: str) -> None:
        """Write colours and lines as <stem>_colors.png and <stem>_lines.png."""
        write_layers(Path(folder), stem, self.colors, self.drawing)

    def save_psd(self, path: Path | str) -> None:
        """Write a Photoshop document: lines, and below colours, or a layer for each flat colour."""
        write_psd(Path(path), self._layers(), self.picture, self.drawing.resolution)

    def save_ora(self, path: Path | str) -> None:
        """Write an OpenRaster document with the layers of the PSD."""
        picture = cut_out(self.picture, self.drawing)
        write_ora(Path(path), self._layers(), picture, self.drawing.resolution)

    def _layers(self) -> Iterator[Layer]:
        return document_layers(self.colors, self.drawing, flat=self.flat)
