"""Correlation trees against brute force, and their operation counts against the theory."""

import copy
import doctest
import math
import pickle

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.utils._testing import create_memmap_backed_data

from skfastnn.search import CorrelationDTree, CorrelationWTree

BOTH = pytest.mark.parametrize("Trees", [CorrelationDTree, CorrelationWTree])
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
SHAPES = pytest.mark.parametrize(
    ("n_samples", "n_neurons"), [(1, 1), (1, 9), (9, 1), (2, 2), (8, 16), (5, 13), (33, 17)]
)


def make_data(n_samples, n_neurons, n_features=3, dtype=np.float64, seed=0):
    """Small integers: every product is exact in both dtypes and ties are frequent."""
    rng = np.random.default_rng(seed)
    weights = rng.integers(-3, 4, (n_neurons, n_features)).astype(dtype)
    X = rng.integers(-3, 4, (n_samples, n_features)).astype(dtype)
    intercepts = rng.integers(-2, 3, n_neurons).astype(dtype)
    return weights, X, intercepts


def values_by_tree(Trees, weights, X, intercepts):
    """Brute force: the leaves of all trees, one tree per row."""
    values = X @ weights.T + intercepts
    return values if Trees is CorrelationDTree else values.T


def assert_reports(trees, leaves, thresholds):
    for tree, row in enumerate(leaves):
        for threshold in thresholds:
            found = trees.query(tree, threshold)
            assert found.dtype == np.intp
            assert_array_equal(found, np.flatnonzero(row > threshold))


def inner_nodes(row):
    """Brute force: the maxima of the inner nodes, level by level from the root."""
    width = 1
    while width < len(row):
        width *= 2
    level = np.full(width, -np.inf)
    level[: len(row)] = row
    levels = []
    while len(level) > 1:
        level = level.reshape(-1, 2).max(axis=1)
        levels.append(level)
    return np.concatenate([*levels[::-1], []])


@BOTH
@DTYPES
@SHAPES
def test_query_reports_what_a_scan_reports(Trees, dtype, n_samples, n_neurons):
    weights, X, intercepts = make_data(n_samples, n_neurons, dtype=dtype)
    trees = Trees(weights, X, intercepts)
    leaves = values_by_tree(Trees, weights, X, intercepts)
    assert_reports(trees, leaves, [-np.inf, -40.0, -2.5, -1.0, 0.0, 0.5, 3.0, 40.0, np.inf])


@BOTH
def test_intercepts_default_to_zero(Trees):
    weights, X, _ = make_data(6, 7)
    assert_reports(Trees(weights, X), values_by_tree(Trees, weights, X, 0.0), [-1.0, 0.0, 2.0])


@BOTH
@DTYPES
def test_a_value_equal_to_the_threshold_does_not_fire(Trees, dtype):
    weights, X = np.full((5, 1), 2.0, dtype), np.full((6, 1), 1.5, dtype)
    trees = Trees(weights, X)
    n_leaves = 5 if Trees is CorrelationDTree else 6
    assert trees.query(0, 3.0).size == 0
    assert_array_equal(trees.query(0, np.nextafter(3.0, 0.0)), np.arange(n_leaves))


@BOTH
def test_threshold_is_not_rounded_to_float32(Trees):
    # the float32 nearest to 0.1 lies above 0.1, so it is above the threshold
    tenth = np.full((1, 1), 0.1, np.float32)
    trees = Trees(np.ones((1, 1), np.float32), tenth)
    assert_array_equal(trees.query(0, 0.1), [0])
    assert trees.query(0, np.float32(0.1)).size == 0


@BOTH
def test_duplicates_and_zero_rows_are_reported_together(Trees):
    weights, X, _ = make_data(8, 8)
    weights[[1, 4, 7]] = 0.0
    weights[3] = weights[6] = weights[0]
    X[[0, 5]] = 0.0
    X[2] = X[7]
    leaves = values_by_tree(Trees, weights, X, 0.0)
    assert_reports(Trees(weights, X), leaves, [-0.5, -0.0, 0.0, 1.0])


@BOTH
def test_padding_is_never_reported(Trees):
    weights, X = np.full((5, 1), -1e300), np.ones((3, 1))
    n_leaves = 5 if Trees is CorrelationDTree else 3
    assert_array_equal(Trees(weights, X).query(0, -np.inf), np.arange(n_leaves))


@BOTH
@DTYPES
@pytest.mark.parametrize("layout", ["F", "strided", "memmap"])
def test_memory_layout_does_not_matter(Trees, dtype, layout):
    data = make_data(6, 11, dtype=dtype)
    leaves = values_by_tree(Trees, *data)
    new = np.arange(3, dtype=dtype)
    if layout == "F":
        given_data = [np.asfortranarray(a) for a in data]
    elif layout == "strided":
        given_data = [np.repeat(a, 2, axis=-1)[..., ::2] for a in data]
        new = np.repeat(new, 2)[::2]
    else:
        *given_data, new = create_memmap_backed_data([*data, new])
        assert not any(a.flags.writeable for a in [*given_data, new])
    trees = Trees(*given_data)
    assert trees.dtype == dtype
    assert_reports(trees, leaves, [-1.0, 0.5])

    weights, X, intercepts = (np.array(a) for a in data)
    weights[4] = new
    trees.update(4, new)
    assert_reports(trees, values_by_tree(Trees, weights, X, intercepts), [-1.0, 0.5])


@BOTH
@pytest.mark.parametrize(
    ("weights_dtype", "X_dtype", "expected"),
    [
        (np.float32, np.float32, np.float32),
        (np.float32, np.float64, np.float64),
        (np.float64, np.float32, np.float64),
        (np.int64, np.float32, np.float64),
    ],
)
def test_inputs_share_the_wider_dtype(Trees, weights_dtype, X_dtype, expected):
    weights, X, intercepts = make_data(4, 4)
    trees = Trees(weights.astype(weights_dtype), X.astype(X_dtype), intercepts)
    assert trees.dtype == expected
    assert_reports(trees, values_by_tree(Trees, weights, X, intercepts), [-1.0, 0.0])


@BOTH
def test_float32_halves_the_memory(Trees):
    weights, X, _ = make_data(4, 5)
    n_trees, width = (4, 8) if Trees is CorrelationDTree else (5, 4)
    n_values = n_trees * 2 * width + X.size + 5
    assert Trees(weights, X).nbytes == 8 * n_values
    assert Trees(weights.astype(np.float32), X.astype(np.float32)).nbytes == 4 * n_values


@BOTH
def test_sizes_are_attributes(Trees):
    trees = Trees(*make_data(4, 5, n_features=2))
    assert (trees.n_samples, trees.n_neurons, trees.n_features) == (4, 5, 2)


@BOTH
def test_inputs_may_change_after_construction(Trees):
    weights, X, intercepts = make_data(5, 6)
    before = [a.copy() for a in (weights, X, intercepts)]
    trees = Trees(weights, X, intercepts)
    weights[:], X[:], intercepts[:] = 9.0, 9.0, 9.0
    trees.update(2, before[0][2])
    assert_reports(trees, values_by_tree(Trees, *before), [-1.0, 0.0, 1.0])


@BOTH
def test_update_does_not_write_to_the_inputs(Trees):
    data = make_data(5, 6)
    before = [a.copy() for a in data]
    Trees(*data).update(2, [7.0, 7.0, 7.0], 7.0)
    for array, expected in zip(data, before, strict=True):
        assert_array_equal(array, expected)


@BOTH
def test_update_without_intercept_keeps_it(Trees):
    weights, X, intercepts = make_data(5, 6)
    trees = Trees(weights, X, intercepts)
    weights[1], intercepts[1] = 1.0, 5.0
    trees.update(1, weights[1], intercept=5.0)
    weights[1] = -1.0
    trees.update(1, weights[1])
    assert_reports(trees, values_by_tree(Trees, weights, X, intercepts), [-2.0, 0.0, 4.0])


@BOTH
@DTYPES
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_updates_in_any_order_equal_a_scan(Trees, dtype, data):
    n_samples, n_neurons = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 20))
    weights, X, intercepts = make_data(n_samples, n_neurons, dtype=dtype, seed=data.draw(st.integers(0, 99)))
    trees = Trees(weights, X, intercepts)
    numbers = st.integers(-4, 4)
    for _ in range(data.draw(st.integers(1, 12))):
        neuron = data.draw(st.integers(0, n_neurons - 1))
        weights[neuron] = data.draw(st.lists(numbers, min_size=3, max_size=3))
        intercept = data.draw(st.none() | numbers)
        if intercept is not None:
            intercepts[neuron] = intercept
        trees.update(neuron, weights[neuron], intercept)
    leaves = values_by_tree(Trees, weights, X, intercepts)
    assert_reports(trees, leaves, [-np.inf, data.draw(numbers), 0.5, 10.0])


@BOTH
def test_real_data_agree_with_a_scan_away_from_the_threshold(Trees):
    rng = np.random.default_rng(3)
    weights, X = rng.standard_normal((70, 20)), rng.standard_normal((30, 20))
    trees = Trees(weights, X)
    for neuron in (0, 69, 31, 0):
        weights[neuron] = rng.standard_normal(20)
        trees.update(neuron, weights[neuron])
    leaves = values_by_tree(Trees, weights, X, 0.0)
    # halfway between two neighbouring values no rounding of the products can tip a pair
    middle = np.sort(leaves, axis=None)
    gap = np.argmax(np.diff(middle[1000:1400])) + 1000
    assert_reports(trees, leaves, [(middle[gap] + middle[gap + 1]) / 2])


@BOTH
@SHAPES
def test_visited_nodes_are_counted_and_bounded(Trees, n_samples, n_neurons):
    # A query visits the root and the two children of every inner node above the threshold. Such
    # nodes are the proper ancestors of the k reported leaves. With L leaves, padding included, a
    # level of 2^t < L nodes holds at most min(2^t, k) of them. Let s = ceil(log2 k) = log2 k + f.
    # The levels t < s hold at most 2^s - 1 and each of the log2(L) - s others at most k, together
    #     k 2^f - 1 + k (log2(L / k) - f) <= k log2(L / k) + k - 1
    # since 2^f - f <= 1 for 0 <= f <= 1. Hence at most 2 k log2(L / k) + 2 k - 1 visits for k > 0
    # and exactly 1 for k = 0. L < 2 m gives the bound 2 k log2(m / k) + 4 k in the m true leaves.
    data = make_data(n_samples, n_neurons)
    trees = Trees(*data)
    for tree, row in enumerate(values_by_tree(Trees, *data)):
        inner = inner_nodes(row)
        width = len(inner) + 1
        for threshold in [-40.0, -5.0, 0.0, 4.0, 9.0, 40.0]:
            trees.reset_counters()
            k = trees.query(tree, threshold).size
            visited = trees.counters["nodes_visited"]
            assert visited == 1 + 2 * np.count_nonzero(inner > threshold)
            if k == 0:
                assert visited == 1
            else:
                assert visited <= 2 * k * math.log2(width / k) + 2 * k - 1 + 1e-9
                assert visited <= 2 * k * math.log2(len(row) / k) + 4 * k


@BOTH
def test_visited_bound_is_reached_by_one_leaf_and_by_all(Trees):
    values = np.zeros((64, 1))
    values[37] = 1.0
    one = np.ones((1, 1))
    trees = Trees(values, one) if Trees is CorrelationDTree else Trees(one, values)
    assert_array_equal(trees.query(0, 0.5), [37])
    assert trees.counters["nodes_visited"] == 2 * 6 + 1
    trees.reset_counters()
    trees.query(0, -0.5)
    assert trees.counters["nodes_visited"] == 2 * 64 - 1


@BOTH
def test_dot_products_are_counted(Trees):
    trees = Trees(*make_data(5, 6))
    assert trees.counters["dot_products"] == 5 * 6
    trees.query(0, 0.0)
    assert trees.counters["dot_products"] == 5 * 6
    trees.update(3, [1.0, 1.0, 1.0])
    trees.update(4, [1.0, 1.0, 1.0])
    assert trees.counters["dot_products"] == 5 * 6 + 2 * 5


@SHAPES
def test_d_tree_repairs_only_the_maxima_that_change(n_samples, n_neurons):
    weights, X, intercepts = make_data(n_samples, n_neurons)
    trees = CorrelationDTree(weights, X, intercepts)
    rng = np.random.default_rng(1)
    for neuron in rng.integers(0, n_neurons, 20):
        before = [inner_nodes(row) for row in X @ weights.T + intercepts]
        weights[neuron] = rng.integers(-3, 4, 3)
        after = [inner_nodes(row) for row in X @ weights.T + intercepts]
        trees.reset_counters()
        trees.update(neuron, weights[neuron])
        repaired = trees.counters["nodes_repaired"]
        assert repaired == np.count_nonzero(np.array(before) != np.array(after))
        assert repaired <= n_samples * math.ceil(math.log2(n_neurons))


def test_w_tree_rebuilds_one_tree():
    trees = CorrelationWTree(*make_data(5, 6))
    trees.update(2, [1.0, 1.0, 1.0])
    assert trees.counters["nodes_repaired"] == 8 - 1


@BOTH
def test_counters_count_calls_and_reports(Trees):
    data = make_data(5, 6)
    trees = Trees(*data)
    leaves = values_by_tree(Trees, *data)
    trees.query(0, 0.0)
    trees.query(1, -1.0)
    trees.update(0, data[0][0])
    counters = trees.counters
    assert counters["queries"] == 2
    assert counters["updates"] == 1
    assert counters["reported"] == np.sum(leaves[0] > 0.0) + np.sum(leaves[1] > -1.0)
    counters["queries"] = 99
    assert trees.counters["queries"] == 2
    trees.reset_counters()
    assert set(trees.counters) == {
        "nodes_visited", "dot_products", "nodes_repaired", "queries", "updates", "reported",
    }  # fmt: skip
    assert not any(trees.counters.values())


@BOTH
@pytest.mark.parametrize("clone", [lambda t: pickle.loads(pickle.dumps(t)), copy.deepcopy])
def test_copies_are_complete_and_independent(Trees, clone):
    weights, X, intercepts = make_data(5, 6, dtype=np.float32)
    trees = Trees(weights, X, intercepts)
    twin = clone(trees)
    assert type(twin) is Trees
    assert twin.counters == trees.counters
    assert twin.dtype == np.float32
    old = values_by_tree(Trees, weights, X, intercepts)
    weights[2] = 3.0
    twin.update(2, weights[2])
    assert_reports(twin, values_by_tree(Trees, weights, X, intercepts), [-1.0, 0.0, 2.0])
    assert_reports(trees, old, [-1.0, 0.0, 2.0])


@BOTH
def test_memory_mapped_trees_answer_queries(Trees, tmp_path):
    data = make_data(5, 6)
    joblib.dump(Trees(*data), tmp_path / "trees.joblib")
    trees = joblib.load(tmp_path / "trees.joblib", mmap_mode="r")
    assert_reports(trees, values_by_tree(Trees, *data), [-1.0, 0.0, 2.0])


@BOTH
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.ones((2, 3)), np.ones((4, 2))), "same number of features, got 3 and 2"),
        ((np.ones((2, 3)), np.ones((4, 3)), np.ones(4)), r"\(n_neurons,\) = \(2,\), got \(4,\)"),
        ((np.ones((2, 3)), np.ones((4, 3)), np.ones((2, 1))), "intercepts must have shape"),
        ((np.ones((2, 3)), np.ones((4, 3)), [0.0, np.nan]), "intercepts contains NaN"),
        ((np.full((2, 3), np.inf), np.ones((4, 3))), "weights contains infinity"),
        ((np.ones((2, 3)), np.full((4, 3), np.nan)), "X contains NaN"),
        ((np.ones(3), np.ones((4, 3))), "Expected 2D array"),
        ((np.ones((0, 3)), np.ones((4, 3))), "0 sample"),
        ((np.ones((2, 0)), np.ones((4, 0))), "0 feature"),
        ((np.full((1, 2), 1e200), np.full((1, 2), 1e200)), "overflow float64"),
    ],
)
def test_constructor_refuses_bad_arrays(Trees, arguments, message):
    with pytest.raises(ValueError, match=message):
        Trees(*arguments)


@BOTH
@pytest.mark.parametrize("index", [-1, 7])
def test_index_out_of_range_is_an_index_error(Trees, index):
    trees = Trees(*make_data(7, 7))
    name = "sample" if Trees is CorrelationDTree else "neuron"
    with pytest.raises(IndexError, match=rf"{name} {index} is out of range: expected 0 <= .* < 7"):
        trees.query(index, 0.0)
    with pytest.raises(IndexError, match=rf"neuron {index} is out of range"):
        trees.update(index, [1.0, 1.0, 1.0])


@pytest.mark.parametrize(("Trees", "n_queried"), [(CorrelationDTree, 4), (CorrelationWTree, 6)])
def test_query_index_ranges_over_the_trees(Trees, n_queried):
    trees = Trees(*make_data(4, 6))
    trees.query(n_queried - 1, 0.0)
    with pytest.raises(IndexError):
        trees.query(n_queried, 0.0)


@BOTH
def test_query_refuses_bad_arguments(Trees):
    trees = Trees(*make_data(4, 4))
    with pytest.raises(ValueError, match="threshold must not be NaN"):
        trees.query(0, np.nan)
    with pytest.raises(TypeError, match="threshold must be an instance of"):
        trees.query(0, "high")
    with pytest.raises(TypeError, match="must be an instance of"):
        trees.query(0.0, 0.0)
    assert trees.counters["queries"] == 0


@BOTH
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0, 2.0],), r"weight must have shape \(n_features,\) = \(3,\), got \(2,\)"),
        (([[1.0, 2.0, 3.0]],), r"got \(1, 3\)"),
        (([1.0, np.nan, 3.0],), "weight contains NaN"),
        (([1.0, 2.0, 3.0], np.inf), "intercept must be finite"),
        (([1.0, 2.0, 3.0], np.nan), "intercept must be finite"),
        (([3e38, 3e38, 3e38],), "overflow float32"),
        (([1.0, 2.0, 3.0], 1e300), "overflow float32"),
    ],
)
def test_refused_update_changes_nothing(Trees, arguments, message):
    data = make_data(4, 4, dtype=np.float32)
    data[1][0] = 3.0
    trees = Trees(*data)
    counters = trees.counters
    with pytest.raises(ValueError, match=message):
        trees.update(1, *arguments)
    assert trees.counters == counters
    trees.update(1, data[0][1])
    assert_reports(trees, values_by_tree(Trees, *data), [-np.inf, -1.0, 0.0, 2.0])


@BOTH
def test_docstring_example_runs(Trees):
    (example,) = doctest.DocTestFinder(recurse=False).find(Trees, Trees.__name__)
    assert example.examples
    assert doctest.DocTestRunner().run(example).failed == 0
