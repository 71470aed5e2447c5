"""Dense search: compute everything. The yardstick, and the best choice for small or busy networks."""

from skfastnn.passes.dense._dense_forward import dense_forward
from skfastnn.search import _costs as ns
from skfastnn.search._engine import ExactSearch, registered


@registered
class DenseSearch(ExactSearch):
    """All pre-activations by matrix products; nothing is skipped in the forward pass."""

    name = "dense"

    @classmethod
    def cost(cls, probe):
        pair = ns.DENSE + ns.MULTIPLICATION * probe.ld + ns.LISTED * probe.firing_rate
        return pair + ns.DENSE_STEP / probe.n_pairs

    def takes_steps(self, solver):
        return solver.may_defer

    def list_fired(self, batch, fired, solver):
        step = self._step_to_take(solver)
        dense_forward(fired, self.network.arrays, batch.rows, self.n_threads, step)
        n_pairs = self.network.n_neurons * batch.rows.shape[0]
        self.counters["dot_products"] += n_pairs
        self.counters["candidates"] += n_pairs
