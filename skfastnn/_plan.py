"""What "auto" stands for: solver, search, batch size, the limit of the threshold, step size.

A solver trains in stages: "adam_gauss_newton" in two, "adam" and "gauss_newton", every other in one of its own name.
"""

from dataclasses import dataclass
from numbers import Integral

import numpy as np

from skfastnn._deep_fitting import Probe
from skfastnn.networks._row_space import MIN_RATIO
from skfastnn.networks._training_rows import training_rows
from skfastnn.search._cost_model import choose_engine
from skfastnn.solvers._step_size import adam_step_size, kernel_scale, sgd_step_size, tangent_kernel

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
# .277, .189). Fewer rows than the last are one batch, in which weights are copies.
FIRST_ORDER_BATCH, LEAST_FIRST_ORDER_BATCH, BATCHES_OF_FEW_ROWS, LEAST_TO_SPLIT = 200, 32, 32, 100
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
# Steps of Adam that fall to zero, in normalised coordinates (held-out rows of the training parts of six sets, 512
# neurons, 30 epochs: 0.06 and 0.25 are at most as good on each). A step that is large moves features; it may, since it
# falls. That for widths of MLP was the best of about eight settings on the 22 sets by which they were compared.
STEP, STEP_OF_MLP_WIDTHS = 0.16, 0.06
# Adam moves every weight alike, and a pre-activation by the sum over the features of a row, which of norm one is the
# root of their number at most. Beyond this number steps are smaller by as much (MNIST, 10,000 of the training rows held
# out, 512 neurons, 12 epochs: 98.37 % and log-loss .087 at 0.05, 98.30 % and .134 at 0.16; 1,024: 98.5 % at 0.06 and at
# 0.03, .092 and .072; digits, four times 30 % held out, 1,024 neurons: .124 at 0.16, .086 at 0.08, .071 at 0.04).
FEATURES_OF_STEP = 32
# Of sparse rows (R8 as above, log-loss: .109 at 0.05, .102 at 0.03, .100 at 0.02, .102 at 0.014).
SPARSE_STEP = 0.02
# Penalty of "lbfgs", which trains to the end: MLPClassifier's.
LBFGS_ALPHA = 1e-4
# Pairs of a batch up to which all are computed: to ask what would be faster takes longer.
FEW_PAIRS = 1 << 17
# How often search="auto" expects to see every row: solvers of first order, if not told to stop before; Gauss-Newton.
EXPECTED_EPOCHS, FEW_STEPS = 20, 6
# Candidates of the correlation tree for each pair that fires at the start, over ten epochs of MNIST: weights move, and
# more of them fire. A step of Gauss-Newton leaves no bound on the movement.
DRIFTED = {"sgd": 2.0, "adam": 3.0, "gauss_newton": np.inf}


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


def first_stage(solver):
    """Return the name of the solver that training starts with."""
    return "adam" if solver == "adam_gauss_newton" else solver


def penalty_of(alpha, stage):
    """Return alpha for a stage: a number, or "auto" or "loo" where Gauss-Newton finds it.

    "auto" is none in first order, where the number of epochs does what a penalty would.
    """
    if stage == "gauss_newton" or not isinstance(alpha, str):
        return alpha
    return LBFGS_ALPHA if stage == "lbfgs" else 0.0


def choose_search(search, stage, X, network, batch_size, max_iter, incremental, n_threads):
    """Resolve search="auto" for a stage; X are the rows that the network takes."""
    if stage == "lbfgs":  # which computes all neurons
        return "dense"
    if search != "auto":
        return search
    first = network.layers[0]
    if network.by_panels or min(batch_size, X.shape[0]) * first.n_neurons <= FEW_PAIRS:
        return "dense"
    rows = training_rows(X, first, n_threads)
    return choose_engine(rows, first, batch_size, expected_passes(stage, max_iter, incremental), DRIFTED[stage])


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
        smaller = falls and n_samples >= LEAST_TO_SPLIT
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


def output_size(solver, train_output):
    """Return the size of the output weights at the start."""
    return OUTPUT_SIZE if solver == "gauss_newton" and train_output else 1.0


def rate_unit(solver, network):
    """Return the step in normalised coordinates that corresponds to a rate of one.

    Rates are given as for MLPClassifier on standardised features: there the weights of m neurons start with a standard
    deviation of sqrt(2 / (d + m)), here with one, so that the same share of it is sqrt((d + m) / 2) as long. A step
    along the gradient, which is longer by as much again, is the square of that.
    """
    first = network.layers[0]
    ratio = float(np.sqrt((first.n_given_features + first.n_neurons) / 2))
    return {"adam": ratio, "sgd": ratio**2}.get(first_stage(solver), 1.0)


def acts_as_mlp(problem, learning_rate_init):
    """Return whether output and steps are sized as in MLPClassifier: for its widths, its rates, and streams."""
    return problem.narrow or problem.incremental or not isinstance(learning_rate_init, str)


def falling_step(problem, natural):
    """Return the step of Adam that falls to zero.

    Parameters
    ----------
    problem : Problem
    natural : float
        That of `natural_step`.
    """
    if problem.deep and not problem.narrow:
        return natural
    if problem.sparse:
        return SPARSE_STEP
    if problem.narrow:
        return STEP_OF_MLP_WIDTHS
    return STEP / float(np.sqrt(max(problem.n_features / FEATURES_OF_STEP, 1.0)))


def natural_step(solver, network, rows, weight, loss, curvature, n_threads):
    """Return the numbers from which `step_size` makes the step of learning_rate_init="auto", a tuple.

    Parameters
    ----------
    solver : str
    network : Network or DeepNetwork
    rows, weight
        Some normalised rows and their weights.
    loss : object of `skfastnn._losses`
    curvature : float or None
        Of the loss; needed for sgd.
    n_threads : int
    """
    if solver in ("gauss_newton", "lbfgs"):
        return (1.0,)
    deep = len(network.layers) > 1
    if solver == "sgd":
        kernel = Probe(rows, network, n_threads).tangent_kernel() if deep else tangent_kernel(rows, network, n_threads)
        return (*kernel_scale(kernel, weight), curvature)
    if deep:
        return (loss.first_change / max(Probe(rows, network, n_threads).first_change(weight), 1e-3),)
    return (adam_step_size(rows, weight, network, loss.first_change),)


def step_size(solver, numbers, batch_weight, alpha, momentum):
    """Return the step for batches of this weight, from the numbers of `natural_step`."""
    if solver != "sgd":
        return numbers[0]
    return sgd_step_size(*numbers, batch_weight, alpha, momentum)
