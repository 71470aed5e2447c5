"""Half-space reporting against a scan of all points: the boxes, the public tree, the engine, prediction."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import config_context

from helpers import EXACT_ENGINES
from skfastnn import FastReLUClassifier, FastReLURegressor, _prediction
from skfastnn.passes.prediction._reported_output import reported_output
from skfastnn.passes.shared._boxes import LEAF_SIZE, BoxTree, spatial_order
from skfastnn.passes.shared._pairs import PairLists
from skfastnn.search import HalfspaceTree
from skfastnn.search.halfspace import _halfspace
from skfastnn.search.halfspace._halfspace_query import N_SPARE, neurons_above, points_above, rows_above

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
EDGES = [1, 15, 16, 17, 255, 256, 257, 4095, 4097]


def integers(rng, shape, dtype=np.float64, largest=9):
    """Coordinates whose products are exact: what is above a hyperplane is then no matter of rounding."""
    return rng.integers(-largest, largest + 1, shape).astype(dtype)


def filled(points, order=None, n_threads=1):
    tree = BoxTree(points.shape[0], points.shape[1], points.dtype)
    tree.fill(points, order, n_threads)
    return tree


# order and boxes


@DTYPES
@pytest.mark.parametrize("n_points", EDGES)
def test_the_order_has_every_point_once_and_leaves_that_are_close(n_points, dtype):
    points = np.random.default_rng(0).uniform(size=(n_points, 2)).astype(dtype)
    order = spatial_order(points, 2)
    assert_array_equal(np.sort(order), np.arange(n_points))
    leaves = [points[order[k : k + LEAF_SIZE]] for k in range(0, n_points, LEAF_SIZE)]
    spread = np.mean([np.ptp(leaf, axis=0).max() for leaf in leaves])
    assert spread <= 2.5 * np.sqrt(LEAF_SIZE / max(n_points, LEAF_SIZE))


def test_equal_points_need_no_order():
    assert_array_equal(spatial_order(np.ones((1000, 3)), 3), np.arange(1000))


@DTYPES
@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("n_points", EDGES)
def test_boxes_hold_their_points(n_points, n_threads, dtype):
    points = np.random.default_rng(0).standard_normal((n_points, 3)).astype(dtype)
    order = spatial_order(points, 3)
    tree = filled(points, order, n_threads)
    flat = tree.leaves.transpose(0, 2, 1).reshape(-1, 3)
    assert_array_equal(flat[:n_points], points[order])
    assert_array_equal(flat[n_points:], np.broadcast_to(points[order[-1]], flat[n_points:].shape))
    assert_allclose(tree.extent, np.abs(points).max(axis=0), rtol=1e-6)
    first, n_below, size = 0, tree.n_leaves, LEAF_SIZE
    while True:
        for box in range(n_below):
            group, lane = divmod(box, LEAF_SIZE)
            centre, half = tree.groups[first + group, :, :, lane]
            inside = flat[box * size : (box + 1) * size]
            assert (np.abs(inside - centre) <= half * (1 + 1e-6) + 1e-6).all()
            assert_allclose(2 * half, np.ptp(inside, axis=0), rtol=1e-5, atol=1e-6)
        n_groups = -(-n_below // LEAF_SIZE)
        first += n_groups
        if n_groups == 1:
            break
        n_below, size = n_groups, size * LEAF_SIZE
    assert first == tree.groups.shape[0]


def test_trees_that_cannot_be_are_refused():
    for n_points, n_features in ((0, 1), (2**31, 1), (1, 0)):
        with pytest.raises(ValueError, match="at least 1"):
            BoxTree(n_points, n_features, np.float64)
    tree = BoxTree(4, 2, np.float64)
    with pytest.raises(ValueError, match="shape and dtype"):
        tree.fill(np.zeros((3, 2)), None, 1)
    with pytest.raises(ValueError, match="shape and dtype"):
        tree.fill(np.zeros((4, 2), np.float32), None, 1)
    with pytest.raises(ValueError, match="every point once"):
        tree.fill(np.zeros((4, 2)), np.zeros(3, np.int32), 1)


def test_whole_boxes_are_reported_without_a_look_at_their_points():
    points = np.random.default_rng(0).uniform(size=(4096, 2))
    tree = filled(points, spatial_order(points, 2))
    places = np.empty(4096 + N_SPARE, np.int32)
    n_found, n_boxes, n_scanned = points_above(tree, np.array([1.0, 1.0]), -0.1, places)
    assert (n_found, n_scanned) == (4096, 0)
    assert n_boxes <= LEAF_SIZE
    assert_array_equal(places[:4096], np.arange(4096))
    n_found, _, n_scanned = points_above(tree, np.array([1.0, 1.0]), 1.0, places)
    assert n_found > 1500
    assert n_scanned < 800  # the hyperplane cuts about 45 of 256 leaves


@DTYPES
def test_boxes_never_decide_against_what_is_computed_for_a_point(dtype):
    """The corner of a box is a point, above by a last digit: the box sums in another order, and must not lose it."""
    rng = np.random.default_rng(0)
    places, value = np.empty(16 + N_SPARE, np.int32), PairLists(1, dtype)
    for _ in range(200):
        low = rng.uniform(0.5, 1.5, 3).astype(dtype)
        top = low + rng.uniform(0, 1, 3).astype(dtype)
        normal = rng.uniform(0.5, 1.5, 3).astype(dtype)
        points = np.vstack([np.tile(low, (15, 1)), top])
        rows_above(filled(points[15:]), value, np.append(normal, 0).astype(dtype)[None], 1)
        offset = np.nextafter(value.to_csr()[2][0], dtype(-np.inf))
        assert points_above(filled(points), normal, offset, places)[0] == 1
        assert places[0] == 15


def test_products_that_overflow_are_looked_at():
    points = np.array([[1e30, 1e30], [-1e30, 1.0]], dtype=np.float32)
    places = np.empty(2 + N_SPARE, np.int32)
    assert points_above(filled(points), np.array([1e10, 1.0], np.float32), 0.0, places)[0] == 1
    assert places[0] == 0


# the public tree


class Scan:
    """What the tree should answer."""

    def __init__(self, points):
        self.points, self.present = points, np.ones(len(points), bool)

    def add(self, points):
        self.points = np.concatenate([self.points, points])
        self.present = np.concatenate([self.present, np.ones(len(points), bool)])

    def query(self, normal, offset):
        return np.flatnonzero((self.points @ normal > offset) & self.present)


SETS = {
    "spread": lambda rng, n, d: integers(rng, (n, d)),
    "equal": lambda rng, n, d: np.tile(integers(rng, (1, d)), (n, 1)),
    "collinear": lambda rng, n, d: integers(rng, (n, 1)) * integers(rng, (1, d)),
    "two places": lambda rng, n, d: integers(rng, (2, d))[rng.integers(0, 2, n)],
    "one far away": lambda rng, n, d: np.concatenate([integers(rng, (n - 1, d)), np.full((1, d), 1e6)]),
}


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(sorted(SETS)),
    n=st.one_of(st.integers(1, 40), st.sampled_from(EDGES[:7])),
    d=st.integers(1, 5),
    seed=st.integers(0, 10**6),
    dtype=st.sampled_from([np.float32, np.float64]),
    through=st.booleans(),
)
def test_queries_answer_what_a_scan_does(kind, n, d, seed, dtype, through):
    rng = np.random.default_rng(seed)
    points = SETS[kind](rng, n, d).astype(dtype)
    tree, scan = HalfspaceTree(points), Scan(points)
    for _ in range(5):
        normal = integers(rng, d, dtype, 3)
        # a hyperplane through a point has it on the edge, which is not above
        offset = float(points[rng.integers(n)] @ normal) if through else float(rng.integers(-30, 30))
        found = tree.query(normal, offset)
        assert found.dtype == np.intp
        assert_array_equal(found, scan.query(normal, offset))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), d=st.integers(1, 4), n=st.integers(0, 60), kind=st.sampled_from(sorted(SETS)))
def test_additions_and_deletions(seed, d, n, kind):
    rng = np.random.default_rng(seed)
    points = SETS[kind](rng, n, d) if n else np.zeros((0, d))
    tree, scan = HalfspaceTree(points), Scan(points)
    for step in range(40):
        if rng.random() < 0.5:
            new = integers(rng, (rng.integers(0, 30), d))
            assert_array_equal(tree.add(new), np.arange(len(scan.points), len(scan.points) + len(new)))
            scan.add(new)
        elif scan.present.any():
            gone = rng.permutation(np.flatnonzero(scan.present))[: rng.integers(1, 40)]
            tree.delete(gone)
            scan.present[gone] = False
        if step == 20:
            tree = pickle.loads(pickle.dumps(tree))
        assert tree.n_points == scan.present.sum()
        normal, offset = integers(rng, d, largest=3), float(rng.integers(-20, 20))
        assert_array_equal(tree.query(normal, offset), scan.query(normal, offset))


def test_an_addition_is_cheap_on_average():
    rng = np.random.default_rng(0)
    tree = HalfspaceTree(rng.standard_normal((1000, 2)))
    for _ in range(1000):
        tree.add(rng.standard_normal((1, 2)))
    assert tree.counters["points_indexed"] < 1000 + 2 * 1000 * np.log2(2000)
    assert len(tree._parts) <= np.log2(2000)


def test_infinite_offsets():
    tree = HalfspaceTree([[0.0], [1.0]])
    assert_array_equal(tree.query([1.0], -np.inf), [0, 1])
    assert_array_equal(tree.query([1.0], np.inf), [])
    assert_array_equal(tree.query([0.0], 0.0), [])
    assert_array_equal(tree.query([0.0], -1.0), [0, 1])


def test_counters_of_the_tree():
    points = np.random.default_rng(0).uniform(size=(256, 2))
    tree = HalfspaceTree(points)
    assert tree.counters == {
        "queries": 0, "boxes_visited": 0, "points_scanned": 0, "reported": 0, "points_indexed": 256
    }  # fmt: skip
    found = tree.query([1.0, 0.0], 0.5)
    assert tree.counters["queries"] == 1
    assert tree.counters["boxes_visited"] == 16  # one group of sixteen leaves
    assert tree.counters["reported"] == found.size
    assert 0 < tree.counters["points_scanned"] <= 128
    assert tree.counters["points_scanned"] % LEAF_SIZE == 0
    tree.reset_counters()
    assert not any(tree.counters.values())
    assert tree.nbytes > points.nbytes


def test_few_points_are_scanned_in_few_dimensions():
    rng = np.random.default_rng(0)
    share = {}
    for d in (2, 3, 8):
        tree = HalfspaceTree(rng.standard_normal((20_000, d)))
        for _ in range(20):
            normal = rng.standard_normal(d)
            tree.query(normal, 2 * np.linalg.norm(normal))
        share[d] = tree.counters["points_scanned"] / (20 * 20_000)
    assert share[2] < 0.03
    assert share[3] < 0.08
    assert share[8] > 0.3


def test_the_tree_keeps_its_own_points():
    points = np.zeros((3, 2))
    tree = HalfspaceTree(points)
    points += 5
    assert tree.query([1.0, 1.0], 1.0).size == 0


def test_float32_stays_float32():
    assert HalfspaceTree(np.zeros((2, 2), np.float32)).dtype == np.float32
    assert HalfspaceTree(np.zeros((2, 2), np.int64)).dtype == np.float64


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda tree: HalfspaceTree([[np.nan]]), ValueError, "NaN"),
        (lambda tree: HalfspaceTree([1.0, 2.0]), ValueError, "2D array"),
        (lambda tree: tree.add([[1.0]]), ValueError, "2 features, got 1"),
        (lambda tree: tree.add([[1.0, np.inf]]), ValueError, "infinity"),
        (lambda tree: tree.delete([2]), IndexError, "2 does not"),
        (lambda tree: tree.delete([-1]), IndexError, "-1 does not"),
        (lambda tree: tree.delete([0, 0]), IndexError, "twice"),
        (lambda tree: tree.delete([0.5]), IndexError, "integers"),
        (lambda tree: tree.query([1.0], 0.0), ValueError, "shape"),
        (lambda tree: tree.query([1.0, np.nan], 0.0), ValueError, "NaN"),
        (lambda tree: tree.query([1.0, 0.0], np.nan), ValueError, "offset must not be NaN"),
        (lambda tree: tree.query([1.0, 0.0], "0"), TypeError, "offset"),
    ],
)
def test_bad_calls_are_refused_and_change_nothing(call, error, message):
    tree = HalfspaceTree([[0.0, 0.0], [1.0, 1.0]])
    with pytest.raises(error, match=message):
        call(tree)
    assert tree.n_points == 2
    assert_array_equal(tree.query([1.0, 0.0], -1.0), [0, 1])


def test_a_point_is_deleted_once():
    tree = HalfspaceTree([[0.0], [1.0]])
    tree.delete([0])
    with pytest.raises(IndexError, match="0 does not"):
        tree.delete([0])
    tree.delete([])
    assert tree.n_points == 1


# the engine


def test_labels_and_weights_follow_the_order_of_the_batch():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (300, 2))
    weight = rng.uniform(0.1, 3, 300)
    common = {"hidden_layer_sizes": 300, "solver": "sgd", "max_iter": 5, "batch_size": 32, "random_state": 0}
    fits = [FastReLURegressor(search=name, **common).fit(X, X[:, 0], weight) for name in ("halfspace", "dense")]
    assert_allclose(fits[0].loss_curve_, fits[1].loss_curve_, rtol=1e-9)
    assert_allclose(fits[0].coefs_[0], fits[1].coefs_[0], rtol=1e-7, atol=1e-9)


def test_sparse_storage_of_dense_numbers():
    rng = np.random.default_rng(0)
    X = rng.uniform(1, 2, (100, 3))
    common = {"hidden_layer_sizes": 100, "solver": "adam", "max_iter": 3, "random_state": 0, "search": "halfspace"}
    a, b = (FastReLURegressor(**common).fit(rows, X[:, 0]) for rows in (X, sparse.csr_array(X)))
    assert_allclose(a.coefs_[0], b.coefs_[0], rtol=1e-10, atol=1e-12)


def by_neuron(Z):
    """Lists and values of the positive entries of Z (n_neurons, n_rows), one after the other."""
    neurons, rows = np.nonzero(Z > 0)
    return np.concatenate([[0], np.cumsum(np.count_nonzero(Z > 0, axis=1))]), rows, Z[neurons, rows]


@DTYPES
@pytest.mark.parametrize("n_neurons", [1, 65, 1500])
@pytest.mark.parametrize("n_rows", [1, 16, 130])
def test_both_sides_list_what_a_product_does(n_neurons, n_rows, dtype):
    rng = np.random.default_rng(0)
    neurons, rows = integers(rng, (n_neurons, 4), dtype), integers(rng, (n_rows, 3), dtype)
    expected = by_neuron(neurons[:, :3] @ rows.T + neurons[:, 3:])
    pairs = PairLists(n_neurons, dtype)
    rows_above(filled(rows), pairs, neurons, 2)
    for array, other in zip(pairs.to_csr(), expected, strict=True):
        assert_array_equal(array, other)
    order = spatial_order(neurons, 4)
    neurons_above(filled(neurons, order), pairs, order, np.column_stack([rows, np.ones(n_rows, dtype)]))
    for array, other in zip(pairs.to_csr(), expected, strict=True):
        assert_array_equal(array, other)


def test_lists_that_do_not_fit_are_refused():
    tree, pairs, order = filled(np.zeros((4, 3))), PairLists(4, np.float64), np.arange(4, dtype=np.int32)
    with pytest.raises(ValueError, match="one dtype"):
        rows_above(tree, PairLists(4, np.float32), np.zeros((4, 4)), 1)
    with pytest.raises(ValueError, match="and an intercept"):
        rows_above(tree, pairs, np.zeros((4, 3)), 1)
    with pytest.raises(ValueError, match="one dtype"):
        neurons_above(tree, PairLists(4, np.float32), order, np.zeros((2, 3)))
    with pytest.raises(ValueError, match="neurons of the lists"):
        neurons_above(tree, PairLists(5, np.float64), order, np.zeros((2, 3)))
    with pytest.raises(ValueError, match="normal must have"):
        points_above(tree, np.zeros(2), 0.0, np.empty(99, np.int32))
    with pytest.raises(ValueError, match="room for every point"):
        points_above(tree, np.zeros(3), 0.0, np.empty(4, np.int32))


def test_neurons_get_a_new_order_when_rows_look_at_many(monkeypatch):
    X = np.random.default_rng(0).uniform(-1, 1, (600, 2))
    common = {"hidden_layer_sizes": 3000, "solver": "adam", "max_iter": 8, "batch_size": 20, "random_state": 0,
              "learning_rate_init": 0.05 / np.sqrt(3002 / 2), "threshold": 1.5, "n_iter_no_change": 99}  # fmt: skip
    monkeypatch.setattr(_halfspace, "ROWS_JUDGED", 200)
    monkeypatch.setattr(_halfspace, "DISORDER", 1.2)
    fits = [FastReLURegressor(search=name, **common).fit(X, np.sin(5 * X[:, 0])) for name in ("halfspace", "dense")]
    assert_allclose(fits[0].loss_curve_, fits[1].loss_curve_, rtol=1e-7)
    n_orders = fits[0].search_counters_["refreshed"] / 3000
    assert 2 <= n_orders < 80
    monkeypatch.setattr(_halfspace, "DISORDER", np.inf)
    still = FastReLURegressor(search="halfspace", **common).fit(X, np.sin(5 * X[:, 0]))
    assert still.search_counters_["refreshed"] == 3000
    assert still.search_counters_["candidates"] > fits[0].search_counters_["candidates"]


# the choice of an engine


def chosen(X, **settings):
    settings = {"hidden_layer_sizes": 1000, "solver": "sgd", "random_state": 0, "tol": 1e9, "n_iter_no_change": 1,
                "threshold": 1.66, "learning_rate": "constant", **settings}  # fmt: skip
    return FastReLURegressor(**settings).fit(X, X[:, 0]).search_


@pytest.fixture
def slow_products(monkeypatch):
    """What is chosen does not depend on the processor that runs the tests."""
    monkeypatch.setattr("skfastnn.search._costs.DENSE", 0.6)
    monkeypatch.setattr("skfastnn.search._costs.MULTIPLICATION", 0.028)
    monkeypatch.setattr("skfastnn.search.quantized._quantized.byte_products", lambda: False)


@pytest.mark.usefixtures("slow_products")
def test_faster_products_make_dense_search_pay(monkeypatch):
    X = np.random.default_rng(0).standard_normal((1500, 3))
    assert chosen(X) == "halfspace"
    monkeypatch.setattr("skfastnn.search._costs.DENSE", 0.3)
    monkeypatch.setattr("skfastnn.search._costs.MULTIPLICATION", 0.011)
    assert chosen(X) == "dense"


@pytest.mark.usefixtures("slow_products")
def test_the_choice_follows_dimension_and_firing_rate():
    rng = np.random.default_rng(0)
    flat, wide = rng.standard_normal((1500, 3)), rng.standard_normal((1500, 60))
    assert chosen(flat) == "halfspace"
    assert chosen(wide) == "correlation_tree"
    assert chosen(wide, threshold=0.0) == "dense"  # half of the neurons fire
    assert chosen(wide, max_iter=1, solver="adam", batch_size=10) == "dense"  # a step is over before bounds are known
    assert chosen(flat, threshold=0.0, hidden_layer_sizes=64) in ("halfspace", "dense")


@pytest.mark.usefixtures("slow_products")
def test_gauss_newton_moves_too_far_for_bounds():
    rng = np.random.default_rng(0)
    assert chosen(rng.standard_normal((300, 3)), solver="gauss_newton") == "halfspace"
    assert chosen(rng.standard_normal((300, 30)), solver="gauss_newton") == "dense"


def test_the_choice_needs_few_rows_and_few_neurons():
    for n_rows, n_neurons, n_features in ((1, 1, 1), (3, 2, 2), (2, 70, 5)):
        X = np.arange(float(n_rows * n_features)).reshape(n_rows, n_features)
        settings = {"hidden_layer_sizes": n_neurons, "threshold": 0.0, "init": "random"}
        assert chosen(X, **settings) in EXACT_ENGINES


@pytest.mark.usefixtures("slow_products")
def test_streams_ask_half_spaces():
    X = np.random.default_rng(0).uniform(size=(300, 2))
    common = {"hidden_layer_sizes": 20_000, "solver": "sgd", "threshold": 1.5, "random_state": 0}
    reg, dense = FastReLURegressor(**common), FastReLURegressor(search="dense", **common)
    for first in range(0, 300, 30):
        for est in (reg, dense):
            est.partial_fit(X[first : first + 30], X[first : first + 30, 0])
        # the first call finds an order for prediction, with which a few rows then ask all neurons
        assert reg.search_counters_["refreshed"] == 0
    assert reg.search_ == "halfspace"
    assert reg._neurons["order"] is not None
    assert reg.search_counters_["visited"] > 30 * 4  # boxes, for every row
    assert_allclose(reg.loss_curve_, dense.loss_curve_, rtol=1e-9)


# prediction


def by_hand(est, X):
    (W, V), (c, v) = est.coefs_, est.intercepts_
    return np.maximum(X.astype(np.float64) @ W + c, 0) @ V.astype(np.float64) + v


def low_dimensional(Estimator, dtype=np.float64, n_outputs=1):
    X = np.random.default_rng(0).uniform(-1, 1, (1500, 3)) + [5, -3, 0]
    y = np.sin(2 * X[:, 0]) + X[:, 1]
    if Estimator is FastReLUClassifier:
        y = np.digitize(y, np.quantile(y, [0.3, 0.6]))
    elif n_outputs > 1:
        y = np.column_stack([y * k for k in range(1, n_outputs + 1)])
    return X.astype(dtype), y


@DTYPES
@pytest.mark.parametrize(("Estimator", "n_outputs"), [(FastReLUClassifier, 3), (FastReLURegressor, 1),
                                                      (FastReLURegressor, 20)])  # fmt: skip
def test_prediction_by_a_tree(Estimator, n_outputs, dtype):
    X, y = low_dimensional(Estimator, dtype, n_outputs)
    settings = {"hidden_layer_sizes": 2000, "threshold": 1.5, "solver": "sgd", "max_iter": 3, "random_state": 0}
    est = Estimator(**settings).fit(X, y)
    assert est._neurons["order"] is not None
    raw = est._raw_output(X)
    scale = np.abs(by_hand(est, X)).max()
    tolerance = scale * (2e-4 if dtype == np.float32 else 1e-11)
    assert_allclose(raw.reshape(1500, -1), by_hand(est, X).reshape(1500, -1), atol=tolerance)
    # the batch a row is in does not matter to the last bit, as long as a tree is asked
    again = est._raw_output(X[::-1])[::-1]
    assert_array_equal(raw, again)
    with config_context(working_memory=0.001):
        assert_array_equal(est._raw_output(X), raw)
    assert_allclose(est._raw_output(X[:7]), raw[:7], atol=tolerance)
    est = pickle.loads(pickle.dumps(est))
    assert_array_equal(est._raw_output(X), raw)


def test_prediction_follows_weights_that_are_changed_by_hand():
    X, y = low_dimensional(FastReLURegressor)
    reg = FastReLURegressor(hidden_layer_sizes=2000, threshold=1.5, solver="adam", max_iter=2, random_state=0).fit(X, y)
    reg.coefs_[0] *= -1.7
    reg.intercepts_[0] += 0.3
    assert_allclose(reg.predict(X), by_hand(reg, X).ravel(), rtol=1e-9)
    reg.coefs_ = [reg.coefs_[0][:, :100], reg.coefs_[1][:100]]
    reg.intercepts_ = [reg.intercepts_[0][:100], reg.intercepts_[1]]
    assert_allclose(reg.predict(X), by_hand(reg, X).ravel(), rtol=1e-9)


def test_rows_of_another_dtype():
    X, y = low_dimensional(FastReLURegressor, np.float32)
    reg = FastReLURegressor(hidden_layer_sizes=2000, threshold=1.5, solver="adam", max_iter=2, random_state=0).fit(X, y)
    wide = X.astype(np.float64)
    assert_allclose(reg.predict(wide), by_hand(reg, wide).ravel(), rtol=1e-9)


@pytest.mark.parametrize(("n_features", "n_neurons", "threshold"), [(20, 2000, 1.5), (3, 100, 1.5), (3, 2000, 0.0)])
def test_no_tree_where_it_does_not_pay(n_features, n_neurons, threshold):
    X = np.random.default_rng(0).standard_normal((200, n_features))
    reg = FastReLURegressor(hidden_layer_sizes=n_neurons, threshold=threshold, max_iter=2, solver="adam")
    assert reg.fit(X, X[:, 0])._neurons["order"] is None


def test_streams_order_their_neurons_now_and_then(monkeypatch):
    X, y = low_dimensional(FastReLURegressor)
    n_calls = []
    order = _prediction.spatial_order
    monkeypatch.setattr(_prediction, "spatial_order", lambda *args: n_calls.append(1) or order(*args))
    reg = FastReLURegressor(hidden_layer_sizes=1000, threshold=1.5, solver="sgd", random_state=0)
    for first in range(0, 1500, 50):
        reg.partial_fit(X[first : first + 50], y[first : first + 50])
    assert 3 <= len(n_calls) <= 6  # at 50, 100, 200, 400, 800 rows
    assert_allclose(reg.predict(X), by_hand(reg, X).ravel(), rtol=1e-8)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_reported_output(n_threads):
    rng = np.random.default_rng(0)
    points, X = rng.standard_normal((70, 4)), rng.standard_normal((150, 3))
    V, v, centre = rng.standard_normal((70, 2)), rng.standard_normal(2), rng.standard_normal(3)
    blocks = np.zeros((80, 2))
    blocks[:70] = V
    blocks = np.ascontiguousarray(blocks.reshape(5, 16, 2).transpose(0, 2, 1))
    out = np.full((150, 2), np.nan)
    counts = reported_output(filled(points), X, centre, blocks, v, out, n_threads)
    expected = np.maximum((X - centre) @ points[:, :3].T + points[:, 3], 0) @ V + v
    assert_allclose(out, expected, rtol=1e-12)
    assert counts[0] == 150 * 5


def test_outputs_that_do_not_fit_are_refused():
    tree = filled(np.zeros((4, 3)))
    X, V, v, out = np.zeros((5, 2)), np.zeros((1, 1, 16)), np.zeros(1), np.zeros((5, 1))
    with pytest.raises(ValueError, match="one coordinate more"):
        reported_output(tree, np.zeros((5, 3)), np.zeros(3), V, v, out, 1)
    with pytest.raises(ValueError, match="block per leaf"):
        reported_output(tree, X, np.zeros(2), np.zeros((2, 1, 16)), v, out, 1)
    with pytest.raises(ValueError, match="one row per row"):
        reported_output(tree, X, np.zeros(2), V, v, np.zeros((4, 1)), 1)
