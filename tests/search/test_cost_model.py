"""What search engines say they cost, of which `search="auto"` takes the least."""

import numpy as np
import pytest

from helpers import unit_coordinates
from skfastnn.networks._network import Network
from skfastnn.networks._training_rows import TrainingRows
from skfastnn.search import _cost_model, _costs
from skfastnn.search._cost_model import Probe, choose_engine
from skfastnn.search._engine import ENGINES
from skfastnn.search.halfspace import _halfspace
from skfastnn.search.quantized import _quantized

# what a pair is charged for, by engine
PRICES = {
    "dense": "DENSE MULTIPLICATION LISTED DENSE_STEP",
    "halfspace": "ASKING GROUP BOX_FEATURE POINT_FEATURE REPORTED REPORTED_FEATURE LISTED BOX_STEP ENCLOSED SORTED",
    "correlation_tree": "LEAF CANDIDATE JUMPING TREE_STEP LEAF_WRITTEN LEAF_MULTIPLICATION DRIFTING",
    "quantized": "BYTES WEIGHT_WRITTEN ROW_WRITTEN PASSED PASSED_FLOAT PASSED_BYTE BYTE_STEP GROWN MULTIPLICATION",
}


@pytest.fixture(autouse=True)
def a_processor_with_products_of_bytes(monkeypatch):
    """Costs are those of any processor: that of the tests need not have the instructions."""
    monkeypatch.setattr(_quantized, "byte_products", lambda: True)
    monkeypatch.setattr(_quantized, "byte_gain", lambda: 2)


def probe_of(n_features, batch_size=200, n_passes=10, drifted=2.0, threshold=1.0, n_samples=400, whole=False, m=512):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_samples, n_features)).astype(np.float32) / np.float32(np.sqrt(n_features))
    if whole:
        X = rng.integers(0, 256, (n_samples, n_features)).astype(np.float32)
        X[:, 0] = 255  # bytes say them exactly
    network = Network(unit_coordinates(n_features, np.float32), m, 1, 1.0, False, 1, np.float32)
    network.c_state[:, 0] = -threshold
    rows = TrainingRows(X, network.coordinates, network.ld, 1)
    return Probe(rows, network, batch_size, n_passes, drifted)


@pytest.fixture(scope="module")
def probes():
    """Networks and batches of which each price concerns one at least."""
    sizes = [(3, 200), (3, 16), (64, 200)]
    return [probe_of(*size) for size in sizes] + [probe_of(64, whole=True)]


@pytest.mark.parametrize(
    ("engine", "price"), [(engine, price) for engine, prices in PRICES.items() for price in prices.split()]
)
def test_no_engine_is_cheaper_for_a_higher_price(engine, price, probes, monkeypatch):
    def costs():
        return np.array([ENGINES["dense"][engine].cost(probe) for probe in probes])

    before = costs()
    assert (before[np.isfinite(before)] > 0).all()
    monkeypatch.setattr(_costs, price, 2 * getattr(_costs, price))
    after = costs()
    assert (after >= before).all()
    assert (after > before).any()
    # one part of a sum has doubled
    assert (after[np.isfinite(after)] <= 2 * before[np.isfinite(after)] * (1 + 1e-12)).all()


@pytest.mark.parametrize("engine", list(PRICES))
def test_what_is_done_once_a_batch_is_shared_by_its_pairs(engine):
    costs = [ENGINES["dense"][engine].cost(probe_of(8, batch_size)) for batch_size in (100, 200, 400)]
    assert costs[0] > costs[1] > costs[2]


@pytest.mark.parametrize("engine", ["correlation_tree", "quantized"])
def test_what_is_done_once_is_shared_by_the_passes(engine):
    costs = [ENGINES["dense"][engine].cost(probe_of(64, n_passes=n)) for n in (1, 2, 200)]
    assert costs[0] > costs[1] > costs[2]


@pytest.mark.parametrize("engine", list(PRICES))
def test_more_that_fires_costs_more(engine):
    costs = [ENGINES["dense"][engine].cost(probe_of(8, threshold=threshold)) for threshold in (2.0, 0.5, 0.0)]
    assert costs[0] < costs[1] < costs[2]


def test_a_look_at_some_rows_and_neurons_is_one_at_the_network():
    probe = probe_of(8, threshold=0.5)
    network = probe.network
    Z = probe.padded @ network.weights(0, 512).T + network.c_state[:, 0]
    np.testing.assert_allclose(probe.pre_activations, Z[: _costs.PROBED, : _costs.PROBED], rtol=1e-5, atol=1e-5)
    assert probe.firing_rate == np.mean(Z[: _costs.PROBED, : _costs.PROBED] > 0)
    assert probe.n_pairs == 200 * 512
    assert probe.rows.shape == (256, 8)
    # boxes cut few features: there all neurons are put into them, else as many as are looked at
    assert probe.neurons.shape == (512, 9)
    assert probe_of(17).neurons.shape == (_costs.PROBED, 18)


def test_a_probe_is_no_larger_than_what_is_put_into_boxes(monkeypatch):
    monkeypatch.setattr(_cost_model, "MAX_POINTS", 300)
    probe = probe_of(8, batch_size=400)
    assert len(probe.rows) == len(probe.neurons) == 300


def test_engines_are_ruled_out_where_they_cannot_be():
    cost = {name: engine.cost for name, engine in ENGINES["dense"].items()}
    assert np.isfinite(cost["halfspace"](probe_of(_costs.FEW_FEATURES)))
    assert cost["halfspace"](probe_of(_costs.FEW_FEATURES + 1)) == np.inf
    assert cost["correlation_tree"](probe_of(8, drifted=np.inf)) == np.inf
    assert np.isfinite(cost["quantized"](probe_of(_quantized.MAX_FEATURES, m=32, n_samples=20)))
    assert cost["quantized"](probe_of(_quantized.MAX_FEATURES + 1, m=32, n_samples=20)) == np.inf


def test_a_tree_of_leaves_fits_into_memory(monkeypatch):
    probe, share = probe_of(64), _costs.TREE_SHARE
    monkeypatch.setattr(_costs, "usable_memory", lambda: 400 * 512 / share)
    assert np.isfinite(ENGINES["dense"]["correlation_tree"].cost(probe))
    monkeypatch.setattr(_costs, "usable_memory", lambda: 400 * 512 / share - 8)
    assert ENGINES["dense"]["correlation_tree"].cost(probe) == np.inf


@pytest.mark.parametrize("cheapest", ["dense", "halfspace", "correlation_tree", "quantized"])
def test_the_cheapest_engine_is_chosen(cheapest, monkeypatch):
    for name, engine in ENGINES["dense"].items():
        monkeypatch.setattr(engine, "cost", classmethod(lambda cls, probe, name=name: 1.0 + (name != cheapest)))
    probe = probe_of(3)
    rows = TrainingRows(np.zeros((10, 3), np.float32), probe.network.coordinates, probe.network.ld, 1)
    assert choose_engine(rows, probe.network, 10, 1, 2.0) == cheapest


def test_memory_is_what_a_container_says(tmp_path, monkeypatch):
    limit, none = tmp_path / "limit", tmp_path / "max"
    limit.write_text("123456\n")
    none.write_text("max\n")
    monkeypatch.setattr(_costs, "MEMORY_LIMITS", (str(tmp_path / "missing"), str(none)))
    machine = _costs.usable_memory()
    assert machine > 1e8
    monkeypatch.setattr(_costs, "MEMORY_LIMITS", (str(none), str(limit)))
    assert _costs.usable_memory() == 123456


def test_a_look_at_boxes_and_points_costs_as_much_for_each_feature():
    costs = np.array([[_halfspace._cost_of_looking(*looked, d) for d in (1, 2, 5)] for looked in ((32, 0), (0, 32))])
    assert (costs > 0).all()
    np.testing.assert_allclose(costs[:, 2] - costs[:, 1], 3 * (costs[:, 1] - costs[:, 0]))
    np.testing.assert_allclose(costs[:, 1] - costs[:, 0], [2 * _costs.BOX_FEATURE, 2 * _costs.POINT_FEATURE])
