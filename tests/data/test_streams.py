"""Streams: statistics follow the batches, weights are re-expressed, and first batches may be unlike the rest."""

import copy
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import make_classification, make_friedman1
from sklearn.neural_network import MLPClassifier, MLPRegressor

from helpers import BOTH, SOLVERS
from skfastnn import FastReLUClassifier
from skfastnn._coordinates import Statistics, follow
from skfastnn._fitted import Resumed
from skfastnn._losses import SquaredError


def stream(Estimator, n_samples=2000, batch=100):
    if Estimator is FastReLUClassifier:
        X, y = make_classification(n_samples, 10, n_informative=5, n_classes=3, random_state=0)
        first_call = {"classes": [0, 1, 2]}
    else:
        X, y = make_friedman1(n_samples, n_features=10, random_state=0)
        first_call = {}
    return [(X[k : k + batch], y[k : k + batch]) for k in range(0, n_samples, batch)], first_call


@pytest.mark.parametrize("stored", [np.asarray, sparse.csr_array])
def test_merged_statistics_are_those_of_all_rows(stored):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 6)) * [1, 2, 3, 1, 0.1, 0] + [0, 1, 0, 5, 0, 2]
    X[rng.uniform(size=X.shape) < 0.3] = 0
    weight = rng.uniform(0.5, 2, 300)
    parts = [Statistics.of_rows(stored(X[k : k + 100]), weight[k : k + 100]) for k in (0, 100, 200)]
    merged, whole = parts[0].merged(parts[1]).merged(parts[2]), Statistics.of_rows(stored(X), weight)
    for name in ("weight", "mean", "square", "filled"):
        assert_allclose(getattr(merged, name), getattr(whole, name), rtol=1e-12, atol=1e-12)


def test_merged_statistics_of_the_target_are_those_of_all_samples():
    rng = np.random.default_rng(0)
    y, weight, loss = rng.standard_normal((90, 2)) * [1, 1e3] + [1e4, 0], rng.uniform(0.5, 2, 90), SquaredError()

    def statistics(part):
        shift, spread = loss.moments(y[part], weight[part])
        return {"weight": weight[part].sum(), "shift": shift, "spread": spread}

    merged = loss.follow(statistics(slice(0, 20)), statistics(slice(20, 90)))
    for name, expected in statistics(slice(None)).items():
        assert_allclose(merged[name], expected, rtol=1e-9)


def test_a_stray_batch_counts_for_less():
    rng = np.random.default_rng(0)
    usual = Statistics.of_rows(rng.standard_normal((100, 3)), np.ones(100))
    stray = Statistics.of_rows(rng.standard_normal((10, 3)) + 1e6, np.ones(10))
    merged = usual.merged(stray)
    assert merged.weight == 110
    assert np.abs(merged.mean).max() < 1.0


def test_a_network_is_drawn_anew_in_a_young_stream_alone():
    rng = np.random.default_rng(0)
    few, many, elsewhere = (
        Statistics.of_rows(rng.standard_normal((n, 3)) + shift, np.ones(n))
        for n, shift in ((50, 0), (5000, 0), (50, 20))
    )
    assert follow(few, few, elsewhere)[1]
    assert not follow(few, few, few)[1]
    assert not follow(many, many, elsewhere)[1]


@BOTH
@SOLVERS
@pytest.mark.parametrize("hidden", [(64,), (40, 30)])
def test_coordinates_that_move_leave_the_function(Estimator, solver, hidden):
    parts, first_call = stream(Estimator, 600)
    est = Estimator(hidden_layer_sizes=hidden, solver=solver, random_state=0)
    for X, y in parts[:5]:
        est.partial_fit(X, y, **first_call)
    before, mean = est._raw_output(parts[0][0]), est._start["rows"]["mean"].copy()
    rest = np.random.default_rng(0).permutation(100)
    est.set_params(learning_rate_init=1e-200).partial_fit(3 * parts[5][0] + 2, parts[5][1][rest])
    assert np.abs(est._start["rows"]["mean"] - mean).max() > 0.1
    assert_allclose(est._raw_output(parts[0][0]), before, rtol=1e-7, atol=1e-9 * np.abs(before).max())


FIRST = {
    "the same": lambda X, y: (X, y),
    "another scale": lambda X, y: (100 * X, y),
    "another offset": lambda X, y: (X + 1000, y),
    "one row": lambda X, y: (X[:1], y[:1]),
    "zeros": lambda X, y: (0 * X, y),
    "one label": lambda X, y: (X[y == y[0]], y[y == y[0]]),
}


@BOTH
@pytest.mark.parametrize("first", FIRST)
def test_a_first_batch_unlike_the_rest_does_no_harm(Estimator, first):
    parts, first_call = stream(Estimator)
    held_out, parts = parts[-5:], parts[:-5]
    Mlp = MLPClassifier if Estimator is FastReLUClassifier else MLPRegressor
    X_test, y_test = (np.concatenate(arrays) for arrays in zip(*held_out, strict=True))
    scores = []
    for est in (Estimator(hidden_layer_sizes=100, random_state=0), Mlp(random_state=0)):
        est.partial_fit(*FIRST[first](*parts[0]), **first_call)
        for _ in range(10):
            for X, y in parts:
                est.partial_fit(X, y)
        scores.append(est.score(X_test, y_test))
    assert scores[0] > scores[1] - 0.05


@pytest.mark.parametrize("hidden", [(100,), (20, 10)])
@SOLVERS
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_small_batches_after_a_fit_take_little_of_what_was_learned(hidden, solver):
    rng = np.random.default_rng(1)
    X = rng.standard_normal((2500, 8))
    y = X[:, 0] + np.sin(2 * X[:, 1]) + X[:, 2] * X[:, 3] > 0
    est = FastReLUClassifier(hidden, solver=solver, max_iter=60, random_state=0)
    fitted = est.fit(X[:1000], y[:1000]).score(X[1500:], y[1500:])
    for first in range(1000, 1500, 50):
        est.partial_fit(X[first : first + 50], y[first : first + 50])
        assert est.score(X[1500:], y[1500:]) > fitted - 0.03


def test_a_generator_goes_on_where_another_has_ended():
    expected, resumed = np.random.RandomState(3), Resumed(np.random.RandomState(3).get_state(legacy=False))
    before = resumed.get_state()
    assert resumed.get_state() is before  # nothing was drawn, and no generator made
    for _ in range(2):
        assert_array_equal(resumed.permutation(50), expected.permutation(50))
    assert_array_equal(resumed.get_state()["state"]["key"], expected.get_state(legacy=False)["state"]["key"])
    resumed.set_state(before)
    assert_array_equal(resumed.permutation(50), np.random.RandomState(3).permutation(50))


def test_a_stream_is_shuffled_as_if_it_had_not_been_interrupted():
    (parts, first_call) = stream(FastReLUClassifier, n_samples=600)
    seen = []
    for stored in (False, True):
        clf = FastReLUClassifier(hidden_layer_sizes=20, batch_size=30, random_state=0)
        for k, part in enumerate(parts):
            clf.partial_fit(*part, **(first_call if k == 0 else {}))
            # one batch draws nothing
            clf.partial_fit(part[0][:1], part[1][:1])
            clf = pickle.loads(pickle.dumps(clf)) if stored else clf
        seen.append(clf.coefs_[0])
    assert_array_equal(*seen)


@pytest.mark.parametrize("hidden", [(21,), (20, 10)])
@pytest.mark.parametrize("stored", [False, True])
def test_a_network_that_goes_on_draws_the_same_again_or_not_at_all(hidden, stored):
    parts, first_call = stream(FastReLUClassifier, n_samples=600)
    clf = FastReLUClassifier(hidden_layer_sizes=hidden, random_state=0).partial_fit(*parts[0], **first_call)
    other = copy.deepcopy(clf)  # which draws again
    if stored:
        clf = pickle.loads(pickle.dumps(clf))
        assert clf._drawn is None
    start = clf._drawn
    for part in parts[1:]:
        clf.partial_fit(*part)
        other.partial_fit(*part)
    assert (clf._drawn is start) == (not stored)
    for ours, theirs in zip(clf.coefs_ + clf.intercepts_, other.coefs_ + other.intercepts_, strict=True):
        assert_array_equal(ours, theirs)
