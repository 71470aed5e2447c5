"""Forward and backward through several hidden layers, for the rows of a batch.

What fires in a layer, listed neuron by neuron, is the sparse input of the next by feature; and what the loss wants of
that input is, pair by pair, the signal of what fired. So lists go up as they are, and derivatives come down in their
order.
"""

import numpy as np

from skfastnn.passes.dense._forward import output_of_fired
from skfastnn.passes.panels._panel_backward import panel_backward
from skfastnn.passes.panels._panel_layer import panel_forward
from skfastnn.passes.shared._by_feature import FeatureLists
from skfastnn.passes.shared._pairs import PairLists


class LayerPasses:
    """The layers above the first, and the way between neighbours.

    Parameters
    ----------
    network : skfastnn.networks._deep_network.DeepNetwork
    n_threads : int

    Attributes
    ----------
    lists : list of PairLists
        What fired in each layer on the rows of the last forward pass.
    inputs : list
        Rows that each layer took: those of the batch, then `FeatureLists`.
    """

    def __init__(self, network, n_threads):
        self.network, self.n_threads = network, n_threads
        self.above = [PairLists(layer.n_neurons, layer.dtype) for layer in network.layers[1:]]

    def forward(self, fired, rows):
        """Go up from what fired in the first layer; return the unscaled output, ndarray of shape (n_rows, ld_out)."""
        n_rows = rows.shape[0]
        self.lists, self.inputs = [fired], [rows]
        for lists, layer in zip(self.above, self.network.layers[1:], strict=True):
            rows = as_rows(self.lists[-1], n_rows, layer.coordinates.scale)
            self.inputs.append(rows)
            panel_forward(lists, layer.arrays, rows, self.n_threads)
            self.lists.append(lists)
        last = self.network.last
        buffers = np.empty((self.lists[-1].n_blocks, n_rows, last.ld_out), dtype=last.dtype)
        output_of_fired(self.lists[-1], n_rows, last.V, buffers, self.n_threads)
        return buffers[0]

    def backward(self, error):
        """Come down from the error of the output; return the error of each layer.

        Parameters
        ----------
        error : ndarray of shape (n_rows, ld_out)
            Derivative of the loss by the unscaled output.

        Returns
        -------
        errors : list of ndarray
            For the last layer `error`, for those below the signals of their lists, (n_entries, 1).
        """
        errors = [error]
        for level in range(len(self.network.layers) - 1, 0, -1):
            layer, rows = self.network.layers[level], self.inputs[level]
            buffers = np.empty((self.lists[level].n_blocks, rows.nnz, 1), dtype=layer.dtype)
            panel_backward(self.lists[level], rows, errors[0], layer.arrays, buffers, self.n_threads)
            signals = np.zeros((max(rows.nnz, 1), 1), dtype=layer.dtype)
            np.divide(buffers[0], layer.dtype.type(layer.coordinates.scale), out=signals[: rows.nnz])
            errors.insert(0, signals)
        return errors


def as_rows(fired, n_rows, scale):
    """Return what fired as rows of activations divided by a scale, `FeatureLists` in the order of the lists."""
    indptr, rows, values = fired.to_csr()
    neurons = np.flatnonzero(np.diff(indptr))
    ends = np.append(indptr[neurons], indptr[-1])
    shape = (n_rows, fired.n_neurons)
    return FeatureLists(shape, neurons.astype(np.int32), ends, rows, values / values.dtype.type(scale))
