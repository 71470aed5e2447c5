"""Dense search over sparse rows: compute everything, 64 neurons at a time."""

from skfastnn.passes.panels._panel_layer import panel_forward
from skfastnn.search._engine import ExactSearch, registered


@registered
class PanelSearch(ExactSearch):
    """All pre-activations, at the price of the stored entries; nothing is skipped in the forward pass."""

    name = "dense"
    layout = "panels"

    def list_fired(self, batch, fired, solver):
        panel_forward(fired, self.network.arrays, batch.rows, self.n_threads)
        n_pairs = self.network.n_neurons * batch.rows.shape[0]
        self.counters["dot_products"] += n_pairs
        self.counters["candidates"] += n_pairs
