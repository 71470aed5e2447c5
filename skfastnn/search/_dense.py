"""Dense search: compute everything. The yardstick, and the best choice for small or busy networks."""

import numpy as np

from skfastnn.passes._blas import matmul_nt
from skfastnn.passes._pairs import PairLists, pairs_above_zero
from skfastnn.search._contract import SearchEngine

# Bounds the temporary of pre-activations, in numbers; a few blocks of neurons at least, for the threads.
TILE_SIZE = 1 << 22
BLOCKS_AT_ONCE = 2


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
        step = self.pairs.block_size * max(BLOCKS_AT_ONCE, TILE_SIZE // (self.pairs.block_size * n_rows))
        for first in range(0, network.n_neurons, step):
            last = min(first + step, network.n_neurons)
            Z = np.empty((last - first, n_rows), dtype=network.dtype)
            matmul_nt(network.weights(first, last), batch.rows, Z, self.n_threads)
            Z += network.c_state[first:last, :1]
            pairs_above_zero(self.pairs, Z, self.n_threads, first // self.pairs.block_size)
        n_pairs = network.n_neurons * n_rows
        self.counters["dot_products"] += n_pairs
        self.counters["candidates"] += n_pairs
        return self.pairs
