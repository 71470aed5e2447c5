"""Rows, target and weights of samples, which go together."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_array


@dataclass(frozen=True)
class Data:
    """Samples.

    Attributes
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features)
    y : ndarray of shape (n_samples, ...)
        Target as given: labels or numbers.
    target : ndarray of shape (n_samples, n_outputs)
        Target of the raw output, before it is standardised.
    weight : ndarray of shape (n_samples,)
        Positive.
    """

    X: np.ndarray | csr_array
    y: np.ndarray
    target: np.ndarray
    weight: np.ndarray

    def take(self, index):
        """Return some of the samples."""
        return Data(self.X[index], self.y[index], self.target[index], self.weight[index])

    def with_rows(self, X):
        """Return the same samples with other rows."""
        return replace(self, X=X)
