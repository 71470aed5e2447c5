"""Lazy correlation trees as a search engine: certified candidates from references that are refreshed when it pays."""

import numpy as np
from sklearn.utils.extmath import randomized_svd

from skfastnn.search._contract import SearchEngine
from skfastnn.search._lazy_tree import LeafStore, append_leaves, query, reorder

# Leaves are kept down to this far below the threshold, in standard deviations of the pre-activations. More keeps
# neurons cold for longer, and costs memory.
SLACK = 0.3
# Directions of the subspace bound, and the least dimension at which it is cheaper than d multiplications.
N_DIRECTIONS = 32
MIN_FEATURES_FOR_SUBSPACE = 128
# A verification from the lists costs about as much as this many in the blocked product of a refresh, so a neuron is
# refreshed when its wasted verifications, times this, have cost as much as the refresh (at most twice the optimum,
# whatever comes).
GATHER_COST = 2.0
# Neurons are refreshed together, so that the rows are normalised once for many.
MIN_REFRESH = 256
# Marks of neurons without a tile, as _lazy_tree.query knows them.
COLD, WARM = -1, -2
# Rows and neurons of a tile of correlations while leaves are filled.
TILE_ROWS = 2048
TILE_NEURONS = 512


class CorrelationTreeSearch(SearchEngine):
    """One lazy, truncated correlation tree per neuron over the samples.

    Notes
    -----
    With reference weights w_ref, displacement D = ||w - w_ref|| and intercept c, a neuron can fire on x only if
    ``<w_ref, x> > -(c + D ||x||)``. Where the leaves kept do not reach down to that threshold the neuron is *warm*:
    the change is then bounded on all rows of the batch, through the principal directions P of the data,
    ``<P'(w - w_ref), P'x> + ||(I - PP')(w - w_ref)|| ||(I - PP')x||``, which is much tighter.
    """

    name = "correlation_tree"

    def build(self, rows, network, n_threads):
        self.rows, self.network, self.n_threads = rows, network, n_threads
        m, d = network.n_neurons, network.n_features
        self.pairs = self.new_pairs(network)
        self.full = np.zeros(m, dtype=np.uint8)
        self.leaves = LeafStore(m, network.dtype)
        self.cut = np.full(m, network.threshold - SLACK)
        self.waste = np.zeros(m)
        self.no_tile = np.zeros((0, 1), dtype=network.dtype)
        self.order = self.position_of = None
        # rounding of an inner product of d numbers, relative to the product of the norms
        self.relative_rounding = float(d * np.finfo(network.dtype).eps)
        self.largest_reference = float(np.sqrt(np.einsum("ij,ij->i", network.start, network.start).max()))
        self.directions = self._principal_directions() if d >= MIN_FEATURES_FOR_SUBSPACE else None

    def begin_epoch(self, order, batch_size):
        if self.order is None:
            self._set_order(order)
            self._fill(np.arange(self.network.n_neurons))
        elif not np.array_equal(order, self.order):
            old = self.order
            self._set_order(order)
            reorder(self.leaves, self.position_of[old], self.n_threads)
        self.leaves.rewind()

    def candidates(self, batch, solver):
        drift, threshold, tile_row = self._bounds(batch, solver)
        warm = np.flatnonzero(tile_row == WARM)
        if warm.size and solver.has_pending:
            # a warm neuron is looked at closely, so it has to be where it is
            solver.catch_up(warm)
            drift, threshold, tile_row = self._bounds(batch, solver)
            warm = np.flatnonzero(tile_row == WARM)
        tile = self.no_tile
        if self.directions is not None and warm.size:
            tile_row[warm] = np.arange(warm.size)
            tile = self._change_bounds(warm, drift[warm], batch)
        self.counters["visited"] += query(
            self.leaves, self.pairs, batch.first, batch.last, batch.norms, drift, threshold, self.cut, tile_row, tile,
            self.full, self.n_threads,
        )  # fmt: skip
        self.n_candidates = self.pairs.counts()
        total = int(self.n_candidates.sum())
        self.counters["candidates"] += total
        self.counters["dot_products"] += total
        return self.pairs, self.full

    def _bounds(self, batch, solver):
        """Return drift and threshold of each neuron, and which neurons reach below their cut."""
        movement = solver.movement()
        drift = movement.drift * (1 + self.relative_rounding)
        drift += self.relative_rounding * self.largest_reference
        threshold = -(self.network.c_state[:, 0].astype(np.float64) + movement.intercept)
        reach = threshold - drift * batch.norms.max()
        return drift, threshold, np.where(reach >= self.cut, COLD, WARM)

    def moved(self, pairs, solver):
        super().moved(pairs, solver)
        self.waste += self.n_candidates - pairs.counts()
        due = np.flatnonzero(self.waste * GATHER_COST > self.rows.n_samples)
        if due.size >= min(MIN_REFRESH, max(1, self.network.n_neurons // 16)):
            self._refresh(due, solver)

    def _refresh(self, neurons, solver):
        """Take the present weights of some neurons as their reference and fill their trees anew."""
        solver.catch_up(neurons)
        self.network.rebase(neurons)
        solver.rebased(neurons)
        self.leaves.clear(neurons)
        self.cut[neurons] = -self.network.c_state[neurons, 0] - SLACK
        self._fill(neurons)
        self.waste[neurons] = 0
        self.counters["refreshed"] += neurons.size

    def _fill(self, neurons):
        """Compute the correlations of some neurons with all rows; keep those above the cut."""
        network = self.network
        untouched = not network.anchored[neurons].any()
        source = neurons >> network.pair_shift if untouched else neurons
        distinct, source = np.unique(source, return_inverse=True)
        rows, norms = self.rows.buffers(min(TILE_ROWS, self.rows.n_samples))
        for first in range(0, self.rows.n_samples, TILE_ROWS):
            block, _ = self.rows.gather(self.order[first : first + TILE_ROWS], rows, norms)
            for k in range(0, distinct.size, TILE_NEURONS):
                ids = distinct[k : k + TILE_NEURONS]
                # the draw is shared by antisymmetric pairs until one of them is refreshed
                W = network.start[ids] if untouched else network.reference(ids)
                tile = W @ block.T
                begin, end = np.searchsorted(source, [k, k + ids.size])
                append_leaves(
                    self.leaves, neurons[begin:end], source[begin:end] - k, tile, first, self.cut, self.n_threads
                )
        self.leaves.trim(neurons)
        reference = network.reference(neurons) if not untouched else network.start[distinct]
        longest = float(np.sqrt(np.einsum("ij,ij->i", reference, reference).max()))
        self.largest_reference = max(self.largest_reference, longest)
        self.counters["dot_products"] += distinct.size * self.rows.n_samples

    def _set_order(self, order):
        self.order = order
        self.position_of = np.empty_like(order)
        self.position_of[order] = np.arange(order.size, dtype=order.dtype)

    def _principal_directions(self):
        """Return orthonormal leading directions of the rows, ndarray of shape (ld, q)."""
        step = -(-self.rows.n_samples // 2000)
        index = np.arange(0, self.rows.n_samples, step, dtype=np.int32)
        rows, _ = self.rows.gather(index, *self.rows.buffers(index.size))
        q = min(N_DIRECTIONS, *rows.shape)
        _, _, directions = randomized_svd(rows, q, n_iter=2, random_state=0)
        return np.ascontiguousarray(np.linalg.qr(directions.T)[0], dtype=self.network.dtype)

    def _change_bounds(self, warm, drift, batch):
        """Bound the change of the correlation of warm neurons with the rows of the batch.

        Returns
        -------
        tile : ndarray of shape (n_warm, n_rows)
        """
        inside = self.network.displacement[warm] @ self.directions
        outside = self._rest(drift, inside)
        x_inside = batch.rows @ self.directions
        x_outside = self._rest(batch.norms.astype(np.float64), x_inside)
        # the last column covers the rounding of the directions and of the products below
        margin = 64 * np.finfo(self.network.dtype).eps
        left = np.column_stack([inside, outside, margin * drift + self.relative_rounding * self.largest_reference])
        right = np.column_stack([x_inside, x_outside, batch.norms])
        return left.astype(inside.dtype, copy=False) @ right.astype(inside.dtype, copy=False).T

    def _rest(self, norms, inside):
        """Return upper bounds on the norms outside the subspace."""
        square = norms**2 - np.einsum("ij,ij->i", inside, inside, dtype=np.float64)
        return np.sqrt(np.maximum(square, 0) + 1e-6 * norms**2) * (1 + 1e-6)
