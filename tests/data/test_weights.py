"""Weights of samples, of which ratios count, and weights of the network that users set by hand."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from helpers import BOTH, REGISTERED_SOLVERS, assert_same_fit, data_for
from skfastnn import FastReLUClassifier, FastReLURegressor
from skfastnn._data import copies_of
from skfastnn._sparse_input import distinct
from skfastnn.solvers._leave_one_out import fit_ridge

NARROW = {"hidden_layer_sizes": (64,), "random_state": 0, "max_iter": 4}


# of samples


@BOTH
@pytest.mark.parametrize("solver", [*REGISTERED_SOLVERS, "lbfgs"])
@pytest.mark.parametrize("factor", [1e-6, 3.0, 1e9])
def test_a_factor_of_all_weights_does_not_matter(Estimator, solver, factor):
    X, y = data_for(Estimator)
    weight = np.random.default_rng(0).uniform(0.5, 2, 100)
    fits = [Estimator(**NARROW, solver=solver, batch_size=20).fit(X, y, w) for w in (weight, factor * weight)]
    assert_same_fit(*fits, rtol=1e-6)


@pytest.mark.parametrize(
    ("weight", "expected"),
    [([1, 1, 1], 1), ([7, 7], 1), ([1, 2, 5], [1, 2, 5]), ([0.2, 0.4], [1, 2]), ([2, 3], [2, 3]), ([1, 1.3456], 1)],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_copies_are_multiples_of_a_unit(weight, expected, dtype):
    assert_array_equal(copies_of(np.array(weight, dtype=dtype)), np.broadcast_to(expected, len(weight)))


@pytest.mark.parametrize("stored", [np.asarray, sparse.csr_array])
def test_samples_are_told_apart_by_their_numbers(stored):
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 2, (60, 3)).astype(float), rng.integers(0, 2, 60)
    X[:, 0] += 1e9
    X[:, 1] *= 1e-6
    together = np.column_stack([X, y])
    kinds, seen = np.unique(together, axis=0), []
    for order in (np.arange(60), rng.permutation(60)):
        first, kind = distinct(stored(X[order]), y[order])
        assert len(first) == len(kinds)
        assert_array_equal(together[order][first][kind], together[order])
        seen.append(together[order][first])
    assert_array_equal(*seen)


def test_missing_values_do_not_make_samples_alike():
    X = np.random.default_rng(0).standard_normal((20, 3))
    X[:, 0] = np.nan
    X[5] = X[4]
    assert distinct(X, np.zeros(20))[0].size == 19


def test_one_of_the_copies_is_left_out():
    rng = np.random.default_rng(0)
    A, y, copies = rng.standard_normal((12, 4)), rng.standard_normal((12, 2)), rng.integers(1, 5, 12)
    kernel, many = A @ A.T + 1, np.repeat(np.arange(12), copies)
    by_weight = fit_ridge(kernel, copies.astype(float), y, -1.0, copies=copies)
    by_copies = fit_ridge(kernel[np.ix_(many, many)], np.ones(many.size), y[many], -1.0)
    assert_allclose(by_weight.error, by_copies.error, rtol=1e-9)
    assert_allclose(by_weight.residual[many], by_copies.residual, rtol=1e-9)


# of the network


@BOTH
@pytest.mark.parametrize("dtype", [np.float16, np.float64])
@pytest.mark.parametrize("hidden", [(), (16,), (16, 8)])
def test_weights_set_by_hand_are_used(Estimator, dtype, hidden):
    X, y = data_for(Estimator)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        est = Estimator(hidden_layer_sizes=hidden, solver="adam", random_state=0, max_iter=2).fit(X, y)
    rng = np.random.default_rng(0)
    est.coefs_ = [rng.standard_normal(W.shape).astype(dtype) for W in est.coefs_]
    est.intercepts_ = [rng.standard_normal(c.shape).astype(dtype) for c in est.intercepts_]
    raw = X
    for k, (W, c) in enumerate(zip(est.coefs_, est.intercepts_, strict=True)):
        raw = (np.maximum(raw, 0) if k else raw) @ W.astype(float) + c.astype(float)
    assert_allclose(est._raw_output(X), raw, rtol=1e-9, atol=1e-9)
    coefs = [W.astype(float) for W in est.coefs_]
    est.set_params(learning_rate_init=1e-200, learning_rate="constant").partial_fit(X, y)
    for W, expected in zip(est.coefs_, coefs, strict=True):
        assert_allclose(W, expected, rtol=1e-6, atol=1e-9)


@BOTH
@pytest.mark.parametrize("hidden", [(), (16,), (16, 8)])
def test_weights_of_another_shape_are_refused(Estimator, hidden):
    X, y = data_for(Estimator)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        est = Estimator(hidden_layer_sizes=hidden, solver="adam", random_state=0, max_iter=2).fit(X, y)
    est.coefs_ = [est.coefs_[0][1:], *est.coefs_[1:]]
    for call in (lambda: est.predict(X), lambda: est.partial_fit(X, y)):
        with pytest.raises(ValueError, match="shape"):
            call()


def test_the_loss_that_was_fitted_predicts():
    X, y = data_for(FastReLURegressor)
    reg = FastReLURegressor(**NARROW, solver="adam").fit(X, y)
    before = reg.predict(X)
    assert_array_equal(reg.set_params(loss="poisson").predict(X), before)
    counts = FastReLURegressor("poisson", **NARROW, solver="adam").fit(X, np.exp(y))
    before = counts.predict(X)
    assert_array_equal(counts.set_params(loss="squared_error").predict(X), before)


# what is said


@BOTH
@pytest.mark.parametrize("solver", ["auto", *REGISTERED_SOLVERS, "lbfgs"])
def test_warnings_point_to_the_line_of_the_user(Estimator, solver):
    X, y = data_for(Estimator)
    est = Estimator(hidden_layer_sizes=(32,), solver=solver, random_state=0, max_iter=1, tol=0.0)
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        est.fit(X, y)
    assert [warning.filename for warning in record] == [__file__]


def test_keywords_of_mlp_are_taken():
    X, y = data_for(FastReLUClassifier)
    clf = FastReLUClassifier(
        (32, 16), "relu", solver="adam", alpha=1e-4, batch_size=32, learning_rate="constant", learning_rate_init=1e-3,
        power_t=0.5, max_iter=3, shuffle=True, random_state=0, tol=1e-4, verbose=False, warm_start=False, momentum=0.9,
        nesterovs_momentum=True, early_stopping=False, validation_fraction=0.1, beta_1=0.9, beta_2=0.999, epsilon=1e-8,
        n_iter_no_change=10, max_fun=15_000,
    )  # fmt: skip
    assert [W.shape for W in clf.fit(X, y).coefs_] == [(8, 32), (32, 16), (16, 3)]
    assert clf.n_iter_ == 3
    for activation in ("identity", "logistic", "tanh"):
        with pytest.raises(ValueError, match="MLPClassifier has 'identity', 'logistic' and 'tanh'"):
            clf.set_params(activation=activation).fit(X, y)
