from cython cimport floating
from libc.stdint cimport int32_t

cdef extern from "panel_kernels.h":
    int PANEL


# Pointers are to floats or doubles, as `itemsize` says; `kept` has the arrays they point to.
cdef class PanelWeights:
    cdef readonly Py_ssize_t n_panels, n_features, n_neurons, ld_out, itemsize
    cdef readonly int n_start
    cdef readonly double a, b
    cdef bint writable
    cdef tuple kept
    cdef const int32_t[::1] order
    # NULL where there is no base, no second number, or no output
    cdef const char* base
    cdef char* first
    cdef char* second
    cdef char* c_state
    cdef char* V
    cdef const char* start_V

    cdef int check_fits(self, Py_ssize_t n_neurons, Py_ssize_t itemsize, bint writable) except -1

cdef int require_order(const int32_t[::1] order) except -1

cdef int require_panels(name, const floating[:, :, ::1] array, const floating[:, :, ::1] first) except -1

cdef int require_panel_start(name, const floating[:, :, ::1] start, const floating[:, :, ::1] first) except -1
