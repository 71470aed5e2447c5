"""What random parameters and data have found (`tests/fuzz.py`): each case once, by its cause."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.sparse import csr_matrix
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning

from helpers import BOTH, EVERY_SOLVER, SOLVERS, data_for
from skfastnn import FastReLUClassifier, FastReLURegressor
from skfastnn._losses import Poisson
from skfastnn.solvers._gauss_newton import GaussNewton


@BOTH
@pytest.mark.parametrize("solver", ["auto", *EVERY_SOLVER])
@pytest.mark.filterwarnings("ignore:Maximum iterations")
def test_every_solver_goes_on_by_warm_start(Estimator, solver):
    X, y = data_for(Estimator)
    est = Estimator(solver=solver, hidden_layer_sizes=64, max_iter=2, warm_start=True, random_state=0).fit(X, y)
    loss = est.loss_
    assert est.fit(X, y).loss_ <= loss
    assert len(est.loss_curve_) >= 2


@pytest.mark.parametrize("loss", ["quantile", "squared_error"])
@pytest.mark.filterwarnings("ignore:Maximum iterations")
def test_lbfgs_takes_sparse_rows_of_many_numbers(loss):
    X, y = data_for(FastReLURegressor)
    reg = FastReLURegressor(loss, hidden_layer_sizes=16, solver="lbfgs", max_iter=20, random_state=0)
    dense = reg.fit(X, y).predict(X)
    assert_allclose(reg.fit(csr_matrix(X), y).predict(X), dense, rtol=1e-6)


@pytest.mark.filterwarnings("ignore:Maximum iterations")
def test_lbfgs_computes_all_neurons_whatever_the_search():
    X, y = data_for(FastReLUClassifier)
    clf = FastReLUClassifier(hidden_layer_sizes=16, solver="lbfgs", search="heavy_pairs", max_iter=2).fit(X, y)
    assert clf.search_ == "dense"
    assert clf.firing_recall_ == 1.0


def test_a_network_that_no_parameter_changes_has_a_ridge():
    X, y = data_for(FastReLURegressor)
    reg = FastReLURegressor(hidden_layer_sizes=1, solver="gauss_newton", train_output=False, alpha="loo").fit(X, y)
    assert_allclose(reg.predict(X), y.mean())


@pytest.mark.filterwarnings("ignore:Maximum iterations")
def test_gauss_newton_takes_no_tiny_batches():
    X, y = data_for(FastReLURegressor, n_samples=150)
    settings = {"hidden_layer_sizes": 64, "solver": "gauss_newton", "max_iter": 3, "random_state": 0}
    tiny, whole = (FastReLURegressor(**settings, batch_size=size).fit(X, y) for size in (1, 150))
    assert_allclose(tiny.coefs_[0], whole.coefs_[0])


def test_an_output_that_overflows_is_an_error_in_words():
    X, y = data_for(FastReLUClassifier, dtype=np.float32)
    clf = FastReLUClassifier(hidden_layer_sizes=16, max_iter=1, solver="adam").partial_fit(X, y, classes=[0, 1, 2])
    clf.coefs_ = [W * np.float32(1e15) for W in clf.coefs_]
    huge = np.float32(1e20) * X[:3]
    with pytest.raises(ValueError, match="output for 3 of the rows is too large for float32"):
        clf.predict(huge)
    with config_context(assume_finite=True):
        assert not np.isfinite(clf.decision_function(huge)).all()


def test_counts_that_are_predicted_are_numbers_however_large():
    X, y = data_for(FastReLURegressor)
    reg = FastReLURegressor("poisson", hidden_layer_sizes=(), max_iter=30).fit(X, np.exp(y))
    assert np.isfinite(reg.predict(1e6 * X)).all()


def test_a_batch_without_events_goes_on():
    X, y = data_for(FastReLURegressor)
    reg = FastReLURegressor("poisson", hidden_layer_sizes=16, random_state=0).partial_fit(X, np.exp(y))
    assert np.isfinite(reg.partial_fit(X[:2], [0, 0]).predict(X)).all()


@pytest.mark.parametrize("sizes", [(), 4])
def test_a_target_beyond_single_precision_is_refused_without_other_warnings(sizes):
    X, y = data_for(FastReLURegressor, dtype=np.float32)
    reg = FastReLURegressor("poisson" if sizes else "squared_error", hidden_layer_sizes=sizes)
    with pytest.raises(ValueError, match=r"too large for float32|weights are not finite"):
        reg.fit(X, 1e200 * np.exp(y))


@BOTH
def test_a_weight_that_is_lost_in_rounding_leaves_its_sample_out(Estimator):
    X, y = data_for(Estimator)
    weight = np.where(np.arange(y.size) < 10, 1e-200, 1.0)
    settings = {"hidden_layer_sizes": 64, "solver": "gauss_newton", "max_iter": 3, "random_state": 0}
    small, without = (Estimator(**settings).fit(X, y, sample_weight=w) for w in (weight, np.where(weight < 1, 0, 1)))
    assert_allclose(small.coefs_[0], without.coefs_[0])


@pytest.mark.parametrize("solver", ["auto", "adam_gauss_newton"])
@pytest.mark.parametrize("encoding", ["none", "auto"])
@pytest.mark.filterwarnings("ignore:Maximum iterations")
def test_a_fitted_wide_network_keeps_what_it_knows_in_a_stream(solver, encoding):
    rng = np.random.default_rng(1)
    X = rng.standard_normal((1000, 8))
    y = X[:, 0] + np.sin(2 * X[:, 1]) + X[:, 2] * X[:, 3]
    reg = FastReLURegressor(solver=solver, encoding=encoding, max_iter=20, random_state=0).fit(X[:400], y[:400])
    before = reg.score(X[700:], y[700:])
    for first in range(400, 700, 50):
        reg.partial_fit(X[first : first + 50], y[first : first + 50])
        assert reg.score(X[700:], y[700:]) > before - 0.03


def test_an_interrupt_between_the_stages_keeps_what_adam_has_learned(monkeypatch):
    def interrupt(*args, **more):
        raise KeyboardInterrupt

    monkeypatch.setattr(GaussNewton, "choose_ridge", interrupt)
    X, y = data_for(FastReLUClassifier)
    clf = FastReLUClassifier(hidden_layer_sizes=64, solver="adam_gauss_newton", max_iter=5, random_state=0)
    with pytest.warns(UserWarning, match="interrupted by user"):
        clf.fit(X, y)
    assert clf.alpha_ == 0.0
    assert clf.score(X, y) > 0.5


def test_features_are_learned_and_refined_beside_constant_ones():
    X, y = data_for(FastReLUClassifier, n_samples=150)
    with_constants = np.hstack([X, np.full((150, 32), 3.0)])
    settings = {"hidden_layer_sizes": 64, "solver": "adam_gauss_newton", "early_stopping": True, "random_state": 0}
    clf = FastReLUClassifier(**settings).fit(with_constants, y)
    assert clf.coefs_[0].shape == (40, 64)
    assert clf.score(with_constants, y) > 0.7
    assert max(clf.validation_scores_) == clf.best_validation_score_


def rows_one_by_one(est, X, y, **first):
    """Train on rows 50 onwards, each a batch of its own."""
    est.partial_fit(*first.pop("batch"), **first)
    for k in range(50, X.shape[0]):
        est.partial_fit(X[k : k + 1], y[k : k + 1])
    return est


@SOLVERS
def test_single_rows_find_out_that_the_first_batch_had_another_unit(solver):
    X = np.random.default_rng(0).standard_normal((250, 5))
    y = (X[:, 0] > 0).astype(int)
    clf = FastReLUClassifier(hidden_layer_sizes=100, solver=solver, random_state=0)
    rows_one_by_one(clf, X, y, batch=(100 * X[:50], y[:50]), classes=[0, 1])
    assert clf.score(X, y) > 0.8


def test_steps_stay_bounded_where_the_unit_of_the_target_shrinks():
    X = np.random.default_rng(0).standard_normal((250, 5))
    reg = FastReLURegressor(hidden_layer_sizes=100, solver="sgd", random_state=0)
    rows_one_by_one(reg, X, X[:, 0], batch=(X[:50], np.full(50, -1.0)))
    assert reg.score(X, X[:, 0]) > 0.5


@pytest.mark.parametrize("raw", [-1e4, 0.0, 10.0])
def test_rates_of_events_have_a_curvature_however_small(raw):
    model = Poisson().model(np.full((3, 1), raw), np.ones((3, 1)))
    assert (model.scale > 0).all()
    assert np.isfinite(model.minus_gradient).all()
    assert_allclose(-model.scale * model.minus_gradient, np.exp(raw) - 1)


def test_a_layer_of_more_neurons_than_can_be_numbered_is_refused_in_words():
    X, y = data_for(FastReLURegressor)
    for solver in ("auto", "adam", "adam_gauss_newton"):
        with pytest.raises(ValueError, match="a layer has less than"):
            FastReLURegressor(hidden_layer_sizes=10**30, solver=solver).fit(X, y)


def test_a_momentum_given_to_one_that_goes_on_without_has_something_to_begin_with():
    X, y = data_for(FastReLUClassifier)
    clf = FastReLUClassifier((8, 4), solver="sgd", momentum=0.0, max_iter=2, warm_start=True, random_state=0).fit(X, y)
    assert clf.fit(X, y).set_params(momentum=0.9).fit(X, y).t_ == 600
    assert clf.set_params(momentum=0.0).fit(X, y).t_ == 800


@pytest.mark.filterwarnings("ignore:Maximum iterations")
def test_an_error_of_next_to_nothing_is_no_overflow_beside_one_of_nothing():
    X = np.random.default_rng(0).standard_normal((300, 1))
    clf = FastReLUClassifier(max_iter=2, random_state=0).fit(X, np.full(300, 7))
    assert (clf.predict(X) == 7).all()


@pytest.mark.filterwarnings("ignore:Maximum iterations", "ignore:The loss stopped being finite")
def test_training_that_has_diverged_says_so():
    X, y = data_for(FastReLURegressor)
    with pytest.warns(ConvergenceWarning, match="training has diverged"):
        FastReLURegressor(hidden_layer_sizes=16, solver="adam", learning_rate_init=10.0, max_iter=5).fit(X, y)


def test_weights_that_overflow_on_the_way_out_are_an_error_in_words():
    X, y = data_for(FastReLUClassifier)
    clf = FastReLUClassifier(64, solver="adam", learning_rate_init=1e6, beta_2=0.0, epsilon=1e-300, random_state=0)
    clf.partial_fit(X.astype(np.float32), y, classes=np.unique(y))
    with pytest.raises(ValueError, match="weights are not finite"):  # and no warning, which would be an error here
        clf.partial_fit(100 * X[:1].astype(np.float32), y[:1])


@pytest.mark.filterwarnings("ignore:Maximum iterations")
def test_sgd_bears_rows_that_are_far_from_the_others():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((1500, 4))
    y = rng.poisson(np.exp(X[:, 0] + 0.5 * X[:, 1]))
    reg = FastReLURegressor("poisson", solver="sgd", max_iter=5, random_state=0).fit(X, y)
    assert reg.loss_curve_[-1] < 1.0  # a step for mean rows: 1.6 to 3.7
    X = np.random.default_rng(0).standard_t(1.5, (300, 5))
    for batch_size in (1, 5):
        reg = FastReLURegressor(hidden_layer_sizes=100, solver="sgd", batch_size=batch_size, max_iter=5, random_state=0)
        assert reg.fit(X, np.tanh(X[:, 0])).loss_ < 0.5  # 2.1 to 1,500
