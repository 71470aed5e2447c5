"""Dense search: compute everything. The yardstick, and the best choice for small or busy networks."""

import numpy as np

from skfastnn.passes._blas import matmul_nt
from skfastnn.passes._pairs import PairLists, pairs_above_zero
from skfastnn.search._contract import SearchEngine

# Bounds the temporary of dense products, in numbers.
TILE_SIZE = 1 << 22


class DenseSearch(SearchEngine):
    """All pre-activations by one matrix product per batch; nothing is skipped in the forward pass."""

    name = "dense"
    verified = True

    def build(self, rows, network, n_threads):
        self.network, self.n_threads = network, n_threads
        self.pairs = PairLists(network.n_neurons, network.dtype)

    def candidates(self, batch, solver):
        solver.catch_up()
        network = self.network
        n_rows = batch.rows.shape[0]
        Z = np.empty((network.n_neurons, n_rows), dtype=network.dtype)
        step = max(1, TILE_SIZE // network.ld)
        for first in range(0, network.n_neurons, step):
            last = min(first + step, network.n_neurons)
            matmul_nt(network.weights(first, last), batch.rows, Z[first:last], self.n_threads)
        Z += network.c_state[:, :1]
        pairs_above_zero(self.pairs, Z, self.n_threads)
        self.counters["dot_products"] += Z.size
        self.counters["candidates"] += Z.size
        return self.pairs
