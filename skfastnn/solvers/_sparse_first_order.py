"""Gradient descent with momentum, and Adam, on networks laid out in panels, for rows of few stored entries.

A step of either touches the weights between the features of the batch and the neurons that fired. With momentum and
the penalty all others move too, linearly: their state, distance from the start and velocity, is multiplied by a 2 x 2
matrix A. So the state is kept as ``T y`` with one matrix T for all weights, which takes every A; a gradient alone
changes y. Nothing is pending for any weight, whenever it is looked at.
"""

import numpy as np

from skfastnn.networks._network import aligned_zeros
from skfastnn.passes.panels._panel_layer import (
    BasisChange,
    PanelMoments,
    change_basis,
    panel_adam_step,
    panel_sgd_step,
)
from skfastnn.solvers._first_order import FirstOrder
from skfastnn.solvers._rules import Moments, Momentum
from skfastnn.solvers._solver import registered

# y is expressed anew when its columns in T, scaled to one, are nearly parallel, or when one has all but vanished.
WORST_CONDITION, LEAST_COLUMN = 1e3, 1e-12


@registered
class PanelSGD(Momentum, FirstOrder):
    """Gradient descent with momentum, classical or Nesterov's.

    Parameters
    ----------
    network : skfastnn.networks._panel_network.PanelNetwork
    settings : dict
        `momentum`, `nesterovs_momentum`, `train_output`.
    n_threads : int
    """

    name = "sgd"
    layout = "panels"

    def __init__(self, network, settings, n_threads):
        # one that no sum would notice has an inverse that overflows
        momentum = settings["momentum"] if settings["momentum"] > np.finfo(np.float64).eps ** 2 else 0.0
        super().__init__(network, settings | {"momentum": momentum}, n_threads)
        self.n_numbers = 2 if momentum > 0 else 1
        if self.n_numbers == 2:
            network.second = aligned_zeros(network.first.shape, network.dtype)
        # (distance from the start, velocity) = T @ (first, second); without second, its first number alone counts
        self.T = np.eye(2)
        network.factors = self.T[0]  # a view: weights are never read with the factors of another T
        self.started = False

    def measure(self):
        """Nobody asks how far the weights have moved."""

    def state(self):
        """Return the arrays with which `resume` goes on."""
        self._express(np.eye(2))
        return super().state() | {"velocity": self.network.second}

    def resume(self, arrays, n_steps):
        """Go on with the state of another call."""
        super().resume(arrays, n_steps)
        if arrays["velocity"].shape == self.network.second.shape:
            self.network.second[...] = arrays["velocity"]

    def step(self, pairs, rows, error, intercept_error, rate, penalty):
        """Take one step; see `MomentumSGD.step`, with rows as `FeatureLists`."""
        network, rule = self.network, self.rule(rate, penalty)
        A = self.silent_step(rate * penalty)
        if self.n_numbers == 1:
            A = np.diag([A[0, 0], 1.0])
        if not self.started:
            self._express(_modes(A))
            self.started = True
        after, change = A @ self.T, np.zeros((0, 0), network.dtype)
        if _is_worn(after):
            basis = _modes(A)
            after, change = basis, self._change(basis, after)
        added = np.linalg.solve(after, -rate * np.array([sum(self.weights_of_gradient()), 1.0]))
        # T changes in the same call as the weights, which an interruption waits for
        basis = BasisChange(self.T, after, change, added)
        panel_sgd_step(pairs, rows, error, network.arrays, self.first_V, basis, rule, self.n_threads)
        self.n_steps += 1
        self.move_output_intercepts(intercept_error, rule)

    def _express(self, basis):
        """Express the state of all weights in another basis."""
        # in one call, as the step: an interruption finds all weights, and T, in one basis
        change = BasisChange(self.T, basis, self._change(basis, self.T))
        change_basis(self.network.arrays, change, self.n_threads)

    def _change(self, basis, T):
        """Return the matrix with which numbers in T become numbers in a basis."""
        n = self.n_numbers
        return np.ascontiguousarray(np.linalg.solve(basis, T)[:n, :n], dtype=self.network.dtype)


def _modes(A):
    """Return a basis in which A^k is far from singular for long: its eigenvectors, if they are real and distinct."""
    values, vectors = np.linalg.eig(A)
    if np.isrealobj(values) and not _is_worn(vectors):
        return np.ascontiguousarray(vectors)
    return np.eye(2)


def _is_worn(T):
    lengths = np.linalg.norm(T, axis=0)
    return lengths.min() < LEAST_COLUMN or np.linalg.cond(T / lengths) > WORST_CONDITION


@registered
class PanelAdam(Moments, FirstOrder):
    """Lazy Adam: only weights with a gradient move, and only their moments decay.

    Parameters
    ----------
    network : skfastnn.networks._panel_network.PanelNetwork
    settings : dict
        `beta_1`, `beta_2`, `epsilon`, `train_output`.
    n_threads : int
    """

    name = "adam"
    layout = "panels"

    def __init__(self, network, settings, n_threads):
        super().__init__(network, settings, n_threads)
        # allocated in the first step, by which time the start may be gone
        self.mean = self.square = np.zeros((0, 0, 0), dtype=network.dtype)
        self.second_V = np.zeros_like(self.first_V)
        self.second_v = np.zeros_like(network.v)

    def measure(self):
        """Nobody asks how far the weights have moved."""

    def resume(self, arrays, n_steps):
        """Go on with the state of another call; moments in another layout are not those of these weights."""
        if arrays["mean"].shape == self.network.first.shape:
            self.mean, self.square = arrays["mean"].copy(), arrays["square"].copy()
        super().resume(arrays, n_steps)

    def step(self, pairs, rows, error, intercept_error, rate, penalty):
        """Take one step; see `MomentumSGD.step`, with rows as `FeatureLists`."""
        network = self.network
        if network.base.size:
            network.fold_start(keep=penalty > 0)
        if not self.mean.size:
            mean, square = (aligned_zeros(network.first.shape, network.dtype) for _ in range(2))
            vars(self).update(mean=mean, square=square)  # both, whatever interrupts
        # an interruption before the step leaves a count that is one ahead: nothing but the next rate knows of it
        self.n_steps += 1
        rule = self.rule(rate, penalty, self.n_steps)
        moments = PanelMoments(network.start, self.mean, self.square, self.first_V, self.second_V)
        panel_adam_step(pairs, rows, error, network.arrays, moments, rule, self.n_threads)
        self.move_output_intercepts(intercept_error, rule)
