"""Which part of the sketch took which part's colour, by the attention and by the colours."""

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
_FAR = 20.0  # CIEDE2000; about as far as a grey picture is from its colours

Picture = NDArray[np.uint8]
Counts = NDArray[np.int64]
Colors = NDArray[np.float32]


def attention_counts(strongest: Tensor, *, sketch_parts: Tensor, reference_parts: Tensor) -> Counts:
    """Count the cells of each part by the part that their strongest key lies on.

    strongest: (P, N_s) int64; sketch_parts: (P, N_s) and reference_parts: (P, N_r) int64, the label
    of each cell. Only cells count whose part covers a cell of the reference too.
    Returns (6, 7): rows are TAKERS, columns SOURCES.
    """
    shown = (sketch_parts[:, :, None] == reference_parts[:, None]).any(dim=-1).numpy()
    seen = reference_parts.gather(1, strongest).numpy()
    parts = sketch_parts.numpy()
    counts = np.zeros((len(TAKERS), len(SOURCES)), np.int64)
    for row, label in zip(counts, _LABELS, strict=True):
        sources = seen[shown & (parts == label)]
        row[:_NONE] = [np.count_nonzero(sources == other) for other in _LABELS]
        row[_NONE] = sources.size - row.sum()
    return counts


def palettes(pictures: Sequence[Picture], truths: Sequence[Truth]) -> Colors:
    """Give the median Lab colour of each part of each picture, lines left out.

    pictures: P of (S, S, 3) uint8; truths: what lies where.
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
    Nearness is CIEDE2000, and what is farther than 20 from every part took nobody's colour. Only
    parts count that sketch and reference show, and that the target tells apart: where shirt and
    hair have one colour, no answer would mean anything.
    Returns (6, 7): rows are TAKERS, columns SOURCES.
    """
    mask = _nearest(targets, references) == np.arange(len(TAKERS))
    taken = _nearest(results, references)
    counts = np.zeros((len(TAKERS), len(SOURCES)), np.int64)
    for part, row in enumerate(counts):
        row[:] = np.bincount(taken[mask[:, part], part], minlength=len(SOURCES))
    return counts


def diagonal(counts: Counts) -> float:
    """Give the share of right answers over hair, eyes, skin, clothes and accessory.

    NaN when nothing was counted.
    """
    judged = counts[: len(TRANSFER_PARTS)]
    return float(np.trace(judged) / judged.sum()) if judged.any() else float("nan")


def shares(counts: Counts) -> NDArray[np.float64]:
    """Divide each row by its sum; a row without counts becomes NaN."""
    sums = counts.sum(axis=1, keepdims=True)
    return np.where(sums > 0, counts / np.maximum(sums, 1), np.nan)


def write_confusion(path: Path, tables: Mapping[str, Counts]) -> None:
    """Write the shares as CSV, one row for each pair of parts; a part without counts has none.

    tables: what was measured -> counts.  The columns are measure, part, took, share (4 digits).
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
    """Give the part with the nearest colour: (P, 6), `none` beyond reach or if unknown."""
    apart = np.asarray(difference(colors[:, :, None], references[:, None]))
    apart = np.where(np.isnan(apart), np.inf, apart)
    return np.where(apart.min(axis=2) > _FAR, _NONE, apart.argmin(axis=2))
