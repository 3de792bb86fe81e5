"""How far two sets of pictures are apart, given a row of features for each picture."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float64]


class Features(Protocol):
    """What turns pictures into rows that `fid` and `kid` compare."""

    name: str

    def __call__(self, pictures: NDArray[np.uint8]) -> Rows:
        """Map (N, H, W, 3) uint8 to (N, D) float64."""


def fid(one: Rows, other: Rows) -> float:
    """Give the Frechet distance of the Gaussians fitted to two sets.

    one: (N, D), other: (M, D), at least 2 rows each.
    |m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1^1/2 S2 S1^1/2)^1/2. With S = R^T R the eigenvalues of the
    symmetric product are the squared singular values of R1 R2^T: never negative and fast, also
    where fewer than D rows make both covariances singular and a general matrix root breaks.
    Biased by the number of rows: compare only values of equal N and M.
    Raises ValueError for fewer than 2 rows or another number of columns.
    Reference: Heusel et al., NeurIPS 2017.
    """
    _refuse_odd_sets(one, other)
    shift = one.mean(axis=0) - other.mean(axis=0)
    root_one, root_other = _root(one), _root(other)
    cross = np.linalg.svd(root_one @ root_other.T, compute_uv=False).sum()
    return float(shift @ shift + (root_one**2).sum() + (root_other**2).sum() - 2 * cross)


def kid(one: Rows, other: Rows) -> float:
    """Give the squared maximum mean discrepancy with the kernel (x.y / D + 1)^3.

    one: (N, D), other: (M, D), at least 2 rows each. The unbiased estimate from all rows at once,
    not averaged over random subsets; therefore it may be slightly negative.
    Raises ValueError for fewer than 2 rows or another number of columns.
    Reference: Binkowski, Sutherland, Arbel, Gretton, ICLR 2018.
    """
    _refuse_odd_sets(one, other)
    return float(_mean_of_pairs(one) + _mean_of_pairs(other) - 2 * _kernel(one, other).mean())


def _root(rows: Rows) -> Rows:
    """Give an R of at most D rows with R^T R equal to the unbiased covariance."""
    centred = (rows - rows.mean(axis=0)) / np.sqrt(len(rows) - 1)
    root: Rows = np.linalg.qr(centred).R
    return root


def _kernel(one: Rows, other: Rows) -> Rows:
    values: Rows = (one @ other.T / one.shape[1] + 1) ** 3
    return values


def _mean_of_pairs(rows: Rows) -> float:
    """Average the kernel over pairs of different rows."""
    values = _kernel(rows, rows)
    count = len(rows)
    return float((values.sum() - np.trace(values)) / (count * (count - 1)))


def _refuse_odd_sets(one: Rows, other: Rows) -> None:
    if one.ndim != 2 or other.ndim != 2 or one.shape[1] != other.shape[1]:
        raise ValueError(
            f"features must be (N, D) and (M, D) with one D, got {one.shape} and {other.shape}"
        )
    if min(len(one), len(other)) < 2:
        raise ValueError(f"both sets need at least 2 pictures, got {len(one)} and {len(other)}")
