"""No hidden layers: a linear model, which MLPClassifier trains too for hidden_layer_sizes=().

A whole fit takes L-BFGS to the minimum whatever the solver, since the problem is convex; features are divided by their
spread for it. `partial_fit` takes an epoch of Adam on the features as they are.
"""

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import gen_batches
from sklearn.utils.sparsefuncs import mean_variance_axis

from skfastnn._dense_objective import DenseObjective
from skfastnn._fitted import predicting
from skfastnn._fitting import History
from skfastnn._losses import scale_of
from skfastnn._plan import linear_plan
from skfastnn._prediction import checked_weights
from skfastnn._scoring import evaluate
from skfastnn._stages import sentence
from skfastnn._task import Trained


def train_linear(task):
    """Return the linear model that a task asks for, `Trained`."""
    data, before, params = task.data, task.before, task.params
    plan = linear_plan(params, task.problem)
    stage, state, progress = plan.stages[0], None, task.progress

    def of_rows(coefs, intercepts):
        return [[a.astype(data.X.dtype) for a in arrays] for arrays in (coefs, intercepts)]

    def to_predict(coefs, intercepts):
        return predicting(*of_rows(coefs, intercepts), plan.recipe, None, task.loss)

    progress.begin(stage.epochs, to_predict)
    progress.announce(lambda: f"Stage 1 of 1: {sentence(plan.describe(stage, []))}")
    if task.problem.incremental:
        weights, n = None, data.X.shape[0]
        if before is not None:
            weights = checked_weights(before.coefs, before.intercepts, data.X.shape[1], data.target.shape[1])
            state = before.solver_state
        order = task.random_state.permutation(n) if params.shuffle else np.arange(n)
        *weights, history, state = take_epoch(data, task.loss, weights, state, stage, order)
        progress.epoch_begins("epoch", lambda: weights)
        progress.epoch_ends(history.line, lambda: weights)
    else:
        validate = None if task.held_out is None else _validator(task, to_predict)
        *weights, history = fit_linear(data, task.loss, stage, progress, validate)
    history.n_samples_seen += 0 if before is None else before.n_samples_seen
    history.n_epochs_begun = len(history.loss_curve)
    return Trained(plan, [stage], *of_rows(*weights), history, None, state, {})


def _validator(task, to_predict):
    """Return what takes weights and intercepts, and returns score and mean loss on rows that are held out."""
    units = task.loss.standardisation(task.data.target, task.data.weight.astype(np.float64))

    def validate(coefs, intercepts):
        raw = task.held_out.X @ coefs[0] + intercepts[0]
        return evaluate(task.held_out, raw, units, task, lambda: to_predict(coefs, intercepts))

    return validate


def fit_linear(data, loss, stage, progress, validate=None):
    """Return the coefficients, the intercepts and the history of a linear model.

    Parameters
    ----------
    data : Data
    loss : object of `skfastnn._losses`
    stage : Stage
    progress : Progress
    validate : callable or None
        Takes weights and intercepts, returns a score and a loss; the weights of the best score are then kept.
    """
    X, target, weight = data.X, data.target, data.weight.astype(np.float64)
    mean, scale = _spread(X, weight)
    shift, unit = loss.standardisation(target, weight)
    y = (target - shift) / unit
    start = loss.initial_output(y, weight)
    objective = DenseObjective(
        X.multiply(1 / scale).tocsr() if issparse(X) else (X - mean) / scale, y, weight / weight.sum(), loss,
        stage.alpha / weight.sum(), [np.zeros((X.shape[1], y.shape[1]))], [start],
    )  # fmt: skip
    history, theta = History(), objective.start

    def parameters():
        (W,), (v,) = objective.unpack(theta)
        W = W * unit / scale[:, None]
        return [W], [v * unit + shift - (0 if issparse(X) else mean @ W)]

    def note(intermediate_result):
        nonlocal theta
        theta = intermediate_result.x
        history.loss_curve.append(objective.loss_and_gradient(theta)[0])
        history.n_samples_seen += X.shape[0]
        if validate is not None:
            history.take_score(*validate(*parameters()), stage.limits["tol"], parameters)
        history.stopped = progress.epoch_ends(history.line, parameters)
        if history.stopped or history.n_without_improvement > stage.limits["n_iter_no_change"]:
            raise StopIteration
        if len(history.loss_curve) < stage.epochs:
            progress.epoch_begins("iteration", parameters)

    progress.epoch_begins("iteration", parameters)
    result = objective.minimise(note, stage.epochs, stage.limits["max_fun"], stage.limits["tol"])
    history.converged = bool(result.success) or history.stopped or validate is not None
    history.best_loss = min(history.loss_curve, default=np.inf)
    theta = result.x
    return *(history.best_parameters or parameters()), history


def take_epoch(data, loss, weights, state, stage, order):
    """Return the parameters, the history and the state of Adam after one epoch over the rows.

    Parameters
    ----------
    data, loss
        As of `fit_linear`.
    weights : (list of ndarray, list of ndarray) or None
        Where to go on; None: at the start.
    state : dict or None
        Moments and number of steps of the call before.
    stage : Stage
    order : ndarray of shape (n_samples,)
        Of the samples.
    """
    X, target, weight = data.X, data.target, data.weight.astype(np.float64)
    if weights is None:
        weights = [np.zeros((X.shape[1], target.shape[1]))], [loss.initial_output(target, weight)]
    objective = DenseObjective(X, target, weight / weight.sum(), loss, 0.0, *weights)
    theta = objective.start
    state = state or {"mean": np.zeros_like(theta), "square": np.zeros_like(theta), "n_steps": 0}
    m, s, k = state["mean"], state["square"], state["n_steps"]
    b1, b2 = stage.settings["beta_1"], stage.settings["beta_2"]
    total = 0.0
    for part in gen_batches(order.size, stage.batch_size):
        index = order[part]
        value, gradient = objective.loss_and_gradient(theta, index)
        gradient = gradient + stage.alpha / weight[index].sum() * np.where(objective.is_weight, theta, 0.0)
        total += value * weight[index].sum() / weight.sum()
        k += 1
        m, s = b1 * m + (1 - b1) * gradient, b2 * s + (1 - b2) * gradient**2
        rate = stage.learning_rate_init * np.sqrt(1 - b2**k) / (1 - b1**k)
        theta = theta - rate * m / (np.sqrt(s) + stage.settings["epsilon"])
    history = History(loss_curve=[total], best_loss=total, n_samples_seen=X.shape[0])
    return *objective.unpack(theta), history, {"mean": m, "square": s, "n_steps": k}


def _spread(X, weight):
    """Return mean and standard deviation of the features, float64; one for those that are constant."""
    if issparse(X):
        mean, variance = mean_variance_axis(X.astype(np.float64), axis=0, weights=weight)
        return mean, scale_of(mean, np.sqrt(variance))
    mean = np.average(X, axis=0, weights=weight)
    return mean, scale_of(mean, np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weight)))
