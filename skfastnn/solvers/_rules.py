"""What a step does with a gradient, whatever the layout of the weights: momentum, and the moments of Adam.

A rule says what the compiled steps are to do with hidden and output weights, and moves the few numbers that no neuron
has, the intercepts of the outputs. It is mixed into the solvers of every layout.
"""

from functools import cached_property
from math import sqrt

import numpy as np


class Momentum:
    """Gradient descent with momentum, classical or Nesterov's.

    Its solvers have `settings` with `momentum`, `nesterovs_momentum` and `train_output`.
    """

    kind, drifted = "gradient", 2.0

    def rule(self, rate, penalty):
        """Return a step as the compiled loops take it, a dict."""
        momentum, nesterov = self.settings["momentum"], self.settings["nesterovs_momentum"]
        return {"rate": rate, "momentum": momentum, "nesterov": nesterov, "penalty": penalty}

    def silent_step(self, shrink):
        """Return the matrix of a step without a gradient on (distance from the start, velocity).

        Parameters
        ----------
        shrink : float
            Rate times penalty.
        """
        mu = self.settings["momentum"]
        along, lookahead = self.weights_of_gradient()
        # velocity' = mu velocity - rate g - shrink u;  u' = u + along velocity' - lookahead (rate g + shrink u)
        return np.array([[1 - (along + lookahead) * shrink, along * mu], [-shrink, mu]])

    def weights_of_gradient(self):
        """Return what weights take of the new velocity, and of the gradient itself."""
        return (self.settings["momentum"], 1.0) if self.settings["nesterovs_momentum"] else (1.0, 0.0)

    def move_output_intercepts(self, gradient, rule):
        """Take the step with the intercepts of the outputs; gradient of shape (n_outputs,)."""
        if not self.settings["train_output"]:
            return
        mu, rate = rule["momentum"], rule["rate"]
        self.first_v = mu * self.first_v - rate * gradient
        self.network.v += mu * self.first_v - rate * gradient if rule["nesterov"] else self.first_v


class Moments:
    """Adam: steps of about the rate, whatever the size of the gradients.

    Its solvers have `settings` with `beta_1`, `beta_2`, `epsilon` and `train_output`.
    """

    kind, drifted = "even", 16.0

    @cached_property
    def epsilon(self):
        """What is added to roots of second moments: those of padding are zero."""
        return max(self.settings["epsilon"], float(np.finfo(self.network.dtype).tiny))

    def rule(self, rate, penalty, n_steps):
        """Return the step number `n_steps`, from 1, as the compiled loops take it, a dict."""
        b1, b2 = self.settings["beta_1"], self.settings["beta_2"]
        rate *= sqrt(1 - b2**n_steps) / (1 - b1**n_steps)
        return {"rate": rate, "momentum": b1, "beta_2": b2, "epsilon": self.epsilon, "penalty": penalty}

    def move_output_intercepts(self, gradient, rule):
        """Take the step with the intercepts of the outputs; gradient of shape (n_outputs,)."""
        if not self.settings["train_output"]:
            return
        b1, b2 = rule["momentum"], rule["beta_2"]
        self.first_v = b1 * self.first_v + (1 - b1) * gradient
        self.second_v = b2 * self.second_v + (1 - b2) * gradient**2
        self.network.v -= rule["rate"] * self.first_v / (np.sqrt(self.second_v) + rule["epsilon"])
