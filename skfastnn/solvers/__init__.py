"""Solvers: one iteration each."""

from skfastnn.solvers._first_order import Adam, MomentumSGD
from skfastnn.solvers._gauss_newton import GaussNewton
from skfastnn.solvers._layers import LayeredSolver
from skfastnn.solvers._solver import Movement
from skfastnn.solvers._sparse_first_order import PanelAdam, PanelSGD
from skfastnn.solvers._sparse_gauss_newton import PanelGaussNewton

SOLVERS = {"adam": Adam, "gauss_newton": GaussNewton, "sgd": MomentumSGD}
SOLVERS_OF_PANELS = {"adam": PanelAdam, "gauss_newton": PanelGaussNewton, "sgd": PanelSGD}

__all__ = ["Adam", "GaussNewton", "MomentumSGD", "Movement", "make_solver"]


def make_solver(name, network, settings, n_threads):
    """Return a new solver.

    Parameters
    ----------
    name : {"adam", "gauss_newton", "sgd"}
    network : skfastnn.networks._network.Network or skfastnn.networks._deep_network.DeepNetwork
    settings : dict
        momentum, nesterovs_momentum, beta_1, beta_2, epsilon, train_output.
    n_threads : int
    """
    layers = [
        (SOLVERS_OF_PANELS if layer.by_panels else SOLVERS)[name](layer, settings, n_threads)
        for layer in network.layers
    ]
    return layers[0] if len(layers) == 1 else LayeredSolver(layers)
