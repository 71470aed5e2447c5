# Whether arrays fit each other: what the entries of the passes ask before they take pointers.
#
# Problem     Pointers know no shapes. An array that is too short is read, or written, beyond its end, and rows that do
#             not come in whole vectors are, too.
# Cost        A few comparisons an array.


cdef int require(
    name, Py_ssize_t n_rows, Py_ssize_t n_columns, Py_ssize_t n_rows_wanted, Py_ssize_t n_columns_wanted,
) except -1:
    """Raise unless an array is of the shape that is wanted."""
    if n_rows != n_rows_wanted or n_columns != n_columns_wanted:
        raise ValueError(
            "%s must be of shape (%d, %d), got (%d, %d)" % (name, n_rows_wanted, n_columns_wanted, n_rows, n_columns)
        )
    return 0


cdef int require_vectors(Py_ssize_t ld, Py_ssize_t itemsize) except -1:
    """Raise unless rows of so many numbers are whole vectors of 64 bytes."""
    if ld < 1 or ld * itemsize % 64:
        raise ValueError("rows must be padded to whole vectors of 64 bytes, got %d numbers" % ld)
    return 0


cdef int require_outputs(
    name, Py_ssize_t n_rows, Py_ssize_t ld_out, Py_ssize_t n_rows_wanted, Py_ssize_t itemsize,
) except -1:
    """Raise unless there are so many rows, of no output, of one, or of several in whole vectors."""
    if ld_out > 1:
        require_vectors(ld_out, itemsize)
    return require(name, n_rows, ld_out, n_rows_wanted, ld_out)


cdef int require_start(
    Py_ssize_t n_rows, Py_ssize_t n_columns, Py_ssize_t n_neurons, Py_ssize_t ld, int pair_shift,
) except -1:
    """Raise unless there is a row of the start for every neuron, or for every two that share one."""
    if not 0 <= pair_shift <= 1:
        raise ValueError("pair_shift must be 0 or 1, got %d" % pair_shift)
    # the neurons may be the first of more
    return require("start", n_rows, n_columns, max(n_rows, (n_neurons + pair_shift) >> pair_shift), ld)
