"""Half-space reporting as a search engine: each neuron asks a tree over the rows of the batch."""

import numpy as np
from sklearn.utils import gen_batches

from skfastnn.passes._boxes import BoxTree, spatial_order
from skfastnn.passes._pairs import PairLists
from skfastnn.search._contract import SearchEngine
from skfastnn.search._halfspace_query import rows_above

TILE_ROWS = 4096


class HalfspaceSearch(SearchEngine):
    """Rows in boxes; neurons report the rows on their firing side.

    Nothing is kept about neurons, so nothing has to follow their steps. Each batch is ordered such that neighbours are
    close, which takes microseconds, and is then a tree as it stands.
    """

    name = "halfspace"
    verified = True

    def build(self, rows, network, n_threads):
        self.network, self.n_threads = network, n_threads
        self.pairs = PairLists(network.n_neurons, network.dtype)
        self.points = self._normalised(rows)
        self.batch = self.tree = None

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
        return index[spatial_order(self.points[index], self.points.shape[1])]

    def candidates(self, batch, solver):
        solver.catch_up()
        network = self.network
        if batch is not self.batch:
            if self.tree is None or self.tree.n_points != batch.index.size:
                self.tree = BoxTree(batch.index.size, network.n_features, network.dtype)
            self.tree.fill(batch.rows, None, self.n_threads)
            self.batch = batch
        n_boxes, n_points = rows_above(
            self.tree, self.pairs, network.displacement, network.start, network.anchor, network.pair_shift,
            network.anchored, network.c_state, self.n_threads,
        )  # fmt: skip
        self.counters["visited"] += n_boxes
        self.counters["candidates"] += n_points
        self.counters["dot_products"] += n_points
        return self.pairs
