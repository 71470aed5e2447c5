"""No hidden layers: a linear model, which MLPClassifier trains too for hidden_layer_sizes=().

A whole fit takes L-BFGS to the minimum whatever the solver, since the problem is convex; features are divided by their
spread for it. `partial_fit` takes an epoch of Adam on the features as they are.
"""

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import issparse
from sklearn.utils import gen_batches
from sklearn.utils.sparsefuncs import mean_variance_axis

from skfastnn._dense_objective import DenseObjective
from skfastnn._fitting import History
from skfastnn._losses import scale_of


def fit_linear(X, target, sample_weight, loss, settings):
    """Return the coefficients, the intercepts and the history of a linear model.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features)
    target : ndarray of shape (n_samples, n_outputs)
    sample_weight : ndarray of shape (n_samples,)
    loss : object of `skfastnn._losses`
    settings : dict
        alpha, max_iter, max_fun, tol.
    """
    weight = sample_weight.astype(np.float64)
    mean, scale = _spread(X, weight)
    shift, unit = loss.standardisation(target, weight)
    y = (target - shift) / unit
    start = loss.initial_output(y, weight)
    objective = DenseObjective(
        X.multiply(1 / scale).tocsr() if issparse(X) else (X - mean) / scale, y, weight / weight.sum(), loss,
        settings["alpha"] / weight.sum(), [np.zeros((X.shape[1], y.shape[1]))], [start],
    )  # fmt: skip
    history = History()

    def note(intermediate_result):
        history.loss_curve.append(objective.loss_and_gradient(intermediate_result.x)[0])
        history.n_samples_seen += X.shape[0]

    result = minimize(
        objective, objective.start, jac=True, method="L-BFGS-B", callback=note,
        options={"maxiter": settings["max_iter"], "maxfun": settings["max_fun"], "gtol": settings["tol"]},
    )  # fmt: skip
    history.converged = bool(result.success)
    history.best_loss = min(history.loss_curve, default=np.inf)
    (W,), (v,) = objective.unpack(result.x)
    W = W * unit / scale[:, None]
    return [W], [v * unit + shift - (0 if issparse(X) else mean @ W)], history


def take_epoch(X, target, sample_weight, loss, weights, state, settings):
    """Return the parameters, the history and the state of Adam after one epoch over the rows.

    Parameters
    ----------
    X, target, sample_weight, loss
        As of `fit_linear`.
    weights : (list of ndarray, list of ndarray) or None
        Where to go on; None: at the start.
    state : dict or None
        Moments and number of steps of the call before.
    settings : dict
        alpha, beta_1, beta_2, epsilon, rate, order (of the samples), batch_size.
    """
    weight = sample_weight.astype(np.float64)
    if weights is None:
        weights = [np.zeros((X.shape[1], target.shape[1]))], [loss.initial_output(target, weight)]
    objective = DenseObjective(X, target, weight / weight.sum(), loss, 0.0, *weights)
    theta = objective.start
    state = state or {"mean": np.zeros_like(theta), "square": np.zeros_like(theta), "n_steps": 0}
    m, s, k = state["mean"], state["square"], state["n_steps"]
    b1, b2 = settings["beta_1"], settings["beta_2"]
    total, order = 0.0, settings["order"]
    for part in gen_batches(order.size, settings["batch_size"]):
        index = order[part]
        value, gradient = objective.loss_and_gradient(theta, index)
        gradient = gradient + settings["alpha"] / weight[index].sum() * np.where(objective.is_weight, theta, 0.0)
        total += value * weight[index].sum() / weight.sum()
        k += 1
        m, s = b1 * m + (1 - b1) * gradient, b2 * s + (1 - b2) * gradient**2
        rate = settings["rate"] * np.sqrt(1 - b2**k) / (1 - b1**k)
        theta = theta - rate * m / (np.sqrt(s) + settings["epsilon"])
    history = History(loss_curve=[total], best_loss=total, n_samples_seen=X.shape[0])
    return *objective.unpack(theta), history, {"mean": m, "square": s, "n_steps": k}


def _spread(X, weight):
    """Return mean and standard deviation of the features, float64; one for those that are constant."""
    if issparse(X):
        mean, variance = mean_variance_axis(X.astype(np.float64), axis=0, weights=weight)
        return mean, scale_of(mean, np.sqrt(variance))
    mean = np.average(X, axis=0, weights=weight)
    return mean, scale_of(mean, np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weight)))
