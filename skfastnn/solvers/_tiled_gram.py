"""The shared Gram matrix by dense products of tiles, for layers where so many neurons fire that lists are slower."""

import numpy as np
from scipy.sparse import csc_matrix

from skfastnn.passes.shared._lower import add_lower_products

# Neurons of a tile.
TILE_NEURONS = 512
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


def tiled_gram(pairs, X, weight, square_scale, with_output, K, n_threads):
    """Compute what `skfastnn.passes.shared._gram.gram` computes; the activations of 512 neurons at a time are dense.

    X may be empty: K then holds the inner products of the rows. Call it while BLAS is limited to one thread.
    """
    n_rows = K.shape[0]
    indptr, rows, values = pairs.to_csr()
    fires, activations = np.zeros_like(K), np.zeros_like(K)
    for first in range(0, pairs.n_neurons, TILE_NEURONS):
        last = min(first + TILE_NEURONS, pairs.n_neurons)
        part = slice(indptr[first], indptr[last])
        # neurons are columns: rows of the tile come out one after the other
        tile = csc_matrix((values[part], rows[part], indptr[first : last + 1] - indptr[first]), (n_rows, last - first))
        H = tile.toarray(order="C")
        F = (H > 0).astype(K.dtype)
        add_lower_products(F * weight[first:last], F, fires, n_threads)
        if with_output:
            add_lower_products(H, H, activations, n_threads)
    if X.size:
        K[...] = 0
        add_lower_products(X, X, K, n_threads)
    K += 1
    K *= fires
    K += activations
    K *= square_scale
    if with_output:
        K += 1
