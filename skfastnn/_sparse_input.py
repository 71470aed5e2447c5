"""Sparse matrices brought in shape, and samples that are repeated."""

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import gen_batches

# Rows handled at a time in double precision.
CHUNK_ROWS = 2048


def canonical(X):
    """Return X, or a copy of a sparse X in which each number other than zero is stored once, in order, and no zeros.

    A zero that is stored would be an entry like others: for Adam, that steps where there are entries, and for the sums
    of those that a thread takes. Nor is there room behind the last entry or between two, which SciPy allows.
    """
    if not issparse(X):
        return X
    dense = X.data.size == X.nnz and all(a.flags.c_contiguous for a in (X.data, X.indices, X.indptr))
    if dense and X.has_canonical_format and X.data.all():
        return X
    X = X.copy()
    X.sum_duplicates()
    X.eliminate_zeros()
    return X


def distinct(X, y):
    """Return the samples that differ from each other, in an order that does not depend on that of the rows.

    Samples are looked up by their inner products with a random vector, summed in the same order for each, and told
    apart by their numbers.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features)
        Each entry stored once; NaN counts as a number.
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)

    Returns
    -------
    first : ndarray of shape (n_distinct,), int64
        A sample of each kind.
    kind : ndarray of shape (n_samples,), int64
        Of each sample.
    """
    if y.shape[0] == 1:  # of a stream
        return np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64)
    _, codes = np.unique(y, return_inverse=True)
    codes = codes.reshape(y.shape[0], -1)
    _, first, kind = np.unique(_keys(X, codes), return_index=True, return_inverse=True)
    copies = np.flatnonzero(first[kind] != np.arange(kind.size))
    originals = first[kind[copies]]
    same = (codes[copies] == codes[originals]).all(axis=1)
    for part in gen_batches(copies.size, CHUNK_ROWS):
        same[part] &= _rows_are_equal(X[copies[part]], X[originals[part]])
    alone = copies[~same]
    kind[alone] = first.size + np.arange(alone.size)
    return np.concatenate([first, alone]), kind


def _keys(X, codes):
    """Return numbers that are equal for equal samples, and mostly for them alone."""
    rng = np.random.default_rng(0)
    along, across = rng.standard_normal(X.shape[1]), rng.standard_normal(codes.shape[1])
    missing = rng.standard_normal(X.shape[1])
    keys = (codes * across).sum(axis=1)
    with np.errstate(over="ignore", invalid="ignore"):
        # beside a large number that hardly varies, small ones would vanish in the sum
        low, high = _range(X)
        unit = np.where(high > low, high - low, 1.0)
        if issparse(X):
            return np.nan_to_num(keys + (X @ (along / unit) - low @ (along / unit)))
        for part in gen_batches(X.shape[0], CHUNK_ROWS):
            numbers = (X[part] - low) / unit * along
            keys[part] += np.where(np.isnan(numbers), missing, numbers).sum(axis=1)
    return np.nan_to_num(keys)


def _range(X):
    """Return the least and the largest number of each column, as far as it has any, float64."""
    if issparse(X):
        low, high = X.min(axis=0).toarray().ravel(), X.max(axis=0).toarray().ravel()
    else:
        low, high = np.fmin.reduce(X, axis=0), np.fmax.reduce(X, axis=0)
    return low.astype(np.float64), high.astype(np.float64)


def _rows_are_equal(A, B):
    """Return which rows of two matrices of the same shape are equal, NaN to NaN too."""
    if issparse(A):
        return np.asarray((A != B).sum(axis=1)).ravel() == 0
    return ((A == B) | (np.isnan(A) & np.isnan(B))).all(axis=1)
