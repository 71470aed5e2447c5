"""What several test modules share."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import make_classification

from skfastnn import FastReLUClassifier, FastReLURegressor
from skfastnn._coordinates import Coordinates
from skfastnn.passes.dense._weights import DenseWeights
from skfastnn.search import ENGINES
from skfastnn.solvers import SOLVERS as REGISTERED

BOTH = pytest.mark.parametrize("Estimator", [FastReLUClassifier, FastReLURegressor])
# names as the parameters take them: all engines, those whose recall is one, those of them that search
EVERY_ENGINE = list(ENGINES["dense"])
EXACT_ENGINES = [name for name, engine in ENGINES["dense"].items() if engine.recall == 1]
SEARCHING_ENGINES = [name for name in EXACT_ENGINES if name != "dense"]
# solvers that are registered, those of first order, and all that may be asked for
REGISTERED_SOLVERS = list(REGISTERED["dense"])
STEP_SOLVERS = [name for name, solver in REGISTERED["dense"].items() if solver.kind != "model"]
EVERY_SOLVER = [*REGISTERED_SOLVERS, "adam_gauss_newton", "lbfgs"]
SOLVERS = pytest.mark.parametrize("solver", STEP_SOLVERS)
SMALL = {"hidden_layer_sizes": (128,), "threshold": 1.0, "random_state": 0, "max_iter": 5}
FIRST_ORDER = {**SMALL, "solver": "adam"}


def data_for(Estimator, n_samples=100, dtype=np.float64):
    X, y = make_classification(n_samples, 8, n_informative=6, n_classes=3, random_state=0)
    if Estimator is FastReLURegressor:
        y = np.sin(X[:, 0]) + X[:, 1]
    return X.astype(dtype), y


def words(n_samples=90, n_features=60, share=0.02, seed=0):
    """Few words per text, an empty text, a word in every text, a word in none."""
    rng = np.random.default_rng(seed)
    X = sparse.random(n_samples, n_features, share, random_state=rng, data_rvs=lambda k: rng.uniform(0.5, 2, k))
    X = X.toarray()
    X[:, 0], X[:, 1] = 1.0, 0.0
    X[3] = 0.0
    y = (X[:, 2:].sum(axis=1) > np.median(X[:, 2:].sum(axis=1))).astype(int) + (X[:, 5] > 0)
    return X, y


def estimator(Estimator, solver, **settings):
    defaults = {"hidden_layer_sizes": (70,), "threshold": 0.5, "max_iter": 6, "batch_size": 25, "random_state": 0}
    if solver == "gauss_newton":
        defaults.update(batch_size="auto")
    if solver in ("gauss_newton", "adam_gauss_newton"):
        defaults.update(alpha=0.01)
    return Estimator(solver=solver, **{**defaults, **settings})


def assert_same_fit(a, b, rtol=0):
    for attribute in ("coefs_", "intercepts_"):
        for left, right in zip(getattr(a, attribute), getattr(b, attribute), strict=True):
            if rtol:
                assert_allclose(left, right, rtol=rtol, atol=rtol)
            else:
                assert_array_equal(left, right)


def unit_coordinates(n_features, dtype=np.float64):
    """Coordinates in which rows are what they are."""
    return Coordinates(np.zeros(n_features, dtype), 1.0)


def fill_with_positive(pairs, Z):
    """Fill lists with the positive entries of Z, (n_neurons, n_rows)."""
    neuron, rows = np.nonzero(Z > 0)
    indptr = np.searchsorted(neuron, np.arange(Z.shape[0] + 1))
    pairs.fill(indptr, rows.astype(np.int32), Z[neuron, rows])


def without_outputs(start, displacement, anchor, anchored, pair_shift, c_state):
    """Weights of a hidden layer whose outputs nobody asks for."""
    nothing = np.zeros((len(displacement), 0), displacement.dtype)
    return DenseWeights(start, displacement, anchor, anchored, pair_shift, c_state, nothing, nothing)
