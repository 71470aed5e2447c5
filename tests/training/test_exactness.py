"""Sparse training is dense training: search engines against each other, and both against thirty lines of NumPy."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, log_softmax
from scipy.stats import norm
from sklearn.datasets import load_digits, make_classification

from helpers import EXACT_ENGINES, SEARCHING_ENGINES, STEP_SOLVERS
from skfastnn import FastReLUClassifier, FastReLURegressor
from skfastnn.networks._network import resolve_threshold

SOLVERS = {
    "plain": {"solver": "sgd", "momentum": 0.0},
    "momentum": {"solver": "sgd", "momentum": 0.9, "nesterovs_momentum": False},
    "nesterov": {"solver": "sgd", "momentum": 0.9},
    "adam": {"solver": "adam"},
}
# of the neurons few fire, or there is nothing to search for
FEW_FIRE = resolve_threshold("auto", 512)
EVERY_SOLVER = pytest.mark.parametrize("solver", SOLVERS)
EVERY_ENGINE = pytest.mark.parametrize("search", SEARCHING_ENGINES)


def digits(dtype=np.float64):
    X, y = load_digits(return_X_y=True)
    return X.astype(dtype), y


def many_features(dtype=np.float64):
    """More features than the subspace bound asks for, few directions that matter, rows of very unequal norm."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 10)) @ rng.normal(size=(10, 200)) + 0.3 * rng.normal(size=(400, 200))
    X *= rng.lognormal(sigma=0.5, size=(400, 1))
    return X.astype(dtype), (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)


def few_features(dtype=np.float64):
    """Three features, far from the origin and of unequal spread, a smooth target."""
    X = np.random.default_rng(0).uniform(-1, 1, size=(500, 3)) * [1, 0.5, 0.2] + [3, -2, 0]
    return X.astype(dtype), (np.sin(3 * X[:, 0]) * X[:, 1] > 0).astype(int)


def fit_both(X, y, Estimator=FastReLUClassifier, search="correlation_tree", **settings):
    settings = {
        "hidden_layer_sizes": (512,), "threshold": FEW_FIRE, "max_iter": 30, "random_state": 0,
        "n_iter_no_change": np.inf, "learning_rate": "constant", **settings,
    }  # fmt: skip
    return [Estimator(search=name, **settings).fit(X, y) for name in (search, "dense")]


def assert_same_training(tree, dense):
    assert tree.search_ in SEARCHING_ENGINES
    assert dense.search_ == "dense"
    assert tree.search_counters_["fired"] > 0
    if tree.coefs_[0].dtype == np.float64:
        assert_allclose(tree.loss_curve_, dense.loss_curve_, rtol=1e-8)
        assert tree.firing_curve_ == dense.firing_curve_
    else:
        # a loss that has fallen to a hundred-thousandth is known to fewer digits
        assert_allclose(tree.loss_curve_, dense.loss_curve_, rtol=1e-4, atol=1e-7 * dense.loss_curve_[0])
        # engines sum in another order, so a pre-activation within rounding of zero may fire in one of them only: a
        # few pairs in 100,000 that fire
        n_pairs = dense.search_counters_["candidates"] / len(dense.loss_curve_)
        assert_allclose(tree.firing_curve_, dense.firing_curve_, rtol=5e-5, atol=2 / n_pairs)


# engines against each other


@EVERY_ENGINE
@EVERY_SOLVER
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("batch_size", [200, 1797])
@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_digits(search, solver, dtype, batch_size, alpha):
    # with a penalty the gradients of batches do not vanish, and training is chaotic at the automatic rate
    # (momentum at twice this rate brings a pair so close to firing that in float32 the last bit of X decides, with any
    # engine)
    rate = {"adam": 3e-4, "plain": 0.002}.get(solver, 0.001) if alpha else "auto"
    settings = {"batch_size": batch_size, "alpha": alpha, "learning_rate_init": rate}
    tree, dense = fit_both(*digits(dtype), search=search, **settings, **SOLVERS[solver])
    assert len(tree.loss_curve_) == 30
    assert tree.loss_ < 0.5 * tree.loss_curve_[0]
    assert_same_training(tree, dense)
    if search == "correlation_tree":
        assert tree.search_counters_["candidates"] < 0.5 * dense.search_counters_["candidates"]


@EVERY_ENGINE
@EVERY_SOLVER
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("batch_size", [50, 500])
def test_few_features(search, solver, dtype, batch_size):
    rate = {"plain": 0.012, "adam": 6e-4}.get(solver, 0.004)
    settings = {"batch_size": batch_size, "learning_rate_init": rate, "max_iter": 20, **SOLVERS[solver]}
    engine, dense = fit_both(*few_features(dtype), search=search, **settings)
    assert_same_training(engine, dense)
    assert engine.loss_ < engine.loss_curve_[0]
    share = 0.75 if batch_size == 50 else 0.4  # boxes of a small batch are large
    assert engine.search_counters_["candidates"] < share * dense.search_counters_["candidates"]


@EVERY_ENGINE
@EVERY_SOLVER
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_seeds_and_small_batches(search, solver, seed):
    # at the automatic rate momentum is chaotic here: 1e-14 added to X changes the loss of dense training by 10 %
    settings = {"learning_rate_init": 0.003 if solver != "adam" else "auto", "batch_size": 30, "max_iter": 5}
    assert_same_training(*fit_both(*digits(), search=search, random_state=seed, **settings, **SOLVERS[solver]))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("solver", "rate"), [("plain", 0.04), ("momentum", 0.01), ("nesterov", 0.01), ("adam", 0.002)])
@pytest.mark.parametrize("data", [digits, many_features])
@pytest.mark.usefixtures("any_step")
def test_large_steps_far_from_the_references(data, dtype, solver, rate):
    tree, dense = fit_both(*data(dtype), learning_rate_init=rate, max_iter=10, **SOLVERS[solver])
    assert_same_training(tree, dense)
    if data is digits:
        assert tree.search_counters_["refreshed"] > 0


@EVERY_SOLVER
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_many_features(solver, dtype):
    # Adam at its automatic rate multiplies the rounding of float32 by a hundred in 30 epochs of these data
    rate = 5e-5 if solver == "adam" else "auto"
    tree, dense = fit_both(*many_features(dtype), learning_rate_init=rate, **SOLVERS[solver])
    assert_same_training(tree, dense)
    assert tree.search_counters_["candidates"] < 0.2 * dense.search_counters_["candidates"]


@EVERY_ENGINE
@EVERY_SOLVER
@pytest.mark.parametrize("width", [1, 2, 63, 65, 257, 1000])
@pytest.mark.parametrize("init", ["antisymmetric", "random"])
def test_widths_that_fill_no_block(search, solver, width, init):
    X, y = digits()
    settings = {"hidden_layer_sizes": width, "init": init, "threshold": 0.5, "max_iter": 3, **SOLVERS[solver]}
    assert_same_training(*fit_both(X[:300], y[:300], search=search, **settings))


@EVERY_ENGINE
@EVERY_SOLVER
def test_one_output(search, solver):
    X, y = digits()
    tree, dense = fit_both(X, np.sin(y), FastReLURegressor, search, alpha=1.0, **SOLVERS[solver])
    assert_same_training(tree, dense)


@EVERY_ENGINE
@EVERY_SOLVER
@pytest.mark.parametrize("learning_rate", ["invscaling", "adaptive"])
def test_schedules_of_the_step(search, solver, learning_rate):
    settings = {"learning_rate": learning_rate, "tol": 0.5, "n_iter_no_change": 2, "alpha": 1.0}
    assert_same_training(*fit_both(*digits(), search=search, **settings, **SOLVERS[solver]))


@EVERY_ENGINE
@EVERY_SOLVER
def test_frozen_output_layer(search, solver):
    assert_same_training(
        *fit_both(*digits(), search=search, train_output=False, init="random", max_iter=10, **SOLVERS[solver])
    )


@EVERY_ENGINE
@EVERY_SOLVER
def test_early_stopping(search, solver):
    X, y = digits()
    rate = 0.003 if solver != "adam" else "auto"
    settings = {"early_stopping": True, "alpha": 1.0, "threshold": 2.0, "learning_rate_init": rate, "batch_size": 20}
    tree, dense = fit_both(
        X[:500], np.sin(y[:500]), FastReLURegressor, search, max_iter=5, **settings, **SOLVERS[solver]
    )
    assert_same_training(tree, dense)
    assert_allclose(tree.validation_scores_, dense.validation_scores_, rtol=1e-8)
    assert_allclose(tree.coefs_[0], dense.coefs_[0], rtol=1e-7, atol=1e-9)


@EVERY_ENGINE
@EVERY_SOLVER
def test_going_on(search, solver):
    X, y = digits()
    settings = {"hidden_layer_sizes": (512,), "random_state": 0, "alpha": 1.0, **SOLVERS[solver]}
    tree, dense = (FastReLUClassifier(search=name, **settings) for name in (search, "dense"))
    for clf in (tree, dense):
        for part in range(6):
            clf.partial_fit(X[part::3], y[part::3], classes=np.arange(10))
        clf.set_params(warm_start=True, max_iter=3).fit(X, y)
    assert_same_training(tree, dense)
    assert len(tree.loss_curve_) == 9


@EVERY_ENGINE
@pytest.mark.parametrize("case", ["duplicates", "zero rows", "huge norm", "constant features", "one row"])
@EVERY_SOLVER
def test_adversarial_data(search, case, solver):
    X, y = digits()
    X, y = X[:200].copy(), y[:200]
    if case == "duplicates":
        X[100:] = X[0]
    elif case == "zero rows":
        X[50:150] = 0
    elif case == "huge norm":
        X[7] *= 1e4
    elif case == "constant features":
        X[:, 5:] = 3.0
    else:
        X, y = X[:1], y[:1]
    settings = {"max_iter": 10, "batch_size": 20, "hidden_layer_sizes": 500, "threshold": 0.5, **SOLVERS[solver]}
    assert_same_training(*fit_both(X, y, search=search, **settings))


# against NumPy

# fires on about 6 % of the pairs; in batches of 5 many neurons are silent for longer than a solver puts them off
REFERENCE = {
    "hidden_layer_sizes": 120,
    "threshold": 1.5,
    "random_state": 0,
    "shuffle": False,
    "n_iter_no_change": np.inf,
}


def normalised_start(X, y, Estimator, settings):
    """Return rows, output scale and parameters as training sees them, from a fit whose steps are too small to count.

    Rows are centred and divided by their root-mean-square norm; the output is scaled by the threshold and the width,
    with Adam also so that a step moves it as in MLPClassifier.
    """
    est = Estimator(**{**settings, "max_iter": 1, "learning_rate_init": 1e-200}).fit(X, y)
    (W, V), (c, v) = est.coefs_, est.intercepts_
    mean = X.mean(axis=0)
    scale = np.sqrt(np.mean(np.sum((X - mean) ** 2, axis=1)))
    b, m = est.threshold_, W.shape[1]
    output_scale = 1 / np.sqrt(m * ((1 + b**2) * norm.sf(b) - b * norm.pdf(b)))
    if est.solver_ == "adam":
        output_scale *= np.sqrt(2 * X.shape[1] * m) / (X.shape[1] + m)
    return (X - mean) / scale, output_scale, [W.T * scale, c + mean @ W, V / output_scale, v]


def train_densely(X, Y, output_scale, start, rate, n_epochs, batch_size, alpha, adam, momentum=0.9, nesterov=True):
    """Train every neuron at every step, as the textbooks say, but for Adam, which leaves silent neurons alone.

    Returns
    -------
    loss_curve : list of float
    parameters : list of ndarray
    silence : int, the most steps in a row that a neuron was silent between two steps on which it fired
    """
    W, c, V, v = parameters = [p.copy() for p in start]
    first, second = ([np.zeros_like(p) for p in start] for _ in range(2))
    loss_curve, n_steps, last_fired, silence = [], 0, np.full(c.size, -1), 0
    for _ in range(n_epochs):
        total = 0.0
        for k in range(0, X.shape[0], batch_size):
            x, y = X[k : k + batch_size], Y[k : k + batch_size]
            H = np.maximum(x @ W.T + c, 0)
            raw = output_scale * H @ V + v
            if Y.shape[1] > 1:
                total -= np.sum(y * log_softmax(raw, axis=1))
                error = (np.exp(log_softmax(raw, axis=1)) - y) / len(x)
            else:
                total += np.sum(np.logaddexp(0, raw) - y * raw)
                error = (expit(raw) - y) / len(x)
            signal = output_scale * (error @ V.T) * (H > 0)
            penalty = alpha / len(x)
            gradients = [
                signal.T @ x + penalty * (W - start[0]),
                signal.sum(axis=0),
                output_scale * H.T @ error + penalty * (V - start[2]),
                error.sum(axis=0),
            ]
            fired, n_steps = (H > 0).any(axis=0), n_steps + 1
            silence = max(silence, np.max((n_steps - last_fired - 1)[fired & (last_fired >= 0)], initial=0))
            last_fired[fired] = n_steps
            for p, g, a, b in zip(parameters, gradients, first, second, strict=True):
                if adam:
                    rows = fired if p is not v else slice(None)
                    a[rows] = 0.9 * a[rows] + 0.1 * g[rows]
                    b[rows] = 0.999 * b[rows] + 0.001 * g[rows] ** 2
                    step = rate * np.sqrt(1 - 0.999**n_steps) / (1 - 0.9**n_steps)
                    p[rows] -= step * a[rows] / (np.sqrt(b[rows]) + 1e-8)
                else:
                    a[...] = momentum * a - rate * g
                    p += momentum * a - rate * g if nesterov else a
        loss_curve.append(total / X.shape[0])
    return loss_curve, parameters, silence


@EVERY_SOLVER
@pytest.mark.parametrize("search", EXACT_ENGINES)
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize(("batch_size", "n_epochs", "alpha"), [(400, 10, 0.5), (5, 3, 0.05)])
@pytest.mark.usefixtures("any_step")
def test_numpy(solver, search, n_classes, batch_size, n_epochs, alpha):
    X, y = make_classification(400, 12, n_informative=8, n_classes=n_classes, random_state=0)
    Y = np.eye(n_classes)[y] if n_classes > 2 else y[:, None].astype(float)
    rate = 0.02 if solver == "adam" else 0.1 if batch_size == 5 else 1.0
    # rates, and Adam's alpha, are for weights with a standard deviation of sqrt(2 / (d + m)); those here have one
    unit = np.sqrt((12 + 120) / 2)
    given = alpha * unit**2 if solver == "adam" else alpha
    settings = {**REFERENCE, **SOLVERS[solver], "batch_size": batch_size, "alpha": given, "search": search}
    x, output_scale, start = normalised_start(X, y, FastReLUClassifier, settings)
    loss_curve, parameters, silence = train_densely(
        x, Y, output_scale, start, rate, n_epochs, batch_size, alpha, solver == "adam",
        momentum=0.0 if solver == "plain" else 0.9, nesterov=solver == "nesterov",
    )  # fmt: skip
    given = rate / unit if solver == "adam" else rate / unit**2
    clf = FastReLUClassifier(**settings, learning_rate_init=given, max_iter=n_epochs).fit(X, y)
    assert_allclose(clf.loss_curve_, loss_curve, rtol=1e-8)
    assert loss_curve[-1] < 0.9 * loss_curve[0]
    assert silence > 64 or batch_size == 400

    # the estimator exports to the original coordinates; a classifier's output is not standardised
    mean, scale = X.mean(axis=0), np.sqrt(np.mean(np.sum((X - X.mean(axis=0)) ** 2, axis=1)))
    W, c, V, v = parameters
    assert_allclose(clf.coefs_[0], W.T / scale, rtol=1e-7, atol=1e-9)
    assert_allclose(clf.intercepts_[0], c - W @ mean / scale, rtol=1e-7, atol=1e-9)
    assert_allclose(clf.coefs_[1], output_scale * V, rtol=1e-7, atol=1e-9)
    assert_allclose(clf.intercepts_[1], v, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("solver", STEP_SOLVERS)
@pytest.mark.parametrize("init", ["antisymmetric", "random"])
def test_start(init, solver):
    X, y = make_classification(400, 12, n_informative=8, n_classes=3, random_state=0)
    X = 5 * X + 100
    settings = {**REFERENCE, "solver": solver, "hidden_layer_sizes": 4000, "init": init}
    x, output_scale, (W, c, V, v) = normalised_start(X, y, FastReLUClassifier, settings)
    assert_allclose(c, -1.5, atol=1e-10)
    assert_allclose(np.abs(V), np.sqrt((12 + 4000) / (4000 + 3)) if solver == "adam" else 1, rtol=1e-9)
    assert abs(W.mean()) < 0.02
    assert abs(W.std() - 1) < 0.02
    Z = x @ W.T
    assert abs(np.mean(Z**2) - 1) < 0.1
    raw = output_scale * np.maximum(Z + c, 0) @ V + v
    if init == "antisymmetric":
        assert_array_equal(W[::2], W[1::2])
        assert_allclose(V[::2], -V[1::2])
        assert_allclose(raw, 0, atol=1e-12)
    else:
        unit = 2 * 12 / (12 + 4000) if solver == "adam" else 1
        assert 0.5 < np.mean(raw**2) / unit < 2
