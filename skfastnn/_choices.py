"""What "auto" stands for: solver, search, batch size, the limit of the threshold, step size.

A solver trains in stages: "adam_gauss_newton" in two, "adam" and "gauss_newton", every other in one of its own name.
"""

import numpy as np

from skfastnn._deep_fitting import deep_step_size
from skfastnn.search._choice import choose_engine
from skfastnn.search._contract import training_rows
from skfastnn.solvers._step_size import adam_step_size, sgd_step_size, tangent_kernel

# Rows up to which solver="auto" is Gauss-Newton: its kernel, of rows times rows, is computed in a second or two.
SMALL_DATA = 5_000
# Rows that Gauss-Newton takes at once if not told otherwise, and its batches for more of them.
MAX_FULL_BATCH, AUTO_BATCH = 20_000, 2_000
# Rows of a batch of the other solvers.
FIRST_ORDER_BATCH = 200
# Where Gauss-Newton starts: a busier layer is more accurate on small data and affordable there (digits, 4,096 neurons:
# 99.2 % at 1.0, 98.6 % at 1.8), and so is a hidden layer that has to move less.
LARGEST_THRESHOLD, OUTPUT_SIZE = 1.0, 2.0
# On sparse rows a pre-activation is the sum of a few draws, most of them those of rare words: where few neurons fire it
# is noise that fires them (R8, 1,024 neurons, Adam: 97.1 % at 0.5, 96.4 % at 1.7).
LARGEST_SPARSE_THRESHOLD = 0.5
# Of far fewer rows than features each lies nearly at right angles to the others, and what a neuron learns on a few of
# them says little about the rest (72 x 7,129 gene expressions, four times five folds: 96.2 % at 0, 87.4 % at 1).
LARGEST_THRESHOLD_OF_FEW_ROWS = 0.0
# Activations that few neurons pass on resemble each other less from layer to layer, and generalise less.
LARGEST_DEEP_THRESHOLD = 1.0
# Features that are learned on small data want the plain ReLU (statlog-vehicle, log-loss .348 at 0, .451 at 1).
LARGEST_LEARNED_THRESHOLD = 0.0
# Solvers that end with, or are, Gauss-Newton.
SECOND_ORDER = ("gauss_newton", "adam_gauss_newton")
# How often search="auto" expects to see every row: solvers of first order, if not told to stop before; Gauss-Newton.
EXPECTED_EPOCHS, FEW_STEPS = 20, 6
# Candidates of the correlation tree for each pair that fires at the start, over ten epochs of MNIST: weights move, and
# more of them fire. A step of Gauss-Newton leaves no bound on the movement.
DRIFTED = {"sgd": 2.0, "adam": 3.0, "gauss_newton": np.inf}


def choose_solver(solver, alpha, n_samples, deep, loss, n_outputs, incremental):
    """Resolve solver="auto", and check that the solver can do what is asked of it.

    Parameters
    ----------
    solver : str
    alpha : float or "loo"
    n_samples : int
    deep : bool
        Whether there are several hidden layers.
    loss : object of `skfastnn._losses`
    n_outputs : int
    incremental : bool
        Whether this is partial_fit.

    Returns
    -------
    solver : str

    Raises
    ------
    ValueError
        If the solver does not train such a network, with such a loss, or with such an alpha.
    """
    if incremental and solver == "adam_gauss_newton":
        return "adam"  # which does not look at alpha: that, "loo" too, is for the Gauss-Newton of a whole fit
    if deep and solver in SECOND_ORDER:
        raise ValueError(f"solver={solver!r} trains one hidden layer; use 'adam' or 'sgd' for several.")
    has_curvature = loss.model(np.zeros((1, n_outputs)), np.zeros((1, n_outputs))) is not None
    if solver == "auto":
        small = n_samples <= SMALL_DATA or alpha == "loo"
        solver = "gauss_newton" if small and has_curvature and not deep and not incremental else "adam"
    if solver in SECOND_ORDER and not has_curvature:
        raise ValueError(
            f"solver={solver!r} needs a loss with curvature, which {type(loss).__name__} has not; use 'adam'."
        )
    if alpha == "loo" and solver not in SECOND_ORDER:
        raise ValueError(
            "alpha='loo' is offered by solver='gauss_newton' and 'adam_gauss_newton' alone; give alpha as a number."
        )
    return solver


def first_stage(solver):
    """Return the name of the solver that training starts with."""
    return "adam" if solver == "adam_gauss_newton" else solver


def choose_search(search, stage, X, network, batch_size, max_iter, incremental, n_threads):
    """Resolve search="auto" for a stage; X are the rows that the network takes."""
    if search != "auto":
        return search
    if network.by_panels:
        return "dense"
    first = network.layers[0]
    rows = training_rows(X, first, n_threads)
    return choose_engine(rows, first, batch_size, expected_passes(stage, max_iter, incremental), DRIFTED[stage])


def expected_passes(stage, max_iter, incremental):
    """Return how often every row is expected to be seen."""
    if incremental:
        return 1
    return min(max_iter, FEW_STEPS if stage == "gauss_newton" else EXPECTED_EPOCHS)


def batch_size_of(stage, solver, batch_size, n_samples):
    """Return the rows of a batch of a stage of the solver."""
    # a number that is given is Adam's where Gauss-Newton comes after it
    if stage == "gauss_newton" and (batch_size == "auto" or solver != stage):
        return n_samples if n_samples <= MAX_FULL_BATCH else AUTO_BATCH
    return int(min(FIRST_ORDER_BATCH if batch_size == "auto" else batch_size, n_samples))


def threshold_limit(solver, sparse, few_rows, deep):
    """Return the largest threshold that "auto" takes.

    Parameters
    ----------
    solver : str
    sparse : bool
        Whether the rows are.
    few_rows : bool
        Whether they are far fewer than the features.
    deep : bool
        Whether there are several hidden layers.
    """
    limits = [
        (solver == "gauss_newton", LARGEST_THRESHOLD),
        (solver == "adam_gauss_newton", LARGEST_LEARNED_THRESHOLD),
        (sparse, LARGEST_SPARSE_THRESHOLD),
        (few_rows, LARGEST_THRESHOLD_OF_FEW_ROWS),
        (deep, LARGEST_DEEP_THRESHOLD),
    ]
    return min((limit for applies, limit in limits if applies), default=np.inf)


def output_size(solver, train_output):
    """Return the size of the output weights at the start."""
    return OUTPUT_SIZE if solver == "gauss_newton" and train_output else 1.0


def step_size(solver, network, rows, weight, loss, curvature, batch_weight, alpha, n_threads):
    """Resolve learning_rate_init="auto".

    Parameters
    ----------
    solver : str
    network : Network or DeepNetwork
    rows, weight
        Some normalised rows and their weights.
    loss : object of `skfastnn._losses`
    curvature : float or None
        Of the loss; needed for sgd.
    batch_weight : float
        Of an average batch.
    alpha : float
    n_threads : int
    """
    if solver == "gauss_newton":
        return 1.0
    if len(network.layers) > 1:
        return deep_step_size(solver, rows, network, weight, loss, curvature, batch_weight, alpha, n_threads)
    if solver == "sgd":
        kernel = tangent_kernel(rows, network, n_threads)
        return sgd_step_size(kernel, weight, curvature, batch_weight, alpha)
    return adam_step_size(rows, weight, network, loss.first_change)
