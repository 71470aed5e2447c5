from cython cimport floating
from libc.stdint cimport int64_t


cdef int64_t earliest_touch(const int64_t[::1] touched) noexcept

cdef int64_t latest_touch(const int64_t[::1] touched) noexcept

cdef void note(double* norms, double displacement, double velocity, double change) noexcept nogil

cdef void catch_up_one(
    floating* displacement, floating* velocity, const floating* anchor, Py_ssize_t ld, const double* a, double* norms,
) noexcept nogil
