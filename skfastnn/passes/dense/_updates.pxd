from libc.stdint cimport int32_t

from skfastnn.passes.dense._weights cimport DenseWeights
from skfastnn.passes.shared._pairs cimport PairLists


cdef extern from "step_kernels.h":
    ctypedef struct update_rule:
        double rate
        double momentum
        double beta_2
        double epsilon
        double penalty
        int nesterov
        int sparse
    void sgd_small_f32(
        float*, float*, float*, const float*, Py_ssize_t, float, const float*, const update_rule*) noexcept nogil
    void sgd_small_f64(
        double*, double*, double*, const double*, Py_ssize_t, double, const double*,
        const update_rule*) noexcept nogil

cdef extern from "vector_kernels.h":
    ctypedef struct upcoming_rows:
        const void* row[4]
        int32_t n

cdef update_rule rule_of(dict parameters) except *


# Pointers are to floats or doubles, as the pairs hold; `rows`, `errors` and `kept` have the arrays they point to.
cdef class NeuronStep:
    cdef readonly bint taken
    cdef PairLists pairs
    cdef DenseWeights weights
    cdef object rows, errors
    cdef tuple kept
    cdef update_rule rule
    cdef Py_ssize_t n_rows, ld, ld_out
    cdef const char* X
    cdef const char* error
    # the velocity, or first moments, of the output weights; NULL: they are frozen
    cdef char* first_V
    cdef char* second_V
    # arrays of (n_neurons, ld) that the step moves, displacements first
    cdef char* moving[3]
    cdef int n_moving

    cdef begin(self, PairLists next_pairs)
    cdef double work(self) noexcept nogil
    cdef Py_ssize_t scratch_size(self) noexcept nogil
    cdef int take_block(self, Py_ssize_t block) noexcept nogil
    cdef void list_upcoming(self, Py_ssize_t r, Py_ssize_t last, upcoming_rows* rows) noexcept nogil
    cdef void take(self, Py_ssize_t r, void* scratch, bint whole, const upcoming_rows* upcoming) noexcept nogil


# As of `NeuronStep`.
cdef class AdamState:
    cdef readonly Py_ssize_t n_neurons, ld, itemsize
    cdef tuple kept
    cdef char* mean
    cdef char* square
    cdef char* square_V
    cdef double* norms
