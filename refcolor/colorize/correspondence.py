"""A picture of the attention: which cells of the reference each cell of a drawing attends to."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from refcolor.colorize.colored import Colored
from refcolor.colorize.placement import Placement
from refcolor.errors import RefcolorError
from refcolor.io import image
from refcolor.io.image import Picture, Unit

_SIDE = 480  # pixels of a panel's longer side
_MARGIN, _CAPTION = 16, 30
_PAPER, _INK, _MARK = (250, 249, 246), (60, 60, 66), (214, 40, 90)
_OVERLAY = 0.85  # opacity of the position colours over the grey reference


def draw_correspondence(
    colored: Colored, reference: Picture, *, at: tuple[float, float] | None = None
) -> Picture:
    """Draw four panels: the coloured drawing and its reference, and below their attention.

    In the lower row each cell of the reference has a colour that depends on its position, and each
    cell of the drawing has the colour of its strongest key, paler for less confident attention.
    at: a point (x, y) of the drawing; the lower row then shows the attention of that point alone.

    reference: (H, W, 3) uint8, the only reference of the drawing.
    Returns (H', W', 3) uint8.
    Raises RefcolorError for a model without attention, for a page whose panels have too many cells,
    and for a point outside of the drawing or between its panels.
    """
    if any(attention.weights is None for attention in colored.attentions):
        raise RefcolorError(
            "the panels of this page have too many cells at this size to show their attention; "
            "take a smaller one"
            if len(colored.attentions) > 1
            else "this model has no attention to be shown; take a model trained with "
            "model.attention scft or sga"
        )
    if at is not None and not colored.attention.sketch.contains(*at):
        raise RefcolorError(
            f"{at[0]:g},{at[1]:g} lies outside of the drawing, which is "
            f"{colored.attention.sketch.width} x {colored.attention.sketch.height} pixels"
        )
    (placement,) = colored.attention.references
    original = image.fit(reference, _SIDE)
    paper = 1 - image.to_unit(image.fit(colored.drawing.ink, _SIDE))[..., None]
    queries = np.ones((*paper.shape[:2], 3), np.float32)
    if at is None:
        colors = position_colors(placement)
        for attention in colored.attentions:
            assert attention.weights is not None
            panel = _query_panel(attention.weights, colors, attention.sketch, paper)
            attention.framing.lay(panel, queries)
        keys = _over_grey(original, _enlarged(colors, placement, original), _OVERLAY)
        captions = "every part, in the colour of the place it looks at", "the places, by colour"
    else:
        of_panel = colored.attention_at(*at)
        if of_panel is None:
            raise RefcolorError(
                f"{at[0]:g},{at[1]:g} lies between the panels, which stays paper; name a spot "
                "inside a panel"
            )
        weights = of_panel.attention_at(*at)[0]
        keys = _highlighted(original, weights / weights.max(), placement)
        captions = "one spot", "where it looks"
    lower = image.from_unit(queries * paper), image.from_unit(keys)
    panels = [[image.fit(colored.picture, _SIDE), original], list(lower)]
    if at is not None:
        scale = paper.shape[1] / colored.attention.sketch.width
        panels[1][0] = _marked(panels[1][0], at[0] * scale, at[1] * scale)
    return _sheet(panels, [("coloured", "reference"), captions])


def position_colors(placement: Placement) -> Unit:
    """Return a different colour for every cell of a reference.

    The hue changes from top to bottom and the lightness increases from left to right:
    (rows * columns, 3) float32 sRGB in [0, 1].
    """
    y = (np.arange(placement.rows) + 0.5) / placement.rows
    x = (np.arange(placement.columns) + 0.5) / placement.columns
    hue = np.deg2rad(20 + 300 * y)[:, None]
    lightness = np.broadcast_to(0.5 + 0.36 * x, (placement.rows, placement.columns))
    return _from_oklch(lightness, 0.15, hue).reshape(-1, 3)


def confidence(weights: Unit) -> Unit:
    """Return the confidence of each query: 1 for a single key, 0 for uniform attention.

    It is 1 minus the entropy of the row divided by the entropy of a uniform row.
    weights: (N_s, N_r), rows sum to 1.  Returns (N_s,) float32.
    """
    if weights.shape[1] == 1:
        return np.ones(len(weights), np.float32)
    entropy = -(weights * np.log(np.maximum(weights, 1e-12))).sum(axis=1)
    share: Unit = (1 - entropy / np.log(weights.shape[1])).clip(0, 1).astype(np.float32)
    return share


def _query_panel(weights: Unit, colors: Unit, sketch: Placement, panel: Unit) -> Unit:
    opacity = confidence(weights)[:, None]
    return _enlarged(opacity * colors[weights.argmax(axis=1)] + 1 - opacity, sketch, panel)


def _enlarged(cells: Unit, placement: Placement, panel: Picture | Unit) -> Unit:
    """Enlarge cells to a panel by nearest neighbours: (N, 3) becomes (height, width, 3)."""
    height, width = panel.shape[:2]
    enlarged: Unit = cells[replace(placement, height=height, width=width).cells()]
    return enlarged


def _highlighted(reference: Picture, weights: Unit, placement: Placement) -> Unit:
    """Show a reference in its colours where the weights are large, dark and grey elsewhere."""
    grey = _grey(reference)
    share = np.sqrt(_enlarged(weights.reshape(-1, 1), placement, reference))
    highlighted: Unit = 0.35 * grey * (1 - share) + image.to_unit(reference) * share
    return highlighted


def _over_grey(picture: Picture, colors: Unit, opacity: float) -> Unit:
    # Multiplied, so that the lines of the reference stay visible under the position colours.
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
    """Convert OKLCH to sRGB, clipped to [0, 1] (Ottosson, 2020)."""
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
    power = 1.055 * linear ** (1 / 2.4) - 0.055
    encoded: Unit = np.where(linear <= 0.0031308, 12.92 * linear, power).astype(np.float32)
    return encoded
