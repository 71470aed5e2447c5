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
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy

import numpy as np

from skfastnn.passes.shared._worth cimport threads_for

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

    def fill(self, const int64_t[::1] indptr, const int32_t[::1] rows, values=None):
        """Set the lists from arrays.

        Parameters
        ----------
        indptr : ndarray of shape (n_neurons + 1,), int64
            Where the list of each neuron starts in `rows`, and the end of the last.
        rows : ndarray of shape (indptr[-1],), int32
            Strictly ascending in each list, and not negative.
        values : ndarray of shape (indptr[-1],) of the dtype of the lists, or None for lists without values

        Raises
        ------
        ValueError
            If the arrays do not describe lists, or values are missing or of another dtype.
        """
        cdef Py_ssize_t r, b, n_more
        cdef const uint8_t[::1] bytes_of_values = b""
        if (values is None) != (self.dtype is None) or (values is not None and values.dtype != self.dtype):
            raise ValueError("values must be of the dtype of the lists, got %s" % type(values))
        if self.itemsize:
            if values.shape != (rows.shape[0],):
                raise ValueError("there must be a value for each of %d rows" % rows.shape[0])
            bytes_of_values = np.ascontiguousarray(values).view(np.uint8)
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
            if n_more and self.itemsize:
                memcpy(self.blocks[b].values, &bytes_of_values[indptr[r] * self.itemsize], n_more * self.itemsize)
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
    cdef double work = .3 * n_blocks * n_rows * ld
    for i in prange(n_rows, nogil=True, num_threads=threads_for(work, n_threads), schedule="static"):
        for b in range(1, n_blocks):
            for j in range(ld):
                buffers[0, i, j] += buffers[b, i, j]
