# Lower triangles: sums of products, Cholesky's factor, and its inverse, on our own threads.
#
# Problem     A BLAS with another number of threads adds in another order. The bits that differ are few, and conjugate
#             gradients that stop early make many of them. So BLAS has one thread here, too, and is given tiles that do
#             not depend on how many threads of ours take them.
# Layout      A (n, n), C order: the lower triangle is read and written, and of what is above it the corners of the
#             blocks of rows that cross the diagonal may be overwritten.
# Method      The factor by columns, TOGETHER at a time: that of the diagonal block by LAPACK; then, for blocks of rows
#             below, the triangular solution; then what these columns contribute to the rest. The inverse by blocks of
#             columns, each the solution for columns of the identity, which begins at the diagonal.
# Cost        n^2 d, and n^3 / 3 for the factor and for its inverse, multiplications and additions, at the speed of the
#             BLAS.
# Threads     Blocks of rows, or of columns, the longest first, dynamic.
# Reference   Golub, Van Loan, "Matrix Computations", 4th edition, section 4.2.9 (block Cholesky)

from cython cimport floating
from cython.parallel cimport prange
from scipy.linalg.cython_blas cimport dtrsm, strsm
from scipy.linalg.cython_lapack cimport dpotrf, spotrf

from skfastnn.passes.shared._blas cimport add_gemm_nt
from skfastnn.passes.shared._worth cimport threads_for

cdef enum:
    BLOCK_ROWS = 128
    # columns of the factor at a time: as many as the BLAS multiplies at once
    TOGETHER = 256


def add_lower_products(
    const floating[:, ::1] A,     # IN    (n, d)
    const floating[:, ::1] B,     # IN    (n, d)
    floating[:, ::1] out,         # INOUT (n, n)
    int n_threads,
):
    """Add the lower triangle of ``A @ B.T``; call it while BLAS is limited to one thread.

    Parameters
    ----------
    A, B : ndarray of shape (n, d), dtype=floating
    out : ndarray of shape (n, n), dtype=floating
        Above the diagonal it may be overwritten.
    n_threads : int

    Raises
    ------
    ValueError
        If the shapes do not fit.
    """
    cdef Py_ssize_t n = A.shape[0], d = A.shape[1]
    if B.shape[0] != n or B.shape[1] != d or out.shape[0] != n or out.shape[1] != n:
        raise ValueError("A and B must be of one shape, and out have a row and a column for each of their rows")
    if n and d:
        _add_lower(n, d, <floating> 1, &A[0, 0], d, &B[0, 0], d, &out[0, 0], n, n_threads)


def cholesky(
    floating[:, ::1] A,           # INOUT (n, n)
    int n_threads,
):
    """Replace the lower triangle of A by its Cholesky factor; call it while BLAS is limited to one thread.

    Parameters
    ----------
    A : ndarray of shape (n, n), dtype=floating
        Above the diagonal it may be overwritten.
    n_threads : int

    Returns
    -------
    info : int
        0, or the number of the leading minor that is not positive definite, where the work ended.

    Raises
    ------
    ValueError
        If A is not square.
    """
    cdef Py_ssize_t first, size, rest, info
    cdef Py_ssize_t n = A.shape[0]
    cdef floating* start
    if A.shape[1] != n:
        raise ValueError("A must be square")
    for first in range(0, n, TOGETHER):
        size = min(TOGETHER, n - first)
        rest = n - first - size
        start = &A[first, first]
        with nogil:
            info = _factor(start, size, n)
        if info:
            return first + info
        if rest:
            _solve_rows(start, size, rest, start + size * n, n, n_threads)
            _add_lower(rest, size, <floating> -1, start + size * n, n, start + size * n, n, start + size * n + size, n,
                       n_threads)
    return 0


def inverse_of_lower(
    const floating[:, ::1] factor,    # IN    (n, n) lower triangle
    floating[:, ::1] out,             # OUT   (n, n)
    int n_threads,
):
    """Write the inverse of a lower triangular matrix; call it while BLAS is limited to one thread.

    Parameters
    ----------
    factor : ndarray of shape (n, n), dtype=floating
        The lower triangle is read; numbers other than zero on the diagonal.
    out : ndarray of shape (n, n), dtype=floating
        Overwritten, with zeros above the diagonal.
    n_threads : int

    Raises
    ------
    ValueError
        If the shapes do not fit.
    """
    cdef Py_ssize_t n = factor.shape[0]
    cdef Py_ssize_t first
    if factor.shape[1] != n or out.shape[0] != n or out.shape[1] != n:
        raise ValueError("factor must be square, and out of its shape")
    out[:, :] = 0
    cdef double work = .002 * sizeof(floating) * n * n * n
    for first in prange(0, n, BLOCK_ROWS, nogil=True, num_threads=threads_for(work, n_threads), schedule="dynamic",
                        chunksize=1):
        _invert_columns(&factor[first, first], n - first, min(BLOCK_ROWS, n - first), n, &out[first, first])


cdef void _invert_columns(
    const floating* factor,       # IN    (n, n) lower triangle
    Py_ssize_t n,
    Py_ssize_t n_columns,
    Py_ssize_t ld,
    floating* out,                # INOUT (n, n_columns) zeros; then the first columns of the inverse
) noexcept nogil:
    cdef Py_ssize_t k
    cdef char right = b"R", upper = b"U", plain = b"N", given = b"N"
    cdef floating one = 1
    cdef int m = <int> n_columns, size = <int> n, lda = <int> ld
    for k in range(n_columns):
        out[k * ld + k] = 1
    # our columns are rows there, and the factor, transposed, stands on their right
    if floating is float:
        strsm(&right, &upper, &plain, &given, &m, &size, &one, <float*> factor, &lda, out, &lda)
    else:
        dtrsm(&right, &upper, &plain, &given, &m, &size, &one, <double*> factor, &lda, out, &lda)


cdef void _add_lower(
    Py_ssize_t n, Py_ssize_t d, floating factor, const floating* A, Py_ssize_t lda, const floating* B, Py_ssize_t ldb,
    floating* out, Py_ssize_t ldo, int n_threads,
) noexcept:
    cdef Py_ssize_t block, first
    cdef Py_ssize_t n_blocks = (n + BLOCK_ROWS - 1) // BLOCK_ROWS
    cdef double work = .003 * sizeof(floating) * n * n * d
    for block in prange(n_blocks, nogil=True, num_threads=threads_for(work, n_threads), schedule="dynamic",
                        chunksize=1):
        first = (n_blocks - 1 - block) * BLOCK_ROWS
        _add_rows(first, min(first + BLOCK_ROWS, n), d, factor, A, lda, B, ldb, out, ldo)


cdef void _add_rows(
    Py_ssize_t first, Py_ssize_t last, Py_ssize_t d, floating factor, const floating* A, Py_ssize_t lda,
    const floating* B, Py_ssize_t ldb, floating* out, Py_ssize_t ldo,
) noexcept nogil:
    add_gemm_nt(last - first, last, d, factor, A + first * lda, lda, B, ldb, <floating> 1, out + first * ldo, ldo)


# LAPACK and BLAS are column-major: our lower triangle is an upper one there, and our rows are columns.
cdef Py_ssize_t _factor(floating* A, Py_ssize_t n, Py_ssize_t ld) noexcept nogil:
    cdef char upper = b"U"
    cdef int size = <int> n, lda = <int> ld, info = 0
    if floating is float:
        spotrf(&upper, &size, A, &lda, &info)
    else:
        dpotrf(&upper, &size, A, &lda, &info)
    return info


cdef void _solve_rows(
    const floating* factor,       # IN    (n, n) lower triangle
    Py_ssize_t n,
    Py_ssize_t n_rows,
    floating* rows,               # INOUT (n_rows, n) rows r; then x with ``factor @ x = r``
    Py_ssize_t ld,
    int n_threads,
) noexcept:
    cdef Py_ssize_t first
    cdef double work = .003 * sizeof(floating) * n * n * n_rows
    for first in prange(0, n_rows, BLOCK_ROWS, nogil=True, num_threads=threads_for(work, n_threads), schedule="static"):
        _solve_block(factor, n, min(BLOCK_ROWS, n_rows - first), rows + first * ld, ld)


cdef void _solve_block(
    const floating* factor, Py_ssize_t n, Py_ssize_t n_rows, floating* rows, Py_ssize_t ld,
) noexcept nogil:
    cdef char left = b"L", upper = b"U", transposed = b"T", given = b"N"
    cdef floating one = 1
    cdef int m = <int> n, k = <int> n_rows, lda = <int> ld
    if floating is float:
        strsm(&left, &upper, &transposed, &given, &m, &k, &one, <float*> factor, &lda, rows, &lda)
    else:
        dtrsm(&left, &upper, &transposed, &given, &m, &k, &one, <double*> factor, &lda, rows, &lda)
