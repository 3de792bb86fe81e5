"""Bars are cut where the metadata says, and only where there are bars."""

from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from refcolor.io.image import Picture, resize
from refcolor.prepare.letterbox import MARGIN, crop_bars

SIDE = 512


def noise(height: int, width: int) -> Picture:
    """Return a picture without flat areas, black or white."""
    cells = np.random.default_rng(0).integers(60, 200, (height // 7 + 1, width // 7 + 1, 3))
    return np.kron(cells, np.ones((7, 7, 1)))[:height, :width].astype(np.uint8)


def boxed(original: Picture, color: int) -> tuple[Picture, Picture]:
    """Scale a picture into a square with bars, as the archives do; also return its inside."""
    height, width = original.shape[:2]
    scale = SIDE / max(height, width)
    inner = resize(original, round(height * scale), round(width * scale))
    square = np.full((SIDE, SIDE, 3), color, np.uint8)
    top, left = (SIDE - inner.shape[0]) // 2, (SIDE - inner.shape[1]) // 2
    square[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    return square, inner


def as_jpeg(picture: Picture, quality: int) -> Picture:
    """Write a picture as JPEG and read it again."""
    file = BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality)
    return np.array(Image.open(file))


SIZES = [(683, 521), (521, 683), (1021, 769), (769, 1021), (640, 613), (613, 640), (1999, 1601)]


@pytest.mark.parametrize("color", [0, 255])
@pytest.mark.parametrize("size", SIZES)
def test_bars_are_cut(size: tuple[int, int], color: int) -> None:
    """Wide and tall, odd and even, black and white: the inside, less 2 or 3 pixels at two sides."""
    width, height = size
    square, inner = boxed(noise(height, width), color)
    cropped, uniform = crop_bars(square, size)
    assert uniform
    lost = np.subtract(inner.shape, cropped.shape)
    across, along = (0, 1) if width > height else (1, 0)
    assert lost[along] == 0
    assert 2 * MARGIN <= lost[across] <= 2 * MARGIN + 2
    starts = [
        start
        for start in range(MARGIN + 2)
        if np.array_equal(
            np.take(inner, range(start, start + cropped.shape[across]), axis=across), cropped
        )
    ]
    assert len(starts) == 1


@pytest.mark.parametrize("color", [0, 255])
@pytest.mark.parametrize("quality", [50, 75, 95])
@pytest.mark.parametrize("size", [(683, 521), (521, 683), (640, 613)])
def test_jpeg_noise_in_bars_is_cut(size: tuple[int, int], quality: int, color: int) -> None:
    """Bars with JPEG artefacts are still recognised and cut completely."""
    width, height = size
    square, inner = boxed(noise(height, width), color)
    cropped, uniform = crop_bars(as_jpeg(square, quality), size)
    assert uniform
    assert cropped.size < inner.size
    edges = (cropped[0], cropped[-1], cropped[:, 0], cropped[:, -1])
    assert all(np.abs(edge.astype(int) - color).mean() > 30 for edge in edges)


def test_line_art_between_bars_is_cut_too() -> None:
    """A grey square of 0 and 255 is cropped like a coloured one."""
    square, _ = boxed(noise(521, 683), 255)
    gray, uniform = crop_bars(square[..., 0], (683, 521))
    color, _ = crop_bars(square, (683, 521))
    assert uniform
    assert np.array_equal(gray, color[..., 0])


def test_a_white_background_is_not_taken_for_bars() -> None:
    """The size of the original decides: white inside the picture stays, white bars are cut."""
    original = np.full((500, 600, 3), 255, np.uint8)
    original[200:300, 250:350] = noise(100, 100)
    square, inner = boxed(original, 255)
    cropped, uniform = crop_bars(square, (600, 500))
    assert uniform
    assert inner.shape[0] - 6 <= cropped.shape[0] <= inner.shape[0] - 4


@pytest.mark.parametrize("size", [(512, 512), (2000, 2000), (2001, 2000)])
def test_a_square_has_no_bars(size: tuple[int, int]) -> None:
    """Bars of less than a pixel are not cut."""
    picture = noise(SIDE, SIDE)
    cropped, uniform = crop_bars(picture, size)
    assert uniform
    assert cropped is picture


@pytest.mark.parametrize("height", [511, 510, 508, 506])
def test_thin_bars_are_cut(height: int) -> None:
    """Bars of one to three pixels are cut as well, with the margin."""
    square, _ = boxed(noise(height, SIDE), 0)
    cropped, uniform = crop_bars(square, (SIDE, height))
    assert uniform
    assert cropped.min() >= 60
    assert cropped.shape[0] >= height - 2 * MARGIN - 2


def with_gray(square: Picture) -> Picture:
    """Make both bars grey."""
    square[:50], square[-50:] = 128, 128
    return square


def with_two_colors(square: Picture) -> Picture:
    """Make one bar black and leave the other."""
    square[:50] = 0
    return square


def with_one_side_only(square: Picture) -> Picture:
    """Let the picture fill one of the bars."""
    square[-64:] = noise(64, SIDE)
    return square


def with_signature(square: Picture) -> Picture:
    """Draw a small mark into a bar."""
    square[10:20, 400:440] = 128
    return square


def with_hue(square: Picture) -> Picture:
    """Make the bars yellow."""
    square[:50, :, 2], square[-50:, :, 2] = 0, 0
    return square


def with_picture_beside_the_border(square: Picture) -> Picture:
    """Let the picture be ten pixels larger than expected."""
    square[54:458] = noise(404, SIDE)
    return square


def without_bars(square: Picture) -> Picture:
    """Fill the square with picture."""
    square[:] = noise(SIDE, SIDE)
    return square


def with_strand(square: Picture) -> Picture:
    """Let one thin line of the drawing reach into a bar."""
    square[:64, 100] = 0
    return square


CHANGES = [
    with_gray,
    with_two_colors,
    with_one_side_only,
    with_signature,
    with_hue,
    with_picture_beside_the_border,
    without_bars,
    with_strand,
]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("tall", [False, True])
def test_bars_that_are_not_uniform_are_left(
    change: Callable[[Picture], Picture], tall: bool
) -> None:
    """A picture whose bars are not uniformly black or white is returned unchanged and flagged."""
    square = change(boxed(noise(384, 512), 255)[0])
    picture, size = (square.swapaxes(0, 1), (384, 512)) if tall else (square, (512, 384))
    result, uniform = crop_bars(picture, size)
    assert not uniform
    assert np.array_equal(result, picture)


def test_another_shape_than_a_square_has_no_bars() -> None:
    """A file of the original's shape is accepted; one of another shape is flagged."""
    picture = noise(384, 512)
    for size, whole in (((1024, 768), True), ((1024, 770), True), ((1024, 900), False)):
        cropped, uniform = crop_bars(picture, size)
        assert uniform == whole
        assert cropped is picture


def test_a_strip_leaves_nothing_to_cut() -> None:
    """A picture of a pixel or two between bars is returned unchanged and flagged."""
    square = np.zeros((SIDE, SIDE, 3), np.uint8)
    cropped, uniform = crop_bars(square, (10_000, 50))
    assert not uniform
    assert cropped.shape == square.shape


@pytest.mark.parametrize("size", [(0, 512), (512, -1)])
def test_impossible_sizes_are_refused(size: tuple[int, int]) -> None:
    """A size below one pixel raises ValueError."""
    with pytest.raises(ValueError, match="original must be at least 1 x 1 pixel, got"):
        crop_bars(np.zeros((SIDE, SIDE, 3), np.uint8), size)
