"""The output of a fitted network: chunks of rows, memory bounded by scikit-learn's `working_memory`."""

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import gen_batches
from sklearn.utils._chunking import get_chunk_n_rows

from skfastnn._threads import blas_threads, effective_n_threads
from skfastnn.passes._dense_output import dense_output

# Rows from which prediction is shared out to threads by ourselves, instead of by the BLAS.
MANY_ROWS = 1_024


def raw_output(X, coefs, intercepts):
    """Return the output before its activation; that of a row does not depend on the others but by rounding.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features)
    coefs, intercepts : list of two ndarray
        As the estimators have them.

    Returns
    -------
    out : ndarray of shape (n_samples, n_outputs)
    """
    (W, V), (c, v) = coefs, intercepts
    out = np.empty((X.shape[0], V.shape[1]), dtype=np.result_type(X.dtype, W.dtype))
    if X.shape[0] >= MANY_ROWS and not issparse(X) and X.dtype == W.dtype:
        n_rows = get_chunk_n_rows(row_bytes=X.shape[1] * X.itemsize, max_n_rows=X.shape[0])
        with blas_threads(1):
            for part in gen_batches(X.shape[0], n_rows):
                rows = np.ascontiguousarray(X[part])
                dense_output(rows, W, c, V, v, out[part], effective_n_threads())
        return out
    n_rows = get_chunk_n_rows(row_bytes=2 * W.shape[1] * W.itemsize, max_n_rows=X.shape[0])
    for part in gen_batches(X.shape[0], n_rows):
        H = X[part] @ W
        H += c
        out[part] = np.maximum(H, 0, out=H) @ V + v
    return out
