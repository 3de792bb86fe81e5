"""Divide a drawing into regions of one colour each, as a painter lays flats.

The paper between the lines is divided into basins: each widest place is the centre of a basin,
which ends where the paper is narrowest. A gap in a line is such a narrow place. Basins that no line
separates are merged while the model gave them similar colours, so an open outline does not make
the whole page one region.
"""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from refcolor.colorize.fill import line_strength, upsample
from refcolor.colorize.lab import share_colors, to_lab
from refcolor.io.image import Picture, Unit, from_unit, scaled_size

TOLERANCE: Final = 12.0  # CIELAB distance; about 2 is the smallest difference that people see

_SIDE = 1024  # pixels of the longer side, at most, at which basins are found
_WALL = 0.4  # strength from which a line separates
_WIDEST, _RATIO = 256.0, 1.25  # levels of the distance to a line: the largest, and their ratio
# Two basins are separated by a gap in a line where the distance to it falls below _GAP pixels and
# below _NARROW of the largest distance in the smaller basin.
_GAP, _NARROW = 5.5, 0.6
_OPEN = 2.0  # tolerances by which colours must differ where no such gap separates the basins
_DEEP = 0.5  # share of a basin's largest distance from which pixels vote: edges are unreliable
_SPECK = 1e-4  # share of the picture; smaller regions join the nearest region
_MIN_SPECK = 10  # pixels
# Specks are hatching, and not joined, if they cover this share of a window around them; the windows
# along the longer side.
_CROWD, _CROWD_WINDOWS = 0.3, 32
_SQUARE, _CROSS = np.ones((3, 3), np.uint8), np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)

# Basins in float32, which cv2.dilate accepts and which is exact up to 2^24; regions in uint16.
Label = TypeVar("Label", np.uint16, np.intp)
Labels = npt.NDArray[np.float32] | npt.NDArray[np.uint16]


@dataclass(frozen=True)
class Regions:
    """The regions of a drawing, each of one colour.

    labels: (H, W) uint16, the region of each pixel; lines are divided along their middle.
    colors: (N, 3) uint8.  spots: the regions of the points that were given.
    medians: (N, 3) float32 CIELAB, the model's colours.  areas: (N,), in pixels of any size.
    """

    labels: npt.NDArray[np.uint16]
    colors: Picture
    medians: Unit
    areas: npt.NDArray[np.intp]
    spots: tuple[int, ...] = ()


def find_regions(
    colors: Picture,
    ink: Picture,
    *,
    tolerance: float = TOLERANCE,
    spots: Sequence[tuple[float, float]] = (),
    paper: Picture | None = None,
    palette: Unit | None = None,
) -> Regions:
    """Find the regions of a drawing and the colour of each, by the vote of the model's colours.

    Gaps of up to about 8 pixels in a line are closed (of a drawing of 1024 pixels, in proportion in
    a larger one). The colour is the median over the inner pixels; regions whose colours differ by
    less than the tolerance get the same colour.

    colors: (h, w, 3) uint8, the model's picture.  ink: (H, W) uint8, 255 = line.
    tolerance: CIELAB distance. Parts of an area that no line separates become two regions if their
        colours differ by twice that.
    spots: points (x, y) of the drawing; two of them never share a region, unless nothing at all
        lies between them.
    paper, palette: as in `share_colors`.
    """
    height, width = ink.shape
    strength = line_strength(ink)
    size = scaled_size(ink.shape, _SIDE, enlarge=False)
    reduced = cv2.resize(strength, size[::-1], interpolation=cv2.INTER_AREA)
    small = np.asarray(reduced, np.float32)
    basins, distance, peaks = _find_basins(small < _WALL)
    lab = to_lab(upsample(colors, from_unit(small)))
    deep = (basins > 0) & (distance >= _DEEP * peaks[basins])
    nearest = _nearest(basins)
    points = [nearest[int(y * size[0] / height), int(x * size[1] / width)] for x, y in spots]
    root = _merge(
        _borders(basins, distance),
        colors=_medians(lab[deep], basins[deep], len(peaks)),
        areas=np.bincount(basins.ravel(), minlength=len(peaks)).astype(float),
        peaks=peaks,
        apart=points,
        tolerance=tolerance,
    )
    merged = root[basins]
    areas = np.bincount(merged.ravel(), minlength=len(peaks))
    kept = _kept(merged, areas)
    kept[root[points]] = True
    number = np.cumsum(kept) * kept  # 0 for lines and specks, then 1, 2, ...
    count = int(kept.sum())
    region = number[merged].astype(np.uint16)
    medians = _medians(lab[deep], region[deep], count + 1)[1:]
    return Regions(
        _enlarge(region, strength < _WALL) - np.uint16(1),
        share_colors(medians, areas[kept], tolerance, paper=paper, palette=palette),
        medians,
        areas[kept],
        tuple(int(number[root[point]]) - 1 for point in points),
    )


def _find_basins(paper: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.intp], Unit, Unit]:
    """Divide the paper into basins, which touch where it is narrowest.

    Returns the labels (h, w), 0 under lines; the distance to the nearest line (h, w); and the
    largest distance in each basin (N + 1,).
    """
    if not paper.any():
        paper = ~paper  # without paper the whole picture is a basin
    distance = np.asarray(cv2.distanceTransform(paper.astype(np.uint8), cv2.DIST_L2, 5), np.float32)
    labels = np.zeros(paper.shape, np.float32)
    peaks = [np.zeros(1, np.float32)]
    count, level = 0, min(float(distance.max()), _WIDEST)
    while level:
        level = level / _RATIO if level > 1 else 0.0
        open_paper = distance > level
        _grow(labels, open_paper)
        new, components = cv2.connectedComponents(
            (open_paper & (labels == 0)).astype(np.uint8), connectivity=4
        )
        if new > 1:
            fresh = components > 0
            labels[fresh] = components[fresh] + count
            peak = np.zeros(new, np.float32)
            np.maximum.at(peak, components[fresh], distance[fresh])
            peaks.append(peak[1:])
            count += new - 1
    return labels.astype(np.intp), distance, np.concatenate(peaks)


def _grow(labels: Labels, free: npt.NDArray[np.bool_], *, steps: int | None = None) -> None:
    """Grow labels into free pixels, a pixel on each side in each step, in place.

    Where two labels meet the larger one counts. Not across corners, which would be across a
    diagonal line.
    """
    # A border, so that each pixel has four neighbours. Only the front of the growth is visited,
    # which is a small part of the picture in most of up to thousands of steps.
    padded = cv2.copyMakeBorder(labels, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    missing = np.pad(free & (labels == 0), 1)
    front = np.flatnonzero(missing & (cv2.dilate(padded, _CROSS) > 0))
    values, is_missing = padded.ravel(), missing.ravel()
    is_missing[front] = False
    neighbours = (-padded.shape[1], -1, 1, padded.shape[1])
    while len(front) and steps != 0:
        values[front] = np.max([values[front + offset] for offset in neighbours], axis=0)
        reached = []
        for offset in neighbours:
            beside = front + offset
            reached.append(beside[is_missing[beside]])
            is_missing[reached[-1]] = False
        front = np.concatenate(reached)
        steps = None if steps is None else steps - 1
    labels[:] = padded[1:-1, 1:-1]


def _borders(basins: npt.NDArray[np.intp], distance: Unit) -> Iterable[tuple[int, int, float]]:
    """Yield each pair of basins that touch, and the largest distance to a line on their border."""
    count = int(basins.max()) + 1
    pairs, widths = [], []
    for one, other in (
        (np.s_[:, :-1], np.s_[:, 1:]),
        (np.s_[:-1], np.s_[1:]),
    ):
        a, b = basins[one], basins[other]
        touch = (a != b) & (a > 0) & (b > 0)
        pairs.append((np.minimum(a, b) * count + np.maximum(a, b))[touch])
        widths.append(np.minimum(distance[one], distance[other])[touch])
    pair, index = np.unique(np.concatenate(pairs), return_inverse=True)
    width = np.zeros(len(pair), np.float32)
    np.maximum.at(width, index, np.concatenate(widths))
    return zip((pair // count).tolist(), (pair % count).tolist(), width.tolist(), strict=True)


def _merge(
    borders: Iterable[tuple[int, int, float]],
    *,
    colors: Unit,
    areas: npt.NDArray[np.float64],
    peaks: Unit,
    apart: Sequence[int],
    tolerance: float,
) -> npt.NDArray[np.intp]:
    """Merge touching basins, the most similar first; return the basin that each became part of.

    apart: basins that are never merged with each other.
    """
    root, colors, areas, peaks = np.arange(len(peaks)), colors.copy(), areas.copy(), peaks.copy()
    separate = set(apart)
    borders_of: list[dict[int, float]] = [{} for _ in root]
    for a, b, width in borders:
        borders_of[a][b] = borders_of[b][a] = width

    def difference(a: int, b: int) -> float:
        width = borders_of[a][b]
        is_gap = width < min(_GAP, _NARROW * min(peaks[a], peaks[b]))
        return float(np.linalg.norm(colors[a] - colors[b])) / (1 if is_gap else _OPEN)

    queue = [(difference(a, b), a, b) for a in range(len(root)) for b in borders_of[a] if a < b]
    heapq.heapify(queue)
    while queue and queue[0][0] < tolerance:
        known, a, b = heapq.heappop(queue)
        # An entry of a basin that has changed since is not the current one.
        if b not in borders_of[a] or difference(a, b) != known or separate >= {a, b}:
            continue
        if b in separate or (areas[a] < areas[b] and a not in separate):
            a, b = b, a
        root[b] = a
        colors[a] = np.average(colors[[a, b]], axis=0, weights=areas[[a, b]])
        areas[a] += areas[b]
        peaks[a] = max(peaks[a], peaks[b])
        for other, width in borders_of[b].items():
            del borders_of[other][b]
            if other != a:
                width = max(width, borders_of[a].get(other, 0.0))
                borders_of[a][other] = borders_of[other][a] = width
        borders_of[b] = {}
        for other in borders_of[a]:
            heapq.heappush(queue, (difference(a, other), min(a, other), max(a, other)))
    while (root != root[root]).any():
        root = root[root]
    return root


def _kept(regions: npt.NDArray[np.intp], areas: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    """Mark the regions that are not specks; specks that fill an area, as in hatching, are none.

    regions: (h, w), 0 under lines.  areas: (N + 1,).  Returns (N + 1,).
    """
    kept = areas >= max(_MIN_SPECK, _SPECK * regions.size)
    kept[0] = False
    speck = ~kept[regions] & (regions > 0)
    window = -(-max(regions.shape) // _CROWD_WINDOWS)
    crowd = cv2.blur(speck.astype(np.float32), (window, window))
    density = np.bincount(regions.ravel(), crowd.ravel(), len(areas)) / np.maximum(areas, 1)
    kept |= (density > _CROWD) & (areas >= _MIN_SPECK)
    kept[0] = False
    if not kept.any():
        kept[areas[1:].argmax() + 1] = True
    return kept


def _medians(values: Unit, labels: npt.NDArray[np.integer], count: int) -> Unit:
    """Return the median of each label's values: (M, 3) and (M,) become (count, 3)."""
    medians = np.zeros((count, values.shape[1]), np.float32)
    sizes = np.bincount(labels, minlength=count)
    middle = np.cumsum(sizes) - sizes + sizes // 2
    present = sizes > 0
    for channel in range(values.shape[1]):
        order = np.lexsort((values[:, channel], labels))
        medians[present, channel] = values[order[middle[present]], channel]
    return medians


def _enlarge(
    region: npt.NDArray[np.uint16], paper: npt.NDArray[np.bool_]
) -> npt.NDArray[np.uint16]:
    """Enlarge regions to the size of the drawing, with their borders in the middle of its lines.

    region: (h, w), 0 under lines.  paper: (H, W), False under lines.  Returns (H, W).
    """
    if region.shape == paper.shape:
        return _nearest(region)
    height, width = paper.shape
    scale = -(-height // len(region))
    # A cell beside another region may lie on both sides of a line: first the cells that do not.
    inner = region * (cv2.erode(region, _SQUARE) == cv2.dilate(region, _SQUARE))
    labels = np.zeros(paper.shape, np.uint16)
    for seeds in (inner, region):
        cells = cv2.resize(seeds, (width, height), interpolation=cv2.INTER_NEAREST)
        np.copyto(labels, cells, where=paper & (labels == 0))
        _grow(labels, paper, steps=4 * scale)
    return _nearest(labels)


def _nearest(labels: npt.NDArray[Label]) -> npt.NDArray[Label]:
    """Give each pixel without a label the label of the nearest pixel that has one."""
    empty = (labels == 0).astype(np.uint8)
    _, index = cv2.distanceTransformWithLabels(
        empty, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    table = np.zeros(int(index.max()) + 1, labels.dtype)
    table[index[empty == 0]] = labels[empty == 0]
    nearest: npt.NDArray[Label] = table[index]
    return nearest
