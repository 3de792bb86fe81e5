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

    columns: (N, S, S) or (N, S, S, 3) uint8 each; chosen: places among the N.
    """
    space = np.full((1, _BETWEEN_GROUPS), image.GAP_GRAY, np.uint8)
    rows = []
    for start in range(0, len(chosen), GROUPS):
        row: list[image.Picture] = []
        for place in chosen[start : start + GROUPS]:
            row += [space] if row else []
            row += [_shown(column[place]) for column in columns]
        rows.append(row)
    return image.grid(rows)


def spread(count: int, shown: int = SHOWN) -> list[int]:
    """Choose up to `shown` places, evenly spaced over `count`."""
    return [int(place) for place in np.linspace(0, count - 1, min(shown, count))]


def spread_by_sketch(sketches: Sequence[int]) -> list[int]:
    """Choose places of pairs so that a row shows one sketch with two references.

    sketches: the sketch of each pair, pairs of one sketch in a row. Where every sketch has a single
    reference the places are evenly spaced; where only some have one, the next pair takes the second
    place.
    """
    first = [place for place, it in enumerate(sketches) if place == 0 or sketches[place - 1] != it]
    if len(first) == len(sketches):
        return spread(len(sketches))
    first = [place for place in first if place + 1 < len(sketches)]  # the last one has no next pair
    starts = [first[place] for place in spread(len(first), ROWS)]
    both = [place for start in starts for place in range(start, start + GROUPS)]
    return list(dict.fromkeys(both))


def _shown(picture: image.Picture) -> image.Picture:
    side = max(_SIDE, picture.shape[0])
    return image.resize(picture, side, side)
