"""Dense search over sparse rows: compute everything, 64 neurons at a time."""

from skfastnn.passes.panels._panel_layer import panel_forward
from skfastnn.passes.shared._pairs import PairLists
from skfastnn.search._engine import SearchEngine, registered


@registered
class PanelSearch(SearchEngine):
    """All pre-activations, at the price of the stored entries; nothing is skipped in the forward pass."""

    name = "dense"
    layout = "panels"
    verified = True

    def build(self, rows, network, n_threads):
        self.network, self.n_threads = network, n_threads
        self.pairs = PairLists(network.n_neurons, network.dtype)

    def candidates(self, batch, solver):
        network = self.network
        panel_forward(self.pairs, network.arrays, batch.rows, self.n_threads)
        n_pairs = network.n_neurons * batch.rows.shape[0]
        self.counters["dot_products"] += n_pairs
        self.counters["candidates"] += n_pairs
        return self.pairs
