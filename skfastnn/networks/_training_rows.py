"""Rows of the training data as the networks take them, all and batch by batch."""

import numpy as np
from scipy.sparse import csr_array, issparse

from skfastnn.networks._network import aligned_zeros
from skfastnn.passes.shared._by_feature import rows_by_feature
from skfastnn.passes.shared._rows import gather_rows, gather_sparse_rows


def entries(X):
    """Return the arrays of a CSR matrix as the passes take them: indptr, indices, data."""
    return X.indptr.astype(np.int64, copy=False), X.indices.astype(np.int32, copy=False), X.data


def by_feature(X):
    """Return a CSR matrix as the passes over panels take it, `FeatureLists`."""
    return rows_by_feature(*entries(X), X.shape[1], np.arange(X.shape[0], dtype=np.int32), 1.0)


def training_rows(X, network, n_threads):
    """Return the rows of X as the network takes them, `TrainingRows` or `SparseTrainingRows`."""
    if network.by_panels:
        return SparseTrainingRows(X, network.coordinates)
    return TrainingRows(X, network.coordinates, network.ld, n_threads)


def runs_of(features, n_features):
    """Return ascending features, or all for None, as runs of neighbours: where each begins, and where it has ended."""
    if features is None:
        return np.array([[0, n_features]], dtype=np.int64)
    breaks = np.flatnonzero(np.diff(features) > 1)
    first, last = np.append(0, breaks + 1), np.append(breaks, features.size - 1)
    return np.column_stack([features[first], features[last] + 1]).astype(np.int64)


class TrainingRows:
    """The rows of the training data, in the coordinates of the network.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features)
        C-ordered, or without duplicates, as the user gave it; never copied as a whole.
    coordinates : skfastnn._coordinates.Coordinates
    ld : int
        Padded number of features.
    n_threads : int
    """

    def __init__(self, X, coordinates, ld, n_threads):
        self.X = X
        self.entries = entries(X) if issparse(X) else None
        self.coordinates = coordinates
        self.runs = runs_of(coordinates.features, X.shape[1])
        self.ld = ld
        self.n_threads = n_threads

    @property
    def n_samples(self):
        return self.X.shape[0]

    def buffers(self, n_rows):
        """Return arrays that `gather` can fill: rows (n_rows, ld) and norms (n_rows,)."""
        return aligned_zeros((n_rows, self.ld), self.X.dtype), np.zeros(n_rows, dtype=self.X.dtype)

    def gather(self, index, rows, norms):
        """Normalise the rows `index` into the buffers; return the parts that were filled."""
        rows, norms = rows[: len(index)], norms[: len(index)]
        mean, inverse_scale = self.coordinates.mean, 1.0 / self.coordinates.scale
        if self.entries is None:
            gather_rows(self.X, self.runs, index, mean, inverse_scale, rows, norms, self.n_threads)
        else:
            gather_sparse_rows(*self.entries, index, mean, inverse_scale, rows, norms, self.n_threads)
        return rows, norms

    def take(self, index):
        """Return the normalised rows `index` in an array of their own, (n_rows, ld)."""
        return self.gather(index, *self.buffers(len(index)))[0]


class SparseTrainingRows:
    """The rows of sparse training data, which are scaled and never centred; the methods are those of `TrainingRows`.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features)
    coordinates : skfastnn._coordinates.Coordinates
    """

    def __init__(self, X, coordinates):
        self.X = csr_array(X)
        self.entries = entries(self.X)
        self.inverse_scale = self.X.dtype.type(1.0 / coordinates.scale)

    @property
    def n_samples(self):
        return self.X.shape[0]

    def buffers(self, n_rows):
        """Return what `gather` asks for: nothing."""
        return None, None

    def gather(self, index, rows=None, norms=None):
        """Return the scaled rows `index` as `FeatureLists`, and None: nobody asks for their norms."""
        return rows_by_feature(*self.entries, self.X.shape[1], index, self.inverse_scale), None

    def take(self, index):
        """Return the scaled rows `index` as a CSR array."""
        return self.X[index] * self.inverse_scale


class Batch:
    """Normalised rows of one batch, and what the output is to be on them where the network is trained.

    Attributes
    ----------
    index : ndarray of shape (n_rows,), int32
        Samples of the batch.
    rows : ndarray of shape (n_rows, ld), or FeatureLists of shape (n_rows, n_features)
    norms : ndarray of shape (n_rows,), or None for sparse rows
    y : ndarray of shape (n_rows, n_outputs) or None
    weight : float
        Sum of the sample weights; with y.
    share : ndarray of shape (n_rows,)
        Of each sample in it; with y.
    """

    def __init__(self, index, rows, norms, y=None, sample_weight=None):
        self.index = index
        self.rows, self.norms = rows, norms
        self.y = y
        if y is not None:
            self.weight = sample_weight.sum()
            self.share = sample_weight / self.weight
