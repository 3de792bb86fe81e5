"""Which part of a drawing took its colour from where, as a picture."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from refcolor.colorize.colorizer import Colored
from refcolor.colorize.placement import Placement
from refcolor.errors import RefcolorError
from refcolor.io import image
from refcolor.io.image import Picture, Unit

_SIDE = 480  # pixels of a panel's longer side
_MARGIN, _CAPTION = 16, 30
_PAPER, _INK, _MARK = (250, 249, 246), (60, 60, 66), (214, 40, 90)
_OVERLAY = 0.85  # opacity of the places' colours over the grey reference


def draw_correspondence(
    colored: Colored, reference: Picture, *, at: tuple[float, float] | None = None
) -> Picture:
    """Draw four panels: the coloured drawing and its reference, and below who looked where.

    Below, a place of the reference is coloured by where it lies, and each cell of the drawing with
    the colour of the place it looks at most, the paler the more it looks elsewhere too.
    at: a spot (x, y) of the drawing; below, the reference is then bright where that spot looks.

    reference: (H, W, 3) uint8, the only one that the drawing was coloured after.
    Returns (H', W', 3) uint8.
    Raises RefcolorError for a model without attention and for a spot outside of the drawing.
    """
    attention = colored.attention
    if attention.weights is None:
        raise RefcolorError(
            "this model has no attention, so nothing says who took from where; take a model "
            "trained with model.attention scft or sga"
        )
    if at is not None and not attention.sketch.holds(*at):
        raise RefcolorError(
            f"{at[0]:g},{at[1]:g} lies outside of the drawing, which is "
            f"{attention.sketch.width} x {attention.sketch.height} pixels"
        )
    (placed,) = attention.references
    original = image.fit(reference, _SIDE)
    shade = 1 - image.to_unit(image.fit(colored.drawing.ink, _SIDE))[..., None]
    if at is None:
        colors = position_colors(placed)
        taken = _painted(attention.weights, colors, attention.sketch, shade)
        places = _over_grey(original, _shown(colors, placed, original), _OVERLAY)
        captions = "every part, in the colour of the place it looks at", "the places, by colour"
    else:
        heat = attention.attention_at(*at)[0]
        taken = np.ones((*shade.shape[:2], 3), np.float32)
        places = _heated(original, heat / heat.max(), placed)
        captions = "one spot", "where it looks"
    lower = image.from_unit(taken * shade), image.from_unit(places)
    panels = [[image.fit(colored.picture, _SIDE), original], list(lower)]
    if at is not None:
        scale = shade.shape[1] / attention.sketch.width
        panels[1][0] = _marked(panels[1][0], at[0] * scale, at[1] * scale)
    return _sheet(panels, [("coloured", "reference"), captions])


def position_colors(placed: Placement) -> Unit:
    """Give every cell of a reference a colour of its own.

    The hue goes round from the top to the bottom, and the colour gets lighter from the left to the
    right: (rows * columns, 3) float32 sRGB in [0, 1].
    """
    down = (np.arange(placed.rows) + 0.5) / placed.rows
    right = (np.arange(placed.columns) + 0.5) / placed.columns
    hue = np.deg2rad(20 + 300 * down)[:, None]
    lightness = np.broadcast_to(0.5 + 0.36 * right, (placed.rows, placed.columns))
    return _from_oklch(lightness, 0.15, hue).reshape(-1, 3)


def confidence(weights: Unit) -> Unit:
    """Say how much of its attention a cell has in one place: 1 all of it, 0 it looks everywhere.

    1 minus the entropy of a row over that of an even one.
    weights: (N_s, N_r), rows sum to 1.  Returns (N_s,) float32.
    """
    if weights.shape[1] == 1:
        return np.ones(len(weights), np.float32)
    entropy = -(weights * np.log(np.maximum(weights, 1e-12))).sum(axis=1)
    share: Unit = (1 - entropy / np.log(weights.shape[1])).clip(0, 1).astype(np.float32)
    return share


def _painted(weights: Unit, colors: Unit, sketch: Placement, panel: Unit) -> Unit:
    sure = confidence(weights)[:, None]
    return _shown(sure * colors[weights.argmax(axis=1)] + 1 - sure, sketch, panel)


def _shown(cells: Unit, placed: Placement, panel: Picture | Unit) -> Unit:
    """Enlarge values of cells to a panel, without mixing any: (N, 3) becomes (height, width, 3)."""
    shown: Unit = cells[replace(placed, height=panel.shape[0], width=panel.shape[1]).cells()]
    return shown


def _heated(reference: Picture, heat: Unit, placed: Placement) -> Unit:
    """Show a reference in its own colours where it is looked at, dark and grey elsewhere."""
    grey = _grey(reference)
    share = np.sqrt(_shown(heat.reshape(-1, 1), placed, reference))
    heated: Unit = 0.35 * grey * (1 - share) + image.to_unit(reference) * share
    return heated


def _over_grey(picture: Picture, colors: Unit, opacity: float) -> Unit:
    # Multiplied, so that the lines of the reference stay visible through its places' colours.
    grey = _grey(picture)
    return grey * (1 - opacity) + colors * opacity * (0.6 + 0.4 * grey)


def _grey(picture: Picture) -> Unit:
    luma = image.to_unit(picture) @ np.array([0.299, 0.587, 0.114], np.float32)
    return np.repeat(luma[..., None], 3, axis=2)


def _marked(picture: Picture, x: float, y: float) -> Picture:
    marked = Image.fromarray(picture)
    draw = ImageDraw.Draw(marked)
    for radius, color in ((10, (255, 255, 255)), (8, _MARK)):
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=color, width=3)
    return np.array(marked)


def _sheet(panels: list[list[Picture]], captions: list[tuple[str, str]]) -> Picture:
    widths = [max(row[c].shape[1] for row in panels) for c in range(2)]
    heights = [max(panel.shape[0] for panel in row) + _CAPTION for row in panels]
    sheet = Image.new("RGB", (sum(widths) + 3 * _MARGIN, sum(heights) + 2 * _MARGIN), _PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    for r, row in enumerate(panels):
        for c, panel in enumerate(row):
            left = _MARGIN + c * (widths[0] + _MARGIN) + (widths[c] - panel.shape[1]) // 2
            top = _MARGIN + r * heights[0]
            sheet.paste(Image.fromarray(panel), (left, top))
            draw.text((left, top + panel.shape[0] + 6), captions[r][c], fill=_INK, font=font)
    return np.array(sheet)


def _from_oklch(
    lightness: npt.NDArray[np.floating], chroma: float, hue: npt.NDArray[np.floating]
) -> Unit:
    """Turn OKLCH into sRGB, clipped to what a screen shows (Ottosson, 2020)."""
    a, b = chroma * np.cos(hue), chroma * np.sin(hue)
    cones = (
        np.stack(
            [
                lightness + 0.3963377774 * a + 0.2158037573 * b,
                lightness - 0.1055613458 * a - 0.0638541728 * b,
                lightness - 0.0894841775 * a - 1.2914855480 * b,
            ],
            axis=-1,
        )
        ** 3
    )
    to_rgb = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    linear = (cones @ to_rgb.T).clip(0, 1)
    steep = 1.055 * linear ** (1 / 2.4) - 0.055
    encoded: Unit = np.where(linear <= 0.0031308, 12.92 * linear, steep).astype(np.float32)
    return encoded
