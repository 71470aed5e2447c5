"""Training that looks for firing pairs by heavy inner products of signs: what it finds, misses, and says."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from helpers import BOTH, EXACT_ENGINES, SOLVERS, assert_same_fit, data_for, unit_coordinates
from skfastnn import FastReLUClassifier, FastReLURegressor
from skfastnn.networks._network import Network
from skfastnn.networks._training_rows import Batch, TrainingRows
from skfastnn.search import make_engine
from skfastnn.search.heavy import _heavy_search, _heavy_signs, _sign_projections
from skfastnn.search.heavy._heavy_search import HeavyPairsSearch
from skfastnn.search.heavy._heavy_signs import HeavySigns
from skfastnn.search.heavy._sign_projections import SignProjections
from skfastnn.solvers import make_solver

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
ADAM = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8, "train_output": True}
COMMON = {"hidden_layer_sizes": 512, "max_iter": 4, "random_state": 0, "search": "heavy_pairs"}


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return train_test_split(X, y, test_size=0.3, random_state=0, stratify=y)


# signs


@DTYPES
@pytest.mark.parametrize("spread", [np.ones(24), np.geomspace(1, 100, 24), np.r_[np.zeros(8), np.ones(16)]])
def test_signs_tell_angles(spread, dtype):
    rng = np.random.default_rng(0)
    X = np.zeros((60, 32), dtype)
    X[:, :24] = 3 + spread * rng.standard_normal((60, 24))
    W = np.zeros((50, 32), dtype)
    W[:, :24] = rng.standard_normal((50, 24))
    projections = SignProjections(X, 4096, 24, 1)
    signs, norms, at_centre = projections.neurons(W)
    row_signs, row_norms = projections.rows(X)
    assert np.isin(signs, (-1, 1)).all()
    assert signs.dtype == row_signs.dtype == np.int8
    cosine = (W @ X.T - at_centre[:, None]) / norms[:, None] / row_norms
    product = signs.astype(float) @ row_signs.T / 4096
    errors = (product - 2 / np.pi * np.arcsin(cosine)) * np.sqrt(4096)
    assert abs(errors.mean()) < 0.2
    assert 0.8 < errors.std() < 1.1
    assert np.abs(errors).max() < 5


def test_scaling_makes_angles_tell_more():
    rng = np.random.default_rng(0)
    X = np.geomspace(1, 100, 24) * rng.standard_normal((500, 24))
    W = rng.standard_normal((500, 24))
    projections = SignProjections(X, 64, 24, 1)
    scaled = np.mean(projections.neurons(W)[1] ** 2) * np.mean(projections.rows(X)[1] ** 2)
    assert scaled < np.mean((W**2).sum(axis=1)) * np.mean((X**2).sum(axis=1)) / 2


def test_rows_that_do_not_differ_are_not_scaled():
    projections = SignProjections(np.ones((20, 5)), 64, 5, 1)
    assert_array_equal(projections.scaling, np.ones(5))
    assert np.isfinite(projections.of_rows).all()
    some = np.ones((20, 5))
    some[::2, 1], least = 3, _sign_projections.LEAST_SPREAD
    # one that varies, and others that hardly do
    assert_allclose(SignProjections(some, 64, 5, 1).scaling ** 2, [least, 1, least, least, least])


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("tile", [1, 1 << 22])
def test_products_of_signs(n_threads, tile, monkeypatch):
    monkeypatch.setattr(_heavy_signs, "TILE_SIZE", tile)
    rng = np.random.default_rng(0)
    neurons, rows = (2 * rng.integers(0, 2, (n, 100), dtype=np.int8) - 1 for n in (37, 20))
    least = rng.uniform(-100, 50, 37)
    neuron, row, products = HeavySigns(n_threads).pairs(neurons, rows, least)
    S = neurons.astype(int) @ rows.T
    assert_array_equal(np.column_stack([neuron, row]), np.argwhere(least[:, None] <= S))
    assert_array_equal(products, S[neuron, row])


# the engine


class Situation:
    """An engine on a network of which some neurons j lean to row j; for a large threshold nothing else fires."""

    def __init__(self, threshold, n_rows=1500, n_features=1024, lean=60, every=15, dtype=np.float32):
        rng = np.random.default_rng(0)
        X = rng.standard_normal((n_rows, n_features)).astype(dtype) / np.sqrt(n_features).astype(dtype)
        self.network = Network(unit_coordinates(n_features, dtype), n_rows, 1, 1.0, False, 1, dtype)
        self.network.c_state[:, 0] = -threshold
        self.network.displacement[::every, :n_features] = lean * X[::every]
        self.solver = make_solver("adam", self.network, ADAM, 1)
        self.rows = TrainingRows(X, self.network.coordinates, self.network.ld, 1)
        self.engine = make_engine("heavy_pairs", self.network)
        self.engine.build(self.rows, self.network, 1)
        index = np.arange(n_rows, dtype=np.int32)
        self.batch = Batch(index, *self.rows.gather(index, *self.rows.buffers(n_rows)))
        self.Z = self.network.weights(0, n_rows) @ self.batch.rows.T + self.network.c_state[:, :1]

    def candidates(self):
        """Return the candidates as a mask."""
        indptr, rows, values = self.engine.candidates(self.batch, self.solver).to_csr()
        assert values is None
        mask = np.zeros(self.Z.shape, dtype=bool)
        mask[np.repeat(np.arange(self.Z.shape[0]), np.diff(indptr)), rows] = True
        assert mask.sum() == rows.size
        return mask


def test_what_fires_is_found_and_little_else():
    situation = Situation(2.0, n_features=16, lean=1, every=1)
    mask, fires = situation.candidates(), situation.Z > 0
    assert np.mean(mask[fires]) > 0.975
    assert mask.mean() < 4 * fires.mean()
    engine = situation.engine
    assert engine.heavy.plan is None
    assert engine.counters["visited"] == mask.size
    assert engine.counters["candidates"] == mask.sum()
    assert 0.97 < engine.recall <= 1


def test_groups_are_used_where_there_is_a_gap(monkeypatch):
    monkeypatch.setattr(_heavy_search, "N_BITS", 4096)
    situation = Situation(45.0)
    mask, fires = situation.candidates(), situation.Z > 0
    assert situation.engine.heavy.plan is not None
    assert situation.engine.counters["visited"] < mask.size / 5
    assert np.mean(mask[fires]) > 0.975
    assert mask.mean() < 2e-3


def test_groups_that_do_not_keep_their_promise_are_given_up(monkeypatch):
    monkeypatch.setattr(_heavy_search, "N_BITS", 4096)
    monkeypatch.setattr(_heavy_signs.Search, "miss_probability", lambda self, plan: 1.0)
    situation = Situation(45.0)
    assert np.mean(situation.candidates()[situation.Z > 0]) > 0.975
    assert situation.engine.heavy.plan is None
    assert situation.engine.counters["visited"] == situation.Z.size


def test_a_lower_threshold_is_planned_anew(monkeypatch):
    monkeypatch.setattr(_heavy_search, "N_BITS", 4096)
    situation = Situation(45.0)
    situation.candidates()
    assert situation.engine.heavy.plan is not None
    situation.network.c_state[5] = 1.0
    situation.Z[5] += 46.0
    mask = situation.candidates()
    assert situation.engine.heavy.plan is None
    assert np.mean(mask[5][situation.Z[5] > 0]) > 0.95


def test_neurons_that_moved_are_quantised_anew():
    situation = Situation(2.0)
    engine, network, solver = situation.engine, situation.network, situation.solver
    situation.candidates()
    assert engine.counters["refreshed"] == network.n_neurons
    before = engine.signs.copy()
    network.displacement[:7] *= -1
    solver.norms[:7, 2] += 40.0
    solver.norms[7:, 2] += 1e-3  # hardly
    situation.candidates()
    assert engine.counters["refreshed"] == network.n_neurons + 7
    assert_array_equal(engine.signs[7:], before[7:])
    assert_array_equal(engine.signs[:7], engine.projections.neurons(network.weights(0, 7))[0])


@pytest.mark.parametrize("what", ["rows", "neurons"])
def test_zeros_fire_by_their_intercepts(what):
    situation = Situation(1.0, n_rows=100, n_features=8, lean=0)
    network = situation.network
    if what == "neurons":
        network.start[:] = network.displacement[:] = 0
    else:
        situation.batch.rows[::2] = situation.engine.projections.centre
    network.c_state[::3, 0] = 0.5
    network.c_state[1, 0] = 0.0
    mask = situation.candidates()
    always = network.c_state[:, 0] > 0.1
    if what == "neurons":
        assert mask[always].all()
        assert not mask[~always].any()
    else:
        assert mask[always][:, ::2].all()
        assert not mask[(network.c_state[:, 0] < -0.1)][:, ::2].any()


# training


@SOLVERS
def test_digits_are_learnt_as_well_as_densely(solver, digits):
    X, X_test, y, y_test = digits
    common = {"hidden_layer_sizes": 3000, "threshold": 3.0, "solver": solver, "max_iter": 10, "random_state": 0}
    dense = FastReLUClassifier(search="dense", **common).fit(X, y)
    heavy = FastReLUClassifier(search="heavy_pairs", **common).fit(X, y)
    assert heavy.search_ == "heavy_pairs"
    assert 0.95 <= heavy.firing_recall_ <= 1
    assert dense.firing_recall_ == 1
    assert heavy.search_counters_["checked"] > 500
    assert abs(heavy.score(X_test, y_test) - dense.score(X_test, y_test)) < 0.01
    assert dense.score(X_test, y_test) > 0.95
    # few of all pairs are looked at
    n_pairs = len(heavy.loss_curve_) * X.shape[0] * 3000
    assert heavy.search_counters_["fired"] <= heavy.search_counters_["candidates"] < n_pairs / 20
    assert heavy.search_counters_["visited"] == n_pairs


def test_recall_is_that_of_all_pairs(digits, monkeypatch):
    """The sample says what a count of all pairs says, neurons that move and momentum included."""
    monkeypatch.setattr(_heavy_search, "MARGIN", 0.0)
    total = np.zeros(2)

    def count(self, batch, solver):
        pairs = search(self, batch, solver)
        mask = np.zeros((pairs.n_neurons, batch.index.size), dtype=bool)
        indptr, rows, _ = pairs.to_csr()
        mask[np.repeat(np.arange(pairs.n_neurons), np.diff(indptr)), rows] = True
        fires = self.network.weights(0, pairs.n_neurons) @ batch.rows.T + self.network.c_state[:, :1] > 0
        total[:] += np.count_nonzero(fires & mask), np.count_nonzero(fires)
        return pairs

    search = HeavyPairsSearch.candidates
    monkeypatch.setattr(HeavyPairsSearch, "candidates", count)
    with pytest.warns(RuntimeWarning, match="missed"):
        clf = FastReLUClassifier(**{**COMMON, "max_iter": 10}, solver="sgd", threshold=2.0).fit(digits[0], digits[2])
    assert clf.firing_recall_ == pytest.approx(total[0] / total[1], abs=0.02)


def test_recall_is_looked_at_in_the_first_batch_and_every_few():
    situation = Situation(0.5, n_rows=200, n_features=16, lean=1, every=1)
    looked, rows = [], _heavy_search.CHECK_ROWS
    for _ in range(2 * _heavy_search.CHECK_EVERY + 1):
        before = situation.engine.counters["dot_products"], situation.engine.counters["candidates"]
        situation.candidates()
        counters = situation.engine.counters
        # besides its candidates, the products of some rows with all neurons
        looked.append(counters["dot_products"] - before[0] - (counters["candidates"] - before[1]))
    expected = np.zeros(len(looked), int)
    expected[:: _heavy_search.CHECK_EVERY] = rows * 200
    assert_array_equal(looked, expected)
    fires = situation.Z > 0
    assert situation.engine.counters["checked"] / (3 * rows * 200) == pytest.approx(fires.mean(), abs=0.1)


@BOTH
def test_few_bits_and_no_margin_are_reported(Estimator, monkeypatch):
    monkeypatch.setattr(_heavy_search, "N_BITS", 32)
    monkeypatch.setattr(_heavy_search, "MARGIN", 0.0)
    X, y = data_for(Estimator, 300)
    advice = r"missed \d+\.\d% of the firing pairs.*Lower threshold.*or set search='auto'"
    with pytest.warns(RuntimeWarning, match=advice) as record:
        est = Estimator(**COMMON, solver="adam", threshold=1.0).fit(X, y)  # candidates for the epochs say nothing
    said = [warning for warning in record if warning.category is RuntimeWarning]
    assert [warning.filename for warning in said] == [__file__]
    assert 0.5 < est.firing_recall_ < 0.95
    counters = est.search_counters_
    assert est.firing_recall_ == counters["found"] / counters["checked"]


@BOTH
@pytest.mark.parametrize("solver", ["adam", "gauss_newton", "sgd"])
@DTYPES
def test_the_same_seed_gives_the_same_fit(Estimator, solver, dtype):
    X, y = data_for(Estimator, 200, dtype)
    fits = [Estimator(**COMMON, solver=solver, threshold=1.5).fit(X, y) for _ in range(2)]
    assert_same_fit(*fits)
    assert fits[0].loss_curve_[-1] < fits[0].loss_curve_[0]
    assert fits[0].coefs_[0].dtype == dtype
    assert 0.95 <= fits[0].firing_recall_ <= 1


@SOLVERS
def test_what_memory_held_before_does_not_matter(solver, monkeypatch):
    X, y = data_for(FastReLUClassifier, 200)
    expected = FastReLUClassifier(**COMMON, solver=solver, threshold=1.5).fit(X, y)
    empty = np.empty

    def used_memory(*args, **kwargs):
        array = empty(*args, **kwargs)
        array.fill(np.inf if array.dtype.kind == "f" else 85)
        return array

    monkeypatch.setattr(np, "empty", used_memory)
    assert_same_fit(FastReLUClassifier(**COMMON, solver=solver, threshold=1.5).fit(X, y), expected)


@SOLVERS
def test_partial_fit(solver, digits):
    X, X_test, y, y_test = digits
    clf = FastReLUClassifier(**COMMON, solver=solver, threshold=2.0)
    for _ in range(5):
        for first in range(0, X.shape[0], 300):
            clf.partial_fit(X[first : first + 300], y[first : first + 300], classes=np.arange(10))
    assert clf.score(X_test, y_test) > 0.9
    assert 0.9 < clf.firing_recall_ <= 1


@pytest.mark.parametrize("stored", [False, True])
@SOLVERS
def test_sparse_rows(solver, stored):
    rng = np.random.default_rng(0)
    X = np.where(rng.uniform(size=(300, 200)) < 0.03, rng.uniform(1, 2, (300, 200)), 0)
    y = X[:, :20].sum(axis=1)
    reg = FastReLURegressor(**COMMON, solver=solver, threshold=1.5)
    reg.fit(sparse.csr_array(X) if stored else X, y)
    assert reg.search_ == "heavy_pairs"
    assert reg.firing_recall_ >= 0.95
    dense = FastReLURegressor(**{**COMMON, "search": "dense"}, solver=solver, threshold=1.5).fit(X, y)
    assert_allclose(reg.loss_, dense.loss_, rtol=0.1)


def test_data_with_nothing_to_project():
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        for X in (np.zeros((20, 3)), np.ones((20, 3)), np.eye(1, 3)):
            reg = FastReLURegressor(**COMMON, solver="adam", threshold=0.5).fit(X, X[:, 0])
            assert 0 <= reg.firing_recall_ <= 1
            assert np.isfinite(reg.coefs_[0]).all()


@BOTH
@pytest.mark.parametrize("search", ["auto", *EXACT_ENGINES])
def test_exact_engines_miss_nothing(Estimator, search):
    X, y = data_for(Estimator)
    est = Estimator(**{**COMMON, "search": search}, solver="adam").fit(X, y)
    assert est.firing_recall_ == 1.0
    assert est.search_ != "heavy_pairs"
    assert est.partial_fit(X, y).firing_recall_ == 1.0
