import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from refcolor.characters import (
    ACCESSORIES,
    CLOTHES,
    HAIR_STYLES,
    PARTS,
    UNSEEN_CLOTHES,
    UNSEEN_HAIR_STYLES,
    Drawing,
    draw_palette,
    draw_shape,
    render,
)

COUNT = 200
SMALL = 64


def fingerprint(drawing: Drawing) -> str:
    """Hash every byte of a drawing."""
    digest = hashlib.sha256()
    for plane in (drawing.color, drawing.parts, drawing.ink):
        digest.update(np.ascontiguousarray(plane).tobytes())
    return digest.hexdigest()


@pytest.fixture(scope="module")
def drawings() -> list[Drawing]:
    """Draw 200 characters of independent seeds at 64 pixels."""
    return [render(draw_shape(3, i), draw_palette(4, i), size=SMALL) for i in range(COUNT)]


def test_a_drawing_has_a_colour_a_part_and_ink_for_each_pixel():
    """Colour is RGB bytes, parts index PARTS and ink is a mask, all of the given size."""
    drawing = render(draw_shape(3, 0), draw_palette(4, 0))
    assert (drawing.color.shape, drawing.color.dtype) == ((256, 256, 3), np.uint8)
    assert (drawing.parts.shape, drawing.parts.dtype) == ((256, 256), np.uint8)
    assert (drawing.ink.shape, drawing.ink.dtype) == ((256, 256), np.bool_)
    assert drawing.parts.max() < len(PARTS)


def test_another_process_draws_the_same_bytes():
    """Drawings depend only on seeds and indices, not on the process."""
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from test_sample import draw_palette, draw_shape, fingerprint, render\n"
        "for i in range(3): print(fingerprint(render(draw_shape(1, i), draw_palette(2, i))))"
    )
    command = [sys.executable, "-c", code]
    there = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    here = [fingerprint(render(draw_shape(1, i), draw_palette(2, i))) for i in range(3)]
    assert there == here


def test_the_palette_does_not_move_a_line():
    """The same shape with another palette has the same parts and ink and other colours."""
    shape = draw_shape(3, 7)
    first, second = (render(shape, draw_palette(4, i)) for i in (7, 8))
    np.testing.assert_array_equal(first.parts, second.parts)
    np.testing.assert_array_equal(first.ink, second.ink)
    assert (first.color != second.color).any()


def test_shape_and_palette_come_from_independent_streams():
    """Shape and palette of equal seeds are uncorrelated, and every index is a new draw."""
    mirrored = np.array([draw_shape(5, i).mirrored for i in range(400)], float)
    white = np.array([draw_palette(5, i).white_background for i in range(400)], float)
    assert abs(np.corrcoef(mirrored, white)[0, 1]) < 0.15
    assert draw_shape(5, 0) != draw_shape(6, 0) != draw_shape(6, 1)
    assert draw_palette(5, 0) != draw_palette(6, 0) != draw_palette(6, 1)


@pytest.mark.parametrize(
    ("field", "names"),
    [("hair_style", HAIR_STYLES), ("clothes", CLOTHES), ("accessory", ACCESSORIES)],
)
def test_every_style_occurs(field: str, names: tuple[str, ...]):
    """Three hundred characters have every hair style, garment and accessory."""
    assert {getattr(draw_shape(3, i), field) for i in range(300)} == set(names)


@pytest.mark.parametrize(
    ("field", "names"),
    [
        ("hair_style", HAIR_STYLES + UNSEEN_HAIR_STYLES),
        ("clothes", CLOTHES + UNSEEN_CLOTHES),
        ("accessory", ACCESSORIES),
    ],
)
def test_every_style_looks_different(field: str, names: tuple[str, ...]):
    """Any two styles on the same character give different pictures."""
    shape = draw_shape(3, 2)
    prints = [
        render(replace(shape, **{field: name}), draw_palette(4, 2), size=SMALL).color.tobytes()
        for name in names
    ]
    assert len(set(prints)) == len(names)


def test_half_of_the_backgrounds_are_white():
    """The share of white backgrounds is a half, within four standard deviations."""
    palettes = [draw_palette(4, i) for i in range(1000)]
    white = [palette for palette in palettes if palette.white_background]
    assert abs(len(white) - 500) < 4 * np.sqrt(250)
    assert {palette.background for palette in white} == {(255, 255, 255)}


def test_the_background_is_one_flat_colour():
    """Away from lines, each background pixel has exactly the palette's colour."""
    shape, palette = draw_shape(3, 5), draw_palette(4, 5)
    drawing = render(shape, palette)
    background = (drawing.parts == PARTS.index("background")).astype(np.uint8)
    inner = cv2.erode(background, np.ones((5, 5), np.uint8)).astype(bool)
    assert inner.any()
    assert (drawing.color[inner] == palette.background).all()


def test_parts_have_the_colours_of_the_palette():
    """The most frequent colour of skin, hair and background is the palette's colour."""
    shape, palette = draw_shape(3, 5), draw_palette(4, 5)
    drawing = render(shape, palette)
    for name in ("background", "skin", "hair"):
        colors = drawing.color[drawing.parts == PARTS.index(name)]
        values, counts = np.unique(colors, axis=0, return_counts=True)
        assert tuple(values[counts.argmax()]) == getattr(palette, name)


def test_accessories_are_large_enough_to_score(drawings: list[Drawing]):
    """The accessory has at least 2 % of a picture on average, with those without one."""
    shares = [(drawing.parts == PARTS.index("accessory")).mean() for drawing in drawings]
    assert np.mean(shares) >= 0.02
    assert np.mean(np.array(shares) > 0) >= 0.85


@pytest.mark.parametrize(
    ("part", "least"), [("skin", 0.03), ("hair", 0.03), ("eyes", 0.006), ("clothes", 0.01)]
)
def test_every_picture_shows_every_part(drawings: list[Drawing], part: str, least: float):
    """Skin, hair, eyes and clothes are visible on each of 200 characters."""
    shares = [(drawing.parts == PARTS.index(part)).mean() for drawing in drawings]
    assert min(shares) >= least


def test_no_two_shapes_agree(drawings: list[Drawing]):
    """Two hundred shapes give two hundred part maps."""
    assert len({drawing.parts.tobytes() for drawing in drawings}) == COUNT


def test_lines_are_dark():
    """Ink pixels are nearly black with any palette."""
    for index in range(8):
        drawing = render(draw_shape(3, index), draw_palette(4, index))
        assert 0.02 < drawing.ink.mean() < 0.20
        assert np.median(drawing.color[drawing.ink].mean(axis=1)) < 60


def test_a_small_drawing_is_a_reduction_of_a_large_one(drawings: list[Drawing]):
    """At 64 pixels the picture is the one at 256, averaged four by four, up to rounding."""
    large = render(draw_shape(3, 1), draw_palette(4, 1), size=256).color.astype(float)
    reduced = large.reshape(64, 4, 64, 4, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(drawings[1].color, reduced, atol=1.01)


def test_a_mirrored_shape_is_the_mirror_image():
    """Mirroring flips the picture and changes nothing else, on sizes that divide the canvas."""
    shape, palette = replace(draw_shape(3, 4), mirrored=False), draw_palette(4, 4)
    plain = render(shape, palette, size=SMALL)
    mirrored = render(replace(shape, mirrored=True), palette, size=SMALL)
    np.testing.assert_array_equal(plain.color[:, ::-1], mirrored.color)
    np.testing.assert_array_equal(plain.ink[:, ::-1], mirrored.ink)


def test_an_odd_size_works():
    """A size that does not divide the canvas is drawn on a larger one."""
    assert render(draw_shape(3, 1), draw_palette(4, 1), size=97).color.shape == (97, 97, 3)


def test_a_tiny_size_is_refused():
    """A size below 32 pixels raises ValueError."""
    with pytest.raises(ValueError, match="at least 32 pixels, got 31"):
        render(draw_shape(3, 1), draw_palette(4, 1), size=31)


@pytest.mark.parametrize("draw", [draw_shape, draw_palette])
@pytest.mark.parametrize("seed_and_index", [(-1, 0), (0, -1)])
def test_negative_seeds_are_refused(draw, seed_and_index: tuple[int, int]):
    """Negative seeds and indices raise ValueError."""
    with pytest.raises(ValueError, match="must not be negative"):
        draw(*seed_and_index)
