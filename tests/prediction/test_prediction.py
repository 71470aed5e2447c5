"""Prediction on many rows: threads, chunks, memory."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import softmax
from sklearn import config_context

from helpers import BOTH, SMALL, data_for
from skfastnn import FastReLUClassifier, FastReLURegressor, _prediction
from skfastnn._threads import one_blas_thread
from skfastnn.passes.prediction._dense_output import dense_output
from skfastnn.passes.prediction._sparse_layer import sparse_layer
from skfastnn.passes.shared._by_feature import entries_by_feature

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def by_hand(est, X):
    (W, V), (c, v) = est.coefs_, est.intercepts_
    return np.maximum(X @ W.astype(np.float64) + c, 0) @ V + v


@DTYPES
@pytest.mark.parametrize("n_rows", [0, 1, 511, 512, 1300])
@pytest.mark.parametrize("n_neurons", [1, 256, 700])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_dense_output(dtype, n_rows, n_neurons, n_threads):
    rng = np.random.default_rng(0)
    X, W, V = (rng.standard_normal(shape).astype(dtype) for shape in ((n_rows, 5), (5, n_neurons), (n_neurons, 3)))
    c, v = rng.standard_normal(n_neurons).astype(dtype), rng.standard_normal(3).astype(dtype)
    out = np.full((n_rows, 3), np.nan, dtype)
    dense_output(X, W, c, V, v, out, n_threads)
    expected = np.maximum(X.astype(np.float64) @ W + c, 0) @ V + v
    tolerance = 1e-4 if dtype == np.float32 else 1e-11
    assert_allclose(out, expected, rtol=tolerance, atol=tolerance)


@DTYPES
@pytest.mark.parametrize("n_features", [2048, 2049])  # the longest rows of our own products; rows left to the BLAS
def test_dense_output_of_long_rows(dtype, n_features):
    rng = np.random.default_rng(0)
    X, W, V = (rng.standard_normal(shape).astype(dtype) for shape in ((20, n_features), (n_features, 150), (150, 3)))
    W /= np.sqrt(dtype(n_features))
    c, v = rng.standard_normal(150).astype(dtype), rng.standard_normal(3).astype(dtype)
    out = np.full((20, 3), np.nan, dtype)
    with one_blas_thread():
        dense_output(X, W, c, V, v, out, 2)
    expected = np.maximum(X.astype(np.float64) @ W + c, 0) @ V + v
    tolerance = 1e-4 if dtype == np.float32 else 1e-11
    assert_allclose(out, expected, rtol=tolerance, atol=tolerance)


def test_arrays_that_do_not_fit_are_refused():
    a = np.zeros((4, 4))
    with pytest.raises(ValueError, match="do not fit"):
        dense_output(a, np.zeros((3, 4)), np.zeros(4), a, np.zeros(4), a, 1)
    with pytest.raises(ValueError, match="one row per row"):
        dense_output(a, a, np.zeros(4), a, np.zeros(4), np.zeros((3, 4)), 1)


@BOTH
@DTYPES
@pytest.mark.parametrize("order", ["C", "F"])
def test_many_rows_are_predicted_as_few_are(Estimator, dtype, order):
    X, y = data_for(Estimator, dtype=dtype)
    est = Estimator(**SMALL).fit(X, y)
    many = np.asarray(np.tile(X, (30, 1)), order=order)
    raw = est._raw_output(many)
    tolerance = 1e-4 if dtype == np.float32 else 1e-10
    assert_allclose(raw, by_hand(est, many), rtol=tolerance, atol=tolerance)
    assert_allclose(raw[:100], est._raw_output(X), rtol=tolerance, atol=tolerance)
    with config_context(working_memory=0.01):
        assert_allclose(est._raw_output(many), raw, rtol=tolerance, atol=tolerance)


def test_rows_of_another_dtype_are_predicted():
    X, y = data_for(FastReLUClassifier)
    est = FastReLUClassifier(**SMALL).fit(X.astype(np.float32), y)
    many = np.tile(X, (30, 1))
    assert_allclose(est._raw_output(many), by_hand(est, many), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("stored", [np.asarray, sparse.csr_array])
def test_working_memory_bounds_the_chunks(stored, monkeypatch):
    """With few rows or sparse ones, no more pre-activations are held at once than fit."""
    X, y = data_for(FastReLUClassifier, 900)
    est = FastReLUClassifier(**SMALL).fit(X, y)
    sizes = []

    def recorded(n, size, **kwargs):
        sizes.append(size)
        return _gen_batches(n, size, **kwargs)

    _gen_batches = _prediction.gen_batches
    monkeypatch.setattr(_prediction, "gen_batches", recorded)
    with config_context(working_memory=0.25):
        assert_allclose(est._raw_output(stored(X)), by_hand(est, X), rtol=1e-9, atol=1e-9)
    assert sizes == [128]  # of 2 kB: 128 neurons, before and after


# layers above the first


@DTYPES
@pytest.mark.parametrize("n_neurons", [1, 64, 150])
@pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
def test_a_layer_for_sparse_activations(dtype, n_neurons, share):
    rng = np.random.default_rng(0)
    H = (rng.standard_normal((37, 20)) * (rng.random((37, 20)) < share)).astype(dtype)
    W, c = rng.standard_normal((20, n_neurons)).astype(dtype), rng.standard_normal(n_neurons).astype(dtype)
    lists = entries_by_feature(H)
    assert_array_equal(lists.to_csr().toarray(), H)
    results = []
    for n_threads in (1, 2):
        results.append(np.full((37, n_neurons), np.nan, dtype))
        sparse_layer(lists, lists.data, W, c, results[-1], n_threads)
    assert_array_equal(*results)
    tolerance = 1e-4 if dtype == np.float32 else 1e-11
    expected = np.maximum(H.astype(np.float64) @ W + c, 0)
    assert_allclose(results[0], expected, rtol=tolerance, atol=tolerance)


def test_layers_that_do_not_fit_are_refused():
    lists = entries_by_feature(np.ones((3, 4)))
    W, c, out = np.zeros((4, 5)), np.zeros(5), np.zeros((3, 5))
    for arguments in ((np.zeros((3, 5)), c, out), (W, np.zeros(4), out), (W, c, np.zeros((3, 4))), (W, c, out[:2])):
        with pytest.raises(ValueError, match=r"do not fit|one row per row"):
            sparse_layer(lists, lists.data, *arguments, 1)


@DTYPES
def test_deep_prediction_does_not_depend_on_how_products_are_made(dtype, monkeypatch):
    X, y = data_for(FastReLUClassifier, 300, dtype)
    clf = FastReLUClassifier((130, 70, 64), solver="adam", random_state=0, max_iter=2).fit(X, y)
    monkeypatch.setattr(_prediction, "MIN_WEIGHTS_FOR_SPARSE", 0)
    made, calls = [], []
    monkeypatch.setattr(_prediction, "sparse_layer", lambda *args: (calls.append(args[2].shape), sparse_layer(*args)))
    for share in (0.0, 1.0):
        monkeypatch.setattr(_prediction, "MAX_SHARE_FOR_SPARSE", share)
        made.append(clf.predict_proba(X))
    assert calls == [W.shape for W in clf.coefs_[:-1]]
    H = X.astype(np.float64)
    for W, c in zip(clf.coefs_[:-1], clf.intercepts_[:-1], strict=True):
        H = np.maximum(H @ W + c, 0)
    expected = softmax(H @ clf.coefs_[-1] + clf.intercepts_[-1], axis=1)
    for probabilities in made:
        assert_allclose(probabilities, expected, rtol=1e-4 if dtype == np.float32 else 1e-10)


# what is not a number


@DTYPES
@pytest.mark.parametrize("n_rows", [10, 1300])
@pytest.mark.parametrize(
    ("n_features", "widths"),
    [(2, (600,)), (40, (600,)), (40, (600, 2000))],  # by a tree; by products; by sparse activations
)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_row_that_is_not_finite_has_no_finite_output_and_no_neighbours(n_rows, n_features, widths, dtype, value):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, n_features)).astype(dtype)
    est = FastReLURegressor(hidden_layer_sizes=widths, solver="adam", max_iter=1, random_state=0)
    est.fit(X[:200], np.sin(3 * X[:200, 0]))
    expected = est.predict(X)
    broken = X.copy()
    broken[7, 0] = broken[-1, -1] = value
    with config_context(assume_finite=True), np.errstate(invalid="ignore", over="ignore"):
        got = est.predict(broken)
    others = np.ones(n_rows, bool)
    others[[7, -1]] = False
    assert_allclose(got[others], expected[others], rtol=1e-4, atol=1e-5)
    if np.isnan(value):
        assert np.isnan(got[~others]).all()


def test_a_layer_of_few_activations_passes_on_what_is_not_a_number():
    H = np.zeros((5, 20))
    H[2, 3], H[4, 1] = np.nan, 1.0
    out = np.zeros((5, 70))
    lists = entries_by_feature(H)
    sparse_layer(lists, lists.data, np.ones((20, 70)), -np.ones(70) / 2, out, 1)
    assert np.isnan(out[2]).all()
    assert_array_equal(np.delete(out, 2, axis=0), np.repeat([[0.0], [0.0], [0.0], [0.5]], 70, axis=1))
