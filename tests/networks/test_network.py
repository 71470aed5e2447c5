"""Coordinates, start, export and automatic step size of the network."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import quad
from scipy.stats import norm as normal

from helpers import fill_with_positive, unit_coordinates
from skfastnn._coordinates import Coordinates
from skfastnn.networks._known_network import KnownNetwork
from skfastnn.networks._network import Network, aligned_zeros, expected_square, padded_length, resolve_threshold
from skfastnn.networks._training_rows import TrainingRows
from skfastnn.passes.dense._forward import forward
from skfastnn.passes.shared._pairs import PairLists
from skfastnn.solvers._step_size import SGD_SHARE, adam_step_size, kernel_scale, sgd_step_size, tangent_kernel

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def normalise(X, coordinates):
    """Rows in the coordinates of the network, padded, and their norms."""
    rows = TrainingRows(X, coordinates, padded_length(max(X.shape[1], 2), X.dtype), 1)
    return rows.gather(np.arange(X.shape[0], dtype=np.int32), *rows.buffers(X.shape[0]))


def make_network(X, n_neurons=50, n_outputs=3, threshold=1.0, antisymmetric=True, seed=0):
    coordinates = Coordinates.from_data(X, np.ones(X.shape[0], X.dtype))
    return Network(coordinates, n_neurons, n_outputs, threshold, antisymmetric, seed, X.dtype)


def trained(network, seed=1):
    """Move all parameters, the reference of half of the neurons and the target's units."""
    rng = np.random.default_rng(seed)
    m, d, k = network.n_neurons, network.n_features, network.n_outputs
    network.displacement[:, :d] += rng.standard_normal((m, d))
    network.rebase(np.arange(0, m, 2))
    network.displacement[:, :d] += 0.3 * rng.standard_normal((m, d))
    network.c_state[:, 0] += 0.3 * rng.standard_normal(m)
    network.V[:, :k] += 0.3 * rng.standard_normal((m, k))
    network.v += rng.standard_normal(k).astype(network.dtype)
    network.target_shift, network.target_scale = 5 * rng.standard_normal(k), 1 + rng.random(k)
    return network


def flat(network):
    coefs, intercepts = network.export()
    return coefs + intercepts


# small functions


@pytest.mark.parametrize(
    ("n", "dtype", "expected"),
    [(1, np.float32, 1), (2, np.float32, 16), (16, np.float32, 16), (17, np.float32, 32), (1, np.float64, 1),
     (2, np.float64, 8), (8, np.float64, 8), (9, np.float64, 16), (784, np.float32, 784), (100, np.float64, 104)],
)  # fmt: skip
def test_padded_length(n, dtype, expected):
    assert padded_length(n, dtype) == expected


@DTYPES
@pytest.mark.parametrize("shape", [(0, 16), (1, 1), (3, 5), (7,)])
def test_aligned_zeros(shape, dtype):
    array = aligned_zeros(shape, dtype)
    assert (array.shape, array.dtype, array.any()) == (shape, dtype, False)
    assert array.size == 0 or array.ctypes.data % 64 == 0
    assert array.flags.c_contiguous
    assert array.flags.writeable


def test_resolve_threshold():
    assert resolve_threshold(1, 4096) == 1.0
    assert resolve_threshold(0.25, 4096) == 0.25
    for m in 1, 64, 4096:  # the threshold above which a standard normal variable is m^(-1/5) or less, by Chernoff
        assert np.exp(-(resolve_threshold("auto", m) ** 2) / 2) == pytest.approx(m**-0.2)


@pytest.mark.parametrize("threshold", [0.0, 0.5, 1.82, 3.0, 6.0])
def test_expected_square(threshold):
    expected = quad(lambda g: (g - threshold) ** 2 * normal.pdf(g), threshold, threshold + 12, epsabs=0)[0]
    assert expected_square(threshold) == pytest.approx(expected, rel=1e-6)


# coordinates


@DTYPES
def test_coordinates_are_weighted(dtype):
    rng = np.random.default_rng(0)
    X = (3 + rng.standard_normal((5000, 4)) * [1, 10, 0.1, 0]).astype(dtype)
    weight = rng.integers(0, 4, 5000)
    copies = np.repeat(X.astype(np.float64), weight, axis=0)
    coordinates = Coordinates.from_data(X, weight.astype(dtype))
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    assert_allclose(coordinates.mean, copies.mean(axis=0), rtol=tolerance)
    assert coordinates.mean.dtype == dtype
    expected = np.sqrt(((copies - copies.mean(axis=0)) ** 2).sum(axis=1).mean())
    assert coordinates.scale == pytest.approx(expected, rel=tolerance)
    rows, norms = normalise(X, coordinates)
    assert_allclose(np.average(rows[:, :4], axis=0, weights=weight), 0, atol=tolerance)
    assert np.average(norms.astype(np.float64) ** 2, weights=weight) == pytest.approx(1, rel=10 * tolerance)


@DTYPES
@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_coordinates_absorb_units(factor, dtype):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 3)).astype(dtype)
    rows, _ = normalise(X, Coordinates.from_data(X, np.ones(200, dtype)))
    scaled = (factor * X).astype(dtype)
    rows_scaled, _ = normalise(scaled, Coordinates.from_data(scaled, np.ones(200, dtype)))
    assert_allclose(rows_scaled, rows, atol=1e-5)


@DTYPES
@pytest.mark.parametrize("n_samples", [1, 7, 1000])
@pytest.mark.parametrize("value", [3.0, 12345.678, 1e-3])
def test_constant_data(n_samples, value, dtype):
    """Without any spread there is nothing to centre: rows keep their direction, and have norm one."""
    X = np.full((n_samples, 3), value, dtype=dtype)
    coordinates = Coordinates.from_data(X, np.ones(n_samples, dtype))
    assert_array_equal(coordinates.mean, 0)
    assert coordinates.scale == pytest.approx(np.sqrt(3) * value, rel=1e-5)
    assert_allclose(normalise(X, coordinates)[1], 1, rtol=1e-5)


def test_zero_data():
    coordinates = Coordinates.from_data(np.zeros((5, 3)), np.ones(5))
    assert coordinates.scale == 1
    assert_array_equal(normalise(np.zeros((5, 3)), coordinates)[0], 0)


def test_huge_offset_in_float32():
    rng = np.random.default_rng(0)
    X = (1e4 + rng.standard_normal((3000, 8))).astype(np.float32)
    coordinates = Coordinates.from_data(X, np.ones(3000, np.float32))
    rows, norms = normalise(X, coordinates)
    # numbers near 10,000 lie 0.001 apart
    assert_allclose(rows.mean(axis=0), 0, atol=2e-3)
    assert np.mean(norms**2) == pytest.approx(1, rel=1e-2)
    assert coordinates.scale == pytest.approx(np.sqrt(8), rel=2e-2)


# start


@DTYPES
@pytest.mark.parametrize("n_neurons", [2, 3, 50, 131, 3000, 3001])
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_output_is_zero_at_the_start(n_neurons, n_outputs, dtype):
    X = np.random.default_rng(0).standard_normal((20, 5)).astype(dtype)
    network = make_network(X, n_neurons, n_outputs, threshold=0.5)
    rows, _ = normalise(X, network.coordinates)
    atol = 1e-5 if dtype == np.float32 else 1e-13
    assert_allclose(network.raw_output(rows), 0, atol=atol)
    # the compiled forward pass, on all pairs
    pairs, fired = PairLists(n_neurons, dtype), PairLists(n_neurons, dtype)
    fill_with_positive(pairs, np.ones((n_neurons, 20), dtype))
    buffers = np.empty((pairs.n_blocks, 20, network.ld_out), dtype)
    forward(pairs, fired, network.arrays, rows, buffers, 1)
    assert fired.total > 0
    assert_allclose(network.output_scale * buffers[0], 0, atol=atol)


def test_random_start():
    X = np.random.default_rng(0).standard_normal((20, 5))
    network = make_network(X, 40, antisymmetric=False)
    assert_array_equal(np.abs(network.V[:, :3]), 1)
    assert np.unique(network.start[:, :5]).size == 200  # nothing is shared
    assert np.abs(network.raw_output(normalise(X, network.coordinates)[0])).max() > 0.1


@pytest.mark.parametrize("antisymmetric", [False, True])
@pytest.mark.parametrize("threshold", [0.0, 1.5])
def test_variance_at_the_start(antisymmetric, threshold):
    """Pre-activations have unit variance over the data, and outputs with random signs too, whatever the units."""
    rng = np.random.default_rng(0)
    X = -70 + rng.standard_normal((300, 12)) * np.geomspace(0.01, 30, 12)
    network = make_network(X, 8192, 400, threshold, antisymmetric)
    rows, norms = normalise(X, network.coordinates)
    Z = rows @ network.weights(0, 8192).T
    assert np.mean(Z**2) == pytest.approx(1, rel=0.05)
    assert_allclose(np.mean(Z**2, axis=1), norms**2, rtol=0.15)
    assert_array_equal(network.c_state[:, 0], -threshold)
    if not antisymmetric:
        rows /= norms[:, None]  # rows of norm one have standard normal pre-activations
        assert np.mean(network.raw_output(rows) ** 2) == pytest.approx(1, rel=0.1)


@DTYPES
@pytest.mark.parametrize("antisymmetric", [False, True])
def test_draw_does_not_depend_on_data_or_dtype(antisymmetric, dtype):
    rng = np.random.default_rng(0)
    arguments = 2500, 3, 1.0, antisymmetric, 7
    reference = Network(unit_coordinates(5), *arguments, np.float64)
    X = (100 * rng.standard_normal((20, 5))).astype(dtype)
    network = Network(Coordinates.from_data(X, np.ones(20, dtype)), *arguments, dtype)
    for name, width in ("start", 5), ("V", 3):
        expected, actual = getattr(reference, name), getattr(network, name)
        assert actual.dtype == dtype
        assert_array_equal(actual[:, :width], expected[:, :width].astype(dtype))
        assert_array_equal(actual[:, width:], 0)
    other = Network(unit_coordinates(5), *arguments[:-1], 8, np.float64)
    assert not np.any(other.start[:, :5] == reference.start[:, :5])


# export


@DTYPES
@pytest.mark.parametrize("n_neurons", [1, 51, 2100])
@pytest.mark.parametrize("antisymmetric", [False, True])
def test_export_is_an_ordinary_network(n_neurons, antisymmetric, dtype):
    rng = np.random.default_rng(0)
    X = (3 + 2 * rng.standard_normal((40, 5))).astype(dtype)
    network = trained(make_network(X, n_neurons, antisymmetric=antisymmetric))
    (W, V), (c, v) = network.export()
    assert [a.shape for a in (W, V, c, v)] == [(5, n_neurons), (n_neurons, 3), (n_neurons,), (3,)]
    assert {a.dtype for a in (W, V, c, v)} == {np.dtype(dtype)}
    new = (3 + 2 * rng.standard_normal((25, 5))).astype(dtype)
    expected = network.raw_output(normalise(new, network.coordinates)[0]) * network.target_scale + network.target_shift
    assert_allclose(np.maximum(new @ W + c, 0) @ V + v, expected, atol=1e-3 if dtype == np.float32 else 1e-11)


@DTYPES
@pytest.mark.parametrize("antisymmetric", [False, True])
def test_export_and_load(antisymmetric, dtype):
    X = (3 + np.random.default_rng(0).standard_normal((40, 5))).astype(dtype)
    network = trained(make_network(X, 2100, antisymmetric=antisymmetric))
    again = make_network(X, 2100, antisymmetric=antisymmetric)
    again.target_shift, again.target_scale = network.target_shift, network.target_scale
    again.load(*network.export())
    tolerance = {"rtol": 0, "atol": 1e-4 if dtype == np.float32 else 1e-12}
    assert_allclose(again.weights(0, 2100), network.weights(0, 2100), **tolerance)
    assert_allclose(again.c_state[:, 0], network.c_state[:, 0], **tolerance)
    assert_allclose(again.V, network.V, **tolerance)
    assert_allclose(again.v, network.v, **tolerance)
    for ours, theirs in zip(flat(again), flat(network), strict=True):
        assert_allclose(ours, theirs, **tolerance)
    # what the penalty pulls towards is the draw, not what was loaded
    assert_array_equal(again.start, network.start)
    assert_array_equal(again.start_V, network.start_V)
    assert not again.anchored.any()


def test_rebase_keeps_the_weights():
    network = make_network(np.random.default_rng(0).standard_normal((40, 5)))
    network.displacement[:, :5] = 1.5
    before = network.weights(0, 50)
    network.rebase(np.array([3, 4, 40]))
    assert_allclose(network.weights(0, 50), before, rtol=1e-15)
    assert_allclose(network.reference(np.array([3, 40])), before[[3, 40]], rtol=1e-15)
    for first, last in (0, 50), (3, 4), (3, 40), (4, 41), (41, 50):
        assert_array_equal(network.references(first, last), network.reference(np.arange(first, last)))
    assert_array_equal(np.flatnonzero(network.anchored), [3, 4, 40])
    assert_array_equal(np.flatnonzero(~network.displacement[:, 0].astype(bool)), [3, 4, 40])


def test_draws_that_are_known_are_taken_where_they_fit():
    arguments = 3, 1.0, True, 0
    drawn = Network(unit_coordinates(5), 50, *arguments, np.float64)
    known = KnownNetwork(drawn.start, unit_coordinates(5), 50, *arguments, np.float64)
    assert known.start is drawn.start
    assert_array_equal(known.weights(0, 50), drawn.weights(0, 50))
    assert_array_equal(known.V, drawn.V)
    for n_features, n_neurons, dtype in (5, 48, np.float64), (5, 50, np.float32), (9, 50, np.float64):
        plain = Network(unit_coordinates(n_features, dtype), n_neurons, *arguments, dtype)
        other = KnownNetwork(drawn.start, unit_coordinates(n_features, dtype), n_neurons, *arguments, dtype)
        assert_array_equal(other.start, plain.start)


# step size


def jacobian(network, rows):
    """Derivative of the raw output by all parameters, (n_rows, n_outputs, n_parameters), by central differences.

    The output is linear in each single parameter between the kinks, so that differences are exact up to rounding.
    """
    parameters = [
        network.displacement[:, : network.n_features], network.c_state[:, 0], network.V[:, : network.n_outputs],
        network.v,
    ]  # fmt: skip
    columns, h = [], 1e-6
    for array in parameters:
        for index in np.ndindex(array.shape):
            value, outputs = array[index], []
            for shifted in value - h, value + h:
                array[index] = shifted
                outputs.append(network.raw_output(rows))
            array[index] = value
            columns.append((outputs[1] - outputs[0]) / (2 * h))
    return np.stack(columns, axis=-1)


@pytest.mark.parametrize("antisymmetric", [False, True])
@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("n_neurons", [13, 1100])
def test_tangent_kernel(antisymmetric, n_outputs, n_neurons):
    X = np.random.default_rng(0).standard_normal((6, 2))
    network = make_network(X, n_neurons, n_outputs, 0.3, antisymmetric)
    rows, _ = normalise(X, network.coordinates)
    kernel = tangent_kernel(rows, network)
    J = jacobian(network, rows)
    assert_allclose(kernel, np.einsum("ikp,jkp->ij", J, J) / n_outputs, rtol=1e-6)


@pytest.mark.parametrize("curvature", [0.25, 1.0])
@pytest.mark.parametrize("alpha", [0.0, 3.0])
def test_sgd_step_size(curvature, alpha):
    """The step is a share of that at which gradient descent solves the stiffest direction at once."""
    rng = np.random.default_rng(0)
    J, weight = rng.standard_normal((20, 50)), rng.random(20)
    hessian = curvature * (J.T * weight) @ J + alpha * np.eye(50)
    stiffest = np.linalg.eigvalsh(hessian / weight.sum())[-1]
    diagonal = (J**2).sum(axis=1)  # of a batch, rows that are far from the others count more
    single = curvature * (weight @ diagonal**2) / (weight @ diagonal) / weight.sum()
    step = sgd_step_size(*kernel_scale(J @ J.T, weight), curvature, weight.sum(), alpha)
    assert step == pytest.approx(SGD_SHARE / (stiffest + single))


def test_sgd_step_size_counts_single_rows_of_small_batches():
    kernel, weight = np.eye(20), np.ones(20)
    assert sgd_step_size(*kernel_scale(kernel, weight), 1.0, 10.0, 0.0) == pytest.approx(SGD_SHARE / (1 / 20 + 1 / 10))
    # weights count only relative to those of a batch
    assert sgd_step_size(*kernel_scale(kernel, 3 * weight), 1.0, 30.0, 0.0) == pytest.approx(
        SGD_SHARE / (1 / 20 + 1 / 30)
    )


@pytest.mark.parametrize("threshold", [0.5, "auto"])
def test_adam_step_size(threshold):
    """The first step, of equal length in all weights and in the direction that helps, changes an output as asked."""
    X = np.random.default_rng(0).standard_normal((50, 60))
    for n_neurons in 1000, 4000:
        network = make_network(X, n_neurons, threshold=resolve_threshold(threshold, n_neurons))
        rows, _ = normalise(X, network.coordinates)
        weight = np.arange(50.0)
        step = adam_step_size(rows, weight, network, 0.35)
        fires = rows @ network.weights(0, n_neurons).T + network.c_state[:, 0] > 0
        change = network.output_scale * fires.sum(axis=1) * np.abs(rows * step).sum(axis=1)
        assert np.average(change, weights=weight) == pytest.approx(0.35, rel=0.2)
