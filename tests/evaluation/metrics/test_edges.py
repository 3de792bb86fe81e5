"""Entanglement counts the ink that two coloured results do not share."""

import numpy as np
import pytest
from numpy.typing import NDArray

from refcolor.evaluation.metrics import edges
from refcolor.evaluation.metrics.edges import entanglement
from refcolor.evaluation.metrics.truth import recolored
from refcolor.params import SampleParams
from refcolor.sources.drawn import list_drawn

Picture = NDArray[np.uint8]
CHARACTERS = list_drawn(SampleParams(shape_seed=1, palette_seed=2, size=256), 9)


def _ink(*columns: int, side: int = 13) -> Picture:
    """Make a white picture with black columns; it stands for a picture and for its lines."""
    picture = np.full((side, side, 3), 255, np.uint8)
    picture[:, list(columns)] = 0
    return picture


@pytest.fixture
def lines_as_painted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use black pixels as lines, so that ink can be counted by hand."""
    monkeypatch.setattr(edges, "sketch_picture", lambda picture, _settings: picture[..., 0])


@pytest.mark.usefixtures("lines_as_painted")
@pytest.mark.parametrize(
    "first, second, expected",
    [
        ((3,), (3,), 0),  # the same line
        ((3,), (4,), 0),  # within a pixel
        ((3,), (5,), 1),  # two pixels away
        ((3,), (3, 8), 1 / 3),  # one of three columns stands alone
        ((3, 4), (6,), 1),
        ((3, 5), (6,), 1 / 3),  # 5 and 6 see each other, 3 sees nobody
        ((), (), 0),
        ((3,), (), 1),
    ],
)
def test_ink_without_a_neighbour_in_the_other_picture_counts(
    first: tuple[int, ...], second: tuple[int, ...], expected: float
) -> None:
    """It is the share of ink of both pictures with no ink of the other within one pixel."""
    assert entanglement(_ink(*first), _ink(*second)) == pytest.approx(expected)
    assert entanglement(_ink(*second), _ink(*first)) == pytest.approx(expected)


def _drawn(shape: int, palette: int) -> Picture:
    pair = CHARACTERS[shape], CHARACTERS[palette]
    return recolored(*pair, drawn_at=256, size=64, fit="pad").color


def test_true_recolourings_share_their_lines_and_other_pictures_do_not() -> None:
    """One character in two palettes keeps 90 % of its lines; two characters share far fewer.

    Between them lies a picture through which the reference shines.
    """
    first, second = _drawn(3, 3), _drawn(3, 5)
    shining = (0.5 * first + 0.5 * _drawn(8, 8)).astype(np.uint8)
    assert entanglement(first, first) == 0
    assert 0 < entanglement(first, second) < 0.1
    assert entanglement(first, second) < entanglement(shining, second)
    assert entanglement(shining, second) < entanglement(_drawn(8, 8), second)
    assert entanglement(_drawn(8, 8), second) > 0.15


def test_a_change_of_hue_keeps_the_lines() -> None:
    """Turning the hue of a drawing at nearly the same lightness keeps the lines."""
    picture = _drawn(4, 4)
    assert entanglement(picture, np.ascontiguousarray(picture[..., [1, 0, 2]])) < 0.1
