"""What it takes to add an engine or a solver: a class of it; the rest follows from its name."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.sparse import csr_array

from helpers import BOTH, STEP_SOLVERS, data_for
from skfastnn import FastReLUClassifier, FastReLURegressor
from skfastnn.passes.shared._pairs import PairLists
from skfastnn.search import ENGINES
from skfastnn.search import _engine as engines
from skfastnn.solvers import SOLVERS, Adam
from skfastnn.solvers import _solver as solvers
from skfastnn.solvers._sparse_first_order import PanelAdam


class Everything(engines.CandidateSearch):
    """An engine that rules nothing out."""

    name = "everything"

    def build(self, rows, network, n_threads):
        super().build(rows, network, n_threads)
        self.pairs = PairLists(network.n_neurons, None)

    def candidates(self, batch, solver):
        solver.catch_up()
        n_rows, m = batch.rows.shape[0], self.network.n_neurons
        self.pairs.fill(np.arange(m + 1) * n_rows, np.tile(np.arange(n_rows, dtype=np.int32), m))
        self.counters["candidates"] += self.pairs.total
        return self.pairs


class WithoutMoments:
    """RMSprop: what its step has of Adam's is the second moment."""

    name = "rmsprop"

    def rule(self, rate, penalty, n_steps):
        return super().rule(rate, penalty, n_steps) | {"rate": rate, "momentum": 0.0}


class RMSprop(WithoutMoments, Adam):
    """RMSprop on dense weights."""


class PanelRMSprop(WithoutMoments, PanelAdam):
    """RMSprop on weights in panels."""


@pytest.fixture
def everything():
    yield engines.registered(Everything)
    del ENGINES["dense"]["everything"]


@pytest.fixture
def rmsprop():
    yield [solvers.registered(solver) for solver in (RMSprop, PanelRMSprop)]
    for layout in SOLVERS:
        del SOLVERS[layout]["rmsprop"]


def fitted(Estimator, X, y, **settings):
    common = {"hidden_layer_sizes": (100,), "threshold": 1.0, "max_iter": 3, "batch_size": 20, "random_state": 0}
    return Estimator(**common | {"learning_rate_init": 0.01} | settings).fit(X, y)


@BOTH
@pytest.mark.parametrize("solver", STEP_SOLVERS)
def test_an_engine_is_a_class(Estimator, solver, everything):
    X, y = data_for(Estimator)
    fits = [fitted(Estimator, X, y, solver=solver, search=name) for name in ("everything", "dense")]
    assert [fit.search_ for fit in fits] == ["everything", "dense"]
    assert_allclose(fits[0].coefs_[0], fits[1].coefs_[0], rtol=1e-9, atol=1e-12)


def steps_of_rmsprop(first, second, gradients, rate, beta_2=0.999, epsilon=1e-8):
    for gradient in gradients:
        second = beta_2 * second + (1 - beta_2) * gradient**2
        first = first - rate * gradient / (np.sqrt(second) + epsilon)
    return first


def test_a_solver_is_a_class(rmsprop):
    X, y = data_for(FastReLURegressor)
    fits = [
        fitted(FastReLURegressor, X, y, solver="rmsprop", learning_rate_init=rate, max_iter=1, batch_size=100)
        for rate in (1e-12, 0.01)
    ]
    way = np.abs(fits[1].coefs_[0] - fits[0].coefs_[0])
    # the first step is as long for every weight of a neuron that fires, a gradient over the root of its square; epsilon
    # is felt where it is small
    scale = np.sqrt(np.mean(np.sum((X - X.mean(axis=0)) ** 2, axis=1)))
    unit = np.sqrt((X.shape[1] + 100) / 2)
    assert_allclose(way[way > 1e-6], 0.01 * unit / np.sqrt(1 - 0.999) / scale, rtol=0.03)
    assert fits[1].solver_ == "rmsprop"
    assert fits[1].plan_[0]["learning_rate_init"] == pytest.approx(fits[1].learning_rate_init_)
    assert np.count_nonzero(way > 1e-6) > way.size / 2


def test_a_solver_has_a_class_for_panels(rmsprop):
    X, y = data_for(FastReLURegressor)
    fit = fitted(FastReLURegressor, csr_array(np.where(X > 1, X, 0)), y, solver="rmsprop")
    assert fit.solver_ == "rmsprop"
    assert fit.loss_curve_[-1] < fit.loss_curve_[0]


@pytest.mark.parametrize("layout", ["dense", "panels"])
def test_intercepts_of_outputs_move_by_the_rule(layout, rmsprop):
    class Network:
        dtype, v = np.dtype(float), np.zeros(2)

    solver = object.__new__(SOLVERS[layout]["rmsprop"])
    solver.network, solver.first_v, solver.second_v = Network(), np.zeros(2), np.zeros(2)
    solver.settings = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8, "train_output": True}
    gradients = np.random.default_rng(0).normal(size=(5, 2))
    for n_steps, gradient in enumerate(gradients, 1):
        solver.move_output_intercepts(gradient, solver.rule(0.1, 0.0, n_steps))
    assert_allclose(solver.network.v, steps_of_rmsprop(np.zeros(2), np.zeros(2), gradients, 0.1))


@pytest.mark.parametrize("parameter", ["search", "solver"])
def test_what_is_not_registered_is_refused(parameter):
    X, y = data_for(FastReLURegressor)
    with pytest.raises(ValueError, match=f"The '{parameter}' parameter"):
        fitted(FastReLURegressor, X, y, **{parameter: "everything"})


@pytest.mark.parametrize(("parameter", "registry"), [("search", ENGINES), ("solver", SOLVERS)])
def test_the_docstring_names_what_is_registered(parameter, registry):
    entry = FastReLUClassifier.__doc__.split(f"    {parameter} : ")[1].split("\n    ")[0]
    assert all(f'"{name}"' in entry for name in registry["dense"])
