"""Compiled kernels against plain NumPy, and the solvers' lazy bookkeeping against dense textbook steps."""

import platform
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.utils._testing import create_memmap_backed_data

from helpers import fill_with_positive, unit_coordinates, without_outputs
from layers import ADAM_RULE, N_NEURONS, N_ROWS, RULE, Layer, lists_of, pending_matrices, silent_steps, textbook_step
from skfastnn._threads import one_blas_thread
from skfastnn.networks._network import Network, aligned_zeros, padded_length
from skfastnn.networks._training_rows import runs_of
from skfastnn.passes.dense._catch_up import catch_up
from skfastnn.passes.dense._dense_forward import dense_forward
from skfastnn.passes.dense._forward import forward, output_of_fired
from skfastnn.passes.shared import _products
from skfastnn.passes.shared._blas import matmul_nt
from skfastnn.passes.shared._pairs import PairLists
from skfastnn.passes.shared._products import compiled_instructions, multiply_groups, wide_products
from skfastnn.passes.shared._rows import gather_rows
from skfastnn.solvers import Adam, MomentumSGD

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
OUTPUTS = pytest.mark.parametrize("n_outputs", [1, 3, 10, 17])
FEATURES = pytest.mark.parametrize("n_features", [1, 5, 16, 33, 784])
NESTEROV = pytest.mark.parametrize("nesterov", [False, True])


def assert_close(actual, expected, factor=1):
    """Equal up to the rounding of sums whose terms are as large as the largest entry."""
    tolerance = factor * (3e-5 if actual.dtype == np.float32 else 1e-12)
    assert_allclose(actual, expected, rtol=tolerance, atol=tolerance * np.abs(expected).max(initial=0))


def dense_of(pairs, n_rows):
    """The lists as (mask, values), both of shape (n_neurons, n_rows); each list must be strictly ascending."""
    indptr, rows, values = pairs.to_csr()
    neuron = np.repeat(np.arange(pairs.n_neurons), np.diff(indptr))
    assert np.all((np.diff(rows) > 0) | (np.diff(neuron) > 0))
    mask, dense = np.zeros((pairs.n_neurons, n_rows), dtype=bool), np.zeros((pairs.n_neurons, n_rows), values.dtype)
    mask[neuron, rows], dense[neuron, rows] = True, values
    return mask, dense


# rows


@DTYPES
@FEATURES
@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("some", [False, True])
def test_gather_rows(n_features, dtype, n_threads, mapped, some):
    rng = np.random.default_rng(0)
    X = (5 + rng.standard_normal((50, n_features + 4 * some))).astype(dtype)
    features = np.delete(np.arange(n_features + 4), [0, 2, 3, n_features // 2 + 4]) if some else np.arange(n_features)
    mean, inverse_scale = X[:, features].mean(axis=0), dtype(0.37)
    index = rng.permutation(50)[:29].astype(np.int32)
    index[:2] = 49, 0
    source = create_memmap_backed_data(X) if mapped else X
    # the buffers hold rows of an earlier, longer batch
    out, norms = np.full((31, padded_length(max(n_features, 2), dtype)), 9, dtype), np.full(31, 9, dtype)
    runs = runs_of(features if some else None, X.shape[1])
    gather_rows(source, runs, index, mean, inverse_scale, out, norms, n_threads)
    expected = (X[index][:, features] - mean) * inverse_scale
    assert_close(out[:29, :n_features], expected)
    assert_array_equal(out[:29, n_features:], 0)
    assert_close(norms[:29], np.sqrt((expected.astype(np.float64) ** 2).sum(axis=1)))
    assert_array_equal(out[29:], 9)
    assert_array_equal(norms[29:], 9)


@pytest.mark.parametrize(
    ("out_shape", "n_norms", "n_mean"), [((2, 8), 3, 5), ((3, 8), 2, 5), ((3, 4), 3, 5), ((3, 8), 3, 4)]
)
def test_gather_rows_shapes(out_shape, n_norms, n_mean):
    X, index = np.ones((4, 5)), np.arange(3, dtype=np.int32)
    with pytest.raises(ValueError, match="do not fit"):
        gather_rows(X, np.array([[0, 5]]), index, np.zeros(n_mean), 1.0, np.zeros(out_shape), np.zeros(n_norms), 1)


@pytest.mark.parametrize("runs", [[[0, 6]], [[-1, 4]], [[0, 2], [4, 3]]])
def test_gather_rows_takes_features_that_are_there(runs):
    index, out = np.arange(3, dtype=np.int32), np.zeros((3, 8))
    with pytest.raises(ValueError, match="no such features"):
        gather_rows(np.ones((4, 5)), np.array(runs), index, np.zeros(5), 1.0, out, np.zeros(3), 1)


def test_gather_rows_layout():
    runs, index, mean = np.array([[0, 5]]), np.arange(3, dtype=np.int32), np.zeros(5)
    with pytest.raises(ValueError, match="contiguous"):
        gather_rows(np.ones((4, 5), order="F"), runs, index, mean, 1.0, np.zeros((3, 8)), np.zeros(3), 1)
    with pytest.raises((TypeError, ValueError)):
        gather_rows(np.ones((4, 5)), runs, index, mean, 1.0, np.zeros((3, 8), np.float32), np.zeros(3), 1)


# products


@DTYPES
@pytest.mark.parametrize(
    ("p", "r", "d"), [(1, 1, 1), (5, 3, 16), (128, 7, 5), (129, 130, 33), (300, 17, 784), (0, 4, 3)]
)
def test_matmul_nt(p, r, d, dtype):
    rng = np.random.default_rng(0)
    A, B = rng.standard_normal((p, d)).astype(dtype), rng.standard_normal((r, d)).astype(dtype)
    A.flags.writeable = B.flags.writeable = False
    results = []
    for n_threads in (1, 2):
        out = np.full((p, r), np.nan, dtype)
        with one_blas_thread():
            matmul_nt(A, B, out, n_threads)
        results.append(out)
    assert_close(results[0], A.astype(np.float64) @ B.astype(np.float64).T)
    assert_array_equal(results[0], results[1])


def test_matmul_nt_without_columns():
    memory = np.full(4, 7.0)
    matmul_nt(np.ones((4, 3)), np.ones((0, 3)), memory[:0].reshape(4, 0), 1)
    assert_array_equal(memory, 7)


@pytest.mark.parametrize(("B", "out"), [((4, 2), (5, 4)), ((4, 3), (6, 4)), ((4, 3), (5, 3))])
def test_matmul_nt_shapes(B, out):
    with pytest.raises(ValueError, match="shapes do not fit"):
        matmul_nt(np.ones((5, 3)), np.ones(B), np.zeros(out), 1)


@DTYPES
@pytest.mark.parametrize("size", [4, 13])
@pytest.mark.parametrize("groups", [[], [0, 2], [1, 2, 3]])  # the last group has two rows
@pytest.mark.parametrize("n_directions", [3, 32, 37])
def test_multiply_groups(n_directions, groups, size, dtype):
    rng = np.random.default_rng(0)
    n, ld = 3 * size + 2, padded_length(21, dtype)
    A, B = (rng.standard_normal(shape).astype(dtype) for shape in ((n, ld), (n_directions, ld)))
    out, groups = np.zeros((size * len(groups), n_directions), dtype), np.array(groups, dtype=np.int64)
    with one_blas_thread():
        multiply_groups(A, groups, size, B, out, 2)
    padded = np.vstack([A, np.zeros((4 * size - n, ld))])
    assert_close(out, (padded @ B.T.astype(float)).reshape(4, size, -1)[groups].reshape(-1, n_directions))


@pytest.mark.parametrize("groups", [[-1], [4]])
def test_groups_that_are_not_there_are_refused(groups):
    with pytest.raises(ValueError, match="no group"):
        multiply_groups(np.ones((14, 8)), np.int64(groups), 4, np.ones((3, 8)), np.zeros((4, 3)), 1)


@pytest.mark.parametrize(
    ("A", "B", "out", "message"),
    [
        ((14, 5), (3, 5), (4, 3), "whole vectors"),
        ((14, 8), (3, 16), (4, 3), "the same length"),
        ((14, 8), (3, 8), (5, 3), "a row for each"),
        ((14, 8), (3, 8), (4, 2), "a column for each"),
    ],
)
def test_multiply_groups_refuses(A, B, out, message):
    with pytest.raises(ValueError, match=message):
        multiply_groups(np.ones(A), np.int64([0]), 4, np.ones(B), np.zeros(out), 1)


def test_wide_products_are_for_processors_that_have_the_vectors():
    # the kernels are compiled by GCC alone, with glibc; NumPy asks the processor as they do, under an emulator too
    found = np.show_config(mode="dicts")["SIMD Extensions"]
    wide = not {"AVX512F", "AVX512_SKX", "X86_V4"}.isdisjoint((*found["baseline"], *found.get("found", ())))
    gcc = b"clang version" not in Path(_products.__file__).read_bytes()
    x86 = gcc and platform.machine() == "x86_64" and platform.libc_ver()[0] == "glibc"
    assert compiled_instructions() in (("all", "avx2", "baseline") if x86 else ("baseline",))
    assert wide_products() is (compiled_instructions() == "all" and wide)


# lists


@DTYPES
@pytest.mark.parametrize("n_neurons", [1, 64, 65, 130, 1100])
def test_lists_with_values(n_neurons, dtype):
    rng = np.random.default_rng(0)
    pairs = PairLists(n_neurons, dtype)
    # lists are reused: long, short, empty, long
    for n_rows, shift in [(70, 0.0), (3, 0.5), (5, -9.0), (80, 0.0)]:
        Z = (rng.standard_normal((n_neurons, n_rows)) + shift).astype(dtype)
        fill_with_positive(pairs, Z)
        indptr, rows, values = pairs.to_csr()
        neuron, expected_rows = np.nonzero(Z > 0)
        assert_array_equal(np.repeat(np.arange(n_neurons), np.diff(indptr)), neuron)
        assert_array_equal(rows, expected_rows)
        assert_array_equal(values, Z[Z > 0])
        assert_array_equal(pairs.counts(), (Z > 0).sum(axis=1))
        assert pairs.total == indptr[-1] == np.count_nonzero(Z > 0)
        assert (indptr.dtype, rows.dtype, values.dtype) == (np.int64, np.int32, dtype)
        assert pairs.nbytes >= rows.nbytes + values.nbytes


def test_empty_lists():
    indptr, rows, values = PairLists(70, np.float32).to_csr()
    assert_array_equal(indptr, np.zeros(71))
    assert rows.size == values.size == PairLists(70, np.float32).total == 0
    assert PairLists(70, None).to_csr()[2] is None


@pytest.mark.parametrize("n_neurons", [1, 65, 1100])
def test_lists_from_arrays(n_neurons):
    rng = np.random.default_rng(0)
    pairs = PairLists(n_neurons, None)
    # lists are reused: long, empty, long
    for share in (0.3, 0.0, 0.5):
        mask = rng.uniform(size=(n_neurons, 50)) < share
        indptr = np.concatenate([[0], np.cumsum(mask.sum(axis=1))])
        rows = np.nonzero(mask)[1].astype(np.int32)
        pairs.fill(indptr, rows)
        assert_array_equal(pairs.to_csr()[0], indptr)
        assert_array_equal(pairs.to_csr()[1], rows)
        assert_array_equal(pairs.counts(), mask.sum(axis=1))
        assert pairs.total == rows.size


@pytest.mark.parametrize(
    ("indptr", "rows"),
    [
        ([0, 2], [0, 1]),
        ([1, 2, 2], [0, 1]),
        ([0, 1, 1], [0, 1]),
        ([0, 2, 3], [0, 1]),
        ([0, 3, 2], [0, 1]),
        ([0, 2, 2], [1, 0]),
        ([0, 2, 2], [1, 1]),
        ([0, 1, 2], [0, -1]),
    ],
)
def test_arrays_that_are_no_lists_are_refused(indptr, rows):
    pairs = PairLists(2, None)
    with pytest.raises(ValueError, match="indptr must"):
        pairs.fill(np.array(indptr), np.array(rows, dtype=np.int32))
    assert pairs.total == 0


@pytest.mark.parametrize(
    ("dtype", "values", "message"),
    [
        (np.float32, None, "dtype of the lists"),
        (np.float32, np.ones(1), "dtype of the lists"),
        (None, np.ones(1), "dtype of the lists"),
        (np.float64, np.ones(2), "a value for each"),
    ],
)
def test_values_that_do_not_fit_the_lists_are_refused(dtype, values, message):
    with pytest.raises(ValueError, match=message):
        PairLists(2, dtype).fill(np.array([0, 1, 1]), np.array([0], dtype=np.int32), values)


def test_lists_too_long_for_memory():
    with pytest.raises(MemoryError, match="neurons"):
        PairLists(1 << 58, np.float32)


# dense forward


@DTYPES
@pytest.mark.parametrize("n_rows", [1, 30, 200])
@pytest.mark.parametrize("n_neurons", [1, 130, 3000])
def test_dense_forward(n_neurons, n_rows, dtype):
    check_dense_forward(n_neurons, n_rows, 13, dtype)


@DTYPES
@pytest.mark.parametrize("n_features", [2048, 2049])  # the longest rows of our own products; rows left to the BLAS
def test_dense_forward_of_long_rows(n_features, dtype):
    check_dense_forward(130, 30, n_features, dtype)


def check_dense_forward(n_neurons, n_rows, n_features, dtype):
    rng = np.random.default_rng(0)
    ld, n_drawn = padded_length(n_features, dtype), -(-n_neurons // 2)
    X, displacement, anchor, start = (
        rng.standard_normal((n, ld)).astype(dtype) for n in (n_rows, n_neurons, n_neurons, n_drawn)
    )
    c_state, anchored = rng.standard_normal((n_neurons, 3)).astype(dtype), rng.integers(0, 2, n_neurons, np.uint8)
    weights = without_outputs(start, displacement, anchor, anchored, 1, c_state)
    results = []
    for n_threads in 1, 2:
        fired = PairLists(n_neurons, dtype)
        for rows in X[:1], X:  # lists are reused
            with one_blas_thread():
                dense_forward(fired, weights, rows, n_threads)
        results.append(fired.to_csr())
    W = np.repeat(start, 2, axis=0)[:n_neurons] + displacement + anchored[:, None] * anchor.astype(float)
    Z = W @ X.T + c_state[:, :1]
    mask, values = dense_of(fired, n_rows)
    assert_close(values, np.maximum(Z, 0))
    assert_array_equal(mask[np.abs(Z) > 1e-4], (Z > 0)[np.abs(Z) > 1e-4])
    for one, two in zip(*results, strict=True):
        assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("n_neurons", "dtype", "ld", "message"),
    [
        (4, np.float64, 8, "displacement must be"),
        (3, np.float32, 8, "the same dtype"),
        (3, np.float64, 16, "displacement must be"),
    ],
)
def test_dense_forward_refuses(n_neurons, dtype, ld, message):
    W, c_state, anchored = np.ones((3, 8)), np.ones((3, 3)), np.zeros(3, np.uint8)
    with pytest.raises(ValueError, match=message):
        dense_forward(PairLists(n_neurons, dtype), without_outputs(W, W, W, anchored, 0, c_state), np.ones((2, ld)), 1)


# forward


@DTYPES
@OUTPUTS
@FEATURES
@pytest.mark.parametrize("pair_shift", [0, 1])
def test_forward(n_features, n_outputs, dtype, pair_shift):
    layer = Layer(n_features, n_outputs, dtype, pair_shift, longest_delay=5)
    candidates = layer.rng.random((N_NEURONS, N_ROWS)) < 0.6
    candidates[::7] = False
    u, _ = silent_steps(layer.displacement + layer.anchor, layer.velocity, layer.delay, RULE)
    W = layer.start[np.arange(N_NEURONS) >> pair_shift] + u
    Z = W @ layer.X.T.astype(np.float64) + layer.c_state[:, :1]
    H = np.where(candidates, np.maximum(Z, 0), 0)

    pending = pending_matrices(6, RULE)
    before = layer.state
    pairs, output = layer.forward(candidates, pending, 1)
    fired, values = dense_of(pairs, N_ROWS)
    clear = np.abs(Z) > 1e-5  # rounding may decide on which side of zero the others are
    assert_array_equal(fired[clear], (H > 0)[clear])
    assert_close(values, H)
    assert_close(output, H.T @ layer.V.astype(np.float64))
    for name, value in layer.state.items():  # it only reads
        assert_array_equal(value, before[name])

    pairs_2, output_2 = layer.forward(candidates, pending, 2)
    assert_array_equal(output, output_2)
    for one, two in zip(pairs.to_csr(), pairs_2.to_csr(), strict=True):
        assert_array_equal(one, two)


@DTYPES
def test_forward_without_velocity(dtype):
    layer = Layer(33, 3, dtype, momentum=False)
    pairs, output = layer.forward(np.ones((N_NEURONS, N_ROWS)), None, 1)
    W = (layer.start + layer.anchor + layer.displacement).astype(np.float64)
    H = np.maximum(W @ layer.X.T + layer.c_state[:, :1], 0)
    assert_close(dense_of(pairs, N_ROWS)[1], H)
    assert_close(output, H.T @ layer.V)


@DTYPES
@OUTPUTS
def test_output_of_fired(n_outputs, dtype):
    layer = Layer(5, n_outputs, dtype)
    outputs = []
    for n_threads in (1, 2):
        pairs = lists_of(layer.activations)
        # longer buffers than the batch: only its rows are written
        buffers = np.full((pairs.n_blocks + 1, N_ROWS + 2, layer.V.shape[1]), 7, dtype)
        output_of_fired(pairs, N_ROWS, layer.V, buffers, n_threads)
        assert np.all(buffers[0, N_ROWS:] == 7)
        outputs.append(buffers[0, :N_ROWS])
    assert_close(outputs[0], layer.activations.T.astype(np.float64) @ layer.V)
    assert_array_equal(*outputs)


def test_forward_refuses_lists():
    layer, buffers = Layer(5, 3, np.float64), np.zeros((3, N_ROWS, 8))
    candidates = lists_of(layer.activations)
    for fired in PairLists(N_NEURONS + 1, np.float64), PairLists(N_NEURONS, np.float32), PairLists(N_NEURONS, None):
        with pytest.raises(ValueError, match="same neurons"):
            forward(candidates, fired, layer.weights, layer.X, buffers, 1)


@pytest.mark.parametrize("shape", [(2, N_ROWS, 8), (3, N_ROWS - 1, 8), (3, N_ROWS, 16)])
def test_forward_shapes(shape):
    layer, buffers = Layer(5, 3, np.float64), np.zeros(shape)
    pairs = lists_of(layer.activations)
    with pytest.raises(ValueError, match="buffers do not fit"):
        output_of_fired(pairs, N_ROWS, layer.V, buffers, 1)
    with pytest.raises(ValueError, match="buffers do not fit"):
        forward(pairs, pairs, layer.weights, layer.X, buffers, 1)


# momentum


@DTYPES
@OUTPUTS
@FEATURES
@NESTEROV
@pytest.mark.parametrize("trained_output", [True, False])
def test_sgd_step(n_features, n_outputs, dtype, nesterov, trained_output):
    layer, two = (Layer(n_features, n_outputs, dtype, longest_delay=4, trained_output=trained_output) for _ in "12")
    rule = RULE | {"nesterov": nesterov}
    before, (grad_W, grad_c, grad_V) = layer.state, layer.gradients()
    fired = layer.activations.any(axis=1)
    layer.sgd_step(rule, 1)
    after = layer.state

    # what is pending, then the step; the weights of silent neurons stand still
    anchor = layer.anchor.astype(np.float64)
    u, velocity = silent_steps(before["displacement"] + anchor, before["velocity"], layer.delay, rule)
    u, velocity = textbook_step(u, velocity, grad_W + rule["penalty"] * u, rule)
    assert_close(layer.displacement[fired], (u - anchor)[fired])
    assert_close(layer.velocity[fired], velocity[fired])
    assert_array_equal(after["displacement"][~fired], before["displacement"][~fired])
    assert_array_equal(after["velocity"][~fired], before["velocity"][~fired])
    assert_array_equal(layer.touched, np.where(fired, layer.step + 1, layer.step - layer.delay))
    # intercepts and output weights take every step
    c, velocity_c = textbook_step(before["c_state"][:, 0], before["c_state"][:, 1], grad_c, rule)
    assert_close(layer.c_state[:, 0], c)
    assert_close(layer.c_state[:, 1], velocity_c)
    assert_array_equal(after["c_state"][:, 2], before["c_state"][:, 2])
    if trained_output:
        grad_V = grad_V + rule["penalty"] * (before["V"] - layer.start_V)
        V, velocity_V = textbook_step(before["V"], before["velocity_V"], grad_V, rule)
        assert_close(layer.V, V)
        assert_close(layer.velocity_V, velocity_V)
    else:
        assert_array_equal(after["V"], before["V"])
    assert_norms(layer, before, fired, after["velocity"])

    two.sgd_step(rule, 2)
    for name, value in two.state.items():
        assert_array_equal(value, after[name])


def assert_norms(layer, before, fired, velocity):
    """Norms are those of the last touch, and the path is longer by the change of the displacement."""
    displacement = layer.displacement.astype(np.float64)
    change = np.linalg.norm(displacement - before["displacement"], axis=1)
    tolerance = 3e-5 if layer.dtype == np.float32 else 1e-12
    expected = np.linalg.norm(displacement, axis=1), np.linalg.norm(velocity, axis=1), before["norms"][:, 2] + change
    assert_allclose(layer.norms[fired], np.transpose(expected)[fired], rtol=tolerance, atol=tolerance)
    assert_array_equal(layer.norms[~fired], before["norms"][~fired])


def test_sgd_step_pads_with_zeros():
    layer = Layer(5, 3, np.float32, longest_delay=4)
    layer.sgd_step(RULE, 1)
    for array, width in (layer.displacement, 5), (layer.velocity, 5), (layer.V, 3), (layer.velocity_V, 3):
        assert_array_equal(array[:, width:], 0)


@DTYPES
@FEATURES
@NESTEROV
def test_catch_up(n_features, dtype, nesterov):
    layer, two = (Layer(n_features, 1, dtype, longest_delay=9) for _ in "12")
    rule = RULE | {"nesterov": nesterov}
    pending = pending_matrices(10, rule)
    neurons = layer.rng.permutation(N_NEURONS)[:90]
    before = layer.state
    for each, n_threads in (layer, 1), (two, 2):
        catch_up(neurons, each.weights, each.momentum(pending), n_threads)
    listed = np.isin(np.arange(N_NEURONS), neurons)
    delay = np.where(listed, layer.delay, 0)
    u, velocity = silent_steps(before["displacement"] + layer.anchor, before["velocity"], delay, rule)
    assert_close(layer.displacement, u - layer.anchor)
    assert_close(layer.velocity, velocity)
    assert_array_equal(layer.touched, np.where(listed, layer.step, layer.step - layer.delay))
    assert_norms(layer, before, delay > 0, layer.velocity.astype(np.float64))
    for name, value in two.state.items():
        assert_array_equal(value, getattr(layer, name))


# Adam


@DTYPES
@OUTPUTS
@FEATURES
@pytest.mark.parametrize("trained_output", [True, False])
def test_adam_step(n_features, n_outputs, dtype, trained_output):
    layer, two = (Layer(n_features, n_outputs, dtype, trained_output=trained_output) for _ in "12")
    rule = ADAM_RULE
    before, (grad_W, grad_c, grad_V) = layer.state, layer.gradients()
    fired = layer.activations.any(axis=1)
    layer.adam_step(rule, 1)
    after = layer.state

    def lazy_adam(value, mean, square, gradient):
        mean = rule["momentum"] * mean + (1 - rule["momentum"]) * gradient
        square = rule["beta_2"] * square + (1 - rule["beta_2"]) * gradient**2
        return value - rule["rate"] * mean / (np.sqrt(square) + rule["epsilon"]), mean, square

    def assert_moved(names, new):
        for name, value in zip(names, new, strict=True):
            assert_close(getattr(layer, name)[fired], value[fired])
            assert_array_equal(after[name][~fired], before[name][~fired])

    grad_W += rule["penalty"] * (before["displacement"] + layer.anchor)
    names = "displacement", "mean", "square"
    assert_moved(names, lazy_adam(*(before[name] for name in names), grad_W))
    c_state = np.transpose(lazy_adam(*before["c_state"].T, grad_c))
    assert_moved(["c_state"], [c_state])
    if trained_output:
        names = "V", "mean_V", "square_V"
        grad_V += rule["penalty"] * (before["V"] - layer.start_V)
        assert_moved(names, lazy_adam(*(before[name] for name in names), grad_V))
    else:
        assert_array_equal(after["V"], before["V"])
    assert_norms(layer, before, fired, np.zeros((N_NEURONS, 1)))

    two.adam_step(rule, 2)
    for name, value in two.state.items():
        assert_array_equal(value, after[name])


# solvers: many lazy steps are the textbook's


def make_training(solver, dtype=np.float64, n_features=5, n_outputs=2, **settings):
    network = Network(unit_coordinates(n_features, dtype), 70, n_outputs, 1.0, True, 0, dtype)
    settings = {"train_output": True} | settings
    return network, solver(network, settings, 1)


def random_step(network, solver, rng, rate, penalty, n_rows=9, firing=0.05):
    """Let random pairs fire with random activations; return the dense gradients of W, c, V and v."""
    rows = aligned_zeros((n_rows, network.ld), network.dtype)
    rows[:, : network.n_features] = rng.standard_normal((n_rows, network.n_features))
    error = aligned_zeros((n_rows, network.ld_out), network.dtype)
    error[:, : network.n_outputs] = rng.standard_normal((n_rows, network.n_outputs))
    H = rng.random((network.n_neurons, n_rows)).astype(network.dtype) * (
        rng.random((network.n_neurons, n_rows)) < firing
    )
    H[-2:] = 0  # two neurons never fire
    grad_v = rng.standard_normal(network.n_outputs)
    signal = (network.V @ error.T) * (H > 0)
    solver.step(lists_of(H), rows, error, grad_v, rate, penalty)
    return H, (signal @ rows, signal.sum(axis=1), H @ error, grad_v)


@NESTEROV
@pytest.mark.parametrize("rebased", [False, True])
def test_momentum_is_the_textbooks(nesterov, rebased):
    network, solver = make_training(MomentumSGD, momentum=0.9, nesterovs_momentum=nesterov)
    rng = np.random.default_rng(0)
    start = [network.weights(0, 70), np.full(70, -1.0), network.V.copy(), np.zeros(2)]
    values, velocities = [p.copy() for p in start], [np.zeros_like(p) for p in start]
    for step in range(150):  # more than solvers let a neuron wait
        rule = {"rate": 0.02 + 0.05 * rng.random(), "momentum": 0.9, "nesterov": nesterov}
        penalty = 0.3 * rng.random()
        _, gradients = random_step(network, solver, rng, rule["rate"], penalty)
        for k, shrunk in enumerate((True, False, True, False)):  # intercepts are not penalised
            gradient = gradients[k] + shrunk * penalty * (values[k] - start[k])
            values[k], velocities[k] = textbook_step(values[k], velocities[k], gradient, rule)

        drift = np.linalg.norm(values[0] - network.reference(np.arange(70)), axis=1)
        assert np.all(drift <= solver.movement().drift * (1 + 1e-9))
        if step % 7 == 3:
            solver.catch_up(rng.permutation(70)[:9])
        if rebased and step in (20, 90):
            neurons = np.sort(rng.permutation(70)[:30])
            solver.catch_up(neurons)
            network.rebase(neurons)
            solver.rebased(neurons)
            assert_array_equal(solver.movement().drift[neurons], 0)
        assert_close(network.c_state[:, 0], values[1])
        assert_close(network.V, values[2])
        assert_close(network.v, values[3])
    assert solver.delay.max() > 0
    solver.catch_up()
    assert solver.delay.max() == 0
    assert_close(network.weights(0, 70), values[0], factor=10)
    assert_close(solver.velocity, velocities[0], factor=10)


@pytest.mark.parametrize("penalty", [0.0, 0.1])
def test_adam_is_lazy(penalty):
    network, solver = make_training(Adam, beta_1=0.9, beta_2=0.99, epsilon=1e-6)
    rng = np.random.default_rng(0)
    start = [network.weights(0, 70), np.full(70, -1.0), network.V.copy()]
    values = [p.copy() for p in start]
    means, squares = ([np.zeros_like(p) for p in start] for _ in "12")
    v, mean_v, square_v = (np.zeros(2) for _ in "123")
    for step in range(1, 40):
        H, gradients = random_step(network, solver, rng, 0.01, penalty)
        fired = H.any(axis=1)
        rate = 0.01 * np.sqrt(1 - 0.99**step) / (1 - 0.9**step)
        for k, shrunk in enumerate((True, False, True)):
            gradient = (gradients[k] + shrunk * penalty * (values[k] - start[k]))[fired]
            means[k][fired] = 0.9 * means[k][fired] + 0.1 * gradient
            squares[k][fired] = 0.99 * squares[k][fired] + 0.01 * gradient**2
            values[k][fired] -= rate * means[k][fired] / (np.sqrt(squares[k][fired]) + 1e-6)
        mean_v, square_v = 0.9 * mean_v + 0.1 * gradients[3], 0.99 * square_v + 0.01 * gradients[3] ** 2
        v -= rate * mean_v / (np.sqrt(square_v) + 1e-6)
        drift = np.linalg.norm(values[0] - start[0], axis=1)
        assert_allclose(solver.movement().drift, drift, rtol=1e-9, atol=1e-14)
        assert not solver.movement().pending.any()
    assert_close(network.weights(0, 70), values[0], factor=10)
    assert_close(network.c_state[:, 0], values[1], factor=10)
    assert_close(network.V, values[2], factor=10)
    assert_close(network.v, v, factor=10)


@DTYPES
@pytest.mark.parametrize(
    ("solver", "settings"),
    [
        (MomentumSGD, {"momentum": 0.9, "nesterovs_momentum": True}),
        (MomentumSGD, {"momentum": 0.0, "nesterovs_momentum": False}),
        (Adam, {"beta_1": 0.9, "beta_2": 0.99, "epsilon": 1e-6}),
    ],
)
def test_norms_follow_the_weights(solver, settings, dtype):
    network, solver = make_training(solver, dtype, n_features=33, **settings)
    rng = np.random.default_rng(0)
    path = np.zeros(70)
    tolerance = {"rtol": 1e-4, "atol": 1e-5} if dtype == np.float32 else {"rtol": 1e-10, "atol": 1e-12}
    for step in range(40):
        before = network.displacement.astype(np.float64)
        random_step(network, solver, rng, 0.05, 0.1)
        path += np.linalg.norm(network.displacement - before, axis=1)
        if step % 5 == 4:
            before = network.displacement.astype(np.float64)
            solver.catch_up()
            path += np.linalg.norm(network.displacement - before, axis=1)
        displacement = np.linalg.norm(network.displacement.astype(np.float64), axis=1)
        assert_allclose(solver.norms[:, 0], displacement, **tolerance)
        if isinstance(solver, MomentumSGD):
            assert_allclose(solver.norms[:, 1], np.linalg.norm(solver.velocity, axis=1), **tolerance)
        assert_allclose(solver.path(np.arange(70)), path, **tolerance)
        assert np.all(path >= displacement * (1 - 1e-5))


def test_measure():
    network, solver = make_training(Adam)
    network.displacement[:, :5] = np.arange(350).reshape(70, 5)
    solver.measure()
    assert_allclose(solver.movement().drift, np.linalg.norm(np.arange(350).reshape(70, 5), axis=1))
