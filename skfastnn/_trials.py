"""What the network sees, and how long it is trained, where that is left to us: recipes are tried, the best is taken."""

from dataclasses import replace

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.sparse import issparse

from skfastnn._losses import SquaredError
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
from skfastnn._recipe import (
    EPOCHS_TO_TRY,
    FEW_ROWS,
    HELD_OUT,
    Questions,
    Recipe,
    choose,
    choose_in_closed_form,
    make_encoder,
    mean_square,
    try_once,
)
from skfastnn._threads import effective_n_threads
from skfastnn._training import train

# Share of the variance of a target that features drawn at random leave unexplained, beyond which there is more noise
# than features to learn; and by which share of the squared error those that Adam learns have to be better. Three parts
# held out of the training rows of seven sets, nRMSE of Gauss-Newton, Adam, and what is chosen: yacht .068, .039, .073;
# airfoil .221, .193, .190; energy .044, .040, .040; concrete .271, .272, .269; machine .355, .366, .363; stock .354,
# .369, .365; wine-quality-red .729, .752, .729.
MOST_NOISE, WORTH_LEARNING = 0.3, 0.05
# Neurons that classifiers try with Adam, as many as in MLPClassifier; the share of the log-loss by which they have to
# be better, and the ratio beyond which a first try is the last (64 parts held out of 32 sets: taken for balance-scale,
# twice, vehicle and dermatology, there log-loss .16, not .30, accuracy 94.7 %, not 89.6). And the logarithms between
# which the number is looked for that makes logits of predictions of indicators.
FEW_NEURONS, WORTH_FEW_NEURONS, HOPELESS, LOG_FACTORS = 100, 0.2, 1.25, (-2.0, 5.0)
# Share of the loss that is gained at least where the output is shrunk (held-out rows of 3,000 of letter: log-loss .316,
# .292; 300 columns of noise, 3,000 rows: 1.12 times the squared error of the mean, 1.00). With less, networks of the
# folds of a cross-validation would be sure to different degrees, which confuses what is fitted to all of them.
WORTH_SHRINKING = 0.05


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
    if chooses_inputs(task.params, task.problem) and task.solver == "gauss_newton" and not issparse(task.data.X):
        recipe, table, error = choose_in_closed_form(
            widths, task.data, task.loss, effective_n_threads(), task.has_missing()
        )
        if _one_class_each(task):
            tried, more = _try_few_neurons(task, strata, recipe, error)
            return tried, table + more
        # all losses derive from that of squares, in which alone errors of the two can be compared
        if type(task.loss) is not SquaredError or error > MOST_NOISE * task.problem.n_outputs:
            return recipe, table
        learned, tried = _try_adam(replace(task, solver="adam"), widths, strata, recipe.encoding)
        # the loss is half of the mean over outputs
        tried = [row | {"error": 2 * task.problem.n_outputs * row["error"]} for row in tried]
        _, scale = task.loss.standardisation(task.data.target, task.data.weight)
        return _less_wrong(recipe, error, learned, task.data, scale), table + tried
    return _try_recipes(task, widths, strata)


def _less_wrong(recipe, error, learned, data, scale):
    """Return the better of the recipes of Gauss-Newton and of Adam.

    They are compared on the same samples, which Gauss-Newton has left out one by one, and Adam all at once: some are
    far harder than others.

    Parameters
    ----------
    recipe : Recipe
        For Gauss-Newton.
    error : float
        That is expected of it: mean over samples of squares in units of `scale`, added up over outputs.
    learned : Recipe
        For Adam.
    data : Data
    scale : ndarray of shape (n_outputs,)
        Of the target.
    """
    left_out, insights = learned.left_out, recipe.insights
    if left_out is None or insights.loo_prediction is None:
        return recipe
    residual = (data.target - insights.loo_prediction) / scale
    here = mean_square(residual[left_out.index], left_out.weight)
    expected = here * error / max(mean_square(residual, data.weight), np.finfo(float).tiny)
    # trained on as many more samples as the others were, it would be less wrong in about that ratio
    error_of_more = (1 - HELD_OUT) * mean_square(left_out.error / scale, left_out.weight)
    if error_of_more >= (1 - WORTH_LEARNING) * expected:
        return recipe
    share = error_of_more / expected
    posterior = insights.posterior | {"unit": insights.posterior["unit"] * np.sqrt(share)}
    return replace(learned, insights=replace(insights, posterior=posterior))


def _one_class_each(task):
    """Return whether each sample has one class, of few: labels of which a sample has several are not compared."""
    logits = {"softmax": MANY_OUTPUTS, "logistic": 1}
    return task.problem.n_outputs <= logits.get(task.loss.out_activation, 0)


def _try_few_neurons(task, strata, recipe, error):
    """Return the better of the recipe of Gauss-Newton and one of Adam for a few neurons, and what was tried.

    What the network sees is the same. They are compared by log-loss on the same samples, which Gauss-Newton has left
    out one by one; its predictions of indicators are multiplied by the number that makes probabilities of them.
    """
    left_out, loss, data = recipe.insights.loo_prediction, task.loss, task.data
    falls = task.held_out is None and rate_falls(task.params, "adam", task.problem)
    if left_out is None or not falls or data.target.shape[0] < FEW_ROWS:
        return recipe, []
    # with learned scales more is expected than rows that are left out show
    optimism = max(error / max(mean_square(data.target - left_out, data.weight), np.finfo(float).tiny), 1.0)
    losses = optimism * _calibrated(loss, left_out, data)
    questions = _questions(task, strata)
    few = replace(recipe, widths=[FEW_NEURONS], threshold=0.0, spread=0.0, solver="adam", as_asked=True)
    hopeless = HOPELESS * np.average(losses, weights=data.weight)
    learned = choose([few], questions, loss.negligible, task.params.max_iter, hopeless)
    if learned.left_out is None:
        return recipe, questions.table
    found, known = min(row["error"] for row in questions.table), learned.left_out
    if not found < (1 - WORTH_FEW_NEURONS) * np.average(losses[known.index], weights=known.weight):
        return recipe, questions.table
    return _as_sure_as_held_out_rows_say(learned, data, loss), questions.table


def _calibrated(loss, prediction, data):
    """Return the losses of predictions of indicators, multiplied by the number with which they are least."""
    centred = prediction - (0.5 if prediction.shape[1] == 1 else 0.0)

    def losses(log_factor):
        return loss.value_and_gradient(np.exp(log_factor) * centred, data.target)[0]

    best = minimize_scalar(
        lambda log_factor: np.average(losses(log_factor), weights=data.weight), bounds=LOG_FACTORS, method="bounded"
    )
    return losses(best.x)


def _try_recipes(task, widths, strata):
    """Return the recipe of least loss on rows that are held out, and the table of what was tried."""
    recipes = _encodings(task, widths)
    falling = rate_falls(task.params, task.solver, task.problem)
    if not falling or task.held_out is not None:
        return replace(recipes[0], epochs=EPOCHS_TO_TRY[-1] if falling else None), []
    questions = _questions(task, strata)
    recipes = [replace(recipe, solver=task.solver) for recipe in recipes]
    recipe = choose(recipes, questions, task.loss.negligible, task.params.max_iter)
    return _as_sure_as_held_out_rows_say(recipe, task.data, task.loss), questions.table


def _try_adam(task, widths, strata, encoding):
    """Return a recipe for Adam, with the encoding that Gauss-Newton has, and the table of what was tried."""
    encoded = encoding == "piecewise_linear"
    recipes = _encodings(task, widths)
    recipe = next((r for r in recipes if (r.encoding == "piecewise_linear") == encoded), recipes[0])
    if task.held_out is not None or not rate_falls(task.params, task.solver, task.problem):
        return recipe, []
    questions = _questions(task, strata)
    recipe = try_once(replace(recipe, solver=task.solver), questions, task.params.max_iter)
    return _as_sure_as_held_out_rows_say(recipe, task.data, task.loss), questions.table


def _questions(task, strata):
    """Return what tries recipes on rows of a task that are held out."""

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

    return Questions(task.data, train_quietly, evaluate, strata, task.random_state)


def _as_sure_as_held_out_rows_say(recipe, data, loss):
    """Return the recipe with the share of the way from a constant to the output that has the least loss there.

    What is learned from noise makes no wilder predictions then than the constant, and probabilities are not too sure.

    Parameters
    ----------
    recipe : Recipe
    data : Data
        To choose from.
    loss : object of `skfastnn._losses`
    """
    known = recipe.left_out
    if known is None:
        return recipe
    shift, scale = loss.standardisation(data.target, data.weight)
    target = (data.target - shift) / scale
    constant, held_out = loss.initial_output(target, data.weight), target[known.index]
    way = held_out - known.error / scale - constant

    def loss_of(share):
        losses, _ = loss.value_and_gradient(constant + share * way, held_out)
        return float(np.average(losses, weights=known.weight))

    share = minimize_scalar(loss_of, bounds=(0, 1), method="bounded").x
    if not loss_of(share) < (1 - WORTH_SHRINKING) * loss_of(1.0):
        return recipe
    error = scale * (held_out - constant - share * way)
    return replace(
        recipe, share_of_output=float(share), constant=shift + scale * constant, left_out=replace(known, error=error)
    )


def _encodings(task, widths):
    """Return recipes for the ways to encode the features that are to be tried, the plainest first."""
    params, problem, data = task.params, task.problem, task.data
    plain = Recipe(widths)
    if problem.widths is None and task.solver == "adam":
        # some hundred busy neurons learn what many thousand draw; `widths` are as many as are affordable
        few = FIRST_ORDER_WIDTH if problem.n_outputs <= MANY_OUTPUTS else WIDTH_OF_CODES
        plain = Recipe([min(SPARSE_WIDTH if problem.sparse else few, *widths)], threshold=0.0)
    if params.encoding == "none" or (problem.incremental and params.encoding == "auto"):
        return [plain]
    missing = task.has_missing()
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
