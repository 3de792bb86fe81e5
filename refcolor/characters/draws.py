"""Random generators of the drawn characters, seeded by seed, index and name."""

from typing import Literal

import numpy as np

STREAMS = ("shape", "palette")


def stream(seed: int, index: int, *, name: Literal["shape", "palette"]) -> np.random.Generator:
    """Make the random generator of a drawing.

    Generators with different names are independent, also with equal seed and index.
    Raises ValueError for a negative seed or index.
    """
    if seed < 0 or index < 0:
        raise ValueError(
            f"seed and index of a drawing must not be negative, got {seed} and {index}; "
            "count from 0"
        )
    return np.random.default_rng(np.random.SeedSequence([seed, index, STREAMS.index(name)]))
