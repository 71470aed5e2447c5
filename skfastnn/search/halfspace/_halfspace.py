"""Half-space reporting as a search engine: neurons ask a tree over rows, or rows one over neurons."""

import numpy as np
from sklearn.utils import gen_batches

from skfastnn.passes.shared._boxes import LEAF_SIZE, BoxTree, spatial_order
from skfastnn.search import _costs as ns
from skfastnn.search._engine import ExactSearch, registered
from skfastnn.search.halfspace._halfspace_query import N_SPARE, neurons_above, points_above, rows_above
from skfastnn.search.halfspace._neuron_points import neuron_points

TILE_ROWS = 4096
# Up to so many rows, each row asks: boxes around all neurons cost less than a question from each of them.
FEW_ROWS = 64
# Neurons are put in order anew when so many rows had to look at so many times more of them than the first did.
DISORDER, ROWS_JUDGED = 1.5, 500


@registered
class HalfspaceSearch(ExactSearch):
    """Boxes around the rows of a batch, which every neuron asks; around all neurons, which every row asks, if few do.

    Nothing is known about neurons but where they are, so nothing has to follow their steps. A batch is put in an order
    such that neighbours are close, which takes microseconds, and is then a tree as it stands. Neurons keep their order
    while they move, and get new boxes for every batch: the order decides how much is looked at, not what is found.
    """

    name = "halfspace"

    @classmethod
    def cost(cls, probe):
        d = probe.n_features
        if d > ns.FEW_FEATURES:
            return np.inf
        besides = ns.REPORTED + ns.REPORTED_FEATURE * d + ns.LISTED * probe.firing_rate + ns.BOX_STEP / probe.n_pairs
        if probe.batch_size <= FEW_ROWS:
            rows = np.column_stack([probe.rows, np.ones(len(probe.rows), dtype=probe.rows.dtype)])
            n_boxes, n_points = _looked_at(probe.neurons, rows[: ns.PROBED], np.zeros(ns.PROBED))
            cost = _cost_of_looking(n_boxes, n_points, d + 1) / len(probe.neurons)
            return besides + cost + ns.ENCLOSED * (d + 1) / probe.batch_size + ns.SORTED * probe.firing_rate
        some = probe.neurons[: ns.PROBED]
        n_boxes, n_points = _looked_at(probe.rows[: probe.batch_size], np.ascontiguousarray(some[:, :d]), -some[:, d])
        return besides + (ns.ASKING + _cost_of_looking(n_boxes, n_points, d)) / min(probe.batch_size, len(probe.rows))

    def build(self, rows, network, n_threads):
        super().build(rows, network, n_threads)
        self.neurons = np.empty((network.n_neurons, network.n_features + 1), dtype=network.dtype)
        self.points = self._normalised(rows)
        self.batch = self.batch_tree = self.neuron_tree = None
        self.order = network.neuron_order
        # a new order costs as much as some hundred rows that ask
        self.may_order = rows.n_samples >= ROWS_JUDGED or self.order is not None
        self._restart_judging()

    def _normalised(self, rows):
        """Return all rows without padding, ndarray of shape (n_samples, n_features)."""
        d = self.network.n_features
        points = np.empty((rows.n_samples, d), dtype=self.network.dtype)
        buffers = rows.buffers(min(TILE_ROWS, rows.n_samples))
        for part in gen_batches(rows.n_samples, TILE_ROWS):
            index = np.arange(part.start, part.stop, dtype=np.int32)
            points[part] = rows.gather(index, *buffers)[0][:, :d]
        return points

    def arrange(self, index):
        if self._rows_ask(index.size):
            return index
        return index[spatial_order(self.points[index], self.points.shape[1])]

    def _rows_ask(self, n_rows):
        return n_rows <= FEW_ROWS and self.may_order

    def list_fired(self, batch, fired, solver):
        neuron_points(self.network.arrays, self.neurons, self.n_threads, solver.silence)
        ask = self._ask_neurons if self._rows_ask(batch.index.size) else self._ask_rows
        n_boxes, n_points = ask(batch, fired)
        self.counters["visited"] += n_boxes
        self.counters["candidates"] += n_points
        self.counters["dot_products"] += n_points

    def _ask_rows(self, batch, fired):
        if batch is not self.batch:
            if self.batch_tree is None or self.batch_tree.n_points != batch.index.size:
                self.batch_tree = BoxTree(batch.index.size, self.network.n_features, self.network.dtype)
            self.batch_tree.fill(batch.rows, None, self.n_threads)
            self.batch = batch
        return rows_above(self.batch_tree, fired, self.neurons, self.n_threads)

    def _ask_neurons(self, batch, fired):
        if self.neuron_tree is None:
            self.neuron_tree = BoxTree(*self.neurons.shape, self.network.dtype)
        if self.order is None:
            self.order = spatial_order(self.neurons, self.neurons.shape[1])
            self._restart_judging()
            self.counters["refreshed"] += self.order.size
        self.neuron_tree.fill(self.neurons, self.order, self.n_threads)
        rows = np.ones((batch.index.size, self.neurons.shape[1]), dtype=self.network.dtype)
        rows[:, :-1] = self.points[batch.index]
        n_boxes, n_points = neurons_above(self.neuron_tree, fired, self.order, rows)
        self.looked_at += n_points, batch.index.size
        if self.looked_at[1] >= ROWS_JUDGED:
            self._judge_order()
        return n_boxes, n_points

    def _restart_judging(self):
        self.first_share, self.looked_at = None, np.zeros(2)

    def _judge_order(self):
        share = self.looked_at[0] / self.looked_at[1]
        self.looked_at[:] = 0
        if self.first_share is None:
            self.first_share = share
        elif share > DISORDER * self.first_share:
            self.order = None


def _cost_of_looking(n_boxes, n_points, d):
    boxes, points = n_boxes * (ns.GROUP + ns.BOX_FEATURE * d), n_points * (ns.GROUP + ns.POINT_FEATURE * d)
    return (boxes + points) / LEAF_SIZE


def _looked_at(points, normals, offsets):
    """Return how many boxes and points a query of these points looks at, on average."""
    tree = BoxTree(len(points), points.shape[1], points.dtype)
    tree.fill(points, spatial_order(points, points.shape[1]), 1)
    places = np.empty(len(points) + N_SPARE, dtype=np.int32)
    counts = [points_above(tree, a, b, places)[1:] for a, b in zip(normals, offsets, strict=False)]
    return np.mean(counts, axis=0)
