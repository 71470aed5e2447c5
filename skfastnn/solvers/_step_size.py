"""Step sizes from the tangent kernel."""

import numpy as np
from scipy.linalg import eigh

# Rows of the probe: enough for the leading eigenvalue, little work.
MAX_PROBE = 512
# Share of 1 / (largest eigenvalue x curvature) that momentum takes as a step.
SGD_SHARE = 1.0
# Change of a pre-activation by the first step of Adam, in standard deviations, times sqrt(m).
ADAM_SHARE = 1.0


def tangent_kernel(rows, network):
    """Return the tangent kernel of the network at its start, averaged over outputs.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, ld)
        Normalised rows.
    network : skfastnn._network.Network

    Returns
    -------
    kernel : ndarray of shape (n_rows, n_rows), float64
    firing_rate : float
        Fraction of pairs that fire.
    """
    n = rows.shape[0]
    both_fire, activations = np.zeros((n, n)), np.zeros((n, n))
    fired = 0
    for first in range(0, network.n_neurons, 1024):
        last = min(first + 1024, network.n_neurons)
        Z = rows @ network.weights(first, last).T + network.c_state[first:last, 0]
        fires = (Z > 0).astype(Z.dtype)
        fired += int(fires.sum())
        size = np.mean(network.V[first:last, : network.n_outputs] ** 2, axis=1)
        H = np.maximum(Z, 0)
        both_fire += (fires * size) @ fires.T
        activations += H @ H.T
    # 1 + <x, x'>: intercept and weights of a neuron; the rest: output layer
    kernel = (1 + (rows @ rows.T).astype(np.float64)) * both_fire + activations
    return network.output_scale**2 * kernel + 1, fired / (n * network.n_neurons)


def automatic_step_size(solver, kernel, sample_weight, curvature, rows, network):
    """Return a step size that suits the data and the width.

    For "sgd" it is a share of ``1 / (curvature * lambda)``, lambda the largest eigenvalue of the tangent kernel of the
    mean loss. For "adam", whose steps have a fixed length in each coordinate, it makes the first change of a
    pre-activation fall with the width as ``1 / sqrt(m)``.
    """
    if solver == "sgd":
        root = np.sqrt(sample_weight / sample_weight.sum())
        last = rows.shape[0] - 1
        largest = eigh(root[:, None] * kernel * root, eigvals_only=True, subset_by_index=[last, last])[0]
        return float(SGD_SHARE / (largest * curvature))
    length = np.average(np.abs(rows).sum(axis=1, dtype=np.float64), weights=sample_weight)
    return float(ADAM_SHARE / (np.sqrt(network.n_neurons) * max(length, 1e-3)))
