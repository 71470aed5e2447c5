"""Stochastic gradient descent with momentum, and Adam, that touch the neurons that fire.

Momentum is the textbook's, exactly: a neuron that does not fire still moves, by its velocity and by the penalty. That
movement is linear, so it is not carried out but remembered, and applied in closed form when the neuron is next
evaluated; until then it counts in the bound on the drift. Adam is the lazy variant (torch.optim.SparseAdam): the
moments and the weights of a silent neuron stand still.
"""

import numpy as np

from skfastnn.networks._network import aligned_zeros
from skfastnn.passes.dense._catch_up import MomentumState, catch_up, movement_bounds
from skfastnn.passes.dense._updates import AdamState, adam_step, momentum_step
from skfastnn.solvers._rules import Moments, Momentum
from skfastnn.solvers._solver import Movement, Solver, registered

# Silent neurons are brought up to date after this many steps at the latest.
MAX_DELAY = 64

# Arrays with a number for each hidden weight.
LIKE_HIDDEN_WEIGHTS = {"velocity", "mean", "square"}


class FirstOrder(Solver):
    """What solvers of first order share: the arrays of the output layer, and going on in another call."""

    may_defer = True
    # the hidden layer's part of the last step; the pass over the next batch has taken it, or is to, or `catch_up`
    _last = None

    def __init__(self, network, settings, n_threads):
        super().__init__(network, n_threads)
        self.settings = settings
        shape = network.V.shape if settings["train_output"] else (0, network.ld_out)
        self.first_V = aligned_zeros(shape, network.dtype)
        self.first_v = np.zeros_like(network.v)

    @property
    def deferred(self):
        """The part of the last step that is left to the next pass, a `NeuronStep`, or None."""
        return None if self._last is None or self._last.taken else self._last

    def _take(self, step, **counted):
        """Take the hidden layer's part of a step, or leave it; what counts it is set with it."""
        # in one call, so that an interruption finds all of it or nothing: neurons ahead of the count have no delay
        vars(self).update(counted, _last=step)
        if not self.defers:
            self._take_last()

    def _take_last(self):
        """Take the last step, unless that has been done, and forget its arrays."""
        if self._last is not None:
            self._last.take_all(self.n_threads)
        self._last = None

    def measure(self):
        """Recompute the norms after the displacement was set from outside."""
        displacement = self.network.displacement
        self.norms[:, 0] = np.sqrt(np.einsum("ij,ij->i", displacement, displacement, dtype=np.float64))

    def state(self):
        """Return the arrays with which `resume` goes on."""
        self.catch_up()
        arrays = {name: value for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        for name in LIKE_HIDDEN_WEIGHTS & arrays.keys():
            # of Adam, an engine that asked has got an empty velocity
            if arrays[name].size:
                arrays[name] = self.network.in_all_features(arrays[name])
        return arrays | {"intercept_moments": self.network.c_state[:, 1:].copy()}

    def resume(self, arrays, n_steps):
        """Go on with the state of another call, in which the network has moved to where it is."""
        for name, value in arrays.items():
            mine = getattr(self, name, None)
            if mine is not None and mine.shape == value.shape:
                mine[...] = value
        self.network.c_state[:, 1:] = arrays["intercept_moments"]
        self.n_steps = n_steps


@registered
class MomentumSGD(Momentum, FirstOrder):
    """Gradient descent with momentum, classical or Nesterov's.

    Parameters
    ----------
    network : skfastnn.networks._network.Network
    settings : dict
        `momentum`, `nesterovs_momentum`, `train_output`.
    n_threads : int
    """

    name = "sgd"

    bounds_deferred = True

    def __init__(self, network, settings, n_threads):
        super().__init__(network, settings, n_threads)
        self.velocity = aligned_zeros(network.displacement.shape, network.dtype)
        self.anchor_norms = np.zeros(network.n_neurons)
        self.touched = np.zeros(network.n_neurons, dtype=np.int64)
        # k silent steps, for k = 0, 1, ...: 2 x 2 matrices of (distance from the start, velocity), row by row
        self._silence = None
        self.pending = np.zeros((MAX_DELAY + 2, 4))
        self.pending[0] = [1, 0, 0, 1]

    @property
    def delay(self):
        """Silent steps of each neuron that are not carried out yet, int64 of shape (n_neurons,)."""
        return self.n_steps - self.touched

    @property
    def silence(self):
        """What silent steps have left to do, a `MomentumState` of the steps so far; one for each of them."""
        if self._silence is None:
            self._silence = MomentumState(self.velocity, self.norms, self.touched, self.n_steps, self.pending)
        return self._silence

    def movement(self):
        """Return certified bounds on the movement since the references, as a `Movement`."""
        intercepts = self.network.c_state[:, 0].astype(np.float64)
        movement = Movement(*np.empty((2, self.network.n_neurons)), intercepts)
        # a step that waits is bounded as if it were silent, and then for its gradient
        movement_bounds(self.silence, self.anchor_norms, movement.drift, movement.pending, self.n_threads)
        if self.deferred is not None:
            self.deferred.add_step_bound(movement.drift, movement.pending, movement.intercepts, self.n_threads)
        return movement

    def catch_up(self, neurons=None):
        """Carry out the pending movement of some neurons, or of all."""
        self._take_last()
        network = self.network
        if neurons is None:
            neurons = np.flatnonzero(self.delay)
        if neurons.size:
            state, self._silence = self.silence, None  # which has no delay as long afterwards
            catch_up(neurons, network.arrays, state, self.n_threads)

    def state(self):
        # there is no anchor after loading: displacements are from the start
        return {name: value for name, value in super().state().items() if name != "anchor_norms"}

    def resume(self, arrays, n_steps):
        super().resume(arrays, n_steps)
        self._silence = None

    def rebased(self, neurons):
        super().rebased(neurons)
        anchor = self.network.anchor[neurons]
        self.anchor_norms[neurons] = np.sqrt(np.einsum("ij,ij->i", anchor, anchor, dtype=np.float64))

    def step(self, pairs, rows, error, intercept_error, rate, penalty):
        """Take one step.

        Parameters
        ----------
        pairs : PairLists
            Pairs that fired.
        rows : ndarray of shape (n_rows, ld)
        error : ndarray of shape (n_rows, ld_out)
            Derivative of the loss by the unscaled output of the hidden layer.
        intercept_error : ndarray of shape (n_outputs,)
            Gradient of the output intercepts.
        rate : float
        penalty : float
            Factor of the displacement from the start in the gradient.
        """
        network, rule = self.network, self.rule(rate, penalty)
        after = self._extended(rate * penalty)
        step = momentum_step(pairs, rows, error, network.arrays, self.first_V, self.silence, after, rule)
        self._take(step, n_steps=self.n_steps + 1, pending=after, _silence=None)
        self.move_output_intercepts(intercept_error, rule)
        if self.n_steps - self.touched.min() > MAX_DELAY:
            self.catch_up()

    def _extended(self, shrink):
        """Return the matrices of k silent steps, that of the step being taken among them."""
        extended = np.empty_like(self.pending)
        extended[0] = [1, 0, 0, 1]
        extended[1:] = (self.silent_step(shrink) @ self.pending[:-1].reshape(-1, 2, 2)).reshape(-1, 4)
        return extended


@registered
class Adam(Moments, FirstOrder):
    """Lazy Adam: only neurons that fire move, and only their moments decay.

    On sparse data, of which few numbers are other than zero, the same holds for each weight: without a gradient it
    stands still.

    Parameters
    ----------
    network : skfastnn.networks._network.Network
    settings : dict
        `beta_1`, `beta_2`, `epsilon`, `train_output`.
    n_threads : int
    """

    name = "adam"

    def __init__(self, network, settings, n_threads):
        super().__init__(network, settings, n_threads)
        self.mean = aligned_zeros(network.displacement.shape, network.dtype)
        self.square = aligned_zeros(network.displacement.shape, network.dtype)
        self.second_V = np.zeros_like(self.first_V)
        self.second_v = np.zeros_like(network.v)
        # the arrays are written to, and not replaced
        self.moments = AdamState(self.mean, self.square, self.first_V, self.second_V, self.norms)

    def catch_up(self, neurons=None):
        """Take a step that was left to the engine; nothing else is ever pending."""
        self._take_last()

    def step(self, pairs, rows, error, intercept_error, rate, penalty):
        """Take one step; see `MomentumSGD.step`."""
        network, n_steps = self.network, self.n_steps + 1
        rule = self.rule(rate, penalty, n_steps)
        rule["sparse"] = network.coordinates.offset is not None
        step = adam_step(pairs, rows, error, network.arrays, self.moments, rule)
        self._take(step, n_steps=n_steps)
        self.move_output_intercepts(intercept_error, rule)
