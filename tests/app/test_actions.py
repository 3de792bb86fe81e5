"""What a click does to a page."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from refcolor.app import actions
from refcolor.app.scene import Entry, Scene, Sheet
from refcolor.colorize.colorizer import Colorizer
from refcolor.colorize.hints import PanelMatch, PointColor, PointMatch
from refcolor.colorize.look import Look
from refcolor.errors import PictureError, RefcolorError

from ..colorize.material import line_art, two_panels
from .conftest import color_scene, png, two_colors

WIDE = line_art(60, 90)
Sheets = tuple[Sheet, Sheet, Sheet]


def test_a_new_drawing_drops_the_spot_and_matches_of_the_old_one(
    scene: Scene, sheets: Sheets
) -> None:
    """The spot and the matches are positions in the drawing; the references stay."""
    matched = actions.add_match(actions.select_spot(scene, 5, 7), 1, 2)
    changed = actions.put_drawing(actions.select_spot(matched, 5, 7), sheets[1])
    assert changed.drawing is sheets[1] and changed.references == scene.references
    assert (changed.spot, changed.matches) == (None, ())


def test_a_match_joins_the_spot_with_a_position_in_the_reference_in_view(scene: Scene) -> None:
    """Spot (5, 7) and (30, 40) of the second reference become a match; no spot stays selected."""
    shown = actions.choose_reference(actions.select_spot(scene, 5, 7), 1)
    matched = actions.add_match(shown, 30, 40)
    assert matched.matches == (PointMatch(x=5, y=7, u=30, v=40, reference=1),)
    assert matched.spot is None


@pytest.mark.parametrize(
    ("text", "color"),
    [("#C8553d", "#C8553d"), ("rgba(200, 85.4, 61, 1)", "#c8553d"), (None, None)],
)
def test_a_spot_takes_any_color(scene: Scene, text: str | None, color: str | None) -> None:
    """A spot takes a colour as browsers write it, or None for paper; then no spot is selected."""
    matched = actions.add_color(actions.select_spot(scene, 5, 7), text)
    assert matched.matches == (PointColor(5, 7, color),)
    assert matched.spot is None


def test_the_palette_holds_colors_of_the_reference(scene: Scene) -> None:
    """The first reference is half red and half green, up to what WebP changes."""
    colors = [
        actions.add_palette_color(actions.select_spot(scene, 5, 7), index).matches[0]
        for index in range(2)
    ]
    levels = sorted(color.rgb.tolist() for color in colors if isinstance(color, PointColor))
    assert np.abs(np.subtract(levels, [(30, 160, 60), (200, 40, 30)])).max() <= 12


def test_chosen_colors_stay_when_a_reference_is_removed(scene: Scene, sheets: Sheets) -> None:
    """A chosen colour belongs to the drawing, not to a reference."""
    matched = actions.add_color(actions.select_spot(scene, 5, 7), "#102030")
    for left in (actions.drop_reference(matched, 0), actions.put_reference(matched, sheets[0])):
        assert left.matches == matched.matches


def test_clicks_outside_a_picture_are_clipped_to_it(scene: Scene) -> None:
    """A click that a browser reports just outside of the picture becomes its last pixel."""
    assert actions.select_spot(scene, -3, 500).spot == (0, 96)
    matched = actions.add_match(actions.select_spot(scene, 5, 7), 61.0, -0.5)
    assert (matched.matches[0].u, matched.matches[0].v) == (60, 0)


def test_matches_are_renumbered_when_a_reference_is_removed(scene: Scene) -> None:
    """Matches of the first reference go with it; those of the second become those of the first."""
    matches = tuple(PointMatch(x=1, y=1, u=1, v=1, reference=index) for index in (0, 1))
    left = actions.drop_reference(replace(scene, matches=matches, chosen=1), 0)
    assert [match.reference for match in left.matches] == [0]
    assert left.references == scene.references[1:] and left.chosen == 0


def test_the_last_reference_can_be_removed(scene: Scene) -> None:
    """Without references none is in view."""
    empty = actions.drop_reference(actions.drop_reference(scene, 1), 0)
    assert empty.references == () and empty.reference is None


def test_replacing_a_reference_removes_its_matches(scene: Scene, sheets: Sheets) -> None:
    """Matches of the other reference stay."""
    matches = tuple(PointMatch(x=1, y=1, u=1, v=1, reference=index) for index in (0, 1))
    changed = actions.put_reference(replace(scene, matches=matches), sheets[0])
    assert changed.references == (sheets[0], sheets[2])
    assert [match.reference for match in changed.matches] == [1]


def test_new_references_come_into_view(scene: Scene, sheets: Sheets) -> None:
    """Two more references are added behind the two old ones, and the third is shown."""
    more = actions.add_references(scene, [sheets[0], sheets[1]])
    assert len(more.references) == 4 and more.chosen == 2


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda scene: actions.add_match(scene, 1, 1), "first click the spot"),
        (lambda scene: actions.add_color(scene, "#102030"), "first click the spot"),
        (
            lambda scene: actions.add_color(replace(scene, spot=(1, 1)), "red"),
            "'red' is not a colo",
        ),
        (
            lambda scene: actions.add_palette_color(replace(scene, spot=(1, 1)), 12),
            "colour 13 does",
        ),
        (lambda scene: actions.select_spot(Scene(), 1, 1), "no drawing yet"),
        (lambda scene: actions.drop_match(scene, 0), "match 1 does not exist any more"),
        (lambda scene: actions.choose_reference(scene, 2), "picture 3 does not exist any more"),
        (lambda scene: actions.drop_reference(scene, -1), "picture 0 does not exist any more"),
        (lambda scene: actions.add_references(scene, scene.references * 4), "8 pictures at most"),
    ],
)
def test_impossible_actions_are_refused(
    scene: Scene, act: Callable[[Scene], Scene], message: str
) -> None:
    """An action that cannot be done raises an error with a message of one line."""
    with pytest.raises(RefcolorError, match=message):
        act(scene)


def test_matches_are_limited(scene: Scene) -> None:
    """The forty-first match is refused."""
    full = replace(scene, matches=(PointMatch(1, 1, 1, 1),) * actions.MAX_MATCHES, spot=(1, 1))
    with pytest.raises(RefcolorError, match="40 matches already"):
        actions.add_match(full, 1, 1)


def test_the_page_colors_as_the_colorizer_does(
    scene: Scene, make_colorizer: Callable[..., Colorizer]
) -> None:
    """The result has the bytes that `Colorizer.colorize` gives for the same files and hints."""
    colorizer = make_colorizer()
    matched = actions.add_match(actions.select_spot(scene, 60, 50), 30, 70)
    hinted = actions.add_color(actions.select_spot(matched, 10, 10), "#102030")
    result = color_scene(hinted, colorizer, size=48, clean_lines=False, flat=True)
    assert scene.drawing is not None
    expected = colorizer.colorize(
        scene.drawing.data,
        [reference.data for reference in scene.references],
        size=48,
        matches=[PointMatch(60, 50, 30, 70), PointColor(10, 10, "#102030")],
        look=Look(flat=True),
    )
    assert np.array_equal(result.colored.picture, expected.picture)
    assert result.colored.picture.shape == (97, 131, 3)


@pytest.mark.parametrize(
    ("scene_of", "message"),
    [
        (lambda scene: replace(scene, drawing=None), "no drawing yet"),
        (lambda scene: replace(scene, references=()), "no picture to take colours from"),
    ],
)
def test_coloring_needs_both_pictures(
    scene: Scene,
    make_colorizer: Callable[..., Colorizer],
    scene_of: Callable[[Scene], Scene],
    message: str,
) -> None:
    """The message names the picture that is missing."""
    with pytest.raises(RefcolorError, match=message):
        color_scene(scene_of(scene), make_colorizer(), size=32, clean_lines=False)


def test_undo_brings_the_matches_back(scene: Scene) -> None:
    """Two dots, one of them removed: each undo takes one of the three changes back."""
    for x in (5, 9):
        scene = actions.add_color(actions.select_spot(scene, x, 7), None)
    states = [scene.matches[:1], scene.matches]
    scene = actions.drop_match(scene, 0)
    for expected in (states[1], states[0], (), ()):
        scene = actions.undo(scene)
        assert scene.matches == expected


def test_a_panel_takes_its_colours_from_one_reference(
    scene: Scene, make_colorizer: Callable[..., Colorizer]
) -> None:
    """The later of two matches of a panel counts; the other panel keeps its own."""
    page = actions.put_drawing(scene, Sheet.read("page.png", png(two_panels())))
    result = color_scene(page, make_colorizer(), size=32, clean_lines=False)
    page = actions.take_result(page, result)
    for x, reference in ((60, 0), (250, 0), (90, 1)):
        page = actions.choose_reference(actions.select_spot(page, x, 110), reference)
        page = actions.add_panel(page)
    assert page.matches == (PanelMatch(250, 110, 0), PanelMatch(90, 110, 1))
    assert actions.drop_reference(page, 0).matches == (PanelMatch(90, 110, 0),)
    color_scene(page, make_colorizer(), size=32, clean_lines=False)


def test_each_drawing_of_a_folder_keeps_its_matches(scene: Scene, tmp_path: Path) -> None:
    """Turning to the next drawing passes over a broken file, and comes back to the dots."""
    for name, data in (("a.png", scene.drawing.data), ("b.png", b"x"), ("c.png", png(WIDE))):
        (tmp_path / name).write_bytes(data)
    entries = [Entry(path) for path in sorted(tmp_path.iterdir())]
    shown = actions.put_folder(scene, entries)
    matched = actions.add_match(actions.select_spot(shown, 5, 7), 1, 2)
    turned = actions.turn(matched, 1)
    assert (turned.drawing.name, turned.at, turned.matches, turned.earlier) == ("c.png", 2, (), ())
    assert actions.turn(turned, 1).matches == actions.turn(turned, -1).matches == matched.matches
    alone = actions.drop_reference(turned, 0)
    assert actions.turn(alone, 1).matches == ()
    assert actions.put_drawing(turned, scene.drawing).folder == ()
    with pytest.raises(PictureError):
        actions.put_folder(scene, entries[1:2])


def test_a_painting_is_not_a_drawing(
    scene: Scene, make_colorizer: Callable[..., Colorizer]
) -> None:
    """The error of `read_drawing` reaches the page."""
    painting = Sheet.read("painting.png", png(two_colors(71, 73)))
    with pytest.raises(PictureError):
        color_scene(
            actions.put_drawing(scene, painting), make_colorizer(), size=32, clean_lines=False
        )


def test_selecting_a_spot_shows_the_reference_with_most_attention(
    scene: Scene, make_colorizer: Callable[..., Colorizer]
) -> None:
    """The shares of all cells of all references sum to 1; the reference with the most is shown."""
    result = color_scene(scene, make_colorizer(), size=32, clean_lines=False)
    looked = actions.select_spot(actions.take_result(scene, result), 60, 50)
    shares = [float(part.sum()) for part in actions.attention_at(looked)]
    assert sum(shares) == pytest.approx(1, abs=1e-5)
    assert looked.chosen == int(np.argmax(shares))


def test_a_result_of_other_references_has_no_attention_to_show(
    scene: Scene, make_colorizer: Callable[..., Colorizer]
) -> None:
    """After the references changed, a spot has no attention to show."""
    result = color_scene(scene, make_colorizer(), size=32, clean_lines=False)
    changed = actions.drop_reference(actions.take_result(scene, result), 0)
    assert actions.attention_at(actions.select_spot(changed, 60, 50)) == []


def test_a_model_without_attention_has_no_weights_to_show(
    scene: Scene, make_colorizer: Callable[..., Colorizer]
) -> None:
    """Attention `none` colours after one reference and has no weights."""
    single = actions.drop_reference(scene, 1)
    result = color_scene(single, make_colorizer(attention="none"), size=32, clean_lines=False)
    assert (
        actions.attention_at(actions.select_spot(actions.take_result(single, result), 60, 50)) == []
    )
