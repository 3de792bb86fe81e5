"""Confusion of parts: the part of the reference that each part of the sketch was coloured after."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from refcolor.characters import PARTS
from refcolor.evaluation.metrics.color import difference, lab
from refcolor.evaluation.metrics.transfer import TRANSFER_PARTS
from refcolor.evaluation.metrics.truth import Truth
from refcolor.io.files import write_lines

TAKERS = (*TRANSFER_PARTS, "background")
SOURCES = (*TAKERS, "none")

_LABELS = tuple(PARTS.index(part) for part in TAKERS)
_NONE = len(TAKERS)
_VISIBLE_FROM = 4  # pixels
_MAX_DIFFERENCE = 20.0  # CIEDE2000, about that between a picture and its grey version

Picture = NDArray[np.uint8]
Counts = NDArray[np.int64]
Colors = NDArray[np.float32]


def attention_counts(strongest: Tensor, *, sketch_parts: Tensor, reference_parts: Tensor) -> Counts:
    """Count the cells of each part by the part that their strongest key lies on.

    strongest: (P, N_s) int64, the key with the largest logit of each query; sketch_parts: (P, N_s)
    and reference_parts: (P, N_r) int64, the label of each cell. A cell is counted if its part also
    covers a cell of the reference.
    Returns (6, 7): rows are TAKERS, columns SOURCES.
    """
    in_reference = (sketch_parts[:, :, None] == reference_parts[:, None]).any(dim=-1).numpy()
    attended = reference_parts.gather(1, strongest).numpy()
    parts = sketch_parts.numpy()
    counts = np.zeros((len(TAKERS), len(SOURCES)), np.int64)
    for row, label in zip(counts, _LABELS, strict=True):
        sources = attended[in_reference & (parts == label)]
        row[:_NONE] = [np.count_nonzero(sources == other) for other in _LABELS]
        row[_NONE] = sources.size - row.sum()
    return counts


def palettes(pictures: Sequence[Picture], truths: Sequence[Truth]) -> Colors:
    """Return the median Lab colour of each part of each picture, without line pixels.

    pictures: P of (S, S, 3) uint8; truths: the parts and lines of the pictures.
    Returns (P, 6, 3) in the order of TAKERS, NaN for a part of fewer than 4 pixels.
    """
    colors = np.full((len(truths), len(TAKERS), 3), np.nan, np.float32)
    for rows, picture, truth in zip(colors, pictures, truths, strict=True):
        values = lab(picture)
        for row, label in zip(rows, _LABELS, strict=True):
            pixels = values[(truth.parts == label) & ~truth.line]
            if len(pixels) >= _VISIBLE_FROM:
                row[:] = np.median(pixels, axis=0)
    return colors


def color_counts(results: Colors, *, targets: Colors, references: Colors) -> Counts:
    """Count the parts of results by the part of the reference whose colour is nearest.

    results, targets, references: (P, 6, 3), `palettes`; targets are the true recolourings.
    The distance is CIEDE2000; a part whose distance to every part is above 20 is counted as `none`.
    A part is counted if sketch and reference show it and if the nearest part of its target is the
    part itself: two parts of the same colour cannot be told apart.
    Returns (6, 7): rows are TAKERS, columns SOURCES.
    """
    mask = _nearest(targets, references) == np.arange(len(TAKERS))
    nearest = _nearest(results, references)
    counts = np.zeros((len(TAKERS), len(SOURCES)), np.int64)
    for part, row in enumerate(counts):
        row[:] = np.bincount(nearest[mask[:, part], part], minlength=len(SOURCES))
    return counts


def diagonal(counts: Counts) -> float:
    """Return the accuracy over hair, eyes, skin, clothes and accessory: the share on the diagonal.

    NaN when nothing was counted.
    """
    rows = counts[: len(TRANSFER_PARTS)]
    return float(np.trace(rows) / rows.sum()) if rows.any() else float("nan")


def shares(counts: Counts) -> NDArray[np.float64]:
    """Divide each row by its sum; a row without counts becomes NaN."""
    sums = counts.sum(axis=1, keepdims=True)
    return np.where(sums > 0, counts / np.maximum(sums, 1), np.nan)


def write_confusion(path: Path, tables: Mapping[str, Counts]) -> None:
    """Write the shares as CSV, one row for each pair of parts; parts without counts are left out.

    tables: name of the measure -> counts.  The columns are measure, part, took, share (4 digits).
    """
    rows = [
        f"{measure},{part},{took},{share:.4g}"
        for measure, counts in tables.items()
        for part, row in zip(TAKERS, shares(counts), strict=True)
        for took, share in zip(SOURCES, row, strict=True)
        if not np.isnan(share)
    ]
    write_lines(path, ["measure,part,took,share", *rows])


def _nearest(colors: Colors, references: Colors) -> NDArray[np.int64]:
    """Return the part with the nearest colour: (P, 6), `none` above 20 and for NaN."""
    differences = np.asarray(difference(colors[:, :, None], references[:, None]))
    differences = np.where(np.isnan(differences), np.inf, differences)
    too_far = differences.min(axis=2) > _MAX_DIFFERENCE
    return np.where(too_far, _NONE, differences.argmin(axis=2))
