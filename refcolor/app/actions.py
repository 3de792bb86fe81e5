"""The actions of the page: each function takes a scene and returns the next one."""

import re
from collections.abc import Sequence
from dataclasses import replace

from refcolor.app.scene import VIEW_SIDE, Result, Scene, Sheet, address_of
from refcolor.colorize.colorizer import LOOK, Colorizer
from refcolor.colorize.hints import PointColor, PointMatch
from refcolor.colorize.look import Look
from refcolor.errors import RefcolorError
from refcolor.io import image
from refcolor.io.image import Unit

MAX_REFERENCES = 8
MAX_MATCHES = 40

_HEX = re.compile("#[0-9a-fA-F]{6}")
_CHANNELS = re.compile(r"rgba?\(\s*([\d.]+)[\s,]+([\d.]+)[\s,]+([\d.]+)[^)]*\)")


def put_drawing(scene: Scene, drawing: Sheet) -> Scene:
    """Replace the drawing, and remove the spot and the matches of the previous one."""
    return replace(scene, drawing=drawing, spot=None, matches=())


def put_reference(scene: Scene, reference: Sheet) -> Scene:
    """Replace the chosen reference, and remove its matches."""
    if not scene.references:
        return add_references(scene, [reference])
    references = list(scene.references)
    references[scene.chosen] = reference
    matches = tuple(
        match
        for match in scene.matches
        if isinstance(match, PointColor) or match.reference != scene.chosen
    )
    return replace(scene, references=tuple(references), matches=matches)


def add_references(scene: Scene, references: Sequence[Sheet]) -> Scene:
    """Append references, and choose the first new one.

    Raises RefcolorError when there would be more than MAX_REFERENCES.
    """
    combined = (*scene.references, *references)
    if len(combined) > MAX_REFERENCES:
        raise RefcolorError(
            f"a drawing takes its colours from {MAX_REFERENCES} pictures at most, "
            f"these would be {len(combined)}; take one away first"
        )
    return replace(scene, references=combined, chosen=min(len(scene.references), len(combined) - 1))


def drop_reference(scene: Scene, index: int) -> Scene:
    """Remove a reference and its matches; renumber the references of the other matches."""
    _check(index, len(scene.references), "picture")
    references = scene.references[:index] + scene.references[index + 1 :]
    matches = tuple(
        match
        if isinstance(match, PointColor)
        else replace(match, reference=match.reference - (match.reference > index))
        for match in scene.matches
        if isinstance(match, PointColor) or match.reference != index
    )
    chosen = scene.chosen - (scene.chosen >= index and scene.chosen > 0)
    return replace(scene, references=references, matches=matches, chosen=chosen)


def choose_reference(scene: Scene, index: int) -> Scene:
    """Choose the reference that the page shows."""
    _check(index, len(scene.references), "picture")
    return replace(scene, chosen=index)


def select_spot(scene: Scene, x: float, y: float) -> Scene:
    """Select a spot of the drawing, and choose the reference with the largest attention weight.

    x, y: pixels of the drawing, clamped to it.
    Raises RefcolorError when there is no drawing.
    """
    if scene.drawing is None:
        raise RefcolorError("there is no drawing yet; choose one first")
    selected = replace(scene, spot=_clamped(scene.drawing, x, y))
    shares = [float(part.sum()) for part in attention_at(selected)]
    return replace(selected, chosen=shares.index(max(shares))) if shares else selected


def clear_spot(scene: Scene) -> Scene:
    """Clear the selected spot."""
    return replace(scene, spot=None)


def add_match(scene: Scene, u: float, v: float) -> Scene:
    """Match the selected spot with a point of the chosen reference.

    u, v: pixels of that reference, clamped to it.
    Raises RefcolorError without a selected spot, and for more than MAX_MATCHES.
    """
    x, y = _spot_of(scene)
    if scene.reference is None:
        raise RefcolorError("there is no picture to take colours from yet; choose one first")
    u, v = _clamped(scene.reference, u, v)
    match = PointMatch(x=x, y=y, u=u, v=v, reference=scene.chosen)
    return replace(scene, spot=None, matches=(*scene.matches, match))


def add_color(scene: Scene, color: str | None) -> Scene:
    """Give the region of the selected spot a colour; None leaves it as paper.

    color: #rrggbb, or rgb(...) or rgba(...) with channels up to 255, as browsers write colours.
    Raises RefcolorError as `add_match` does, and for another text.
    """
    x, y = _spot_of(scene)
    if color is not None:
        channels = _CHANNELS.fullmatch(color)
        if channels:
            levels = [min(image.WHITE, round(float(level))) for level in channels.groups()]
            color = "#" + bytes(levels).hex()
        if not _HEX.fullmatch(color):
            raise RefcolorError(f"{color!r} is not a colour; choose one, or write #rrggbb")
    return replace(scene, spot=None, matches=(*scene.matches, PointColor(x, y, color)))


def add_palette_color(scene: Scene, index: int) -> Scene:
    """Give the region of the selected spot a colour of the chosen reference's palette."""
    palette = scene.reference.palette if scene.reference else []
    _check(index, len(palette), "colour")
    return add_color(scene, palette[index])


def drop_match(scene: Scene, index: int) -> Scene:
    """Remove a match."""
    _check(index, len(scene.matches), "match")
    return replace(scene, matches=scene.matches[:index] + scene.matches[index + 1 :])


def color(
    scene: Scene, colorizer: Colorizer, *, size: int, clean_lines: bool, flat: bool = LOOK.flat
) -> Result:
    """Colour the drawing of a scene; the scene does not change.

    size: longer side in pixels at which the model works.  flat: one colour for each region.
    Raises RefcolorError when a picture is missing, PictureError for one that cannot be used.
    """
    if scene.drawing is None:
        raise RefcolorError("there is no drawing yet; choose one first")
    if not scene.references:
        raise RefcolorError("there is no picture to take colours from yet; choose one first")
    colored = colorizer.colorize(
        scene.drawing.data,
        [reference.data for reference in scene.references],
        size=size,
        matches=scene.matches,
        clean_lines=clean_lines,
        look=Look(flat=flat),
    )
    view = address_of(colored.picture, VIEW_SIDE)
    options = (size, clean_lines, flat)
    return Result(scene.drawing, scene.references, scene.matches, options, colored, view)


def take_result(scene: Scene, result: Result) -> Scene:
    """Set the result, which the page shows while its drawing is the scene's drawing."""
    return replace(scene, result=result)


def attention_at(scene: Scene) -> list[Unit]:
    """Return the attention weights of the selected spot.

    Returns (rows, columns) float32 for each reference; together they sum to 1. Empty without a
    selected spot, before colouring, between panels, and for a model without attention.
    """
    result = scene.current_result
    if result is None or scene.spot is None:
        return []
    attention = result.colored.attention_at(*scene.spot)
    if attention is None or attention.weights is None:
        return []
    return attention.attention_at(*scene.spot)


def _spot_of(scene: Scene) -> tuple[float, float]:
    if scene.spot is None:
        raise RefcolorError("first click the spot of the drawing that should take this colour")
    if len(scene.matches) >= MAX_MATCHES:
        raise RefcolorError(f"there are {MAX_MATCHES} matches already; take one away first")
    return scene.spot


def _clamped(sheet: Sheet, x: float, y: float) -> tuple[float, float]:
    return min(max(0.0, x), sheet.width - 1.0), min(max(0.0, y), sheet.height - 1.0)


def _check(index: int, count: int, name: str) -> None:
    if not 0 <= index < count:
        raise RefcolorError(f"{name} {index + 1} does not exist any more; load the page again")
