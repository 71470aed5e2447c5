"""Columns that are the same in all rows are left out of training, which changes nothing but the cost."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from helpers import BOTH, EXACT_ENGINES, REGISTERED_SOLVERS, SOLVERS, assert_same_fit
from skfastnn import FastReLUClassifier, _building, _plan
from skfastnn._coordinates import Coordinates, constant_columns
from skfastnn.networks._network import Network
from skfastnn.networks._varying_features import VaryingFeaturesNetwork, varying_features

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
# of 40 features, those with the same number in every row
CONSTANT = np.array([0, 3, 4, 5, 6, 7, 8, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 39])
VARYING = np.setdiff1d(np.arange(40), CONSTANT)


def margins(n_samples=120, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_samples, 40))
    X[:, CONSTANT] = np.where(CONSTANT % 2, 0.0, 0.3 * CONSTANT)
    y = np.argmax(X[:, VARYING[:3]] + X[:, VARYING[3:6]] ** 2, axis=1)
    return X.astype(dtype), y


def estimator(Estimator, **settings):
    defaults = {"hidden_layer_sizes": (71,), "threshold": 0.5, "max_iter": 6, "batch_size": 25, "random_state": 0,
                "learning_rate": "constant"}  # fmt: skip
    return Estimator(**{**defaults, **settings})


@pytest.fixture
def in_all_features(monkeypatch):
    """A function that fits with all columns in training."""

    def fit(est, *args):
        with monkeypatch.context() as patch:
            patch.setattr(_building, "varying_features", lambda *_: None)
            return est.fit(*args)

    return fit


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_varies_in_any_part_varies(dtype):
    X = margins(5000, dtype)[0]
    other = X[:10].copy()
    other[9, 7] += 1
    mean = X.mean(axis=0, dtype=np.float64).astype(dtype)
    assert_array_equal(varying_features(mean, [X]), VARYING)
    assert_array_equal(varying_features(mean, [X, other]), np.sort(np.append(VARYING, 7)))
    X[4999, 8] += 1
    assert_array_equal(varying_features(mean, [X]), np.sort(np.append(VARYING, 8)))


@pytest.mark.parametrize("n_constant", [0, 1, 6, 31, 32])
def test_all_count_where_leaving_out_saves_nothing(n_constant):
    X = margins()[0][:, VARYING[:16]].repeat(2, axis=1)
    X[:, :n_constant] = 2.0
    # eight numbers a vector; and a network has at least two features
    expected = None if n_constant < 8 or n_constant > 30 else np.arange(n_constant, 32)
    assert_array_equal(varying_features(X.mean(axis=0), [X]), expected)


@pytest.mark.parametrize("stored", [np.asarray, sparse.csr_array])
def test_a_constant_column_is_zero_when_centred(stored):
    X = margins()[0]
    weight = np.random.default_rng(0).random(120)
    coordinates = Coordinates.from_data(stored(X), weight)
    assert_array_equal(coordinates.mean[CONSTANT], X[0, CONSTANT])
    assert_allclose(coordinates.mean, np.average(X, axis=0, weights=weight), rtol=1e-12, atol=1e-14)


def test_empty_columns_of_sparse_rows_stay_empty():
    """As hashing leaves them, a million of them: as an array they would not fit into memory."""
    column, row = np.repeat([7, 9], 3000), np.tile(np.arange(3000), 2)
    X = sparse.csr_array((np.append(np.full(3000, 2.5), np.arange(3000.0)), (row, column)), shape=(3000, 1 << 22))
    assert_array_equal(constant_columns(X, X.mean(axis=0), X[[0]].toarray()), 7)


def test_a_column_that_is_not_zero_when_centred_counts():
    # all columns are constant but for rounding: `Coordinates` leaves the mean where it is
    X = np.full((20, 40), 3.0)
    X[0, :2] += 1e-12
    mean = Coordinates.from_data(X, np.ones(20)).mean
    assert_array_equal(mean, 0)
    assert varying_features(mean, [X]) is None


@pytest.mark.parametrize("antisymmetric", [False, True])
@pytest.mark.parametrize("n_neurons", [51, 2100])
def test_the_start_is_that_in_all_features(antisymmetric, n_neurons):
    coordinates = Coordinates.from_data(margins()[0], np.ones(120))
    arguments = (n_neurons, 2, 1.0, antisymmetric, 3, np.dtype(np.float64))
    inside, outside = VaryingFeaturesNetwork(VARYING, coordinates, *arguments), Network(coordinates, *arguments)
    assert inside.ld == 24
    for ours, theirs in zip(itertools.chain(*inside.export()), itertools.chain(*outside.export()), strict=True):
        assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)
    inside.begin_here()
    assert_allclose(inside.export()[0][0], outside.export()[0][0], rtol=1e-12, atol=1e-12)


@BOTH
@pytest.mark.usefixtures("solved_to_the_end")
@pytest.mark.parametrize("solver", [*REGISTERED_SOLVERS, "adam_gauss_newton"])
@pytest.mark.parametrize("search", EXACT_ENGINES)
def test_predictions_are_those_of_training_in_all_features(Estimator, solver, search, in_all_features, monkeypatch):
    # later on rounding decides how many iterations there are
    monkeypatch.setattr(_plan, "MAX_REFINEMENTS", 2)
    X, y = margins()
    weight = np.random.default_rng(1).integers(0, 4, y.size)
    settings = {"solver": solver, "search": search, "alpha": 0.01}
    some = estimator(Estimator, **settings).fit(X, y, weight)
    every = in_all_features(estimator(Estimator, **settings), X, y, weight)
    assert some.coefs_[0].shape == (40, 71)
    assert_same_fit(every, some, rtol=1e-7)
    # on rows in which the other columns vary, too
    new = np.random.default_rng(5).standard_normal((30, 40))
    assert_allclose(some.predict(new), every.predict(new), rtol=1e-6)
    assert some.firing_rate_ == pytest.approx(every.firing_rate_)


def test_rows_held_out_count(in_all_features):
    X, y = margins()
    # one row, which is held out with some of these seeds and trained on with the others, has something there
    X[17, 4:8] = 50.0
    for seed in range(12):
        settings = {"solver": "adam", "early_stopping": True, "validation_fraction": 0.3, "random_state": seed}
        some = estimator(FastReLUClassifier, **settings).fit(X, y)
        every = in_all_features(estimator(FastReLUClassifier, **settings), X, y)
        assert_same_fit(every, some, rtol=1e-8)
        assert some.validation_scores_ == every.validation_scores_


@SOLVERS
@pytest.mark.parametrize("hidden", [(71,), (60, 40)])
def test_a_later_call_goes_on_in_all_features(hidden, solver, in_all_features):
    X, y = margins()
    later = np.random.default_rng(5).standard_normal(X.shape)
    fitted = [
        estimator(FastReLUClassifier, hidden_layer_sizes=hidden, solver=solver, warm_start=True) for _ in range(2)
    ]
    fitted[0].fit(X, y)
    in_all_features(fitted[1], X, y)
    assert_same_fit(*fitted, rtol=1e-8)
    for est in fitted:
        est.fit(later, y)
    assert_same_fit(*fitted, rtol=1e-7)
    for est in fitted:
        est.partial_fit(X, y)
    assert_same_fit(*fitted, rtol=1e-7)


def test_adam_goes_on_in_all_features_with_trees():
    X, y = margins()
    settings = {"solver": "adam", "search": "correlation_tree", "warm_start": True, "max_iter": 2}
    twice = estimator(FastReLUClassifier, **settings).fit(X, y).fit(X, y)
    assert len(twice.loss_curve_) == 4


def test_less_is_computed(monkeypatch):
    lengths = []
    start = Network._allocate_hidden
    monkeypatch.setattr(Network, "_allocate_hidden", lambda self: (start(self), lengths.append(self.ld))[0])
    X, y = margins(dtype=np.float32)
    estimator(FastReLUClassifier, solver="adam").fit(X, y)
    estimator(FastReLUClassifier, solver="adam").partial_fit(X, y, classes=[0, 1, 2])
    # in vectors of 16: 21 features, and 40
    assert lengths == [32, 48]
