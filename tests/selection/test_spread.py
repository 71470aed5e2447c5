"""Standard deviations of predictions: by a Gaussian process on few samples, by held-out rows on many."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.sparse import csr_array

from skfastnn import FastReLUClassifier, FastReLURegressor
from skfastnn._recipe import Recipe
from skfastnn.preprocessing import PiecewiseLinearEncoder
from skfastnn.selection._inputs import candidate_inputs
from skfastnn.selection._kernel import network_rows, tangent_kernel
from skfastnn.selection._spread import BATCH, DEVIATIONS, posterior, standard_deviation, unit_of
from skfastnn.solvers._leave_one_out import fit_ridge


def noisy_sine(n_samples, seed=0, noise=0.1):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2, 2, size=(n_samples, 2))
    return X, np.sin(2 * X[:, 0]) + noise * rng.standard_normal(n_samples)


def kernel_problem(n=40, seed=0):
    rng = np.random.default_rng(seed)
    X, y, weight = rng.standard_normal((n, 3)), rng.standard_normal((n, 2)), rng.uniform(0.5, 2, n)
    inputs = candidate_inputs(X, weight / weight.sum(), None)[0]
    return X, y, weight, inputs, network_rows(inputs.transform(X), weight / weight.sum())


def test_deviation_is_that_of_the_gaussian_process():
    X, y, weight, inputs, rows = kernel_problem()
    kernel = tangent_kernel(rows)
    fit = fit_ridge(kernel, weight, y, -1.0)
    known = posterior(inputs, X, weight, fit, optimism=1.0) | {"unit": np.ones(2)}
    assert_allclose(fit.ridge, 0.1 * np.average(np.diag(kernel), weights=weight))
    new = np.random.default_rng(1).standard_normal((BATCH + 3, 3))
    coordinates = np.clip(new, inputs.low, inputs.high)
    both = network_rows(
        np.r_[inputs.transform(X), inputs.transform(coordinates)], np.r_[weight, 0 * new[:, 0]] / weight.sum()
    )
    K = tangent_kernel(both)
    told = K[40:, :40] @ np.linalg.solve(K[:40, :40] + fit.ridge * np.diag(1 / weight), K[:40, 40:])
    expected = np.sqrt(np.diag(K[40:, 40:] - told) + fit.ridge)
    assert_allclose(standard_deviation(known, new), np.c_[expected, expected], rtol=1e-5)


def test_deviation_of_a_row_left_out_is_what_the_others_say():
    _, y, weight, _, rows = kernel_problem()
    kernel = tangent_kernel(rows)
    fit = fit_ridge(kernel, weight, y, -1.0)
    others = np.arange(40) != 7
    told = kernel[7, others] @ np.linalg.solve(
        kernel[np.ix_(others, others)] + fit.ridge * np.diag(1 / weight[others]), kernel[others, 7]
    )
    assert_allclose(fit.deviation[7] ** 2, kernel[7, 7] - told + fit.ridge / weight[7])


@pytest.mark.parametrize("n", [1, 5, 19, 400])
def test_nine_tenths_of_one_more_are_within_the_unit(n):
    errors = np.random.default_rng(0).standard_normal((n, 2)) * [1, 10]
    unit = unit_of(errors, np.ones(n))
    within = (np.abs(errors) <= DEVIATIONS * unit * (1 + 1e-12)).sum(axis=0)
    assert_allclose(within, min(np.ceil(0.9 * (n + 1)), n))


def test_weights_of_errors_are_copies():
    errors, weight = np.random.default_rng(0).standard_normal((50, 1)), np.arange(50) % 3 + 1.0
    copies = np.repeat(errors, weight.astype(int), axis=0)
    assert unit_of(errors, weight) == pytest.approx(unit_of(copies, np.ones(len(copies))), rel=0.05)


@pytest.mark.parametrize(("n_samples", "solver"), [(300, "gauss_newton"), (3_000, "adam")])
def test_nine_tenths_of_new_targets_are_within_the_interval(n_samples, solver):
    X, y = noisy_sine(n_samples)
    reg = FastReLURegressor(random_state=0).fit(X, y)
    assert reg.solver_ == solver
    new, target = noisy_sine(2_000, seed=1)
    prediction, std = reg.predict(new, return_std=True)
    assert_allclose(prediction, reg.predict(new), rtol=0)
    assert std.shape == (2_000,)
    assert 0.86 < np.mean(np.abs(target - prediction) < DEVIATIONS * std) < 0.94


def test_deviation_grows_away_from_the_samples_and_with_the_unit_of_the_target():
    X, y = noisy_sine(300)
    reg = FastReLURegressor(random_state=0).fit(X, y)
    _, std = reg.predict([[0.0, 0.0], [2.9, 2.9]], return_std=True)
    assert std[1] > 1.5 * std[0]
    _, larger = FastReLURegressor(random_state=0).fit(X, 1_000 * y).predict([[0.0, 0.0], [2.9, 2.9]], return_std=True)
    assert_allclose(larger, 1_000 * std, rtol=1e-3)


def test_each_target_has_its_own_deviation_which_a_pickle_keeps():
    X, y = noisy_sine(200)
    Y = np.c_[y, 10 * noisy_sine(200, noise=1.0)[1]]
    reg = FastReLURegressor(random_state=0).fit(X, Y)
    prediction, std = reg.predict(X[:5], return_std=True)
    assert prediction.shape == std.shape == (5, 2)
    assert (std[:, 1] > 20 * std[:, 0]).all()
    assert_allclose(pickle.loads(pickle.dumps(reg)).predict(X[:5], return_std=True)[1], std, rtol=0)


def test_deviation_is_that_of_the_rows_however_they_are_stored():
    X, y = noisy_sine(120)
    reg = FastReLURegressor(random_state=0).fit(X, y)
    assert_allclose(reg.predict(csr_array(X), return_std=True), reg.predict(X, return_std=True), rtol=1e-6)


@pytest.mark.parametrize("encoded", [True, False])
def test_deviation_takes_its_own_inputs_where_adam_takes_others(encoded, monkeypatch):
    X, y = noisy_sine(120)
    inputs = candidate_inputs(X, np.full(120, 1 / 120), None if encoded else PiecewiseLinearEncoder)[-1]
    monkeypatch.setattr("skfastnn.selection._select.candidate_inputs", lambda *_: [inputs])
    encoder = PiecewiseLinearEncoder().fit(X) if encoded else None
    learned = Recipe([8], encoding="piecewise_linear" if encoded else "none", encoder=encoder, solver="adam", epochs=3)
    monkeypatch.setattr("skfastnn._trials._less_wrong", lambda recipe, *_: replace(learned, insights=recipe.insights))
    monkeypatch.setattr("skfastnn._trials.MOST_NOISE", np.inf)
    reg = FastReLURegressor(random_state=0).fit(X, y)
    assert (reg.encoder_ is None) == (inputs.encoder is not None)
    Z = np.r_[X, [[np.nan, 0.0]]] if encoded else X
    assert np.isfinite(reg.predict(Z, return_std=True)[1]).all()


def test_a_classifier_does_not_keep_the_rows_it_was_trained_on():
    X, y = noisy_sine(200)
    assert FastReLUClassifier(random_state=0).fit(X, y > 0)._posterior is None


@pytest.mark.parametrize(
    "settings",
    [{"loss": "poisson"}, {"solver": "lbfgs"}, {"solver": "gauss_newton", "hidden_layer_sizes": 64}, {"solver": "sgd"}],
)
def test_what_knows_no_errors_says_so(settings):
    X, y = noisy_sine(120)
    reg = FastReLURegressor(random_state=0, max_iter=3, **settings).fit(X, np.abs(y))
    with pytest.raises(ValueError, match="return_std=True needs errors on samples that were left out"):
        reg.predict(X, return_std=True)


def test_going_on_forgets_the_errors_of_the_network_before():
    X, y = noisy_sine(2_100)
    reg = FastReLURegressor(random_state=0, hidden_layer_sizes=32).fit(X, y)
    reg.predict(X[:3], return_std=True)
    reg.partial_fit(X[:200], y[:200])
    with pytest.raises(ValueError, match="return_std"):
        reg.predict(X[:3], return_std=True)
