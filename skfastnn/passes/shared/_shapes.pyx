# Whether arrays fit each other: what the entries of the passes ask before they take pointers.
#
# Problem     Pointers know no shapes. An array that is too short is read, or written, beyond its end, and rows that do
#             not come in whole vectors are, too.
# Cost        A few comparisons an array; one look at the delay of every neuron.

from cython cimport floating
from libc.stdint cimport int64_t, uint8_t


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


cdef int require_delays(
    const int64_t[::1] delay, Py_ssize_t n_neurons, Py_ssize_t n_delays, Py_ssize_t n_columns,
) except -1:
    """Raise unless every neuron has a delay, and every delay a matrix."""
    cdef Py_ssize_t r
    cdef int64_t least = 0
    cdef int64_t most = 0
    if delay.shape[0] != n_neurons:
        raise ValueError("delay must have an entry for each of %d neurons, got %d" % (n_neurons, delay.shape[0]))
    for r in range(n_neurons):
        least = min(least, delay[r])
        most = max(most, delay[r])
    if least < 0 or most >= n_delays or n_columns != 4:
        raise ValueError("pending must have four columns, and a row for every delay from %d to %d" % (least, most))
    return 0


cdef int require_weights(
    Py_ssize_t n_neurons, Py_ssize_t ld, const floating[:, ::1] displacement, const floating[:, ::1] start,
    const floating[:, ::1] anchor, int pair_shift, const uint8_t[::1] anchored, const floating[:, ::1] c_state,
) except -1:
    """Raise unless all that weights are put together from is of the same neurons, and as long as the rows."""
    require_vectors(ld, sizeof(floating))
    require("displacement", displacement.shape[0], displacement.shape[1], n_neurons, ld)
    require_start(start.shape[0], start.shape[1], n_neurons, ld, pair_shift)
    require("anchor", anchor.shape[0], anchor.shape[1], n_neurons, ld)
    require("c_state", c_state.shape[0], c_state.shape[1], n_neurons, 3)
    if anchored.shape[0] != n_neurons:
        raise ValueError("anchored must have an entry for each of %d neurons" % n_neurons)
    return 0
