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

cdef int BLOCK_ROWS = 128


# BLAS is column-major: out' = B A', and a C-ordered matrix is its transpose there.
cdef void gemm_nt_f32(int p, int r, int d, const float* A, int lda, const float* B, int ldb, float* out,
                      int ldo) noexcept nogil:
    cdef float one = 1, zero = 0
    cdef char transposed = b"T", plain = b"N"
    sgemm(&transposed, &plain, &r, &p, &d, &one, <float*> B, &ldb, <float*> A, &lda, &zero, out, &ldo)


cdef void gemm_nt_f64(int p, int r, int d, const double* A, int lda, const double* B, int ldb, double* out,
                      int ldo) noexcept nogil:
    cdef double one = 1, zero = 0
    cdef char transposed = b"T", plain = b"N"
    dgemm(&transposed, &plain, &r, &p, &d, &one, <double*> B, &ldb, <double*> A, &lda, &zero, out, &ldo)


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
    for first in prange(0, p, BLOCK_ROWS, nogil=True, num_threads=n_threads, schedule="static"):
        rows = min(BLOCK_ROWS, p - <int> first)
        if floating is float:
            gemm_nt_f32(rows, r, d, &A[first, 0], d, &B[0, 0], d, &out[first, 0], r)
        else:
            gemm_nt_f64(rows, r, d, &A[first, 0], d, &B[0, 0], d, &out[first, 0], r)
