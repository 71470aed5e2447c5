"""Sparse X: the same model as from dense X, however it is stored."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from helpers import BOTH, EXACT_ENGINES, REGISTERED_SOLVERS, STEP_SOLVERS, assert_same_fit, estimator, words
from skfastnn import FastReLUClassifier, FastReLURegressor
from skfastnn._coordinates import LOW_DENSITY, Coordinates, density
from skfastnn.networks._network import Network
from skfastnn.networks._training_rows import TrainingRows

SOLVERS = [*REGISTERED_SOLVERS, "adam_gauss_newton"]
DENSITIES = [0.02, 0.3]


def as_stored(X, storage):
    """The same numbers in another form."""
    if storage in ("csr_matrix", "csr_array", "csc_matrix", "csc_array", "coo_array"):
        return getattr(sparse, storage)(X)
    S = sparse.csr_array(X)
    if storage == "int64":
        S.indices, S.indptr = S.indices.astype(np.int64), S.indptr.astype(np.int64)
    elif storage == "unsorted":
        for i in range(S.shape[0]):
            row = slice(S.indptr[i], S.indptr[i + 1])
            S.indices[row], S.data[row] = S.indices[row][::-1].copy(), S.data[row][::-1].copy()
        S.has_sorted_indices = False
    elif storage == "duplicates":
        half = S * 0.5
        S = sparse.csr_array(
            (np.repeat(half.data, 2), np.repeat(half.indices, 2), 2 * half.indptr), shape=S.shape
        )  # fmt: skip
    elif storage == "explicit zeros":
        full = X.copy()
        full[full == 0] = 7.0
        S = sparse.csr_array(full)
        S.data[X.ravel() == 0] = 0.0
    elif storage == "read-only":
        for array in (S.data, S.indices, S.indptr):
            array.flags.writeable = False
    return S


STORAGES = [
    "csr_matrix", "csr_array", "csc_matrix", "csc_array", "coo_array", "int64", "unsorted", "duplicates",
    "explicit zeros", "read-only",
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@BOTH
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("search", EXACT_ENGINES)
@pytest.mark.parametrize("share", DENSITIES)
def test_sparse_and_dense_give_the_same_model(Estimator, solver, search, share):
    X, y = words(share=share)
    weight = np.random.default_rng(1).integers(0, 4, y.size)
    dense = estimator(Estimator, solver, search=search).fit(X, y, weight)
    stored = estimator(Estimator, solver, search=search).fit(sparse.csr_array(X), y, weight)
    assert_same_fit(dense, stored, rtol=1e-6)
    assert_allclose(stored.predict(sparse.csr_array(X)), dense.predict(X), rtol=1e-6)
    assert stored.firing_rate_ == pytest.approx(dense.firing_rate_, rel=1e-6)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("share", DENSITIES)
def test_storage_does_not_matter(storage, share):
    X, y = words(share=share)
    expected = estimator(FastReLUClassifier, "sgd").fit(X, y)
    S = as_stored(X, storage)
    before = S.copy()
    clf = estimator(FastReLUClassifier, "sgd").fit(S, y)
    assert_same_fit(expected, clf, rtol=1e-6)
    assert_allclose(clf.predict_proba(S), expected.predict_proba(X), rtol=1e-6)
    assert_array_equal(S.data, before.data)
    assert S.nnz == before.nnz


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", SOLVERS)
def test_float32_stays_float32(solver):
    X, y = words()
    clf = estimator(FastReLUClassifier, solver).fit(sparse.csr_matrix(X, dtype=np.float32), y)
    assert {a.dtype for a in clf.coefs_ + clf.intercepts_} == {np.dtype(np.float32)}
    assert clf.predict_proba(sparse.csr_matrix(X, dtype=np.float32)).dtype == np.float32


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", STEP_SOLVERS)
def test_going_on_with_sparse_rows(solver):
    X, y = words()
    dense, stored = (estimator(FastReLUClassifier, solver) for _ in range(2))
    for part in (slice(0, 50), slice(50, 90), slice(0, 90)):
        dense.partial_fit(X[part], y[part], classes=np.unique(y))
        stored.partial_fit(sparse.csr_array(X)[part], y[part], classes=np.unique(y))
    assert_same_fit(dense, stored, rtol=1e-6)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_early_stopping_on_sparse_rows():
    X, y = words()
    dense = estimator(FastReLUClassifier, "adam", early_stopping=True).fit(X, y)
    stored = estimator(FastReLUClassifier, "adam", early_stopping=True).fit(sparse.csr_array(X), y)
    assert stored.validation_scores_ == dense.validation_scores_
    assert_same_fit(dense, stored, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("share", DENSITIES)
def test_gathered_rows_are_those_of_dense_rows(share, dtype):
    X = words(share=share)[0].astype(dtype)
    coordinates = Coordinates.from_data(X, np.ones(X.shape[0], dtype))
    index = np.array([5, 3, 80, 5], dtype=np.int32)
    results = []
    for data in (X, sparse.csr_array(X)):
        rows = TrainingRows(data, coordinates, 64, 2)
        results.append(rows.gather(index, *rows.buffers(4)))
    assert_array_equal(results[0][0], results[1][0])
    assert_array_equal(results[0][1], results[1][1])
    expected = (X[index].astype(np.float64) - coordinates.mean) / coordinates.scale
    assert_allclose(results[1][0][:, :60], expected, atol=1e-6)


def test_rows_with_few_numbers_are_not_centred():
    X, _ = words()
    weight = np.random.default_rng(0).integers(1, 4, X.shape[0]).astype(float)
    assert density(X, weight) < LOW_DENSITY
    for data in (X, sparse.csr_array(X)):
        coordinates = Coordinates.from_data(data, weight)
        mean = np.average(X, axis=0, weights=weight)
        assert_array_equal(coordinates.mean, 0)
        assert_allclose(coordinates.offset * coordinates.scale, mean, rtol=1e-12)
        spread = np.sqrt(np.average(((X - mean) ** 2).sum(axis=1), weights=weight))
        assert coordinates.scale == pytest.approx(spread, rel=1e-12)


def test_the_start_makes_up_for_rows_that_are_not_centred():
    """Pre-activations are -threshold on average, and of unit variance, as for centred rows."""
    X, _ = words(400)
    coordinates = Coordinates.from_data(X, np.ones(400))
    network = Network(coordinates, 2001, 2, 1.3, True, 0, X.dtype)
    Z = X / coordinates.scale @ network.weights(0, 2001)[:, :60].T + network.c_state[:, 0]
    assert_allclose(Z.mean(axis=0), -1.3, atol=1e-10)
    assert np.sqrt(((Z + 1.3) ** 2).mean()) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("Estimator", [FastReLUClassifier, FastReLURegressor])
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda S: S.data.__setitem__(0, np.nan), "contains NaN"),
        (lambda S: S.indices.__setitem__(0, 60), "indices|column index"),
        (lambda S: S.indices.__setitem__(0, -1), "indices|column index|negative"),
    ],
    ids=["NaN", "index too large", "negative index"],
)
def test_bad_sparse_input(Estimator, spoil, message):
    X, y = words()
    S = sparse.csr_matrix(X)
    spoil(S)
    est = estimator(Estimator, "sgd")
    with pytest.raises(ValueError, match=message):
        est.fit(S, y)
    assert not hasattr(est, "coefs_")


@pytest.mark.parametrize(("share", "expected"), [(0.02, 0.5), (0.3, 1.0)])
def test_the_automatic_threshold_is_lower_on_sparse_data(share, expected):
    X, y = words(share=share)
    clf = FastReLUClassifier((2048,), max_iter=2, tol=1.0, random_state=0).fit(X, y)
    assert clf.threshold_ == expected


def with_stored_zeros(X, seed=0):
    """The same numbers, and zeros among them."""
    rng = np.random.default_rng(seed)
    X = sparse.coo_array(X)
    n = 3 * X.nnz
    rows, columns = rng.integers(0, X.shape[0], n), rng.integers(0, X.shape[1], n)
    free = X.toarray()[rows, columns] == 0
    data = np.concatenate([X.data, np.zeros(free.sum(), X.dtype)])
    at = np.concatenate([X.coords[0], rows[free]]), np.concatenate([X.coords[1], columns[free]])
    stored = sparse.csr_array((data, at), shape=X.shape)
    stored.sum_duplicates()
    assert (stored.data == 0).sum() > X.nnz
    return stored


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@BOTH
@pytest.mark.parametrize("share", [0.02, 0.3])
@pytest.mark.parametrize(
    ("solver", "widths"), [*((solver, (70,)) for solver in SOLVERS), ("adam", (70, 60)), ("sgd", (70, 60))]
)
def test_zeros_that_are_stored_do_not_change_a_bit(Estimator, solver, widths, share):
    X, y = words(share=share)
    X = sparse.csr_array(X)
    stored = with_stored_zeros(X)
    before = [a.copy() for a in (stored.data, stored.indices, stored.indptr)]
    fits = [estimator(Estimator, solver, hidden_layer_sizes=widths).fit(rows, y) for rows in (X, stored)]
    assert_same_fit(*fits)
    assert_array_equal(fits[0].predict(X), fits[0].predict(stored))
    for array, was in zip((stored.data, stored.indices, stored.indptr), before, strict=True):
        assert_array_equal(array, was)
    if solver in ("adam", "sgd"):
        assert_same_fit(*(fit.partial_fit(rows, y) for fit, rows in zip(fits, (X, stored), strict=True)))
