"""The background: what the inner products of a random sample of pairs look like."""

from typing import NamedTuple

import numpy as np
from scipy.special import comb

# Rows of each side in the sample, and the share of the rows that it may take.
SAMPLE_ROWS = 512
SAMPLE_SHARE = 4
MIN_SAMPLE_ROWS = 64


def symmetric_polynomial(z_sum, n_features, degree):
    """Return the sum of all products of `degree` different ones among `n_features` signs that add up to `z_sum`.

    For ``z = x * y`` it is the inner product of the monomials of that degree of x and of y. Three-term recurrence of
    the Krawtchouk polynomials.
    """
    z_sum = np.asarray(z_sum, dtype=np.float64)
    last, this = np.ones_like(z_sum), z_sum
    for r in range(2, degree + 1):
        last, this = this, (z_sum * this - (n_features - r + 2) * last) / r
    return this


class Background:
    """Inner products of sampled rows of A with sampled rows of B.

    Parameters
    ----------
    A, B : skfastnn.heavy._signs.SignRows
    least : int
        Inner product from which a pair is heavy.
    rng : RandomState
    """

    def __init__(self, A, B, least, rng):
        self.n_features, self.least = A.n_features, least
        rows, columns = (self._sampled(rows, rng).astype(np.float32) for rows in (A.signs, B.signs))
        self.products = (rows @ columns.T).astype(np.float64).ravel()
        self.n_multiplications = self.products.size * self.n_features
        self.std = float(np.sqrt(np.mean(self.products**2)))

    @staticmethod
    def _sampled(signs, rng):
        n = signs.shape[0]
        size = min(n, max(MIN_SAMPLE_ROWS, min(SAMPLE_ROWS, n // SAMPLE_SHARE)))
        return signs[rng.choice(n, size, replace=False)]

    def signal(self, degree):
        """Return the least that a heavy pair adds to its cell."""
        heavy = np.arange(self.least, self.n_features + 1, 2)
        return float(symmetric_polynomial(heavy, self.n_features, degree).min())

    def independent(self, degree):
        """Return `measured` as it would be if no two rows were correlated and the sum of a cell were Gaussian."""
        # what is not seen in N draws has a share below 3 / N, at 95 % confidence
        return Noise(float(np.sqrt(comb(self.n_features, degree))), 3 / self.products.size, 0.0)

    def measured(self, degree):
        """Return what the pairs of a cell add to the noise.

        Parameters
        ----------
        degree : int

        Returns
        -------
        noise : Noise
        """
        floor = self.independent(degree)
        added = symmetric_polynomial(self.products, self.n_features, degree)
        squares = added**2
        large = np.abs(added) >= self.signal(degree) / 2
        variance = np.mean(squares)
        # large ones are counted, so they need not count as tail; a sample may flatter
        fourth = np.mean(squares[~large] ** 2) / variance**2 - 3 if variance and not large.all() else 0.0
        return Noise(max(floor.std, float(np.sqrt(variance))), floor.large + np.mean(large), max(0.0, float(fourth)))


class Noise(NamedTuple):
    """What a pair of the background adds to its cell.

    Attributes
    ----------
    std : float
        Standard deviation.
    large : float
        Upper estimate of the share of pairs that add so much that they could hide a heavy one.
    kurtosis : float
        Excess of the fourth moment over that of a Gaussian variable.
    """

    std: float
    large: float
    kurtosis: float
