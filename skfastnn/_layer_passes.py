"""Forward and backward through several hidden layers, for the rows of a batch.

What fires in a layer is, sample by sample, the sparse input of the next; and what the loss wants of that input is, pair
by pair, the signal of what fired. So lists go up as rows, and derivatives come down as lists.
"""

import numpy as np
from scipy.sparse import csr_array

from skfastnn.passes._forward import output_of_fired
from skfastnn.passes._gram import sample_major
from skfastnn.passes._panel_backward import panel_backward
from skfastnn.search._contract import Batch, entries
from skfastnn.search._panels import PanelSearch


class LayerPasses:
    """The layers above the first, and the way between neighbours.

    Parameters
    ----------
    network : skfastnn._deep_network.DeepNetwork
    n_threads : int

    Attributes
    ----------
    lists : list of PairLists
        What fired in each layer on the rows of the last forward pass.
    inputs : list
        Rows that each layer took: those of the batch, then CSR arrays.
    """

    def __init__(self, network, n_threads):
        self.network, self.n_threads = network, n_threads
        self.engines = [PanelSearch() for _ in network.layers[1:]]
        for engine, layer in zip(self.engines, network.layers[1:], strict=True):
            engine.build(None, layer, n_threads)

    def forward(self, fired, rows):
        """Go up from what fired in the first layer; return the unscaled output, ndarray of shape (n_rows, ld_out)."""
        n_rows = rows.shape[0]
        self.lists, self.inputs, self.places = [fired], [rows], []
        for engine, layer in zip(self.engines, self.network.layers[1:], strict=True):
            rows, places = as_rows(self.lists[-1], n_rows, layer.coordinates.scale)
            self.inputs.append(rows)
            self.places.append(places)
            self.lists.append(engine.candidates(Batch(None, rows, None), None))
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
            indptr, indices, data = entries(rows)
            buffers = np.empty((self.lists[level].n_blocks, data.size, 1), dtype=layer.dtype)
            a, b = layer.factors
            panel_backward(
                self.lists[level], indptr, indices, errors[0], layer.V, layer.base, layer.first, a, layer.second, b,
                layer.order, buffers, self.n_threads,
            )  # fmt: skip
            places, n_entries = self.places[level - 1]
            signals = np.zeros((max(n_entries, 1), 1), dtype=layer.dtype)
            signals[places, 0] = buffers[0, :, 0] / layer.dtype.type(layer.coordinates.scale)
            errors.insert(0, signals)
        return errors

    def signals_by_row(self, errors):
        """Return the signals of every layer below the last by rows, csr_array of shape (n_rows, n_neurons)."""
        return [
            csr_array((error[places, 0], rows.indices, rows.indptr), shape=rows.shape)
            for error, (places, _), rows in zip(errors, self.places, self.inputs[1:], strict=False)
        ]


def as_rows(fired, n_rows, scale):
    """Return what fired as rows of activations divided by a scale, and where each stands in the lists.

    Returns
    -------
    rows : csr_array of shape (n_rows, n_neurons)
    places : tuple (ndarray of shape (n_pairs,), int)
        Place of each entry, and how many places there are.
    """
    indptr, neurons, places, values = sample_major(fired, n_rows)
    first, n_entries = fired.places()
    rows = csr_array((values / values.dtype.type(scale), neurons, indptr), shape=(n_rows, fired.n_neurons))
    return rows, (first[neurons] + places, n_entries)
