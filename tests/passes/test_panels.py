"""Networks in panels, for sparse rows: passes and solvers against plain NumPy and the neuron-major passes."""

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from helpers import BOTH, SOLVERS, estimator, words
from layers import PanelLayer
from skfastnn import FastReLUClassifier
from skfastnn._coordinates import Coordinates
from skfastnn.networks._network import Network
from skfastnn.networks._panel_network import PANEL, PanelNetwork
from skfastnn.networks._training_rows import by_feature, entries
from skfastnn.passes.panels._panel_layer import (
    PANEL_SIZE,
    BasisChange,
    PanelMoments,
    change_basis,
    panel_adam_step,
    panel_forward,
    panel_sgd_step,
)
from skfastnn.passes.panels._panel_tangent import PanelJacobian
from skfastnn.passes.shared._by_feature import FeatureLists, rows_by_feature
from skfastnn.passes.shared._gram import gram
from skfastnn.passes.shared._jacobian import Change
from skfastnn.passes.shared._pairs import PairLists
from skfastnn.solvers import _sparse_first_order
from skfastnn.solvers._tiled_gram import tiled_gram

ADAM_PARAMETERS = {"rate": 0.1, "momentum": 0.9, "beta_2": 0.99, "epsilon": 0.01, "penalty": 0.0}
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def coordinates_for(X):
    return Coordinates.from_data(X, np.ones(X.shape[0], X.dtype))


def make_networks(X, n_neurons=150, antisymmetric=True):
    arguments = (coordinates_for(X), n_neurons, 3, 0.7, antisymmetric, 5, X.dtype)
    return Network(*arguments), PanelNetwork(*arguments)


def test_the_size_of_a_panel_is_the_same_in_both_places():
    assert PANEL == PANEL_SIZE


@DTYPES
@pytest.mark.parametrize("n_start", [32, 64])
@pytest.mark.parametrize("n_neurons", [1, 64, 150, 1100])
def test_forward(dtype, n_start, n_neurons):
    example = PanelLayer(dtype, n_neurons, n_start=n_start)
    indptr, rows, values = example.fired(n_threads=2).to_csr()
    Z = example.pre_activations()
    found = np.zeros_like(Z)
    found[np.repeat(np.arange(n_neurons), np.diff(indptr)), rows] = values
    assert_allclose(found, np.maximum(Z, 0), atol=20 * example.tolerance)


@DTYPES
def test_forward_without_second_numbers_and_start(dtype):
    example = PanelLayer(dtype)
    pairs = PairLists(example.n_neurons, dtype)
    panel_forward(pairs, example.weights(example.nothing, example.nothing, (1.0, 0.0)), example.lists, 1)
    Z = example.by_neuron(example.first) @ example.X.T.astype(np.float64) + example.c_state[:, :1]
    assert_array_equal(pairs.counts(), (Z > 0).sum(axis=1))
    assert_allclose(pairs.to_csr()[2], Z[Z > 0], rtol=100 * example.tolerance, atol=20 * example.tolerance)


@DTYPES
@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("changed", [False, True])
def test_sgd_step(dtype, frozen, changed):
    example = PanelLayer(dtype)
    pairs, (grad_w, grad_c, grad_v) = example.fired(), example.gradients()
    first, second = example.by_neuron(example.first), example.by_neuron(example.second)
    c, V, velocity = example.c_state.astype(float), example.V.astype(float), example.first_V.astype(float)
    parameters = {"rate": 0.1, "momentum": 0.8, "nesterov": False, "penalty": 0.3}
    T, after, change = np.eye(2), np.array([[1.0, 2.0], [3.0, 4.0]]), np.zeros((0, 0), dtype)
    if changed:  # to another basis, before the gradient
        change = np.array([[0.5, -2.0], [3.0, 0.25]], dtype)
        first, second = 0.5 * first - 2 * second, 3 * first + 0.25 * second
    panel_sgd_step(
        pairs, example.lists, example.error, example.weights(example.start, example.second, (0.5, -2.0)),
        example.first_V[:0] if frozen else example.first_V, BasisChange(T, after, change, (-0.2, 3.0)), parameters, 2,
    )  # fmt: skip
    assert_array_equal(T, after)
    close = {"atol": 100 * example.tolerance}
    assert_allclose(example.by_neuron(example.first), first - 0.2 * grad_w, **close)
    assert_allclose(example.by_neuron(example.second), second + 3.0 * grad_w, **close)
    assert_allclose(example.c_state[:, 0], c[:, 0] + 0.8 * c[:, 1] - 0.1 * grad_c, **close)
    if frozen:
        assert_array_equal(example.V, V.astype(dtype))
    else:
        expected = V + 0.8 * velocity - 0.1 * (grad_v + 0.3 * (V - example.start_V))
        assert_allclose(example.V, expected, **close)


@DTYPES
@pytest.mark.parametrize("n_start", [0, 32, 64])
def test_adam_step(dtype, n_start):
    example = PanelLayer(dtype, n_start=n_start or 32)
    pairs, (grad_w, _, grad_v) = example.fired(), example.gradients()
    names = ("first", "mean", "square")
    w, mean, square = (example.by_neuron(getattr(example, name)) for name in names)
    penalty = 0.3 if n_start else 0.0
    start = example.start if n_start else example.nothing
    g = grad_w + penalty * (w - example.by_neuron(example.start))
    fires = (example.pre_activations() > 0).any(axis=1)
    V = example.V.astype(float)
    g_v = grad_v + penalty * (V - example.start_V)
    mean_v, square_v = 0.9 * example.first_V + 0.1 * g_v, 0.99 * example.second_V + 0.01 * g_v**2
    parameters = {"rate": 0.1, "momentum": 0.9, "beta_2": 0.99, "epsilon": 0.01, "penalty": penalty}
    panel_adam_step(
        pairs, example.lists, example.error, example.weights(example.nothing, example.nothing, (1.0, 0.0)),
        PanelMoments(start, example.mean, example.square, example.first_V, example.second_V), parameters, 2,
    )  # fmt: skip
    new_mean, new_square = 0.9 * mean + 0.1 * g, 0.99 * square + 0.01 * g**2
    moved = w - 0.1 * new_mean / (np.sqrt(new_square) + 0.01)
    close = {"atol": 100 * example.tolerance, "rtol": 100 * example.tolerance}
    touched = np.abs(grad_w) > 0
    assert 0.05 < touched.mean() < 0.95
    for name, new, old in zip(names, (moved, new_mean, new_square), (w, mean, square), strict=True):
        assert_allclose(example.by_neuron(getattr(example, name)), np.where(touched, new, old), **close)
    expected = V - 0.1 * mean_v / (np.sqrt(square_v) + 0.01)
    assert_allclose(example.V, np.where(fires[:, None], expected, V), **close)


@pytest.mark.parametrize(("epsilon", "largest"), [(1e-30, 0.2), (1e-8, 1e-9)])
def test_adam_keeps_second_moments_that_count_beside_epsilon(epsilon, largest):
    """Gradients of 1e-18 have squares of no full precision: steps are those of Adam all the same."""
    example = PanelLayer(np.float32)
    pairs, before = example.fired(), example.first.copy()
    example.mean[...] = example.square[...] = 0
    parameters = {"rate": 0.1, "momentum": 0.9, "beta_2": 0.99, "epsilon": epsilon, "penalty": 0.0}
    moments = PanelMoments(example.nothing, example.mean, example.square, example.first_V, example.second_V)
    weights = example.weights(example.nothing, example.nothing, (1.0, 0.0))
    panel_adam_step(pairs, example.lists, np.float32(1e-18) * example.error, weights, moments, parameters, 1)
    assert 0 < np.quantile(np.abs(example.mean[example.mean != 0]), 0.5) < 1e-18
    assert np.quantile(np.abs(example.first - before), 0.99) < largest


class Jacobian:
    """That of an `PanelLayer`, as dense NumPy arrays: by weights, intercepts and output weights."""

    def __init__(self, example):
        Z = example.pre_activations()
        self.fires, self.H = (Z > 0).astype(float), np.maximum(Z, 0)
        self.X, self.V = example.X.toarray().astype(float), example.V.astype(float)

    def times(self, W, c, V):
        return (self.fires * (W @ self.X.T + c)).T @ self.V + self.H.T @ V

    def transposed(self, u):
        signals = self.fires * (self.V @ u.T)
        return signals @ self.X, signals.sum(axis=1), self.H @ u


def panels_of(example, by_neuron):
    """(n_panels, n_features, 64) of (n_neurons, n_features)."""
    n_panels = -(-example.n_neurons // PANEL)
    padded = np.zeros((n_panels * PANEL, by_neuron.shape[1]), example.dtype)
    padded[: example.n_neurons] = by_neuron
    panels = padded.reshape(n_panels, PANEL, -1)[:, example.order]
    return np.ascontiguousarray(panels.transpose(0, 2, 1))


@DTYPES
@pytest.mark.parametrize("n_neurons", [1, 150, 1100])
def test_products_with_the_jacobian(dtype, n_neurons):
    example = PanelLayer(dtype, n_neurons)
    jacobian, pairs = Jacobian(example), example.fired(n_threads=2)
    n_rows = example.X.shape[0]
    buffers = np.full((pairs.n_blocks, n_rows, 16), np.nan, dtype)
    rng = np.random.default_rng(1)
    W, c, V = (rng.standard_normal((n_neurons, k)).astype(dtype) for k in (40, 1, 16))
    u = rng.standard_normal((n_rows, 16)).astype(dtype)
    close = {"rtol": 1e3 * example.tolerance, "atol": 1e3 * example.tolerance}

    compiled = PanelJacobian(pairs, example.lists, example.order, example.V, u, buffers)
    change_w, change_c, change_v = panels_of(example, W), c.copy(), V.copy()
    change = Change(change_w, change_c, change_v)
    compiled.times(change, 2)
    assert_allclose(buffers[0], jacobian.times(W, c, V), **close)

    compiled.transposed(change, 2)
    expected_w, expected_c, expected_v = jacobian.transposed(u)
    assert_allclose(example.by_neuron(change_w), expected_w, **close)
    assert_allclose(change_c[:, 0], expected_c, **close)
    assert_allclose(change_v, expected_v, **close)

    for with_output in (True, False):
        compiled.gram(with_output, 2)
        expected = jacobian.times(expected_w, expected_c[:, None], with_output * expected_v)
        assert_allclose(buffers[0], expected, rtol=1e4 * example.tolerance, atol=1e4 * example.tolerance)


@DTYPES
def test_the_gram_matrix_takes_inner_products_that_are_known(dtype):
    example = PanelLayer(dtype)
    pairs, rng = example.fired(), np.random.default_rng(0)
    X = rng.standard_normal((23, 16)).astype(dtype)
    weight, nothing = rng.random(150).astype(dtype), np.zeros((0, 0), dtype)
    index = np.array([3, 20], dtype=np.int32)
    for compute, rows in (
        (lambda X, K: gram(pairs, X, weight, 0.5, True, K, 2), slice(None)),
        (lambda X, K: tiled_gram(pairs, X, weight, 0.5, True, K, 1), slice(None)),
        (lambda X, K: gram(pairs, X, weight, 0.5, True, K, 2, index), index),
    ):
        expected = np.zeros_like(X[rows] @ X.T)
        compute(X, expected)
        K = X[rows] @ X.T
        compute(nothing, K)
        if K.shape[0] == K.shape[1]:
            K, expected = np.tril(K), np.tril(expected)
        assert_allclose(K, expected, rtol=10 * example.tolerance)


@pytest.mark.parametrize("n_threads", [1, 2])
@DTYPES
def test_another_basis_multiplies_all_pairs_by_a_matrix(dtype, n_threads):
    example = PanelLayer(dtype)
    change = np.array([[0.5, -2.0], [3.0, 0.25]], dtype)
    first, second = np.einsum("ij,jpfk->ipfk", change, [example.first, example.second])
    T, basis = np.eye(2), np.array([[1.0, 2.0], [3.0, 4.0]])
    change_basis(example.weights(example.start, example.second, (1, 1)), BasisChange(T, basis, change), n_threads)
    assert_array_equal(T, basis)
    assert_allclose(example.first, first, rtol=example.tolerance, atol=example.tolerance)
    assert_allclose(example.second, second, rtol=example.tolerance, atol=example.tolerance)
    alone = example.weights(example.start, example.nothing, (1, 0))
    change_basis(alone, BasisChange(T, basis, change[:1, :1]), n_threads)
    assert_allclose(example.first, first / 2, rtol=example.tolerance, atol=example.tolerance)


def test_arrays_that_do_not_fit_are_refused():
    example = PanelLayer(np.float64)
    weights = example.weights(example.start, example.nothing, (1.0, 0.0))
    with pytest.raises(ValueError, match="as many rows"):
        change_basis(weights, BasisChange(np.eye(2), np.eye(2), np.eye(2)), 1)
    with pytest.raises(ValueError, match="T must be"):
        BasisChange(np.eye(3), np.eye(2), np.eye(2))
    with pytest.raises(ValueError, match="second must be"):
        example.weights(example.start, example.second[:, 1:].copy(), (1.0, 1.0))
    with pytest.raises(ValueError, match="c_state must be"):
        panel_forward(PairLists(1000, np.float64), weights, example.lists, 1)
    moments = PanelMoments(example.nothing, example.mean, example.square, example.first_V, example.second_V)
    with pytest.raises(ValueError, match="in one array"):
        panel_adam_step(example.fired(), example.lists, example.error, weights, moments, ADAM_PARAMETERS, 1)


@DTYPES
@pytest.mark.parametrize("antisymmetric", [False, True])
@pytest.mark.parametrize("n_neurons", [1, 63, 64, 65, 150])
def test_the_layout_does_not_change_the_network(dtype, antisymmetric, n_neurons):
    X = words()[0].astype(dtype)
    plain, panels = make_networks(X, n_neurons, antisymmetric)
    for first, last in ((0, n_neurons), (n_neurons // 2, n_neurons)):
        assert_array_equal(panels.weights(first, last), plain.weights(first, last)[:, :60])
    assert_allclose(panels.start_c, plain.start_c, rtol=1e-5)
    for ours, theirs in zip(itertools.chain(*panels.export()), itertools.chain(*plain.export()), strict=True):
        assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@DTYPES
def test_export_and_load(dtype):
    X = words()[0].astype(dtype)
    _, network = make_networks(X)
    rng = np.random.default_rng(0)
    network.first[...] = rng.standard_normal(network.first.shape)
    network.second = rng.standard_normal(network.first.shape).astype(dtype)
    network.factors = 0.5, 2.0
    coefs, intercepts = network.export()
    rows = sparse.csr_array(X) / network.coordinates.scale
    H = np.maximum(X @ coefs[0] + intercepts[0], 0)
    tolerance = 1e-4 if dtype == np.float32 else 1e-11
    assert_allclose(network.raw_output(rows), H @ coefs[1] + intercepts[1], rtol=tolerance, atol=tolerance)
    _, other = make_networks(X)
    other.load(coefs, intercepts)
    assert_allclose(other.weights(0, 150), network.weights(0, 150), atol=tolerance)
    network.settle()
    assert_allclose(network.export()[0][0], coefs[0], rtol=tolerance, atol=tolerance)


TRAINING = {
    "nesterov": {},
    "classical": {"nesterovs_momentum": False, "alpha": 0.1},
    "plain": {"momentum": 0.0, "alpha": 1.0},
    "little momentum": {"momentum": 0.01},
    "complex eigenvalues": {"momentum": 0.9, "alpha": 10.0},
    "falling rate": {"learning_rate": "invscaling", "alpha": 1.0},
    "random start": {"init": "random"},
    "frozen output": {"train_output": False},
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@BOTH
@SOLVERS
@pytest.mark.parametrize("case", TRAINING)
def test_panels_train_as_every_other_engine_does(Estimator, solver, case):
    """The same trajectory as neuron by neuron, with a tree, over 30 epochs."""
    X, y = words()
    weight = np.random.default_rng(1).integers(0, 4, y.size)
    common = {"max_iter": 30, "tol": 0.0, "n_iter_no_change": np.inf, **TRAINING[case]}
    tree = estimator(Estimator, solver, search="correlation_tree", **common).fit(X, y, weight)
    panels = estimator(Estimator, solver, **common).fit(sparse.csr_array(X), y, weight)
    assert (tree.search_, panels.search_) == ("correlation_tree", "dense")
    assert_allclose(panels.loss_curve_, tree.loss_curve_, rtol=1e-8)
    assert_allclose(panels.firing_curve_, tree.firing_curve_, rtol=1e-12)
    assert_allclose(panels.coefs_[0], tree.coefs_[0], rtol=1e-6, atol=1e-9)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@BOTH
@pytest.mark.parametrize(
    "case", [{}, {"alpha": "loo"}, {"init": "random"}, {"threshold": 0.0}, {"train_output": False}, {"batch_size": 30}]
)
@pytest.mark.usefixtures("solved_to_the_end")
def test_gauss_newton_in_panels_is_that_of_every_other_layout(Estimator, case):
    X, y = words()
    weight = np.random.default_rng(1).integers(0, 4, y.size)
    tree = estimator(Estimator, "gauss_newton", search="correlation_tree", max_iter=3, tol=0.0, **case)
    panels = estimator(Estimator, "gauss_newton", max_iter=3, tol=0.0, **case)
    tree.fit(X, y, weight)
    panels.fit(sparse.csr_array(X), y, weight)
    assert (tree.search_, panels.search_) == ("correlation_tree", "dense")
    assert panels.alpha_ == tree.alpha_
    assert_allclose(panels.loss_curve_, tree.loss_curve_, rtol=1e-6)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.usefixtures("solved_to_the_end")
def test_gauss_newton_with_landmarks_takes_sparse_rows(monkeypatch):
    monkeypatch.setattr("skfastnn.solvers._gauss_newton.MAX_ROWS", 50)
    monkeypatch.setattr("skfastnn.solvers._gauss_newton.N_LANDMARKS", 20)
    X, y = words()
    tree = estimator(FastReLUClassifier, "gauss_newton", search="correlation_tree", max_iter=1).fit(X, y)
    panels = estimator(FastReLUClassifier, "gauss_newton", max_iter=1).fit(sparse.csr_array(X), y)
    assert_allclose(panels.loss_curve_, tree.loss_curve_, rtol=1e-8)


@settings(deadline=None, max_examples=20)
@given(
    momentum=st.floats(0, 0.99), nesterov=st.booleans(), alpha=st.sampled_from([0.0, 1e-3, 1.0, 100.0]),
    rate=st.floats(1e-3, 1.0),
)  # fmt: skip
def test_momentum_is_exact_for_any_setting(momentum, nesterov, alpha, rate):
    X, y = words(60)
    common = {
        "momentum": momentum, "nesterovs_momentum": nesterov, "alpha": alpha, "learning_rate_init": rate,
        "max_iter": 15, "tol": 0.0, "n_iter_no_change": np.inf,
    }  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # divergence is one outcome
        tree = estimator(FastReLUClassifier, "sgd", search="correlation_tree", **common).fit(X, y)
        panels = estimator(FastReLUClassifier, "sgd", **common).fit(sparse.csr_array(X), y)
    assert_allclose(panels.loss_curve_, tree.loss_curve_, rtol=1e-6)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@SOLVERS
def test_going_on_keeps_the_momentum(solver):
    """Epochs by partial_fit are those of the network that is not laid out in panels."""
    X, y = words()
    S = sparse.csr_array(X)
    tree, panels = (
        estimator(FastReLUClassifier, solver, search="correlation_tree"),
        estimator(FastReLUClassifier, solver),
    )
    for _ in range(5):
        tree.partial_fit(X, y, classes=np.unique(y))
        panels.partial_fit(S, y, classes=np.unique(y))
    assert_allclose(panels.coefs_[0], tree.coefs_[0], rtol=1e-8, atol=1e-10)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@SOLVERS
@pytest.mark.parametrize("searches", [("correlation_tree", "dense"), ("dense", "correlation_tree")])
def test_the_layout_may_change_between_two_calls(solver, searches):
    """Weights are taken over; the momentum of another layout is not."""
    X, y = words()
    clf = estimator(FastReLUClassifier, solver)
    losses = []
    for search in searches:
        clf.set_params(search=search).partial_fit(sparse.csr_array(X), y, classes=np.unique(y))
        losses.append(clf.loss_curve_[-1])
    assert losses[1] < losses[0]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@SOLVERS
def test_the_number_of_threads_does_not_matter(solver, monkeypatch):
    X, y = words(300, 200)
    models = []
    for n_threads in (1, 2):
        for module in ("skfastnn._fitting", "skfastnn._training"):
            monkeypatch.setattr(f"{module}.effective_n_threads", lambda n=n_threads: n)
        models.append(estimator(FastReLUClassifier, solver, hidden_layer_sizes=(1500,)).fit(sparse.csr_array(X), y))
    assert_array_equal(models[0].coefs_[0], models[1].coefs_[0])
    assert models[0].loss_curve_ == models[1].loss_curve_


# rows by feature


@DTYPES
def test_rows_by_feature_hold_the_rows_that_were_picked(dtype):
    X = sparse.random_array((30, 12), density=0.2, random_state=np.random.default_rng(0), dtype=dtype).tocsr()
    index = np.array([4, 4, 29, 0], dtype=np.int32)
    lists = rows_by_feature(*entries(X), 12, index, 2.0)
    assert lists.shape == (4, 12)
    assert lists.nnz == X[index].nnz
    assert_array_equal(lists.to_csr().toarray(), 2 * X[index].toarray())
    assert lists.data.dtype == dtype
    rows = lists.to_csr()
    # other numbers take the places of those they come from
    assert_array_equal(lists.to_csr(lists.data**2).toarray(), rows.toarray() ** 2)
    assert_array_equal(rows.indices, X[index].indices)


def test_features_of_a_batch_are_ascending():
    pattern = np.random.default_rng(0).random((60, 40)) < np.linspace(0.5, 0, 40)
    # the numbers say which feature it is
    lists = by_feature(sparse.csr_array(pattern * np.arange(1.0, 41)))
    features = lists.data[np.flatnonzero(np.diff(lists.data, prepend=0))].astype(int) - 1
    assert_array_equal(features, np.flatnonzero(pattern.any(axis=0)))


def test_rows_without_entries_by_feature():
    lists = by_feature(sparse.csr_array((3, 5)))
    assert (lists.shape, lists.nnz) == ((3, 5), 0)
    assert_array_equal(lists.to_csr().toarray(), np.zeros((3, 5)))


@pytest.mark.parametrize(
    ("features", "ends", "rows", "data"),
    [
        ([1, 5], [0, 1, 2], [0, 1], [1, 1]),  # no such feature
        ([-1, 1], [0, 1, 2], [0, 1], [1, 1]),
        ([2, 2], [0, 1, 2], [0, 1], [1, 1]),  # a feature twice
        ([0, 1], [0, 2, 1], [0, 1], [1, 1]),
        ([0, 1], [0, 1], [0, 1], [1, 1]),
        ([0, 1], [0, 1, 3], [0, 1], [1, 1]),
        ([0, 1], [0, 1, 2], [0, 3], [1, 1]),  # no such row
        ([0, 1], [0, 1, 2], [0, -1], [1, 1]),
        ([0, 1], [0, 1, 2], [0, 1], [1]),
    ],
)
def test_entries_that_are_none_are_refused(features, ends, rows, data):
    with pytest.raises(ValueError, match="entries of a matrix of shape"):
        FeatureLists((3, 5), np.int32(features), np.int64(ends), np.int32(rows), np.float64(data))


def test_a_basis_is_worn_by_directions_that_meet_and_by_lengths_that_vanish():
    least = _sparse_first_order.LEAST_COLUMN
    assert not _sparse_first_order._is_worn(np.diag([1.0, 2 * least]))
    assert _sparse_first_order._is_worn(np.diag([1.0, least / 2]))
    for share, worn in ((0.5, False), (2.0, True)):
        # the condition of two unit vectors is about two over the angle between them
        angle = 2 / (share * _sparse_first_order.WORST_CONDITION)
        together = np.array([[1.0, np.cos(angle)], [0.0, np.sin(angle)]])
        assert bool(_sparse_first_order._is_worn(together * [1e-4, 1.0])) is worn
