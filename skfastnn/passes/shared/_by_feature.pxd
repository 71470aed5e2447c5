from libc.stdint cimport int32_t, int64_t

cdef extern from "panel_kernels.h":
    ctypedef struct feature_entries:
        const int32_t* feature
        const int64_t* end
        const int32_t* row
        Py_ssize_t n_present
        Py_ssize_t n_rows


cdef class FeatureLists:
    cdef readonly tuple shape
    cdef readonly object data
    cdef const char* numbers      # those of data; NULL where there are none
    cdef const int32_t[::1] _features
    cdef const int64_t[::1] _ends
    cdef const int32_t[::1] _rows
    cdef feature_entries lists
