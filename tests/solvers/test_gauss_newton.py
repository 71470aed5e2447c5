"""Gauss-Newton: the sparse Gram matrix, the step, the descent, against dense NumPy."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits, make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier

from helpers import BOTH, EXACT_ENGINES, assert_same_fit, data_for, fill_with_positive, unit_coordinates
from skfastnn import FastReLUClassifier, FastReLURegressor, _plan
from skfastnn._losses import BinaryLogLoss, Huber, Poisson, SoftmaxLogLoss, SquaredError
from skfastnn._second_order_fitting import GaussNewtonTrainer
from skfastnn.networks._network import Network, aligned_zeros
from skfastnn.passes.dense._tangent import DenseJacobian
from skfastnn.passes.shared._gram import gram, sample_major
from skfastnn.passes.shared._pairs import PairLists
from skfastnn.solvers import _gauss_newton, _tiled_gram
from skfastnn.solvers._gauss_newton import GaussNewton
from skfastnn.solvers._leave_one_out import dual_of_ridge, fit_ridge
from skfastnn.solvers._preconditioner import CholeskyPreconditioner, NystromPreconditioner
from skfastnn.solvers._tiled_gram import tiled_gram, tiles_pay

DTYPES = pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-12), (np.float32, 2e-5)])
OUTPUTS = pytest.mark.parametrize("n_outputs", [1, 3, 19])
SETTINGS = {"solver": "gauss_newton", "hidden_layer_sizes": (256,), "threshold": 0.5, "random_state": 0}


class Problem:
    """A random network with its firing lists, and its Jacobian in full."""

    def __init__(
        self, n_rows=60, n_features=5, n_neurons=150, n_outputs=3, dtype=np.float64, train_output=True, seed=0
    ):
        rng = np.random.default_rng(seed)
        self.network = Network(unit_coordinates(n_features, dtype), n_neurons, n_outputs, 0.4, True, seed, dtype)
        network = self.network
        network.V[:, :n_outputs] += 0.3 * rng.standard_normal((n_neurons, n_outputs)).astype(dtype)
        network.displacement[:, :n_features] += 0.2 * rng.standard_normal((n_neurons, n_features)).astype(dtype)
        self.X = aligned_zeros((n_rows, network.ld), dtype)
        self.X[:, :n_features] = rng.standard_normal((n_rows, n_features)) / np.sqrt(n_features)
        Z = network.weights(0, n_neurons) @ self.X.T + network.c_state[:, :1]
        self.pairs = PairLists(n_neurons, dtype)
        fill_with_positive(self.pairs, np.ascontiguousarray(Z))
        self.H = np.maximum(Z.T, 0).astype(np.float64)
        self.raw = (network.output_scale * self.H @ network.V[:, :n_outputs] + network.v).astype(dtype)
        self.train_output = train_output

    def jacobian(self):
        """Return J, shape (n_rows * n_outputs, n_parameters): weights and intercepts, output weights, intercepts."""
        network, k = self.network, self.network.n_outputs
        V = network.V[:, :k].astype(np.float64)
        rows = np.column_stack([self.X[:, : network.n_features], np.ones(self.X.shape[0])]).astype(np.float64)
        fires = (self.H > 0).astype(float)
        hidden = np.einsum("ir,rk,ij->ikrj", fires, V, rows).reshape(self.raw.size, -1)
        output = np.einsum("ir,kl->ikrl", self.H, np.eye(k)).reshape(self.raw.size, -1)
        blocks = [network.output_scale * hidden]
        if self.train_output:
            blocks += [network.output_scale * output, np.tile(np.eye(k), (self.X.shape[0], 1))]
        return np.hstack(blocks)

    def padded(self, u):
        out = aligned_zeros((u.shape[0], self.network.ld_out), self.network.dtype)
        out[:, : u.shape[1]] = u
        return out

    def buffers(self):
        return aligned_zeros((self.pairs.n_blocks, self.X.shape[0], self.network.ld_out), self.network.dtype)

    def solver(self):
        solver = GaussNewton(self.network, {"train_output": self.train_output}, 2)
        solver.measure()
        return solver


# the passes


@DTYPES
@OUTPUTS
@pytest.mark.parametrize("with_output", [True, False])
def test_gram_is_the_mean_diagonal_block_of_the_jacobian_times_its_transpose(n_outputs, dtype, rtol, with_output):
    problem = Problem(n_outputs=n_outputs, dtype=dtype, train_output=with_output)
    J = problem.jacobian()
    n = problem.X.shape[0]
    full = (J @ J.T).reshape(n, n_outputs, n, n_outputs)
    expected = np.einsum("ikjk->ij", full) / n_outputs
    network = problem.network
    weight = np.mean(network.V[:, :n_outputs] ** 2, axis=1)
    K = aligned_zeros((n, n), dtype)
    gram(problem.pairs, problem.X, weight, network.output_scale**2, with_output, K, 2)
    lower = np.tril_indices(n)
    assert_allclose(K[lower], expected[lower], rtol=rtol, atol=rtol)
    tiled = aligned_zeros((n, n), dtype)
    tiled_gram(problem.pairs, problem.X, weight, network.output_scale**2, with_output, tiled, 1)
    assert_allclose(tiled[lower], expected[lower], rtol=rtol, atol=rtol)
    wanted = np.array([0, 7, n - 1], dtype=np.int32)
    rows = aligned_zeros((3, n), dtype)
    gram(problem.pairs, problem.X, weight, network.output_scale**2, with_output, rows, 2, wanted)
    assert_allclose(rows, expected[wanted], rtol=rtol, atol=rtol)


def test_gram_by_tiles_of_neurons_and_rows(monkeypatch):
    monkeypatch.setattr(_tiled_gram, "TILE_NEURONS", 40)
    problem = Problem()
    weight, by_lists, by_tiles = np.linspace(1, 2, 150), np.zeros((60, 60)), np.zeros((60, 60))
    gram(problem.pairs, problem.X, weight, 0.5, True, by_lists, 2)
    tiled_gram(problem.pairs, problem.X, weight, 0.5, True, by_tiles, 1)
    assert_allclose(np.tril(by_tiles), np.tril(by_lists), rtol=1e-12)


def test_tiles_are_for_busy_layers():
    assert tiles_pay(np.full(100, 400), 1000, np.float64)
    assert not tiles_pay(np.full(100, 200), 1000, np.float64)


def test_sample_major_lists_hold_the_same_pairs():
    problem = Problem()
    indptr, neurons, places, values = sample_major(problem.pairs, problem.X.shape[0])
    start, rows, _ = problem.pairs.to_csr()
    for i in range(problem.X.shape[0]):
        mine = neurons[indptr[i] : indptr[i + 1]]
        assert_array_equal(mine, np.flatnonzero(problem.H[i] > 0))
        assert_allclose(values[indptr[i] : indptr[i + 1]], problem.H[i, mine])
        assert_array_equal(rows[start[mine] + places[indptr[i] : indptr[i + 1]]], i)


@DTYPES
@OUTPUTS
def test_products_are_those_with_the_jacobian(n_outputs, dtype, rtol):
    problem = Problem(n_outputs=n_outputs, dtype=dtype)
    network, rng = problem.network, np.random.default_rng(1)
    solver = problem.solver()
    solver.linearise(
        problem.pairs, problem.X, problem.raw, SquaredError().model(problem.raw, problem.raw * 0),
        np.full(problem.X.shape[0], 1 / problem.X.shape[0], dtype), 60.0,
    )  # fmt: skip
    J = problem.jacobian()
    u = rng.standard_normal(problem.raw.shape).astype(dtype)
    expected = J.T @ u.ravel()
    solver._transposed(u, solver.trial)
    m, d = network.n_neurons, network.n_features
    hidden = expected[: m * (d + 1)].reshape(m, d + 1)
    assert_allclose(solver.trial.W[:, :d], hidden[:, :d], rtol=rtol, atol=10 * rtol)
    assert_allclose(solver.trial.c[:, 0], hidden[:, d], rtol=rtol, atol=10 * rtol)
    assert_allclose(
        solver.trial.V[:, :n_outputs].ravel(), expected[m * (d + 1) : -n_outputs], rtol=rtol, atol=10 * rtol
    )
    assert_allclose(solver.trial.v, expected[-n_outputs:], rtol=rtol, atol=10 * rtol)
    assert_allclose(solver._gram(u).ravel(), J @ expected, rtol=10 * rtol, atol=10 * rtol * np.abs(J @ expected).max())
    assert_allclose(
        solver._times(solver.trial).ravel(),
        J @ expected,
        rtol=10 * rtol,
        atol=10 * rtol * np.abs(J @ expected).max(),
    )


def test_frozen_output_leaves_it_out_of_the_products():
    problem = Problem(train_output=False)
    solver = problem.solver()
    solver.linearise(problem.pairs, problem.X, problem.raw, SquaredError().model(problem.raw, problem.raw * 0),
                     np.full(60, 1 / 60), 60.0)  # fmt: skip
    J = problem.jacobian()
    u = np.random.default_rng(0).standard_normal(problem.raw.shape)
    solver._transposed(u, solver.trial)
    assert not solver.trial.V.any()
    assert not solver.trial.v.any()
    assert_allclose(solver._gram(u).ravel(), J @ (J.T @ u.ravel()), rtol=1e-10)


def test_products_do_not_depend_on_the_number_of_threads():
    problem = Problem(n_rows=200, n_neurons=1000)
    results = []
    for n_threads in (1, 2):
        K, buffers = aligned_zeros((200, 200), np.float64), problem.buffers()
        gram(problem.pairs, problem.X, np.ones(1000), 1.0, True, K, n_threads)
        u = problem.padded(problem.raw)
        DenseJacobian(problem.pairs, problem.X, problem.network.V, u, buffers).gram(True, n_threads)
        results.append((K, buffers[0].copy()))
    assert_array_equal(results[0][0], results[1][0])
    assert_array_equal(results[0][1], results[1][1])


def test_arrays_that_do_not_fit_are_refused():
    problem = Problem()
    with pytest.raises(ValueError, match="K must have"):
        gram(problem.pairs, problem.X, np.ones(150), 1.0, True, np.zeros((3, 3)), 1)
    with pytest.raises(ValueError, match="activations"):
        gram(PairLists(150, np.float32), problem.X, np.ones(150), 1.0, True, np.zeros((60, 60)), 1)
    with pytest.raises(ValueError, match="as many rows"):
        sample_major(problem.pairs, 30)


# preconditioners


@pytest.mark.parametrize("make", ["cholesky", "nystrom"])
def test_preconditioners_invert_what_they_stand_for(make):
    rng = np.random.default_rng(0)
    n, s = 80, 20
    factor = rng.standard_normal((n, s if make == "nystrom" else n))
    K, scale, shift = factor @ factor.T, rng.uniform(0.1, 1, n), 0.3
    if make == "cholesky":
        preconditioner = CholeskyPreconditioner(np.tril(K), scale, shift, 1)
    else:
        index = np.arange(s) * 4
        preconditioner = NystromPreconditioner(np.ascontiguousarray(K[index]), index, scale, shift, 1)
    right = rng.standard_normal((n, 3))
    A = shift * np.eye(n) + scale[:, None] * K * scale
    assert_allclose(preconditioner.solve(right), np.linalg.solve(A, right), rtol=1e-6, atol=1e-8)


def test_a_kernel_that_is_singular_to_rounding_still_gives_a_preconditioner():
    K = np.ones((50, 50), dtype=np.float32)
    preconditioner = CholeskyPreconditioner(K, np.ones(50, dtype=np.float32), 0.0, 1)
    assert np.isfinite(preconditioner.solve(np.ones((50, 1), dtype=np.float32))).all()


# the step


def curvature_matrix(curvature):
    """Return H of all samples as a block-diagonal matrix, and the gradient."""
    n, k = curvature.scale.shape
    H, g = np.zeros((n * k, n * k)), np.zeros(n * k)
    for i in range(n):
        d = np.zeros(k) if curvature.direction is None else curvature.direction[i]
        S = np.diag(curvature.scale[i]) @ (np.eye(k) - np.outer(d, d))
        H[i * k : (i + 1) * k, i * k : (i + 1) * k] = S @ S.T
        g[i * k : (i + 1) * k] = -S @ curvature.minus_gradient[i]
    return H, g


@pytest.mark.parametrize("damping", [0.0, 0.05])
@pytest.mark.parametrize("loss", [SquaredError(), SoftmaxLogLoss(), BinaryLogLoss(), Poisson()])
def test_step_minimises_the_damped_model(monkeypatch, loss, damping):
    monkeypatch.setattr(_gauss_newton, "CG_TOLERANCE", 1e-12)
    monkeypatch.setattr(_gauss_newton, "MAX_CG", 1000)
    problem, rng = Problem(), np.random.default_rng(0)
    n, k = problem.raw.shape
    y = np.eye(k)[rng.integers(k, size=n)]
    share = rng.uniform(0.5, 1.5, n)
    share /= share.sum()
    solver = problem.solver()
    solver.ridge, solver.damping = 1e-3, damping
    curvature = loss.model(problem.raw, y)
    J, (H, g) = problem.jacobian(), curvature_matrix(curvature)
    P = np.repeat(share, k)
    here = flat(solver.here, problem.network)
    # minimise by least squares over all parameters, the textbook's way
    values, vectors = np.linalg.eigh(H)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T @ np.diag(np.sqrt(P))
    target = root @ (J @ here) - np.linalg.pinv(root.T, rcond=1e-12) @ (P * g)
    A = np.vstack([root @ J, np.sqrt(solver.ridge) * np.eye(here.size), np.sqrt(damping) * np.eye(here.size)])
    b = np.concatenate([target, np.zeros(here.size), np.sqrt(damping) * here])
    expected = np.linalg.lstsq(A, b, rcond=None)[0]

    solver.linearise(problem.pairs, problem.X, problem.raw, curvature, share, n)
    promised = solver.propose()
    assert_allclose(flat(solver.trial, problem.network), expected, rtol=1e-6, atol=1e-8)
    change = J @ (expected - here)
    model = -(P * g) @ change - 0.5 * change @ (P[:, None] * H) @ change
    model += 0.5 * solver.ridge * (here @ here - expected @ expected)
    assert promised == pytest.approx(model, rel=1e-6)


def linearised(dtype=np.float64):
    problem = Problem(dtype=dtype)
    solver, n = problem.solver(), problem.raw.shape[0]
    target = np.eye(3, dtype=dtype)[np.arange(n) % 3]
    curvature, share = SquaredError().model(problem.raw, target), np.full(n, 1 / n, dtype)
    solver.ridge = 1e-3
    solver.linearise(problem.pairs, problem.X, problem.raw, curvature, share, n)
    return problem.network, solver


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bounds_on_the_movement_hold_for_every_neuron(dtype):
    network, solver = linearised(dtype)
    before, path = network.displacement.astype(np.float64), solver.path(slice(None)).copy()
    solver.propose()
    after = network.displacement.astype(np.float64)
    lengths = np.linalg.norm(after, axis=1)
    assert lengths.max() > 0
    drift = solver.movement().drift
    assert (drift >= lengths).all()
    assert (drift[lengths > 0] > lengths[lengths > 0]).all()  # room for what rounding adds where bounds are used
    assert_allclose(drift, lengths, rtol=1e-4)
    assert_allclose(solver.path(slice(None)) - path, np.linalg.norm(after - before, axis=1), rtol=1e-4, atol=1e-6)
    solver.restore()
    assert_allclose(network.displacement, before, atol=1e-6)


def test_damping_grows_with_refusals_and_goes_with_good_steps():
    _, solver = linearised()
    unit, growth, decay = solver._damping_unit(), _gauss_newton.DAMPING_GROWTH, _gauss_newton.DAMPING_DECAY
    assert solver.damping == 0
    assert unit == max(solver.ridge, _gauss_newton.LEAST_DAMPING * solver._curvature_scale())
    solver.propose()
    solver.reject()
    assert solver.damping == unit
    solver.reject()
    assert solver.damping == growth * unit
    solver.n_steps = 1  # the second step of several outputs is damped whatever the first was
    solver.n_cg = 1
    solver.accept(1.0)  # after a refusal: it was just enough
    assert (solver.damping, solver.n_steps) == (growth * unit, 2)
    solver.accept(_gauss_newton.GOOD_RATIO)
    assert solver.damping == growth * unit
    solver.accept(1.0)
    assert solver.damping == pytest.approx(growth / decay * unit)
    solver.accept(1.0)
    assert solver.damping == pytest.approx(growth / decay**2 * unit)
    solver.accept(1.0)
    assert solver.damping == 0


def test_damping_grows_while_conjugate_gradients_do_not_converge():
    _, solver = linearised()
    unit, growth, decay = solver._damping_unit(), _gauss_newton.DAMPING_GROWTH, _gauss_newton.DAMPING_DECAY
    solver.accept(1.0)  # there are several outputs
    assert solver.damping == _gauss_newton.SECOND_DAMPING * unit
    solver.converged = False
    solver.accept(1.0)
    assert solver.damping == growth * _gauss_newton.SECOND_DAMPING * unit
    solver.converged, solver.n_cg = True, _gauss_newton.FEW_CG + 1
    solver.accept(1.0)
    assert solver.damping == growth * _gauss_newton.SECOND_DAMPING * unit
    solver.n_cg -= 1
    solver.accept(1.0)
    assert solver.damping == growth * _gauss_newton.SECOND_DAMPING * unit / decay


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_training_with_several_outputs_does_not_stall():
    """Damped by refusals alone, four iterations end at .58: what conjugate gradients leave undone spoils the steps."""
    X, y = make_classification(400, 20, n_informative=8, n_classes=6, flip_y=0.1, random_state=0)
    clf = FastReLUClassifier(512, solver="gauss_newton", threshold=0.0, alpha=3e-3, max_iter=4, tol=0.0, random_state=0)
    assert clf.fit((X - X.mean(axis=0)) / X.std(axis=0), y).loss_ < 0.3  # .20


@pytest.mark.parametrize("most", [1, 60])
def test_solutions_know_whether_they_converged(monkeypatch, most):
    monkeypatch.setattr(_gauss_newton, "MAX_CG", most)
    monkeypatch.setattr(_gauss_newton, "CG_TOLERANCE", 1e-3)
    _, solver = linearised()
    solver.propose()
    assert solver.converged == (most == 60)
    assert 0 < solver.n_cg <= most


def test_the_shift_of_the_system_is_ridge_and_damping_or_what_rounding_hides(monkeypatch):
    _, solver = linearised()
    totals, solve = [], solver._solve

    def noted(rhs, total):
        totals.append(total)
        return solve(rhs, total)

    monkeypatch.setattr(solver, "_solve", noted)
    for solver.ridge, solver.damping in ((0.0, 0.0), (0.3, 0.0), (0.3, 0.2)):
        solver.propose()
    rounding = _gauss_newton.LEAST_SHIFT * np.finfo(float).eps * solver._curvature_scale()
    assert_allclose(totals, [rounding, 0.3, 0.5])


def flat(displacement, network):
    d, k = network.n_features, network.n_outputs
    hidden = np.column_stack([displacement.W[:, :d], displacement.c])
    return np.concatenate([hidden.ravel(), displacement.V[:, :k].ravel(), displacement.v])


def test_conjugate_gradients_with_landmarks_agree_with_the_factor(monkeypatch):
    X, y = data_for(FastReLUClassifier, 150)
    monkeypatch.setattr(_gauss_newton, "CG_TOLERANCE", 1e-10)
    monkeypatch.setattr(_gauss_newton, "MAX_CG", 2000)
    clf = FastReLUClassifier(**SETTINGS, alpha=0.1, max_iter=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        factor = clf.fit(X, y).decision_function(X)
        monkeypatch.setattr(_gauss_newton, "MAX_ROWS", 100)
        monkeypatch.setattr(_gauss_newton, "N_LANDMARKS", 40)
        landmarks = clf.fit(X, y).decision_function(X)
    # the ridge is in units of the mean diagonal, which is known at the landmarks alone
    assert_allclose(landmarks, factor, rtol=0.2, atol=0.2)


@pytest.mark.parametrize("loss", [SquaredError(), Huber(0.5), SoftmaxLogLoss(), BinaryLogLoss(), Poisson()])
def test_models_of_losses_have_their_gradient_and_curvature(loss):
    rng = np.random.default_rng(0)
    raw, y = rng.standard_normal((7, 3)), np.eye(3)[rng.integers(3, size=7)]
    H, g = curvature_matrix(loss.model(raw, y))
    _, gradient = loss.value_and_gradient(raw, y)
    assert_allclose(g.reshape(7, 3), gradient, atol=1e-10)
    if isinstance(loss, Huber):  # a parabola above the loss instead
        return
    step = 1e-5
    for j in range(3):
        ahead, behind = raw.copy(), raw.copy()
        ahead[:, j] += step
        behind[:, j] -= step
        column = (loss.value_and_gradient(ahead, y)[1] - loss.value_and_gradient(behind, y)[1]) / (2 * step)
        for i in range(7):
            assert_allclose(H[3 * i : 3 * i + 3, 3 * i + j], column[i], atol=1e-8)


# the descent


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000), n_rows=st.integers(1, 40), n_outputs=st.integers(1, 3),
    log_alpha=st.integers(-8, 1), scale=st.sampled_from([1e-6, 1.0, 1e6]), degenerate=st.booleans(),
)  # fmt: skip
def test_objective_never_rises(seed, n_rows, n_outputs, log_alpha, scale, degenerate):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_rows, 3))
    if degenerate:
        X[n_rows // 2 :] = X[0]
    y = scale * (rng.standard_normal((n_rows, n_outputs)) * 10.0 ** np.arange(n_outputs))
    y = y.ravel() if n_outputs == 1 else y
    reg = FastReLURegressor(
        solver="gauss_newton", hidden_layer_sizes=64, threshold=0.0, alpha=10.0**log_alpha, random_state=seed, tol=0.0,
        max_iter=6,
    )  # fmt: skip
    objective = objectives_of(reg, X, y)
    assert np.isfinite(reg.predict(X)).all()
    assert (np.diff(objective) <= 1e-12 * objective[0]).all()


def objectives_of(estimator, X, y):
    """Fit; return the objective before each iteration and after the last."""
    seen = []
    descend = GaussNewtonTrainer._descend

    def record(trainer, *arguments):
        seen.append(trainer.known[1] + trainer.solver.penalty(trainer.solver.here))
        gained = descend(trainer, *arguments)
        seen.append(trainer.known[1] + trainer.solver.penalty(trainer.solver.here))
        return gained

    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        patch.setattr(GaussNewtonTrainer, "_descend", record)
        estimator.fit(X, y)
    return np.array(seen)


@BOTH
def test_engines_agree(monkeypatch, Estimator):
    # an iteration of conjugate gradients more or less is a larger difference than rounding
    monkeypatch.setattr(_gauss_newton, "CG_TOLERANCE", 1e-13)
    monkeypatch.setattr(_gauss_newton, "MAX_CG", 500)
    X, y = data_for(Estimator, 200)
    common = {**SETTINGS, "hidden_layer_sizes": 512, "threshold": 1.0, "alpha": 0.1, "max_iter": 4}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fits = [Estimator(**common, search=search).fit(X, y) for search in EXACT_ENGINES]
    for fit in fits[1:]:
        assert fit.n_iter_ == fits[0].n_iter_
        assert_allclose(fit.coefs_[0], fits[0].coefs_[0], rtol=1e-6, atol=1e-8)
        assert fit.firing_curve_ == fits[0].firing_curve_
    assert fits[-1].search_counters_["candidates"] < fits[0].search_counters_["candidates"]


def test_interrupt_keeps_the_last_accepted_step(monkeypatch):
    X, y = data_for(FastReLURegressor, 100)
    settings = {**SETTINGS, "tol": 0.0, "alpha": 1e-6}
    with pytest.warns(ConvergenceWarning):
        one_step = FastReLURegressor(**settings, max_iter=1).fit(X, y)
    evaluate, calls = GaussNewtonTrainer._evaluate, []

    def interrupted(trainer, *arguments):
        calls.append(1)
        if len(calls) == 3:  # the start, the first step, and then in the middle of the second
            raise KeyboardInterrupt
        return evaluate(trainer, *arguments)

    monkeypatch.setattr(GaussNewtonTrainer, "_evaluate", interrupted)
    with pytest.warns(UserWarning, match="interrupted"):
        stopped = FastReLURegressor(**settings).fit(X, y)
    assert_same_fit(stopped, one_step)


def test_batches_train_too():
    X, y = load_digits(return_X_y=True)
    clf = FastReLUClassifier(**{**SETTINGS, "threshold": 1.0}, batch_size=300, max_iter=3)
    with pytest.warns(ConvergenceWarning):
        clf.fit(X[:1200], y[:1200])
    assert clf.score(X[1200:], y[1200:]) > 0.9
    assert max(clf.loss_curve_) < 0.2  # 2.3 at the start


def test_early_stopping_keeps_the_best_weights():
    X, y = data_for(FastReLUClassifier, 300)
    clf = FastReLUClassifier(**SETTINGS, early_stopping=True, n_iter_no_change=2, tol=0.0).fit(X, y)
    assert clf.best_validation_score_ == max(clf.validation_scores_)
    assert clf.n_iter_ < 200


def test_warm_start_goes_on_from_the_last_step():
    X, y = data_for(FastReLURegressor, 100)
    settings = {**SETTINGS, "tol": 0.0, "max_iter": 1, "alpha": 1e-4}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        reg = FastReLURegressor(**settings, warm_start=True).fit(X, y)
        first = reg.loss_
        reg.fit(X, y)
    assert reg.loss_ < first


@BOTH
def test_weight_is_the_same_as_copies(monkeypatch, Estimator):
    # the choice between a new kernel and more conjugate gradients depends on the number of rows
    monkeypatch.setattr(_gauss_newton, "CG_TOLERANCE", 1e-12)
    monkeypatch.setattr(_gauss_newton, "MAX_CG", 500)
    X, y = data_for(Estimator, 60)
    weight = np.random.default_rng(0).integers(0, 4, 60)
    settings = {**SETTINGS, "alpha": 0.1}
    weighted = Estimator(**settings).fit(X, y, sample_weight=weight)
    copies = Estimator(**settings).fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    assert weighted.n_iter_ == copies.n_iter_
    assert_same_fit(weighted, copies, rtol=1e-5)


def test_probabilities_are_usable():
    X, y = load_digits(return_X_y=True)
    clf = FastReLUClassifier(random_state=0).fit(X[:1200], y[:1200])
    mlp = MLPClassifier(random_state=0).fit(X[:1200], y[:1200])
    assert clf.solver_ == "gauss_newton"
    assert log_loss(y[1200:], clf.predict_proba(X[1200:])) < log_loss(y[1200:], mlp.predict_proba(X[1200:]))


# the choice of the solver


def test_auto_is_gauss_newton_on_small_data(monkeypatch):
    X, y = data_for(FastReLURegressor, 60)
    small = {"hidden_layer_sizes": 2048, "max_iter": 2, "random_state": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        assert FastReLURegressor(**small).fit(X, y).solver_ == "gauss_newton"
        assert FastReLURegressor("quantile", **small).fit(X, y).solver_ == "adam"
        assert FastReLURegressor(**small).partial_fit(X, y).solver_ == "adam"
        # a width of MLP's, which interpolates few rows
        assert FastReLURegressor(**{**small, "hidden_layer_sizes": 2047}).fit(X, y).solver_ == "adam"
        monkeypatch.setattr(_plan, "SMALL_DATA", 50)
        assert FastReLURegressor(**small).fit(X, y).solver_ == "adam"
        assert FastReLURegressor(**small, alpha="loo").fit(X, y).solver_ == "gauss_newton"


def test_automatic_threshold_depends_on_the_solver():
    X, y = data_for(FastReLURegressor, 60)
    settings = {"hidden_layer_sizes": 2048, "max_iter": 1, "random_state": 0}
    with pytest.warns(ConvergenceWarning):
        assert FastReLURegressor(**settings, solver="adam").fit(X, y).threshold_ == pytest.approx(1.746, abs=1e-3)
    with pytest.warns(ConvergenceWarning):
        assert FastReLURegressor(**settings, tol=0.0).fit(X, y).threshold_ == 1.0
    with pytest.warns(ConvergenceWarning):
        assert FastReLURegressor(**{**settings, "hidden_layer_sizes": 1000}).fit(X, y).threshold_ == 0.0


@pytest.mark.parametrize("loss", ["quantile", "absolute_error"])
def test_losses_without_curvature_are_refused(loss):
    X, y = data_for(FastReLURegressor, 30)
    with pytest.raises(ValueError, match=r"needs a loss with curvature.*use 'adam'"):
        FastReLURegressor(loss, **SETTINGS).fit(X, y)


# leave-one-out


def test_leave_one_out_errors_are_those_of_refitting():
    rng = np.random.default_rng(0)
    X, Y, weight = rng.standard_normal((25, 4)), rng.standard_normal((25, 2)), rng.uniform(0.5, 2, 25)
    K = X @ X.T + 1
    for ridge in (0.01, 1.0, 30.0):
        fit, expected = fit_ridge(np.tril(K), weight, Y, np.log10(ridge), unit=1.0), 0.0
        for i in range(25):
            others = np.delete(np.arange(25), i)
            A = K[np.ix_(others, others)] + ridge * np.diag(1 / weight[others])
            prediction = K[i, others] @ np.linalg.solve(A, Y[others])
            expected += weight[i] * np.sum((Y[i] - prediction) ** 2) / weight.sum()
        assert fit.error == pytest.approx(expected, rel=1e-8)
        assert_allclose(fit.dual, np.linalg.solve(K + ridge * np.diag(1 / weight), Y), rtol=1e-8)


def test_coefficients_alone_are_those_with_leave_one_out_errors():
    rng = np.random.default_rng(0)
    X, Y, weight = rng.standard_normal((25, 4)), rng.standard_normal((25, 2)), rng.uniform(0.5, 2, 25)
    K = X @ X.T + 1
    assert_allclose(dual_of_ridge(K, weight, Y, -1.0), fit_ridge(K, weight, Y, -1.0).dual, rtol=1e-10)
    assert dual_of_ridge(-K, weight, Y, -1.0) is None
    assert fit_ridge(-K, weight, Y, -1.0).error == np.inf


def test_leaving_out_one_of_several_copies_is_leaving_out_one_of_several_rows():
    rng = np.random.default_rng(0)
    X, Y, copies = rng.standard_normal((20, 4)), rng.standard_normal((20, 2)), rng.integers(1, 4, 20)
    each = np.arange(20).repeat(copies)
    for log_ridge in (-2.0, 0.0, 1.5):
        merged = fit_ridge(X @ X.T + 1, copies.astype(float), Y, log_ridge, unit=1.0, copies=copies)
        apart = fit_ridge(X[each] @ X[each].T + 1, np.ones(each.size), Y[each], log_ridge, unit=1.0)
        assert_allclose(merged.error, apart.error)


def test_leave_one_out_chooses_a_larger_ridge_for_noise():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((150, 3))
    clean = np.sin(X[:, 0]) + X[:, 1]
    noisy = clean + 2 * rng.standard_normal(150)
    chosen = [FastReLURegressor(**SETTINGS, alpha="loo").fit(X, y).alpha_ for y in (clean, noisy)]
    assert 0 < chosen[0] < chosen[1]
    labels = FastReLUClassifier(**SETTINGS, alpha="loo").fit(X, noisy > 0)
    assert labels.alpha_ > chosen[0]
    assert FastReLURegressor(**SETTINGS, alpha=0.3).fit(X, clean).alpha_ == 0.3


def test_leave_one_out_says_when_it_cannot(monkeypatch):
    X, y = data_for(FastReLURegressor, 60)
    with pytest.raises(ValueError, match="alpha='loo' is offered by solver='gauss_newton'"):
        FastReLURegressor(**{**SETTINGS, "solver": "adam"}, alpha="loo").fit(X, y)
    monkeypatch.setattr(_gauss_newton, "MAX_ROWS", 40)
    monkeypatch.setattr(_gauss_newton, "N_LANDMARKS", 20)
    with pytest.raises(ValueError, match="for up to 40 rows; got 60"):
        FastReLURegressor(**SETTINGS, alpha="loo").fit(X, y)


# input that is hard


@pytest.mark.parametrize("alpha", [0.0, 1e-4])
def test_degenerate_rows_give_a_finite_network(alpha):
    y = np.array([0.0, 1.0, 5.0, 2.0])
    for X in (np.zeros((4, 2)), np.ones((4, 1)), np.repeat([[1.0, 2.0]], 4, axis=0), np.eye(4)):
        reg = FastReLURegressor(**{**SETTINGS, "threshold": 0.0}, alpha=alpha)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            assert np.isfinite(reg.fit(X, y).predict(X)).all()
    # rows that are all the same can only have the mean
    assert_allclose(reg.fit(np.repeat([[1.0, 2.0]], 4, axis=0), y).predict([[1.0, 2.0]]), 2.0, rtol=1e-2)


def test_one_row():
    reg = FastReLURegressor(**{**SETTINGS, "threshold": 0.0}).fit([[1.0, 2.0]], [3.0])
    assert_allclose(reg.predict([[1.0, 2.0]]), 3.0)


def test_targets_of_wildly_different_scale():
    X, y = data_for(FastReLURegressor, 100)
    Y = np.column_stack([1e-9 * y, 1e9 * y + 1e12])
    reg = FastReLURegressor(**SETTINGS).fit(X, Y)
    for k in range(2):
        assert np.corrcoef(reg.predict(X)[:, k], Y[:, k])[0, 1] > 0.99


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_kernel_is_kept_for_as_long_as_it_serves(monkeypatch):
    """With iterations to spare it is computed once, without any in each iteration; the steps are the same."""
    X, y = data_for(FastReLURegressor)
    curves = []
    for spare, expected in ((1_000, 1), (-1_000, 3)):
        computed = []
        monkeypatch.setattr(_gauss_newton, "gram", lambda *args, seen=computed: seen.append(args) or gram(*args))
        monkeypatch.setattr(_gauss_newton, "tiles_pay", lambda *args: False)
        monkeypatch.setattr(_gauss_newton, "CG_TOLERANCE", 1e-9)
        monkeypatch.setattr(_gauss_newton, "MAX_CG", 200)
        monkeypatch.setattr(_gauss_newton, "FEW_CG", 1_000)  # damping does not mind how many they are
        monkeypatch.setattr(_gauss_newton.GaussNewton, "_spare_iterations", lambda self, n=spare: n)
        reg = FastReLURegressor(**SETTINGS, max_iter=3, tol=0.0, alpha=0.1).fit(X, y)
        assert len(computed) == expected
        curves.append(reg.loss_curve_)
    assert_allclose(curves[0], curves[1], rtol=1e-6)
