"""The output of a fitted network: chunks of rows, memory bounded by scikit-learn's `working_memory`.

In a few dimensions each row asks a tree over the neurons which of them fire. The estimator keeps the order of the
neurons in that tree and nothing else of it: the boxes are put around the weights as they are when they are asked, which
takes as long as some hundred rows do, so that no answer depends on whether the weights were changed since.
"""

from itertools import pairwise

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import gen_batches
from sklearn.utils._chunking import get_chunk_n_rows

from skfastnn._threads import effective_n_threads, one_blas_thread
from skfastnn.passes.prediction._dense_output import dense_output
from skfastnn.passes.prediction._reported_output import reported_output
from skfastnn.passes.prediction._sparse_layer import sparse_layer
from skfastnn.passes.shared._boxes import LEAF_SIZE, BoxTree, spatial_order
from skfastnn.passes.shared._by_feature import entries_by_feature

# Rows from which prediction is shared out to threads by ourselves, instead of by the BLAS; and from which a tree pays,
# whose boxes cost as much as some hundred rows.
MANY_ROWS = 1_024
# Where trees are tried: above, hyperplanes cut nearly every box; below, all neurons are few.
MAX_FEATURES_FOR_TREE, MIN_NEURONS_FOR_TREE = 16, 512
# Share of the neurons that a row may look at: a look costs about two and a half times what it does in a matrix product.
MAX_SHARE_FOR_TREE = 0.3
# Share of activations other than zero up to which products with zeros are left out, and weights from which that pays
# for turning the activations.
MAX_SHARE_FOR_SPARSE, MIN_WEIGHTS_FOR_SPARSE = 0.15, 1 << 20
# Rows on which the share is measured.
PROBE_ROWS = 200


def raw_output(X, coefs, intercepts, centre=None, order=None):
    """Return the output before its activation; that of a row does not depend on the others but by rounding.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features)
    coefs, intercepts : list of ndarray
        As the estimators have them.
    centre : ndarray of shape (n_features,), default=None
        About the mean of the rows, with `order`.
    order : ndarray of shape (n_neurons,), int32, default=None
        What `neuron_order` returned; None does without a tree.

    Returns
    -------
    out : ndarray of shape (n_samples, n_outputs)
    """
    if len(coefs) != 2:
        return _deep_output(X, coefs, intercepts)
    (W, V), (c, v) = coefs, intercepts
    out = np.empty((X.shape[0], V.shape[1]), dtype=np.result_type(X.dtype, W.dtype))
    if X.shape[0] >= MANY_ROWS and not issparse(X):
        if order is not None and order.size == W.shape[1]:
            _tree_output(X, coefs, intercepts, centre, order, out)
            return out
        if X.dtype == W.dtype:
            W, V, c, v = (np.ascontiguousarray(a) for a in (W, V, c, v))
            with one_blas_thread():
                for part in _chunks(X):
                    rows = np.ascontiguousarray(X[part])
                    dense_output(rows, W, c, V, v, out[part], effective_n_threads())
            return out
    n_rows = get_chunk_n_rows(row_bytes=2 * W.shape[1] * W.itemsize, max_n_rows=X.shape[0])
    for part in gen_batches(X.shape[0], n_rows):
        H = X[part] @ W
        H += c
        out[part] = np.maximum(H, 0, out=H) @ V + v
    return out


def dtype_of(coefs, intercepts):
    """Return the type of weights that a user may have set: float32 if all are, else float64."""
    return np.float32 if all(np.asarray(a).dtype == np.float32 for a in (*coefs, *intercepts)) else np.float64


def checked_weights(coefs, intercepts, n_features, n_outputs):
    """Return weights that a user may have set, as lists of arrays of one type: float32 if all are, else float64.

    Parameters
    ----------
    coefs, intercepts : list of array-like
    n_features, n_outputs : int

    Raises
    ------
    ValueError
        If their shapes are not those of a network from `n_features` to `n_outputs`.
    """
    dtype = dtype_of(coefs, intercepts)
    arrays = [np.asarray(a).astype(dtype, copy=False) for a in (*coefs, *intercepts)]
    coefs, intercepts = arrays[: len(coefs)], arrays[len(coefs) :]
    sizes = [n_features, *(c.size for c in intercepts[:-1]), n_outputs]
    shapes = list(pairwise(sizes))
    if [W.shape for W in coefs] != shapes or [c.shape for c in intercepts] != [(size,) for size in sizes[1:]]:
        raise ValueError(
            f"coefs_ of shapes {[W.shape for W in coefs]} and intercepts_ of shapes {[c.shape for c in intercepts]} "
            f"are not a network from {n_features} features to {n_outputs} outputs: coefs_ should have shapes {shapes}."
        )
    return coefs, intercepts


def neuron_order(coefs, intercepts, centre, X):
    """Return the order in which the neurons stand in a tree for prediction, or None if a tree does not pay.

    Parameters
    ----------
    coefs, intercepts : list of two ndarray
    centre : ndarray of shape (n_features,)
    X : ndarray or CSR matrix of shape (n_samples, n_features)
        Rows like those to come.

    Returns
    -------
    order : ndarray of shape (n_neurons,), int32, or None
    """
    W = coefs[0]
    if issparse(X) or W.shape[0] > MAX_FEATURES_FOR_TREE or W.shape[1] < MIN_NEURONS_FOR_TREE:
        return None
    order = spatial_order(_as_points(W, intercepts[0], centre, W.dtype), W.shape[0] + 1)
    rows = X[:: -(-X.shape[0] // PROBE_ROWS)]
    n_looked_at = _tree_output(
        rows, coefs, intercepts, centre, order, np.empty((len(rows), coefs[1].shape[1]), dtype=W.dtype)
    )
    return order if n_looked_at <= MAX_SHARE_FOR_TREE * len(rows) * W.shape[1] else None


def _deep_output(X, coefs, intercepts):
    """Return the output of several hidden layers, or of none."""
    out = np.empty((X.shape[0], coefs[-1].shape[1]), dtype=np.result_type(X.dtype, coefs[0].dtype))
    widest = max(W.shape[1] for W in coefs)
    n_rows = get_chunk_n_rows(row_bytes=3 * widest * out.itemsize, max_n_rows=X.shape[0])
    for part in gen_batches(X.shape[0], n_rows):
        out[part] = last_hidden_layer(X[part], coefs, intercepts) @ coefs[-1] + intercepts[-1]
    return out


def last_hidden_layer(X, coefs, intercepts):
    """Return the activations of the last hidden layer for some rows; the rows themselves where there is none."""
    H = X
    for W, c in zip(coefs[:-1], intercepts[:-1], strict=True):
        H = _hidden_layer(H, W, c)
    return H


def _hidden_layer(H, W, c):
    """Return the activations of a layer for what comes from below: data, or activations of which few are not zero."""
    few = isinstance(H, np.ndarray) and H.dtype == W.dtype and W.size >= MIN_WEIGHTS_FOR_SPARSE
    if few and np.count_nonzero(H) <= MAX_SHARE_FOR_SPARSE * H.size:
        out = np.empty((H.shape[0], W.shape[1]), dtype=W.dtype)
        lists = entries_by_feature(np.ascontiguousarray(H))
        sparse_layer(lists, lists.data, np.ascontiguousarray(W), np.ascontiguousarray(c), out, effective_n_threads())
        return out
    H = H @ W
    H += c
    return np.maximum(H, 0, out=H)


def _chunks(X):
    return gen_batches(X.shape[0], get_chunk_n_rows(row_bytes=X.shape[1] * X.itemsize, max_n_rows=X.shape[0]))


@one_blas_thread()
def _as_points(W, c, centre, dtype):
    """Return the neurons as points, weights and intercept for centred rows, ndarray of shape (m, d + 1)."""
    points = np.empty((W.shape[1], W.shape[0] + 1), dtype=dtype)
    points[:, :-1] = W.T
    points[:, -1] = c + centre.astype(np.float64) @ W
    return points


def _tree_output(X, coefs, intercepts, centre, order, out):
    """Write the output; return how many pairs of row and neuron were looked at."""
    (W, V), (c, v) = coefs, intercepts
    n_threads, dtype = effective_n_threads(), out.dtype
    tree = BoxTree(W.shape[1], W.shape[0] + 1, dtype)
    tree.fill(_as_points(W, c, centre, dtype), order, n_threads)
    blocks = np.zeros((tree.n_leaves * LEAF_SIZE, V.shape[1]), dtype=dtype)
    blocks[: order.size] = V[order]
    blocks = np.ascontiguousarray(blocks.reshape(-1, LEAF_SIZE, V.shape[1]).transpose(0, 2, 1))
    centre, v = np.ascontiguousarray(centre, dtype=dtype), np.ascontiguousarray(v, dtype=dtype)
    n_looked_at = 0
    for part in _chunks(X):
        rows = np.ascontiguousarray(X[part], dtype=dtype)
        n_looked_at += reported_output(tree, rows, centre, blocks, v, out[part], n_threads)[1]
    return n_looked_at
