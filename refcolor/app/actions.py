"""The actions of the page: each function takes a scene and returns the next one."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from refcolor.app.scene import VIEW_SIDE, Entry, Result, Scene, Sheet, address_of
from refcolor.colorize.colorizer import Colorizer
from refcolor.colorize.hints import Hint, Match, PanelMatch, PointColor, PointMatch
from refcolor.colorize.look import Look
from refcolor.colorize.prepared import join_panels
from refcolor.errors import PictureError, RefcolorError
from refcolor.io import image
from refcolor.io.image import Unit

MAX_REFERENCES = 8
MAX_MATCHES = 40

_HEX = re.compile("#[0-9a-fA-F]{6}")
_CHANNELS = re.compile(r"rgba?\(\s*([\d.]+)[\s,]+([\d.]+)[\s,]+([\d.]+)[^)]*\)")


Matches: TypeAlias = tuple[Hint | Match, ...]


@dataclass(frozen=True)
class Step:
    """A line about the work in progress, and the share of it that is done."""

    text: str
    share: float


def put_drawing(scene: Scene, drawing: Sheet) -> Scene:
    """Replace the drawing, and remove the spot and the matches of the previous one."""
    return replace(scene, drawing=drawing, spot=None, matches=(), earlier=(), folder=(), at=0)


def put_folder(scene: Scene, folder: Sequence[Entry]) -> Scene:
    """Replace the drawing by a folder of drawings, and show the first that can be read.

    Raises PictureError when none of them can be read.
    """
    return _shown(replace(scene, folder=tuple(folder)), range(len(folder)))


def turn(scene: Scene, by: int) -> Scene:
    """Show the next drawing of the folder that can be read, for -1 the previous one.

    Each drawing keeps its matches.
    """
    count = len(scene.folder)
    if count < 2:
        return scene
    return _shown(
        replace(scene, folder=with_matches(scene)),
        [(scene.at + by * step) % count for step in range(1, count + 1)],
    )


def with_matches(scene: Scene) -> tuple[Entry, ...]:
    """Return the folder with the matches of the drawing that the page shows."""
    return tuple(
        replace(entry, matches=scene.matches) if index == scene.at else entry
        for index, entry in enumerate(scene.folder)
    )


def _shown(scene: Scene, indices: Sequence[int]) -> Scene:
    errors = []
    for index in indices:
        entry = scene.folder[index]
        try:
            drawing = Sheet.read(entry.path.name, entry.path.read_bytes())
        except PictureError as error:
            errors.append(error)
        else:
            matches = entry.matches
            return replace(scene, drawing=drawing, at=index, spot=None, matches=matches, earlier=())
    raise errors[0]


def put_reference(scene: Scene, reference: Sheet) -> Scene:
    """Replace the chosen reference, and remove its matches."""
    if not scene.references:
        return add_references(scene, [reference])
    references = list(scene.references)
    references[scene.chosen] = reference

    def kept(matches: Matches) -> Matches:
        return tuple(
            match
            for match in matches
            if isinstance(match, PointColor) or match.reference != scene.chosen
        )

    return replace(_changed(scene, kept), references=tuple(references))


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

    def renumbered(matches: Matches) -> Matches:
        return tuple(
            match
            if isinstance(match, PointColor)
            else replace(match, reference=match.reference - (match.reference > index))
            for match in matches
            if isinstance(match, PointColor) or match.reference != index
        )

    chosen = scene.chosen - (scene.chosen >= index and scene.chosen > 0)
    return replace(_changed(scene, renumbered), references=references, chosen=chosen)


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
    return _with(scene, (*scene.matches, match))


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
    return _with(scene, (*scene.matches, PointColor(x, y, color)))


def add_panel(scene: Scene) -> Scene:
    """Let the panel of the selected spot take its colours from the chosen reference alone.

    The panels are known after colouring; then a later match of a panel replaces the earlier one.
    Raises RefcolorError as `add_match` does.
    """
    x, y = _spot_of(scene)
    result = scene.result

    def in_same_panel(match: Hint | Match) -> bool:
        if not isinstance(match, PanelMatch) or result is None:
            return False
        here, there = (result.colored.attention_at(*spot) for spot in ((x, y), (match.x, match.y)))
        return result.drawing is scene.drawing and here is there

    kept = tuple(match for match in scene.matches if not in_same_panel(match))
    return _with(scene, (*kept, PanelMatch(x, y, scene.chosen)))


def add_palette_color(scene: Scene, index: int) -> Scene:
    """Give the region of the selected spot a colour of the chosen reference's palette."""
    palette = scene.reference.palette if scene.reference else []
    _check(index, len(palette), "colour")
    return add_color(scene, palette[index])


def drop_match(scene: Scene, index: int) -> Scene:
    """Remove a match."""
    _check(index, len(scene.matches), "match")
    return _with(scene, scene.matches[:index] + scene.matches[index + 1 :])


def undo(scene: Scene) -> Scene:
    """Bring back the matches as they were before the last one was added or removed."""
    if not scene.earlier:
        return scene
    return replace(scene, spot=None, matches=scene.earlier[-1], earlier=scene.earlier[:-1])


def coloring(
    scene: Scene, colorizer: Colorizer, *, size: int, clean_lines: bool, flat: bool
) -> Iterator[Step | Result]:
    """Colour the drawing of a scene, which does not change: yields each step, and then the result.

    size: longer side in pixels at which the model works.  flat: one colour for each region.
    Raises RefcolorError when a picture is missing, PictureError for one that cannot be used.
    """
    if scene.drawing is None:
        raise RefcolorError("there is no drawing yet; choose one first")
    if not scene.references:
        raise RefcolorError("there is no picture to take colours from yet; choose one first")
    yield Step("Reading the pictures …", 0)
    references = [
        colorizer.place_reference(reference.data, size=size) for reference in scene.references
    ]
    prepared = colorizer.prepare(
        scene.drawing.data,
        references,
        size=size,
        matches=scene.matches,
        clean_lines=clean_lines,
        look=Look(flat=flat),
    )
    running, outputs, count = colorizer.run_panels(prepared), [], len(prepared.panels)
    for number in range(1, count + 1):
        panel = f"panel {number} of {count} " if count > 1 else ""
        yield Step(f"Colouring {panel}…", number / (count + 2))
        outputs.append(next(running))
    yield Step("Filling the regions …", (count + 1) / (count + 2))
    colored = colorizer.finish(prepared, join_panels(prepared, outputs))
    view = address_of(colored.picture, VIEW_SIDE)
    options = (size, clean_lines, flat)
    yield Result(scene.drawing, scene.references, scene.matches, options, colored, view)


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


def _with(scene: Scene, matches: Matches) -> Scene:
    return replace(scene, spot=None, matches=matches, earlier=(*scene.earlier, scene.matches))


def _changed(scene: Scene, change: Callable[[Matches], Matches]) -> Scene:
    """Change the matches of all drawings because a reference changed, which cannot be undone."""
    folder = tuple(replace(entry, matches=change(entry.matches)) for entry in scene.folder)
    return replace(scene, matches=change(scene.matches), earlier=(), folder=folder)


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
