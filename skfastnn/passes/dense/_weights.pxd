from cython cimport floating
from libc.stdint cimport uint8_t


# Pointers are to floats or doubles, as `itemsize` says; `kept` has the arrays they point to.
cdef class DenseWeights:
    cdef readonly Py_ssize_t n_neurons, ld, ld_out, itemsize
    cdef readonly int pair_shift
    cdef bint writable
    cdef tuple kept
    cdef const char* start
    cdef char* displacement
    cdef char* anchor
    cdef uint8_t* anchored
    cdef char* c_state
    # NULL where there are no outputs
    cdef char* V
    cdef const char* start_V

    cdef int check_fits(self, Py_ssize_t n_neurons, Py_ssize_t ld, Py_ssize_t itemsize, bint writable) except -1

cdef const floating* anchor_of(DenseWeights weights, Py_ssize_t r, const floating* same) noexcept nogil

cdef void put_together(
    DenseWeights weights, Py_ssize_t r, const floating* velocity, const double* a, floating* whole,
) noexcept nogil
