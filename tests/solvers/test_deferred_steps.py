"""Steps that neurons take with the products of the next batch are those that they take at once, to the last bit."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits

from skfastnn import FastReLUClassifier
from skfastnn._coordinates import Coordinates
from skfastnn._fitting import Trainer
from skfastnn.networks._network import Network
from skfastnn.networks._training_rows import Batch, TrainingRows
from skfastnn.passes.shared._pairs import PairLists
from skfastnn.search._dense import DenseSearch
from skfastnn.search._engine import SearchEngine
from skfastnn.search.correlation_tree._tree_search import CorrelationTreeSearch
from skfastnn.search.quantized._quantized import QuantizedSearch
from skfastnn.solvers._first_order import Adam, MomentumSGD

N_ROWS, N_NEURONS = 120, 150
MOMENTUM = {"momentum": 0.9, "nesterovs_momentum": True, "train_output": True}
CLASSICAL = {"momentum": 0.8, "nesterovs_momentum": False, "train_output": False}
ADAM = {"beta_1": 0.9, "beta_2": 0.99, "epsilon": 1e-6, "train_output": True}

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
ENGINES = pytest.mark.parametrize("engine", [CorrelationTreeSearch, DenseSearch, QuantizedSearch])
SOLVERS = pytest.mark.parametrize(
    ("solver", "settings"), [(MomentumSGD, MOMENTUM), (MomentumSGD, CLASSICAL), (Adam, ADAM)]
)


class Training:
    """A network, trained on made-up errors."""

    def __init__(self, solver, settings, engine, dtype, defers, n_features=40, n_threads=1, n_outputs=3):
        rng = np.random.default_rng(0)
        X = rng.integers(0, 256, (N_ROWS, n_features)).astype(dtype) / 255
        coordinates = Coordinates.from_data(X, np.ones(N_ROWS, dtype))
        # few rows fire a neuron: at each step some are silent
        self.network = Network(coordinates, N_NEURONS, n_outputs, 1.5, True, 0, dtype)
        self.rows = TrainingRows(X, coordinates, self.network.ld, n_threads)
        self.solver, self.engine = solver(self.network, settings, n_threads), engine()
        self.engine.build(self.rows, self.network, n_threads)
        self.solver.defers = defers and self.engine.takes_steps(self.solver)
        self.lists = [PairLists(N_NEURONS, dtype) for _ in range(2)]
        self.outputs = np.zeros((self.lists[0].n_blocks, 17, self.network.ld_out), dtype)
        self.n_threads, self.n_outputs = n_threads, n_outputs
        self.rng, self.silent = np.random.default_rng(1), 0

    def step(self, n_rows=17, rate=0.02):
        """Take one step, or leave it; return what fired before it."""
        index = self.rng.permutation(N_ROWS)[:n_rows].astype(np.int32)
        batch = Batch(index, *self.rows.gather(index, *self.rows.buffers(n_rows)))
        fired = self.lists[0]
        self.engine.forward(batch, fired, self.solver, self.outputs)
        self.lists.reverse()
        listed = fired.to_csr()
        self.silent += np.count_nonzero(np.diff(listed[0]) == 0)
        error = self.rng.standard_normal((n_rows, self.network.ld_out)).astype(self.network.dtype)
        error[:, self.n_outputs :] = 0
        self.solver.step(fired, batch.rows, error, error.sum(axis=0)[: self.n_outputs], rate, 0.1)
        return listed

    @property
    def state(self):
        arrays = {name: value for name, value in vars(self.solver).items() if isinstance(value, np.ndarray)}
        network = self.network
        return arrays | {"displacement": network.displacement, "c": network.c_state, "V": network.V, "v": network.v}


@DTYPES
@ENGINES
@SOLVERS
def test_neurons_take_the_step_with_the_next_batch(solver, settings, engine, dtype):
    at_once, later, two = (
        Training(solver, settings, engine, dtype, defers, n_threads=n_threads)
        for defers, n_threads in ((False, 1), (True, 1), (True, 2))
    )
    for number in range(12):
        lists = [training.step() for training in (at_once, later, two)]
        for others in zip(*lists, strict=True):
            assert_array_equal(others[1], others[0])
            assert_array_equal(others[2], others[0])
        assert later.solver.defers is (later.solver.deferred is not None)
        if number == 6:
            for training in (at_once, later, two):
                training.solver.catch_up()
    assert at_once.silent > 12
    for training in (at_once, later, two):
        training.solver.catch_up()
    for name, value in at_once.state.items():
        assert_array_equal(later.state[name], value)
        assert_array_equal(two.state[name], value)


@DTYPES
@pytest.mark.parametrize("settings", [MOMENTUM, CLASSICAL])
@pytest.mark.parametrize("n_features", [40, 140])
def test_candidates_of_the_tree_know_of_the_step_that_waits(settings, dtype, n_features):
    """Also where a step moves neurons as far as from a row on which they are silent to one on which they fire."""
    arguments = settings, CorrelationTreeSearch, dtype, True, n_features
    tree, dense = Training(MomentumSGD, *arguments), Training(MomentumSGD, settings, DenseSearch, *arguments[2:])
    n_rows = 0
    for number in range(15):
        lists = [training.step(rate=0.2 / (1 + number)) for training in (tree, dense)]
        assert_array_equal(lists[0][0], lists[1][0])
        assert_array_equal(lists[0][1], lists[1][1])
        n_rows += lists[0][1].size
    assert tree.solver.defers
    assert tree.engine.counters["candidates"] < 0.9 * dense.engine.counters["candidates"]
    assert n_rows > 2000


@DTYPES
@pytest.mark.parametrize("settings", [MOMENTUM, CLASSICAL])
def test_bounds_on_the_movement_cover_a_step_that_waits(settings, dtype):
    training = Training(MomentumSGD, settings, CorrelationTreeSearch, dtype, True)
    network, solver = training.network, training.solver
    for _ in range(8):
        training.step(rate=0.1)
        movement, before = solver.movement(), network.displacement.copy()
        solver.catch_up()
        change = np.linalg.norm(network.displacement - before, axis=1)
        assert change.max() > 0.01
        assert np.all(change <= movement.pending + 1e-6)
        assert np.all(np.linalg.norm(network.displacement, axis=1) <= movement.drift + 1e-6)
        assert np.all(network.c_state[:, 0] <= movement.intercepts + 1e-6)


@DTYPES
@pytest.mark.parametrize("settings", [MOMENTUM, CLASSICAL])
@pytest.mark.parametrize(("n_threads", "n_outputs"), [(1, 3), (2, 3), (2, 1), (2, 20)])
def test_reach_is_that_of_the_longest_gradient(settings, dtype, n_threads, n_outputs):
    training = Training(MomentumSGD, settings, CorrelationTreeSearch, dtype, True, n_outputs=n_outputs)
    arguments, step = [], training.solver.step
    training.solver.step = lambda *given: (arguments.append(given), step(*given))
    for _ in range(3):
        training.step()
    fired, rows, error = arguments[-1][:3]
    indptr, row, _ = fired.to_csr()
    neuron = np.repeat(np.arange(N_NEURONS), np.diff(indptr))
    length = np.linalg.norm(error, axis=1)
    share = 0.02 * (1.9 if settings["nesterovs_momentum"] else 1) * np.linalg.norm(training.network.V, axis=1)
    weights = np.bincount(neuron, (length * np.linalg.norm(rows, axis=1))[row], N_NEURONS)
    expected = share[:, None] * np.column_stack([weights, np.bincount(neuron, length[row], N_NEURONS)])
    drift, pending, intercepts = np.zeros((3, N_NEURONS))
    training.solver.deferred.add_step_bound(drift, pending, intercepts, n_threads)
    assert np.any(drift == 0)
    mu = settings["momentum"]
    along = mu * mu if settings["nesterovs_momentum"] else mu
    intercepts -= along * training.network.c_state[:, 1].astype(np.float64)
    assert_allclose(np.column_stack([drift, intercepts]), expected, rtol=2e-5, atol=1e-9)
    assert_array_equal(pending, drift)
    with pytest.raises(ValueError, match="an entry per neuron"):
        training.solver.deferred.add_step_bound(drift[1:], pending, intercepts, n_threads)


@SOLVERS
def test_a_deferred_step_is_taken_once(solver, settings):
    training = Training(solver, settings, DenseSearch, np.float64, True)
    training.step()
    step = training.solver.deferred
    before = training.network.displacement.copy()
    training.step()
    assert step.taken
    after = training.network.displacement.copy()
    assert np.any(after != before)
    step.take_all(1)
    assert_array_equal(training.network.displacement, after)
    training.solver.catch_up()
    assert np.any(training.network.displacement != after)
    assert training.solver.deferred is None


def test_lists_of_a_step_are_not_overwritten_before_it_is_taken():
    training = Training(MomentumSGD, MOMENTUM, DenseSearch, np.float64, True)
    training.step()
    training.lists.reverse()
    with pytest.raises(ValueError, match="taken once, while lists of the same neurons are made elsewhere"):
        training.step()
    training.lists[0] = PairLists(N_NEURONS + 1, np.float64)
    with pytest.raises(ValueError, match="displacement must be"):
        training.step()


def fitted(patch, takes_steps, dtype, n_epochs=5, **parameters):
    if not takes_steps:
        for engine in (CorrelationTreeSearch, DenseSearch, QuantizedSearch):
            patch.setattr(engine, "takes_steps", SearchEngine.takes_steps)
    X, y = load_digits(return_X_y=True)
    clf = FastReLUClassifier(
        200, threshold=1.5, max_iter=n_epochs, tol=0.0, random_state=0, learning_rate="constant", **parameters
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return clf.fit((X / 16).astype(dtype), y)


@DTYPES
@pytest.mark.parametrize("search", ["correlation_tree", "dense", "quantized"])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("early_stopping", [True, False])
def test_fits_are_the_same(monkeypatch, early_stopping, solver, search, dtype):
    models = []
    for takes in (False, True):
        with monkeypatch.context() as patch:
            models.append(fitted(patch, takes, dtype, solver=solver, search=search, early_stopping=early_stopping))
    # looser bounds waste more candidates, so that the tree takes new references at other times; that is rounding
    eps = 1e3 * np.finfo(dtype).eps if search == "correlation_tree" else 0
    assert_allclose(models[0].loss_curve_, models[1].loss_curve_, rtol=eps)
    for a, b in zip(models[0].coefs_ + models[0].intercepts_, models[1].coefs_ + models[1].intercepts_, strict=True):
        assert_allclose(a, b, rtol=0, atol=eps)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_an_interrupted_fit_has_taken_its_last_step(monkeypatch, solver):
    """Training that is interrupted after some batches keeps all their steps, deferred or not."""
    step, calls = Trainer._step, []

    def interrupted(self, *arguments):
        calls.append(None)
        if len(calls) == 12:
            raise KeyboardInterrupt
        return step(self, *arguments)

    monkeypatch.setattr(Trainer, "_step", interrupted)
    models = []
    for takes in (False, True):
        calls.clear()
        with monkeypatch.context() as patch:
            models.append(fitted(patch, takes, np.float64, solver=solver, search="dense", batch_size=200))
        assert len(calls) == 12
    assert_array_equal(models[0].coefs_[0], models[1].coefs_[0])
    assert_array_equal(models[0].coefs_[1], models[1].coefs_[1])
