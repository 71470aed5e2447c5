from cython cimport floating
from libc.stdint cimport int32_t


# Two cache lines: what one thread counts in a block must not lie beside what another does.
cdef struct Block:
    int32_t* rows
    char* values
    Py_ssize_t capacity, used
    char[96] padding


cdef class PairLists:
    cdef readonly Py_ssize_t n_neurons
    cdef readonly Py_ssize_t n_blocks
    cdef readonly Py_ssize_t block_size
    cdef readonly object dtype
    cdef Py_ssize_t itemsize
    cdef Block* blocks
    cdef Py_ssize_t* start
    cdef int32_t* count

    cdef int reserve(self, Py_ssize_t block, Py_ssize_t n_more) noexcept nogil
    cdef Py_ssize_t n_before(self, Py_ssize_t block) noexcept nogil


cdef sum_over_blocks(floating[:, :, ::1] buffers, Py_ssize_t n_blocks, Py_ssize_t n_rows, int n_threads)
