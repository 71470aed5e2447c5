"""What the network sees, and how long it is trained, where that is left to us: recipes are tried, the best is taken."""

from dataclasses import replace

import numpy as np
from scipy.sparse import issparse

from skfastnn._messages import quiet
from skfastnn._plan import (
    FIRST_ORDER_WIDTH,
    MANY_FEATURES,
    MANY_OUTPUTS,
    SPARSE_WIDTH,
    WIDTH_OF_CODES,
    rate_falls,
)
from skfastnn._prediction import raw_output
from skfastnn._progress import Progress
from skfastnn._recipe import EPOCHS_TO_TRY, Recipe, choose, choose_in_closed_form, make_encoder
from skfastnn._threads import effective_n_threads
from skfastnn._training import train


def all_is_auto(params):
    """Return whether nothing was said about the network."""
    ours = (params.solver, params.encoding, params.alpha, params.threshold, params.hidden_layer_sizes)
    return all(isinstance(name, str) and name == "auto" for name in ours)


def chooses_inputs(params, problem):
    """Return whether nothing was said about the network: what it sees is then chosen, too."""
    return all_is_auto(params) and problem.widths is None and not problem.sparse and not problem.incremental


def encodes(params, problem, data):
    """Return whether missing values will be encoded."""
    by_us = chooses_inputs(params, problem) and not issparse(data.X)
    return by_us or params.encoding == "piecewise_linear"


def choose_recipe(task, widths, strata):
    """Return the recipe for a network that is drawn anew, and the table of what was tried.

    Parameters
    ----------
    task : Task
    widths : list of int
    strata : callable
        Takes the target and the number of rows that are held out, returns labels or None.
    """
    params, problem, data = task.params, task.problem, task.data
    if chooses_inputs(params, problem) and task.solver == "gauss_newton" and not issparse(data.X):
        return choose_in_closed_form(widths, data, task.loss, effective_n_threads())
    recipes = _encodings(task, widths)
    falling = rate_falls(params, task.solver, problem)
    if not falling or task.held_out is not None:
        return replace(recipes[0], epochs=EPOCHS_TO_TRY[-1] if falling else None), []

    def train_quietly(recipe, part):
        with quiet():
            trained = train(
                replace(task, data=part, random_state=np.random.RandomState(0), progress=Progress()), recipe
            )
        if trained.history.interrupted:
            raise KeyboardInterrupt
        return trained

    def evaluate(trained, part):
        raw = raw_output(trained.plan.recipe.rows(part.X), trained.coefs, trained.intercepts)
        shift, scale = trained.start.target_units()
        losses, _ = task.loss.value_and_gradient((raw - shift) / scale, (part.target - shift) / scale)
        return float(np.average(losses, weights=part.weight)), part.target - raw

    return choose(recipes, data, train_quietly, evaluate, strata, task.random_state, task.loss.negligible)


def _encodings(task, widths):
    """Return recipes for the ways to encode the features that are to be tried, the plainest first."""
    params, problem, data = task.params, task.problem, task.data
    plain = Recipe(widths)
    if problem.widths is None and task.solver == "adam":
        # some hundred busy neurons learn what many thousand draw
        few = FIRST_ORDER_WIDTH if problem.n_outputs <= MANY_OUTPUTS else WIDTH_OF_CODES
        plain = Recipe([SPARSE_WIDTH if problem.sparse else few], threshold=0.0)
    if params.encoding == "none" or (problem.incremental and params.encoding == "auto"):
        return [plain]
    missing = data.has_missing()
    many = problem.n_outputs > MANY_OUTPUTS or problem.n_features > MANY_FEATURES
    if params.encoding == "auto" and not (chooses_inputs(params, problem) and (missing or not many)):
        return [plain]
    encoder = make_encoder().fit(data.X, sample_weight=data.weight)
    encoded = replace(plain, encoding="piecewise_linear", encoder=encoder)
    if problem.widths is None and task.solver == "adam":
        encoded = replace(encoded, widths=[WIDTH_OF_CODES])
    if params.encoding == "piecewise_linear" or missing:
        return [encoded]
    return [plain, encoded] if encoder.feature_indices_.size > data.X.shape[1] else [plain]
