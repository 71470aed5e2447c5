from cython cimport floating
from libc.stdint cimport int64_t, uint8_t


cdef int require(
    name, Py_ssize_t n_rows, Py_ssize_t n_columns, Py_ssize_t n_rows_wanted, Py_ssize_t n_columns_wanted,
) except -1

cdef int require_vectors(Py_ssize_t ld, Py_ssize_t itemsize) except -1

cdef int require_outputs(
    name, Py_ssize_t n_rows, Py_ssize_t ld_out, Py_ssize_t n_rows_wanted, Py_ssize_t itemsize,
) except -1

cdef int require_start(
    Py_ssize_t n_rows, Py_ssize_t n_columns, Py_ssize_t n_neurons, Py_ssize_t ld, int pair_shift,
) except -1

cdef int require_delays(
    const int64_t[::1] delay, Py_ssize_t n_neurons, Py_ssize_t n_delays, Py_ssize_t n_columns,
) except -1

cdef int require_weights(
    Py_ssize_t n_neurons, Py_ssize_t ld, const floating[:, ::1] displacement, const floating[:, ::1] start,
    const floating[:, ::1] anchor, int pair_shift, const uint8_t[::1] anchored, const floating[:, ::1] c_state,
) except -1
