from cython cimport floating


cdef extern from "product_kernels.h":
    int ROWS_AT_ONCE
    int PANEL_VECTORS
    int have_products() noexcept nogil


cdef void pack_panels(
    const floating* W, Py_ssize_t n_weights, Py_ssize_t width, Py_ssize_t ld, floating* panels,
) noexcept nogil

cdef bint products_pay(Py_ssize_t length) noexcept nogil

cdef void pack_columns(
    const floating* W, Py_ssize_t d, Py_ssize_t ld, Py_ssize_t n_columns, floating* panels,
) noexcept nogil

cdef void multiply_panels(
    const floating* X, Py_ssize_t n_rows, Py_ssize_t ld, const floating* panels, Py_ssize_t width,
    floating* products, Py_ssize_t ld_products, floating* rest,
) noexcept nogil
