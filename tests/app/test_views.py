"""What a page shows of its scene."""

import base64
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from refcolor.app import actions, views
from refcolor.app.messages import refusal_text
from refcolor.app.scene import VIEW_SIDE, Scene, Sheet, address_of
from refcolor.colorize.colorizer import Colorizer
from refcolor.colorize.hints import PanelMatch, PointColor, PointMatch
from refcolor.colorize.placement import place
from refcolor.errors import PictureError

from .conftest import color_scene, two_colors


def decode(address: str) -> Image.Image:
    """Open the picture of a data: address."""
    return Image.open(BytesIO(base64.b64decode(address.partition(",")[2])))


def test_a_file_of_another_program_is_named_on_the_page() -> None:
    """The message has the format and what to save the file as."""
    with pytest.raises(PictureError) as refused:
        Sheet.read("photo.heic", b"\0\0\0\x18ftypheic")
    text = "The picture is a HEIC photograph, which refcolor does not read; save it as JPEG."
    assert refusal_text(refused.value) == text


def test_large_pictures_are_reduced_for_display(sheets: tuple[Sheet, Sheet, Sheet]) -> None:
    """A picture of 3200 x 1200 is sent as 1600 x 600; a small one as it is."""
    assert decode(address_of(two_colors(1200, 3200), VIEW_SIDE)).size == (1600, 600)
    assert decode(sheets[0].view).size == (131, 97)


def test_folders_are_cut_off_a_file_name(sheets: tuple[Sheet, Sheet, Sheet]) -> None:
    """A name with folders is reduced to its last part."""
    assert Sheet.read("../../etc/box.png", sheets[0].data).name == "box.png"


def test_both_ends_of_a_match_have_a_pin(scene: Scene) -> None:
    """The drawing shows all matches, the reference in view only its own."""
    matches = (PointMatch(3, 5, 7, 11, reference=1), PointMatch(13, 17, 19, 23, reference=0))
    shown = replace(scene, matches=matches)
    assert views.drawing_view(shown)["markers"] == [
        {"number": 1, "x": 3, "y": 5},
        {"number": 2, "x": 13, "y": 17},
    ]
    assert views.reference_view(shown)["markers"] == [{"number": 2, "x": 19, "y": 23}]


def test_the_list_shows_the_color_of_each_match(scene: Scene) -> None:
    """The upper half of the first reference is (200, 40, 30), up to what WebP changes."""
    (entry,) = views.match_list(replace(scene, matches=(PointMatch(1, 1, 30, 10),)))
    color = [int(entry["color"][at : at + 2], 16) for at in (1, 3, 5)]
    assert np.abs(np.subtract(color, (200, 40, 30))).max() <= 12
    assert entry["text"] == "takes this colour of picture 1"


def test_the_list_shows_chosen_colors_and_paper(scene: Scene) -> None:
    """They are numbered with the matches, and only the drawing shows their points."""
    matches = (PointColor(3, 5, "#102030"), PointColor(7, 9, None), PanelMatch(1, 2, 1))
    shown = replace(scene, matches=matches)
    assert views.match_list(shown) == [
        {"number": 1, "color": "#102030", "text": "takes this colour"},
        {"number": 2, "color": "#ffffff", "text": "stays paper"},
        {"number": 3, "color": "", "text": "this panel after picture 2"},
    ]
    assert [marker["number"] for marker in views.drawing_view(shown)["markers"]] == [1, 2, 3]
    assert views.reference_view(shown)["markers"] == []


def test_the_overlay_is_transparent_where_the_color_came_from() -> None:
    """Of 2 x 3 cells one has all attention: it is clear, the farthest corner the darkest."""
    heat = np.zeros((2, 3), np.float32)
    heat[1, 2] = 0.5
    opacity = np.asarray(decode(views.attention_overlay(heat, place(20, 30, size=30, stride=10))))[
        ..., 3
    ]
    assert opacity.shape == (20, 30)
    assert opacity[15, 25] <= 8 and opacity[4, 4] == round(255 * views.MAX_OPACITY)


def test_the_overlay_leaves_padding_out() -> None:
    """A reference of 30 x 25 on cells of 10 fills 3 x 3 of them; the overlay has its shape."""
    placed = place(30, 25, size=30, stride=10)
    assert decode(views.attention_overlay(np.ones((3, 3), np.float32), placed)).size == (25, 30)


def test_the_advice_names_the_next_step(
    scene: Scene, make_colorizer: Callable[..., Colorizer]
) -> None:
    """From the empty page to a match, the sentence says what to do next."""
    sentences = [
        views.advice(Scene()),
        views.advice(replace(scene, references=())),
        views.advice(scene),
        views.advice(actions.select_spot(scene, 9, 9)),
    ]
    result = color_scene(scene, make_colorizer(), size=32, clean_lines=False)
    colored = actions.take_result(scene, result)
    looking = actions.select_spot(colored, 9, 9)
    sentences += [
        views.advice(colored),
        views.advice(looking),
        views.advice(actions.add_match(looking, 9, 9)),
    ]
    beginnings = (
        "Begin with a drawing",
        "Now choose a picture",
        "Press Colour.",
        "Now click the place",
        "Click a spot",
        "The bright places",
        "Press Colour to use",
    )
    assert [text.startswith(begin) for text, begin in zip(sentences, beginnings, strict=True)] == [
        True
    ] * 7


def test_a_new_drawing_hides_the_result_of_the_old_one(
    scene: Scene, sheets: tuple[Sheet, Sheet, Sheet], make_colorizer: Callable[..., Colorizer]
) -> None:
    """The coloured picture of another drawing would be mistaken for that of this one."""
    result = color_scene(scene, make_colorizer(), size=32, clean_lines=False)
    colored = actions.take_result(scene, result)
    assert views.result_view(colored)["picture"] == result.view
    assert views.result_view(actions.put_drawing(colored, sheets[1]))["picture"] == ""
    assert views.result_view(colored, busy=True)["busy"]


@pytest.mark.parametrize("looking", [False, True])
def test_the_reference_has_an_overlay_while_a_spot_is_selected(
    scene: Scene, make_colorizer: Callable[..., Colorizer], looking: bool
) -> None:
    """Each reference's share stands on its thumbnail; the shares sum to about 100 %."""
    result = color_scene(scene, make_colorizer(), size=32, clean_lines=False)
    colored = actions.take_result(scene, result)
    view = views.reference_view(actions.select_spot(colored, 60, 50) if looking else colored)
    assert bool(view["overlay"]) is looking
    shares = [thumb["share"] for thumb in view["thumbs"]]
    assert all(shares) is looking
    if looking:
        assert 99 <= sum(int(share.rstrip("%")) for share in shares) <= 101


def test_a_ring_marks_the_position_with_most_attention(
    scene: Scene, make_colorizer: Callable[..., Colorizer]
) -> None:
    """A cell of the second reference has all attention: it is shown, with a ring at the cell."""
    result = color_scene(scene, make_colorizer(), size=32, clean_lines=False)
    attention = result.colored.attention
    assert attention.weights is not None
    first, second = attention.references
    cell = second.cell_at(40, 20)
    weights = np.zeros_like(attention.weights)
    weights[:, first.rows * first.columns + cell] = 1
    colored = replace(result.colored, attentions=(replace(attention, weights=weights),))
    scene_with_result = actions.take_result(scene, replace(result, colored=colored))
    view = views.reference_view(actions.select_spot(scene_with_result, 60, 50))
    assert view["chosen"] == 1
    assert [thumb["share"] for thumb in view["thumbs"]] == ["0%", "100%"]
    assert second.cell_at(*view["spot"]) == cell
    assert views.reference_view(scene_with_result)["spot"] is None
