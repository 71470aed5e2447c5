"""What every "auto" stands for, settled once, in a plan of stages.

Step sizes are found in `_rates.py`, and what is chosen by trying in `_trials.py`.
"""

from dataclasses import dataclass, replace
from numbers import Integral

import numpy as np

from skfastnn._recipe import Recipe
from skfastnn._stages import Plan, Stage
from skfastnn._threads import effective_n_threads
from skfastnn.networks._network import resolve_thresholds
from skfastnn.networks._row_space import MIN_RATIO
from skfastnn.networks._training_rows import training_rows
from skfastnn.search._cost_model import choose_engine
from skfastnn.solvers import SOLVERS

# Rows up to which solver="auto" is Gauss-Newton. Beyond, first order learns features from what there is, at a tenth of
# the cost (held-out parts of 3,000 to 3,750 rows: nRMSE of pol .126, not .256; nursery 99.6, not 97.4 %; magic 85.7,
# not 86.8 %).
SMALL_DATA = 2_000
# Unknowns, outputs of rows, up to which it is: conjugate gradients go over all of them at once (26 classes, 1,500 rows:
# 6 to 8 s, MLPClassifier 0.4). Not tuned beyond that case.
MAX_UNKNOWNS = 20_000
# Width below which a layer that was asked for is trained by first order, with the plain ReLU: it interpolates about as
# many numbers as there are rows, where a ridge small enough to fit is too small to generalise, and a product with all
# of its neurons takes less time than to look for those that fire.
NARROW = 2_048
# Width if none is given: at most, at least, and weights that are not exceeded if there are very many features.
AUTO_WIDTH, LEAST_WIDTH, MAX_WEIGHTS = 4_096, 256, 1 << 24
# Rows that Gauss-Newton takes at once if not told otherwise, and its batches for more of them.
MAX_FULL_BATCH, AUTO_BATCH = 20_000, 2_000
# Rows that it takes at once at least: what it solves for fewer undoes what others have taught, at the price of all
# weights each time (300 rows, a row at a time: R2 0, twenty times as long as 100 together, R2 .68).
LEAST_BATCH = 200
# Rows of a batch of the other solvers, as in MLPClassifier. Where Adam's step falls to zero over epochs that are ours
# to choose, few rows are taken in as many batches, of at least the second number (nRMSE of held-out rows, 3,000 trained
# on, batches of 200 and of 93, in about the same time: pol .174, .129; elevators .395, .384; bike .051, .033; kin40k
# .277, .189). Up to the last number of rows are one batch, in which weights are copies.
FIRST_ORDER_BATCH, LEAST_FIRST_ORDER_BATCH, BATCHES_OF_FEW_ROWS, MOST_IN_ONE = 200, 32, 32, 100
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
# Width of a layer that first order trains: of features as they are, and of codes, which are many and need fewer.
FIRST_ORDER_WIDTH, WIDTH_OF_CODES = 1_024, 512
# Outputs from which codes are not tried: what they gain they cost many times.
MANY_OUTPUTS = 20
# Of sparse rows, of which few plain neurons learn more than many, and in less time (R8, 30 % of the training documents
# held out three times, 12 epochs: 96.84 % and log-loss .102 of 128 and of 64, 96.64 % and .106 of 256; of one time .130
# of 1,024, and .004 to .008 more at a threshold of 0.5).
SPARSE_WIDTH = 128
# Features beyond which they are taken as they are: of many pixels none is worth bins of its own (10,000 rows of MNIST,
# 512 neurons, 6 epochs, rows held out: 96.9 % in 0.8 s as they are, 96.1 % in 4.3 s of 2,639 codes).
MANY_FEATURES = 256
# Penalty of "lbfgs", which trains to the end: MLPClassifier's.
LBFGS_ALPHA = 1e-4
# Pairs of a batch up to which all are computed: to ask what would be faster takes longer.
FEW_PAIRS = 1 << 17
# How often search="auto" expects to see every row: solvers of first order, if not told to stop before; Gauss-Newton.
EXPECTED_EPOCHS, FEW_STEPS = 20, 6
# Rate of Adam where it does not fall, and its beta_2: MLPClassifier's; and beta_2 where the rate falls.
CONSTANT_RATE, LONG_MEMORY, SHORT_MEMORY = 1e-3, 0.999, 0.95
# Iterations of Gauss-Newton after Adam at most; it stops by itself before.
MAX_REFINEMENTS = 10


@dataclass(frozen=True)
class Problem:
    """What the choices look at: sizes of the data and of the network, and what is asked for.

    Attributes
    ----------
    n_samples, n_features, n_outputs : int
    widths : list of int or None
        Of the hidden layers; None where they are for us to choose.
    sparse : bool
        Whether few of the numbers are other than zero.
    has_curvature : bool
        Whether the loss has a second-order model.
    incremental : bool
        Whether this is partial_fit.
    """

    n_samples: int
    n_features: int
    n_outputs: int
    widths: list | None
    sparse: bool
    has_curvature: bool
    incremental: bool

    @property
    def deep(self):
        """Whether there are several hidden layers."""
        return self.widths is not None and len(self.widths) > 1

    @property
    def narrow(self):
        """Whether the user asked for a layer of which Gauss-Newton makes little: one that interpolates few rows."""
        return self.widths is not None and min(self.widths, default=0) < NARROW

    @property
    def affordable(self):
        """Whether Gauss-Newton takes no longer than some hundred epochs of first order."""
        return self.n_samples <= SMALL_DATA and self.n_samples * self.n_outputs <= MAX_UNKNOWNS


def choose_widths(hidden_layer_sizes, n_features):
    """Return the widths of the hidden layers, and whether they were given.

    Parameters
    ----------
    hidden_layer_sizes : int, array-like of int, or "auto"
    n_features : int

    Raises
    ------
    ValueError
        If they are not integers >= 1.
    """
    if isinstance(hidden_layer_sizes, str):
        affordable = MAX_WEIGHTS // max(n_features, 1)
        return [int(min(AUTO_WIDTH, max(LEAST_WIDTH, 1 << max(affordable, 1).bit_length() - 1)))], False
    sizes = np.atleast_1d(np.asarray(hidden_layer_sizes, dtype=object))
    whole = all(isinstance(size, Integral) and not isinstance(size, bool) for size in sizes.ravel())
    if sizes.ndim != 1 or not whole or min(sizes, default=1) < 1:
        raise ValueError(f"hidden_layer_sizes must hold integers >= 1, got {hidden_layer_sizes!r}.")
    return [int(size) for size in sizes], True


def choose_solver(solver, alpha, problem):
    """Resolve solver="auto" and "lbfgs", and check that the solver can do what is asked of it.

    Parameters
    ----------
    solver : str
    alpha : float, "auto" or "loo"
    problem : Problem

    Returns
    -------
    solver : {"adam", "adam_gauss_newton", "gauss_newton", "lbfgs", "sgd"}

    Raises
    ------
    ValueError
        If the solver does not train such a network, with such a loss, or with such an alpha.
    """
    if problem.incremental and solver in ("adam_gauss_newton", "auto"):
        return "adam"  # which does not look at alpha: that, "loo" too, is for the Gauss-Newton of a whole fit
    if problem.deep and solver in SECOND_ORDER:
        raise ValueError(f"solver={solver!r} trains one hidden layer; use 'adam' or 'sgd' for several.")
    second_order = problem.has_curvature and not problem.deep
    if solver == "auto":
        wanted = alpha == "loo" or (problem.affordable and not problem.narrow)
        solver = "gauss_newton" if second_order and wanted else "adam"
    if solver == "lbfgs":
        solver = "gauss_newton" if second_order and problem.affordable and not problem.narrow else "lbfgs"
    if solver in SECOND_ORDER and not problem.has_curvature:
        raise ValueError(f"solver={solver!r} needs a loss with curvature, which this one has not; use 'adam'.")
    if alpha == "loo" and solver not in SECOND_ORDER:
        raise ValueError(
            "alpha='loo' is offered by solver='gauss_newton' and 'adam_gauss_newton' alone; give alpha as a number."
        )
    return solver


def make_plan(params, problem, solver, recipe, start, n_samples):
    """Return the plan for a network.

    Parameters
    ----------
    params : namespace
        Parameters of the estimator.
    problem : Problem
    solver : str
        Of `choose_solver`.
    recipe : Recipe
    start : Start
        With the sizes of the network, see `sized`.
    n_samples : int
        Number of rows to train on.
    """
    n_epochs = 1 if problem.incremental else min(params.max_iter, recipe.epochs or params.max_iter)
    stages = []
    for number, name in enumerate(stages_of(solver)):
        learning_rate = params.learning_rate
        if learning_rate == "auto":
            learning_rate = "constant" if recipe.epochs is None or name != "adam" else "linear"
        stages.append(Stage(
            name, solver_settings(params), params.search,
            batch_size=batch_size_of(name, solver, params.batch_size, n_samples, falls=recipe.epochs is not None),
            epochs=n_epochs if number == 0 else MAX_REFINEMENTS,
            expected_passes=expected_passes(name, params.max_iter, problem.incremental),
            alpha=_penalty(params, name, start, recipe.widths[0]), learning_rate=learning_rate,
            learning_rate_init=params.learning_rate_init, limits=limits_of(params),
        ))  # fmt: skip
    return Plan(solver, recipe, tuple(stages), problem, rate_falls(params, solver, problem))


def linear_plan(params, problem):
    """Return the plan for a network without hidden layers: L-BFGS, or an epoch of Adam of a stream."""
    name, n_samples = ("adam" if problem.incremental else "lbfgs"), problem.n_samples
    settings = solver_settings(params)
    if params.beta_2 == "auto":
        settings["beta_2"] = LONG_MEMORY
    stage = Stage(
        name, settings, "dense", batch_size=batch_size_of(name, name, params.batch_size, n_samples, falls=False),
        epochs=1 if problem.incremental else params.max_iter, expected_passes=1,
        alpha=LBFGS_ALPHA if isinstance(params.alpha, str) else params.alpha, learning_rate="constant",
        learning_rate_init=CONSTANT_RATE if params.learning_rate_init == "auto" else params.learning_rate_init,
        limits=limits_of(params),
    )  # fmt: skip
    return Plan(name, Recipe([]), (stage,), problem, False)


def limits_of(params):
    """Return what ends a stage, and what else the fit loop is told, a dict."""
    names = ("power_t", "shuffle", "tol", "n_iter_no_change", "max_fun")
    return {name: getattr(params, name) for name in names}


def solver_settings(params):
    """Return the settings of solvers, a dict."""
    names = ("momentum", "nesterovs_momentum", "beta_1", "beta_2", "epsilon", "train_output")
    settings = {name: getattr(params, name) for name in names}
    if settings["beta_2"] == "auto":
        by_us = isinstance(params.learning_rate_init, str) and params.learning_rate == "auto"
        settings["beta_2"] = SHORT_MEMORY if by_us else LONG_MEMORY
    return settings


def stages_of(solver):
    """Return the names of the stages of a solver, in their order."""
    return ("adam", "gauss_newton") if solver == "adam_gauss_newton" else (solver,)


def rate_falls(params, solver, problem):
    """Return whether the step size falls to zero over a number of epochs that is ours to choose."""
    by_default = params.learning_rate == "auto" and isinstance(params.learning_rate_init, str)
    return by_default and solver == "adam" and not problem.incremental and not params.warm_start


def sized(start, params, problem, solver, recipe):
    """Return the start of a network with the sizes that are chosen when it is drawn."""
    limit = threshold_limit(solver, problem) if recipe.threshold is None else recipe.threshold
    first_order = stages_of(solver)[0] in ("adam", "lbfgs")
    return replace(
        start,
        thresholds=resolve_thresholds(params.threshold, recipe.widths, limit),
        antisymmetric=params.init == "antisymmetric",
        output_size=OUTPUT_SIZE if solver == "gauss_newton" and params.train_output else 1.0,
        spread=recipe.spread,
        as_in_mlp=first_order and acts_as_mlp(problem, params.learning_rate_init),
        given={name: repr(getattr(params, name)) for name in ("threshold", "init")},
        activations=None,
        rate=None,
    )


def acts_as_mlp(problem, learning_rate_init):
    """Return whether output and steps are sized as in MLPClassifier: for its widths, its rates, and streams."""
    return problem.narrow or problem.incremental or not isinstance(learning_rate_init, str)


def mlp_unit(n_features, n_neurons):
    """Return the step in normalised coordinates that corresponds to a rate of one.

    Rates are given as for MLPClassifier on standardised features: there the weights of m neurons start with a standard
    deviation of sqrt(2 / (d + m)), here with one, so that the same share of it is sqrt((d + m) / 2) as long.
    """
    return float(np.sqrt((n_features + n_neurons) / 2))


def _penalty(params, stage, start, width):
    """Return alpha of a stage in the units of the network."""
    # alpha is the ridge of the Gauss-Newton that follows; Adam's epochs, in partial_fit too, have no penalty
    refined_later = params.solver == "adam_gauss_newton" and stage == "adam"
    alpha = 0.0 if refined_later else penalty_of(params.alpha, stage)
    in_units_of_mlp = stage == "adam" and start.as_in_mlp
    return alpha / mlp_unit(start.rows.mean.size, width) ** 2 if in_units_of_mlp else alpha


def penalty_of(alpha, stage):
    """Return alpha for a stage: a number, or "auto" or "loo" where Gauss-Newton finds it.

    "auto" is none in first order, where the number of epochs does what a penalty would.
    """
    if stage == "gauss_newton" or not isinstance(alpha, str):
        return alpha
    return LBFGS_ALPHA if stage == "lbfgs" else 0.0


def choose_search(stage, X, network):
    """Resolve search="auto" for a stage; X are the rows that the network takes."""
    if stage.solver == "lbfgs":  # which computes all neurons
        return "dense"
    if stage.search != "auto":
        return stage.search
    first = network.layers[0]
    if network.by_panels or min(stage.batch_size, X.shape[0]) * first.n_neurons <= FEW_PAIRS:
        return "dense"
    rows = training_rows(X, first, effective_n_threads())
    drifted = SOLVERS["dense"][stage.solver].drifted
    return choose_engine(rows, first, stage.batch_size, stage.expected_passes, drifted)


def expected_passes(stage, max_iter, incremental):
    """Return how often every row is expected to be seen."""
    if incremental:
        return 1
    return min(max_iter, FEW_STEPS if stage == "gauss_newton" else EXPECTED_EPOCHS)


def batch_size_of(stage, solver, batch_size, n_samples, falls):
    """Return the rows of a batch of a stage of the solver; `falls`: whether the step size does."""
    # a number that is given is Adam's where Gauss-Newton comes after it
    if stage == "gauss_newton" and (batch_size == "auto" or solver != stage):
        return n_samples if n_samples <= MAX_FULL_BATCH else AUTO_BATCH
    if stage == "gauss_newton":
        return int(min(max(batch_size, LEAST_BATCH), n_samples))
    if stage == "lbfgs":
        return n_samples
    if batch_size == "auto":
        smaller = falls and n_samples > MOST_IN_ONE
        few = max(LEAST_FIRST_ORDER_BATCH, n_samples // BATCHES_OF_FEW_ROWS)
        batch_size = min(few if smaller else FIRST_ORDER_BATCH, FIRST_ORDER_BATCH)
    return int(min(batch_size, n_samples))


def threshold_limit(solver, problem):
    """Return the largest threshold that "auto" takes.

    Parameters
    ----------
    solver : str
    problem : Problem
    """
    # the first rows of a stream are not all
    few_rows = MIN_RATIO * problem.n_samples <= problem.n_features and not problem.incremental
    limits = [
        (problem.narrow or solver == "lbfgs", 0.0),
        (solver == "gauss_newton", LARGEST_THRESHOLD),
        (solver == "adam_gauss_newton", LARGEST_LEARNED_THRESHOLD),
        (problem.sparse, LARGEST_SPARSE_THRESHOLD),
        (few_rows, LARGEST_THRESHOLD_OF_FEW_ROWS),
        (problem.deep, LARGEST_DEEP_THRESHOLD),
    ]
    return min((limit for applies, limit in limits if applies), default=np.inf)
