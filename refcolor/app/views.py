"""What the page shows of a scene: plain values, which panel.js and list.js draw."""

import base64
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import cv2
import numpy as np
from PIL import Image

from refcolor.app import actions
from refcolor.app.scene import Scene, Sheet
from refcolor.colorize.placement import Placement
from refcolor.io.image import Unit, from_unit

VEIL = (18, 18, 22)
DARKEST = 0.82  # the veil over places that gave nothing

View = dict[str, Any]


def drawing_view(scene: Scene) -> View:
    """Show the drawing, the spot looked at, and the numbered ends of the matches."""
    pins = [_pin(number, match.x, match.y) for number, match in enumerate(scene.matches, 1)]
    return _panel(scene.drawing) | {"spot": scene.spot, "pins": pins}


def reference_view(scene: Scene) -> View:
    """Show the reference in view: what it gave to the spot looked at lies clear, the rest veiled.

    A ring marks the place that gave most, because a single cell is small.
    """
    pins = [
        _pin(number, match.u, match.v)
        for number, match in enumerate(scene.matches, 1)
        if match.reference == scene.chosen
    ]
    given = actions.attention_at(scene)
    thumbs = [
        {
            "picture": reference.thumb,
            "name": reference.name,
            "share": f"{given[index].sum():.0%}" if given else "",
        }
        for index, reference in enumerate(scene.references)
    ]
    shown = _panel(scene.reference) | {"pins": pins, "thumbs": thumbs, "chosen": scene.chosen}
    return shown | _origin(scene, given[scene.chosen]) if given else shown


def result_view(scene: Scene, *, busy: bool = False) -> View:
    """Show the coloured drawing and the spot looked at; busy: one is being made."""
    result = scene.result
    if result is None or result.drawing is not scene.drawing:
        return _panel(None) | {"busy": busy}
    shown = _panel(result.drawing) | {"picture": result.view, "name": "the coloured drawing"}
    return shown | {"spot": scene.spot, "busy": busy}


def match_list(scene: Scene) -> list[View]:
    """List the matches, each with the colour that its spot takes."""
    return [
        {
            "number": number,
            "color": scene.references[match.reference].color_at(match.u, match.v),
            "text": f"takes this colour{_of_which(scene, match.reference)}",
        }
        for number, match in enumerate(scene.matches, 1)
    ]


def shelf(sheets: Sequence[Sheet], text: str) -> list[View]:
    """List sample pictures; text: what a press on one of them does."""
    return [
        {"picture": sheet.thumb, "text": f"{text} ({number})"}
        for number, sheet in enumerate(sheets, 1)
    ]


def advice(scene: Scene) -> str:
    """Say in a sentence what can be done next."""
    if scene.drawing is None:
        return "Begin with a drawing."
    if scene.reference is None:
        return "Now choose a picture whose colours you like."
    result = scene.explained
    if scene.spot is not None:
        if actions.attention_at(scene):
            return (
                "The bright places gave this spot its colour, the ring most of it. "
                "Should it be another? Click the right place in the reference."
            )
        return "Now click the place in the reference whose colour belongs there."
    if result is None:
        return "Press Colour."
    if result.matches != scene.matches:
        return "Press Colour to use your matches, or add another one."
    return "Click a spot of the drawing to see where its colour comes from, and to correct it."


def veil(heat: Unit, placed: Placement) -> str:
    """Turn what a place got from the cells of a reference into a dark veil with bright places.

    heat: (rows, columns) float32, not negative; the strongest cell is left clear.
    placed: where the reference lies on the cells; cells of its padding are cut off.
    Returns the data: address of a PNG with the reference's shape.
    """
    # The root lifts what is weak: a spot takes its colour from many cells, each with little.
    light = np.sqrt(heat / max(float(heat.max()), 1e-12))
    dark = from_unit(DARKEST * (1 - light))
    height, width = placed.shape
    # Cubic: where one cell gave everything, linear would show a diamond.
    smooth = cv2.resize(dark, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    layer = np.empty((placed.inner_height, placed.inner_width, 4), np.uint8)
    layer[..., :3] = VEIL
    layer[..., 3] = placed.crop(smooth)
    file = BytesIO()
    Image.fromarray(layer).save(file, format="PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def _origin(scene: Scene, heat: Unit) -> View:
    assert scene.explained
    placed = scene.explained.colored.attention.references[scene.chosen]
    return {"veil": veil(heat, placed), "spot": placed.center(int(heat.argmax()))}


def _panel(sheet: Sheet | None) -> View:
    empty: View = {"spot": None, "pins": [], "veil": "", "thumbs": [], "chosen": 0, "busy": False}
    if sheet is None:
        return empty | {"picture": "", "name": "", "width": 1, "height": 1}
    size = {"width": sheet.width, "height": sheet.height}
    return empty | {"picture": sheet.view, "name": sheet.name} | size


def _pin(number: int, x: float, y: float) -> View:
    return {"number": number, "x": x, "y": y}


def _of_which(scene: Scene, reference: int) -> str:
    return f" of picture {reference + 1}" if len(scene.references) > 1 else ""
