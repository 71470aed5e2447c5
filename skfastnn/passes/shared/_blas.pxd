from cython cimport floating


cdef void gemm_nt(
    Py_ssize_t p, Py_ssize_t r, Py_ssize_t d, const floating* A, Py_ssize_t lda, const floating* B, Py_ssize_t ldb,
    floating* out, Py_ssize_t ldo,
) noexcept nogil

cdef void add_gemm_nt(
    Py_ssize_t p, Py_ssize_t r, Py_ssize_t d, floating factor, const floating* A, Py_ssize_t lda, const floating* B,
    Py_ssize_t ldb, floating kept, floating* out, Py_ssize_t ldo,
) noexcept nogil
