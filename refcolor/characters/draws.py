"""Random streams of the drawn characters: each is fixed by a seed, an index and a name."""

from typing import Literal

import numpy as np

STREAMS = ("shape", "palette")


def stream(seed: int, index: int, *, name: Literal["shape", "palette"]) -> np.random.Generator:
    """Open the random stream of one drawing.

    Streams of different names are independent even where seed and index agree.
    Raises ValueError for a negative seed or index.
    """
    if seed < 0 or index < 0:
        raise ValueError(
            f"seed and index of a drawing must not be negative, got {seed} and {index}; "
            "count from 0"
        )
    return np.random.default_rng(np.random.SeedSequence([seed, index, STREAMS.index(name)]))
