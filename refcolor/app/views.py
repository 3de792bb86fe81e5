"""The views of a scene: plain values that panel.js and list.js draw."""

import base64
import html
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import cv2
import numpy as np
from PIL import Image

from refcolor.app import actions
from refcolor.app.scene import Scene, Sheet
from refcolor.colorize.hints import Hint, Match, PanelMatch, PointColor, PointMatch
from refcolor.colorize.placement import Placement
from refcolor.io.image import Unit, from_unit

OVERLAY_COLOR = (18, 18, 22)
MAX_OPACITY = 0.82  # of the overlay, over cells with attention weight 0

View = dict[str, Any]


def drawing_view(scene: Scene) -> View:
    """Return the drawing with the selected spot and the numbered points of the matches."""
    markers = [_marker(number, match.x, match.y) for number, match in enumerate(scene.matches, 1)]
    return _panel(scene.drawing) | {"spot": scene.spot, "markers": markers}


def reference_view(scene: Scene) -> View:
    """Return the chosen reference with the attention of the selected spot as an overlay.

    A ring marks the cell with the largest weight, because a single cell is small.
    """
    markers = [
        _marker(number, match.u, match.v)
        for number, match in enumerate(scene.matches, 1)
        if isinstance(match, PointMatch) and match.reference == scene.chosen
    ]
    attention = actions.attention_at(scene)
    thumbs = [
        {
            "picture": reference.thumb,
            "name": reference.name,
            "share": f"{attention[index].sum():.0%}" if attention else "",
        }
        for index, reference in enumerate(scene.references)
    ]
    view = _panel(scene.reference) | {"markers": markers, "thumbs": thumbs, "chosen": scene.chosen}
    return view | _attention_view(scene, attention[scene.chosen]) if attention else view


def result_view(scene: Scene, *, busy: bool = False) -> View:
    """Return the coloured drawing with the selected spot; busy: a result is being computed."""
    result = scene.result
    if result is None or result.drawing is not scene.drawing:
        return _panel(None) | {"busy": busy}
    view = _panel(result.drawing) | {"picture": result.view, "name": "the coloured drawing"}
    return view | {"spot": scene.spot, "busy": busy, "before": result.drawing.view}


def match_list(scene: Scene) -> list[View]:
    """Return the matches, each with its colour: of its point in the reference, or a person's."""
    return [
        {"number": number} | _match(scene, match) for number, match in enumerate(scene.matches, 1)
    ]


def palette_list(scene: Scene) -> list[View]:
    """Return the frequent colours of the chosen reference as buttons."""
    return [
        {"color": color, "text": f"Give the spot this colour ({number})"}
        for number, color in enumerate(scene.reference.palette if scene.reference else (), 1)
    ]


def position(scene: Scene) -> str:
    """Return which drawing of the folder the page shows; empty without a folder."""
    if not (scene.folder and scene.drawing):
        return ""
    return f"Drawing {scene.at + 1} of {len(scene.folder)}: {html.escape(scene.drawing.name)}"


def sample_list(sheets: Sequence[Sheet], text: str) -> list[View]:
    """Return sample pictures as buttons; text: the label of each."""
    return [
        {"picture": sheet.thumb, "text": f"{text} ({number})"}
        for number, sheet in enumerate(sheets, 1)
    ]


def advice(scene: Scene) -> str:
    """Return a sentence about the user's next step."""
    if scene.drawing is None:
        return "Begin with a drawing."
    if scene.reference is None:
        return "Now choose a picture whose colours you like."
    result = scene.current_result
    if scene.spot is not None:
        if actions.attention_at(scene):
            return (
                "The bright places gave this spot its colour, the ring most of it. "
                "Should it be another? Click the right place in the reference, or choose a colour."
            )
        if result and result.colored.attention_at(*scene.spot) is None:
            return "This spot lies between the panels and stays paper, unless you choose a colour."
        return (
            "Now click the place in the reference whose colour belongs there, or choose one below."
        )
    if result is None:
        return "Press Colour."
    if result.matches != scene.matches:
        return "Press Colour to use your matches, or add another one."
    return "Click a spot of the drawing to see where its colour comes from, and to correct it."


def attention_overlay(weights: Unit, placement: Placement) -> str:
    """Draw attention weights as a dark overlay that is transparent where they are large.

    weights: (rows, columns) float32, not negative; the largest becomes fully transparent.
    placement: of the reference on the cells; the padding is cut off.
    Returns the data: address of a PNG with the reference's shape.
    """
    # The square root, because a spot usually has small weights for many cells.
    transparency = np.sqrt(weights / max(float(weights.max()), 1e-12))
    opacity = from_unit(MAX_OPACITY * (1 - transparency))
    height, width = placement.shape
    # Cubic, because linear interpolation shows a single large cell as a diamond.
    smooth = cv2.resize(opacity, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    layer = np.empty((placement.inner_height, placement.inner_width, 4), np.uint8)
    layer[..., :3] = OVERLAY_COLOR
    layer[..., 3] = placement.crop(smooth)
    file = BytesIO()
    Image.fromarray(layer).save(file, format="PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def _attention_view(scene: Scene, weights: Unit) -> View:
    assert scene.current_result
    placement = scene.current_result.colored.attention.references[scene.chosen]
    return {
        "overlay": attention_overlay(weights, placement),
        "spot": placement.center(int(weights.argmax())),
    }


def _panel(sheet: Sheet | None) -> View:
    empty: View = {"spot": None, "markers": [], "overlay": "", "thumbs": [], "before": ""}
    empty |= {"chosen": 0, "busy": False}
    if sheet is None:
        return empty | {"picture": "", "name": "", "width": 1, "height": 1}
    size = {"width": sheet.width, "height": sheet.height}
    return empty | {"picture": sheet.view, "name": sheet.name} | size


def _match(scene: Scene, match: Hint | Match) -> View:
    if isinstance(match, PanelMatch):
        return {"color": "", "text": f"this panel after picture {match.reference + 1}"}
    if isinstance(match, PointColor):
        paper = match.color is None
        return {
            "color": "#ffffff" if paper else match.color,
            "text": "stays paper" if paper else "takes this colour",
        }
    several = f" of picture {match.reference + 1}" if len(scene.references) > 1 else ""
    color = scene.references[match.reference].color_at(match.u, match.v)
    return {"color": color, "text": f"takes this colour{several}"}


def _marker(number: int, x: float, y: float) -> View:
    return {"number": number, "x": x, "y": y}
