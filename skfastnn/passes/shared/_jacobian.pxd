from skfastnn.passes.shared._pairs cimport PairLists


cdef enum product:
    TIMES
    TRANSPOSED
    GRAM


# Pointers are to floats or doubles, as `itemsize` says; `kept` has the arrays they point to.
cdef class Change:
    cdef readonly Py_ssize_t n_neurons, ld_out, itemsize
    cdef readonly tuple hidden_shape
    cdef tuple kept
    cdef char* W
    cdef char* c
    cdef char* V


cdef class Jacobian:
    cdef readonly Py_ssize_t n_rows, ld_out, itemsize
    cdef PairLists pairs
    cdef tuple hidden_shape
    cdef tuple kept
    cdef Py_ssize_t buffer_size
    cdef double work              # nanoseconds of a product, about
    cdef const char* V
    cdef const char* u
    cdef char* buffers

    cdef int set_up(self, PairLists pairs, V, u, buffers, Py_ssize_t n_rows, hidden_shape) except -1
    cdef int block(
        self, product which, Py_ssize_t block, Change change, bint with_output, char* output,
    ) noexcept nogil
