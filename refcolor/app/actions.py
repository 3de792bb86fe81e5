"""What a click does: each function takes a scene and gives the next one."""

from collections.abc import Sequence
from dataclasses import replace

from refcolor.app.scene import VIEW_SIDE, Result, Scene, Sheet, address_of
from refcolor.colorize.colorizer import Colorizer
from refcolor.colorize.hints import PointMatch
from refcolor.errors import RefcolorError
from refcolor.io.image import Unit

MAX_REFERENCES = 8
MAX_MATCHES = 40


def put_drawing(scene: Scene, drawing: Sheet) -> Scene:
    """Take another drawing; spots and matches belonged to the one before."""
    return replace(scene, drawing=drawing, spot=None, matches=())


def put_reference(scene: Scene, reference: Sheet) -> Scene:
    """Take another reference in the place of the one in view, whose matches go with it."""
    if not scene.references:
        return add_references(scene, [reference])
    references = list(scene.references)
    references[scene.chosen] = reference
    kept = tuple(match for match in scene.matches if match.reference != scene.chosen)
    return replace(scene, references=tuple(references), matches=kept)


def add_references(scene: Scene, references: Sequence[Sheet]) -> Scene:
    """Put references behind those that are there, and bring the first new one into view.

    Raises RefcolorError when there would be more than MAX_REFERENCES.
    """
    together = (*scene.references, *references)
    if len(together) > MAX_REFERENCES:
        raise RefcolorError(
            f"a drawing takes its colours from {MAX_REFERENCES} pictures at most, "
            f"these would be {len(together)}; take one away first"
        )
    return replace(scene, references=together, chosen=min(len(scene.references), len(together) - 1))


def drop_reference(scene: Scene, index: int) -> Scene:
    """Take a reference away, with its matches; the matches of later ones follow their picture."""
    _check(index, len(scene.references), "picture")
    references = scene.references[:index] + scene.references[index + 1 :]
    matches = tuple(
        replace(match, reference=match.reference - (match.reference > index))
        for match in scene.matches
        if match.reference != index
    )
    chosen = scene.chosen - (scene.chosen >= index and scene.chosen > 0)
    return replace(scene, references=references, matches=matches, chosen=chosen)


def choose_reference(scene: Scene, index: int) -> Scene:
    """Bring a reference into view."""
    _check(index, len(scene.references), "picture")
    return replace(scene, chosen=index)


def look_at(scene: Scene, x: float, y: float) -> Scene:
    """Look at a spot of the drawing, and turn to the reference that gave it most of its colour.

    x, y: pixels of the drawing; what lies outside is brought to its edge.
    Raises RefcolorError when there is no drawing.
    """
    if scene.drawing is None:
        raise RefcolorError("there is no drawing yet; choose one first")
    spot = _inside(scene.drawing, x, y)
    looked = replace(scene, spot=spot)
    shares = [float(part.sum()) for part in attention_at(looked)]
    return replace(looked, chosen=shares.index(max(shares))) if shares else looked


def look_away(scene: Scene) -> Scene:
    """Forget the spot that was looked at."""
    return replace(scene, spot=None)


def match_with(scene: Scene, u: float, v: float) -> Scene:
    """Ask that the spot looked at takes the colour of a place of the reference in view.

    u, v: pixels of that reference.
    Raises RefcolorError before any spot was clicked, and at more than MAX_MATCHES.
    """
    if scene.spot is None or scene.reference is None:
        raise RefcolorError("first click the spot of the drawing that should take this colour")
    if len(scene.matches) >= MAX_MATCHES:
        raise RefcolorError(f"there are {MAX_MATCHES} matches already; take one away first")
    x, y = scene.spot
    u, v = _inside(scene.reference, u, v)
    match = PointMatch(x=x, y=y, u=u, v=v, reference=scene.chosen)
    return replace(scene, spot=None, matches=(*scene.matches, match))


def drop_match(scene: Scene, index: int) -> Scene:
    """Take a match away."""
    _check(index, len(scene.matches), "match")
    return replace(scene, matches=scene.matches[:index] + scene.matches[index + 1 :])


def color(scene: Scene, colorizer: Colorizer, *, size: int, clean_lines: bool) -> Result:
    """Colour the drawing of a scene; nothing of the scene is changed.

    size: longer side in pixels at which the model works.
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
    )
    view = address_of(colored.picture, VIEW_SIDE)
    return Result(scene.drawing, scene.references, scene.matches, colored, view)


def take_result(scene: Scene, result: Result) -> Scene:
    """Take a result; it is shown while its drawing is the one in view."""
    return replace(scene, result=result)


def attention_at(scene: Scene) -> list[Unit]:
    """Return how much of the spot's colour came from each cell of each reference.

    Returns (rows, columns) float32 for each reference, together they sum to 1. Empty while no spot
    is looked at, before colouring, and for a model without attention.
    """
    result = scene.explained
    if result is None or scene.spot is None or result.colored.attention.weights is None:
        return []
    return result.colored.attention.attention_at(*scene.spot)


def _inside(sheet: Sheet, x: float, y: float) -> tuple[float, float]:
    return min(max(0.0, x), sheet.width - 1.0), min(max(0.0, y), sheet.height - 1.0)


def _check(index: int, count: int, what: str) -> None:
    if not 0 <= index < count:
        raise RefcolorError(f"there is no {what} {index + 1} any more; load the page again")
