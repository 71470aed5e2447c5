"""Several hidden layers: against thirty lines of NumPy, engines against each other, and what users do with them."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import log_softmax
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from threadpoolctl import threadpool_limits

from helpers import BOTH, EXACT_ENGINES, SEARCHING_ENGINES, STEP_SOLVERS, assert_same_fit, data_for, fill_with_positive
from skfastnn import FastReLUClassifier
from skfastnn._coordinates import Coordinates
from skfastnn._deep_fitting import Probe
from skfastnn._layer_passes import LayerPasses
from skfastnn.networks._deep_network import SPREAD, DeepNetwork, activations
from skfastnn.networks._network import Network
from skfastnn.networks._panel_network import PanelNetwork
from skfastnn.networks._training_rows import by_feature
from skfastnn.passes.panels._panel_backward import panel_backward
from skfastnn.passes.shared._pairs import PairLists

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SOLVERS = {
    "plain": {"solver": "sgd", "momentum": 0.0, "learning_rate_init": 1.2e-3},
    "momentum": {"solver": "sgd", "momentum": 0.9, "nesterovs_momentum": False, "learning_rate_init": 6e-4},
    "nesterov": {"solver": "sgd", "momentum": 0.9, "learning_rate_init": 6e-4},
    "adam": {"solver": "adam", "learning_rate_init": 0.0005},
}
EVERY_SOLVER = pytest.mark.parametrize("solver", SOLVERS)
COMMON = {"hidden_layer_sizes": (150, 70, 90), "random_state": 0, "max_iter": 3, "batch_size": 40,
          "n_iter_no_change": np.inf}  # fmt: skip
SMALL = {"hidden_layer_sizes": (64, 48), "solver": "adam", "random_state": 0, "max_iter": 5}


def blobs(n=240, d=9, dtype=np.float64):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d)) * rng.uniform(0.5, 2, d) + 3
    return X.astype(dtype), (np.sin(X[:, 0]) + X[:, 1] > X[:, 1].mean()).astype(int) + (X[:, 2] > 3)


# against NumPy


def start_of(X, y, settings):
    """Return normalised rows and, for each layer, weights as they are drawn, intercepts, and the scale of its input."""
    clf = FastReLUClassifier(**{**settings, "max_iter": 1, "learning_rate_init": 1e-200}).fit(X, y)
    mean = X.mean(axis=0)
    scales = [np.sqrt(np.mean(np.sum((X - mean) ** 2, axis=1)))]
    scales += [scale / np.sqrt(1 - SPREAD**2) for _, scale in clf._start["activations"]]
    W = [coefs * scale for coefs, scale in zip(clf.coefs_, scales, strict=False)]
    c = [clf.intercepts_[0] + mean @ clf.coefs_[0], *clf.intercepts_[1:-1]]
    V, v = clf.coefs_[-1], clf.intercepts_[-1]
    output_scale = np.abs(V).max()
    if clf.solver_ == "adam":  # output weights start as large as in MLPClassifier, relative to the step
        output_scale /= np.sqrt((70 + 90) / (90 + 3))
    return (X - mean) / scales[0], scales, output_scale, [*W, *c, V / output_scale, v]


def train_densely(X, Y, scales, output_scale, start, rate, settings, n_epochs=3, batch=40):
    """Train as the textbooks say, but for Adam: neurons, and weights above the first layer, need a gradient to move."""
    P = [p.copy() for p in start]
    first, second = ([np.zeros_like(p) for p in start] for _ in range(2))
    L, losses, t = len(scales), [], 0
    alpha, adam = settings.get("alpha", 1e-4), settings["solver"] == "adam"
    mu, nesterov = settings.get("momentum", 0.9), settings.get("nesterovs_momentum", True)
    for _ in range(n_epochs):
        total = 0.0
        for k in range(0, len(X), batch):
            x, y = X[k : k + batch], Y[k : k + batch]
            inputs, fired = [x], []
            for level in range(L):
                H = np.maximum(inputs[-1] @ P[level] + P[L + level], 0)
                fired.append(H > 0)
                inputs.append(H / scales[level + 1] if level + 1 < L else H)
            raw = output_scale * inputs[-1] @ P[-2] + P[-1]
            total -= np.sum(y * log_softmax(raw, axis=1))
            error = (np.exp(log_softmax(raw, axis=1)) - y) / len(x)
            G = [None] * len(P)
            G[-1], G[-2] = error.sum(axis=0), output_scale * inputs[-1].T @ error
            signal = output_scale * error @ P[-2].T * fired[-1]
            for level in range(L - 1, -1, -1):
                G[level], G[L + level] = inputs[level].T @ signal, signal.sum(axis=0)
                if level:
                    signal = signal @ P[level].T / scales[level] * fired[level - 1]
            t += 1
            for i, (p, g, a, b) in enumerate(zip(P, G, first, second, strict=True)):
                lacks = g == 0
                if i < L or i == len(P) - 2:
                    g = g + alpha / len(x) * (p - start[i])
                if not adam:
                    a[...] = mu * a - rate * g
                    p += mu * a - rate * g if nesterov else a
                    continue
                if i == 0 or L <= i < 2 * L:
                    moves = np.broadcast_to(fired[i % L].any(axis=0), p.shape)
                elif i < L:
                    moves = ~lacks
                else:
                    moves = fired[-1].any(axis=0)[:, None] if i == len(P) - 2 else True
                moves = np.broadcast_to(moves, p.shape)
                a[moves] = (0.9 * a + 0.1 * g)[moves]
                b[moves] = (0.999 * b + 0.001 * g**2)[moves]
                step = rate * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
                p[moves] -= (step * a / (np.sqrt(b) + 1e-8))[moves]
        losses.append(total / len(X))
    return losses, P


@EVERY_SOLVER
@pytest.mark.parametrize("search", EXACT_ENGINES)
@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_numpy(solver, search, alpha):
    X, y = blobs()
    settings = {**COMMON, **SOLVERS[solver], "search": search, "alpha": alpha, "shuffle": False}
    # rates, and Adam's alpha, are for weights with a standard deviation of sqrt(2 / (d + m)); those here have one
    unit = np.sqrt((9 + 150) / 2)
    inside = {**settings, "alpha": alpha / unit**2 if solver == "adam" else alpha}
    rate = settings["learning_rate_init"] * (unit if solver == "adam" else unit**2)
    x, scales, output_scale, start = start_of(X, y, settings)
    losses, P = train_densely(x, np.eye(3)[y], scales, output_scale, start, rate, inside)
    clf = FastReLUClassifier(**settings).fit(X, y)
    assert clf.search_ == search
    assert losses[-1] < 0.97 * losses[0]
    assert_allclose(clf.loss_curve_, losses, rtol=1e-8)
    for W, p, scale in zip(clf.coefs_[:-1], P, scales, strict=False):
        assert_allclose(W * scale, p, rtol=1e-6, atol=1e-8)
    assert_allclose(clf.coefs_[-1], output_scale * P[-2], rtol=1e-6, atol=1e-9)
    assert_allclose(clf.intercepts_[-1], P[-1], rtol=1e-6, atol=1e-9)
    assert_allclose(clf.intercepts_[1], P[4], rtol=1e-6, atol=1e-8)


@EVERY_SOLVER
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("search", SEARCHING_ENGINES)
def test_engines_agree(solver, dtype, search):
    X, y = load_digits(return_X_y=True)
    common = {**COMMON, **SOLVERS[solver], "hidden_layer_sizes": (300, 200)}
    engine, dense = (FastReLUClassifier(search=name, **common).fit(X.astype(dtype), y) for name in (search, "dense"))
    assert_allclose(engine.loss_curve_, dense.loss_curve_, rtol=1e-8 if dtype == np.float64 else 1e-3)
    assert_allclose(engine.firing_curve_, dense.firing_curve_, rtol=1e-12 if dtype == np.float64 else 1e-3)


# kernels


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_outputs", [0, 1, 5, 20])
@pytest.mark.parametrize("antisymmetric", [False, True])
@pytest.mark.parametrize("with_second", [False, True])
def test_backward_is_that_of_dense_products(dtype, n_outputs, antisymmetric, with_second):
    rng = np.random.default_rng(0)
    n_rows, d, m = 23, 41, 150
    coordinates = Coordinates(np.zeros(d, dtype), 1.0, np.zeros(d, dtype))
    network = PanelNetwork(coordinates, m, n_outputs, 0.5, antisymmetric, 0, dtype)
    network.first[...] = rng.standard_normal(network.first.shape)
    if with_second:
        network.second = rng.standard_normal(network.first.shape).astype(dtype)
        network.factors = 0.7, -0.4
    rows = sparse.random_array((n_rows, d), density=0.3, random_state=rng, dtype=dtype).tocsr()
    Z = (network.weights(0, m) @ rows.T.toarray()).astype(dtype)
    pairs = PairLists(m, dtype)
    fill_with_positive(pairs, np.ascontiguousarray(Z))
    signals = rng.standard_normal((m, n_rows)) * (Z > 0)
    if n_outputs:
        error = np.zeros((n_rows, network.ld_out), dtype)
        error[:, :n_outputs] = rng.standard_normal((n_rows, n_outputs))
        signals = (network.V[:, :n_outputs] @ error[:, :n_outputs].T) * (Z > 0)
    else:
        error = signals[Z > 0][:, None].astype(dtype)
    results, lists = [], by_feature(rows)
    for n_threads in (1, 2):
        buffers = np.empty((pairs.n_blocks, rows.nnz, 1), dtype)
        panel_backward(pairs, lists, error, network.arrays, buffers, n_threads)
        results.append(buffers[0, :, 0].copy())
    assert_array_equal(*results)
    expected = (signals.T @ network.weights(0, m))[rows.nonzero()]
    tolerance = 1e-3 if dtype == np.float32 else 1e-11
    got = lists.to_csr(results[0]).toarray()[rows.nonzero()]
    assert_allclose(got, expected, rtol=tolerance, atol=tolerance)


def test_arrays_that_do_not_fit_are_refused():
    network = PanelNetwork(Coordinates(np.zeros(5), 1.0, np.zeros(5)), 64, 0, 0.5, False, 0, np.float64)
    pairs = PairLists(64, np.float64)
    fill_with_positive(pairs, np.ones((64, 2)))
    lists = by_feature(sparse.csr_array(([1.0, 1.0], ([0, 1], [0, 3])), shape=(2, 5)))

    def call(error, buffers):
        panel_backward(pairs, lists, error, network.arrays, buffers, 1)

    with pytest.raises(ValueError, match="per block and entry"):
        call(np.zeros((128, 1)), np.zeros((pairs.n_blocks, 3, 1)))
    with pytest.raises(ValueError, match="per entry of the lists"):
        call(np.zeros((127, 1)), np.zeros((pairs.n_blocks, 2, 1)))
    with pytest.raises(ValueError, match="same outputs and dtype"):
        call(np.zeros((128, 2)), np.zeros((pairs.n_blocks, 2, 1)))


# the start


def network_of(X, widths, threshold, n_outputs=2, antisymmetric=True):
    coordinates = Coordinates.from_data(X, np.ones(len(X)))
    network = DeepNetwork(Network, coordinates, widths, n_outputs, [threshold] * len(widths), antisymmetric, 0, X.dtype)
    rows = np.zeros((len(X), network.layers[0].ld))
    rows[:, : X.shape[1]] = (X - coordinates.mean) / coordinates.scale
    network.calibrate(rows, np.ones(len(X)))
    return network, rows


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_no_row_is_silent_at_the_start(depth):
    X, y = load_digits(return_X_y=True)
    settings = {"solver": "sgd", "learning_rate_init": 1e-200, "max_iter": 1, "random_state": 0, "threshold": 1.0}
    clf = FastReLUClassifier((1024,) * depth, **settings).fit(X, y)
    H, spread = X, []
    for level in range(depth):
        Z = H @ clf.coefs_[level] + clf.intercepts_[level]
        H = np.maximum(Z, 0)
        fired = np.count_nonzero(Z > 0, axis=1)
        assert fired.min() > 10
        assert 0.1 < np.mean(Z > 0) < 0.22  # 16 % of a normal distribution lies above one
        norms = np.linalg.norm(H, axis=1)
        spread.append(norms.std() / norms.mean())
    # without a spread of the intercepts that of the norms grows from layer to layer, until rows are silent
    assert max(spread) <= 0.4


def test_every_layer_has_unit_variance_and_the_output_is_zero():
    X = np.random.default_rng(0).standard_normal((400, 6)) @ np.diag([3, 1, 1, 1, 0.1, 0.1]) + 5
    network, rows = network_of(X, [400, 300, 200], 1.0)
    inputs = rows
    for layer in network.layers:
        Z = inputs @ layer.weights(0, layer.n_neurons).T + layer.c_state[:, 0]
        assert abs(Z.mean() + 1) < 0.1
        assert abs(np.mean((Z + 1) ** 2) - 1) < 0.1
        if layer is not network.last:
            above = network.layers[network.layers.index(layer) + 1]
            inputs = activations(layer, inputs) / above.coordinates.scale
    assert_allclose(network.raw_output(rows), 0, atol=1e-10)


def test_export_and_load_are_inverse():
    X, y = blobs()
    clf = FastReLUClassifier(**{**COMMON, **SOLVERS["nesterov"]}).fit(X, y)
    network, rows = network_of(X, [150, 70, 90], 1.0, 3)
    network.load(clf.coefs_, clf.intercepts_)
    assert_allclose(network.raw_output(rows), clf._raw_output(X), rtol=1e-8, atol=1e-10)
    coefs, intercepts = network.export()
    for a, b in zip(coefs + intercepts, clf.coefs_ + clf.intercepts_, strict=True):
        assert_allclose(a, b, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_the_probe_is_the_derivative(n_outputs):
    X = np.random.default_rng(0).standard_normal((20, 4))
    network, rows = network_of(X, [80, 60, 70], 0.5, n_outputs, antisymmetric=False)
    probe = Probe(rows, network, 1)
    signals = probe.signals(0)
    step, before = 1e-8, network.raw_output(rows)[:, 0]
    for level, layer in enumerate(network.layers):
        layer.c_state[:, 0] += step * np.cos(np.arange(layer.n_neurons))
        change = (network.raw_output(rows)[:, 0] - before) / step
        layer.c_state[:, 0] -= step * np.cos(np.arange(layer.n_neurons))
        expected = signals[level] @ np.cos(np.arange(layer.n_neurons))
        assert_allclose(change, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())
    kernel = probe.tangent_kernel()
    assert_allclose(kernel, kernel.T, rtol=1e-12)
    assert np.linalg.eigvalsh(kernel).min() > 0


def test_passes_hand_signals_down_to_the_pairs_that_fired():
    X = np.random.default_rng(0).standard_normal((15, 4))
    network, rows = network_of(X, [100, 90], 0.5, 2, antisymmetric=False)
    probe = Probe(rows, network, 1)
    passes = LayerPasses(network, 1)
    passes.forward(probe.passes.lists[0], rows)
    error = np.zeros((15, network.last.ld_out))
    error[:, :2] = np.random.default_rng(1).standard_normal((15, 2))
    errors = passes.backward(error)
    first, last = network.layers
    H = activations(first, rows)
    Z = H / last.coordinates.scale @ last.weights(0, 90).T + last.c_state[:, 0]
    expected = ((error @ last.V.T) * (Z > 0)) @ last.weights(0, 90) / last.coordinates.scale
    assert_allclose(errors[0][:, 0], expected.T[H.T > 0], rtol=1e-9, atol=1e-12)


# what users do


@BOTH
@pytest.mark.parametrize("solver", STEP_SOLVERS)
def test_coefs_are_laid_out_as_those_of_mlp(Estimator, solver):
    X, y = data_for(Estimator)
    est = Estimator(**{**SMALL, "solver": solver}).fit(X, y)
    assert [W.shape for W in est.coefs_[:-1]] == [(8, 64), (64, 48)]
    assert [c.shape for c in est.intercepts_[:-1]] == [(64,), (48,)]
    assert est.n_layers_ == 4
    assert len(est.firing_rate_) == 2
    assert all(len(rates) == 2 for rates in est.firing_curve_)
    assert isinstance(est.threshold_, list)
    H = X
    for W, c in zip(est.coefs_[:-1], est.intercepts_[:-1], strict=True):
        H = np.maximum(H @ W + c, 0)
    assert_allclose(est._raw_output(X), H @ est.coefs_[-1] + est.intercepts_[-1], rtol=1e-10)
    assert_same_fit(clone(est).fit(X, y), est)
    assert_array_equal(pickle.loads(pickle.dumps(est)).predict(X), est.predict(X))


@BOTH
@pytest.mark.parametrize("solver", STEP_SOLVERS)
def test_partial_fit_goes_on_where_it_stopped(Estimator, solver):
    X, y = data_for(Estimator)
    settings = {**SMALL, "solver": solver, "batch_size": 100, "shuffle": False, "learning_rate_init": 0.01}
    whole = Estimator(**{**settings, "max_iter": 4}).fit(X, y)
    parts = Estimator(**settings)
    classes = {"classes": np.unique(y)} if Estimator is FastReLUClassifier else {}
    for _ in range(4):
        parts.partial_fit(X, y, **classes)
    assert_allclose(parts.loss_curve_, whole.loss_curve_, rtol=1e-7)
    assert_same_fit(parts, whole, rtol=1e-6)


@BOTH
def test_warm_start_goes_on(Estimator):
    X, y = data_for(Estimator)
    est = Estimator(**SMALL, warm_start=True).fit(X, y)
    loss = est.loss_
    est.fit(X, y)
    assert est.loss_ < loss
    assert len(est.loss_curve_) == 10
    est.set_params(hidden_layer_sizes=(64, 49))
    with pytest.raises(ValueError, match=r"has 64 \+ 48 neurons"):
        est.fit(X, y)


@pytest.mark.parametrize("solver", STEP_SOLVERS)
def test_sparse_rows_give_the_same_model(solver):
    rng = np.random.default_rng(0)
    X = sparse.random_array((90, 300), density=0.03, random_state=rng).tocsr()
    y = (np.asarray(X.sum(axis=1)).ravel() > X.sum() / 90).astype(int)
    common = {**SMALL, "solver": solver, "batch_size": 30}
    stored, dense = FastReLUClassifier(**common).fit(X, y), FastReLUClassifier(**common).fit(X.toarray(), y)
    tree = FastReLUClassifier(search="correlation_tree", **common).fit(X, y)
    assert_same_fit(stored, dense, rtol=1e-6)
    assert_allclose(stored.loss_curve_, tree.loss_curve_, rtol=1e-6)
    assert_allclose(stored.predict_proba(X), dense.predict_proba(X.toarray()), rtol=1e-6)


@BOTH
def test_early_stopping_and_weights(Estimator):
    X, y = data_for(Estimator, 200)
    weight = np.random.default_rng(0).integers(0, 3, 200).astype(float)
    est = Estimator(**SMALL, early_stopping=True).fit(X, y, weight)
    assert len(est.validation_scores_) == 5
    assert np.isfinite(est.best_validation_score_)
    copies = np.repeat(np.arange(200), weight.astype(int))
    settings = {**SMALL, "batch_size": 1000, "shuffle": False, "solver": "sgd", "learning_rate_init": 0.05}
    assert_same_fit(Estimator(**settings).fit(X, y, weight), Estimator(**settings).fit(X[copies], y[copies]), rtol=1e-6)


@pytest.mark.parametrize("search", EXACT_ENGINES)
@pytest.mark.parametrize("solver", STEP_SOLVERS)
def test_threads_do_not_change_a_bit(search, solver, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    X, y = data_for(FastReLUClassifier, 300)
    fits = []
    for n_threads in (1, 2):
        with threadpool_limits(n_threads):
            fits.append(
                FastReLUClassifier((300, 200), solver=solver, search=search, max_iter=3, random_state=0).fit(X, y)
            )
    assert_same_fit(*fits)


def test_grid_search_over_depth():
    X, y = data_for(FastReLUClassifier)
    grid = {"hidden_layer_sizes": [(64,), (64, 32)], "threshold": ["auto", 0.5]}
    search = GridSearchCV(FastReLUClassifier(solver="adam", max_iter=3, random_state=0), grid, cv=2).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_one_threshold_for_each_layer():
    X, y = data_for(FastReLUClassifier)
    clf = FastReLUClassifier(**SMALL, threshold=[0.3, 0.9]).fit(X, y)
    assert clf.threshold_ == [0.3, 0.9]
    assert FastReLUClassifier(**SMALL, threshold=0.7).fit(X, y).threshold_ == [0.7, 0.7]
    assert FastReLUClassifier(**SMALL, threshold=["auto", 0.2]).fit(X, y).threshold_ == [0.0, 0.2]
    wide = {**SMALL, "hidden_layer_sizes": (2048, 2048), "max_iter": 1}
    assert FastReLUClassifier(**wide).fit(X, y).threshold_ == [1.0, 1.0]
    assert FastReLUClassifier(64, solver="adam", max_iter=2, threshold=[0.4]).fit(X, y).threshold_ == 0.4


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"threshold": [0.1, 0.2, 0.3]}, "one for each of the 2 hidden layers"),
        ({"threshold": [0.1, -0.2]}, "numbers >= 0 or 'auto'"),
        ({"threshold": 40.0}, "No neuron fires"),
        ({"solver": "gauss_newton"}, "one hidden layer"),
        ({"hidden_layer_sizes": (64, 0)}, "integers >= 1"),
        ({"hidden_layer_sizes": (64.0, 32)}, "integers >= 1"),
        ({"alpha": "loo"}, "loo"),
    ],
)
def test_bad_parameters(changed, message):
    X, y = data_for(FastReLUClassifier)
    clf = FastReLUClassifier(**{**SMALL, **changed})
    with pytest.raises(ValueError, match=message):
        clf.fit(X, y)
    assert not hasattr(clf, "coefs_")


@BOTH
def test_divergence_stops_with_finite_weights(Estimator):
    X, y = data_for(Estimator)
    est = Estimator(**{**SMALL, "solver": "sgd", "max_iter": 50, "learning_rate_init": 1e5})
    with pytest.warns(ConvergenceWarning):
        est.fit(X, y)
    assert all(np.isfinite(W).all() for W in est.coefs_)


@BOTH
def test_interrupt_keeps_the_model(Estimator, monkeypatch):
    X, y = data_for(Estimator)
    est = Estimator(**SMALL, batch_size=50, learning_rate="constant")
    backward, calls = LayerPasses.backward, []

    def interrupt(self, error):
        calls.append(1)
        if len(calls) > 3:
            raise KeyboardInterrupt
        return backward(self, error)

    monkeypatch.setattr(LayerPasses, "backward", interrupt)
    with pytest.warns(UserWarning, match="interrupted"):
        est.fit(X, y)
    assert np.isfinite(est.predict(X).astype(float)).all()


def test_digits():
    X, y = load_digits(return_X_y=True)
    for solver in ("sgd", "adam"):
        clf = FastReLUClassifier((256, 256), solver=solver, max_iter=15, random_state=0).fit(X[:1200], y[:1200])
        assert clf.score(X[1200:], y[1200:]) > 0.9
