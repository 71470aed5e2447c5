"""solver="lbfgs" and the linear model, against SciPy, NumPy and scikit-learn."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.datasets import make_classification, make_regression
from sklearn.linear_model import LogisticRegression, Ridge

from helpers import data_for
from skfastnn import FastReLUClassifier, FastReLURegressor
from skfastnn._dense_objective import DenseObjective
from skfastnn._losses import SoftmaxLogLoss

TIGHT = {"tol": 1e-9, "max_iter": 20_000, "max_fun": 100_000}


def value(theta, X, Y, share, penalty, start, shapes):
    """The objective in NumPy: mean log-loss and half the squared distance of the weights from their start."""
    ends = np.cumsum([np.prod(shape) for shape in shapes])[:-1]
    W, V, c, v = (a.reshape(shape) for a, shape in zip(np.split(theta, ends), shapes, strict=True))
    W0, V0, *_ = (a.reshape(shape) for a, shape in zip(np.split(start, ends), shapes, strict=True))
    raw = np.maximum(X @ W + c, 0) @ V + v
    return -share @ (Y * log_softmax(raw, axis=1)).sum(axis=1) + penalty / 2 * (
        np.sum((W - W0) ** 2) + np.sum((V - V0) ** 2)
    )


def test_the_objective_has_its_value_and_gradient():
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((30, 4)), np.eye(3)[rng.integers(3, size=30)]
    share = rng.uniform(size=30)
    share /= share.sum()
    shapes = [(4, 6), (6, 3), (6,), (3,)]
    W, V, c, v = (rng.standard_normal(shape) for shape in shapes)
    objective = DenseObjective(X, Y, share, SoftmaxLogLoss(), 0.3, [W, V], [c, v])
    theta = objective.start + 0.1 * rng.standard_normal(objective.start.size)
    mine, gradient = objective(theta)
    arguments = X, Y, share, 0.3, objective.start, shapes
    assert_allclose(mine, value(theta, *arguments), rtol=1e-12)
    for k in range(0, theta.size, 5):
        step = 1e-6 * np.eye(1, theta.size, k)[0]
        slope = (value(theta + step, *arguments) - value(theta - step, *arguments)) / 2e-6
        assert_allclose(gradient[k], slope, rtol=1e-5, atol=1e-8)


def test_lbfgs_finds_the_minimum_that_scipy_finds():
    X, y = data_for(FastReLUClassifier, 60)
    settings = {"hidden_layer_sizes": (8,), "solver": "lbfgs", "alpha": 0.5, "random_state": 0}
    start = FastReLUClassifier(**{**settings, "solver": "adam", "learning_rate_init": 1e-200, "max_iter": 1}).fit(X, y)
    clf = FastReLUClassifier(**settings, **TIGHT).fit(X, y)
    assert clf.solver_ == "lbfgs"
    mean = X.mean(axis=0)
    # rows of the norm of standardised features; of as many features as neurons, weights are then as large as in MLP
    scale = np.sqrt(np.mean(np.sum((X - mean) ** 2, axis=1)) / 8)
    rows, Y, share, shapes = (X - mean) / scale, np.eye(3)[y], np.full(60, 1 / 60), [(8, 8), (8, 3), (8,), (3,)]

    def packed(est):
        (W, V), (c, v) = est.coefs_, est.intercepts_
        return np.concatenate([a.ravel() for a in (W * scale, V, c + mean @ W, v)])

    arguments = rows, Y, share, 0.5 / 60, packed(start), shapes
    theirs = minimize(value, packed(start), arguments, method="L-BFGS-B", options={"maxiter": 5000, "maxfun": 10**6})
    assert value(packed(clf), *arguments) <= theirs.fun * (1 + 2e-3)
    assert value(packed(clf), *arguments) < 0.8 * value(packed(start), *arguments)


@pytest.mark.parametrize("stored", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_linear_classifier_is_logistic_regression(n_classes, stored):
    X, y = make_classification(150, 6, n_informative=4, n_redundant=0, n_classes=n_classes, random_state=0)
    # the penalty is on the weights of features of standard deviation one
    X = X / X.std(axis=0)
    weight = np.random.default_rng(0).uniform(0.5, 2, 150)
    weight *= 150 / weight.sum()
    spread = np.sqrt(np.average((X - np.average(X, axis=0, weights=weight)) ** 2, axis=0, weights=weight))
    X = X / spread
    clf = FastReLUClassifier(hidden_layer_sizes=(), alpha=2.0, **TIGHT).fit(stored(X), y, weight)
    theirs = LogisticRegression(C=0.5, tol=1e-10, max_iter=10_000).fit(X, y, weight)
    assert clf.n_layers_ == 2
    assert_allclose(clf.predict_proba(stored(X)), theirs.predict_proba(X), atol=1e-5)


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_the_linear_regressor_is_ridge_regression(n_outputs):
    X, y = make_regression(100, 5, n_targets=n_outputs, noise=10.0, random_state=0)
    X, y = (X - X.mean(axis=0)) / X.std(axis=0), (y - y.mean(axis=0)) / y.std(axis=0)
    reg = FastReLURegressor(hidden_layer_sizes=(), alpha=3.0, **TIGHT).fit(X, y)
    # the loss is half the mean over outputs
    assert_allclose(reg.predict(X), Ridge(3.0 * n_outputs).fit(X, y).predict(X), atol=1e-4)


def test_the_linear_model_of_a_stream_learns():
    X, y = make_classification(400, 6, n_informative=4, random_state=0)
    clf = FastReLUClassifier(hidden_layer_sizes=(), learning_rate_init=0.01, random_state=0)
    for _ in range(30):
        clf.partial_fit(X, y, classes=[0, 1])
    assert clf.score(X, y) > LogisticRegression().fit(X, y).score(X, y) - 0.02
    raw = X @ clf.coefs_[0] + clf.intercepts_[0]
    assert_allclose(clf.predict_proba(X)[:, 1], softmax(np.hstack([0 * raw, raw]), axis=1)[:, 1], rtol=1e-9)


def test_partial_fit_is_not_there_as_in_mlp():
    assert not hasattr(FastReLUClassifier(solver="lbfgs"), "partial_fit")
    assert not hasattr(FastReLURegressor(solver="lbfgs"), "partial_fit")
