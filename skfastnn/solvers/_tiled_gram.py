"""The shared Gram matrix by dense products of tiles, for layers where so many neurons fire that lists are slower."""

import numpy as np
from scipy.sparse import csr_matrix

# Neurons and rows of a tile.
TILE_NEURONS, TILE_ROWS = 512, 1024
# From this mean square of the firing rates of the neurons on, tiles are faster than lists (float64, float32): where
# every third neuron fires, or every fourth.
MIN_SQUARE_RATE = {8: 0.10, 4: 0.05}


def tiles_pay(counts, n_rows, dtype):
    """Return whether tiles are faster than lists.

    Parameters
    ----------
    counts : ndarray of shape (n_neurons,)
        On how many of `n_rows` rows each neuron fires.
    """
    rates = counts / n_rows
    return float(np.mean(rates**2)) > MIN_SQUARE_RATE[np.dtype(dtype).itemsize]


def tiled_gram(pairs, X, weight, square_scale, with_output, K):
    """Compute what `skfastnn.passes._gram.gram` computes; the activations of 512 neurons at a time are dense.

    X may be empty: K then holds the inner products of the rows.
    BLAS uses the threads it is given by the caller.
    """
    n_rows = K.shape[0]
    indptr, rows, values = pairs.to_csr()
    fires, activations = np.zeros_like(K), np.zeros_like(K)
    for first in range(0, pairs.n_neurons, TILE_NEURONS):
        last = min(first + TILE_NEURONS, pairs.n_neurons)
        part = slice(indptr[first], indptr[last])
        tile = csr_matrix((values[part], rows[part], indptr[first : last + 1] - indptr[first]), (last - first, n_rows))
        H = tile.toarray().T
        F = (H > 0).astype(K.dtype)
        for top in range(0, n_rows, TILE_ROWS):
            bottom = min(top + TILE_ROWS, n_rows)
            fires[top:bottom, :bottom] += (F[top:bottom] * weight[first:last]) @ F[:bottom].T
            if with_output:
                activations[top:bottom, :bottom] += H[top:bottom] @ H[:bottom].T
    for top in range(0, n_rows, TILE_ROWS):
        bottom = min(top + TILE_ROWS, n_rows)
        products = X[top:bottom] @ X[:bottom].T if X.size else K[top:bottom, :bottom]
        fires[top:bottom, :bottom] *= 1 + products
    np.add(fires, activations, out=K)
    K *= square_scale
    if with_output:
        K += 1
