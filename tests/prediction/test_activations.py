"""Activations of the last hidden layer as features."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array, csr_matrix, issparse
from sklearn import config_context
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from helpers import BOTH, FIRST_ORDER, data_for
from skfastnn import FastReLUClassifier, FastReLURegressor


def reference(est, X):
    H = X
    for W, c in zip(est.coefs_[:-1], est.intercepts_[:-1], strict=True):
        H = np.maximum(H @ W + c, 0)
    return H


@BOTH
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("widths", [(128,), (96, 64)])
def test_activations_of_the_last_layer(Estimator, dtype, widths):
    X, y = data_for(Estimator, dtype=dtype)
    est = Estimator(**{**FIRST_ORDER, "hidden_layer_sizes": widths}).fit(X, y)
    H = est.transform(X)
    assert (H.format, H.dtype) == ("csr", dtype)
    assert 0 < H.nnz < H.shape[0] * H.shape[1]
    assert_allclose(H.toarray(), reference(est, X), rtol=1e-4, atol=1e-5)
    assert est.get_feature_names_out().tolist() == [f"{Estimator.__name__.lower()}{j}" for j in range(widths[-1])]


@BOTH
def test_output_layer_on_activations_is_the_network(Estimator):
    X, y = data_for(Estimator)
    X[::7, 2] = np.nan
    est = Estimator(encoding="piecewise_linear", **FIRST_ORDER).fit(X, y)
    raw = est.predict(X) if Estimator is FastReLURegressor else est.decision_function(X)
    assert_allclose((est.transform(X) @ est.coefs_[-1] + est.intercepts_[-1]).reshape(raw.shape), raw, atol=1e-9)


def test_without_hidden_layer_the_inputs_are_returned():
    X, y = data_for(FastReLUClassifier)
    est = FastReLUClassifier(hidden_layer_sizes=()).fit(X, y)
    assert_allclose(est.transform(X).toarray(), X)
    assert est.get_feature_names_out().size == X.shape[1]


def test_sparse_rows_and_chunks_of_rows_give_the_same():
    X, y = data_for(FastReLUClassifier)
    X[X < 0.5] = 0
    est = FastReLUClassifier(**FIRST_ORDER).fit(X, y)
    whole = est.transform(X).toarray()
    assert_allclose(est.transform(csr_array(X)).toarray(), whole, atol=1e-12)
    with config_context(working_memory=0.02):
        assert_allclose(est.transform(X).toarray(), whole, atol=1e-12)


def test_interface_of_sparse_output_follows_the_configuration():
    X, y = data_for(FastReLUClassifier)
    est = FastReLUClassifier(**FIRST_ORDER).fit(X, y)
    assert isinstance(est.transform(X), csr_matrix)
    try:
        context = config_context(sparse_interface="sparray")
        with context:
            assert isinstance(est.transform(X), csr_array)
    except TypeError:
        pytest.skip("scikit-learn before 1.9 knows matrices alone")


@pytest.mark.parametrize("frames", ["pandas", "polars"])
def test_data_frames_are_dense(frames):
    library = pytest.importorskip(frames, reason="data frames of this library are optional")
    X, y = data_for(FastReLUClassifier)
    est = FastReLUClassifier(**FIRST_ORDER).fit(X, y)
    expected = est.transform(X)
    out = est.set_output(transform=frames).transform(X)
    assert isinstance(out, library.DataFrame)
    assert list(out.columns) == est.get_feature_names_out().tolist()
    assert_array_equal(out.to_numpy(), expected.toarray())


def test_linear_model_behind_the_network():
    X, y = data_for(FastReLUClassifier, n_samples=300)
    X = pd.DataFrame(X, columns=list("abcdefgh"))
    model = make_pipeline(FastReLUClassifier(**FIRST_ORDER), LogisticRegression(max_iter=1_000)).fit(X, y)
    assert issparse(model[0].transform(X))
    assert model.score(X, y) > model[-1:].fit(X, y).score(X, y) + 0.05
