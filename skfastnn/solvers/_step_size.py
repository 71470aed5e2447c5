"""Step sizes from the tangent kernel (sgd) and from the first step (adam)."""

import numpy as np
from scipy.linalg import eigh
from scipy.sparse import issparse
from scipy.stats import norm as normal

from skfastnn.passes.shared._blas import matmul_nt

# Rows of the probe: enough for the leading eigenvalue, little work.
MAX_PROBE = 300
# Share of the reciprocal of the largest curvature that is taken as a step: Nesterov's momentum of 0.9 is stable up to
# 1.36, and the log-loss grows steeper on its way.
SGD_SHARE = 0.5
# Momentum above one less this counts as that.
LEAST_DECAY = 0.01
CHUNK_NEURONS = 1024


def tangent_kernel(rows, network, n_threads=1):
    """Return the tangent kernel of the network at its start, averaged over outputs.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, ld) or CSR array of shape (n_rows, n_features)
        Normalised rows.
    network : skfastnn.networks._network.Network
    n_threads : int

    Returns
    -------
    kernel : ndarray of shape (n_rows, n_rows), float64
    """
    n = rows.shape[0]
    both_fire, activations = np.zeros((n, n)), np.zeros((n, n))
    part = np.empty((n, n), dtype=rows.dtype)
    for first in range(0, network.n_neurons, CHUNK_NEURONS):
        last = min(first + CHUNK_NEURONS, network.n_neurons)
        if issparse(rows):
            Z = rows @ network.weights(first, last).T
        else:
            Z = np.empty((n, last - first), dtype=rows.dtype)
            matmul_nt(rows, network.weights(first, last), Z, n_threads)
        Z += network.c_state[first:last, 0]
        fires = (Z > 0).astype(Z.dtype)
        size = np.mean(network.V[first:last, : network.n_outputs] ** 2, axis=1)
        matmul_nt(fires * size, fires, part, n_threads)
        both_fire += part
        H = np.maximum(Z, 0, out=Z)
        matmul_nt(H, H, part, n_threads)
        activations += part
    # 1 + <x, x'>: intercept and weights of a neuron; the rest: output layer
    products = rows @ rows.T
    products = products.toarray() if issparse(products) else products
    kernel = (1 + products.astype(np.float64)) * both_fire + activations
    return network.output_scale**2 * kernel + 1


def kernel_scale(kernel, sample_weight):
    """Return the largest eigenvalue of the tangent kernel of the mean loss, and the size of its diagonal.

    That is the mean square over the mean: a batch of few rows may hold just those that are far from the others, and a
    step that is stable for a mean row is none for them (1,500 x 4 normal numbers, counts: R2 .83 to .84, with the mean
    -1.7 to .8).

    Parameters
    ----------
    kernel : ndarray of shape (n_rows, n_rows)
        Of a sample of the rows.
    sample_weight : ndarray of shape (n_rows,)
    """
    share = sample_weight.astype(np.float64) / sample_weight.sum(dtype=np.float64)
    root, last = np.sqrt(share), kernel.shape[0] - 1
    largest = eigh(root[:, None] * kernel * root, eigvals_only=True, subset_by_index=[last, last])[0]
    diagonal = kernel.diagonal()
    return float(largest), float(share @ diagonal**2 / (share @ diagonal))


def sgd_step_size(largest, diagonal, curvature, batch_weight, alpha, momentum=0.0):
    """Return a stable step for gradient descent, whatever the data and the width.

    It is a share of the reciprocal of the largest curvature of the loss in the weights: the leading eigenvalue of the
    tangent kernel of the mean loss, plus what a single row adds in a batch, times the curvature of the loss in the
    output, plus that of the penalty.

    Parameters
    ----------
    largest, diagonal : float
        Of `kernel_scale`.
    curvature : float
        Second derivative of the loss by the output.
    batch_weight : float
        Sum of the sample weights of a batch.
    alpha, momentum : float
        With momentum a row is followed again and again, by ``1 / (1 - momentum)`` steps in all.

    Returns
    -------
    step : float
    """
    single = diagonal / (batch_weight * max(1 - momentum, LEAST_DECAY))
    return float(SGD_SHARE / ((largest + single) * curvature + alpha / batch_weight))


def adam_step_size(rows, sample_weight, network, first_change):
    """Return the step of Adam whose first step changes an output by about `first_change`.

    In its first step Adam moves each weight by the step size. All firing neurons then move their pre-activation on a
    row by the step times the sum of the row's absolute values, in the direction that helps the output.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, ld) or CSR array of shape (n_rows, n_features)
        Normalised rows.
    sample_weight : ndarray of shape (n_rows,)
    network : skfastnn.networks._network.Network
    first_change : float

    Returns
    -------
    step : float
    """
    length = np.average(np.abs(rows).sum(axis=1, dtype=np.float64), weights=sample_weight)
    n_firing = max(1.0, network.n_neurons * normal.sf(network.threshold))
    return float(first_change / (network.output_scale * n_firing * max(length, 1e-3)))
