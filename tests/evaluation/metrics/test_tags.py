"""Tag transfer asks only what both sides know, and counts by hand."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from refcolor.evaluation.metrics.tags import correct_colors, tag_numbers

TAGS = ("1girl", "blue_hair", "red_hair", "blonde_hair", "blue_eyes", "red_eyes")


def _named(*answers: dict[str, float]) -> NDArray[np.float64]:
    """Score one picture after another; a tag that is not named has 0."""
    return np.array([[answer.get(tag, 0.0) for tag in TAGS] for answer in answers])


def _ask(scores: NDArray[np.float64], pairs: list[tuple[str, str]]) -> list[float]:
    """Ask for hair; an empty colour is an unknown one."""
    sides = [[{"hair": side} if side else {} for side in one] for one in zip(*pairs, strict=True)]
    return correct_colors(
        scores, tags=TAGS, kind="hair", sketches=sides[0], references=sides[1]
    ).tolist()


def test_the_strongest_colour_of_a_kind_decides() -> None:
    """Blue hair is right for a blue reference, also beside stronger tags of other kinds."""
    scores = _named(
        {"1girl": 0.9, "blue_hair": 0.3, "red_hair": 0.2, "red_eyes": 0.8},
        {"blue_hair": 0.3, "red_hair": 0.4},
    )
    assert _ask(scores, [("red", "blue"), ("red", "blue")]) == [1, 0]


@pytest.mark.parametrize(
    "sketch, reference",
    [
        ("blue", "blue"),  # nothing had to change
        ("red", ""),  # the post has no hair colour, or two
        ("", "blue"),
        ("red", "light_brown"),  # no tag of the tagger
    ],
)
def test_what_is_not_known_is_not_asked(sketch: str, reference: str) -> None:
    """A pair without two different known colours has no answer; the pair beside it has one."""
    scores = _named({"blue_hair": 1}, {"blue_hair": 1})
    found = _ask(scores, [(sketch, reference), ("red", "blue")])
    assert math.isnan(found[0])
    assert found[1] == 1


def test_colours_that_occur_nowhere_do_not_compete() -> None:
    """Blonde is the strongest of all tags, but no post of these pairs has it."""
    assert _ask(_named({"blonde_hair": 0.9, "blue_hair": 0.2}), [("red", "blue")]) == [1]


def test_a_tagger_of_something_else_answers_nothing() -> None:
    """Without a single tag that fits, everything is unknown."""
    found = correct_colors(
        np.ones((1, 1)),
        tags=["cat"],
        kind="eyes",
        sketches=[{"eyes": "red"}],
        references=[{"eyes": "blue"}],
    )
    assert np.isnan(found).all()


def test_numbers_are_shares_of_answers() -> None:
    """Hair is right in 1 of 2, eyes in 0 of 1: together 1 of 3; the baseline gets 3 of 3."""
    results = _named(*[{"blue_hair": 1, "blue_eyes": 1}] * 2)
    copies = _named({"blue_hair": 1, "red_eyes": 1}, {"red_hair": 1, "red_eyes": 1})
    numbers = tag_numbers(
        {"": results, "copy_": copies},
        tags=TAGS,
        sketches=[{"hair": "red", "eyes": "blue"}, {"hair": "blue"}],
        references=[{"hair": "blue", "eyes": "red"}, {"hair": "red", "eyes": "red"}],
    )
    assert numbers == {
        "tag_transfer": pytest.approx(1 / 3),
        "tag_transfer_hair": 0.5,
        "tag_transfer_eyes": 0,
        "copy_tag_transfer": 1,
    }
