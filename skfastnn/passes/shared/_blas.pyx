# Matrix products inside our own threads.
#
# Problem     BLAS and OpenMP each keep threads that spin for a while after their work; taking turns, they steal the
#             cores from each other. So BLAS is limited to one thread during training, and products are cut into
#             blocks of rows that our threads share.
# Layout      out = A B', all in C order: A (p, d), B (r, d), out (p, r), leading dimensions as given.
# Threads     A block of 128 rows of A belongs to one thread. BLAS sees the same blocks for any number of threads.

from cython cimport floating
from cython.parallel cimport prange
from scipy.linalg.cython_blas cimport dgemm, sgemm

from skfastnn.passes.shared._worth cimport threads_for

cdef int BLOCK_ROWS = 128


cdef void gemm_nt(
    Py_ssize_t p, Py_ssize_t r, Py_ssize_t d, const floating* A, Py_ssize_t lda, const floating* B, Py_ssize_t ldb,
    floating* out, Py_ssize_t ldo,
) noexcept nogil:
    """Compute out = A B' for A (p, d), B (r, d) and out (p, r), in C order with leading dimensions."""
    add_gemm_nt(p, r, d, <floating> 1, A, lda, B, ldb, <floating> 0, out, ldo)


cdef void add_gemm_nt(
    Py_ssize_t p, Py_ssize_t r, Py_ssize_t d, floating factor, const floating* A, Py_ssize_t lda, const floating* B,
    Py_ssize_t ldb, floating kept, floating* out, Py_ssize_t ldo,
) noexcept nogil:
    """Compute out = factor A B' + kept out, as `gemm_nt`."""
    # BLAS is column-major: out' = B A', and a C-ordered matrix is its transpose there
    cdef char transposed = b"T", plain = b"N"
    cdef int m = <int> r, n = <int> p, k = <int> d, ld_a = <int> lda, ld_b = <int> ldb, ld_out = <int> ldo
    if floating is float:
        sgemm(&transposed, &plain, &m, &n, &k, &factor, <float*> B, &ld_b, <float*> A, &ld_a, &kept, out, &ld_out)
    else:
        dgemm(&transposed, &plain, &m, &n, &k, &factor, <double*> B, &ld_b, <double*> A, &ld_a, &kept, out, &ld_out)


def matmul_nt(
    const floating[:, ::1] A,     # IN    (p, d)
    const floating[:, ::1] B,     # IN    (r, d)
    floating[:, ::1] out,         # OUT   (p, r)
    int n_threads,
):
    """Compute ``out = A @ B.T`` with our threads; call it while BLAS is limited to one thread.

    Parameters
    ----------
    A : ndarray of shape (p, d), dtype=floating
    B : ndarray of shape (r, d), dtype=floating
    out : ndarray of shape (p, r), dtype=floating
        Overwritten.
    n_threads : int
    """
    cdef Py_ssize_t first
    cdef int rows
    cdef int p = A.shape[0], r = B.shape[0], d = A.shape[1]
    if B.shape[1] != d or out.shape[0] != p or out.shape[1] != r:
        raise ValueError("shapes do not fit: %s, %s, %s" % (A.shape, B.shape, out.shape))
    if p == 0 or r == 0:
        return
    if d == 0:
        out[:, :] = 0
        return
    cdef double work = .006 * sizeof(floating) * p * r * d
    for first in prange(0, p, BLOCK_ROWS, nogil=True, num_threads=threads_for(work, n_threads), schedule="static"):
        rows = min(BLOCK_ROWS, p - <int> first)
        gemm_nt(rows, r, d, &A[first, 0], d, &B[0, 0], d, &out[first, 0], r)
