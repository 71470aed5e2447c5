from cython cimport floating
from libc.stdint cimport int64_t

from skfastnn.passes.dense._weights cimport DenseWeights

cdef extern from "step_kernels.h":
    ctypedef struct touch_f32:
        float displacement, velocity, change
    ctypedef struct touch_f64:
        double displacement, velocity, change


# Velocities are floats or doubles, as `itemsize` says; `kept` has the arrays that pointers reach into.
cdef class MomentumState:
    cdef readonly Py_ssize_t n_neurons, ld, itemsize
    cdef tuple kept
    cdef char* velocity
    cdef double* norms
    cdef int64_t* touched
    cdef int64_t step
    cdef const double* pending
    cdef Py_ssize_t n_delays, longest_delay

    cdef int check_fits(self, DenseWeights weights) except -1

cdef void note(double* norms, double displacement, double velocity, double change) noexcept nogil

cdef void catch_up_one(
    DenseWeights weights, MomentumState state, Py_ssize_t r, const double* a, floating* velocity,
) noexcept nogil
