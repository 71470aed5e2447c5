"""Several hidden layers: networks of one layer on top of each other.

The first layer takes rows of data, in whatever layout suits them. The others take activations, of which few are not
zero, so they are laid out as for sparse rows (`PanelNetwork`). Activations are scaled by their root-mean-square
distance from their mean over the data, both as they are at the start, and the mean is taken off in the intercepts.
Intercepts start with a spread, so that some neurons fire on whatever comes: without it rows whose activations are small
fire less and less from layer to layer, and fall silent. Pre-activations have unit variance around minus the threshold,
spread included, and all of it folds into `coefs_` and `intercepts_`.
"""

import numpy as np
from scipy.sparse import csr_array

from skfastnn._coordinates import Coordinates
from skfastnn.networks._network import CHUNK_NEURONS
from skfastnn.networks._panel_network import PanelNetwork

# Rows from which the mean and the scale of activations are taken.
CALIBRATION_ROWS = 1_000
# Standard deviation of the intercepts at the start, above the first layer.
SPREAD = 0.8


class DeepNetwork:
    """Networks of one hidden layer on top of each other; only the last has outputs.

    Parameters
    ----------
    first : type
        `Network` or `PanelNetwork`, the layout of the first layer.
    coordinates : Coordinates
        Of the data.
    widths, thresholds : list of length n_layers
    n_outputs : int
    antisymmetric, seed, dtype, output_size
        As in `Network`; pairs of neurons are those of the last layer.

    Attributes
    ----------
    layers : list of Network
        Those that are there: `add_layer` adds the others.
    """

    def __init__(self, first, coordinates, widths, n_outputs, thresholds, antisymmetric, seed, dtype, output_size=1.0):
        self.widths, self.thresholds, self.n_outputs = widths, thresholds, n_outputs
        self.arguments = antisymmetric, seed, dtype, output_size
        self.layers = []
        self._append(first, coordinates)

    def _append(self, layout, coordinates):
        antisymmetric, seed, dtype, output_size = self.arguments
        level = len(self.layers)
        last = level == len(self.widths) - 1
        network = layout(
            coordinates, self.widths[level], self.n_outputs if last else 0, self.thresholds[level],
            antisymmetric and last, [seed, level], dtype, output_size,
        )  # fmt: skip
        if level > 0:
            network.spread_intercepts(SPREAD, [seed, level, 1])
        self.layers.append(network)

    def add_layer(self, mean, scale):
        """Put a layer on top, whose input has this mean, ndarray of shape (n_neurons,), and this scale."""
        dtype = self.layers[0].dtype
        scale = scale / np.sqrt(1 - SPREAD**2)
        coordinates = Coordinates(np.zeros(mean.size, dtype=dtype), scale, (mean / scale).astype(dtype))
        self._append(PanelNetwork, coordinates)

    def calibrate(self, rows, sample_weight):
        """Put the layers on top, with the means and scales of activations on some rows.

        Parameters
        ----------
        rows : ndarray of shape (n_rows, ld) or CSR array of shape (n_rows, n_features)
            Normalised rows of data.
        sample_weight : ndarray of shape (n_rows,)

        Returns
        -------
        statistics : list of (mean, scale)
        """
        share = sample_weight / sample_weight.sum(dtype=np.float64)
        statistics = []
        while len(self.layers) < len(self.widths):
            H = activations(self.layers[-1], rows)
            mean = share @ H.astype(np.float64)
            scale = np.sqrt(share @ ((H - mean) ** 2).sum(axis=1))
            scale = float(scale) if scale > 1e-7 * np.linalg.norm(mean) else float(np.linalg.norm(mean) or 1.0)
            statistics.append((mean, scale))
            self.add_layer(mean, scale)
            rows = csr_array((H / self.last.coordinates.scale).astype(H.dtype, copy=False))
        return statistics

    @property
    def last(self):
        """The layer that has the outputs."""
        return self.layers[-1]

    @property
    def dtype(self):
        """Type of all parameters."""
        return self.layers[0].dtype

    @property
    def by_panels(self):
        """Whether the first layer is laid out for sparse rows."""
        return self.layers[0].by_panels

    @property
    def v(self):
        """Intercepts of the outputs."""
        return self.last.v

    @property
    def target_shift(self):
        """What is added to the outputs, after `target_scale`."""
        return self.last.target_shift

    @property
    def target_scale(self):
        """What the outputs are multiplied by."""
        return self.last.target_scale

    def standardise(self, shift, scale):
        """Set the shift and the scale of the target."""
        self.last.standardise(shift, scale)

    def raw_output(self, rows):
        """Return the output for normalised rows, ndarray of shape (n_rows, n_outputs)."""
        for layer, above in zip(self.layers, self.layers[1:], strict=False):
            H = activations(layer, rows)
            rows = csr_array((H / above.coordinates.scale).astype(H.dtype, copy=False))
        return self.last.raw_output(rows)

    def settle(self):
        """Give back memory that training alone needs; nothing but `export` may follow."""
        for layer in self.layers:
            layer.settle()

    def export(self):
        """Return `coefs_` and `intercepts_` in the original coordinates, laid out as MLPClassifier's."""
        hidden = [layer.export_hidden() for layer in self.layers]
        V, v = self.last.export_output()
        return [W for W, _ in hidden] + [V], [c.astype(self.dtype) for _, c in hidden] + [v]

    def load(self, coefs, intercepts):
        """Take parameters in the original coordinates; the start, and with it the penalty, stay as drawn."""
        for layer, W, c in zip(self.layers, coefs, intercepts, strict=False):
            layer.load_hidden(W, c)
        self.last.load_output(coefs[-1], intercepts[-1])


def activations(layer, rows):
    """Return the activations of a layer for normalised rows, ndarray of shape (n_rows, n_neurons)."""
    H = np.empty((rows.shape[0], layer.n_neurons), dtype=layer.dtype)
    for first in range(0, layer.n_neurons, CHUNK_NEURONS):
        last = min(first + CHUNK_NEURONS, layer.n_neurons)
        H[:, first:last] = rows @ layer.weights(first, last).T + layer.c_state[first:last, 0]
    return np.maximum(H, 0, out=H)
