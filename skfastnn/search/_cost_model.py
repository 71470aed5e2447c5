"""Which engine? A model of what each would cost, in nanoseconds of one core for a pair of row and neuron.

Every engine says what it costs (`SearchEngine.cost`), from what a look at some rows and neurons has found, and from
the table of `_costs.py`; the choice asks no more of it than to be right where engines differ by half.
"""

import numpy as np

from skfastnn.search._costs import FEW_FEATURES, PROBED
from skfastnn.search._engine import ENGINES
from skfastnn.search.halfspace._neuron_points import neuron_points

# Rows of a batch, and neurons of a tree over neurons, that are put in boxes for it.
MAX_POINTS = 20_000


def choose_engine(rows, network, batch_size, n_passes, drifted):
    """Return the name of the engine that is expected to be the fastest.

    Parameters
    ----------
    rows : skfastnn.networks._training_rows.TrainingRows
    network : skfastnn.networks._network.Network
        At its start, with dense rows.
    batch_size : int
    n_passes : int
        How often every row is expected to be seen.
    drifted : float
        Candidates that bounds on the movement of the weights let through, for each pair that fires at the start;
        infinity where weights move too far at a step for such bounds.
    """
    probe = Probe(rows, network, batch_size, n_passes, drifted)
    costs = {name: engine.cost(probe) for name, engine in ENGINES["dense"].items()}
    return min(costs, key=costs.get)


class Probe:
    """Some rows and some neurons, and what they say about the others.

    Attributes
    ----------
    network : skfastnn.networks._network.Network
    n_samples, batch_size, n_passes : int
        Rows of the data and of a batch; how often every row is expected to be seen.
    drifted : float
        As of `choose_engine`.
    rows : ndarray of shape (n, n_features)
        Up to a batch of them.
    padded : ndarray of shape (n, ld)
        The same, padded.
    neurons : ndarray of shape (m, n_features + 1)
        Weights and intercepts; the first are looked at.
    n_pairs : int
        Of a row of a batch and a neuron.
    pre_activations : ndarray of shape (n, m)
        Of the first rows and neurons.
    firing_rate : float
    """

    def __init__(self, rows, network, batch_size, n_passes, drifted):
        d = network.n_features
        self.network, self.n_samples = network, rows.n_samples
        self.batch_size, self.n_passes, self.drifted = batch_size, n_passes, drifted
        self.n_neurons, self.ld, self.n_features = network.n_neurons, network.ld, d
        self.n_pairs = batch_size * network.n_neurons
        rng = np.random.default_rng(0)
        n_rows = min(max(batch_size, PROBED), MAX_POINTS, rows.n_samples)
        index = np.sort(rng.permutation(rows.n_samples)[:n_rows]).astype(np.int32)
        self.padded = rows.take(index)
        self.rows = np.ascontiguousarray(self.padded[:, :d])
        n_neurons = min(network.n_neurons, MAX_POINTS if d <= FEW_FEATURES else PROBED)
        self.neurons = self._neurons(network, n_neurons)
        some = self.neurons[:PROBED]
        self.pre_activations = self.rows[:PROBED] @ some[:, :d].T + some[:, d]
        self.firing_rate = float(np.mean(self.pre_activations > 0))

    @staticmethod
    def _neurons(network, n):
        points = np.empty((n, network.n_features + 1), dtype=network.dtype)
        neuron_points(network.arrays, points, 1)
        return points
