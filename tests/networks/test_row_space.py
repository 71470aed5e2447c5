"""More features than rows: training in the space of the rows changes nothing but the cost."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from helpers import BOTH, EXACT_ENGINES, assert_same_fit, estimator, words
from skfastnn import FastReLUClassifier, _building
from skfastnn._coordinates import Coordinates
from skfastnn.networks._network import Network
from skfastnn.networks._row_space import RowSpaceNetwork, row_space


def genes(n_samples=20, n_features=120, rank=None, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    X = 3 + rng.standard_normal((n_samples, rank or n_features)) @ rng.standard_normal((rank or n_features, n_features))
    y = rng.integers(0, 3, n_samples)
    y[:3] = [0, 1, 2]
    return X.astype(dtype), y


@pytest.fixture
def in_all_features(monkeypatch):
    """A function that fits without the rotation."""

    def fit(est, *args):
        with monkeypatch.context() as patch:
            patch.setattr(_building, "MIN_RATIO", np.inf)
            return est.fit(*args)

    return fit


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("stored", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("rank", [None, 3])
def test_the_basis_spans_the_rows(dtype, stored, rank):
    X = genes(rank=rank, dtype=dtype)[0]
    coordinates = Coordinates.from_data(X, np.ones(20, dtype))
    basis, rows = row_space(stored(X), coordinates)
    assert basis.dtype == rows.dtype == dtype
    tolerance = 1e-4 if dtype == np.float32 else 1e-12
    assert_allclose(basis.T @ basis, np.eye(20), atol=tolerance)
    assert_allclose(rows @ basis.T, (X - coordinates.mean) / coordinates.scale, atol=tolerance)


@pytest.mark.parametrize("antisymmetric", [False, True])
@pytest.mark.parametrize("n_neurons", [51, 2100])
def test_the_start_is_that_in_all_features(antisymmetric, n_neurons):
    X, _ = genes()
    coordinates = Coordinates.from_data(X, np.ones(20))
    arguments = (n_neurons, 2, 1.0, antisymmetric, 3, X.dtype)
    basis, rows = row_space(X, coordinates)
    inside, outside = RowSpaceNetwork(coordinates, basis, *arguments), Network(coordinates, *arguments)
    for ours, theirs in zip(itertools.chain(*inside.export()), itertools.chain(*outside.export()), strict=True):
        assert_allclose(ours, theirs, rtol=1e-9, atol=1e-11)
    normalised = (X - coordinates.mean) / coordinates.scale
    Z = normalised @ outside.weights(0, n_neurons)[:, :120].T
    assert_allclose(rows @ inside.weights(0, n_neurons)[:, :20].T, Z, atol=1e-10)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@BOTH
@pytest.mark.parametrize("solver", ["sgd", "gauss_newton"])
@pytest.mark.parametrize("search", EXACT_ENGINES)
@pytest.mark.parametrize("rank", [None, 3])
def test_predictions_are_those_of_training_in_all_features(Estimator, solver, search, rank, in_all_features):
    X, y = genes(rank=rank)
    weight = np.random.default_rng(1).integers(0, 4, y.size)
    rotated = estimator(Estimator, solver, search=search).fit(X, y, weight)
    plain = in_all_features(estimator(Estimator, solver, search=search), X, y, weight)
    assert_same_fit(plain, rotated, rtol=1e-7)
    new = genes(seed=9)[0]
    assert_allclose(rotated.predict(new), plain.predict(new), rtol=1e-6)
    assert rotated.firing_rate_ == plain.firing_rate_


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_sparse_rows_have_a_row_space_too(in_all_features):
    X, y = words(20, 300)
    settings = {"search": "correlation_tree"}
    rotated = estimator(FastReLUClassifier, "gauss_newton", **settings).fit(sparse.csr_array(X), y)
    plain = in_all_features(estimator(FastReLUClassifier, "gauss_newton", **settings), X, y)
    assert_same_fit(plain, rotated, rtol=1e-7)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", ["sgd", "gauss_newton"])
def test_warm_start_goes_on_in_all_features(solver, in_all_features):
    X, y = genes()
    settings = {"warm_start": True, "max_iter": 2, "batch_size": 20}
    rotated = estimator(FastReLUClassifier, solver, **settings)
    plain = estimator(FastReLUClassifier, solver, **settings)
    for _ in range(2):
        rotated.fit(X, y)
        in_all_features(plain, X, y)
    assert_same_fit(plain, rotated, rtol=1e-7)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("case", "settings"),
    [
        ("adam depends on the axes", {"solver": "adam"}),
        ("rows held out lie outside", {"solver": "sgd", "early_stopping": True, "validation_fraction": 0.2}),
        ("a basis larger than the weights", {"solver": "sgd", "hidden_layer_sizes": (15,), "threshold": 0.0}),
    ],
)
def test_where_the_rotation_does_not_suit(case, settings, monkeypatch):
    def refuse(*args):
        raise AssertionError(case)

    monkeypatch.setattr(_building, "row_space", refuse)
    X, y = genes()
    clf = estimator(FastReLUClassifier, **settings).fit(X, y)
    assert clf.coefs_[0].shape[0] == 120


def test_the_rotation_is_chosen_by_itself(monkeypatch):
    seen = []
    monkeypatch.setattr(_building, "row_space", lambda *args: seen.append(args) or row_space(*args))
    estimator(FastReLUClassifier, "gauss_newton").fit(*genes())
    assert len(seen) == 1


@pytest.mark.parametrize(("n_features", "expected"), [(120, 0.0), (60, 1.0)])
def test_the_automatic_threshold_is_zero_for_few_rows(n_features, expected):
    clf = FastReLUClassifier((2048,), max_iter=2, tol=1.0, random_state=0).fit(*genes(20, n_features))
    assert clf.threshold_ == expected


def test_the_first_rows_of_a_stream_are_not_taken_for_all():
    X, y = genes()
    clf = FastReLUClassifier((2048,), random_state=0).partial_fit(X, y, classes=[0, 1, 2])
    assert clf.threshold_ == pytest.approx(np.sqrt(0.4 * np.log(2048)))
