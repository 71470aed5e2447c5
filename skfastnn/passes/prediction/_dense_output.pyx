# Output of a fitted network for many dense rows: everything is computed, and nothing but the output is kept.
#
# Problem     out = max(X W + c, 0) V + v for the arrays users see. What can be lost is the way of the pre-activations
#             to memory and back, thrice, on one core. So a tile of them is made, cut off at zero and multiplied by its
#             part of V while it lies in the second-level cache.
# Layout      X (n_rows, d), W (d, m), V (m, k), out (n_rows, k), all in C order. A tile is ROWS x NEURONS; where the
#             products are ours, its part of W is laid out in panels, see product_kernels.h.
# Cost        n_rows * m * (d + k) multiplications, at the speed of the vector units or of the library of linear
#             algebra; W is read once per block of rows.
# Threads     A block of rows belongs to one thread; call it while BLAS is limited to one thread. A row's output does
#             not depend on the number of threads.

from cython cimport floating
from cython.parallel cimport prange
from libc.stdlib cimport free, malloc
from scipy.linalg.cython_blas cimport dgemm, sgemm

from skfastnn.passes.shared._products cimport PANEL_VECTORS, ROWS_AT_ONCE, multiply_panels, pack_columns, products_pay
from skfastnn.passes.shared._worth cimport threads_for

cdef enum:
    ROWS = 504  # whole blocks of rows of a product
    NEURONS = 128  # whole panels


def dense_output(
    const floating[:, ::1] X,     # IN    (n_rows, d)
    const floating[:, ::1] W,     # IN    (d, m)
    const floating[::1] c,        # IN    (m,)
    const floating[:, ::1] V,     # IN    (m, k)
    const floating[::1] v,        # IN    (k,)
    floating[:, ::1] out,         # OUT   (n_rows, k)
    int n_threads,
):
    """Compute the output of a fitted network; call it while BLAS is limited to one thread."""
    cdef Py_ssize_t first
    cdef int status = 0
    cdef int d = W.shape[0], m = W.shape[1], k = V.shape[1], n_rows = X.shape[0]
    if X.shape[1] != d or c.shape[0] != m or V.shape[0] != m or v.shape[0] != k or out.shape[1] != k:
        raise ValueError("the arrays of the network and of the rows do not fit")
    if out.shape[0] != n_rows:
        raise ValueError("out must have one row per row of X")
    if n_rows == 0:
        return
    cdef double work = .006 * sizeof(floating) * n_rows * m * (d + k)
    for first in prange(0, n_rows, ROWS, nogil=True, num_threads=threads_for(work, n_threads), schedule="dynamic",
                        chunksize=1):
        status += _block(min(ROWS, n_rows - <int> first), d, m, k, &X[first, 0], &W[0, 0], &c[0], &V[0, 0], &v[0],
                         &out[first, 0])
    if status:
        raise MemoryError("no memory for a tile of pre-activations")


cdef int _block(
    int n_rows, int d, int m, int k, const floating* X, const floating* W, const floating* c, const floating* V,
    const floating* v, floating* out,
) noexcept nogil:
    cdef int b, first, width, i, j
    cdef floating z
    cdef bint ours = products_pay(d)
    cdef Py_ssize_t panel = PANEL_VECTORS * 64 // sizeof(floating)
    # a tile; its part of W; rows that are too few for a product
    cdef floating* scratch = <floating*> malloc(
        (ROWS * NEURONS + ours * (NEURONS + ROWS_AT_ONCE) * d) * sizeof(floating) + 64)
    # vectors of the panels must not cross cache lines
    cdef floating* tile = <floating*> (((<size_t> scratch) + 63) // 64 * 64)
    cdef floating* panels = tile + ROWS * NEURONS
    if scratch == NULL:
        return -1
    for i in range(n_rows):
        for j in range(k):
            out[i * k + j] = v[j]
    for b in range((m + NEURONS - 1) // NEURONS):
        first = b * NEURONS
        width = min(NEURONS, m - first)
        if ours:
            pack_columns(W + first, d, m, width, panels)
            multiply_panels(X, n_rows, d, panels, (width + panel - 1) // panel * panel, tile, NEURONS,
                            panels + NEURONS * d)
        else:
            _gemm(n_rows, width, d, X, d, W + first, m, <floating> 0, tile, NEURONS)
        for i in range(n_rows):
            for j in range(width):
                z = tile[i * NEURONS + j] + c[first + j]
                # what is not a number stays so
                tile[i * NEURONS + j] = 0 if z <= 0 else z
        _gemm(n_rows, k, width, tile, NEURONS, V + first * k, k, <floating> 1, out, k)
    free(scratch)
    return 0


# BLAS is column-major: out' = B' A', and a C-ordered matrix is its transpose there.
cdef void _gemm(
    int p, int r, int d, const floating* A, int lda, const floating* B, int ldb, floating beta, floating* out, int ldo,
) noexcept nogil:
    cdef floating one = 1
    cdef char plain = b"N"
    if floating is float:
        sgemm(&plain, &plain, &r, &p, &d, &one, <float*> B, &ldb, <float*> A, &lda, &beta, out, &ldo)
    else:
        dgemm(&plain, &plain, &r, &p, &d, &one, <double*> B, &ldb, <double*> A, &lda, &beta, out, &ldo)
