"""Training in the space that the rows span, for data of far fewer rows than features.

A gradient is a combination of rows, so weights leave the space of the rows no further than they started outside of it.
With an orthonormal basis Q of that space, rows and weights are replaced by their coordinates in it, as many as there
are rows, and everything that training computes stays what it is; at the end ``W = W(0) + Q (W' - Q' W(0))``.
This holds for steps along gradients, sgd and Gauss-Newton, and not for Adam, whose steps depend on the axes.
"""

import numpy as np
from scipy.linalg import qr
from scipy.sparse import issparse

from skfastnn._coordinates import Coordinates
from skfastnn.networks._network import Network, aligned_zeros, drawn, padded_length

# Neurons written out at a time; even.
EXPORTED_NEURONS = 256
# Features per row from which the rotation pays.
MIN_RATIO = 4


def row_space(X, coordinates):
    """Return an orthonormal basis of the space of the normalised rows, and their coordinates in it.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features)
        With n_samples <= n_features.
    coordinates : Coordinates

    Returns
    -------
    basis : ndarray of shape (n_features, n_samples)
    rows : ndarray of shape (n_samples, n_samples)
    """
    rows = X.toarray() if issparse(X) else X.copy()
    rows -= coordinates.mean
    rows /= coordinates.scale
    basis, triangle = qr(rows.T, mode="economic", overwrite_a=True, check_finite=False)
    return basis, np.ascontiguousarray(triangle.T)


class RowSpaceNetwork(Network):
    """Network on coordinates in the space of the rows; it draws and exports weights of all features.

    Parameters
    ----------
    coordinates : Coordinates
        Of the original rows.
    basis : ndarray of shape (n_features, n_samples)
        Of `row_space`.
    *arguments
        As `Network` takes them after the coordinates.
    """

    def __init__(self, coordinates, basis, *arguments):
        self.original, self.basis = coordinates, basis
        inside = Coordinates(np.zeros(basis.shape[1], dtype=basis.dtype), 1.0)
        if coordinates.offset is not None:
            inside.offset = coordinates.offset @ basis
        super().__init__(inside, *arguments)

    def _draw_hidden(self, rng):
        self._allocate_hidden()
        self.draws = np.empty((self.n_drawn, self.basis.shape[0]), dtype=self.dtype)
        for first, draws in drawn(rng, self.n_drawn, self.basis.shape[0]):
            part = self.draws[first : first + draws.shape[0]]
            part[...] = draws
            self.start[first : first + draws.shape[0], : self.n_features] = part @ self.basis

    def in_all_features(self, numbers):
        whole = aligned_zeros((self.n_neurons, padded_length(self.n_given_features, self.dtype)), self.dtype)
        whole[:, : self.n_given_features] = numbers[:, : self.n_features] @ self.basis.T
        return whole

    @property
    def n_given_features(self):
        """Number of features of the data."""
        return self.basis.shape[0]

    def export_hidden(self):
        coefs = np.empty((self.basis.shape[0], self.n_neurons), dtype=self.dtype)
        c = self.c_state[:, 0].astype(np.float64)
        mean = self.original.mean.astype(np.float64)
        scale = self.dtype.type(self.original.scale)
        for first in range(0, self.n_neurons, EXPORTED_NEURONS):
            last = min(first + EXPORTED_NEURONS, self.n_neurons)
            inside = (self.anchor[first:last] + self.displacement[first:last])[:, : self.n_features] / scale
            # transposed while it is small
            W = self.basis @ inside.T
            shared = self.draws[first >> self.pair_shift : (last + self.pair_shift) >> self.pair_shift].T / scale
            for twin in range(1 << self.pair_shift):
                mine = W[:, twin :: 1 << self.pair_shift]
                mine += shared[:, : mine.shape[1]]
            coefs[:, first:last] = W
            c[first:last] -= mean @ W
        return coefs, c
