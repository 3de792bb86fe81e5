"""Sample pictures, drawn when the page starts."""

from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image

from refcolor import characters
from refcolor.app.scene import Scene, Sheet
from refcolor.io import image
from refcolor.io.image import Picture
from refcolor.lines.sketch import PRESETS, xdog

SIDE = 768
# The model is trained on lines of one pixel; the lines of the samples have the width of a pen and
# soft edges.
LINE_SIGMA = 1.2
LINE_SOFTNESS = 8.0
# Chosen by eye among the first forty, with different shapes and palettes.
_DRAWINGS = (1, 17, 34, 20)
_REFERENCES = (13, 2, 36, 18)
_SHAPES, _PALETTES = 20, 21  # seeds that the dataset does not use


@dataclass(frozen=True)
class Samples:
    """Drawings to colour, and pictures to take the colours from."""

    drawings: tuple[Sheet, ...]
    references: tuple[Sheet, ...]

    def first(self) -> Scene:
        """Return the scene of a new page."""
        return Scene(drawing=self.drawings[0], references=self.references[:1])


def draw_samples() -> Samples:
    """Draw the samples, which are the same on every start."""
    return Samples(
        drawings=tuple(
            _sheet(f"drawing-{number}.png", _lines(_character(index)))
            for number, index in enumerate(_DRAWINGS, 1)
        ),
        references=tuple(
            _sheet(f"colours-{number}.png", _character(index))
            for number, index in enumerate(_REFERENCES, 1)
        ),
    )


def _lines(color: Picture) -> Picture:
    gray = image.to_unit(np.array(Image.fromarray(color).convert("L")))
    preset = PRESETS["default"]
    lines = xdog(
        gray,
        sigma=LINE_SIGMA,
        k=preset.k,
        sharpness=preset.sharpness,
        epsilon=preset.epsilon,
        phi=LINE_SOFTNESS,
    )
    return image.from_unit(lines)


def _character(index: int) -> Picture:
    shape, palette = (
        characters.draw_shape(_SHAPES, index),
        characters.draw_palette(_PALETTES, index),
    )
    return characters.render(shape, palette, size=SIDE).color


def _sheet(name: str, picture: Picture) -> Sheet:
    file = BytesIO()
    Image.fromarray(picture).save(file, format="PNG")
    return Sheet.read(name, file.getvalue())
