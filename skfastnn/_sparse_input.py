"""What scikit-learn's validation leaves open, for sparse matrices and for samples that are repeated."""

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import gen_batches

# Rows handled at a time in double precision.
CHUNK_ROWS = 2048


def check_indices(X):
    """Raise ValueError if indices of a compressed sparse X are out of range: compiled code would follow them."""
    if issparse(X) and X.format in ("csr", "csc"):
        # the check brings the index arrays of what it checks in shape, so let it have an object of its own
        type(X)((X.data, X.indices, X.indptr), shape=X.shape).check_format(full_check=True)


def canonical(X):
    """Return X, or a copy of a sparse X in which each number other than zero is stored once, in order, and no zeros.

    A zero that is stored would be an entry like others: for Adam, that steps where there are entries, and for the sums
    of those that a thread takes.
    """
    if not issparse(X) or (X.has_canonical_format and X.data.all()):
        return X
    X = X.copy()
    X.sum_duplicates()
    X.eliminate_zeros()
    return X


def n_distinct(X, y):
    """Return how many samples differ from each other.

    Samples are told apart by their inner products with a random vector, summed in the same order for each.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features)
        Each entry stored once.
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
    """
    _, codes = np.unique(y, return_inverse=True)
    codes = codes.reshape(y.shape[0], -1)
    rng = np.random.default_rng(0)
    along, across = rng.standard_normal(X.shape[1]), rng.standard_normal(codes.shape[1])
    keys = (codes * across).sum(axis=1)
    for part in gen_batches(X.shape[0], CHUNK_ROWS):
        keys[part] += X[part] @ along if issparse(X) else (X[part] * along).sum(axis=1)
    return np.unique(keys).size
