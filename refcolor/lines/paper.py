"""Paper: its colour, its noise, and pages that were photographed."""

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from refcolor.io.image import WHITE, Picture, Unit, from_unit, scaled_size

_SEEN: Final = 512  # pixels of the longer side at which the light on a page is measured
_STROKE: Final = (
    0.06  # of the longer side: a dark area at least so wide is shadow or table, no line
)
_DARKEST_LIGHT: Final = 0.25  # of the best-lit paper; what is darker is ink however large it is
_SPECK: Final = 8  # pixels at 1024: fewer hanging together are grain
_STRIP: Final = 256  # rows at a time, where sums need more room than the picture
_GRAY: Final = 30  # levels of mean chroma; below, the ink is grey and its tint is the camera's


def sampled(picture: Picture) -> Picture:
    """Give every n-th pixel both ways, unmixed: at most about a million, for counting tones.

    picture: (H, W, ...) uint8.  Returns (h, w, ...) uint8, a view.
    """
    height, width = picture.shape[:2]
    step = max(1, round((height * width / 1e6) ** 0.5))
    return picture[step // 2 :: step, step // 2 :: step]


def strips(height: int) -> list[slice]:
    """Divide rows into strips, so that intermediate values of a large picture fit into memory."""
    return [slice(top, top + _STRIP) for top in range(0, height, _STRIP)]


def paper_color(picture: Picture) -> Picture:
    """Give the commonest colour of a picture, at the precision of its noise.

    picture: (H, W, 3) uint8.  Returns (3,) uint8: the median of the pixels around the fullest of
    32 x 32 x 32 boxes, which for paper of one exact colour is that colour.
    """
    pixels = np.ascontiguousarray(sampled(picture))
    counts = cv2.calcHist([pixels], [0, 1, 2], None, [32] * 3, [0, WHITE + 1] * 3)
    middle = 8 * np.array(np.unravel_index(counts.argmax(), counts.shape)) + 4
    # Twice, because the noise of one colour may fill two boxes that touch.
    for _ in range(2):
        near = np.asarray(cv2.inRange(pixels, middle - 12.0, middle + 12.0), np.uint8)
        middle = _medians(pixels, near)[1]
    return middle.astype(np.uint8)


def paper_noise(picture: Picture, paper: Picture) -> npt.NDArray[np.float32]:
    """Give what bare paper strays from its colour: three standard deviations, at most 24 levels.

    picture: (H, W, 3) uint8.  paper: (3,) uint8.  Returns (3,) float32, 0 for paper of one colour.
    """
    away = np.abs(picture - paper.astype(np.int16)).astype(np.uint8)
    near = np.asarray(cv2.inRange(away, np.zeros(3), np.full(3, 24.0)), np.uint8)
    # The median deviation of a normal distribution is 0.674 standard deviations.
    spread = 3 / 0.674 * _medians(away, near).mean(axis=0)
    return np.asarray(np.minimum(spread, 24), np.float32)


def _medians(pixels: Picture, marked: Picture) -> npt.NDArray[np.intp]:
    """The lower and the upper median of each channel of what is marked: (2, 3).

    They are found by counting, many times faster than by sorting.
    """
    medians = np.empty((2, 3), np.intp)
    for channel in range(3):
        counts = cv2.calcHist([pixels], [channel], marked, [WHITE + 1], [0, WHITE + 1])
        reach = counts.ravel().cumsum()
        ranks = (reach[-1] - 1) // 2, reach[-1] // 2
        medians[:, channel] = np.searchsorted(reach, ranks, side="right")
    return medians


def flatten_page(picture: Picture) -> Picture:
    """Make an evenly white page of one that was photographed or scanned.

    Uneven light, soft shadows, the paper's tint and its grain go; lines stay where they are and
    reach from white to black. Grey lines become black, clearly coloured ones keep their colour.
    What is dark over more than a sixteenth of the page counts as shadow and goes too, unless it is
    darker than any shadow.

    picture: (H, W, 3) uint8.  Returns (H, W, 3) uint8. A black pixel stays black.
    """
    light = _light(picture)
    page = np.empty_like(picture)
    for rows in strips(len(picture)):
        page[rows] = from_unit(picture[rows] / _rows(light, rows, picture.shape))
    return _without_grain(page)


def _light(picture: Picture) -> Unit:
    """The paper's colour as the light falls on it, (h, w, 3) float32 with at most _SEEN a side."""
    size = scaled_size(picture.shape, _SEEN, enlarge=False)
    small = cv2.medianBlur(cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA), 3)
    across = 2 * round(_STROKE * max(size) / 2) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (across, across))
    # Closing: the brightest paper nearby, then back, so that a shadow's border stays in its place.
    closed = cv2.morphologyEx(small, cv2.MORPH_CLOSE, disc).astype(np.float32)
    paper = np.asarray(cv2.GaussianBlur(closed, (0, 0), across / 4), np.float32)
    best = np.quantile(paper, 0.95, axis=(0, 1)).astype(np.float32)
    light: Unit = np.maximum(paper, np.maximum(_DARKEST_LIGHT * best, 1))
    return light


def _rows(light: Unit, rows: slice, shape: tuple[int, ...]) -> Unit:
    """Some rows of the light at the picture's own size, interpolated without seams."""
    height, width = shape[:2]
    bottom = min(rows.stop, height)
    y = (np.arange(rows.start, bottom, dtype=np.float32) + 0.5) * len(light) / height - 0.5
    x = (np.arange(width, dtype=np.float32) + 0.5) * light.shape[1] / width - 0.5
    seen = cv2.remap(
        light,
        np.broadcast_to(x, (len(y), width)).copy(),
        np.broadcast_to(y[:, None], (len(y), width)).copy(),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(seen, np.float32)


def _without_grain(page: Picture) -> Picture:
    """Stretch from the paper's grain to the darkest ink, and drop what hangs on no stroke."""
    gray = page.min(axis=-1)
    counts = np.bincount(sampled(gray).reshape(-1), minlength=WHITE + 1)
    white = WHITE - _grain(counts)
    black = min(_darkest(counts, white), white * 2 // 3)
    strokes = _strokes(gray, white, (white + black) // 2)
    drawn = sampled(page)[sampled(strokes & (gray < (white + black) // 2))]
    colored = len(drawn) > 0 and float(np.median(np.ptp(drawn, axis=1))) > _GRAY
    source = page if colored else np.broadcast_to(gray[..., None], page.shape)
    levels = ((np.arange(WHITE + 1) - black) / (white - black)).astype(np.float32)
    table = from_unit(levels)
    flat = np.full_like(page, WHITE)
    np.copyto(flat, table[source], where=strokes[..., None])
    return flat


def _grain(counts: npt.NDArray[np.intp]) -> int:
    """Four times the median distance of the lighter half from white."""
    reach = np.cumsum(counts[::-1])
    middle = int(np.searchsorted(reach, reach[-1] / 2))
    return min(max(4 * middle, 16), WHITE // 3)


def _darkest(counts: npt.NDArray[np.intp], white: int) -> int:
    """The tone below which a tenth of the ink lies."""
    ink = np.cumsum(counts[: white - WHITE // 8])
    return int(np.searchsorted(ink, ink[-1] / 10)) if ink[-1] else 0


def _strokes(gray: Picture, white: int, sure: int) -> npt.NDArray[np.bool_]:
    """Mark the pixels darker than paper that hang together with enough surely drawn ones."""
    count, labels = cv2.connectedComponents((gray < white).astype(np.uint8), connectivity=8)
    certain = np.bincount(labels[gray <= sure], minlength=count)
    enough = max(3, round(_SPECK * (max(gray.shape) / 1024) ** 2))
    kept = certain >= enough
    kept[0] = False
    marked: npt.NDArray[np.bool_] = kept[labels]
    return marked
