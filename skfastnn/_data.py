"""Rows, target and weights of samples, which go together."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_array, issparse

from skfastnn._sparse_input import distinct

# Copies of the rarest sample, at most, from which the common unit of weights is looked for; and how far from a whole
# number of units a weight may be, in units and relative to itself, which is rounding.
MOST_COPIES_OF_RAREST, ROUNDING_OF_COPIES, RELATIVE_ROUNDING = 8, 0.02, 1e-5


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

    def has_missing(self):
        """Return whether any number of X is NaN."""
        return bool(np.isnan(self.X.data if issparse(self.X) else self.X).any())

    def with_rows(self, X):
        """Return the same samples with other rows."""
        return replace(self, X=X)

    def merged(self):
        """Return the samples that differ, each with the weight of its copies, in an order of their own; and who is who.

        Then what is left out, held out or put in a fold is a kind of sample, and a weight of k is the same as k copies.
        """
        first, kind = distinct(self.X, self.y)
        weight = np.bincount(kind, weights=self.weight, minlength=first.size)
        return replace(self.take(first), weight=weight.astype(self.weight.dtype)), kind


def copies_of(weight):
    """Return how many copies of a sample each weight stands for: multiples of a unit that all have, else one each.

    To leave out one of k copies is not to leave out all k: where features take few values, all copies of a sample are
    a class of its cell, and without it the other class would seem certain.

    Parameters
    ----------
    weight : ndarray of shape (n_samples,)
        Positive.

    Returns
    -------
    copies : ndarray of shape (n_samples,), float64
    """
    relative = weight / weight.min().astype(np.float64)
    for rarest in range(1, MOST_COPIES_OF_RAREST + 1):
        copies = np.round(rarest * relative)
        if (abs(rarest * relative - copies) <= np.minimum(ROUNDING_OF_COPIES, RELATIVE_ROUNDING * copies)).all():
            return copies
    return np.ones(weight.size)
