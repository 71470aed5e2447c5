"""The fit loop for several hidden layers, and their step sizes."""

import numpy as np

from skfastnn._fitting import Trainer
from skfastnn._layer_passes import LayerPasses, as_rows
from skfastnn.networks._training_rows import Batch, by_feature
from skfastnn.passes.shared._pairs import PairLists
from skfastnn.search import make_engine
from skfastnn.solvers._solver import Solver

# Outputs over which the tangent kernel is averaged.
PROBED_OUTPUTS = 3


class DeepTrainer(Trainer):
    """Runs epochs over several hidden layers: up, down, and a step of every layer. Parameters as in `Trainer`."""

    def _prepare(self, X):
        super()._prepare(X)
        self.passes = LayerPasses(self.network, self.n_threads)
        self.n_fired = np.zeros(len(self.network.layers), dtype=np.int64)

    def _step(self, batch):
        fired = self.slots[0].fired
        self._forward(batch, fired)
        output = self.passes.forward(fired, batch.rows)
        loss, gradient = self._evaluate_loss(output, batch)
        if gradient is None:
            return loss, batch.weight
        errors = self.passes.backward(self._output_error(gradient))
        self.solver.step(
            self.passes.lists, self.passes.inputs, errors, gradient.sum(axis=0), self._rate(),
            self.schedule.alpha / batch.weight,
        )  # fmt: skip
        self.n_fired += [lists.total for lists in self.passes.lists]
        self.engine.moved(fired, self.solver.layers[0])
        return loss, batch.weight

    def _count_fired(self):
        return self.n_fired.copy()

    def _rates(self, n_fired, n_rows):
        return [float(n / (n_rows * m)) for n, m in zip(n_fired, self.network.widths, strict=True)]


class Probe:
    """Signals of an output in every layer, on some rows at the start of training.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, ld) or CSR array of shape (n_rows, n_features)
        Normalised rows.
    network : skfastnn.networks._deep_network.DeepNetwork
    n_threads : int
    """

    def __init__(self, rows, network, n_threads):
        self.network = network
        first = network.layers[0]
        engine = make_engine("dense", first)
        engine.build(None, first, n_threads)
        batch = Batch(None, by_feature(rows) if first.by_panels else rows, None)
        fired = PairLists(first.n_neurons, first.dtype)
        engine.list_fired(batch, fired, Solver(first, n_threads))
        self.passes = LayerPasses(network, n_threads)
        self.passes.forward(fired, batch.rows)
        self.inputs = [rows, *(above.to_csr() for above in self.passes.inputs[1:])]
        self.activations = as_rows(self.passes.lists[-1], rows.shape[0], 1.0).to_csr()

    def signals(self, output):
        """Return the derivatives of an output by the pre-activations of every layer, CSR arrays."""
        last = self.network.last
        error = np.zeros((self.activations.shape[0], last.ld_out), dtype=last.dtype)
        error[:, output] = last.output_scale
        errors = self.passes.backward(error)
        below = [
            above.to_csr(signals[: above.nnz, 0])
            for above, signals in zip(self.passes.inputs[1:], errors[:-1], strict=True)
        ]
        top = self.activations.copy()
        top.data = last.output_scale * last.V[top.indices, output]
        return [*below, top]

    def tangent_kernel(self):
        """Return the tangent kernel, averaged over some outputs, ndarray of shape (n_rows, n_rows), float64."""
        outputs = range(min(self.network.n_outputs, PROBED_OUTPUTS))
        kernel = self.network.last.output_scale**2 * _products(self.activations) + 1
        for output in outputs:
            for rows, signals in zip(self.inputs, self.signals(output), strict=True):
                kernel += (1 + _products(rows)) * _products(signals) / len(outputs)
        return kernel

    def first_change(self, sample_weight):
        """Return by how much an output changes when every weight of a neuron that fires moves by one to help it."""
        change = sum(
            np.asarray(abs(rows).sum(axis=1)).ravel() * np.asarray(abs(signals).sum(axis=1)).ravel()
            for rows, signals in zip(self.inputs, self.signals(0), strict=True)
        )
        return float(np.average(change, weights=sample_weight))


def _products(rows):
    products = rows @ rows.T
    return (products if isinstance(products, np.ndarray) else products.toarray()).astype(np.float64)
