"""The lazily updated matrix against the matrix itself, and its operation counts against counting by hand."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.utils._testing import create_memmap_backed_data

from skfastnn.lowrank import LazyLowRankMatrix

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
LIMITS = pytest.mark.parametrize("rank_limit", [None, "auto", 1, 3, 1000])


def make_matrix(n_rows=7, n_columns=9, dtype=np.float64, seed=0):
    """Small integers: sums of products are exact in both dtypes."""
    return np.random.default_rng(seed).integers(-4, 5, (n_rows, n_columns)).astype(dtype)


def make_sparse(n_rows, n_columns, dtype=np.float64, seed=0, density=0.4):
    rng = np.random.default_rng(seed)
    dense = make_matrix(n_rows, n_columns, dtype, seed) * (rng.random((n_rows, n_columns)) < density)
    return sparse.csr_matrix(dense)


def assert_is(lazy, W, seed=0):
    """Every way to look at the lazy matrix shows W."""
    assert_array_equal(lazy.to_array(), W)
    H = make_sparse(5, W.shape[1], W.dtype, seed)
    assert_array_equal(lazy.query_rows(H), H.toarray() @ W.T)
    for h in H:
        assert_array_equal(lazy.query(h.indices, h.data), W @ h.toarray()[0])
    u = make_sparse(1, W.shape[0], W.dtype, seed)
    assert_array_equal(lazy.query_transposed(u.indices, u.data), W.T @ u.toarray()[0])
    columns = np.flatnonzero(np.arange(W.shape[1]) % 3 != 1)[::-1]
    assert_array_equal(lazy.query_transposed(u.indices, u.data, columns), (W.T @ u.toarray()[0])[columns])


@DTYPES
@LIMITS
def test_it_is_the_matrix_after_every_update(dtype, rank_limit):
    W = make_matrix(dtype=dtype)
    lazy = LazyLowRankMatrix(W, rank_limit)
    assert_is(lazy, W)
    for step, n in enumerate([1, 2, 0, 4, 1, 1]):
        U, V = make_matrix(7, n, dtype, step), make_matrix(9, n, dtype, step + 10)
        lazy.update(U, V)
        W = W + U @ V.T
        assert_is(lazy, W, step)
    assert lazy.dtype == dtype
    assert lazy.query([0], [1.0]).dtype == lazy.query_transposed([0], [1.0]).dtype == lazy.to_array().dtype == dtype


@settings(max_examples=60, deadline=None)
@given(
    n_rows=st.integers(1, 5),
    n_columns=st.integers(1, 5),
    ranks=st.lists(st.integers(0, 4), max_size=4),
    rank_limit=st.sampled_from([None, "auto", 1, 2, 50]),
    density=st.sampled_from([0.0, 0.3, 1.0]),
)
def test_degenerate_shapes(n_rows, n_columns, ranks, rank_limit, density):
    W = make_matrix(n_rows, n_columns)
    lazy = LazyLowRankMatrix(W, rank_limit)
    for step, n in enumerate(ranks):
        U, V = make_matrix(n_rows, n, seed=step), make_matrix(n_columns, n, seed=step + 10)
        lazy.update(U, V)
        W = W + U @ V.T
        H = make_sparse(step, n_columns, seed=step, density=density)
        assert_array_equal(lazy.query_rows(H), H.toarray() @ W.T)
    assert_is(lazy, W)
    assert_array_equal(lazy.query([], []), np.zeros(n_rows))
    assert_array_equal(lazy.query_transposed([], []), np.zeros(n_columns))
    assert lazy.query_transposed([0], [1.0], []).shape == (0,)


@DTYPES
@pytest.mark.parametrize("layout", ["F", "strided", "memmap", "sparse", "list"])
def test_memory_layout_does_not_matter(dtype, layout):
    data = make_matrix(6, 8, dtype), make_matrix(6, 3, dtype, 1), make_matrix(8, 3, dtype, 2)
    if layout == "F":
        W, U, V = (np.asfortranarray(a) for a in data)
    elif layout == "strided":
        W, U, V = (np.repeat(a, 2, axis=1)[:, ::2] for a in data)
    elif layout == "memmap":
        W, U, V = create_memmap_backed_data(list(data))
    elif layout == "sparse":
        W, U, V = data[0], sparse.csr_matrix(data[1]), sparse.csc_array(data[2])
    else:
        W, U, V = data[0], data[1].tolist(), data[2].tolist()
    lazy = LazyLowRankMatrix(W, rank_limit=5)
    lazy.update(U, V)
    assert lazy.dtype == dtype
    assert_is(lazy, data[0] + data[1] @ data[2].T)


def test_arguments_are_neither_kept_nor_changed():
    W, U, V = make_matrix(4, 4), make_matrix(4, 2, seed=1), make_matrix(4, 2, seed=2)
    for given_W in (W, np.asfortranarray(W)):
        lazy = LazyLowRankMatrix(given_W, rank_limit=100)
        lazy.update(U, V)
        expected = W + U @ V.T
        before = given_W.copy()
        U[:], V[:] = 0, 0
        assert_array_equal(lazy.to_array(), expected)
        lazy.flush()
        assert_array_equal(given_W, before)
        U[:], V[:] = make_matrix(4, 2, seed=1), make_matrix(4, 2, seed=2)


def test_integers_become_float64():
    lazy = LazyLowRankMatrix([[1, 2], [3, 4]])
    assert lazy.dtype == np.float64
    assert_array_equal(lazy.query([1], [2]), [4.0, 8.0])


def test_values_of_a_repeated_index_add_up():
    W = make_matrix(3, 3)
    lazy = LazyLowRankMatrix(W, 10)
    lazy.update(np.ones((3, 1)), np.ones((3, 1)))
    assert_array_equal(lazy.query([1, 1], [2.0, 3.0]), (W + 1) @ [0, 5, 0])
    assert_array_equal(lazy.query_transposed([1, 1], [2.0, 3.0]), (W + 1).T @ [0, 5, 0])


def test_dense_vectors_and_other_formats_are_taken():
    W, H = make_matrix(), make_sparse(4, 9)
    lazy = LazyLowRankMatrix(W)
    for given_H in (H.toarray(), H.tocsc(), sparse.coo_array(H), H.toarray().tolist()):
        assert_array_equal(lazy.query_rows(given_H), H.toarray() @ W.T)


def test_counts_are_those_counted_by_hand():
    # 3 x 4; h has 2 entries, u has 1; rank 0, then 2, then 3
    lazy = LazyLowRankMatrix(np.ones((3, 4)), rank_limit=3)
    expected = dict.fromkeys(lazy.counters, 0) | {"copies": 12}
    assert lazy.counters == expected

    lazy.query([0, 2], [1.0, 1.0])
    expected |= {"n_queries": 1, "query_multiplications": 2 * 3}
    assert lazy.counters == expected

    lazy.update(np.ones((3, 2)), np.ones((4, 2)))
    expected |= {"n_updates": 1, "copies": 12 + 2 * (3 + 4)}
    assert lazy.counters == expected

    lazy.query_rows(sparse.csr_matrix([[1.0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]]))
    # E'h: 2 x 2 and 2 x 1 and none; F times that: 2 x 3 for each of three vectors
    expected |= {"n_queries": 4, "query_multiplications": 6 + 3 * 3, "factor_multiplications": 6 + 18}
    assert lazy.counters == expected

    lazy.query_transposed([1], [1.0], [0, 3])
    expected |= {"n_queries": 5, "query_multiplications": 15 + 2, "factor_multiplications": 24 + 2 * (1 + 2)}
    assert lazy.counters == expected

    lazy.update(np.ones((3, 1)), np.ones((4, 1)))
    expected |= {"n_updates": 2, "copies": 26 + 7, "n_flushes": 1, "flush_multiplications": 3 * 4 * 3}
    assert lazy.counters == expected
    lazy.flush()
    lazy.to_array()
    assert lazy.counters == expected

    lazy.query_transposed([1], [1.0])
    assert lazy.counters["query_multiplications"] == 17 + 4
    lazy.reset_counters()
    assert set(lazy.counters.values()) == {0}


def test_counters_are_a_copy():
    lazy = LazyLowRankMatrix([[1.0]])
    lazy.counters["copies"] = 99
    assert lazy.counters["copies"] == 1


@pytest.mark.parametrize(("n_columns", "restart"), [(1, 1), (2, 2), (64, 4), (1000, 10)])
def test_published_restart_size(n_columns, restart):
    lazy = LazyLowRankMatrix(np.zeros((2, n_columns)))
    for rank in range(1, restart):
        lazy.update(np.ones((2, 1)), np.ones((n_columns, 1)))
        assert (lazy.rank, lazy.counters["n_flushes"]) == (rank, 0)
    lazy.update(np.ones((2, 1)), np.ones((n_columns, 1)))
    assert (lazy.rank, lazy.counters["n_flushes"]) == (0, 1)


def test_auto_flushes_before_factors_cost_more_than_a_flush():
    lazy = LazyLowRankMatrix(np.zeros((4, 4)), "auto")
    lazy.update(np.ones((4, 2)), np.ones((4, 2)))
    # a product takes 2 (1 + 4) = 10 multiplications with the factors, a flush 4 4 2 = 32
    for n_queries in (1, 2, 3):
        # the balance does not depend on when somebody looks at the counters
        lazy.reset_counters()
        lazy.query([0], [1.0])
        assert lazy.rank == 2, n_queries
    lazy.query([0], [1.0])
    assert lazy.rank == 0
    assert lazy.counters["flush_multiplications"] == 32

    # and anew after the flush: 2 (4 + 4) = 16, and what costs just as much is not dearer
    lazy.update(np.ones((4, 2)), np.ones((4, 2)))
    for rank in (2, 2, 0):
        lazy.query([0, 1, 2, 3], [1.0] * 4)
        assert lazy.rank == rank


def test_auto_costs_at_most_twice_what_flushing_at_once_costs():
    rng = np.random.default_rng(0)
    n_rows, n_columns = 12, 10
    lazy, rank = LazyLowRankMatrix(np.zeros((n_rows, n_columns)), "auto"), 0
    for _ in range(300):
        n = rng.integers(0, 3)
        rank += n
        lazy.update(np.ones((n_rows, n)), np.ones((n_columns, n)))
        for _ in range(rng.integers(0, 12)):
            lazy.query([0], [1.0])
        counters = lazy.counters
        spent = counters["factor_multiplications"] + counters["flush_multiplications"]
        assert spent <= 2 * n_rows * n_columns * rank
    assert counters["n_flushes"] > 10


def test_an_update_wider_than_the_limit_is_flushed_at_once():
    W = make_matrix(4, 5)
    lazy = LazyLowRankMatrix(W, rank_limit=2)
    U, V = make_matrix(4, 9, seed=1), make_matrix(5, 9, seed=2)
    lazy.update(U, V)
    assert lazy.rank == 0
    assert_is(lazy, W + U @ V.T)


def test_memory_is_that_of_the_arrays():
    lazy = LazyLowRankMatrix(np.zeros((10, 20), np.float32), rank_limit=50)
    assert lazy.nbytes == 4 * 200
    lazy.update(np.ones((10, 3)), np.ones((20, 3)))
    assert 4 * (200 + 3 * 30) <= lazy.nbytes <= 4 * (200 + 6 * 30)


@pytest.mark.parametrize("how", [copy.deepcopy, lambda lazy: pickle.loads(pickle.dumps(lazy))])
def test_copies_and_pickles_go_on_by_themselves(how):
    W = make_matrix()
    lazy = LazyLowRankMatrix(W, 4)
    lazy.update(np.ones((7, 1)), np.ones((9, 1)))
    other = how(lazy)
    lazy.update(np.ones((7, 3)), np.ones((9, 3)))
    assert other.rank == 1
    assert_is(other, W + 1)
    assert_is(lazy, W + 4)


def test_rounding_stays_that_of_the_dtype():
    rng = np.random.default_rng(0)
    W, total = rng.normal(size=(30, 40)), 0
    lazy = LazyLowRankMatrix(W.astype(np.float32))
    for _ in range(50):
        U, V = rng.normal(size=(30, 1)), rng.normal(size=(40, 1))
        lazy.update(U, V)
        total = total + U @ V.T
    assert_allclose(lazy.to_array(), W + total, atol=1e-4)


@pytest.mark.parametrize(
    ("error", "arguments", "message"),
    [
        (ValueError, ([[np.nan]],), "NaN"),
        (ValueError, ([1.0, 2.0],), "2D"),
        (ValueError, ([[1.0]], 0), "rank_limit"),
        (ValueError, ([[1.0]], "never"), "rank_limit"),
        (TypeError, ([[1.0]], 2.5), "rank_limit"),
    ],
)
def test_bad_construction_raises(error, arguments, message):
    with pytest.raises(error, match=message):
        LazyLowRankMatrix(*arguments)


@pytest.mark.parametrize(
    ("error", "method", "arguments", "message"),
    [
        (ValueError, "update", (np.ones((3, 1)), np.ones((3, 1))), "U must have 2 rows, got 3"),
        (ValueError, "update", (np.ones((2, 1)), np.ones((2, 1))), "V must have 3 rows, got 2"),
        (ValueError, "update", (np.ones((2, 1)), np.ones((3, 2))), "same number of columns"),
        (ValueError, "update", (np.full((2, 1), np.inf), np.ones((3, 1))), "infinity"),
        (IndexError, "query", ([3], [1.0]), "out of range"),
        (IndexError, "query", ([-1], [1.0]), "out of range"),
        (TypeError, "query", ([0.5], [1.0]), "integers"),
        (ValueError, "query", ([[0]], [1.0]), "one-dimensional"),
        (ValueError, "query", ([0, 1], [1.0]), "same length"),
        (ValueError, "query", ([0], [np.nan]), "NaN"),
        (ValueError, "query_rows", (np.ones((1, 2)),), "3 columns, got 2"),
        (ValueError, "query_rows", (np.array([[1.0, np.inf, 0.0]]),), "infinity"),
        (IndexError, "query_transposed", ([2], [1.0]), "out of range"),
        (IndexError, "query_transposed", ([0], [1.0], [3]), "columns are out of range"),
    ],
)
def test_bad_arguments_raise_and_change_nothing(error, method, arguments, message):
    W = make_matrix(2, 3)
    lazy = LazyLowRankMatrix(W, 10)
    lazy.update(np.ones((2, 1)), np.ones((3, 1)))
    before = lazy.counters
    with pytest.raises(error, match=message):
        getattr(lazy, method)(*arguments)
    assert lazy.counters == before
    assert_is(lazy, W + 1)
