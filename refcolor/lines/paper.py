"""Paper: its colour and noise, and flattening of photographed pages."""

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from refcolor.io.image import WHITE, Picture, Unit, from_unit, scaled_size

_LIGHT_SIDE: Final = 512  # pixels of the longer side at which the light is measured
_STROKE: Final = 0.06  # of the longer side; wider dark areas are shadow or background, not lines
_DARKEST_LIGHT: Final = 0.25  # of the best-lit paper; darker areas of any size are ink
_SPECK: Final = 8  # pixels at 1024; smaller connected components are grain
_STRIP: Final = 256  # rows that are processed together, to save memory
_GRAY: Final = 30  # levels of median chroma below which ink is grey, tinted by the camera


def sampled(picture: Picture) -> Picture:
    """Return every n-th pixel in both directions, at most about a million, to count tones.

    picture: (H, W, ...) uint8.  Returns (h, w, ...) uint8, a view.
    """
    height, width = picture.shape[:2]
    step = max(1, round((height * width / 1e6) ** 0.5))
    return picture[step // 2 :: step, step // 2 :: step]


def strips(height: int) -> list[slice]:
    """Divide rows into strips: intermediate values of a whole picture may not fit into memory."""
    return [slice(top, top + _STRIP) for top in range(0, height, _STRIP)]


def paper_color(picture: Picture) -> Picture:
    """Estimate the most frequent colour of a picture.

    picture: (H, W, 3) uint8.  Returns (3,) uint8: the median of the pixels near the largest bin of
    a 32 x 32 x 32 histogram, which is exact for paper of one colour.
    """
    pixels = np.ascontiguousarray(sampled(picture))
    counts = cv2.calcHist([pixels], [0, 1, 2], None, [32] * 3, [0, WHITE + 1] * 3)
    middle = 8 * np.array(np.unravel_index(counts.argmax(), counts.shape)) + 4
    # Twice, because the noise of a colour may fall into two adjacent bins.
    for _ in range(2):
        near = np.asarray(cv2.inRange(pixels, middle - 12.0, middle + 12.0), np.uint8)
        middle = _medians(pixels, near)[1]
    return middle.astype(np.uint8)


def paper_noise(picture: Picture, paper: Picture) -> npt.NDArray[np.float32]:
    """Estimate the noise of bare paper: three standard deviations, at most 24 levels.

    picture: (H, W, 3) uint8.  paper: (3,) uint8.  Returns (3,) float32, 0 for paper of one colour.
    """
    deviation = np.abs(picture - paper.astype(np.int16)).astype(np.uint8)
    near = np.asarray(cv2.inRange(deviation, np.zeros(3), np.full(3, 24.0)), np.uint8)
    # The median deviation of a normal distribution is 0.674 standard deviations.
    spread = 3 / 0.674 * _medians(deviation, near).mean(axis=0)
    return np.asarray(np.minimum(spread, 24), np.float32)


def _medians(pixels: Picture, marked: Picture) -> npt.NDArray[np.intp]:
    """Compute the lower and the upper median of each channel of marked pixels: (2, 3).

    Histograms are many times faster than sorting.
    """
    medians = np.empty((2, 3), np.intp)
    for channel in range(3):
        counts = cv2.calcHist([pixels], [channel], marked, [WHITE + 1], [0, WHITE + 1])
        cumulative = counts.ravel().cumsum()
        ranks = (cumulative[-1] - 1) // 2, cumulative[-1] // 2
        medians[:, channel] = np.searchsorted(cumulative, ranks, side="right")
    return medians


def flatten_page(picture: Picture) -> Picture:
    """Flatten a photographed or scanned page to uniform white paper.

    Uneven light, soft shadows, the tint and the grain of the paper are removed; lines keep their
    position and are stretched to black. Clearly coloured lines keep their colour. Dark areas wider
    than a sixteenth of the page are removed as shadows, unless they are too dark for a shadow.

    picture: (H, W, 3) uint8.  Returns (H, W, 3) uint8. A black pixel stays black.
    """
    light = _light(picture)
    page = np.empty_like(picture)
    for rows in strips(len(picture)):
        page[rows] = from_unit(picture[rows] / _rows(light, rows, picture.shape))
    return _without_grain(page)


def _light(picture: Picture) -> Unit:
    """Estimate the colour of the lit paper: (h, w, 3) float32, at most _LIGHT_SIDE a side."""
    size = scaled_size(picture.shape, _LIGHT_SIDE, enlarge=False)
    small = cv2.medianBlur(cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA), 3)
    diameter = 2 * round(_STROKE * max(size) / 2) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (diameter, diameter))
    # A closing removes lines and keeps the borders of shadows in place.
    closed = cv2.morphologyEx(small, cv2.MORPH_CLOSE, disc).astype(np.float32)
    paper = np.asarray(cv2.GaussianBlur(closed, (0, 0), diameter / 4), np.float32)
    best = np.quantile(paper, 0.95, axis=(0, 1)).astype(np.float32)
    light: Unit = np.maximum(paper, np.maximum(_DARKEST_LIGHT * best, 1))
    return light


def _rows(light: Unit, rows: slice, shape: tuple[int, ...]) -> Unit:
    """Interpolate some rows of the light to the size of the picture, without seams."""
    height, width = shape[:2]
    bottom = min(rows.stop, height)
    y = (np.arange(rows.start, bottom, dtype=np.float32) + 0.5) * len(light) / height - 0.5
    x = (np.arange(width, dtype=np.float32) + 0.5) * light.shape[1] / width - 0.5
    interpolated = cv2.remap(
        light,
        np.broadcast_to(x, (len(y), width)).copy(),
        np.broadcast_to(y[:, None], (len(y), width)).copy(),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(interpolated, np.float32)


def _without_grain(page: Picture) -> Picture:
    """Stretch the tones between grain and darkest ink, and remove components without strokes."""
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
    """Estimate the grain: four times the median distance of tones from white, within limits."""
    cumulative = np.cumsum(counts[::-1])
    middle = int(np.searchsorted(cumulative, cumulative[-1] / 2))
    return min(max(4 * middle, 16), WHITE // 3)


def _darkest(counts: npt.NDArray[np.intp], white: int) -> int:
    """Return the tone below which a tenth of the ink is."""
    ink = np.cumsum(counts[: white - WHITE // 8])
    return int(np.searchsorted(ink, ink[-1] / 10)) if ink[-1] else 0


def _strokes(gray: Picture, white: int, dark: int) -> npt.NDArray[np.bool_]:
    """Mark the connected components of inked pixels that have enough dark pixels."""
    count, labels = cv2.connectedComponents((gray < white).astype(np.uint8), connectivity=8)
    dark_counts = np.bincount(labels[gray <= dark], minlength=count)
    minimum = max(3, round(_SPECK * (max(gray.shape) / 1024) ** 2))
    is_stroke = dark_counts >= minimum
    is_stroke[0] = False
    mask: npt.NDArray[np.bool_] = is_stroke[labels]
    return mask
