"""A network whose hidden layer is laid out for sparse rows: 64 neurons, a panel, lie side by side for each feature."""

import numpy as np

from skfastnn.networks._network import Network, aligned_zeros, drawn
from skfastnn.passes.panels._panel_weights import PanelWeights

PANEL = 64


class PanelNetwork(Network):
    """Network for rows of few stored entries; parameters as in `Network`, and the draws are the same.

    The weights are ``base + a * first + b * second`` with `factors` (a, b), which the solver may keep. Twins of
    antisymmetric pairs lie 32 columns apart: column k of a panel is its neuron ``order[k]``.

    Attributes
    ----------
    start : ndarray of shape (n_panels, n_features, 32 or 64)
        The draws; 32 where twins share them.
    base : ndarray of the shape of start, or empty
        What `first` is measured from: the start, or zero.
    first : ndarray of shape (n_panels, n_features, 64)
    second : ndarray of shape (n_panels, n_features, 64), or empty
    """

    by_panels = True

    def _draw_hidden(self, rng):
        n_panels, width = -(-self.n_neurons // PANEL), PANEL >> self.pair_shift
        columns = np.arange(PANEL)
        self.order = ((columns % width << self.pair_shift) + columns // width).astype(np.int32)
        self.columns = np.argsort(self.order)
        self.start = aligned_zeros((n_panels, self.n_features, width), self.dtype)
        for first, draws in drawn(rng, self.n_drawn, self.n_features, width):
            self.start[first // width, :, : draws.shape[0]] = draws.T
        self.base = self.start
        self.first = aligned_zeros((n_panels, self.n_features, PANEL), self.dtype)
        self.second = np.zeros((0, 0, 0), dtype=self.dtype)
        self.factors = 1.0, 0.0

    def _start_means(self):
        return (self.coordinates.offset @ self.start).ravel()[: self.n_drawn]

    @property
    def arrays(self):
        """What the compiled passes take: the weights, `PanelWeights` with the factors as they are now."""
        return PanelWeights(
            self.base, self.first, self.second, self.factors, self.order, self.c_state, self.V, self.start_V
        )

    @property
    def hidden_shape(self):
        return self.first.shape

    @property
    def ld(self):
        """Number of features; nothing is padded."""
        return self.n_features

    def fold_start(self, keep):
        """Measure `first` from zero; with `keep` the start stays known."""
        nothing = np.zeros((0, 0, 0), dtype=self.dtype)
        folded = aligned_zeros(self.first.shape, self.dtype)
        for p in range(self.first.shape[0]):
            np.add(self.first[p], self._twice(self.base[p]), out=folded[p])
        # in one call: an interruption finds the start in `base`, or in `first`, and never in both
        vars(self).update(first=folded, base=nothing, start=self.start if keep else nothing)

    def _twice(self, shared):
        return np.hstack([shared, shared]) if shared.shape[1] < PANEL else shared

    def panel(self, p):
        """Return the weights of a panel, ndarray of shape (n_features, 64), in the order of its columns."""
        a, b = map(float, self.factors)
        W = a * self.first[p]
        if self.second.size:
            W += b * self.second[p]
        if self.base.size:
            W += self._twice(self.base[p])
        return W

    def weights(self, first, last):
        panels = range(first // PANEL, -(-last // PANEL))
        W = np.concatenate([self.panel(p).T[self.columns] for p in panels])
        return W[first - panels[0] * PANEL :][: last - first]

    def _panels(self):
        """Yield the number of each panel, its neurons as a slice, and their columns in it."""
        for p in range(self.first.shape[0]):
            neurons = slice(p * PANEL, min((p + 1) * PANEL, self.n_neurons))
            yield p, neurons, self.columns[: neurons.stop - neurons.start]

    def _begin_hidden_here(self):
        for p in range(self.first.shape[0]):
            self.first[p] = self.panel(p)
        self.start = self.base = self.first
        self.first = aligned_zeros(self.base.shape, self.dtype)
        self.second = np.zeros((0, 0, 0), dtype=self.dtype)
        self.factors = 1.0, 0.0

    def raw_output(self, rows):
        """Return the output for sparse normalised rows, ndarray of shape (n_rows, n_outputs)."""
        out = np.zeros((rows.shape[0], self.ld_out), dtype=self.dtype)
        for p, neurons, columns in self._panels():
            H = (rows @ self.panel(p))[:, columns]
            H += self.c_state[neurons, 0]
            out += np.maximum(H, 0, out=H) @ self.V[neurons]
        return self.output_scale * out[:, : self.n_outputs] + self.v

    def settle(self):
        for p in range(self.first.shape[0]):
            self.first[p] = self.panel(p)
        self.start = self.base = self.second = np.zeros((0, 0, 0), dtype=self.dtype)
        self.factors = 1.0, 0.0

    def export_hidden(self):
        coefs = np.empty((self.n_features, self.n_neurons), dtype=self.dtype)
        for p, neurons, columns in self._panels():
            np.divide(self.panel(p)[:, columns], self.coordinates.scale, out=coefs[:, neurons])
        return coefs, self.c_state[:, 0].astype(np.float64)

    def load_hidden(self, coefs, intercepts):
        for p, neurons, columns in self._panels():
            W = np.zeros((self.n_features, PANEL))
            W[:, columns] = coefs[:, neurons]
            self.first[p] = W * self.coordinates.scale - (self._twice(self.base[p]) if self.base.size else 0)
        self.c_state[:, 0] = intercepts
