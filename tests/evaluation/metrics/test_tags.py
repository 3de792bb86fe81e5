"""Tag transfer counts pairs whose colours are known on both sides."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from refcolor.evaluation.metrics.tags import correct_colors, tag_numbers

TAGS = ("1girl", "blue_hair", "red_hair", "blonde_hair", "blue_eyes", "red_eyes")


def _named(*answers: dict[str, float]) -> NDArray[np.float64]:
    """Score one picture after another; a tag that is not named has 0."""
    return np.array([[answer.get(tag, 0.0) for tag in TAGS] for answer in answers])


def _correct(scores: NDArray[np.float64], pairs: list[tuple[str, str]]) -> list[float]:
    """Score pairs by their hair; an empty colour is an unknown one."""
    sides = [
        [{"hair": side} if side else {} for side in colors] for colors in zip(*pairs, strict=True)
    ]
    return correct_colors(
        scores, tags=TAGS, kind="hair", sketches=sides[0], references=sides[1]
    ).tolist()


def test_the_strongest_colour_of_a_kind_decides() -> None:
    """Blue hair is right for a blue reference, also beside stronger tags of other kinds."""
    scores = _named(
        {"1girl": 0.9, "blue_hair": 0.3, "red_hair": 0.2, "red_eyes": 0.8},
        {"blue_hair": 0.3, "red_hair": 0.4},
    )
    assert _correct(scores, [("red", "blue"), ("red", "blue")]) == [1, 0]


@pytest.mark.parametrize(
    "sketch, reference",
    [
        ("blue", "blue"),  # nothing had to change
        ("red", ""),  # the post has no hair colour, or two
        ("", "blue"),
        ("red", "light_brown"),  # no tag of the tagger
    ],
)
def test_pairs_with_an_unknown_colour_are_nan(sketch: str, reference: str) -> None:
    """A pair without two different known colours is NaN; the pair beside it has a score."""
    scores = _named({"blue_hair": 1}, {"blue_hair": 1})
    scored = _correct(scores, [(sketch, reference), ("red", "blue")])
    assert math.isnan(scored[0])
    assert scored[1] == 1


def test_colours_that_no_post_has_do_not_compete() -> None:
    """Blonde is the strongest of all tags, but no post of these pairs has it."""
    assert _correct(_named({"blonde_hair": 0.9, "blue_hair": 0.2}), [("red", "blue")]) == [1]


def test_a_tagger_without_these_tags_gives_nan() -> None:
    """Without a single tag of a colour, everything is NaN."""
    scored = correct_colors(
        np.ones((1, 1)),
        tags=["cat"],
        kind="eyes",
        sketches=[{"eyes": "red"}],
        references=[{"eyes": "blue"}],
    )
    assert np.isnan(scored).all()


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
