"""Frames are told from drawings, and a small drawing on a large page from a page."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from refcolor.io.image import Picture
from refcolor.lines.frames import Framing, Window, find_framings

HEIGHT, WIDTH = 600, 400


def find_framing(ink: Picture) -> Framing:
    """Find the only framing of a drawing."""
    (framing,) = find_framings(ink)
    return framing


def figure(height: int = HEIGHT, width: int = WIDTH) -> Picture:
    """Ink of a head and a body that ends at the lower edge, as a bust does: (H, W) uint8."""
    ink = np.zeros((height, width), np.uint8)
    middle, high = width // 2, height // 3
    cv2.ellipse(ink, (middle, high), (width // 5, height // 5), 0, 0, 360, 255, 3)
    body = np.array([(middle - 20, high + 90), (width // 6, height), (5 * width // 6, height)])
    cv2.polylines(ink, [body.astype(np.int32)], True, 255, 3)
    return ink


def line(thickness: int = 6, at: int = 12) -> Callable[[Picture], Picture]:
    """Make a function that draws a frame at a distance from the edge, which cuts the drawing."""

    def framed(ink: Picture) -> Picture:
        height, width = ink.shape
        empty = np.zeros_like(ink)
        empty[at : height - at, at : width - at] = 255
        inner = at + thickness
        empty[inner : height - inner, inner : width - inner] = 0
        inside = np.zeros_like(ink)
        inside[inner : height - inner, inner : width - inner] = 1
        return ink * inside + empty

    return framed


def rounded(ink: Picture) -> Picture:
    """A frame with corners of a tenth of the width."""
    filled = np.zeros_like(ink)
    cv2.rectangle(filled, (50, 50), (WIDTH - 50, HEIGHT - 50), 255, 80, cv2.LINE_AA)
    cv2.rectangle(filled, (50, 50), (WIDTH - 50, HEIGHT - 50), 255, cv2.FILLED)
    line = filled - cv2.erode(filled, np.ones((9, 9), np.uint8))
    return np.maximum(np.minimum(ink, filled), line)


def turned(ink: Picture) -> Picture:
    """A frame that was scanned askew, by two degrees."""
    wide = cv2.copyMakeBorder(line()(ink), 50, 50, 50, 50, cv2.BORDER_CONSTANT)
    turn = cv2.getRotationMatrix2D((WIDTH / 2 + 50, HEIGHT / 2 + 50), 2, 1)
    return cv2.warpAffine(wide, turn, wide.shape[::-1], flags=cv2.INTER_LINEAR)


@pytest.mark.parametrize(
    "framed",
    [
        line(),
        line(thickness=1),
        line(thickness=12),
        line(at=0),
        lambda ink: line(thickness=8, at=4)(line(thickness=3, at=24)(ink)),
        lambda ink: np.pad(line()(ink), 150),
        rounded,
        turned,
    ],
    ids=["plain", "thin", "thick", "at the edge", "double", "in a margin", "rounded", "turned"],
)
def test_a_frame_is_left_out_and_what_it_encloses_is_kept(
    framed: Callable[[Picture], Picture],
) -> None:
    """The ink inside a frame is that of the drawing without its outermost pixels."""
    ink = framed(figure())
    framing = find_framing(ink)
    assert framing.inside is not None
    left = framing.without_frame(ink)
    alone = framed(np.zeros_like(figure()))
    assert not (left[alone > 0]).any()
    assert (left > 0).sum() > 0.9 * ((ink > 0) & (alone == 0)).sum()
    rows, columns = np.nonzero(left)
    window = framing.window
    assert window.top - 2 <= rows.min() and rows.max() < window.top + window.height + 2
    assert window.left - 2 <= columns.min() and columns.max() < window.left + window.width + 2


def room() -> Picture:
    """A figure before the back wall of a room, whose edges go to the corners of the page."""
    ink = figure()
    cv2.rectangle(ink, (60, 60), (WIDTH - 60, HEIGHT - 60), 255, 4)
    for x, y in ((0, 0), (WIDTH, 0), (0, HEIGHT), (WIDTH, HEIGHT)):
        cv2.line(ink, (x, y), (60 if x == 0 else WIDTH - 60, 60 if y == 0 else HEIGHT - 60), 255, 4)
    return ink


def open_frame() -> Picture:
    """A frame with a gap of a tenth of a side."""
    ink = line()(figure())
    ink[:100, :60] = 0
    return ink


def circle() -> Picture:
    """A figure in a circle."""
    ink = np.pad(figure() // 2, ((0, 0), (100, 100)))
    cv2.circle(ink, (300, 300), 295, 255, 5)
    return ink


@pytest.mark.parametrize(
    "ink",
    [
        figure(),
        room(),
        open_frame(),
        circle(),
        line(thickness=40)(figure()),
        np.pad(np.full((500, 300), 255, np.uint8), 50),
        line()(np.zeros_like(figure())),
        np.maximum(figure(), np.pad(line()(figure()[::3, ::3]), ((0, 400), (0, 266)))),
        np.zeros_like(figure()),
    ],
    ids=[
        "figure",
        "room",
        "open",
        "circle",
        "broad",
        "solid",
        "empty",
        "inset",
        "nothing",
    ],
)
def test_other_lines_are_not_a_frame(ink: Picture) -> None:
    """All ink stays in what the model sees."""
    framing = find_framing(ink)
    assert framing.inside is None
    assert framing.without_frame(ink) is ink


def test_a_small_drawing_is_cropped_with_a_margin() -> None:
    """150 x 100 pixels on a page of 1000 x 800: a window around it, at least a quarter high."""
    page = np.zeros((1000, 800), np.uint8)
    page[700:850, 690:790] = 255
    assert find_framing(page).window == Window(650, 550, 250, 250)
    page[300:850, 690:790] = 255
    window = find_framing(page).window
    assert (window.height, window.width) == pytest.approx((550 / 0.8, 550 / 0.8), abs=5)
    assert window.left + window.width == 800
    page[200:850, 690:790] = 255
    assert find_framing(page).window == Window(0, 0, 1000, 800)


PANELS = [  # top, left, height, width of the frames of a page of 1400 x 1000
    (40, 40, 420, 440),
    (40, 500, 420, 460),
    (480, 40, 500, 920),
    (1000, 40, 360, 300),
]


def page(*, bubble: bool = False, border: bool = False) -> Picture:
    """Ink of four framed figures and one without a frame, at the lower right."""
    ink = np.zeros((1400, 1000), np.uint8)
    for top, left, height, width in PANELS:
        ink[top : top + height, left : left + width] = line(4, at=0)(figure(height, width))
    ink[1000:1360, 500:800] = figure(360, 300)
    if bubble:
        cv2.ellipse(ink, (500, 470), (100, 60), 0, 0, 360, 0, cv2.FILLED)
        cv2.ellipse(ink, (500, 470), (100, 60), 0, 0, 360, 255, 3)
    return line(6, at=10)(ink) if border else ink


@pytest.mark.parametrize("changes", [{}, {"bubble": True}, {"border": True}])
def test_a_page_is_taken_apart_into_its_panels(changes: dict[str, bool]) -> None:
    """Each frame is a panel, also under a bubble across three of them, and each figure beside."""
    ink = page(**changes)
    framings = sorted(find_framings(ink), key=lambda f: (f.window.top // 40, f.window.left))
    assert len(framings) == 5
    for framing, (top, left, height, width) in zip(framings, PANELS, strict=False):
        window = framing.window
        edges = window.top, window.left, window.top + window.height, window.left + window.width
        assert edges == pytest.approx((top, left, top + height, left + width), abs=12)
    window = framings[4].window
    assert (window.top, window.left) == pytest.approx((1040, 550), abs=12)
    total = sum(framing.without_frame(ink).astype(int) for framing in framings)
    assert total.max() <= 255
    assert not total[470:478, 100:380].any()
    colors = np.full((350, 250, 3), 9, np.uint8)
    laid = np.zeros_like(colors)
    for framing in framings:
        framing.lay(colors, laid)
    assert (laid[15:110, 15:115] == 9).all()
    assert not laid[116:119, 20:90].any()


def test_gutters_need_not_meet() -> None:
    """Columns of two widths with a bubble where they cross are four panels."""
    ink = np.zeros((1000, 800), np.uint8)
    frames = ((30, 30, 420, 300), (30, 350, 420, 420), (470, 30, 500, 420), (470, 470, 500, 300))
    for top, left, height, width in frames:
        panel = line(4, at=0)(figure(height, width))
        ink[top : top + height, left : left + width] = panel
    cv2.ellipse(ink, (360, 440), (110, 60), 0, 0, 360, 0, cv2.FILLED)
    cv2.ellipse(ink, (360, 440), (110, 60), 0, 0, 360, 255, 3)
    windows = sorted((f.window.top // 100, f.window.left) for f in find_framings(ink))
    assert [row for row, _ in windows] == [0, 0, 4, 4]
    assert [left for _, left in windows] == pytest.approx([34, 354, 34, 474], abs=12)
