"""Dense search: compute everything. The yardstick, and the best choice for small or busy networks."""

from skfastnn.passes.dense._dense_forward import dense_forward
from skfastnn.passes.shared._pairs import PairLists
from skfastnn.search import _costs
from skfastnn.search._engine import SearchEngine, registered

# what a step takes besides, in ns
STEP = 40_000.0


@registered
class DenseSearch(SearchEngine):
    """All pre-activations by matrix products; nothing is skipped in the forward pass."""

    name = "dense"
    verified = True

    @classmethod
    def cost(cls, probe):
        return (
            _costs.DENSE + _costs.MULTIPLICATION * probe.ld + _costs.LISTED * probe.firing_rate + STEP / probe.n_pairs
        )

    def build(self, rows, network, n_threads):
        self.network, self.n_threads = network, n_threads
        self.pairs, self.spare = (PairLists(network.n_neurons, network.dtype) for _ in range(2))

    def lets_defer(self, solver):
        return solver.may_defer

    def candidates(self, batch, solver):
        network, step = self.network, self._step_to_take(solver)
        dense_forward(self.pairs, network.arrays, batch.rows, self.n_threads, step)
        n_pairs = network.n_neurons * batch.rows.shape[0]
        self.counters["dot_products"] += n_pairs
        self.counters["candidates"] += n_pairs
        return self.pairs
