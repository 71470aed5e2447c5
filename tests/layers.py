"""Layers in mid-training, at random, for tests of the passes: what a step takes, and dense NumPy beside it."""

import numpy as np
from scipy import sparse

from helpers import fill_with_positive
from skfastnn.networks._network import aligned_zeros, padded_length
from skfastnn.networks._panel_network import PANEL
from skfastnn.networks._training_rows import by_feature
from skfastnn.passes.dense._catch_up import MomentumState
from skfastnn.passes.dense._forward import forward
from skfastnn.passes.dense._updates import AdamState, adam_step, momentum_step
from skfastnn.passes.dense._weights import DenseWeights
from skfastnn.passes.panels._panel_layer import panel_forward
from skfastnn.passes.panels._panel_weights import PanelWeights
from skfastnn.passes.shared._pairs import PairLists

# three blocks of neurons, the last one nearly empty; rows that leave a remainder modulo 4
N_NEURONS, N_ROWS = 130, 37
RULE = {"rate": 0.3, "momentum": 0.9, "nesterov": False, "penalty": 0.2}
ADAM_RULE = {"rate": 0.01, "momentum": 0.9, "beta_2": 0.99, "epsilon": 1e-6, "penalty": 0.2}


def textbook_step(u, velocity, gradient, rule):
    """Momentum as in Sutskever et al.; returns the new parameters and velocity."""
    step = rule["rate"] * gradient
    velocity = rule["momentum"] * velocity - step
    return u + (rule["momentum"] * velocity - step if rule["nesterov"] else velocity), velocity


def silent_steps(u, velocity, n_steps, rule):
    """Carry out n_steps[r] steps for row r in which the penalty is the only gradient."""
    u, velocity = np.asarray(u, dtype=np.float64), np.asarray(velocity, dtype=np.float64)
    for k in range(n_steps.max(initial=0)):
        late = (n_steps > k)[:, None]
        new_u, new_velocity = textbook_step(u, velocity, rule["penalty"] * u, rule)
        u, velocity = np.where(late, new_u, u), np.where(late, new_velocity, velocity)
    return u, velocity


def pending_matrices(n, rule):
    """Matrices of 0 ... n - 1 silent steps, from what those steps do to the two unit states."""
    k = np.arange(n)
    ones, zeros = np.ones((n, 1)), np.zeros((n, 1))
    (u1, v1), (u2, v2) = silent_steps(ones, zeros, k, rule), silent_steps(zeros, ones, k, rule)
    return np.hstack([u1, u2, v1, v2])


def lists_of(Z):
    pairs = PairLists(Z.shape[0], Z.dtype)
    fill_with_positive(pairs, Z)
    return pairs


class Layer:
    """All arrays of a layer in mid-training and a batch, at random; padding is zero, as everywhere."""

    def __init__(self, n_features, n_outputs, dtype, pair_shift=0, longest_delay=0, momentum=True, trained_output=True):
        self.rng = np.random.default_rng(n_features + 1000 * n_outputs)
        self.dtype, self.n_features, self.n_outputs, self.pair_shift = dtype, n_features, n_outputs, pair_shift
        ld, ld_out, m = padded_length(max(n_features, 2), dtype), padded_length(n_outputs, dtype), N_NEURONS
        self.X = self._draw(N_ROWS, n_features, ld, n_features**-0.5)
        self.error = self._draw(N_ROWS, n_outputs, ld_out)
        self.start = self._draw(m >> pair_shift, n_features, ld)
        self.displacement, self.anchor = self._draw(m, n_features, ld, 0.3), self._draw(m, n_features, ld, 0.3)
        self.anchored = self.rng.integers(0, 2, m).astype(np.uint8)
        self.anchor[self.anchored == 0] = 0
        self.velocity = self._draw(m, n_features, ld, 0.1) if momentum else np.zeros((0, 0), dtype)
        self.V, self.start_V = self._draw(m, n_outputs, ld_out), self._draw(m, n_outputs, ld_out)
        self.velocity_V = self._draw(m if trained_output else 0, n_outputs, ld_out)
        self.c_state = self.rng.standard_normal((m, 3)).astype(dtype)
        self.mean, self.mean_V = self._draw(m, n_features, ld), self.velocity_V.copy()
        self.square, self.square_V = self._draw(m, n_features, ld) ** 2, self.velocity_V**2
        self.c_state[:, 2] **= 2
        self.norms = np.zeros((m, 3))
        self.norms[:, 2] = self.rng.random(m)
        self.delay = self.rng.integers(0, longest_delay + 1, m)
        self.step = 100
        self.touched = self.step - self.delay
        self.activations = np.maximum(self.rng.standard_normal((m, N_ROWS)), 0).astype(dtype)
        self.activations[::3] = 0  # neurons that do not fire
        few = np.arange(1, m, 3)  # and such that fire on one to nine rows
        order = np.cumsum(self.activations[few] > 0, axis=1)
        self.activations[few] *= order <= (np.arange(few.size) % 9 + 1)[:, None]

    def _draw(self, n, width, ld, size=1.0):
        out = aligned_zeros((n, ld), self.dtype)
        out[:, :width] = size * self.rng.standard_normal((n, width))
        return out

    @property
    def state(self):
        """Copies of the arrays that an update may change, in float64."""
        names = "displacement velocity mean square c_state V velocity_V mean_V square_V norms".split()
        return {name: getattr(self, name).astype(np.float64) for name in names}

    def forward(self, mask, pending, n_threads):
        fired = lists_of(np.ones((N_NEURONS, 5), self.dtype))  # of an earlier batch
        output = np.full((fired.n_blocks, N_ROWS, self.V.shape[1]), 7, dtype=self.dtype)
        forward(
            lists_of(mask.astype(self.dtype)), fired, self.weights, self.X, output, n_threads,
            None if pending is None else self.momentum(pending),
        )  # fmt: skip
        return fired, output[0]

    @property
    def weights(self):
        return DenseWeights(
            self.start, self.displacement, self.anchor, self.anchored, self.pair_shift, self.c_state, self.V,
            self.start_V,
        )  # fmt: skip

    def momentum(self, pending):
        return MomentumState(self.velocity, self.norms, self.touched, self.step, pending)

    @property
    def moments(self):
        return AdamState(self.mean, self.square, self.mean_V, self.square_V, self.norms)

    def sgd_step(self, rule, n_threads):
        matrices = pending_matrices(int(self.delay.max()) + 2, rule)
        momentum_step(
            lists_of(self.activations), self.X, self.error, self.weights, self.velocity_V, self.momentum(matrices),
            matrices, rule,
        ).take_all(n_threads)  # fmt: skip

    def adam_step(self, rule, n_threads):
        lists = lists_of(self.activations)
        adam_step(lists, self.X, self.error, self.weights, self.moments, rule).take_all(n_threads)

    def gradients(self):
        """Dense gradients of weights, intercepts and output weights, without the penalty."""
        H, X, error = (a.astype(np.float64) for a in (self.activations, self.X, self.error))
        signal = (self.V.astype(np.float64) @ error.T) * (H > 0)
        return signal @ X, signal.sum(axis=1), H @ error


class PanelLayer:
    """Random panels, rows and errors."""

    def __init__(self, dtype, n_neurons=150, n_features=40, n_rows=23, n_start=32, seed=0):
        rng = np.random.default_rng(seed)
        n_panels = -(-n_neurons // PANEL)
        self.X = sparse.random(n_rows, n_features, 0.1, "csr", dtype=dtype, random_state=rng)
        self.X = sparse.csr_array(self.X)
        self.lists = by_feature(self.X)
        self.start = rng.standard_normal((n_panels, n_features, n_start)).astype(dtype)
        self.first, self.second, self.mean = rng.standard_normal((3, n_panels, n_features, PANEL)).astype(dtype)
        self.square = self.mean**2
        self.order = rng.permutation(PANEL).astype(np.int32)
        self.c_state = rng.standard_normal((n_neurons, 3)).astype(dtype)
        self.c_state[:, 2] **= 2
        self.V, self.start_V, self.first_V = rng.standard_normal((3, n_neurons, 16)).astype(dtype)
        self.second_V = self.first_V**2
        self.error = rng.standard_normal((n_rows, 16)).astype(dtype)
        self.nothing = np.zeros((0, 0, 0), dtype)
        self.n_neurons, self.dtype = n_neurons, dtype
        self.tolerance = 2e-5 if dtype == np.float32 else 1e-12

    def by_neuron(self, panels):
        """(n_neurons, n_features) of (n_panels, n_features, columns)."""
        if panels.shape[2] < PANEL:
            panels = np.concatenate([panels, panels], axis=2)
        out = np.empty((panels.shape[0], PANEL, panels.shape[1]))
        out[:, self.order] = panels.transpose(0, 2, 1)
        return out.reshape(-1, panels.shape[1])[: self.n_neurons]

    def fired(self, n_threads=1):
        pairs = PairLists(self.n_neurons, self.dtype)
        panel_forward(pairs, self.weights(self.start, self.second, (0.5, -2.0)), self.lists, n_threads)
        return pairs

    def weights(self, base, second, factors):
        return PanelWeights(base, self.first, second, factors, self.order, self.c_state, self.V, self.start_V)

    def pre_activations(self):
        W = self.by_neuron(self.start) + 0.5 * self.by_neuron(self.first) - 2.0 * self.by_neuron(self.second)
        return W @ self.X.T.astype(np.float64) + self.c_state[:, :1]

    def gradients(self):
        """Of weights, intercepts and output weights."""
        Z = self.pre_activations()
        signals = (self.V.astype(np.float64) @ self.error.T) * (Z > 0)
        return signals @ self.X.astype(np.float64), signals.sum(axis=1), np.maximum(Z, 0) @ self.error
