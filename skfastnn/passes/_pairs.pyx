# Neuron-major lists of (row, value) pairs: candidates on their way to the forward pass, fired pairs after it.
#
# Layout      Neurons are cut into a fixed number of blocks of equal size; a block owns one growable buffer of rows and
#             one of values, and neuron r owns `count[r]` consecutive entries of it from `start[r]`. Rows are positions
#             in the current batch, not in the data set. Lists of candidates have no values.
# Invariants  Rows of a list are ascending. Lists with values leave no gaps: their pairs are numbered through. The
#             partition into blocks depends on the number of neurons alone. Threads take whole blocks, and what a block
#             holds does not depend on which thread filled it: this is what makes results independent of the number of
#             threads. Entries of a block behind `used` are free.
# Cost        4 + itemsize bytes a pair; buffers grow by half and are kept from batch to batch.
# Threads     A block is written by one thread at a time. `reserve` is called without the GIL; it returns -1 when
#             memory is short, which the caller reports after its parallel loop.

from cython cimport floating
from cython.parallel cimport prange
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy

import numpy as np

cdef extern from *:
    """
    #ifdef _OPENMP
    #include <omp.h>
    #define skfastnn_max_threads() omp_get_max_threads()
    #else
    #define skfastnn_max_threads() 1
    #endif
    """
    int skfastnn_max_threads() nogil

# Enough blocks to balance a few threads; each costs one output buffer in the forward pass.
N_BLOCKS = 16


def openmp_max_threads():
    """Return the number of threads that OpenMP would use, 1 without OpenMP."""
    return skfastnn_max_threads()


cdef class PairLists:
    """Neuron-major lists of (row of the batch, value) pairs.

    Parameters
    ----------
    n_neurons : int
        Number of lists.
    dtype : numpy dtype or None
        Type of the values, float32 or float64; None for lists without values.
    """

    def __cinit__(self, Py_ssize_t n_neurons, dtype):
        if n_neurons < 1:
            raise ValueError("n_neurons must be at least 1, got %d" % n_neurons)
        self.dtype = None if dtype is None else np.dtype(dtype)
        self.itemsize = 0 if dtype is None else self.dtype.itemsize
        self.n_neurons = n_neurons
        self.block_size = (n_neurons + N_BLOCKS - 1) // N_BLOCKS
        # whole groups of neurons, as search looks at them
        self.block_size = (self.block_size + 63) // 64 * 64
        self.n_blocks = (n_neurons + self.block_size - 1) // self.block_size
        self.blocks = <Block*> calloc(self.n_blocks, sizeof(Block))
        self.start = <Py_ssize_t*> calloc(n_neurons, sizeof(Py_ssize_t))
        self.count = <int32_t*> calloc(n_neurons, sizeof(int32_t))
        if self.blocks == NULL or self.start == NULL or self.count == NULL:
            raise MemoryError("no memory for the lists of %d neurons" % n_neurons)

    def __dealloc__(self):
        cdef Py_ssize_t b
        for b in range(self.n_blocks):
            if self.blocks != NULL:
                free(self.blocks[b].rows)
                free(self.blocks[b].values)
        free(self.blocks)
        free(self.start)
        free(self.count)

    cdef int reserve(self, Py_ssize_t block, Py_ssize_t n_more) noexcept nogil:
        cdef Py_ssize_t wanted = self.blocks[block].used + n_more
        cdef void* new
        if wanted <= self.blocks[block].capacity:
            return 0
        wanted += wanted // 2 + 64
        new = realloc(self.blocks[block].rows, wanted * sizeof(int32_t))
        if new == NULL:
            return -1
        self.blocks[block].rows = <int32_t*> new
        if self.itemsize:
            new = realloc(self.blocks[block].values, wanted * self.itemsize)
            if new == NULL:
                return -1
            self.blocks[block].values = <char*> new
        self.blocks[block].capacity = wanted
        return 0

    cdef Py_ssize_t n_before(self, Py_ssize_t block) noexcept nogil:
        """Return the number of entries of the blocks before one."""
        cdef Py_ssize_t b
        cdef Py_ssize_t n = 0
        for b in range(block):
            n += self.blocks[b].used
        return n

    def copy_from(self, PairLists other):
        """Take over the lists of another object of the same shape and dtype."""
        cdef Py_ssize_t b
        if other.n_neurons != self.n_neurons or other.itemsize != self.itemsize:
            raise ValueError("lists of other neurons or another dtype cannot be taken over")
        for b in range(self.n_blocks):
            self.blocks[b].used = 0
            if self.reserve(b, other.blocks[b].used) < 0:
                raise MemoryError("no memory for a copy of the lists")
            self.blocks[b].used = other.blocks[b].used
            if other.blocks[b].used:
                memcpy(self.blocks[b].rows, other.blocks[b].rows, other.blocks[b].used * sizeof(int32_t))
                memcpy(self.blocks[b].values, other.blocks[b].values, other.blocks[b].used * self.itemsize)
        memcpy(self.start, other.start, self.n_neurons * sizeof(Py_ssize_t))
        memcpy(self.count, other.count, self.n_neurons * sizeof(int32_t))

    def fill(self, const int64_t[::1] indptr, const int32_t[::1] rows):
        """Set the lists from arrays; they must be lists without values.

        Parameters
        ----------
        indptr : ndarray of shape (n_neurons + 1,), int64
            Where the list of each neuron starts in `rows`, and the end of the last.
        rows : ndarray of shape (indptr[-1],), int32
            Strictly ascending in each list, and not negative.

        Raises
        ------
        ValueError
            If the lists have values, or the arrays do not describe lists.
        """
        cdef Py_ssize_t r, b, n_more
        if self.itemsize:
            raise ValueError("lists with values cannot be filled from rows alone")
        if indptr.shape[0] != self.n_neurons + 1:
            raise ValueError("indptr must have %d entries, got %d" % (self.n_neurons + 1, indptr.shape[0]))
        if not _are_lists(indptr, rows):
            raise ValueError("indptr must ascend from 0 to len(rows), and rows of a list from 0 on, each once")
        for b in range(self.n_blocks):
            r = b * self.block_size
            n_more = indptr[min(r + self.block_size, self.n_neurons)] - indptr[r]
            self.blocks[b].used = 0
            if self.reserve(b, n_more) < 0:
                raise MemoryError("no memory for the lists of candidates")
            self.blocks[b].used = n_more
            if n_more:
                memcpy(self.blocks[b].rows, &rows[indptr[r]], n_more * sizeof(int32_t))
        for r in range(self.n_neurons):
            self.start[r] = indptr[r] - indptr[r // self.block_size * self.block_size]
            self.count[r] = <int32_t> (indptr[r + 1] - indptr[r])

    @property
    def total(self):
        """Number of pairs in all lists."""
        cdef Py_ssize_t r
        cdef Py_ssize_t total = 0
        for r in range(self.n_neurons):
            total += self.count[r]
        return total

    @property
    def nbytes(self):
        """Bytes held by the buffers."""
        cdef Py_ssize_t b
        cdef Py_ssize_t total = self.n_neurons * (sizeof(Py_ssize_t) + sizeof(int32_t))
        for b in range(self.n_blocks):
            total += self.blocks[b].capacity * (<Py_ssize_t> sizeof(int32_t) + self.itemsize)
        return total

    def counts(self):
        """Return the lengths of the lists, ndarray of shape (n_neurons,), int32."""
        out = np.empty(self.n_neurons, dtype=np.int32)
        cdef int32_t[::1] view = out
        memcpy(&view[0], self.count, self.n_neurons * sizeof(int32_t))
        return out

    def to_csr(self):
        """Copy the lists to arrays.

        Returns
        -------
        indptr : ndarray of shape (n_neurons + 1,), int64
        rows : ndarray of shape (total,), int32
        values : ndarray of shape (total,), or None for lists without values
        """
        counts = self.counts()
        indptr = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
        rows = np.empty(self.total, dtype=np.int32)
        values = np.empty(self.total, dtype=np.int8 if self.dtype is None else self.dtype)
        cdef int32_t[::1] rows_view = rows
        cdef signed char[::1] values_view = values.view(np.int8)
        cdef Py_ssize_t r, b
        cdef Py_ssize_t at = 0
        for r in range(self.n_neurons):
            if self.count[r] == 0:
                continue
            b = r // self.block_size
            memcpy(&rows_view[at], self.blocks[b].rows + self.start[r], self.count[r] * sizeof(int32_t))
            if self.itemsize:
                memcpy(&values_view[at * self.itemsize], self.blocks[b].values + self.start[r] * self.itemsize,
                       self.count[r] * self.itemsize)
            at += self.count[r]
        return indptr, rows, None if self.dtype is None else values


def pairs_above_zero(PairLists pairs, const floating[:, ::1] Z, int n_threads, Py_ssize_t first_block=0):
    """Fill the lists of whole blocks of neurons with the positive entries of a dense matrix.

    Parameters
    ----------
    pairs : PairLists
        Overwritten.
    Z : ndarray of shape (n, n_rows)
        Pre-activations, neuron-major, of n neurons from the first of `first_block` on.
    n_threads : int
        Number of threads.
    first_block : int
    """
    cdef Py_ssize_t b
    cdef int status = 0
    cdef Py_ssize_t first = first_block * pairs.block_size
    cdef Py_ssize_t last_block = (first + Z.shape[0] + pairs.block_size - 1) // pairs.block_size
    cdef bint whole = first + Z.shape[0] == min(last_block * pairs.block_size, pairs.n_neurons)
    if first_block < 0 or last_block > pairs.n_blocks or not whole or pairs.itemsize != sizeof(floating):
        raise ValueError("Z must have one row per neuron of whole blocks and the dtype of the lists")
    for b in prange(first_block, last_block, nogil=True, num_threads=n_threads, schedule="dynamic", chunksize=1):
        status += _block_above_zero(pairs, b, &Z[0, 0] - first * Z.shape[1], Z.shape[1])
    if status:
        raise MemoryError("no memory for the lists of firing pairs")


cdef bint _are_lists(const int64_t[::1] indptr, const int32_t[::1] rows) noexcept nogil:
    cdef Py_ssize_t r
    cdef int64_t at
    cdef int32_t last
    if indptr[0] != 0 or indptr[indptr.shape[0] - 1] != rows.shape[0]:
        return False
    for r in range(indptr.shape[0] - 1):
        # the end is checked before the rows are read: no list reaches beyond them
        if indptr[r + 1] < indptr[r] or indptr[r + 1] > rows.shape[0]:
            return False
        last = -1
        for at in range(indptr[r], indptr[r + 1]):
            if rows[at] <= last:
                return False
            last = rows[at]
    return True


cdef sum_over_blocks(floating[:, :, ::1] buffers, Py_ssize_t n_blocks, Py_ssize_t n_rows, int n_threads):
    """Add the buffers (n_blocks, n_rows, ld) of the blocks to the first; the order, and so the rounding, is fixed."""
    cdef Py_ssize_t i, b, j
    cdef Py_ssize_t ld = buffers.shape[2]
    for i in prange(n_rows, nogil=True, num_threads=n_threads, schedule="static"):
        for b in range(1, n_blocks):
            for j in range(ld):
                buffers[0, i, j] += buffers[b, i, j]


cdef int _block_above_zero(
    PairLists pairs,              # INOUT
    Py_ssize_t block,
    const floating* Z,            # IN    (n_neurons, n_rows)
    Py_ssize_t n_rows,
) noexcept nogil:
    cdef Py_ssize_t r, i
    cdef Py_ssize_t last = min((block + 1) * pairs.block_size, pairs.n_neurons)
    cdef int32_t* rows
    cdef floating* values
    cdef int32_t kept
    cdef floating z
    pairs.blocks[block].used = 0
    for r in range(block * pairs.block_size, last):
        if pairs.reserve(block, n_rows) < 0:
            return -1
        rows = pairs.blocks[block].rows + pairs.blocks[block].used
        values = <floating*> pairs.blocks[block].values + pairs.blocks[block].used
        kept = 0
        for i in range(n_rows):
            # written always, counted when positive: no branch to mispredict
            z = Z[r * n_rows + i]
            rows[kept] = <int32_t> i
            values[kept] = z
            kept += z > 0
        pairs.start[r] = pairs.blocks[block].used
        pairs.count[r] = kept
        pairs.blocks[block].used += kept
    return 0
