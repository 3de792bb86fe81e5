"""Contact sheets: sketch, reference, result and truth side by side, two such groups in a row."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from refcolor.io import image

ROWS, GROUPS = 6, 2
SHOWN = ROWS * GROUPS

_SIDE = 128  # pixels; smaller pictures are enlarged to it
_BETWEEN_GROUPS = 8  # pixels


def sheet(columns: Sequence[NDArray[np.uint8]], chosen: Sequence[int]) -> image.Picture:
    """Lay out the chosen pictures of each column, two groups of columns in a row.

    columns: (N, S, S) or (N, S, S, 3) uint8 each; chosen: indices of the N.
    """
    space = np.full((1, _BETWEEN_GROUPS), image.GAP_GRAY, np.uint8)
    rows = []
    for start in range(0, len(chosen), GROUPS):
        row: list[image.Picture] = []
        for index in chosen[start : start + GROUPS]:
            row += [space] if row else []
            for column in columns:
                side = max(_SIDE, column.shape[1])
                row.append(image.resize(column[index], side, side))
        rows.append(row)
    return image.grid(rows)


def spread(count: int, shown: int = SHOWN) -> list[int]:
    """Return up to `shown` indices, evenly spaced over `count`."""
    return [int(index) for index in np.linspace(0, count - 1, min(shown, count))]


def spread_by_sketch(sketches: Sequence[int]) -> list[int]:
    """Choose pairs so that a row of a sheet shows one sketch with two references.

    sketches: the sketch of each pair; the pairs of a sketch are consecutive. Where every sketch has
    a single reference the indices are evenly spaced. Where only some have one reference, the pair
    after such a pair is shown beside it.
    Returns indices of pairs.
    """
    first = [i for i, name in enumerate(sketches) if i == 0 or sketches[i - 1] != name]
    if len(first) == len(sketches):
        return spread(len(sketches))
    first = [index for index in first if index + 1 < len(sketches)]  # the last has no next pair
    starts = [first[index] for index in spread(len(first), ROWS)]
    chosen = [index for start in starts for index in range(start, start + GROUPS)]
    return list(dict.fromkeys(chosen))
