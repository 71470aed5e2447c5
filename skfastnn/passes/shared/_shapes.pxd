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
