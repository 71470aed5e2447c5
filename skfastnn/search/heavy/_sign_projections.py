"""Sign random projections of rows and of neurons: angles between them from vectors of -1 and +1."""

import numpy as np
from sklearn.utils import gen_batches

from skfastnn.passes.shared._blas import matmul_nt

# A feature is taken to vary by this share of the one that varies most at least: the sample may not have seen it do so.
LEAST_SPREAD = 0.03
# Rows that are projected at once.
TILE_ROWS = 1024


class SignProjections:
    """Rows x and neurons w as vectors of signs; the share of signs that differ is their angle by pi.

    Parameters
    ----------
    sample : ndarray of shape (n, ld)
        Some normalised rows.
    n_bits : int
        Signs of a vector.
    n_features : int
        Columns of the sample that are no padding.
    n_threads : int

    Attributes
    ----------
    centre : ndarray of shape (ld,)
        Mean of the sample, which is subtracted from rows.

    Notes
    -----
    ``<w, x> = <s w, x / s>`` for any scaling s of the features. The angle tells most about the inner product if the
    norms are small; those of random w and of the rows are, in the mean, for s the root of the standard deviations. A
    feature that hardly varies is then hardly looked at.
    """

    def __init__(self, sample, n_bits, n_features, n_threads):
        self.n_threads = n_threads
        self.centre = sample.mean(axis=0)
        spread = sample.std(axis=0)
        largest = spread.max()
        spread = np.maximum(spread / largest, LEAST_SPREAD) if largest > 0 else np.ones_like(spread)
        self.scaling = np.sqrt(spread)  # at most one: scaled neurons move by no more than neurons do
        drawn = np.zeros((n_bits, sample.shape[1]), dtype=sample.dtype)
        drawn[:, :n_features] = np.random.default_rng(0).standard_normal((n_bits, n_features))
        self.of_neurons, self.of_rows = drawn * self.scaling, drawn / self.scaling

    def rows(self, X):
        """Return the signs of centred rows, ndarray of shape (n, n_bits) of int8, and their scaled norms."""
        X = X - self.centre
        return self._signs(X, self.of_rows), self._norms(X / self.scaling)

    def neurons(self, W):
        """Return the signs of neurons, their scaled norms and their inner products with the centre."""
        return self._signs(W, self.of_neurons), self._norms(W * self.scaling), W @ self.centre

    def _signs(self, X, projections):
        signs = np.empty((X.shape[0], projections.shape[0]), dtype=np.int8)
        for part in gen_batches(X.shape[0], TILE_ROWS):
            Z = np.empty(signs[part].shape, dtype=X.dtype)
            matmul_nt(X[part], projections, Z, self.n_threads)
            np.greater(Z, 0, out=signs[part].view(np.bool_))
        signs *= 2
        signs -= 1
        return signs

    @staticmethod
    def _norms(X):
        return np.sqrt(np.einsum("ij,ij->i", X, X))
