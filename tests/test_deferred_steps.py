"""Steps that neurons take with the products of the next batch are those that they take at once, to the last bit."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import load_digits

from skfastnn import FastReLUClassifier
from skfastnn._fitting import Trainer
from skfastnn._network import Coordinates, Network
from skfastnn.passes._pairs import PairLists
from skfastnn.search._contract import Batch, TrainingRows
from skfastnn.search._dense import DenseSearch
from skfastnn.search._quantized import QuantizedSearch
from skfastnn.solvers._first_order import Adam, MomentumSGD

N_ROWS, N_NEURONS = 120, 150
MOMENTUM = {"momentum": 0.9, "nesterovs_momentum": True, "train_output": True}
CLASSICAL = {"momentum": 0.8, "nesterovs_momentum": False, "train_output": False}
ADAM = {"beta_1": 0.9, "beta_2": 0.99, "epsilon": 1e-6, "train_output": True}

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
ENGINES = pytest.mark.parametrize("engine", [DenseSearch, QuantizedSearch])
SOLVERS = pytest.mark.parametrize(
    ("solver", "settings"), [(MomentumSGD, MOMENTUM), (MomentumSGD, CLASSICAL), (Adam, ADAM)]
)


class Training:
    """A network, trained on made-up errors."""

    def __init__(self, solver, settings, engine, dtype, defers, n_features=40, n_threads=1):
        rng = np.random.default_rng(0)
        X = rng.integers(0, 256, (N_ROWS, n_features)).astype(dtype) / 255
        coordinates = Coordinates.from_data(X, np.ones(N_ROWS, dtype))
        # few rows fire a neuron: at each step some are silent
        self.network = Network(coordinates, N_NEURONS, 3, 1.5, True, 0, dtype)
        self.rows = TrainingRows(X, coordinates, self.network.ld, n_threads)
        self.solver, self.engine = solver(self.network, settings, n_threads), engine()
        self.solver.defers = defers
        self.engine.build(self.rows, self.network, n_threads)
        self.rng, self.silent = np.random.default_rng(1), 0

    def step(self, n_rows=17):
        """Take one step, or leave it; return what fired before it."""
        index = self.rng.permutation(N_ROWS)[:n_rows].astype(np.int32)
        batch = Batch(index, *self.rows.gather(index, *self.rows.buffers(n_rows)))
        fired = self.engine.candidates(batch, self.solver)
        listed = fired.to_csr()
        self.silent += np.count_nonzero(np.diff(listed[0]) == 0)
        error = self.rng.standard_normal((n_rows, self.network.ld_out)).astype(self.network.dtype)
        error[:, 3:] = 0
        self.solver.step(fired, batch.rows, error, error.sum(axis=0)[:3], 0.02, 0.1)
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
        assert not later.solver.deferred.taken
        if number == 6:
            for training in (at_once, later, two):
                training.solver.catch_up()
    assert at_once.silent > 12
    for training in (at_once, later, two):
        training.solver.catch_up()
    for name, value in at_once.state.items():
        assert_array_equal(later.state[name], value)
        assert_array_equal(two.state[name], value)


@SOLVERS
def test_a_deferred_step_is_taken_once(solver, settings):
    training = Training(solver, settings, DenseSearch, np.float64, True)
    training.step()
    step = training.solver.hand_over()
    before = training.network.displacement.copy()
    training.step()
    assert step.taken
    after = training.network.displacement.copy()
    assert np.any(after != before)
    step.take_all(1)
    assert_array_equal(training.network.displacement, after)
    training.solver.catch_up()
    assert np.any(training.network.displacement != after)
    assert training.solver.hand_over() is None


def test_lists_of_a_step_are_not_overwritten_before_it_is_taken():
    training = Training(MomentumSGD, MOMENTUM, DenseSearch, np.float64, True)
    training.step()
    training.engine.spare = training.engine.pairs
    with pytest.raises(ValueError, match="taken once, while lists of the same neurons are made elsewhere"):
        training.step()
    training.engine.spare = PairLists(N_NEURONS + 1, np.float64)
    with pytest.raises(ValueError, match="the same neurons"):
        training.step()


def fitted(monkeypatch, takes_steps, dtype, n_epochs=5, **parameters):
    for engine in (DenseSearch, QuantizedSearch):
        monkeypatch.setattr(engine, "takes_steps", takes_steps)
    X, y = load_digits(return_X_y=True)
    clf = FastReLUClassifier(200, threshold=1.5, max_iter=n_epochs, tol=0.0, random_state=0, **parameters)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return clf.fit((X / 16).astype(dtype), y)


@DTYPES
@pytest.mark.parametrize("search", ["dense", "quantized"])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("early_stopping", [True, False])
def test_fits_are_the_same(monkeypatch, early_stopping, solver, search, dtype):
    models = [
        fitted(monkeypatch, takes, dtype, solver=solver, search=search, early_stopping=early_stopping)
        for takes in (False, True)
    ]
    assert models[0].loss_curve_ == models[1].loss_curve_
    for a, b in zip(models[0].coefs_ + models[0].intercepts_, models[1].coefs_ + models[1].intercepts_, strict=True):
        assert_array_equal(a, b)


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
        models.append(fitted(monkeypatch, takes, np.float64, solver=solver, search="dense", batch_size=200))
        assert len(calls) == 12
    assert_array_equal(models[0].coefs_[0], models[1].coefs_[0])
    assert_array_equal(models[0].coefs_[1], models[1].coefs_[1])
