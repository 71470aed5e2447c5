from cython cimport floating
from libc.stdint cimport uint8_t


cdef void put_together(
    Py_ssize_t r, Py_ssize_t ld, const floating* displacement, const floating* start, const floating* anchor,
    int pair_shift, const uint8_t* anchored, floating* w,
) noexcept nogil
