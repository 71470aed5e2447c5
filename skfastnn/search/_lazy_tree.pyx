# Lazy, truncated correlation trees: one per neuron, over the samples.
#
# Problem     Training wants, for each neuron and batch, a superset of the rows on which the neuron fires, without
#             computing <w, x> for all of them. A tree holds correlations with an earlier, reference weight vector;
#             the change since then is bounded (drift times norm, or tighter), and the bound is the QUERY threshold:
#             a leaf is a candidate when   correlation > -(intercept + bound on the change).
# Layout      Leaves of neuron r: `position[r]` (place of the sample in the epoch's order) and `value[r]`
#             (<w_ref, x>), ascending in position, so that a batch is a run of leaves and a cursor finds it in
#             O(1). Leaves at or below `cut[r]` are dropped: the tree is truncated, and cut[r] bounds all of what is
#             missing. The root `top[r]` is the maximum of the leaves; a query that does not exceed it stops there.
# Invariants  <w_ref, x_i> <= cut[r] for every pair that is not stored. Nothing is stored twice. The contents
#             depend on the data alone, never on the number of threads.
# Cost        4 + itemsize bytes a leaf. A query reads the leaves of the batch once, and all rows of the batch for a
#             neuron whose bound reaches below its cut ("warm"). A new epoch reorders all leaves in linear time
#             through a bit map.
# Threads     Neurons are independent; in queries, blocks of neurons as in _pairs.pyx.
# Reference   Alman, Liang, Song, Zhang, Zhuo, "Bypass Exponential Time Preprocessing: Fast Neural Network Training
#             via Weight-Data Correlation Preprocessing", 2022 (trees, INIT / UPDATE / QUERY). Laziness and
#             truncation are ours.

from cython cimport floating
from cython.parallel cimport prange, threadid
from libc.math cimport INFINITY
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc

import numpy as np

from skfastnn.passes._pairs cimport PairLists

cdef extern from *:
    """
    #include <stdint.h>
    static inline int lowest_bit(uint64_t word) { return __builtin_ctzll(word); }
    """
    int lowest_bit(uint64_t) noexcept nogil


cdef class LeafStore:
    """The leaves of one truncated tree per neuron.

    Parameters
    ----------
    n_neurons : int
    dtype : numpy dtype
        float32 or float64, the type of the correlations.
    """

    cdef readonly Py_ssize_t n_neurons
    cdef readonly object dtype
    cdef readonly object top
    cdef Py_ssize_t itemsize
    cdef int32_t** position
    cdef char** value
    cdef int32_t* size
    cdef int32_t* capacity
    cdef int32_t* cursor

    def __cinit__(self, Py_ssize_t n_neurons, dtype):
        self.n_neurons = n_neurons
        self.dtype = np.dtype(dtype)
        self.itemsize = self.dtype.itemsize
        self.top = np.full(n_neurons, -np.inf)
        self.position = <int32_t**> calloc(n_neurons, sizeof(int32_t*))
        self.value = <char**> calloc(n_neurons, sizeof(char*))
        self.size = <int32_t*> calloc(n_neurons, sizeof(int32_t))
        self.capacity = <int32_t*> calloc(n_neurons, sizeof(int32_t))
        self.cursor = <int32_t*> calloc(n_neurons, sizeof(int32_t))
        if (self.position == NULL or self.value == NULL or self.size == NULL or self.capacity == NULL
                or self.cursor == NULL):
            raise MemoryError("no memory for %d correlation trees" % n_neurons)

    def __dealloc__(self):
        cdef Py_ssize_t r
        for r in range(self.n_neurons):
            if self.position != NULL:
                free(self.position[r])
            if self.value != NULL:
                free(self.value[r])
        free(self.position)
        free(self.value)
        free(self.size)
        free(self.capacity)
        free(self.cursor)

    cdef int resize(self, Py_ssize_t r, int32_t capacity) noexcept nogil:
        cdef void* new
        if capacity < 1:
            capacity = 1
        new = realloc(self.position[r], capacity * sizeof(int32_t))
        if new == NULL:
            return -1
        self.position[r] = <int32_t*> new
        new = realloc(self.value[r], capacity * self.itemsize)
        if new == NULL:
            return -1
        self.value[r] = <char*> new
        self.capacity[r] = capacity
        return 0

    @property
    def n_leaves(self):
        """Number of leaves stored in all trees."""
        cdef Py_ssize_t r
        cdef Py_ssize_t total = 0
        for r in range(self.n_neurons):
            total += self.size[r]
        return total

    @property
    def nbytes(self):
        """Bytes of the leaves."""
        cdef Py_ssize_t r
        cdef Py_ssize_t total = 0
        for r in range(self.n_neurons):
            total += self.capacity[r]
        return total * (sizeof(int32_t) + self.itemsize)

    def clear(self, const int64_t[::1] neurons):
        """Drop all leaves of some neurons."""
        cdef Py_ssize_t k
        cdef double[::1] top = self.top
        for k in range(neurons.shape[0]):
            self.size[neurons[k]] = 0
            self.cursor[neurons[k]] = 0
            top[neurons[k]] = -INFINITY

    def rewind(self):
        """Set all cursors to the start of the epoch."""
        cdef Py_ssize_t r
        for r in range(self.n_neurons):
            self.cursor[r] = 0

    def trim(self, const int64_t[::1] neurons):
        """Give back memory that the leaves of some neurons do not use."""
        cdef Py_ssize_t k
        for k in range(neurons.shape[0]):
            if self.resize(neurons[k], self.size[neurons[k]]) < 0:
                raise MemoryError("no memory to shrink a correlation tree")


def append_leaves(
    LeafStore leaves,                       # INOUT
    const int64_t[::1] neurons,             # IN    (n,) distinct
    const int64_t[::1] source,              # IN    (n,) row of the tile for each neuron
    const floating[:, ::1] tile,            # IN    (n_rows_of_tile, n_positions) correlations
    int32_t first_position,                 # position of the first column
    const double[::1] cut,                  # IN    (n_neurons,)
    int n_threads,
):
    """Append the correlations above the cut; columns continue in ascending position."""
    cdef Py_ssize_t k
    cdef int status = 0
    cdef double[::1] top = leaves.top
    for k in prange(neurons.shape[0], nogil=True, num_threads=n_threads, schedule="static"):
        status += _append_neuron(leaves, neurons[k], &tile[source[k], 0], tile.shape[1], first_position,
                                 cut[neurons[k]], &top[0])
    if status:
        raise MemoryError("no memory for the leaves of the correlation trees")


cdef int _append_neuron(
    LeafStore leaves, Py_ssize_t r, const floating* correlation, Py_ssize_t n, int32_t first_position, double cut,
    double* top,
) noexcept nogil:
    cdef Py_ssize_t i
    cdef int32_t size = leaves.size[r]
    cdef int32_t n_above = 0
    cdef floating z, bound = <floating> cut
    cdef floating largest = <floating> -INFINITY
    cdef int32_t* position
    cdef floating* value
    for i in range(n):
        n_above += correlation[i] > bound
    # one place more than needed: the loop below writes before it decides
    if size + n_above + 1 > leaves.capacity[r]:
        if leaves.resize(r, size + n_above + 1 + size // 2) < 0:
            return -1
    position = leaves.position[r]
    value = <floating*> leaves.value[r]
    for i in range(n):
        z = correlation[i]
        position[size] = first_position + <int32_t> i
        value[size] = z
        size += z > bound
        largest = max(largest, z)
    leaves.size[r] = size
    if largest > top[r]:
        top[r] = largest
    return 0


def reorder(LeafStore leaves, const int32_t[::1] new_position, int n_threads):
    """Renumber the positions of all leaves for a new epoch and restore their ascending order.

    Parameters
    ----------
    leaves : LeafStore
    new_position : ndarray of shape (n_samples,), int32
        The new position of the sample at each old position.
    n_threads : int
    """
    if leaves.itemsize == 4:
        _reorder[float](leaves, new_position, 0, n_threads)
    else:
        _reorder[double](leaves, new_position, 0, n_threads)


cdef void _reorder(LeafStore leaves, const int32_t[::1] new_position, floating unused, int n_threads) except *:
    cdef Py_ssize_t r
    cdef int thread
    cdef Py_ssize_t n = new_position.shape[0]
    cdef Py_ssize_t n_words = (n + 63) // 64
    # scratch of one thread after the other, 64 bytes apart at least
    cdef uint64_t[:, ::1] present = np.zeros((n_threads, n_words + 8), dtype=np.uint64)
    cdef floating[:, ::1] value = np.empty((n_threads, n + 16), dtype=leaves.dtype)
    for r in prange(leaves.n_neurons, nogil=True, num_threads=n_threads, schedule="static"):
        thread = threadid()
        _reorder_neuron(leaves.position[r], <floating*> leaves.value[r], leaves.size[r], &new_position[0],
                        &present[thread, 0], &value[thread, 0], n_words)
        leaves.cursor[r] = 0


cdef void _reorder_neuron(
    int32_t* position,            # INOUT (size,)
    floating* value,              # INOUT (size,)
    int32_t size,
    const int32_t* new_position,  # IN    (n,)
    uint64_t* present,            # INOUT (n_words,) all zero before and after
    floating* by_position,        # scratch (n,)
    Py_ssize_t n_words,
) noexcept nogil:
    cdef Py_ssize_t k, word
    cdef int32_t p
    cdef uint64_t bits
    for k in range(size):
        p = new_position[position[k]]
        present[p >> 6] |= <uint64_t> 1 << (p & 63)
        by_position[p] = value[k]
    k = 0
    for word in range(n_words):
        bits = present[word]
        present[word] = 0
        while bits:
            p = <int32_t> (word * 64 + lowest_bit(bits))
            bits &= bits - 1
            position[k] = p
            value[k] = by_position[p]
            k += 1


def query(
    LeafStore leaves,                       # IN    (cursors move)
    PairLists pairs,                        # OUT   candidates; values are the stored correlations
    int32_t first,                          # positions of the batch: first <= position < last
    int32_t last,
    const floating[::1] norms,              # IN    (n_rows,) norms of the rows of the batch
    const double[::1] drift,                # IN    (n_neurons,) bound on ||w - w_ref||
    const double[::1] threshold,            # IN    (n_neurons,) -(intercept), lowered by its pending movement
    const double[::1] cut,                  # IN    (n_neurons,)
    const int64_t[::1] tile_row,            # IN    (n_neurons,) row of the tile, -1: cold, -2: warm without a tile
    const floating[:, ::1] tile,            # IN    (n_warm, n_rows) bounds on the change of warm neurons
    uint8_t[::1] full,                      # OUT   (n_neurons,) 1: has candidates that are not stored
    int n_threads,
):
    """Collect the candidates of a batch.

    Returns
    -------
    n_visited : int
        Leaves, and rows of warm neurons, that were compared with the threshold.
    """
    cdef Py_ssize_t b
    cdef int status = 0
    cdef int64_t n_visited = 0
    cdef double[::1] top = leaves.top
    cdef const floating* tile_start = &tile[0, 0] if tile.shape[0] else NULL
    cdef double largest_norm = 0
    for b in range(last - first):
        largest_norm = max(largest_norm, norms[b])
    for b in prange(pairs.n_blocks, nogil=True, num_threads=n_threads, schedule="dynamic", chunksize=1):
        status += _query_block(leaves, pairs, b, first, last, &norms[0], largest_norm, &drift[0], &threshold[0],
                               &cut[0], &top[0], &tile_row[0], tile_start, tile.shape[1], &full[0], &n_visited)
    if status:
        raise MemoryError("no memory for the candidates of a batch")
    return n_visited


cdef extern from *:
    """
    #ifdef _OPENMP
    #define ATOMIC_ADD(target, amount) _Pragma("omp atomic") *(target) += (amount)
    #else
    #define ATOMIC_ADD(target, amount) *(target) += (amount)
    #endif
    """
    void ATOMIC_ADD(int64_t*, int64_t) noexcept nogil


cdef int _query_block(
    LeafStore leaves, PairLists pairs, Py_ssize_t block, int32_t first, int32_t last, const floating* norms,
    double largest_norm, const double* drift, const double* threshold, const double* cut, const double* top,
    const int64_t* tile_row, const floating* tile, Py_ssize_t ld_tile, uint8_t* full, int64_t* n_visited,
) noexcept nogil:
    cdef Py_ssize_t r, k
    cdef Py_ssize_t end = min((block + 1) * pairs.block_size, pairs.n_neurons)
    cdef int32_t begin, stop
    cdef int32_t n_rows = last - first
    cdef int64_t visited = 0
    cdef floating* scratch = <floating*> malloc(n_rows * sizeof(floating))
    if scratch == NULL:
        return -1
    pairs.used[block] = 0
    for r in range(block * pairs.block_size, end):
        pairs.start[r] = pairs.used[block]
        pairs.count[r] = 0
        full[r] = 0
        if tile_row[r] == -1 and top[r] <= threshold[r] - drift[r] * largest_norm:
            continue
        begin = leaves.cursor[r]
        while begin < leaves.size[r] and leaves.position[r][begin] < first:
            begin += 1
        leaves.cursor[r] = begin
        if tile_row[r] == -1:
            # a neuron has at most one leaf per row
            if pairs.reserve(block, min(leaves.size[r] - begin, n_rows) + 1) < 0:
                free(scratch)
                return -1
            stop = _query_cold(pairs, block, r, leaves.position[r], <floating*> leaves.value[r], begin,
                               leaves.size[r], first, last, norms, <floating> drift[r], <floating> threshold[r])
            visited += stop - begin
        else:
            if pairs.reserve(block, n_rows + 1) < 0:
                free(scratch)
                return -1
            _query_warm(pairs, block, r, leaves.position[r], <floating*> leaves.value[r], begin, leaves.size[r],
                        first, last, norms, <floating> drift[r], <floating> threshold[r], <floating> cut[r],
                        tile + tile_row[r] * ld_tile if tile_row[r] >= 0 else NULL, scratch, full)
            visited += n_rows
        pairs.used[block] += pairs.count[r]
    free(scratch)
    ATOMIC_ADD(n_visited, visited)
    return 0


cdef int32_t _query_cold(
    PairLists pairs, Py_ssize_t block, Py_ssize_t r, const int32_t* position, const floating* value, int32_t begin,
    int32_t size, int32_t first, int32_t last, const floating* norms, floating drift, floating threshold,
) noexcept nogil:
    """Stored leaves above the lazy threshold; returns the end of the batch's run of leaves."""
    cdef int32_t* rows = pairs.rows[block] + pairs.start[r]
    cdef floating* values = <floating*> pairs.values[block] + pairs.start[r]
    cdef int32_t k = begin
    cdef int32_t kept = 0
    cdef int32_t row
    while k < size and position[k] < last:
        row = position[k] - first
        # written always, counted when it passes: no branch to mispredict
        rows[kept] = row
        values[kept] = value[k]
        kept += value[k] + drift * norms[row] > threshold
        k += 1
    pairs.count[r] = kept
    return k


cdef void _query_warm(
    PairLists pairs, Py_ssize_t block, Py_ssize_t r, const int32_t* position, const floating* value, int32_t begin,
    int32_t size, int32_t first, int32_t last, const floating* norms, floating drift, floating threshold,
    floating cut, const floating* tile, floating* correlation, uint8_t* full,
) noexcept nogil:
    """All rows of the batch: the stored leaf, or else the cut, plus the bound on the change."""
    cdef int32_t* rows = pairs.rows[block] + pairs.start[r]
    cdef floating* values = <floating*> pairs.values[block] + pairs.start[r]
    cdef int32_t k = begin
    cdef int32_t kept = 0
    cdef int32_t row
    cdef uint8_t unknown = 0
    cdef uint8_t passes
    for row in range(last - first):
        correlation[row] = cut
    while k < size and position[k] < last:
        correlation[position[k] - first] = value[k]
        k += 1
    for row in range(last - first):
        rows[kept] = row
        values[kept] = correlation[row]
        passes = correlation[row] + (tile[row] if tile != NULL else drift * norms[row]) > threshold
        unknown |= passes & (correlation[row] == cut)
        kept += passes
    pairs.count[r] = kept
    full[r] = unknown
