"""No search engine misses a neuron that fires, whatever the data and however the weights move.

Engines are driven as in training, by real solvers, and compared after every step with the pre-activations of all pairs
in float64. Arithmetic in the precision of the network rounds a pre-activation by up to about
``eps * n_features * sum |w_j x_j|``; which side of zero a pair closer than that falls on is decided by rounding, in
dense training as much as here, so that such pairs alone may go either way.
"""

from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from helpers import EXACT_ENGINES
from skfastnn._coordinates import Coordinates
from skfastnn.networks._network import Network, aligned_zeros, resolve_threshold
from skfastnn.networks._training_rows import Batch, TrainingRows
from skfastnn.passes.dense._forward import forward
from skfastnn.passes.shared._pairs import PairLists
from skfastnn.search import make_engine
from skfastnn.search._engine import CandidateSearch
from skfastnn.search.correlation_tree import _tree_search
from skfastnn.search.correlation_tree._lazy_tree import GROUP_SIZE, STEP, QueryBounds, QueryRows, query
from skfastnn.search.correlation_tree._leaves import References, write_leaves
from skfastnn.solvers import make_solver

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
SOLVERS = {
    "momentum": ("sgd", {"momentum": 0.9, "nesterovs_momentum": False}),
    "nesterov": ("sgd", {"momentum": 0.9, "nesterovs_momentum": True}),
    "adam": ("adam", {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8}),
}
ON_EACH_SOLVER = pytest.mark.parametrize("solver", SOLVERS)
SPOILERS = ["duplicates", "mirrored", "zero_rows", "huge_row", "tiny_rows", "constant_features", "low_rank", "offset"]
# leaves are compared in single precision, in steps as the header has them
LEAF_STEP = float(np.float32(STEP))


def awkward_data(rng, n_samples, n_features, dtype, spoilers):
    X = rng.standard_normal((n_samples, n_features))
    if "low_rank" in spoilers:
        X = rng.standard_normal((n_samples, 3)) @ rng.standard_normal((3, n_features))
    if "duplicates" in spoilers:
        X[rng.integers(n_samples, size=n_samples // 2)] = X[0]
    if "mirrored" in spoilers:  # what a neuron learns on a row moves it straight along the other
        X[1::2] = -X[::2][: n_samples // 2]
    if "offset" in spoilers:
        X += 100
    if "constant_features" in spoilers:
        X[:, ::2] = 7
    if "zero_rows" in spoilers:
        X[::3] = 0
    if "tiny_rows" in spoilers:
        X[1::4] *= 1e-6
    if "huge_row" in spoilers:
        X[rng.integers(n_samples)] *= 1e3
    return X.astype(dtype)


@contextmanager
def constants(**values):
    """Other values for the constants of the engine: when it refreshes, projects, and cuts tiles."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setattr(_tree_search, name, value)
        yield


class Training:
    """A network, a solver and an engine, and steps with random gradients."""

    def __init__(
        self, X, solver="nesterov", search="correlation_tree", *, n_neurons=100, n_outputs=2, threshold=1.0,
        antisymmetric=True, normalised=True, n_threads=1, seed=0, coefs=None,
    ):  # fmt: skip
        self.rng, self.n_threads = np.random.default_rng(seed), n_threads
        d = X.shape[1]
        coordinates = Coordinates(np.zeros(d, X.dtype), np.sqrt(d))
        if normalised:
            coordinates = Coordinates.from_data(X, np.ones(X.shape[0], X.dtype))
        threshold = resolve_threshold(threshold, n_neurons)
        self.network = Network(coordinates, n_neurons, n_outputs, threshold, antisymmetric, seed, X.dtype)
        name, arguments = SOLVERS[solver]
        self.solver = make_solver(name, self.network, arguments | {"train_output": True}, n_threads)
        if coefs is not None:
            self.network.load(*coefs)
            self.solver.measure()
        self.rows = TrainingRows(X, coordinates, self.network.ld, n_threads)
        self.engine = make_engine(search, self.network)
        self.engine.build(self.rows, self.network, n_threads)

    def batch(self, index):
        index = np.asarray(index, dtype=np.int32)
        return Batch(index, *self.rows.gather(index, *self.rows.buffers(index.size)))

    def preactivations(self, batch):
        """Exact values, with all silent steps carried out, and how far rounding may take them, (n_neurons, n_rows)."""
        network, solver = self.network, self.solver
        start = network.start[np.arange(network.n_neurons) >> network.pair_shift].astype(np.float64)
        anchor, displacement = network.anchor.astype(np.float64), network.displacement.astype(np.float64)
        share, run, velocity = 1.0, 0.0, np.zeros((1, 1))
        if solver.silence is not None:
            share, run = (solver.pending[solver.delay][:, [k]] for k in (0, 1))
            velocity = solver.velocity.astype(np.float64)
        x, c = batch.rows.astype(np.float64).T, network.c_state[:, :1].astype(np.float64)
        Z = (start + share * (anchor + displacement) + run * velocity) @ x + c
        size = np.abs(start) + np.abs(share) * (np.abs(anchor) + np.abs(displacement)) + np.abs(run * velocity)
        eps = np.finfo(network.dtype).eps
        return Z, (network.n_features + 8) * eps * (size @ np.abs(x) + np.abs(c))

    def candidates(self, batch):
        """Candidates as a mask of shape (n_neurons, n_rows), after checks of their form."""
        if isinstance(self.engine, CandidateSearch):
            pairs = self.engine.candidates(batch, self.solver)
        else:
            pairs = PairLists(self.network.n_neurons, self.network.dtype)
            self.engine.list_fired(batch, pairs, self.solver)
        return pairs, mask_of(pairs, batch.index.size)

    def forward(self, pairs, batch):
        network, solver = self.network, self.solver
        if not isinstance(self.engine, CandidateSearch):
            return pairs
        fired = PairLists(network.n_neurons, network.dtype)
        buffers = np.empty((fired.n_blocks, batch.index.size, network.ld_out), network.dtype)
        forward(pairs, fired, network.arrays, batch.rows, buffers, self.n_threads, solver.silence)
        return fired

    def step(self, batch, rate, penalty=0.01):
        """Search, check, and train; return (candidates, fired) as masks."""
        pairs, candidates = self.candidates(batch)
        Z, rounding = self.preactivations(batch)
        assert not np.any((rounding < Z) & ~candidates), "a firing neuron was missed"
        fired = self.forward(pairs, batch)
        fires = mask_of(fired, batch.index.size)
        assert not np.any(fires & ~candidates)
        assert_array_equal(fires[np.abs(Z) > rounding], (Z > 0)[np.abs(Z) > rounding])
        error = aligned_zeros((batch.index.size, self.network.ld_out), self.network.dtype)
        error[:, : self.network.n_outputs] = self.rng.standard_normal((batch.index.size, self.network.n_outputs))
        gradient = self.rng.standard_normal(self.network.n_outputs).astype(self.network.dtype)
        self.solver.step(fired, batch.rows, error, gradient, rate, penalty)
        self.engine.moved(fired, self.solver)
        return candidates, fires

    @property
    def diverged(self):
        network = self.network
        return max(np.abs(a).max() for a in (network.displacement, network.anchor, network.c_state, network.V)) > 1e8


def mask_of(pairs, n_rows):
    indptr, rows, _ = pairs.to_csr()
    neuron = np.repeat(np.arange(pairs.n_neurons), np.diff(indptr))
    assert np.all((np.diff(rows) > 0) | (np.diff(neuron) > 0)), "lists must be strictly ascending"
    assert rows.size == 0 or (rows.min() >= 0 and rows.max() < n_rows)
    mask = np.zeros((pairs.n_neurons, n_rows), dtype=bool)
    mask[neuron, rows] = True
    return mask


# nothing is missed


@st.composite
def situations(draw, n_features):
    """Arguments of a training, and how it goes on."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_samples = draw(st.sampled_from([1, 2, 5, 63, 64, 65, 90]))
    return {
        "rng": rng,
        "n_samples": n_samples,
        "n_features": draw(st.sampled_from(n_features)),
        "spoilers": draw(st.sets(st.sampled_from(SPOILERS), max_size=3)),
        "network": {
            "n_neurons": draw(st.sampled_from([1, 40, 64, 65, 130])),
            "n_outputs": draw(st.sampled_from([1, 3])),
            "threshold": draw(st.sampled_from([0, "auto", 3])),
            "antisymmetric": draw(st.booleans()),
            "normalised": draw(st.booleans()),
        },
        "rates": draw(st.lists(st.sampled_from([0.0, 1e-5, 1e-3, 0.03, 1.0, 30.0]), min_size=2, max_size=8)),
        "penalty": draw(st.sampled_from([0.0, 0.01, 1.0])),
        "batch_size": draw(st.one_of(st.just(n_samples), st.integers(1, n_samples))),
        "constants": {
            # below zero: all are refreshed, every time
            "WASTE_PER_ROW": draw(st.sampled_from([-1.0, 0.0, 1.0, 8.0])),
            "STANDING_GROWTH": draw(st.sampled_from([1.0, 1.1, 10.0])),
            "STANDING_SKIN": draw(st.sampled_from([0.0, 0.02, 1.0])),
            "MIN_REFRESH": draw(st.sampled_from([1, 128])),
            "TILE_ROWS": draw(st.sampled_from([10, 1024])),
            "TILE_NEURONS": draw(st.sampled_from([64, 1024])),
        },
    }


def run(situation, solver, search, dtype, **more_constants):
    rng = situation["rng"]
    X = awkward_data(rng, situation["n_samples"], situation["n_features"], dtype, situation["spoilers"])
    with constants(**situation["constants"] | more_constants):
        training = Training(X, solver, search, seed=int(rng.integers(1000)), **situation["network"])
        for rate in situation["rates"]:
            index = rng.permutation(X.shape[0])[: situation["batch_size"]]
            if index.size == X.shape[0]:  # a single batch keeps its order
                index.sort()
            training.step(training.batch(index), rate, min(situation["penalty"], 0.5 / max(rate, 0.5)))
            if training.diverged:
                break


@DTYPES
@ON_EACH_SOLVER
@pytest.mark.parametrize("search", EXACT_ENGINES)
@settings(max_examples=60, deadline=None)
@given(situation=situations([1, 2, 5, 16, 33]))
def test_no_firing_neuron_is_missed(search, solver, dtype, situation):
    run(situation, solver, search, dtype)


@DTYPES
@ON_EACH_SOLVER
@settings(max_examples=60, deadline=None)
@given(
    situation=situations([128, 150]),
    drift=st.sampled_from([0.0, 0.15, 10.0]),
    path=st.sampled_from([0.0, 0.1, 3.0, 1e9]),
    n_directions=st.sampled_from([1, 8, 32]),
)
def test_no_firing_neuron_is_missed_with_projections(solver, dtype, situation, drift, path, n_directions):
    """As above, where the bound in a subspace is in use: always, sometimes; renewed always, sometimes, never."""
    run(
        situation, solver, "correlation_tree", dtype,
        PROJECTION_DRIFT=drift, PROJECTION_PATH=path, N_DIRECTIONS=n_directions,
    )  # fmt: skip


@DTYPES
@pytest.mark.parametrize("antisymmetric", [False, True])
def test_more_than_one_tile(antisymmetric, dtype):
    """Leaves are written in tiles of rows and of neurons."""
    X = np.random.default_rng(0).standard_normal((1100, 3)).astype(dtype)
    training = Training(X, n_neurons=2200, threshold=2, antisymmetric=antisymmetric)
    batch = training.batch(np.arange(1100))
    for rate in 1e-4, 1e-3, 1e-4:
        candidates, fires = training.step(batch, rate)
        with constants(WASTE_PER_ROW=-1.0):
            training.engine.moved(PairLists(2200, dtype), training.solver)
    assert fires.sum() <= candidates.sum() < 0.2 * fires.size
    assert training.engine.counters["refreshed"] >= 3 * 2200


@DTYPES
@pytest.mark.parametrize("n_features", [5, 150])
def test_weights_loaded_before_build(n_features, dtype):
    """A warm start: weights and intercepts are far from the draw when the engine is built."""
    X = 4 + np.random.default_rng(0).standard_normal((90, n_features)).astype(dtype)
    trained = Training(X, "adam")
    batch = trained.batch(np.arange(90))
    for _ in range(30):
        trained.step(batch, 0.1)
    again = Training(X, coefs=trained.network.export())
    assert np.abs(again.network.c_state[:, 0] + again.network.threshold).max() > 0.5
    for _ in range(3):
        again.step(batch, 0.01)


def test_rounding_of_long_references():
    """The allowance for rounding follows the longest reference, in whichever tile it is."""
    X = np.random.default_rng(0).standard_normal((200, 4)).astype(np.float32)
    training = Training(X, n_neurons=130)
    batch = training.batch(np.arange(200))
    training.network.displacement[:20, :4] += 1e5
    training.solver.measure()
    with constants(WASTE_PER_ROW=-1e9, TILE_NEURONS=64):
        training.step(batch, 0.0)
        assert not training.solver.movement().drift.any()
        training.step(batch, 0.0)
    lengths = np.linalg.norm(training.network.reference(np.arange(130)), axis=1)
    assert np.all(training.engine.drift[:130] >= np.finfo(np.float32).eps * lengths)


@DTYPES
def test_rows_are_no_longer_than_the_bounds_take_them_for(dtype, monkeypatch):
    X = np.random.default_rng(0).standard_normal((200, 150)).astype(dtype)
    training, given = Training(X, n_neurons=130), []

    def query_rows(index, norms, norms_outside, inside):
        given.append((norms.copy(), norms_outside.copy()))
        return really(index, norms, norms_outside, inside)

    really = _tree_search.QueryRows
    monkeypatch.setattr(_tree_search, "QueryRows", query_rows)
    batch = training.batch(np.arange(199))
    lengths = np.linalg.norm(batch.rows.astype(np.float64), axis=1)
    training.candidates(batch)
    assert (given[-1][0] > lengths).all()  # in single precision, too, and by more than a sum of squares loses
    assert_allclose(given[-1][0], lengths, rtol=1e-4)
    assert (given[-1][1] <= given[-1][0]).all()


# bounds are used to the last bit: neurons that fire only just, moved there the shortest way


def shortest_ways(training, batch, margin=1e-3):
    """For each neuron a row on which it is silent, and the smallest change of its weights that makes it fire there."""
    Z, _ = training.preactivations(batch)
    pick = np.random.default_rng(1).random(Z.shape)
    row = np.argmax(np.where((Z < -0.3) & (batch.norms > 0.5), pick, 0), axis=1)
    x = batch.rows[row].astype(np.float64)
    way = ((margin - Z[np.arange(row.size), row]) / np.einsum("ij,ij->i", x, x))[:, None] * x
    return row, way.astype(training.network.dtype)


def assert_fire_only_just(training, batch, row):
    _, candidates = training.candidates(batch)
    Z, rounding = training.preactivations(batch)
    on_way = Z[np.arange(row.size), row]
    assert np.all((on_way > 0) & (on_way < 0.01))
    assert candidates[np.arange(row.size), row].all()
    assert not np.any((rounding < Z) & ~candidates)


@DTYPES
@pytest.mark.parametrize(("n_features", "projection"), [(3, np.inf), (16, np.inf), (150, np.inf), (150, -1.0)])
@pytest.mark.parametrize("standing", [False, True])
def test_displacement_straight_to_a_row(standing, n_features, projection, dtype):
    X = np.random.default_rng(0).standard_normal((200, n_features)).astype(dtype)
    with constants(PROJECTION_DRIFT=projection):
        training = Training(X, n_neurons=1500)
        batch = training.batch(np.arange(200 if standing else 199))
        row, way = shortest_ways(training, batch)
        # lists made shortly before may stand or not
        for share in 0.8, 0.87, 1.0:
            training.network.displacement[...] = share * way
            training.solver.measure()
            training.solver.norms[:, 2] = training.solver.norms[:, 0]
            training.candidates(batch)
        assert_fire_only_just(training, batch, row)


@DTYPES
@pytest.mark.parametrize(("n_features", "projection"), [(16, np.inf), (150, np.inf), (150, -1.0)])
@pytest.mark.parametrize("solver", ["momentum", "nesterov"])
def test_silent_steps_straight_to_a_row(solver, n_features, projection, dtype):
    """Nothing fires, but velocities carry on; projections were made before."""
    X = np.random.default_rng(0).standard_normal((200, n_features)).astype(dtype)
    with constants(PROJECTION_DRIFT=projection, PROJECTION_PATH=1e9):
        training = Training(X, solver, n_neurons=1500)
        solver, batch = training.solver, training.batch(np.arange(199))
        training.candidates(batch)
        row, way = shortest_ways(training, batch)
        # four steps of 0.9, 0.81, ..., and once more 0.9 with Nesterov's look ahead
        share = sum(0.9**k for k in range(1, 5)) * (0.9 if solver.settings["nesterovs_momentum"] else 1)
        solver.velocity[...] = way / share
        solver.norms[:, 1] = np.linalg.norm(solver.velocity.astype(np.float64), axis=1)
        nothing = PairLists(1500, dtype)
        error = aligned_zeros((199, training.network.ld_out), dtype)
        for _ in range(4):
            solver.step(nothing, batch.rows, error, np.zeros(2, dtype), 0.1, 0.0)
        assert solver.movement().pending.all()
        assert_fire_only_just(training, batch, row)


@DTYPES
def test_projections_end_with_a_refresh(dtype):
    """After a refresh the projection of the old displacement says nothing any more."""
    X = np.random.default_rng(0).standard_normal((200, 150)).astype(dtype)
    with constants(PROJECTION_DRIFT=-1.0, PROJECTION_PATH=1e9, WASTE_PER_ROW=np.inf):
        training = Training(X, n_neurons=300)
        batch = training.batch(np.arange(199))
        directions = training.engine.directions
        mix = np.random.default_rng(1).standard_normal((300, directions.shape[0]))
        training.network.displacement[...] = mix @ directions
        training.solver.measure()
        training.step(batch, 0.0)
        training.engine._refresh(np.arange(300), training.solver)
        training.step(batch, 0.0)


# little more than what fires is let through


def room(standing, drift, norms):
    """How much further than needed the bounds reach: with a single batch, lists are made to last for some steps."""
    if not standing:
        return 0.0
    skin, growth = _tree_search.STANDING_SKIN, _tree_search.STANDING_GROWTH
    return skin + np.outer(skin + (growth - 1) * drift, norms)


@DTYPES
@pytest.mark.parametrize("n_features", [2, 16, 150])
@pytest.mark.parametrize("standing", [False, True])
def test_candidates_at_the_reference(standing, n_features, dtype):
    """Without drift a candidate is at most one step of the leaves, and rounding, below the threshold."""
    X = np.random.default_rng(0).standard_normal((300, n_features)).astype(dtype)
    training = Training(X, n_neurons=200)
    batch = training.batch(np.arange(300 if standing else 299))
    for refreshed in False, True:
        _, candidates = training.candidates(batch)
        Z, _ = training.preactivations(batch)
        assert np.all((Z + STEP + 2e-3 + room(standing, np.zeros(200), batch.norms) > 0) | ~candidates)
        assert np.mean(candidates) == pytest.approx(np.mean(Z > 0), abs=0.03 if standing else 0.01)
        if not refreshed:  # and again at another reference
            training.step(batch, 0.05)
            training.solver.catch_up()
            training.engine._refresh(np.arange(200), training.solver)


@DTYPES
@ON_EACH_SOLVER
@pytest.mark.parametrize("standing", [False, True])
def test_candidates_after_small_steps(standing, solver, dtype):
    """A candidate is where drift times norm, and one step of the leaves, reach the threshold."""
    X = np.random.default_rng(0).standard_normal((300, 16)).astype(dtype)
    training = Training(X, solver, n_neurons=200, threshold=1.5)
    network, batch = training.network, training.batch(np.arange(300 if standing else 299))
    with constants(WASTE_PER_ROW=np.inf):
        for _ in range(6):
            training.step(batch, 1e-3)
    drift = training.solver.movement().drift
    assert 0.003 < drift.mean() < 0.3
    _, candidates = training.candidates(batch)
    correlation = network.reference(np.arange(200)).astype(np.float64) @ batch.rows.T
    reach = np.outer(drift, batch.norms) + STEP + 2e-3 + room(standing, drift, batch.norms)
    open_leaf = correlation > network.threshold - _tree_search.DEPTH + 254 * STEP
    assert np.all((correlation + network.c_state[:, :1] + reach > 0) | open_leaf | ~candidates)


@DTYPES
def test_projections_tighten(dtype):
    """Gradients are in the span of the rows, here within the subspace: far moves let nothing more through."""
    rng = np.random.default_rng(0)
    X = (rng.standard_normal((300, 10)) @ rng.standard_normal((10, 150))).astype(dtype)
    shares = {}
    for projection_drift in 0.15, np.inf:
        with constants(PROJECTION_DRIFT=projection_drift, PROJECTION_PATH=0.0, WASTE_PER_ROW=np.inf):
            training = Training(X, n_neurons=200)
            batch = training.batch(np.arange(299))
            for _ in range(4):
                training.step(batch, 0.01, penalty=0.0)
            training.solver.catch_up()
            _, candidates = training.candidates(batch)
        assert 0.3 < training.solver.movement().drift.mean() < 30
        Z, _ = training.preactivations(batch)
        shares[projection_drift] = np.mean(candidates & (Z <= 0))
        if projection_drift == 0.15:
            # correlations below the foot of the leaves count as if they were there; remainders are rounded up
            foot = training.network.threshold - _tree_search.DEPTH
            correlation = training.network.reference(np.arange(200)) @ batch.rows.T
            open_leaf = correlation > foot + 254 * STEP
            reach = STEP + 2e-3 + 1e-3 * np.outer(training.solver.movement().drift, batch.norms)
            assert np.all((Z + np.maximum(foot - correlation, 0) + reach > 0) | open_leaf | ~candidates)
    assert shares[0.15] < 0.01
    assert shares[np.inf] > 0.1


# engines agree, counters, threads, memory


@ON_EACH_SOLVER
@DTYPES
def test_engines_agree(solver, dtype):
    X = np.random.default_rng(0).standard_normal((150, 8)).astype(dtype)
    engines = "correlation_tree", "halfspace", "quantized", "dense"
    trainings = [Training(X, solver, search, n_neurons=130) for search in engines]
    rng = np.random.default_rng(1)
    for _ in range(15):
        index = rng.permutation(150)[:70]
        *others, dense = (training.step(training.batch(index), 0.01)[1] for training in trainings)
        # a pair on the edge may fall to either side in float32
        for fired in others:
            assert np.count_nonzero(fired != dense) <= (3 if dtype == np.float32 else 0)


@ON_EACH_SOLVER
@DTYPES
@pytest.mark.parametrize("n_features", [8, 150])
def test_threads_do_not_matter(n_features, solver, dtype):
    X = np.random.default_rng(0).standard_normal((150, n_features)).astype(dtype)
    trainings = [Training(X, solver, n_neurons=300, n_threads=n_threads) for n_threads in (1, 2)]
    assert_array_equal(trainings[0].engine.leaves, trainings[1].engine.leaves)
    rng = np.random.default_rng(1)
    with constants(MIN_REFRESH=1, WASTE_PER_ROW=0.3):
        for _ in range(8):
            index = rng.permutation(150)[:70]
            masks = [training.step(training.batch(index), 0.02) for training in trainings]
            for one, two in zip(*masks, strict=True):
                assert_array_equal(one, two)
    one, two = (training.network for training in trainings)
    for name in "displacement", "anchor", "c_state", "V":
        assert_array_equal(getattr(one, name), getattr(two, name))
    assert trainings[0].engine.counters == trainings[1].engine.counters
    assert trainings[0].engine.counters["refreshed"] > 0


@pytest.mark.parametrize("search", ["correlation_tree", "dense"])
def test_counters(search):
    X = np.random.default_rng(0).standard_normal((90, 5))
    training = Training(X, search=search, n_neurons=128)
    assert set(training.engine.counters) == {"candidates", "fired", "dot_products", "refreshed", "visited"}
    built = {"correlation_tree": 64 * 90, "dense": 0}[search]  # pairs of neurons share a draw
    n_candidates = n_fired = n_refreshed = n_visited = 0
    assert training.engine.counters["dot_products"] == built
    for step in range(6):
        due = step in (2, 4) and search == "correlation_tree"
        with constants(WASTE_PER_ROW=-1e9 if due else np.inf):
            candidates, fires = training.step(training.batch(np.arange(step, step + 40)), 0.01)
        n_candidates += candidates.sum() if search == "correlation_tree" else candidates.size
        n_fired += fires.sum()
        n_refreshed += due * 128
        n_visited += candidates.size if search == "correlation_tree" else 0
        counters = training.engine.counters
        assert (counters["candidates"], counters["fired"]) == (n_candidates, n_fired)
        assert (counters["refreshed"], counters["visited"]) == (n_refreshed, n_visited)
        assert counters["dot_products"] == built + n_candidates + 90 * n_refreshed
        assert counters["candidates"] >= counters["fired"] > 0


@pytest.mark.parametrize("standing", [False, True])
def test_waste_makes_neurons_due(standing):
    """A neuron is refreshed when it wasted so many verifications for each row, and not before.

    Where lists stand its group is, when its neurons have wasted so many on average.
    """
    X = np.random.default_rng(0).standard_normal((100, 5))
    training = Training(X, n_neurons=300)
    batch, waste = training.batch(np.arange(100 if standing else 99)), np.zeros(300)
    group = np.arange(300) // (GROUP_SIZE if standing else 1)
    was_due, shares = np.zeros(300, dtype=bool), set()
    with constants(MIN_REFRESH=1, WASTE_PER_ROW=1.0):
        for _ in range(90):
            before = training.engine.counters["refreshed"]
            candidates, fires = training.step(batch, 0.003)
            waste += (candidates & ~fires).sum(axis=1)
            due = (np.bincount(group, waste) / np.bincount(group))[group] > 100
            assert training.engine.counters["refreshed"] - before == due.sum()
            waste[due] = 0
            assert_array_equal(training.engine.waste, waste)
            assert not training.solver.movement().drift[due].any()
            was_due |= due
            shares.add(due.mean())
    assert was_due[-1]
    assert len(shares - {0, 1}) > 1


def test_standing_lists():
    """With a single batch, lists are made anew only where neurons left the room they were given."""
    X = np.random.default_rng(0).standard_normal((100, 5))
    training = Training(X, n_neurons=640)
    batch = training.batch(np.arange(100))
    visited = [0]
    for _ in range(12):
        training.step(batch, 3e-4)
        visited.append(training.engine.counters["visited"])
    assert visited[1] == 640 * 100
    assert 0 < np.diff(visited)[1:].mean() < 0.7 * visited[1]
    # other batches in between make no difference
    for index in np.arange(50), np.arange(100), np.arange(40, 100), np.arange(100):
        before = training.engine.counters["visited"]
        training.step(training.batch(index), 1e-4)
        assert training.engine.counters["visited"] - before == 640 * index.size


def test_without_memory(monkeypatch):
    def refuse(shape, dtype):
        raise MemoryError

    monkeypatch.setattr(_tree_search, "aligned_zeros", refuse)
    # leaves come in whole groups of neurons, and one more to spread the rows over the caches
    with pytest.raises(MemoryError, match=f"{50 * 3 * GROUP_SIZE:,} bytes"):
        Training(np.ones((50, 3)), n_neurons=GROUP_SIZE + 1)


def test_nbytes():
    training = Training(np.random.default_rng(0).standard_normal((50, 3)), n_neurons=65)
    assert training.engine.nbytes == 50 * 3 * GROUP_SIZE


# the kernels of the tree


def check_leaves(leaf, correlation, foot):
    """Leaves round up, by one step and the allowance for rounding at most, and are cut off at both ends."""
    leaf, correlation = leaf.astype(float), correlation.astype(np.float64)
    above = foot + LEAF_STEP * leaf
    assert np.all((above >= correlation) | (leaf == 255))
    assert np.all((above - 1.01 * LEAF_STEP < correlation) | (leaf == 0))
    assert_array_equal(leaf[correlation > foot + 256 * LEAF_STEP], 255)
    assert_array_equal(leaf[correlation < foot - 0.01 * LEAF_STEP], 0)


def edges(tile, foot):
    """Put correlations exactly on the steps, far outside, and just about the foot."""
    tile[0], tile[1], tile[2] = foot + LEAF_STEP * np.arange(tile.shape[1]), 1e30, -1e30
    tile[3] = foot + np.linspace(-0.01, 0.01, tile.shape[1])
    tile[4] = foot + LEAF_STEP * np.linspace(252, 256, tile.shape[1])


def padded(rows, dtype):
    out = np.zeros((rows.shape[0], -(-rows.shape[1] // 16) * 16), dtype=dtype)
    out[:, : rows.shape[1]] = rows
    return out


NEURONS = {
    "scattered": np.random.default_rng(0).permutation(190)[:100],
    "groups": np.r_[64:128, 0:64],
    "from the middle": np.arange(37, 137),
}


@DTYPES
@pytest.mark.parametrize("neurons", NEURONS.values(), ids=NEURONS)
@pytest.mark.parametrize("pair_shift", [0, 1])
@pytest.mark.parametrize("n_threads", [1, 5])
def test_leaves_of_given_correlations(n_threads, pair_shift, neurons, dtype):
    rng = np.random.default_rng(0)
    leaves = np.full((300, 192), 77, dtype=np.uint8)
    n = neurons.size >> pair_shift
    foot, tile = 1000 * rng.standard_normal(n), np.zeros((281, n))
    tile[:41] = foot + 2 * rng.standard_normal((41, n))
    edges(tile, foot)
    # unit vectors pick the correlations from the references
    X, W = padded(np.eye(281, 41), dtype), padded(tile[:41].T, dtype)
    write_leaves(leaves, 13, X, References(W, neurons, foot, pair_shift), n_threads)
    here = leaves[13:294, neurons]
    check_leaves(here, np.repeat(tile.astype(dtype), 1 + pair_shift, axis=1), np.repeat(foot, 1 + pair_shift))
    assert set(np.unique(here)) >= {0, 1, 254, 255}
    leaves[13:294, neurons] = 77
    assert_array_equal(leaves, 77)


@DTYPES
@pytest.mark.parametrize("pair_shift", [0, 1])
@pytest.mark.parametrize(("n_rows", "n_drawn"), [(11, 17), (12, 33), (250, 100)])
def test_leaves(n_rows, n_drawn, pair_shift, dtype):
    rng = np.random.default_rng(0)
    X, W = (padded(2 * rng.standard_normal((n, 37)) / 37**0.25, dtype) for n in (n_rows, n_drawn))
    leaves, neurons = np.zeros((n_rows, 256), dtype=np.uint8), np.arange(n_drawn << pair_shift)
    write_leaves(leaves, 0, X, References(W, neurons, np.full(n_drawn, -0.5), pair_shift), 2)
    correlation = np.repeat(X.astype(float) @ W.T.astype(float), 1 + pair_shift, axis=1)
    check_leaves(leaves[:, : neurons.size], correlation, -0.5)


@pytest.mark.parametrize(
    ("rows", "references", "neurons", "n_feet", "first", "message"),
    [
        ((5, 16), (64, 32), range(64), 64, 0, "the same length"),
        ((5, 12), (64, 12), range(64), 64, 0, "whole vectors"),
        ((5, 16), (64, 16), range(65), 64, 0, "a foot for each reference, and the neurons"),
        ((5, 16), (64, 16), range(64), 63, 0, "a foot for each reference"),
        ((5, 16), (64, 16), range(65, 129), 64, 0, "a column per neuron"),
        ((5, 16), (64, 16), range(-1, 63), 64, 0, "a column per neuron"),
        ((5, 16), (64, 16), range(64), 64, 1, "a row per sample"),
        ((5, 16), (64, 16), range(64), 64, -1, "a row per sample"),
    ],
)
def test_leaves_refuse(rows, references, neurons, n_feet, first, message):
    leaves = np.zeros((5, 128), np.uint8)
    with pytest.raises(ValueError, match=message):
        write_leaves(
            leaves, first, np.ones(rows), References(np.ones(references), np.array(neurons), np.zeros(n_feet), 0), 1
        )


class Query:
    """Random arguments of a query, and what it should find."""

    def __init__(self, n_rows, n_neurons, n_directions):
        rng = self.rng = np.random.default_rng(n_rows + n_neurons)
        self.n_rows, self.n_neurons, self.n_groups = n_rows, n_neurons, -(-n_neurons // GROUP_SIZE)
        padded = self.n_groups * GROUP_SIZE
        self.leaves = rng.integers(0, 256, (n_rows + 7, padded)).astype(np.uint8)
        self.index = rng.permutation(n_rows + 7)[:n_rows].astype(np.int32)
        self.norms, self.outside = rng.random((2, n_rows)).astype(np.float32)
        self.x = rng.standard_normal((n_rows, max(n_directions, 1))).astype(np.float32)
        self.threshold, self.drift = (rng.random((2, padded)) * [[4], [1]]).astype(np.float32)
        self.threshold[rng.random(padded) < 0.1] = np.inf
        self.inside = (0.1 * rng.standard_normal((self.n_groups, self.x.shape[1], GROUP_SIZE))).astype(np.float32)
        self.projected = (rng.integers(0, 2, self.n_groups) * (n_directions > 0)).astype(np.uint8)

    def run(self, pairs, wanted=None, n_threads=1):
        wanted = np.ones(self.n_groups, np.uint8) if wanted is None else wanted
        rows = QueryRows(self.index, self.norms, self.outside, self.x)
        bounds = QueryBounds(self.threshold, self.drift, self.inside, self.projected)
        query(self.leaves, pairs, rows, bounds, wanted, n_threads)
        return mask_of(pairs, self.n_rows)

    def check(self, found):
        leaf = self.leaves[self.index].astype(np.float64)
        bound = np.outer(self.norms, self.drift)
        in_subspace = np.einsum("kq,gqr->kgr", self.x, self.inside).reshape(self.n_rows, -1)
        projected = np.repeat(self.projected, GROUP_SIZE).astype(bool)
        bound[:, projected] = (in_subspace + np.outer(self.outside, self.drift))[:, projected]
        surplus = np.where(leaf == 255, np.inf, leaf * LEAF_STEP + bound - self.threshold.clip(max=1e9))
        surplus = surplus.T[: self.n_neurons]
        clear = np.abs(surplus) > 1e-5  # the comparison is carried out in single precision
        assert clear.mean() > 0.99
        assert_array_equal(found[clear], (surplus > 0)[clear])


@pytest.mark.parametrize("n_rows", [1, 15, 63, 64, 65, 128, 200])
@pytest.mark.parametrize("n_neurons", [1, 63, 64, 65, 200, 1100])
@pytest.mark.parametrize("n_directions", [0, 1, 33])
def test_query(n_rows, n_neurons, n_directions):
    arguments = Query(n_rows, n_neurons, n_directions)
    found = arguments.run(PairLists(n_neurons, None))
    arguments.check(found)
    assert_array_equal(arguments.run(PairLists(n_neurons, None), n_threads=2), found)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_query_of_some_groups(n_threads):
    """Groups that are not wanted keep their lists, also when the buffers are put in order in between."""
    arguments, pairs = Query(200, 2000, 3), PairLists(2000, None)
    arguments.check(arguments.run(pairs))
    for share in (0.5,) * 20 + (0.0, 1.0, 0.1):
        wanted = (arguments.rng.random(arguments.n_groups) < share).astype(np.uint8)
        changed = np.repeat(wanted, GROUP_SIZE).astype(bool)
        arguments.threshold[changed] = 4 * arguments.rng.random(changed.sum())
        arguments.check(arguments.run(pairs, wanted, n_threads))
    for _ in range(20):  # lists that are never wanted lie before those that always are
        odd = (np.arange(arguments.n_groups) % 2).astype(np.uint8)
        arguments.check(arguments.run(pairs, odd, n_threads))
    assert pairs.nbytes < 30 * arguments.n_rows * 2000
    # what is not wanted is not looked at
    arguments.leaves[:, 64:128] = 255
    before = mask_of(pairs, 200)
    after = arguments.run(pairs, (np.arange(arguments.n_groups) == 0).astype(np.uint8))
    assert_array_equal(after[64:128], before[64:128])


def test_query_lists_are_reused():
    """Long and short batches one after the other, in the same lists."""
    pairs = PairLists(100, None)
    for n_rows in 300, 3, 300, 200:
        arguments = Query(n_rows, 100, 1)
        arguments.check(arguments.run(pairs))


def queried(n_rows=3, n_groups=2, n_directions=1, n_leaves=128, n_neurons=100, **cut_off):
    """Run a query of which an array may be one too short, or of another number of groups or directions."""
    shapes = {
        "norms": (n_rows,), "norms_outside": (n_rows,), "rows_inside": (n_rows, n_directions),
        "threshold": (128,), "drift": (128,), "inside": (2, 1, 64),
    }  # fmt: skip
    shapes |= {name: tuple(np.subtract(shapes[name], by)) for name, by in cut_off.items()}
    norms, norms_outside, rows_inside, *of_neurons = (np.ones(shape, np.float32) for shape in shapes.values())
    rows = QueryRows(np.zeros(n_rows, np.int32), norms, norms_outside, rows_inside)
    bounds = QueryBounds(*of_neurons, np.zeros(2, np.uint8))
    query(np.zeros((1, n_leaves), np.uint8), PairLists(n_neurons, None), rows, bounds, np.ones(n_groups, np.uint8), 1)


def test_query_refuses_arrays_that_do_not_fit():
    queried()
    short = {"norms": 1, "norms_outside": 1, "rows_inside": (1, 0), "threshold": 1, "drift": 1}
    cases = [{name: by} for name, by in short.items()] + [{"inside": by} for by in np.eye(3, dtype=int)]
    for case in (*cases, {"n_groups": 1}, {"n_directions": 2}, {"n_leaves": 64}, {"n_neurons": 129}):
        with pytest.raises(ValueError, match="must"):
            queried(**case)
