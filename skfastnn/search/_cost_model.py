"""Which engine? A model of what each would cost, in nanoseconds of one core for a pair of row and neuron.

The constants are those of one processor with AVX-512; what counts are their ratios, and the choice asks no more of them
than to be right where engines differ by half (`python -m benchmarks --case auto`).
"""

import contextlib
import os
from pathlib import Path

import numpy as np

from skfastnn.passes.shared._boxes import LEAF_SIZE, BoxTree, spatial_order
from skfastnn.passes.shared._products import wide_products
from skfastnn.search.halfspace._halfspace import FEW_ROWS
from skfastnn.search.halfspace._halfspace_query import N_SPARE, points_above
from skfastnn.search.halfspace._neuron_points import neuron_points
from skfastnn.search.quantized._quantized import choose_grid
from skfastnn.search.quantized._quantized_forward import MAX_FEATURES as MAX_BYTES
from skfastnn.search.quantized._quantized_forward import byte_gain, byte_products

# Neurons and rows that are looked at to know the firing rate and how many boxes hyperplanes cut.
PROBE_NEURONS, PROBE_ROWS = 256, 256
# Rows of a batch, and neurons of a tree over neurons, that are put in boxes for it.
MAX_POINTS = 20_000
# Above, hyperplanes cut nearly every box.
MAX_FEATURES = 16

# a product with all neurons: for each pair, and for each multiplication; ours, and the library's
DENSE, MULTIPLICATION = (0.3, 0.011) if wide_products() else (0.6, 0.028)
# to list a pair that fires; what a step takes besides
LISTED, DENSE_STEP = 0.4, 40_000.0
# a comparison of leaves; a candidate, for each multiplication, which jumps; a step, in ns
LEAF, CANDIDATE, JUMPING, STEP = 0.45, 3.0, 0.06, 100_000.0
# INIT: a leaf, and each multiplication
LEAF_WRITTEN, MULTIPLIED = 0.3, 0.010
# candidates of a tree for each pair, besides those that fire: neurons move
DRIFTING = 0.01
# bytes: a pair, besides its products; to write weights, for each feature; rows, the same; a pair that passes, and for
# each feature, if its row is read in floats or in bytes; a step
BYTES, WEIGHT_WRITTEN, ROW_WRITTEN = 0.55, 0.3, 1.7
PASSED, PASSED_FLOAT, PASSED_BYTE, BYTES_STEP = 6.0, 0.035, 0.02, 60_000.0
# pairs that pass for each that does at the start: weights grow
GROWN = 1.3
# Share of the memory that the leaves of a tree may take, a byte a pair: fits of a grid search run side by side.
TREE_SHARE = 0.25
# where a container says how much it may use, by either version of control groups
MEMORY_LIMITS = "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"
# half-spaces: an asking neuron; a group of sixteen boxes or points, and for each feature of it
ASKING, GROUP, BOX_FEATURE, POINT_FEATURE = 8.0, 2.5, 1.0, 0.4
# what else goes with a pair, and with a feature of it; with a step
REPORTED, REPORTED_FEATURE, REPORTING_STEP = 0.2, 0.01, 80_000.0
# rows that ask: boxes around a neuron, for each feature; a pair that fires, which is sorted
ENCLOSED, SORTED = 1.0, 5.0


def choose_engine(rows, network, batch_size, n_passes, drifted):
    """Return the name of the engine that is expected to be the fastest.

    Parameters
    ----------
    rows : skfastnn.search._engine.TrainingRows
    network : skfastnn.networks._network.Network
        At its start, with dense rows.
    batch_size : int
    n_passes : int
        How often every row is expected to be seen.
    drifted : float
        Candidates that bounds on the movement of the weights let through, for each pair that fires at the start;
        infinity where weights move too far at a step for such bounds.
    """
    probe = Probe(rows, network, batch_size)
    costs = {"dense": dense_cost(probe)}
    if np.isfinite(drifted) and rows.n_samples * network.n_neurons <= TREE_SHARE * usable_memory():
        costs["correlation_tree"] = correlation_tree_cost(probe, n_passes, drifted)
    if byte_products() and network.n_features <= MAX_BYTES:
        costs["quantized"] = quantized_cost(probe, n_passes)
    if network.n_features <= MAX_FEATURES:
        costs["halfspace"] = halfspace_cost(probe)
    return min(costs, key=costs.get)


class Probe:
    """Some rows and some neurons, and what they say about the others.

    Attributes
    ----------
    rows : ndarray of shape (n, n_features)
        Up to a batch of them.
    neurons : ndarray of shape (m, n_features + 1)
        Weights and intercepts; the first are looked at.
    n_pairs : int
        Of a row of a batch and a neuron.
    firing_rate : float
    passing_rate : float
        Share of the pairs that bounds from bytes let pass.
    lossless : bool
        Whether bytes stand for the rows.
    """

    def __init__(self, rows, network, batch_size):
        d = network.n_features
        self.batch_size, self.n_neurons, self.ld, self.n_features = batch_size, network.n_neurons, network.ld, d
        self.n_pairs = batch_size * network.n_neurons
        rng = np.random.default_rng(0)
        n_rows = min(max(batch_size, PROBE_ROWS), MAX_POINTS, rows.n_samples)
        index = np.sort(rng.permutation(rows.n_samples)[:n_rows]).astype(np.int32)
        padded = rows.take(index)
        self.rows = np.ascontiguousarray(padded[:, :d])
        n_neurons = min(network.n_neurons, MAX_POINTS if d <= MAX_FEATURES else PROBE_NEURONS)
        self.neurons = self._neurons(network, n_neurons)
        some = self.neurons[:PROBE_NEURONS]
        pre_activations = self.rows[:PROBE_ROWS] @ some[:, :d].T + some[:, d]
        self.firing_rate = float(np.mean(pre_activations > 0))
        hidden, *_, lossless = choose_grid(padded[:PROBE_ROWS], network, 1)
        self.lossless = lossless and network.dtype == np.float32
        self.passing_rate = float(np.mean(pre_activations > -hidden))

    @staticmethod
    def _neurons(network, n):
        points = np.empty((n, network.n_features + 1), dtype=network.dtype)
        nothing = np.zeros((0, 0), dtype=network.dtype)
        neuron_points(
            network.displacement[:n], network.start, network.anchor[:n], network.pair_shift, network.anchored[:n],
            network.c_state[:n], nothing, np.zeros(n, dtype=np.int64), np.array([[1.0, 0, 0, 1]]), points, 1,
        )  # fmt: skip
        return points


def dense_cost(probe):
    """Return the cost of a pair with search="dense"."""
    return DENSE + MULTIPLICATION * probe.ld + LISTED * probe.firing_rate + DENSE_STEP / probe.n_pairs


def correlation_tree_cost(probe, n_passes, drifted):
    """Return the cost of a pair with search="correlation_tree"."""
    candidates = min(1.0, drifted * probe.firing_rate + DRIFTING)
    overhead = STEP / probe.n_pairs
    setup = (LEAF_WRITTEN + MULTIPLIED * probe.ld) / n_passes
    return LEAF + candidates * (CANDIDATE + JUMPING * probe.ld) + overhead + setup


def quantized_cost(probe, n_passes):
    """Return the cost of a pair with search="quantized"."""
    written = WEIGHT_WRITTEN / probe.batch_size + ROW_WRITTEN / (probe.n_neurons * n_passes)
    read = PASSED_BYTE if probe.lossless else PASSED_FLOAT
    passed = min(1.0, GROWN * probe.passing_rate) * (PASSED + read * probe.ld)
    return BYTES + (MULTIPLICATION / byte_gain() + written) * probe.ld + passed + BYTES_STEP / probe.n_pairs


def halfspace_cost(probe):
    """Return the cost of a pair with search="halfspace"."""
    d = probe.n_features
    besides = REPORTED + REPORTED_FEATURE * d + LISTED * probe.firing_rate + REPORTING_STEP / probe.n_pairs
    if probe.batch_size <= FEW_ROWS:
        rows = np.column_stack([probe.rows, np.ones(len(probe.rows), dtype=probe.rows.dtype)])
        n_boxes, n_points = _looked_at(probe.neurons, rows[:PROBE_ROWS], np.zeros(PROBE_ROWS))
        cost = _cost_of_looking(n_boxes, n_points, d + 1) / len(probe.neurons)
        return besides + cost + ENCLOSED * (d + 1) / probe.batch_size + SORTED * probe.firing_rate
    some = probe.neurons[:PROBE_NEURONS]
    n_boxes, n_points = _looked_at(probe.rows[: probe.batch_size], np.ascontiguousarray(some[:, :d]), -some[:, d])
    return besides + (ASKING + _cost_of_looking(n_boxes, n_points, d)) / min(probe.batch_size, len(probe.rows))


def usable_memory():
    """Return the bytes of memory that this machine has, or its container may use; infinity where nothing says."""
    total = np.inf
    with contextlib.suppress(AttributeError, ValueError, OSError):
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for path in MEMORY_LIMITS:
        with contextlib.suppress(OSError, ValueError):  # not there; "max"
            total = min(total, int(Path(path).read_text()))
    return total


def _cost_of_looking(n_boxes, n_points, d):
    return (n_boxes * (GROUP + BOX_FEATURE * d) + n_points * (GROUP + POINT_FEATURE * d)) / LEAF_SIZE


def _looked_at(points, normals, offsets):
    """Return how many boxes and points a query of these points looks at, on average."""
    tree = BoxTree(len(points), points.shape[1], points.dtype)
    tree.fill(points, spatial_order(points, points.shape[1]), 1)
    places = np.empty(len(points) + N_SPARE, dtype=np.int32)
    counts = [points_above(tree, a, b, places)[1:] for a, b in zip(normals, offsets, strict=False)]
    return np.mean(counts, axis=0)
