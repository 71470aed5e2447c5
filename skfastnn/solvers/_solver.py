"""What the search engines and the forward pass ask of a solver."""

from dataclasses import dataclass

import numpy as np

# The solvers by name, of each layout of weights; the parameter `solver` offers the names of dense ones.
SOLVERS = {"dense": {}, "panels": {}}


def registered(solver):
    """Offer a class of solvers by its name; a decorator."""
    SOLVERS[solver.layout][solver.name] = solver
    return solver


@dataclass
class Movement:
    """Certified bounds on how far neurons are from their references.

    Attributes
    ----------
    drift : ndarray of shape (n_neurons,), float64
        Bound on the norm of the displacement of the weights, pending movement included.
    pending : ndarray of shape (n_neurons,), float64
        Bound on the norm of the movement that is not carried out yet.
    intercepts : ndarray of shape (n_neurons,), float64
        Upper bounds on the intercepts.
    """

    drift: np.ndarray
    pending: np.ndarray
    intercepts: np.ndarray


class Solver:
    """What all solvers share: the network, the number of steps, and how far neurons have moved.

    Parameters
    ----------
    network : skfastnn.networks._network.Network
    n_threads : int

    Attributes
    ----------
    name : str
        As the parameter `solver` takes it.
    layout : {"dense", "panels"}
        Of the weights that it moves.
    kind : {"gradient", "even", "model"}
        What a step is: along the gradient; about as long for every weight; the best that a second-order model knows.
    drifted : float
        Candidates of the correlation tree for each pair that fires at the start, over a few epochs of MNIST at the
        steps that the defaults take: weights move, and more of them fire. Infinity where a step leaves no bound on
        the movement.
    norms : ndarray of shape (n_neurons, 3)
        Norms of the displacement and of the velocity, and the length of the path so far.
    may_defer : bool
        Whether it can leave the hidden layer's part of a step to the pass over the next batch.
    bounds_deferred : bool
        Whether its bounds on the movement then cover that step.
    defers : bool
        Whether it does leave it.
    deferred : skfastnn.passes.dense._updates.NeuronStep or None
        The part of the last step that is left to the next pass.
    silence : MomentumState or None
        What silent steps have left to do; None where every movement is carried out at once.
    """

    name = kind = ""
    layout = "dense"
    drifted = np.inf
    may_defer = bounds_deferred = defers = False
    silence = deferred = None

    def __init__(self, network, n_threads):
        self.network, self.n_threads = network, n_threads
        self.n_steps = 0
        self.norms = np.zeros((network.n_neurons, 3))

    @property
    def layers(self):
        """The solvers of the hidden layers: this one."""
        return [self]

    def movement(self):
        """Return certified bounds on the movement since the references, as a `Movement`."""
        intercepts = self.network.c_state[:, 0].astype(np.float64)
        return Movement(self.norms[:, 0].copy(), np.zeros(self.network.n_neurons), intercepts)

    def catch_up(self, neurons=None):
        """Carry out the pending movement of some neurons, or of all."""

    def path(self, neurons):
        """Return how long the path of some neurons is so far, without what is pending."""
        return self.norms[neurons, 2]

    def rebased(self, neurons):
        """Take note that some neurons have a new reference, from which their displacement is zero."""
        self.norms[neurons, 0] = 0
