"""Rows and weights in bytes: what rounding takes is known, and no bound on it excludes a pair that fires."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits

from helpers import unit_coordinates, without_outputs
from skfastnn import FastReLUClassifier, FastReLURegressor
from skfastnn._coordinates import Coordinates
from skfastnn.networks._network import Network, padded_length
from skfastnn.networks._training_rows import Batch, TrainingRows
from skfastnn.passes.shared._pairs import PairLists
from skfastnn.search import _costs, make_engine
from skfastnn.search.quantized import _quantized
from skfastnn.search.quantized._quantized import choose_grid, grid, in_bytes
from skfastnn.search.quantized._quantized_forward import (
    MAX_FEATURES,
    RowsInBytes,
    byte_products,
    quantized_forward,
    rows_to_bytes,
)

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def padded(X, dtype):
    rows = np.zeros((len(X), padded_length(max(X.shape[1], 2), dtype)), dtype=dtype)
    rows[:, : X.shape[1]] = X
    return rows


def written(rows, base, zero):
    """Rows as bytes have them, and what is known of them."""
    codes, about = np.empty(rows.shape, np.uint8), np.empty((len(rows), 4), np.float32)
    rows_to_bytes(rows, np.zeros(rows.shape[1], rows.dtype), base, zero, codes, about, 1)
    return about[:, :1].astype(np.float64) * (codes.astype(np.float64) - zero), about


# rows


@DTYPES
@pytest.mark.parametrize("zero", [0, 100, 254])
def test_rows_in_bytes_are_as_far_as_they_say(zero, dtype):
    rng = np.random.default_rng(0)
    rows = padded(rng.standard_normal((30, 37)) * np.logspace(-3, 3, 30)[:, None], dtype)
    rows[7] = 0
    rows[8, :37] = 5
    approximate, (step, norm, total, error) = (a.T for a in written(rows, 0.01, zero))
    approximate = approximate.T
    assert_allclose(norm, np.linalg.norm(approximate, axis=1), rtol=2e-3)
    assert_allclose(total, np.abs(approximate).sum(axis=1), rtol=2e-3)
    true_error = np.linalg.norm(rows - approximate, axis=1)
    # a step is kept in single precision
    assert np.all(error + 1e-7 * norm >= true_error)
    assert np.all(error <= 1.01 * true_error + 1e-5 * norm)
    steps = np.log2(step[np.arange(30) != 7] / 0.01)
    assert_allclose(steps, np.round(steps), atol=1e-5)  # powers of two
    if zero == 100:  # both signs have room, so that nothing is cut off, and half the reach or more is used
        assert np.all(np.abs(rows - approximate) <= 0.501 * step[:, None])
        assert np.all(
            np.max(np.maximum(rows / (155 * step[:, None]), -rows / (100 * step[:, None])), axis=1)[8:] > 0.49
        )


def images(n_samples, n_features):
    """Most of it empty, the rest in 256 steps."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (n_samples, n_features)) * (rng.random((n_samples, n_features)) < 0.2) / 255
    X[:, 0] = 1
    return X


@DTYPES
def test_numbers_in_256_steps_lose_nothing(dtype):
    rows = padded(images(50, 64), dtype)
    rows[::2] *= dtype(2) ** -3
    base, zero = grid(rows)
    approximate, about = written(rows, base, zero)
    assert zero == 0
    assert_allclose(approximate, rows, atol=1e-6)
    assert about[:, 3].max() < 1e-4


def test_grid_reaches_from_the_least_to_the_largest():
    for least, most in (-1, 3), (-5, -2), (2, 7), (-4, 1e-9), (0, 0):
        base, zero = grid(np.array([[least, most]]))
        assert base > 0
        assert 0 <= zero <= 254
        assert (255 - zero) * base >= most * (1 - 1e-12)
        assert zero * base >= -least * (1 - 1e-12)
        assert base <= 1.01 * (max(most, 0) - min(least, 0)) / 254 or most == least


def test_rows_are_written_around_the_point_that_loses_less():
    spread = 100 + np.random.default_rng(0).standard_normal((200, 50))
    for X, shifted in (images(200, 50), True), (spread, False):
        coordinates = Coordinates.from_data(X, np.ones(200))
        network = Network(coordinates, 10, 1, 1.0, True, 0, np.float64)
        rows = TrainingRows(X, coordinates, network.ld, 1).take(np.arange(200, dtype=np.int32))
        hidden, shift, *_ = choose_grid(rows, network, 1)
        assert bool(shift.any()) is shifted
        assert 0 < hidden < 0.2


# forward


class CaughtUp:
    """A solver that has carried out all its steps."""

    deferred = None

    def catch_up(self):
        pass


def forward_both(n_neurons, n_rows, n_features, dtype, scale=1.0, threshold=1.0, n_threads=1, seed=0):
    """Lists of the engine, and the pre-activations of all pairs in float64."""
    rng = np.random.default_rng(seed)
    X = (scale * rng.standard_normal((60, n_features))).astype(dtype)
    coordinates = unit_coordinates(n_features, dtype)
    network = Network(coordinates, n_neurons, 2, threshold, True, seed, dtype)
    network.displacement[:, :n_features] = rng.standard_normal((n_neurons, n_features)) * rng.lognormal(0, 2)
    network.c_state[:, 0] = rng.standard_normal(n_neurons) - threshold * scale
    engine = make_engine("quantized", network)
    rows = TrainingRows(X, coordinates, network.ld, n_threads)
    engine.build(rows, network, n_threads)
    index = rng.permutation(60)[:n_rows].astype(np.int32)
    batch = Batch(index, *rows.gather(index, *rows.buffers(n_rows)))

    fired = PairLists(n_neurons, dtype)
    engine.list_fired(batch, fired, CaughtUp())
    Z = network.weights(0, n_neurons).astype(np.float64) @ batch.rows.T + network.c_state[:, :1]
    return fired.to_csr(), Z, engine


def as_matrix(lists, shape):
    indptr, rows, values = lists
    Z = np.zeros(shape)
    for r in range(shape[0]):
        Z[r, rows[indptr[r] : indptr[r + 1]]] = values[indptr[r] : indptr[r + 1]]
    return Z


@DTYPES
@pytest.mark.parametrize("n_features", [1, 13, 64, 200, 784])
@pytest.mark.parametrize("n_rows", [1, 31, 32, 33, 60])
@pytest.mark.parametrize("n_neurons", [1, 7, 8, 130])
def test_activations_are_those_of_all_products(n_neurons, n_rows, n_features, dtype):
    lists, Z, engine = forward_both(n_neurons, n_rows, n_features, dtype)
    close = 1e-5 if dtype == np.float32 else 1e-12
    scale = np.abs(Z).max() + 1
    assert_allclose(as_matrix(lists, Z.shape), np.maximum(Z, 0), atol=close * scale)
    assert lists[1].size <= engine.counters["candidates"] <= engine.counters["visited"] == Z.size


@pytest.mark.skipif(not byte_products(), reason="rows are read in floats on processors without products of bytes")
@pytest.mark.parametrize("n_features", [16, 50, 784])
def test_rows_that_bytes_hold_are_read_in_bytes(n_features):
    X = images(90, n_features).astype(np.float32)
    coordinates = Coordinates.from_data(X, np.ones(90, np.float32))
    network = Network(coordinates, 130, 2, 0.5, True, 0, np.float32)
    network.displacement[:, :n_features] = np.random.default_rng(1).standard_normal((130, n_features))
    rows = TrainingRows(X, coordinates, network.ld, 1)
    engine = make_engine("quantized", network)
    engine.build(rows, network, 1)
    assert engine.coded.lossless
    index = np.random.default_rng(2).permutation(90)[:50].astype(np.int32)
    batch = Batch(index, *rows.gather(index, *rows.buffers(50)))
    Z = network.weights(0, 130).astype(np.float64) @ batch.rows.T + network.c_state[:, :1]
    fired = PairLists(130, np.float32)
    engine.list_fired(batch, fired, CaughtUp())
    listed = as_matrix(fired.to_csr(), Z.shape)
    assert_allclose(listed, np.maximum(Z, 0), atol=1e-5 * np.abs(Z).max())
    off_the_grid, signed = X.copy(), np.sign(X - 0.5)
    off_the_grid[3, 1] += 0.001
    signed[X == 0] = 0  # mostly zeros, whose code is not 0
    for other in off_the_grid, signed:
        engine.build(TrainingRows(other, coordinates, network.ld, 1), network, 1)
        assert not engine.coded.lossless


def test_bytes_exclude_nearly_all_that_does_not_fire():
    lists, Z, engine = forward_both(2000, 60, 200, np.float32, threshold=0.0)
    assert engine.counters["candidates"] < 1.25 * lists[1].size
    assert 0.3 < lists[1].size / Z.size < 0.7


@settings(max_examples=100, deadline=None)
@given(
    data=st.data(),
    n_features=st.sampled_from([1, 2, 16, 33]),
    exponent=st.integers(-18, 15),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_no_bound_excludes_a_pair_that_fires(data, n_features, exponent, dtype):
    """Numbers of all sizes, and neurons whose pre-activation is positive by next to nothing."""
    rng = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    X = rng.standard_normal((40, n_features)) * 10.0 ** rng.integers(-4, 5, (40, 1))
    X[rng.random(X.shape) < 0.3] = 0
    rows = padded(X, dtype)
    W = padded(
        rng.standard_normal((24, n_features)) * 10.0 ** rng.integers(-4, exponent + 1 if exponent > -4 else -3), dtype
    )
    network = Network(unit_coordinates(n_features, dtype), 24, 1, 0.0, False, 0, dtype)
    _, shift, base, zero, _ = choose_grid(rows, network, 1)
    codes, about, _ = in_bytes(rows, network, shift, base, zero, 1)
    index = np.arange(40, dtype=np.int32)
    for _ in range(5):
        # every neuron is just above zero on one row
        c_state = np.zeros((24, 3), dtype)
        products = W.astype(np.float64) @ rows.T
        lead = 1e-3 * np.linalg.norm(W, axis=1) * np.linalg.norm(rows, axis=1).min() + 1e-12
        c_state[:, 0] = -products[np.arange(24), rng.integers(40, size=24)] + lead
        fired = PairLists(24, dtype)
        weights = without_outputs(W, np.zeros_like(W), W, np.zeros(24, np.uint8), 0, c_state)
        quantized_forward(fired, weights, rows, index, RowsInBytes(codes, about, shift, zero, False), 1)
        Z = products + c_state[:, :1]
        rounding = (n_features + 8) * np.finfo(dtype).eps * (np.abs(W) @ np.abs(rows.T) + np.abs(c_state[:, :1]))
        listed = as_matrix(fired.to_csr(), Z.shape) > 0
        assert not np.any((Z > rounding) & ~listed)
        assert not np.any((Z < -rounding) & listed)


@DTYPES
def test_weights_that_are_not_finite_are_left_to_the_exact_product(dtype):
    rows = np.ones((3, 16), dtype)
    network = Network(unit_coordinates(16, dtype), 4, 1, 0.0, False, 0, dtype)
    codes, about, _ = in_bytes(rows, network, np.zeros(16, dtype), 1 / 255, 0, 1)
    W = np.zeros((4, 16), dtype)
    W[0, 0], W[1, 3], W[2, 5] = np.inf, -np.inf, np.nan
    fired = PairLists(4, dtype)
    weights = without_outputs(W, np.zeros_like(W), W, np.zeros(4, np.uint8), 0, np.zeros((4, 3), dtype))
    coded = RowsInBytes(codes, about, np.zeros(16, dtype), 0, False)
    quantized_forward(fired, weights, rows, np.arange(3, dtype=np.int32), coded, 1)
    indptr, rows, values = fired.to_csr()
    assert_array_equal(indptr, [0, 3, 3, 3, 3])
    assert np.all(np.isposinf(values))


@DTYPES
def test_threads_do_not_matter(dtype):
    one, two = (forward_both(300, 60, 50, dtype, n_threads=n_threads)[0] for n_threads in (1, 2))
    for a, b in zip(one, two, strict=True):
        assert_array_equal(a, b)


# what is refused


ROWS = np.ones((3, 8))
LONGER = RowsInBytes(np.zeros((3, 16), np.uint8), np.zeros((3, 4), np.float32), np.zeros(16), 0, False)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"base": 0.0}, "base must be positive"),
        ({"zero": 255}, "zero from 0 to 254"),
        ({"zero": -1}, "zero from 0 to 254"),
        ({"codes": np.zeros((2, 8), np.uint8)}, "a row for each of X"),
        ({"codes": np.zeros((3, 16), np.uint8)}, "the same number of columns"),
        ({"shift": np.zeros(4)}, "the same number of columns"),
        ({"about": np.zeros((3, 5), np.float32)}, "four columns"),
    ],
)
def test_rows_to_bytes_refuses(changed, message):
    given = {
        "X": ROWS, "shift": np.zeros(8), "base": 0.1, "zero": 0, "codes": np.zeros((3, 8), np.uint8),
        "about": np.zeros((3, 4), np.float32), "n_threads": 1,
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        rows_to_bytes(**(given | changed))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"fired": PairLists(2, np.float64)}, "displacement must be"),
        ({"fired": PairLists(3, np.float32)}, "the same dtype"),
        ({"X": np.ones((3, 16))}, "displacement must be"),
        ({"index": np.zeros(2, np.int32)}, "an index for each row"),
        ({"index": np.int32([0, 1, 3])}, "numbers of samples"),
        ({"index": np.int32([0, -1, 2])}, "numbers of samples"),
        ({"coded": LONGER}, "rows and codes must have the same length"),
    ],
)
def test_quantized_forward_refuses(changed, message):
    coded = RowsInBytes(np.zeros((3, 8), np.uint8), np.zeros((3, 4), np.float32), np.zeros(8), 0, False)
    weights = without_outputs(ROWS, ROWS, ROWS, np.zeros(3, np.uint8), 0, ROWS[:, :3].copy())
    given = {
        "fired": PairLists(3, np.float64), "weights": weights, "X": ROWS, "index": np.arange(3, dtype=np.int32),
        "coded": coded, "n_threads": 1,
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        quantized_forward(**(given | changed))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"shift": np.zeros(16)}, "the same length"),
        ({"about": np.zeros((2, 4), np.float32)}, "of the same samples"),
        ({"about": np.zeros((3, 5), np.float32)}, "of the same samples"),
        ({"lossless": True}, "in single precision alone"),
    ],
)
def test_rows_in_bytes_refuse(changed, message):
    given = {"codes": np.zeros((3, 8), np.uint8), "about": np.zeros((3, 4), np.float32), "shift": np.zeros(8)}
    with pytest.raises(ValueError, match=message):
        RowsInBytes(**(given | {"zero": 0, "lossless": False} | changed))


@pytest.mark.skipif(not byte_products(), reason="rows are read in floats on processors without products of bytes")
def test_bytes_with_another_code_of_zero_do_not_stand_for_rows():
    rows, shift = np.ones((3, 16), np.float32), np.zeros(16, np.float32)
    codes, about = np.full((3, 16), 1, np.uint8), np.ones((3, 4), np.float32)

    def listed(zero):
        fired = PairLists(3, np.float32)
        weights = without_outputs(rows, rows, rows, np.zeros(3, np.uint8), 0, np.zeros((3, 3), np.float32))
        coded = RowsInBytes(codes, about, shift, zero, True)
        quantized_forward(fired, weights, rows, np.arange(3, dtype=np.int32), coded, 1)
        return fired.to_csr()[2]

    assert_array_equal(listed(0), np.full(9, 32))
    with pytest.raises(ValueError, match="with a zero of 0"):
        listed(3)


def test_more_features_than_sums_of_bytes_hold_are_refused():
    X = np.random.default_rng(0).standard_normal((30, MAX_FEATURES + 1)).astype(np.float32)
    reg = FastReLURegressor(hidden_layer_sizes=16, threshold=0.5, search="quantized", solver="adam", max_iter=1)
    with pytest.raises(ValueError, match=r"search='quantized' takes up to 66,000 features, X has 66,001; use 'dense'"):
        reg.fit(X, X[:, 0])
    assert not hasattr(reg, "coefs_")


# choice


def test_auto_takes_bytes_where_they_pay(monkeypatch):
    monkeypatch.setattr(_costs, "DENSE", 0.3)
    monkeypatch.setattr(_costs, "MULTIPLICATION", 0.011)
    wide = images(300, 784)
    common = {"hidden_layer_sizes": 2048, "threshold": 1.5, "solver": "adam", "random_state": 0, "batch_size": 200}

    def chosen(X, **more):
        return FastReLURegressor(**{**common, "max_iter": 2, **more}).fit(X, X[:, 1]).search_

    monkeypatch.setattr(_quantized, "byte_products", lambda: True)
    monkeypatch.setattr(_quantized, "byte_gain", lambda: 4)
    assert chosen(wide) == "quantized"
    assert chosen(wide[:, :10], hidden_layer_sizes=256) != "quantized"
    assert chosen(wide, threshold=0.0) == "dense"  # half of the pairs fire
    monkeypatch.setattr(_quantized, "byte_products", lambda: False)
    assert chosen(wide) != "quantized"


def test_auto_takes_the_tree_where_bytes_gain_less(monkeypatch):
    monkeypatch.setattr(_costs, "DENSE", 0.3)
    monkeypatch.setattr(_costs, "MULTIPLICATION", 0.011)
    monkeypatch.setattr(_costs, "LEAF_MULTIPLICATION", 0.011)
    X = images(300, 784)
    reg = FastReLURegressor(
        hidden_layer_sizes=4096, solver="sgd", batch_size=100, max_iter=2, tol=1e9, n_iter_no_change=1, random_state=0
    )
    monkeypatch.setattr(_quantized, "byte_products", lambda: True)
    monkeypatch.setattr(_quantized, "byte_gain", lambda: 4)
    assert reg.fit(X, X[:, 1]).search_ == "quantized"
    monkeypatch.setattr(_quantized, "byte_gain", lambda: 2)
    assert reg.fit(X, X[:, 1]).search_ == "correlation_tree"
    monkeypatch.setattr(_costs, "usable_memory", lambda: 3.9 * 300 * 4096)  # leaves would take more than a quarter
    assert reg.fit(X, X[:, 1]).search_ != "correlation_tree"


def test_usable_memory_is_what_a_container_may_use(monkeypatch, tmp_path):
    unlimited, limited, unset = tmp_path / "max", tmp_path / "limited", tmp_path / "unset"
    unlimited.write_text("max\n")
    limited.write_text("1073741824\n")
    unset.write_text("9223372036854771712\n")  # version 1, without a limit
    monkeypatch.setattr("os.sysconf", lambda name: 2**16, raising=False)
    for limits, usable in ((tmp_path / "missing", unlimited, unset), 2**32), ((unlimited, limited), 2**30):
        monkeypatch.setattr(_costs, "MEMORY_LIMITS", limits)
        assert _costs.usable_memory() == usable
    monkeypatch.delattr("os.sysconf")
    assert _costs.usable_memory() == 2**30
    monkeypatch.setattr(_costs, "MEMORY_LIMITS", ())
    assert _costs.usable_memory() == np.inf


def test_counters_say_what_was_looked_at():
    X, y = load_digits(return_X_y=True)
    clf = FastReLUClassifier(512, search="quantized", threshold=1.58, solver="adam", max_iter=3, random_state=0)
    counters = clf.fit(X, y).search_counters_
    assert counters["visited"] == 3 * len(X) * 512
    assert counters["fired"] < counters["candidates"] == counters["dot_products"] < 0.3 * counters["visited"]
    assert clf.firing_recall_ == 1.0


def test_without_memory_for_bytes_training_is_dense(monkeypatch):
    class WithoutMemory:
        def __getattr__(self, name):
            return getattr(np, name)

        def empty(self, *args, **kwargs):
            raise MemoryError

    def then_none_is_left(*args):
        monkeypatch.setattr(_quantized, "np", WithoutMemory())
        return chosen

    X, y = load_digits(return_X_y=True)
    X, y = X[:200], y[:200]
    fits = {"hidden_layer_sizes": 64, "threshold": 1.0, "solver": "adam", "max_iter": 2, "random_state": 0}
    dense = FastReLUClassifier(**fits, search="dense").fit(X, y)
    chosen = np.zeros(1), np.zeros(1), 1.0, 0, True
    monkeypatch.setattr(_quantized, "choose_grid", then_none_is_left)
    with pytest.warns(RuntimeWarning, match=r"rows in bytes need [\d,]+ bytes\); training with search='dense'"):
        clf = FastReLUClassifier(**fits, search="quantized").fit(X, y)
    assert_array_equal(clf.coefs_[0], dense.coefs_[0])
