"""Heavy inner products of signs as a search engine: approximate, and measured while it works."""

import numpy as np

from skfastnn._messages import warn
from skfastnn.passes.shared._pairs import PairLists
from skfastnn.search._engine import CandidateSearch, registered
from skfastnn.search.heavy._heavy_signs import HeavySigns
from skfastnn.search.heavy._sign_projections import SignProjections

# Signs of a vector: the standard deviation of an angle is pi / 2 by their root, 2.8 degrees.
N_BITS = 1024
# A pair is looked at if its angle is at most that of firing and so many standard deviations: of the pairs on the edge
# of firing 97.7 % are, and more of the others.
MARGIN = 2.0
# A neuron is quantised anew when its angle may have changed by so many standard deviations of the number of signs that
# agree.
STALE = 0.25
# Rows whose spread decides how features are weighed.
SAMPLE_ROWS = 2000
# Neurons that are quantised at once.
TILE_NEURONS = 1024
# Batches of which recall is measured, and their rows that are computed for it.
CHECK_EVERY, CHECK_ROWS = 8, 8
# Recall below which training is not what was asked for, and the firing pairs that it takes to say so.
LEAST_RECALL, LEAST_CHECKED = 0.95, 100


@registered
class HeavyPairsSearch(CandidateSearch):
    """Neurons and rows as vectors of signs; pairs with a large inner product are candidates.

    What it misses does not fire in that step. The angle from which a pair fires is that of ``<w, x> = -c``: it differs
    from neuron to neuron and from row to row, and the least one decides what `HeavySigns` has to find.

    Attributes
    ----------
    counters : dict
        Also `checked`, firing pairs of the rows that were computed to measure recall, and `found`, those of them that
        were among the candidates.
    """

    name = "heavy_pairs"

    def build(self, rows, network, n_threads):
        super().build(rows, network, n_threads)
        m = network.n_neurons
        self.pairs = PairLists(m, None)
        step = -(-rows.n_samples // SAMPLE_ROWS)
        index = np.arange(0, rows.n_samples, step, dtype=np.int32)
        sample = rows.take(index)
        self.projections = SignProjections(sample, N_BITS, network.n_features, n_threads)
        self.heavy = HeavySigns(n_threads)
        self.signs = np.empty((m, N_BITS), dtype=np.int8)
        # zeros: no path is short beside them, so that the signs of all neurons are taken the first time
        self.norms, self.at_centre = np.zeros((2, m), dtype=network.dtype)
        self.path_when_quantised = np.full(m, -np.inf)
        self.rng = np.random.RandomState(0)
        self.n_batches = 0
        self.counters.update(checked=0, found=0)

    @property
    def recall(self):
        checked = self.counters["checked"]
        return self.counters["found"] / checked if checked else 1.0

    def candidates(self, batch, solver):
        solver.catch_up()
        self._quantise(solver)
        signs, norms = self.projections.rows(batch.rows)
        with np.errstate(divide="ignore", invalid="ignore"):  # rows at the centre, neurons of zero
            neuron, row = self._pairs(signs, norms)
        m = self.network.n_neurons
        self.pairs.fill(np.searchsorted(neuron, np.arange(m + 1)).astype(np.int64), row.astype(np.int32))
        for name in ("candidates", "dot_products"):
            self.counters[name] += neuron.size
        self.counters["visited"] += self.heavy.n_compared
        if self.n_batches % CHECK_EVERY == 0:
            self._check(batch, neuron, row)
        self.n_batches += 1
        return self.pairs

    def _quantise(self, solver):
        """Bring the signs of neurons that have moved up to date."""
        path = solver.path(slice(None))
        with np.errstate(invalid="ignore"):  # not finite when training diverges
            moved = path - self.path_when_quantised
            due = np.flatnonzero(~(moved <= STALE / np.sqrt(N_BITS) * self.norms))
        for first in range(0, due.size, TILE_NEURONS):
            part = due[first : first + TILE_NEURONS]
            W = self.network.reference(part) + self.network.displacement[part]
            self.signs[part], self.norms[part], self.at_centre[part] = self.projections.neurons(W)
        self.path_when_quantised[due] = path[due]
        self.counters["refreshed"] += due.size

    def _pairs(self, signs, norms):
        """Return the neurons and rows of the candidates, ndarrays of shape (n_pairs,)."""
        # fires where <w, x> on centred rows exceeds this
        needed = -(self.network.c_state[:, 0] + self.at_centre) / self.norms
        at_best = np.fmin(needed / norms.max(), needed / norms.min())
        neuron, row, products = self.heavy.pairs(self.signs, signs, _least_product(at_best))
        kept = products >= _least_product(needed[neuron] / norms[row])
        return neuron[kept], row[kept]

    def _check(self, batch, neuron, row):
        """Compute some rows of the batch, and count what fires and what was found of it."""
        network, n = self.network, batch.rows.shape[0]
        chosen = np.sort(self.rng.permutation(n)[:CHECK_ROWS])
        place = np.full(n, -1)
        place[chosen] = np.arange(chosen.size)
        seen = np.zeros((network.n_neurons, chosen.size), dtype=bool)
        kept = place[row] >= 0
        seen[neuron[kept], place[row[kept]]] = True
        for first in range(0, network.n_neurons, TILE_NEURONS):
            part = slice(first, first + TILE_NEURONS)
            W = network.weights(first, min(part.stop, network.n_neurons))
            fires = W @ batch.rows[chosen].T + network.c_state[part, :1] > 0
            self.counters["checked"] += np.count_nonzero(fires)
            self.counters["found"] += np.count_nonzero(fires & seen[part])
        self.counters["dot_products"] += seen.size


def _least_product(cosine):
    """Return the inner product of signs from which a pair of that angle is looked at."""
    cosine = np.nan_to_num(np.clip(cosine, -1, 1), nan=1.0)  # where all is zero, nothing fires
    return N_BITS * (2 / np.pi) * np.arcsin(cosine) - MARGIN * np.sqrt(N_BITS)


def warn_if_missed(counters):
    """Warn, after training, if too many of the pairs that were checked had been missed."""
    checked, found = counters.get("checked", 0), counters.get("found", 0)
    if checked >= LEAST_CHECKED and found < LEAST_RECALL * checked:
        warn(
            f"search='heavy_pairs' missed {1 - found / checked:.1%} of the firing pairs that were checked; they did "
            "not train. Lower threshold, so that what fires does so by more than the error of the signs, or set "
            "search='auto', which misses nothing.",
            RuntimeWarning,
        )
