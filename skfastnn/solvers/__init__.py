"""Solvers: one iteration each."""

from skfastnn.solvers import _sparse_first_order, _sparse_gauss_newton  # noqa: F401 which register themselves
from skfastnn.solvers._first_order import Adam, MomentumSGD
from skfastnn.solvers._gauss_newton import GaussNewton
from skfastnn.solvers._layers import LayeredSolver
from skfastnn.solvers._solver import SOLVERS, Movement

__all__ = ["SOLVERS", "Adam", "GaussNewton", "MomentumSGD", "Movement", "kind_of", "make_solver"]


def kind_of(name):
    """Return the kind of steps of a solver, see `Solver`; None for a name that stands for no solver of its own."""
    solver = SOLVERS["dense"].get(name)
    return solver and solver.kind


def make_solver(name, network, settings, n_threads):
    """Return a new solver.

    Parameters
    ----------
    name : str, one of `SOLVERS`
    network : skfastnn.networks._network.Network or skfastnn.networks._deep_network.DeepNetwork
    settings : dict
        momentum, nesterovs_momentum, beta_1, beta_2, epsilon, train_output.
    n_threads : int
    """
    layers = [
        SOLVERS["panels" if layer.by_panels else "dense"][name](layer, settings, n_threads) for layer in network.layers
    ]
    return layers[0] if len(layers) == 1 else LayeredSolver(layers)
