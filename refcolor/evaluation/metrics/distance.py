"""FID and KID: distances of two sets of pictures, from a row of features for each picture."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float64]


class Features(Protocol):
    """Computes the features of pictures that `fid` and `kid` compare."""

    name: str

    def __call__(self, pictures: NDArray[np.uint8]) -> Rows:
        """Map (N, H, W, 3) uint8 to (N, D) float64."""


def fid(first: Rows, second: Rows) -> float:
    """Return the Frechet distance of the Gaussians fitted to two sets.

    first: (N, D), second: (M, D), at least 2 rows each.
    |m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1^1/2 S2 S1^1/2)^1/2. With S = R^T R the eigenvalues of the
    symmetric product are the squared singular values of R1 R2^T. These are fast to compute and
    never negative, also where fewer than D rows make both covariances singular and a general matrix
    root fails. The estimate is biased by the number of rows: compare only values of equal N and M.
    Raises ValueError for fewer than 2 rows or another number of columns.
    Reference: Heusel et al., NeurIPS 2017.
    """
    _refuse_odd_sets(first, second)
    shift = first.mean(axis=0) - second.mean(axis=0)
    root_first, root_second = _root(first), _root(second)
    cross = np.linalg.svd(root_first @ root_second.T, compute_uv=False).sum()
    return float(shift @ shift + (root_first**2).sum() + (root_second**2).sum() - 2 * cross)


def kid(first: Rows, second: Rows) -> float:
    """Return the squared maximum mean discrepancy with the kernel (x.y / D + 1)^3.

    first: (N, D), second: (M, D), at least 2 rows each. The estimate is unbiased, from all rows and
    not averaged over random subsets; it may be slightly negative.
    Raises ValueError for fewer than 2 rows or another number of columns.
    Reference: Binkowski, Sutherland, Arbel, Gretton, ICLR 2018.
    """
    _refuse_odd_sets(first, second)
    return float(_mean_of_pairs(first) + _mean_of_pairs(second) - 2 * _kernel(first, second).mean())


def _root(rows: Rows) -> Rows:
    """Return an R of at most D rows with R^T R equal to the unbiased covariance."""
    centred = (rows - rows.mean(axis=0)) / np.sqrt(len(rows) - 1)
    root: Rows = np.linalg.qr(centred).R
    return root


def _kernel(first: Rows, second: Rows) -> Rows:
    values: Rows = (first @ second.T / first.shape[1] + 1) ** 3
    return values


def _mean_of_pairs(rows: Rows) -> float:
    """Average the kernel over pairs of different rows."""
    values = _kernel(rows, rows)
    count = len(rows)
    return float((values.sum() - np.trace(values)) / (count * (count - 1)))


def _refuse_odd_sets(first: Rows, second: Rows) -> None:
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise ValueError(
            f"features must be (N, D) and (M, D) with one D, got {first.shape} and {second.shape}"
        )
    if min(len(first), len(second)) < 2:
        raise ValueError(f"both sets need at least 2 pictures, got {len(first)} and {len(second)}")
