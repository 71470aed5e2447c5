"""A solver per hidden layer, as one."""

import numpy as np


class LayeredSolver:
    """What the fit loop asks of a solver, of several layers.

    Parameters
    ----------
    layers : list of FirstOrder
        From the data up; each knows its network.
    """

    may_defer = defers = False

    def __init__(self, layers):
        self.layers = layers

    @property
    def n_steps(self):
        """Steps so far."""
        return self.layers[0].n_steps

    def catch_up(self):
        """Carry out what is pending."""
        for layer in self.layers:
            layer.catch_up()

    def measure(self):
        """Take note of weights that were set from outside."""
        for layer in self.layers:
            layer.measure()

    def state(self):
        """Return the arrays with which `resume` goes on."""
        return {
            (level, name): value for level, layer in enumerate(self.layers) for name, value in layer.state().items()
        }

    def resume(self, arrays, n_steps):
        """Go on with the state of another call."""
        for level, layer in enumerate(self.layers):
            layer.resume({name: value for (at, name), value in arrays.items() if at == level}, n_steps)

    def step(self, lists, inputs, errors, intercept_error, rate, penalty):
        """Take one step in every layer; arguments as of `MomentumSGD.step`, a list of each for the layers."""
        nothing = np.zeros(0, dtype=intercept_error.dtype)
        for layer, fired, rows, error in zip(self.layers, lists, inputs, errors, strict=True):
            last = layer is self.layers[-1]
            layer.step(fired, rows, error, intercept_error if last else nothing, rate, penalty)
