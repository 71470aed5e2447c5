"""An interruption between any two lines of a step finds all of the step, or nothing of it."""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

import skfastnn
from helpers import unit_coordinates
from interrupts import interrupt_at
from skfastnn._coordinates import Coordinates
from skfastnn.networks._network import Network
from skfastnn.networks._panel_network import PanelNetwork
from skfastnn.networks._training_rows import Batch, TrainingRows, by_feature
from skfastnn.passes.shared._pairs import PairLists
from skfastnn.search import make_engine
from skfastnn.solvers import Adam, MomentumSGD
from skfastnn.solvers._sparse_first_order import PanelAdam, PanelSGD

ROOT = str(Path(skfastnn.__file__).parent)
N_ROWS, N_FEATURES, N_NEURONS, N_OUTPUTS = 30, 20, 100, 2
MOMENTUM = {"momentum": 0.9, "nesterovs_momentum": True, "train_output": True}
CLASSICAL = {"momentum": 0.9, "nesterovs_momentum": False, "train_output": True}
TINY = {"momentum": 1e-9, "nesterovs_momentum": False, "train_output": True}
PLAIN = {"momentum": 0.0, "nesterovs_momentum": False, "train_output": True}
ADAM = {"beta_1": 0.9, "beta_2": 0.99, "epsilon": 1e-6, "train_output": True}


class Training:
    """A network in training on made-up errors, by a solver that takes its steps at once, or leaves them."""

    def __init__(self, make, settings, defers=False):
        panels = make in (PanelSGD, PanelAdam)
        rng = np.random.default_rng(0)
        X = rng.standard_normal((N_ROWS, N_FEATURES))
        coordinates = unit_coordinates(N_FEATURES)
        if panels:
            coordinates = Coordinates(np.zeros(N_FEATURES), 1.0, np.zeros(N_FEATURES))
        layout = PanelNetwork if panels else Network
        self.network = layout(coordinates, N_NEURONS, N_OUTPUTS, 1.5, True, 0, np.float64)
        self.solver, self.engine = make(self.network, settings, 1), make_engine("dense", self.network)
        self.solver.defers = defers
        if panels:
            rows = by_feature(sparse.csr_array(X * (rng.random(X.shape) < 0.3)))
            self.engine.build(None, self.network, 1)
        else:
            data = TrainingRows(X, coordinates, self.network.ld, 1)
            rows = data.take(np.arange(N_ROWS, dtype=np.int32))
            self.engine.build(data, self.network, 1)
        self.batch = Batch(np.arange(N_ROWS, dtype=np.int32), rows, None)
        self.error = np.zeros((N_ROWS, self.network.ld_out))
        self.error[:, :N_OUTPUTS] = rng.standard_normal((N_ROWS, N_OUTPUTS))
        self.lists = [PairLists(N_NEURONS, np.float64) for _ in range(2)]

    def look(self):
        self.lists.reverse()
        self.engine.list_fired(self.batch, self.lists[0], self.solver)

    def step(self):
        self.solver.step(self.lists[0], self.batch.rows, self.error, self.error.sum(axis=0)[:N_OUTPUTS], 0.01, 0.5)

    def run(self, n_steps):
        for _ in range(n_steps):
            self.look()
            self.step()
        self.look()
        return self

    def state(self):
        """Hidden weights, intercepts and output weights, all movement included."""
        self.solver.catch_up()
        network = self.network
        parts = network.weights(0, N_NEURONS)[:, :N_FEATURES], network.c_state[:, :1], network.V[:, :N_OUTPUTS]
        return np.hstack(parts)


@pytest.mark.parametrize("n_before", [0, 2])
@pytest.mark.parametrize(
    ("make", "settings", "defers"),
    [
        (MomentumSGD, MOMENTUM, False), (MomentumSGD, CLASSICAL, False), (MomentumSGD, MOMENTUM, True),
        (Adam, ADAM, False), (Adam, ADAM, True), (PanelSGD, MOMENTUM, False), (PanelSGD, CLASSICAL, False),
        (PanelSGD, PLAIN, False), (PanelSGD, TINY, False), (PanelAdam, ADAM, False),
    ],
)  # fmt: skip
def test_a_step_is_taken_or_not(make, settings, defers, n_before):
    outcomes = [Training(make, settings).run(n).state() for n in (n_before, n_before + 1)]
    assert np.abs(outcomes[1] - outcomes[0]).max() > 1e-4
    n_lines, seen = 0, set()
    while True:
        n_lines += 1
        training = Training(make, settings, defers).run(n_before)
        if not interrupt_at(n_lines, training.step):
            break
        if make is MomentumSGD:
            assert training.solver.delay.min() >= 0
        state = training.state()
        taken = int(np.abs(state - outcomes[1]).max() < np.abs(state - outcomes[0]).max())
        assert_allclose(state, outcomes[taken], rtol=1e-9, atol=1e-12)
        seen.add(taken)
        # and training can go on
        training.run(2)
    assert n_lines > 10
    assert seen == {0, 1}


def test_a_neuron_gets_another_reference_or_not():
    neurons = np.array([3, 4, 90])
    weights = Training(Adam, ADAM).run(2).network.weights(0, N_NEURONS)
    n_lines = 0
    while True:
        n_lines += 1
        network = Training(Adam, ADAM).run(2).network
        interrupted = interrupt_at(n_lines, lambda network=network: network.rebase(neurons))
        assert_allclose(network.weights(0, N_NEURONS), weights, rtol=1e-12)
        assert set(np.flatnonzero(network.anchored)) == set(np.flatnonzero(network.anchor.any(axis=1)))
        if not interrupted:
            break
    assert np.flatnonzero(network.anchored).tolist() == neurons.tolist()
    assert not network.displacement[neurons].any()
