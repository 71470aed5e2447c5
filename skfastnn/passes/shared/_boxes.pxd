from libc.stdint cimport int32_t, int64_t

cdef extern from "box_kernels.h":
    ctypedef struct box_tree_f32:
        const float* leaves
        const float* groups
        const float* extent
        int32_t n_points, d, n_levels
        int32_t* first_group
    ctypedef struct box_tree_f64:
        const double* leaves
        const double* groups
        const double* extent
        int32_t n_points, d, n_levels
        int32_t* first_group

cdef class BoxTree:
    cdef readonly Py_ssize_t n_points
    cdef readonly Py_ssize_t n_features
    cdef readonly Py_ssize_t n_leaves
    cdef readonly object dtype
    cdef readonly object leaves
    cdef readonly object groups
    cdef readonly object extent
    cdef box_tree_f32 single
    cdef box_tree_f64 double_
