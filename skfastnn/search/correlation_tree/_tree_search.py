"""Lazy correlation trees as a search engine: certified candidates from references that are refreshed when it pays."""

import numpy as np
from sklearn.utils import gen_batches
from sklearn.utils.extmath import randomized_svd

from skfastnn.networks._network import aligned_zeros
from skfastnn.passes.shared._pairs import PairLists
from skfastnn.passes.shared._products import multiply_groups
from skfastnn.search import _costs as ns
from skfastnn.search._engine import CandidateSearch, registered
from skfastnn.search.correlation_tree._lazy_tree import GROUP_SIZE, QueryBounds, QueryRows, query
from skfastnn.search.correlation_tree._leaves import References, write_leaves
from skfastnn.search.correlation_tree._tree_bounds import note_waste, renew_standing, set_bounds

# Leaves reach down to this far below the threshold, in standard deviations of the pre-activations; what is above the
# threshold by 255 steps less this far counts as open.
DEPTH = 2.0
# Directions of the subspace bound, and the least dimension at which they are cheaper than d multiplications.
N_DIRECTIONS = 32
MIN_FEATURES_FOR_SUBSPACE = 128
# A group of neurons is projected when its mean drift times the largest norm exceeds this: below, the plain bound lets
# through so little more that the projection costs more than it saves.
PROJECTION_DRIFT = 0.3
# Projections are renewed when a neuron of the group went on by this much since, in a straight line or not.
PROJECTION_PATH = 0.1
# A neuron is refreshed when the verifications it wasted since its last refresh outnumber the rows by this factor, by
# which time they have cost about as much as the refresh does: whatever comes, at most twice the cost of knowing it
# beforehand. Where lists stand, a group is refreshed as one, since all of its lists are made anew.
WASTE_PER_ROW = 1.5
# Room for lists that stand for several steps: more of it renews fewer and verifies more.
STANDING_GROWTH, STANDING_SKIN = 1.1, 0.04
# Neurons are refreshed together, so that the rows are normalised once for many.
MIN_REFRESH = 128
# Rows that a thread projects at a time.
ROWS_TOGETHER = 24
# Rows and neurons handled together while leaves are written; rows, a multiple of those that a product takes at once.
TILE_ROWS = 1020
TILE_NEURONS = 1024


@registered
class CorrelationTreeSearch(CandidateSearch):
    """One lazy, truncated correlation tree per sample over the neurons.

    Notes
    -----
    With reference weights w_ref, displacement D = ||w - w_ref|| and intercept c, a neuron can fire on x only if
    ``<w_ref, x> > -(c + D ||x||)``. When neurons have moved far, the change is bounded through the principal
    directions P of the data, ``<P'(w - w_ref), P'x> + ||(I - PP')(w - w_ref)|| ||(I - PP')x||``, which is tighter.
    """

    name = "correlation_tree"

    @classmethod
    def cost(cls, probe):
        n_leaves = probe.n_samples * probe.n_neurons
        if not np.isfinite(probe.drifted) or n_leaves > ns.TREE_SHARE * ns.usable_memory():
            return np.inf
        candidates = min(1.0, probe.drifted * probe.firing_rate + ns.DRIFTING)
        overhead = ns.TREE_STEP / probe.n_pairs
        setup = (ns.LEAF_WRITTEN + ns.LEAF_MULTIPLICATION * probe.ld) / probe.n_passes
        return ns.LEAF + candidates * (ns.CANDIDATE + ns.JUMPING * probe.ld) + overhead + setup

    def build(self, rows, network, n_threads):
        super().build(rows, network, n_threads)
        m, d = network.n_neurons, network.n_features
        self.pairs = PairLists(m, None)
        self.n_groups = -(-m // GROUP_SIZE)
        padded = self.n_groups * GROUP_SIZE
        # a line more than needed: samples a power of two apart would fight for the same places in the caches
        self.leaves = self._allocate((rows.n_samples, padded + GROUP_SIZE))
        self.foot = -network.start_c[:, 0].astype(np.float64) - DEPTH
        self.waste = np.zeros(m)
        self.drift = np.zeros(padded, dtype=np.float32)
        self.threshold = np.full(padded, np.inf, dtype=np.float32)
        # rounding of an inner product of d numbers, relative to the product of the norms
        self.relative_rounding = float(d * np.finfo(network.dtype).eps)
        self.longest_reference = 0.0
        self.directions = self._principal_directions() if d >= MIN_FEATURES_FOR_SUBSPACE else None
        n_directions = 0 if self.directions is None else self.directions.shape[0]
        # the last direction is no direction: it carries the path since the projection, and the rounding, times the
        # norm of the row
        self.inside = np.zeros((self.n_groups, n_directions + 1, GROUP_SIZE), dtype=np.float32)
        self.outside = np.zeros(padded, dtype=np.float32)
        self.path_at_projection = np.full(m, -np.inf)
        # with a single batch, lists stand until a neuron leaves these bounds
        self.standing_index = np.empty(0, dtype=np.int32)
        self.standing_drift = np.full(padded, -1, dtype=np.float32)
        self.standing_threshold = np.full(padded, np.inf, dtype=np.float32)
        if (self.foot != self.foot[0]).any():
            for part in gen_batches(m, TILE_NEURONS):
                self._write(np.arange(part.start, part.stop))
        else:
            self._write_start()

    @property
    def nbytes(self):
        """Bytes of the leaves."""
        return self.leaves.nbytes

    def takes_steps(self, solver):
        # candidates are asked for before the step is taken
        return solver.may_defer and solver.bounds_deferred

    def candidates(self, batch, solver):
        norms = (batch.norms * (1 + 1e-5)).astype(np.float32)
        movement = solver.movement()
        drift = self._with_rounding(movement.drift)
        set_bounds(drift, movement.intercepts, self.foot, norms.max(), self.drift, self.threshold)
        projected = self._groups_to_project(drift, norms.max())
        norms_outside, x_inside = norms, np.zeros((norms.size, self.inside.shape[1]), dtype=np.float32)
        if projected.any():
            self._project(projected, movement, solver)
            x_inside[:, :-1] = self._inside(batch.rows)
            x_inside[:, -1] = norms
            norms_outside = self._rest(norms, x_inside[:, :-1])
        if norms.size == self.rows.n_samples and not projected.any():
            wanted = self._renew_standing(batch.index)
            drift, threshold = self.standing_drift, self.standing_threshold
        else:
            wanted = np.ones(self.n_groups, dtype=np.uint8)
            drift, threshold = self.drift, self.threshold
            self.standing_drift[:] = -1
        rows = QueryRows(batch.index, norms, norms_outside, x_inside)
        bounds = QueryBounds(threshold, drift, self.inside, projected.view(np.uint8))
        query(self.leaves, self.pairs, rows, bounds, wanted, self.n_threads)
        self.counters["visited"] += norms.size * int(wanted.sum()) * GROUP_SIZE
        total = self.pairs.total
        self.counters["candidates"] += total
        self.counters["dot_products"] += total
        return self.pairs

    def moved(self, fired, solver):
        super().moved(fired, solver)
        together = GROUP_SIZE if self.standing_drift[0] >= 0 else 1
        due = note_waste(self.pairs, fired, self.waste, WASTE_PER_ROW * self.rows.n_samples, together)
        if due.size >= min(MIN_REFRESH, max(1, self.network.n_neurons // 32)):
            self._refresh(due, solver)

    def _with_rounding(self, moved):
        """Return bounds on movements that cover the rounding of a pre-activation, too."""
        # it grows with the norms of what is multiplied
        return moved * (1 + 1e-5 + self.relative_rounding) + self.relative_rounding * self.longest_reference

    def _renew_standing(self, index):
        """Widen the bounds of groups that left them; return which groups that are."""
        if not np.array_equal(index, self.standing_index):
            self.standing_index = index.copy()
            self.standing_drift[:] = -1
        return renew_standing(
            self.drift, self.threshold, self.standing_drift, self.standing_threshold, STANDING_GROWTH, STANDING_SKIN
        )

    def _refresh(self, neurons, solver):
        """Take the present weights of some neurons as their reference and write their leaves anew."""
        solver.catch_up(neurons)
        self.network.rebase(neurons)
        solver.rebased(neurons)
        self.foot[neurons] = -self.network.c_state[neurons, 0] - DEPTH
        self._write(neurons)
        self.waste[neurons] = 0
        self.path_at_projection[neurons] = -np.inf
        self.standing_drift[neurons] = -1
        self.counters["refreshed"] += neurons.size

    def _tiles(self):
        """Yield blocks of consecutive normalised rows with the number of the first."""
        rows, norms = self.rows.buffers(min(TILE_ROWS, self.rows.n_samples))
        for first in range(0, self.rows.n_samples, TILE_ROWS):
            index = np.arange(first, min(first + TILE_ROWS, self.rows.n_samples), dtype=np.int32)
            yield first, self.rows.gather(index, rows, norms)[0]

    def _write_start(self):
        """INIT: write the leaves of all neurons; antisymmetric pairs share a draw, and its correlations."""
        network = self.network
        neurons = np.arange(network.start.shape[0] << network.pair_shift)
        foot = np.full(network.start.shape[0], self.foot[0])
        self._write_references(References(network.start, neurons, foot, network.pair_shift))

    def _write(self, neurons):
        """UPDATE: write the leaves of some neurons anew."""
        self._write_references(References(self.network.reference(neurons), neurons, self.foot[neurons], 0))

    def _write_references(self, references):
        W = references.W
        for first, block in self._tiles():
            write_leaves(self.leaves, first, block, references, self.n_threads)
        longest = float(np.sqrt(np.einsum("ij,ij->i", W, W).max()))
        self.longest_reference = max(self.longest_reference, longest)
        self.counters["dot_products"] += W.shape[0] * self.rows.n_samples

    def _allocate(self, shape):
        try:
            return aligned_zeros(shape, np.uint8)
        except MemoryError:
            raise MemoryError(f"the correlation trees need {np.prod(shape):,} bytes") from None

    def _principal_directions(self):
        """Return orthonormal leading directions of the rows, ndarray of shape (q, ld)."""
        step = -(-self.rows.n_samples // 2000)
        index = np.arange(0, self.rows.n_samples, step, dtype=np.int32)
        rows = self.rows.take(index)
        q = min(N_DIRECTIONS, *rows.shape)
        _, _, directions = randomized_svd(rows, q, n_iter=2, random_state=0)
        return np.ascontiguousarray(np.linalg.qr(directions.T)[0].T, dtype=self.network.dtype)

    def _groups_to_project(self, drift, largest_norm):
        if self.directions is None:
            return np.zeros(self.n_groups, dtype=bool)
        total = np.add.reduceat(drift, np.arange(0, drift.size, GROUP_SIZE))
        return total * largest_norm > PROJECTION_DRIFT * GROUP_SIZE

    def _project(self, projected, movement, solver):
        """Bring the projections of some groups up to date; their drift becomes that outside the subspace."""
        m = self.network.n_neurons
        neurons = _neurons_of(projected, m)
        since = np.zeros(self.n_groups * GROUP_SIZE)
        since[neurons] = solver.path(neurons) - self.path_at_projection[neurons]
        stale = since.reshape(-1, GROUP_SIZE).max(axis=1) > PROJECTION_PATH
        if stale.any():
            renewed = _neurons_of(stale, m)
            groups, n_directions = np.flatnonzero(stale), self.directions.shape[0]
            part = np.zeros((groups.size * GROUP_SIZE, n_directions), dtype=self.network.dtype)
            multiply_groups(self.network.displacement, groups, GROUP_SIZE, self.directions, part, self.n_threads)
            distance = solver.norms[renewed, 0]
            self.outside[renewed] = self._rest(self._with_rounding(distance), part[: distance.size])
            self.inside[groups, :-1] = part.reshape(-1, GROUP_SIZE, n_directions).transpose(0, 2, 1)
            self.path_at_projection[renewed] = solver.path(renewed)
            since[renewed] = 0
        # what is pending is no part of the projection
        since[neurons] += movement.pending[neurons]
        # rounding, too, goes with the whole norm of a row
        since += self.relative_rounding * (self.longest_reference + since)
        self.inside[:, -1] = (since * (1 + 1e-5)).reshape(-1, GROUP_SIZE)
        self.drift[neurons] = self.outside[neurons]

    def _inside(self, rows):
        """Return rows in the subspace."""
        blocks = np.arange(-(-rows.shape[0] // ROWS_TOGETHER))
        inside = np.zeros((blocks.size * ROWS_TOGETHER, self.directions.shape[0]), dtype=rows.dtype)
        multiply_groups(rows, blocks, ROWS_TOGETHER, self.directions, inside, self.n_threads)
        return inside[: rows.shape[0]]

    def _rest(self, norms, inside):
        """Return upper bounds on the norms outside the subspace."""
        norms = norms.astype(np.float64)
        square = norms**2 - np.einsum("ij,ij->i", inside, inside, dtype=np.float64)
        # the addition covers the rounding of the directions and of the projection
        return (np.sqrt(np.maximum(square, 0)) + 3e-4 * norms).astype(np.float32)


def _neurons_of(groups, n_neurons):
    """Return the neurons of the groups marked, as an index; a slice, which copies nothing, where it is all of them."""
    if groups.all():
        return slice(n_neurons)
    return np.flatnonzero(np.repeat(groups, GROUP_SIZE)[:n_neurons])
