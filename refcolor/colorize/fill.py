"""Upsample colours to the size of a drawing, without mixing colours across its lines.

A small picture of colours is reliable inside a region and unreliable at its border, where a cell
covers two regions and the line between them. Every pixel becomes the weighted mean of the colours
that can be reached without crossing a line; near and reliable cells have large weights. This is a
normalised convolution (Knutsson, Westin, CVPR 1993) with the recursive domain transform (Gastal,
Oliveira, SIGGRAPH 2011), whose distance here grows at lines only.

The whole picture is filtered at once: without tiles there are no seams.
"""

import math
from collections.abc import Iterable, Iterator
from itertools import chain, islice

import cv2
import numpy as np
import numpy.typing as npt

from refcolor.io.image import WHITE, Picture, Unit, from_unit, resize, to_unit
from refcolor.lines.paper import sampled

_GRAIN = 0.08  # ink below it is paper grain
# Ink of at least this share of a drawing's strongest ink is a full line. A drawing whose strongest
# ink is below _FAINT has no lines.
_LINE, _FAINT = 0.5, 0.2
# Exponent of the attenuation of a step onto a line, and of the step off the line.
_LINE_COST = 14.0
# Exponent of the certainty: a cell with a tenth of ink has the weight e^-4, and a pixel under a
# line has less weight than every pixel beside it.
_INK_COST = 40.0
_NEIGHBOR_INK = 0.5  # share of the neighbouring cells' ink: a model's colours bleed that far
_SMOOTHING = 0.5  # standard deviation of one smoothing, in cells of the small picture
_ROUNDS = 2  # each lets colours pass two more corners
# Values that are filtered in one call: all four planes of a small picture, because calls of numpy
# cost more than its sums there, and a single plane of a large one to save memory.
_GROUP_VALUES = 2**18


def upsample(colors: Picture, drawing_ink: Picture) -> Picture:
    """Upsample colours to the size of a drawing, with their borders on its lines.

    A region takes the colours of the cells inside it; the pixels of a line take the colours of
    their side. Without lines the result is as smooth as the small picture. A flat colour does not
    change.

    colors: (h, w, 3) uint8 sRGB, of any size.  drawing_ink: (H, W) uint8, 255 = line.
    Returns (H, W, 3) uint8. Needs about 36 bytes per pixel in addition to the arguments.
    """
    height, width = drawing_ink.shape
    small = resize(colors, min(height, len(colors)), min(width, colors.shape[1]))
    cells = np.ix_(_cells(height, len(small)), _cells(width, small.shape[1]))
    lines = line_strength(drawing_ink)
    covered = cv2.resize(lines, small.shape[1::-1], interpolation=cv2.INTER_AREA)
    covered = np.maximum(covered, _NEIGHBOR_INK * cv2.blur(covered, (3, 3)))
    weight = _certainty(np.maximum(lines, covered[cells]))
    sigma = _SMOOTHING * math.sqrt(height / len(small) * width / small.shape[1])
    attenuation = (
        _attenuation(lines, sigma),
        _attenuation(np.asarray(cv2.transpose(lines), np.float32), sigma),
    )
    del lines  # a hundred megabytes of a large drawing
    weighted = (to_unit(small[..., channel])[cells] * weight for channel in range(3))
    sums = _filtered(chain([weight], weighted), attenuation)
    total, filled = next(sums), np.empty((height, width, 3), np.uint8)
    for channel, values in enumerate(sums):
        values /= total
        filled[..., channel] = from_unit(values)
    return filled


def _cells(pixels: int, cells: int) -> npt.NDArray[np.intp]:
    """Return the cell at the centre of each pixel of an axis."""
    return (2 * np.arange(pixels) + 1) * cells // (2 * pixels)


def line_strength(ink: Picture) -> Unit:
    """Normalise the ink of a drawing: (H, W) float32, 0 = paper, 1 = line."""
    counts = np.bincount(sampled(ink).reshape(-1), minlength=WHITE + 1)
    levels = to_unit(np.arange(WHITE + 1, dtype=np.uint8))
    counts[levels <= _GRAIN] = 0
    cumulated = np.cumsum(counts)
    total = cumulated[-1]
    strongest = float(levels[np.searchsorted(cumulated, 0.9 * total)]) if total else 1.0
    line = _LINE * max(strongest, _FAINT)
    table = np.clip((levels - _GRAIN) / (line - _GRAIN), 0, 1).astype(np.float32)
    return np.asarray(cv2.LUT(ink, table), np.float32)


def _certainty(ink: Unit) -> Unit:
    """Return the weight of each colour: 1 without ink, above 0 everywhere. Overwrites `ink`."""
    ink *= -_INK_COST
    certainty: Unit = np.exp(ink, out=ink)
    return certainty


def _attenuation(lines: Unit, sigma: float) -> Unit:
    """Return the factor of a value from each row to the next: (H - 1, W) float32 in [0, 1].

    sigma: standard deviation of the smoothing in pixels.
    """
    cost = np.diff(lines, axis=0)
    np.abs(cost, out=cost)
    cost *= -_LINE_COST
    cost -= math.sqrt(2) / sigma
    return np.exp(cost, out=cost)


def _filtered(planes: Iterable[Unit], attenuation: tuple[Unit, Unit]) -> Iterator[Unit]:
    """Filter each plane along columns then rows, and along rows then columns; yield the sums.

    Both orders are summed, because with a single order a picture and its transpose would differ.
    attenuation: along the columns, (H - 1, W), and along the rows, (W - 1, H).
    """
    remaining = iter(planes)
    group_size = max(1, _GROUP_VALUES // (attenuation[0].shape[1] * attenuation[1].shape[1]))
    while group := list(islice(remaining, group_size)):
        columns, rows = (_repeated(factors, len(group)) for factors in attenuation)
        total = _recursive_filter(np.stack(group, axis=1), (columns, rows) * _ROUNDS)
        transposed = [np.asarray(cv2.transpose(plane), np.float32) for plane in group]
        total += _transposed(
            _recursive_filter(np.stack(transposed, axis=1), (rows, columns) * _ROUNDS)
        )
        yield from total.swapaxes(0, 1)


def _repeated(factors: Unit, planes: int) -> Unit:
    """Repeat factors for each plane: arrays of equal shapes multiply much faster.

    factors: (H - 1, W).  Returns (H - 1, planes, W), without a copy for a single plane.
    """
    shape = (len(factors), planes, factors.shape[1])
    return np.ascontiguousarray(np.broadcast_to(factors[:, None], shape))


def _recursive_filter(values: Unit, passes: Iterable[Unit]) -> Unit:
    """Filter values down and up along the columns, in place, and transpose them after each pass.

    values: (H, K, W), the K planes row by row.  passes: factors of each pass, (H - 1, K, W) and
    (W - 1, K, H) in turn.
    """
    for factors in passes:
        product = np.empty_like(values[0])
        for factor, row, below in zip(factors, values[:-1], values[1:], strict=True):
            below += np.multiply(factor, row, out=product)
        for factor, row, above in zip(factors[::-1], values[:0:-1], values[-2::-1], strict=True):
            above += np.multiply(factor, row, out=product)
        values = _transposed(values)
    return values


def _transposed(planes: Unit) -> Unit:
    """Transpose each plane: (H, K, W) becomes (W, K, H)."""
    height, count, width = planes.shape
    result = np.empty((width, count, height), np.float32)
    for index in range(count):
        # Ten times as fast as numpy's copy of a transposed plane.
        cv2.transpose(planes[:, index], dst=result[:, index])
    return result
