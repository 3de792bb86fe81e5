"""Colours spread from where they are certain, around the lines of a drawing, never across them.

A small picture of colours knows them well in the middle of a region and badly at its border, where
one cell of it shows two regions and the line between them. So every pixel takes the mean of the
colours that it can reach without crossing a line, the near and certain ones counting most. That is
a normalised convolution (Knutsson, Westin, CVPR 1993) under the recursive domain transform
(Gastal, Oliveira, SIGGRAPH 2011), whose distance here grows with the lines alone.

The whole picture is one piece: there are no tiles, so there are no seams.
"""

import math
from collections.abc import Iterable, Iterator
from itertools import chain, islice

import cv2
import numpy as np
import numpy.typing as npt

from refcolor.io.image import WHITE, Picture, Unit, from_unit, resize, to_unit
from refcolor.lines.paper import sampled

_BARE = 0.08  # ink below it is grain of the paper
# From this share of a drawing's strongest ink on, a pixel is a line like any other. A drawing whose
# strongest ink is weaker than _FAINT holds no line.
_LINE, _FAINT = 0.5, 0.2
# Weights are powers of e: stepping onto a line costs _WALL, and leaving it again as much.
_WALL = 14.0
# A cell of which a tenth is ink counts e^-4, a pixel under a line less than any pixel beside it.
_DOUBT = 40.0
_BLEED = 0.5  # the same for the ink of the cells around: a model's colours bleed that far
_REACH = 0.5  # standard deviation of one smoothing, in cells of the small picture
_ROUNDS = 2  # each goes around two more corners
# Values that are carried at a time: of small planes all four, since numpy's calls cost more than
# its sums there; of large ones one, because of memory.
_TOGETHER = 2**18


def upsample(colors: Picture, drawing_ink: Picture) -> Picture:
    """Bring colours up to the size of a drawing, with their borders on its lines.

    A region is coloured from its middle; a line's pixels take the colours of the side they are on.
    Where no line is, the result is as smooth as the small picture. A flat colour stays as it is.

    colors: (h, w, 3) uint8 sRGB, of any size.  drawing_ink: (H, W) uint8, 255 = line.
    Returns (H, W, 3) uint8. Takes about 36 bytes a pixel beside the arguments.
    """
    height, width = drawing_ink.shape
    small = resize(colors, min(height, len(colors)), min(width, colors.shape[1]))
    cells = np.ix_(_cells(height, len(small)), _cells(width, small.shape[1]))
    lines = _lines(drawing_ink)
    covered = cv2.resize(lines, small.shape[1::-1], interpolation=cv2.INTER_AREA)
    covered = np.maximum(covered, _BLEED * cv2.blur(covered, (3, 3)))
    weight = _certainty(np.maximum(lines, covered[cells]))
    ways = _ways(lines, _REACH * math.sqrt(height / len(small) * width / small.shape[1]))
    del lines  # a hundred megabytes of a large drawing
    weighted = (to_unit(small[..., channel])[cells] * weight for channel in range(3))
    sums = _gather(chain([weight], weighted), ways)
    total, filled = next(sums), np.empty((height, width, 3), np.uint8)
    for channel, values in enumerate(sums):
        values /= total
        filled[..., channel] = from_unit(values)
    return filled


def _cells(pixels: int, cells: int) -> npt.NDArray[np.intp]:
    """Give for each pixel of an axis the cell that its middle lies in."""
    return (2 * np.arange(pixels) + 1) * cells // (2 * pixels)


def _lines(ink: Picture) -> Unit:
    """Bring a drawing's ink to one strength: (H, W) float32, 0 = paper, 1 = line."""
    counts = np.bincount(sampled(ink).reshape(-1), minlength=WHITE + 1)
    levels = to_unit(np.arange(WHITE + 1, dtype=np.uint8))
    counts[levels <= _BARE] = 0
    drawn = np.cumsum(counts)
    strongest = float(levels[np.searchsorted(drawn, 0.9 * drawn[-1])]) if drawn[-1] else 1.0
    line = _LINE * max(strongest, _FAINT)
    table = np.clip((levels - _BARE) / (line - _BARE), 0, 1).astype(np.float32)
    return np.asarray(cv2.LUT(ink, table), np.float32)


def _certainty(ink: Unit) -> Unit:
    """How much a colour counts, 1 where no ink is and above 0 everywhere; ink is used up."""
    ink *= -_DOUBT
    certainty: Unit = np.exp(ink, out=ink)
    return certainty


def _ways(lines: Unit, reach: float) -> tuple[Unit, Unit]:
    """What is left of a value after each step down, and after each step across (transposed)."""
    turned = np.asarray(cv2.transpose(lines), np.float32)
    return _passage(lines, reach), _passage(turned, reach)


def _passage(lines: Unit, reach: float) -> Unit:
    """What is left of a value from each row to the next: (H - 1, W) float32 in [0, 1]."""
    cost = np.diff(lines, axis=0)
    np.abs(cost, out=cost)
    cost *= -_WALL
    cost -= math.sqrt(2) / reach
    return np.exp(cost, out=cost)


def _gather(planes: Iterable[Unit], ways: tuple[Unit, Unit]) -> Iterator[Unit]:
    """Sum what reaches each pixel of each plane, first down then across and first across then down.

    With one order alone a picture and its transpose would differ.
    """
    coming = iter(planes)
    together = max(1, _TOGETHER // (ways[0].shape[1] * ways[1].shape[1]))
    while group := list(islice(coming, together)):
        down, across = (_for_each(way, len(group)) for way in ways)
        gathered = _carry(np.stack(group, axis=1), (down, across) * _ROUNDS)
        lying = np.stack([np.asarray(cv2.transpose(plane), np.float32) for plane in group], axis=1)
        gathered += _turned(_carry(lying, (across, down) * _ROUNDS))
        yield from gathered.swapaxes(0, 1)


def _for_each(way: Unit, planes: int) -> Unit:
    """Repeat a way for planes that are carried together: rows of one shape multiply much faster.

    way: (H - 1, W).  Returns (H - 1, planes, W), without a copy for a single plane.
    """
    return np.ascontiguousarray(np.broadcast_to(way[:, None], (len(way), planes, way.shape[1])))


def _carry(values: Unit, passages: Iterable[Unit]) -> Unit:
    """Let values run both ways along the columns, in place, and turn them before the next run.

    values: (H, K, W), the K planes row by row.  passages: (H - 1, K, W) and (W - 1, K, H) in turn.
    """
    for passage in passages:
        step = np.empty_like(values[0])
        for left, row, below in zip(passage, values[:-1], values[1:], strict=True):
            below += np.multiply(left, row, out=step)
        for left, row, above in zip(passage[::-1], values[:0:-1], values[-2::-1], strict=True):
            above += np.multiply(left, row, out=step)
        values = _turned(values)
    return values


def _turned(planes: Unit) -> Unit:
    """Transpose each plane: (H, K, W) becomes (W, K, H)."""
    height, count, width = planes.shape
    turned = np.empty((width, count, height), np.float32)
    for index in range(count):
        # Ten times as fast as numpy's copy of a transposed plane.
        cv2.transpose(planes[:, index], dst=turned[:, index])
    return turned
