"""Selection of inputs and ridge in closed form."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skfastnn.selection import Candidate, _select, forest_operations, select
from skfastnn.selection._budget import Budget
from skfastnn.selection._inputs import candidate_inputs
from skfastnn.selection._kernel import CONSTANT, mean_squared_gradient, network_rows, tangent_kernel
from skfastnn.selection._scales import held_out_gains, next_scales
from skfastnn.selection._select import Chooser, Trial, choose
from skfastnn.solvers._leave_one_out import RidgeFit, best_ridge, fit_ridge, mean_diagonal


class Thermometer:
    """A feature, and beside it two codes, where it has more than two values."""

    def fit(self, X, sample_weight=None):
        self.cuts_ = np.nanquantile(X, [0.3, 0.7], axis=0)
        several = [np.unique(column[~np.isnan(column)]).size > 2 for column in X.T]
        self.feature_indices_ = np.concatenate([[j] * (3 if many else 1) for j, many in enumerate(several)])
        return self

    def transform(self, X):
        X = np.nan_to_num(X)
        columns = []
        for j, times in enumerate(np.bincount(self.feature_indices_)):
            codes = [np.clip(X[:, j] - cut, 0, 1) for cut in self.cuts_[:, j]]
            columns += [X[:, j]] + codes[: times - 1]
        return np.column_stack(columns)


def data(n=40, d=4, k=2, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)) * [1, 3, 0.5, 2][:d]
    y = np.sin(X[:, :1]) + 0.3 * X[:, 1:2] * rng.uniform(size=k) + 0.05 * rng.standard_normal((n, k))
    return X, y - y.mean(axis=0)


def rows_of(X, share=None):
    share = np.full(len(X), 1 / len(X)) if share is None else share
    return network_rows(X - share @ X, share)


def chosen(X, y, weight=None, budget=1e15):
    weight = np.ones(len(X)) if weight is None else weight
    return select(X, y, weight, encoder_factory=Thermometer, budget=budget)


# the kernel


def test_kernel_is_that_of_a_wide_random_network():
    A = rows_of(data(6)[0])
    W = np.random.default_rng(0).standard_normal((400_000, A.shape[1]))
    Z = A @ W.T
    fires, H = (Z > 0).astype(float), np.maximum(Z, 0)
    wide = 1 + 2 * ((A @ A.T) * (fires @ fires.T) + H @ H.T) / len(W)
    assert_allclose(tangent_kernel(A), wide, rtol=0.01, atol=0.02)
    assert_allclose(A[:, -1], CONSTANT)


@pytest.mark.parametrize("n", [1, 31, 70])
def test_kernel_of_rows_with_themselves_and_with_others_agree(n):
    A = rows_of(data(n)[0])
    kernel = tangent_kernel(A)
    assert_array_equal(kernel, kernel.T)
    assert_allclose(kernel, tangent_kernel(A, A.copy()), rtol=1e-12)


@pytest.mark.parametrize("twice", [False, True])
def test_gradient_is_that_of_finite_differences(twice):
    A = rows_of(data(20)[0])
    A = np.vstack([A, A[:5]]) if twice else A
    dual, share = np.random.default_rng(1).standard_normal((len(A), 2)), np.arange(1, len(A) + 1) / 100
    at, step = np.arange(0, len(A), 2), 1e-5
    expected = np.zeros(A.shape[1])
    for j in range(A.shape[1]):
        move = step * np.eye(A.shape[1])[j]
        slope = (tangent_kernel(A[at] + move, A) - tangent_kernel(A[at] - move, A)) @ dual / (2 * step)
        expected[j] = share[at] @ (slope**2).sum(axis=1) / share[at].sum()
    assert_allclose(mean_squared_gradient(A, dual, share, at), expected, rtol=1e-3)


def test_gradient_of_many_functions_is_close_to_the_sum_of_theirs():
    A = rows_of(data(200)[0])
    dual, share, at = np.random.default_rng(1).standard_normal((200, 12)), np.full(200, 1 / 200), np.arange(200)
    each = sum(mean_squared_gradient(A, dual[:, [j]], share, at) for j in range(12))
    assert_allclose(mean_squared_gradient(A, dual, share, at), each, rtol=0.25)


# the ridge


def test_leave_one_out_equals_refits():
    X, y = data(15)
    weight = np.random.default_rng(0).uniform(0.5, 3, 15)
    kernel, log_ridge = tangent_kernel(rows_of(X)), -1.0
    fit = fit_ridge(kernel, weight, y, log_ridge)
    ridge = 10**log_ridge * mean_diagonal(kernel, weight)
    for i in range(15):
        kept = np.arange(15) != i
        dual = np.linalg.solve(kernel[np.ix_(kept, kept)] + ridge * np.diag(1 / weight[kept]), y[kept])
        assert_allclose(fit.residual[i], y[i] - kernel[i, kept] @ dual, rtol=1e-8)
    assert_allclose(fit.error, np.average((fit.residual**2).sum(axis=1), weights=weight))


def test_weights_fit_as_copies_do():
    X, y = data(20)
    weight = np.arange(20) % 3 + 1
    rows = rows_of(X, weight / weight.sum())
    copies = np.repeat(rows, weight, axis=0)
    once = fit_ridge(tangent_kernel(rows), weight.astype(float), y, -1.0)
    often = fit_ridge(tangent_kernel(copies), np.ones(len(copies)), np.repeat(y, weight, axis=0), -1.0)
    assert_allclose(tangent_kernel(rows) @ once.dual, tangent_kernel(rows, copies) @ often.dual, rtol=1e-6)


@pytest.mark.parametrize("start", [-5.0, -2.0, 1.0])
@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_search_finds_the_ridge_of_a_path(start, noise):
    X, y = data(60)
    y = y + noise * np.random.default_rng(3).standard_normal(y.shape)
    kernel, weight = tangent_kernel(rows_of(X)), np.ones(60)
    path = [fit_ridge(kernel, weight, y, log_ridge).error for log_ridge in np.linspace(-6, 2, 33)]
    fit = best_ridge(kernel, weight, y, start)
    assert fit.error <= 1.02 * min(path)
    assert fit.n_factors <= 12


def test_search_finds_the_lower_of_two_valleys():
    X, y = data(60, k=1)
    y = y + np.random.default_rng(3).standard_normal(y.shape)
    X, y = np.vstack([X, X[:30]]), np.vstack([y, y[:30]])
    kernel, weight = tangent_kernel(rows_of(X)), np.ones(90)
    path = [fit_ridge(kernel, weight, y, log_ridge).error for log_ridge in np.linspace(-6, 2, 33)]
    assert best_ridge(kernel, weight, y, 1.0).error <= 1.05 * min(path)


# scales


def test_scales_find_the_features_that_matter():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 10))
    y = np.sin(2 * X[:, [0]]) + X[:, [1]] * X[:, [0]]
    selection = chosen(X, y - y.mean())
    assert selection.candidate.scales
    assert selection.scales[:2].min() > 3 * selection.scales[2:].max()
    assert_allclose(np.mean(selection.scales**2), 1)


def test_scales_of_noise_gain_nothing():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((60, 50)), rng.standard_normal((60, 1))
    share, weight = np.full(60, 1 / 60), np.ones(60)
    rows = rows_of(X)
    plain = best_ridge(tangent_kernel(rows), weight, y)
    scales = next_scales(np.ones(50), rows, plain.dual, share, np.arange(50))
    assert best_ridge(tangent_kernel(rows_of(X * scales)), weight, y).error < plain.error  # this does not notice
    gains = held_out_gains(X - X.mean(axis=0), y, weight, np.arange(50), 50, plain.log_ridge)
    assert gains.min() > 0.95


def test_all_codes_of_a_feature_share_its_scale():
    X, _ = data(80)
    inputs = candidate_inputs(X, np.full(80, 1 / 80), Thermometer)[-1]
    assert inputs.encoding == "piecewise_linear"
    scaled = inputs.with_scales(np.array([1.0, 2.0, 3.0, 4.0]))
    assert_allclose(scaled.transform(X), inputs.transform(X) * (1 + inputs.feature))


# what is chosen


class Table:
    """A chooser that knows the errors of the encodings."""

    def __init__(self, scaled=None, **errors):
        self.errors, self.scaled, self.budget = errors, scaled, Budget(1.0)

    def cost(self, inputs):
        return 0.0

    def try_inputs(self, inputs, start):
        fit = RidgeFit(self.errors[inputs.encoding], None, None, start, 1.0, None)
        return Trial(Candidate(inputs.encoding), inputs, None, fit, fit.error)

    def learn_scales(self, trial):
        if self.scaled is None:
            return None
        return Trial(trial.candidate, trial.inputs.with_scales(np.ones(4)), None, trial.fit, self.scaled)


@pytest.mark.parametrize(("error", "winner"), [(0.99, "standardize"), (0.95, "piecewise_linear")])
def test_a_simpler_candidate_wins_ties(error, winner):
    X, _ = data()
    all_inputs = candidate_inputs(X, np.full(40, 1 / 40), Thermometer)
    best = choose(Table(standardize=1.0, none=1.2, piecewise_linear=error), all_inputs)
    assert best.candidate.encoding == winner


@pytest.mark.parametrize(("error", "learned"), [(0.95, False), (0.9, True)])
def test_learned_scales_have_to_gain_more_than_an_encoding(error, learned):
    X, _ = data()
    best = choose(Table(error, standardize=1.0), candidate_inputs(X, np.full(40, 1 / 40), None)[:1])
    assert (best.inputs.scales is not None) == learned


def test_error_of_scales_is_not_below_what_folds_say(monkeypatch):
    monkeypatch.setattr(_select, "held_out_gains", lambda *_: np.array([1.0, 0.97, 1.0, 1.0]))
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((60, 50)), rng.standard_normal((60, 1))
    chooser = Chooser(X, y, np.ones(60), Budget(1e15), 1)
    plain = chooser.try_inputs(candidate_inputs(X, np.full(60, 1 / 60), None)[0])
    spent = chooser.budget.left
    scaled = chooser.learn_scales(plain)
    assert scaled.fit.error < 0.95 * plain.error
    assert_allclose(scaled.error, 0.97 * plain.error)
    assert [record["error"] for record in chooser.table] == [plain.error, scaled.error]
    assert spent - chooser.budget.left > chooser.folds_cost(plain.inputs)


def test_standardised_data_are_tried_once():
    X, y = data(80)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    tried = {record["candidate"].encoding for record in chosen(X, y).table}
    assert tried == {"standardize", "piecewise_linear"}
    binary = np.sign(X)
    assert {record["candidate"].encoding for record in chosen(binary, y).table} == {"standardize"}


def test_predictions_of_rows_left_out_are_those_of_the_error():
    X, y = data(60)
    selection = chosen(X, y + 5)
    plain = next(record for record in selection.table if not record["candidate"].scales)
    assert selection.loo_prediction.shape == y.shape
    if not selection.candidate.scales:
        assert_allclose(np.mean(((y + 5 - selection.loo_prediction) ** 2).sum(axis=1)), selection.error)
    assert plain["alpha"] > 0


@pytest.mark.parametrize("share", [0.0, 0.02, 0.2, 1.0])
def test_budget_is_respected(share):
    X, y = data(150)
    whole = chosen(X, y).operations
    first = chosen(X, y, budget=0.0).operations
    assert 0 < first < whole / 3
    selection = chosen(X, y, budget=share * whole)
    # what is not spent on the first candidate; a search may take more factors than is expected of it
    assert selection.operations <= first + 1.3 * share * whole
    assert len(selection.table) >= 1


def test_many_rows_are_chosen_from_some_and_fitted_on_all():
    X, y = data(1_100)
    selection = chosen(X, y)
    assert selection.loo_prediction.shape == y.shape
    assert chosen(X, y, budget=0.0).loo_prediction is None


def test_forest_grows_with_rows_and_features():
    assert forest_operations(100, 10) < forest_operations(1_000, 10) < forest_operations(1_000, 40)


def bad_data(what):
    X, y = data(40)
    rng = np.random.default_rng(0)
    if what == "constant columns":
        X[:, 1], X[:, 2] = 3.0, 0.1
    if what == "all columns constant":
        X[:] = 1.0
    if what == "two rows":
        X, y = X[:2], y[:2]
    if what == "one row":
        X, y = X[:1], y[:1]
    if what == "one class":
        y = np.ones((40, 1))
    if what == "duplicates":
        X, y = np.repeat(X[:4], 10, axis=0), y
    if what == "outliers":
        X[3, 0], y[5] = 1e12, 1e6
    if what == "noise columns":
        X = np.hstack([X, rng.standard_normal((40, 1_000))])
    if what == "missing":
        X[rng.uniform(size=X.shape) < 0.2] = np.nan
        X[:, 3] = np.nan
    return X, y


@pytest.mark.filterwarnings("ignore:All-NaN slice")
@pytest.mark.parametrize(
    "what",
    ["constant columns", "all columns constant", "two rows", "one row", "one class", "duplicates", "outliers",
     "noise columns", "missing"],
)  # fmt: skip
def test_bad_data_give_finite_results(what):
    X, y = bad_data(what)
    selection = chosen(X, y)
    assert np.isfinite(selection.alpha)
    assert np.isfinite(selection.error)
    assert np.isfinite(selection.loo_prediction).all()
    assert np.isfinite(selection.inputs.transform(X)).all()
    assert selection.error <= 1.2 * np.mean((y**2).sum(axis=1)) + 1e-12


def test_far_outliers_of_new_rows_are_clipped():
    X, y = data(60)
    selection = chosen(X, y)
    X[:, 1] = 1e9
    assert np.abs(selection.inputs.transform(X)).max() < 20


def test_an_error_on_all_rows_keeps_the_share_by_which_folds_have_raised_it(monkeypatch):
    monkeypatch.setattr(_select, "CHOICE_ROWS", 60)
    trials, try_inputs = [], Chooser.try_inputs

    def noted(self, *args, **kwargs):
        trials.append(try_inputs(self, *args, **kwargs))
        return trials[-1]

    monkeypatch.setattr(Chooser, "try_inputs", noted)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((120, 12))
    target = np.sin(2 * X[:, :1]) + 0.1 * rng.standard_normal((120, 1))
    chosen = select(X, target, np.ones(120), budget=1e15)
    few, whole = (trial for trial in trials if trial.inputs is chosen.inputs)
    assert len(few.rows) == 60
    assert len(whole.rows) == 120
    assert few.error > 1.05 * few.fit.error
    assert_allclose(chosen.error / whole.fit.error, few.error / few.fit.error)


@pytest.mark.parametrize(
    ("n_rows", "n_features", "of_classifier", "of_regressor"),
    [(100, 20, 0.5, None), (1_000, 20, 1.3, 3.1), (3_000, 5, 1.9, 3.6), (3_000, 80, 7, 38)],
)
def test_operations_of_a_forest_are_the_seconds_that_were_measured(n_rows, n_features, of_classifier, of_regressor):
    a_second = 5e10
    assert forest_operations(n_rows, n_features) / a_second == pytest.approx(of_classifier, rel=0.4)
    if of_regressor:
        seconds = forest_operations(n_rows, n_features, regressor=True) / a_second
        assert seconds == pytest.approx(of_regressor, rel=0.4)
