"""Looks: flat and soft colours, chosen colours, and what stays paper."""

import numpy as np
import pytest
from PIL import Image

from refcolor.colorize.colorizer import Colorizer
from refcolor.colorize.hints import PointColor, PointMatch
from refcolor.colorize.lab import to_lab
from refcolor.colorize.look import Look, check_spots, read_mask
from refcolor.errors import PictureError, RefcolorError, UsageError
from refcolor.io.image import Picture
from refcolor.lines.drawing import Drawing, read_drawing

from .material import blocks, line_art
from .test_regions import BLUE, RED, halves, two_rooms

CHOSEN = np.array([250, 200, 20], np.uint8)


def rooms() -> Drawing:
    """Two closed rooms, as dark lines on white."""
    return read_drawing(255 - two_rooms(0))


def shaded() -> Picture:
    """A model's picture: two colours, each darker to the bottom."""
    shade = np.linspace(1, 0.7, 32)[:, None, None]
    return (halves(RED, BLUE) * shade).astype(np.uint8)


def test_flat_is_one_color_for_each_region() -> None:
    """The picture has two colours, one in each room up to the middle of the line."""
    flat = Look(flat=True).apply(shaded(), rooms())
    assert np.ptp(flat[:, :128], axis=(0, 1)).max() == 0
    assert np.ptp(flat[:, 128:], axis=(0, 1)).max() == 0
    assert (flat[0, 0] != flat[0, -1]).any()


def test_a_chosen_color_holds_in_its_region() -> None:
    """In flat colours it is exact; the other room is as without it."""
    spot = PointColor(50, 60, "#fac814")
    plain, chosen = (Look(flat=True).apply(shaded(), rooms(), spots) for spots in ((), (spot,)))
    assert (chosen[:, :128] == CHOSEN).all()
    assert np.array_equal(chosen[:, 128:], plain[:, 128:])


def test_soft_colors_keep_their_shading() -> None:
    """A chosen colour is the median of its room, which is darker to the bottom as before."""
    plain, chosen = (
        Look(flat=False).apply(shaded(), rooms(), spots)
        for spots in ((), (PointColor(50, 60, "#336699"),))
    )
    room = chosen[:, :126].reshape(-1, 3)
    assert np.abs(np.median(room, axis=0) - [0x33, 0x66, 0x99]).max() <= 1
    assert chosen[20, 60].sum() > chosen[235, 60].sum() + 60
    assert np.array_equal(chosen[:, 130:], plain[:, 130:])


def test_a_palette_decides_the_color_of_a_region() -> None:
    """Both rooms take its only colour; without flat colours it changes nothing."""
    palette = to_lab(CHOSEN[None, None])[0]
    flat = Look(palette=palette).apply(shaded(), rooms())
    assert np.ptp(flat, axis=(0, 1)).max() == 0
    assert np.abs(flat[0, 0].astype(int) - CHOSEN).max() <= 1
    soft, plain = (Look(flat=False, palette=p).apply(shaded(), rooms()) for p in (palette, None))
    assert np.array_equal(soft, plain)


@pytest.mark.parametrize("flat", [False, True])
def test_a_kept_region_is_paper(flat: bool) -> None:
    """The room of the spot has exactly the colour of the paper."""
    kept = Look(flat=flat).apply(shaded(), rooms(), [PointColor(200, 60, None)])
    assert (kept[:, 128:] == 255).all()
    assert (kept[60, 50] != 255).any()


def test_of_two_colors_in_a_region_the_later_counts() -> None:
    """Clicking once more corrects the first click."""
    spots = (PointColor(50, 60, "#000000"), PointColor(50, 60, "#fac814"))
    assert (Look(flat=True).apply(shaded(), rooms(), spots)[60, 50] == CHOSEN).all()


def test_a_mask_is_paper() -> None:
    """What the mask marks is paper, pixel for pixel, and nothing else changes."""
    mask = np.random.default_rng(1).random((256, 256)) < 0.3
    plain, kept = (Look(flat=False, keep=keep).apply(shaded(), rooms()) for keep in (None, mask))
    assert (kept[mask] == 255).all()
    assert np.array_equal(kept[~mask], plain[~mask])


def test_a_mask_is_white_or_opaque() -> None:
    """Black and white, or paint on a transparent layer of any colour."""
    gray = np.array([[0, 255, 100, 200]], np.uint8)
    assert read_mask(gray).tolist() == [[False, True, False, True]]
    paint = np.zeros((1, 4, 4), np.uint8)
    paint[..., 3] = gray
    assert read_mask(Image.fromarray(paint)).tolist() == [[False, True, False, True]]


@pytest.mark.parametrize(
    ("spot", "message"),
    [
        (
            PointColor(256, 1, "#102030"),
            "match 256,1=#102030 lies outside of the drawing, which is",
        ),
        (PointColor(1, 300, None), "keep 1,300 lies outside of the drawing, which is 256 x 256"),
        (PointColor(127, 60, None), "keep 127,60 lies on a line; name a spot beside it"),
    ],
)
def test_a_spot_that_is_not_in_a_region_is_refused(spot: PointColor, message: str) -> None:
    """The message is one line that names the spot."""
    with pytest.raises(RefcolorError, match=message):
        check_spots([spot], rooms())


def test_a_mask_of_another_size_is_refused() -> None:
    """The message names both sizes."""
    with pytest.raises(PictureError, match="has 250 x 256 pixels, the drawing 256 x 256"):
        Look(keep=np.zeros((256, 250), bool)).check(rooms())


@pytest.mark.parametrize("tolerance", [-1, float("nan")])
def test_a_negative_tolerance_is_refused(tolerance: float) -> None:
    """A difference of colours is 0 or more."""
    with pytest.raises(UsageError, match="must be 0 or more"):
        Look(tolerance=tolerance)


def test_a_colorizer_takes_a_look(colorizer: Colorizer) -> None:
    """Without one colours are flat, and few; soft ones are as many as the pixels need."""
    drawing, reference = line_art(96, 80), blocks(64, 64)
    flat = colorizer.colorize(drawing, reference).colors
    soft = colorizer.colorize(drawing, reference, look=Look(flat=False)).colors
    flats, softs = (len(np.unique(colors.reshape(-1, 3), axis=0)) for colors in (flat, soft))
    assert flats <= 3 < softs


def test_a_match_holds_in_its_region(colorizer: Colorizer) -> None:
    """In flat colours the circle has the colour of the matched point of the second reference, and
    a colour that was chosen later for the same spot replaces it.
    """
    first, second = blocks(40, 60), blocks(40, 60)
    second[:, 30:] = (200, 120, 40)
    match = PointMatch(40, 48, 50, 20, reference=1)
    for hints, color in (
        ([match], (200, 120, 40)),
        ([match, PointColor(41, 48, "#fac814")], CHOSEN),
        ([PointColor(41, 48, "#fac814"), match], (200, 120, 40)),
    ):
        colors = colorizer.colorize(line_art(96, 80), [first, second], matches=hints).colors
        assert (colors[36:60, 30:50] == color).all()


def test_a_chosen_color_holds_in_a_tall_drawing() -> None:
    """A drawing is recoloured strip by strip, and some strips have nothing of a region."""
    drawing = read_drawing(np.tile(255 - two_rooms(0), (3, 1)))
    spot = PointColor(50, 60, "#336699")
    chosen = Look(flat=False).apply(halves(RED, BLUE), drawing, [spot])
    assert np.abs(chosen[60, 50].astype(int) - [0x33, 0x66, 0x99]).max() <= 1
    assert np.abs(chosen[600, 50].astype(int) - RED).max() <= 1
