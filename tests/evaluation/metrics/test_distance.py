"""FID and KID agree with closed forms and with independent computations."""

import mpmath
import numpy as np
import pytest
from numpy.typing import NDArray

from refcolor.evaluation.metrics.distance import fid, kid

Rows = NDArray[np.float64]


def _rows(seed: int, count: int, dimensions: int, shift: float = 0.0) -> Rows:
    generator = np.random.default_rng(seed)
    mixing = generator.normal(size=(dimensions, dimensions))
    return generator.normal(size=(count, dimensions)) @ mixing + shift


def test_fid_of_diagonal_covariances() -> None:
    """Diagonals add up by dimension: 1 + 0 + 4 + (1-2)^2 + (3-3)^2 + (0-4)^2 = 22."""

    def cross(mean: list[float], deviations: list[float]) -> Rows:
        # Two rows on each axis, so far out that the unbiased variances are exact.
        axes = np.diag(deviations) * np.sqrt(5 / 2)
        return np.concatenate([axes, -axes]) + mean

    set_a, set_b = cross([0, 7, 2], [1, 3, 0]), cross([1, 7, 0], [2, 3, 4])
    np.testing.assert_allclose(np.cov(set_b, rowvar=False), np.diag([4, 9, 16]), atol=1e-12)
    assert fid(set_a, set_b) == pytest.approx(22)


def test_fid_of_covariances_that_do_not_commute() -> None:
    """It agrees with a matrix root of their product taken with 50 digits."""
    set_a, set_b = _rows(8, 17, 3), _rows(9, 11, 3, shift=0.3)
    covariances = [np.cov(rows, rowvar=False) for rows in (set_a, set_b)]
    product = covariances[0] @ covariances[1]
    assert np.abs(product - product.T).max() > 0.5
    with mpmath.workdps(50):
        first, second = (mpmath.matrix(covariance.tolist()) for covariance in covariances)
        root = mpmath.sqrtm(first * second)
        cross = float(sum(root[i, i].real for i in range(3)))
    shift = set_a.mean(axis=0) - set_b.mean(axis=0)
    expected = shift @ shift + sum(np.trace(covariance) for covariance in covariances) - 2 * cross
    assert expected > 0.5
    assert fid(set_a, set_b) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("count", [19, 101])
def test_fid_with_any_number_of_rows(count: int) -> None:
    """With fewer or more rows than columns it is the symmetric form by eigenvalues, at least 0."""
    set_a, set_b = _rows(1, count, 43), _rows(2, count + 4, 43, shift=0.5)
    first, second = np.cov(set_a, rowvar=False), np.cov(set_b, rowvar=False)
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ second @ root).clip(0)).sum()
    shift = set_a.mean(axis=0) - set_b.mean(axis=0)
    expected = shift @ shift + np.trace(first) + np.trace(second) - 2 * cross
    assert fid(set_a, set_b) == pytest.approx(expected, rel=1e-6)


def test_fid_of_a_set_with_itself_is_zero() -> None:
    """A set is at distance 0 of itself, to rounding, and the order does not matter."""
    set_a, set_b = _rows(3, 29, 7), _rows(4, 31, 7)
    assert fid(set_a, set_a) == pytest.approx(0, abs=1e-6)
    assert fid(set_a, set_b) == pytest.approx(fid(set_b, set_a))


def test_kid_is_the_unbiased_double_sum() -> None:
    """It agrees with the formula written as loops over pairs."""
    set_a, set_b = _rows(5, 7, 5), _rows(6, 11, 5, shift=1.0)

    def kernel(x: Rows, y: Rows) -> float:
        return float((sum(a * b for a, b in zip(x, y, strict=True)) / 5 + 1) ** 3)

    def within(rows: Rows) -> float:
        count = len(rows)
        pairs = [(i, j) for i in range(count) for j in range(count) if i != j]
        return sum(kernel(rows[i], rows[j]) for i, j in pairs) / len(pairs)

    between = sum(kernel(x, y) for x in set_a for y in set_b) / (7 * 11)
    expected = within(set_a) + within(set_b) - 2 * between
    assert kid(set_a, set_b) == pytest.approx(expected, rel=1e-9)


def test_kid_of_two_pairs_of_numbers() -> None:
    """{0, 1} and {1, 2}: 1 + 27 - 2 (1 + 1 + 8 + 27) / 4 = 9.5."""
    set_a, set_b = np.array([[0.0], [1.0]]), np.array([[1.0], [2.0]])
    assert kid(set_a, set_b) == pytest.approx(9.5)


def test_kid_is_unbiased() -> None:
    """The mean over many draws of one distribution is 0, far below the spread of a single value."""
    generator = np.random.default_rng(7)
    values = [
        kid(generator.normal(size=(12, 4)), generator.normal(size=(12, 4))) for _ in range(400)
    ]
    assert abs(np.mean(values)) < 4 * np.std(values) / 20
    assert min(values) < 0


@pytest.mark.parametrize("distance", [fid, kid])
def test_sets_that_cannot_be_compared_are_refused(distance: object) -> None:
    """One picture has no covariance, and features of two networks cannot be compared."""
    assert callable(distance)
    with pytest.raises(ValueError, match="at least 2 pictures, got 1 and 5"):
        distance(np.zeros((1, 3)), np.zeros((5, 3)))
    with pytest.raises(ValueError, match=r"one D, got \(4, 3\) and \(5, 2\)"):
        distance(np.zeros((4, 3)), np.zeros((5, 2)))
