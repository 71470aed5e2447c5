"""Adam, then Gauss-Newton from where it arrived: solver="adam_gauss_newton"."""

import pickle
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_digits, make_friedman1
from sklearn.model_selection import GridSearchCV, train_test_split

from helpers import BOTH, SEARCHING_ENGINES, assert_same_fit, data_for
from skfastnn import FastReLUClassifier, FastReLURegressor
from skfastnn._coordinates import Coordinates
from skfastnn._fitting import Trainer
from skfastnn._second_order_fitting import GaussNewtonTrainer
from skfastnn.networks._network import Network
from skfastnn.networks._panel_network import PanelNetwork

SETTINGS = {"hidden_layer_sizes": (128,), "threshold": 0.5, "max_iter": 8, "random_state": 0, "batch_size": 20,
            "learning_rate_init": 0.004}  # fmt: skip


@pytest.fixture
def own_units(monkeypatch):
    """The output starts in the network's own units, not in those of MLPClassifier."""
    monkeypatch.setattr("skfastnn._plan.acts_as_mlp", lambda *_: False)


def refined(Estimator, **settings):
    return Estimator(solver="adam_gauss_newton", **{**SETTINGS, **settings})


def jacobian(X, model):
    """Return the derivatives of a fitted regressor's output by the parameters of the hidden layer and of the output."""
    (W, V), (c, _) = model.coefs_, model.intercepts_
    Z = X @ W + c
    fires = (Z > 0) * V[:, 0]
    by_weights = np.einsum("ir,ij->irj", fires, X).reshape(X.shape[0], -1)
    return by_weights, fires, np.maximum(Z, 0)


@BOTH
def test_the_epochs_are_those_of_adam_without_a_penalty(Estimator):
    X, y = data_for(Estimator)
    adam = Estimator(solver="adam", **{**SETTINGS, "alpha": 0.0}).fit(X, y)
    model = refined(Estimator, alpha=0.1).fit(X, y)
    assert model.solver_ == "adam_gauss_newton"
    assert_array_equal(model.loss_curve_[:8], adam.loss_curve_)
    assert len(model.loss_curve_) == len(model.firing_curve_) == model.n_iter_ > 8
    assert model.t_ == X.shape[0] * model.n_iter_


@BOTH
def test_the_penalty_holds_what_adam_has_learned(Estimator):
    """With a huge ridge nothing moves; with a small one the training loss falls far below Adam's."""
    X, y = data_for(Estimator)
    adam = Estimator(solver="adam", **{**SETTINGS, "alpha": 0.0}).fit(X, y)
    held = refined(Estimator, alpha=1e12).fit(X, y)
    assert_allclose(held.coefs_[0], adam.coefs_[0], rtol=1e-6, atol=1e-6)
    assert_allclose(held.coefs_[1], adam.coefs_[1], rtol=1e-6, atol=1e-6)
    free = refined(Estimator, alpha=1e-6).fit(X, y)
    assert free.loss_curve_[-1] < 0.3 * adam.loss_curve_[-1]


@pytest.mark.usefixtures("solved_to_the_end", "own_units")
def test_a_step_is_the_ridge_regression_on_the_jacobian_of_what_adam_learned(monkeypatch):
    """One iteration against numpy.linalg.solve in the coordinates of the network."""
    monkeypatch.setattr("skfastnn._plan.MAX_REFINEMENTS", 1)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 4))
    X -= X.mean(axis=0)
    X /= np.sqrt(np.mean(np.sum(X**2, axis=1)))  # the network's own coordinates: centred, of unit norm on average
    y = np.sin(3 * X[:, 0]) + X[:, 1] ** 2
    y = (y - y.mean()) / y.std()
    adam = FastReLURegressor(solver="adam", **{**SETTINGS, "alpha": 0.0}).fit(X, y)
    model = refined(FastReLURegressor, alpha=0.3).fit(X, y)
    assert len(model.loss_curve_) == 9
    by_weights, by_intercepts, by_output = jacobian(X, adam)
    # the output weights are kept in units of output_scale, by which their derivative is multiplied
    network = Network(Coordinates(np.zeros(4), 1.0), 128, 1, 0.5, True, 0, np.float64)
    J = np.column_stack([by_weights, by_intercepts, network.output_scale * by_output, np.ones(60)])
    K = J @ J.T
    ridge = 0.3 * np.trace(K) / 60
    change = K @ np.linalg.solve(K + ridge * np.eye(60), y - adam.predict(X))
    # the linear model of the change, along which the true change lies
    delta = np.concatenate([
        (model.coefs_[0] - adam.coefs_[0]).T.ravel(), model.intercepts_[0] - adam.intercepts_[0],
        (model.coefs_[1] - adam.coefs_[1]).ravel() / network.output_scale,
        model.intercepts_[1] - adam.intercepts_[1],
    ])  # fmt: skip
    assert_allclose(J @ delta, change, rtol=1e-5, atol=1e-7)


def test_learned_features_beat_those_drawn_and_adam_alone():
    X, y = make_friedman1(600, noise=0.1, random_state=0)
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    settings = {"hidden_layer_sizes": (256,), "threshold": 0.0, "random_state": 0}
    learned = FastReLURegressor(solver="adam_gauss_newton", learning_rate_init=0.01, **settings).fit(X_train, y_train)
    adam = FastReLURegressor(solver="adam", learning_rate_init=0.01, **settings).fit(X_train, y_train)
    drawn = FastReLURegressor(solver="gauss_newton", **settings).fit(X_train, y_train)
    error = [1 - model.score(X_test, y_test) for model in (learned, adam, drawn)]
    assert error[0] < 0.97 * error[1]
    assert error[0] < 0.7 * error[2]


@pytest.mark.parametrize("share", ["dense", "sparse"])
def test_beginning_elsewhere_keeps_the_network(share):
    rng = np.random.default_rng(0)
    coordinates = Coordinates(np.zeros(6), 1.0, np.zeros(6) if share == "sparse" else None)
    layout = PanelNetwork if share == "sparse" else Network
    network = layout(coordinates, 71, 2, 0.5, True, 0, np.float64)
    coefs = [rng.standard_normal((6, 71)), rng.standard_normal((71, 2))]
    network.load(coefs, [rng.standard_normal(71), rng.standard_normal(2)])
    rows = np.zeros((9, 6 if share == "sparse" else network.ld))
    rows[:, :6] = rng.standard_normal((9, 6))
    before = network.raw_output(rows)
    network.begin_here()
    assert_allclose(network.raw_output(rows), before, rtol=1e-12)
    assert_allclose(network.export()[0][0], coefs[0], rtol=1e-12)
    moved = network.first if share == "sparse" else network.displacement
    assert not moved.any()
    assert_array_equal(network.start_V, network.V)
    assert_array_equal(network.start_c, network.c_state[:, :1])


@BOTH
@pytest.mark.usefixtures("solved_to_the_end")
@pytest.mark.parametrize("search", SEARCHING_ENGINES)
def test_engines_agree(Estimator, search):
    X, y = data_for(Estimator)
    expected = refined(Estimator, search="dense", alpha=0.1).fit(X, y)
    model = refined(Estimator, search=search, alpha=0.1).fit(X, y)
    assert_allclose(model.loss_curve_, expected.loss_curve_, rtol=1e-6)
    assert model.search_counters_["fired"] == expected.search_counters_["fired"]


@BOTH
def test_the_best_of_both_is_kept_when_stopping_early(Estimator):
    X, y = data_for(Estimator, n_samples=200)
    model = refined(Estimator, early_stopping=True, max_iter=15).fit(X, y)
    assert len(model.validation_scores_) == len(model.loss_curve_)
    assert model.best_validation_score_ == max(model.validation_scores_)


def test_the_ridge_is_chosen_for_what_was_learned():
    X, y = data_for(FastReLURegressor)
    model = refined(FastReLURegressor, alpha="loo").fit(X, y)
    assert 0 < model.alpha_ <= 100
    assert model.get_params()["alpha"] == "loo"


@BOTH
def test_partial_fit_is_adam_without_a_penalty(Estimator):
    X, y = data_for(Estimator)
    known = {} if Estimator is FastReLURegressor else {"classes": np.unique(y)}
    adam = Estimator(solver="adam", **SETTINGS, alpha=0.0).partial_fit(X, y, **known)
    model = refined(Estimator, alpha="loo").partial_fit(X, y, **known)
    assert (model.solver_, model.alpha_) == ("adam", 0.0)
    assert_same_fit(model, adam)


@BOTH
def test_warm_start_goes_on(Estimator):
    X, y = data_for(Estimator)
    model = refined(Estimator, warm_start=True, alpha=1.0).fit(X, y)
    n, loss = len(model.loss_curve_), model.loss_
    model.set_params(max_iter=2).fit(X, y)
    assert len(model.loss_curve_) > n
    assert model.loss_ < loss


@BOTH
def test_an_interruption_of_either_part_keeps_the_model(Estimator, monkeypatch):
    X, y = data_for(Estimator)

    def interrupted_at(step, trainer=Trainer):
        calls = []

        def evaluate(self, *args):
            calls.append(self)
            if len(calls) == step:
                raise KeyboardInterrupt
            return original(self, *args)

        original = trainer._step
        with monkeypatch.context() as patch:
            patch.setattr(trainer, "_step", evaluate)
            with pytest.warns(UserWarning, match="interrupted"):
                return refined(Estimator, alpha=0.1).fit(X, y)

    in_epochs = interrupted_at(12)
    assert len(in_epochs.loss_curve_) == 2  # five batches an epoch; no iteration of Gauss-Newton follows
    in_iterations = interrupted_at(2, GaussNewtonTrainer)
    assert len(in_iterations.loss_curve_) == 9
    assert np.isfinite(in_iterations.predict(X)).all()


def test_what_is_not_offered_says_so():
    X, y = data_for(FastReLURegressor)
    with pytest.raises(ValueError, match="one hidden layer"):
        refined(FastReLURegressor, hidden_layer_sizes=(30, 20)).fit(X, y)
    with pytest.raises(ValueError, match="solver='adam_gauss_newton' needs a loss with curvature"):
        refined(FastReLURegressor, loss="absolute_error").fit(X, y)


def test_after_divergence_nothing_is_refined():
    X, y = data_for(FastReLURegressor)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = refined(FastReLURegressor, learning_rate_init=1e200).fit(X, y)
    assert model.n_iter_ < 8


@pytest.mark.usefixtures("solved_to_the_end")
def test_sparse_rows_in_panels_give_the_model_of_dense_layouts():
    rng = np.random.default_rng(0)
    X = rng.random((90, 200)) * (rng.random((90, 200)) < 0.03)
    y = X[:, :20].sum(axis=1) > X[:, 20:40].sum(axis=1)
    tree = refined(FastReLUClassifier, search="correlation_tree", alpha=0.01).fit(X, y)
    panels = refined(FastReLUClassifier, alpha=0.01).fit(sparse.csr_array(X), y)
    assert (tree.search_, panels.search_) == ("correlation_tree", "dense")
    assert_allclose(panels.predict_proba(X), tree.predict_proba(X), rtol=1e-6)


def test_grid_search_and_pickle():
    X, y = load_digits(return_X_y=True)
    X, y = X[:300].astype(np.float32), y[:300]
    search = GridSearchCV(refined(FastReLUClassifier), {"alpha": [0.01, 1.0]}, cv=2, n_jobs=2).fit(X, y)
    best = search.best_estimator_
    assert_array_equal(pickle.loads(pickle.dumps(best)).predict(X), best.predict(X))
    assert_same_fit(clone(best).fit(X, y), best)
