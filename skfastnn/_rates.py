"""Step sizes: what learning_rate_init="auto" stands for, and what a rate of one is in the units of the network."""

from dataclasses import replace

import numpy as np

from skfastnn._building import probe_rows
from skfastnn._deep_fitting import Probe
from skfastnn._plan import CONSTANT_RATE, mlp_unit
from skfastnn._threads import effective_n_threads
from skfastnn.networks._network import check_firing
from skfastnn.solvers import kind_of
from skfastnn.solvers._step_size import MAX_PROBE, adam_step_size, kernel_scale, sgd_step_size, tangent_kernel

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
# Of the step whose first change is as large as at the start, or that is stable: a fitted network is not to lose what it
# has learned to small batches (1,000 rows, then 500 in ten; Adam: R2 .92 to .88 with all of it, .91 with a third, -9 at
# the rate of MLP; sgd, hidden layers of 20 and 10: accuracy .935 to .71 with all of it, never below .905 with a half).
SHARE_AFTER_FIT = 1 / 3


def measure_steps(plan, start, network, data, loss, threshold_given):
    """Return the start with the numbers that step sizes are made of, measured once for a network and a solver.

    Parameters
    ----------
    plan : Plan
    start : Start
    network : Network or DeepNetwork
    data : Data
        As the network takes it.
    loss : object of `skfastnn._losses`
    threshold_given : bool
        Whether neurons may all be silent, which is then said.

    Raises
    ------
    ValueError
        If no neuron fires.
    """
    if start.rate is not None and start.rate["solver"] == plan.solver:
        return start
    _, rows, weight = probe_rows(network, data, MAX_PROBE)
    if threshold_given and network.layers[0].threshold > 0 and abs(rows).max() > 0:
        check_firing(rows, network.layers[0])
    curvature = loss.curvature(data.target, data.weight) if kind_of(plan.solver) == "gradient" else None
    numbers = natural_step(plan.solver, network, rows, weight, loss, curvature, effective_n_threads())
    return replace(start, rate={"solver": plan.solver, "numbers": numbers, "unit": network.target_scale})


def choose_rate(plan, start, network, data):
    """Return the rate of the first stage, in the units of MLPClassifier, and the step that a rate of one stands for.

    Parameters
    ----------
    plan, start, network, data
        As of `measure_steps`.
    """
    stage, problem = plan.stages[0], plan.problem
    natural = _natural_rate(plan, start, network, data)
    unit = rate_unit(stage.solver, network)
    if stage.learning_rate_init != "auto":
        rate = float(stage.learning_rate_init)
        # what MLPClassifier bears for its size may be more than this network does
        return rate, min(unit, natural / rate) if kind_of(plan.solver) == "gradient" else unit
    if plan.solver != "adam":
        return natural / unit * (SHARE_AFTER_FIT if problem.incremental and start.fitted else 1.0), unit
    falling = plan.recipe.share_of_step * falling_step(problem, natural) / unit
    if plan.falls:
        return falling, unit
    constant = CONSTANT_RATE if problem.incremental else falling / 2
    if problem.incremental and not start.as_in_mlp:  # nor is its rate: many neurons move at once
        constant = min(constant, SHARE_AFTER_FIT * natural / unit)
    return constant, unit


def share_of_unit(start, plan, network, data, loss, n_steps):
    """Return the share of its step that a network takes that goes on.

    Adam without moments takes a step that does not know how little is left to learn.

    Parameters
    ----------
    start, plan, network, data, loss
        As of `measure_steps`.
    n_steps : int
        Which the solver remembers.
    """
    after_fit = plan.problem.incremental and start.fitted
    if plan.stages[0].solver != "adam" or not (n_steps == 0 or after_fit):
        return 1.0
    index, rows, weight = probe_rows(network, data, MAX_PROBE)
    return loss.share_left(network.raw_output(rows), data.target[index], weight)


def _natural_rate(plan, start, network, data):
    """Return the step of learning_rate_init="auto", before it is shared out, in normalised coordinates."""
    stage, numbers = plan.stages[0], start.rate["numbers"]
    if kind_of(plan.solver) != "gradient":
        return numbers[0]
    # output weights are larger in a smaller unit of the target, and so is the kernel, without end: then no step is left
    growth = float(np.square(max(1.0, np.max(start.rate["unit"] / network.target_scale))))
    numbers = (growth * numbers[0], growth * numbers[1], *numbers[2:])
    batch_weight = data.weight.mean() * stage.batch_size
    return sgd_step_size(*numbers, batch_weight, stage.alpha, stage.settings["momentum"])


def rate_unit(solver, network):
    """Return the step in normalised coordinates that corresponds to a rate of one of a solver.

    A step along the gradient is longer by the unit of MLPClassifier once more than one of Adam.
    """
    first = network.layers[0]
    ratio = mlp_unit(first.n_given_features, first.n_neurons)
    return {"even": ratio, "gradient": ratio**2}.get(kind_of(solver), 1.0)


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
    """Return the numbers that make the step of learning_rate_init="auto", a tuple.

    Parameters
    ----------
    solver : str
    network : Network or DeepNetwork
    rows, weight
        Some normalised rows and their weights.
    loss : object of `skfastnn._losses`
    curvature : float or None
        Of the loss; needed for steps along the gradient.
    n_threads : int
    """
    if solver == "lbfgs" or kind_of(solver) == "model":
        return (1.0,)
    deep = len(network.layers) > 1
    if kind_of(solver) == "gradient":
        kernel = Probe(rows, network, n_threads).tangent_kernel() if deep else tangent_kernel(rows, network, n_threads)
        return (*kernel_scale(kernel, weight), curvature)
    if deep:
        return (loss.first_change / max(Probe(rows, network, n_threads).first_change(weight), 1e-3),)
    return (adam_step_size(rows, weight, network, loss.first_change),)
