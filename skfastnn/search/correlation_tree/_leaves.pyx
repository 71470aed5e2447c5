# INIT and UPDATE of the lazy tree: correlations of every row with some references, written as leaves at once.
#
# Problem     The tree starts with one inner product for each row and draw, of which a byte is kept; a neuron that gets
#             another reference takes one for each row. Correlations that go through memory cost as much again as
#             computing them; here those of a block of rows with a group of 64 neurons never leave the cache.
# Layout      X (n_rows, ld), W (n_references, ld): rows padded to whole vectors. Leaves (n_samples, ld_leaves); groups
#             of 64 neurons are taken in the order in which they are given. Where a group is one of consecutive neurons
#             its leaves are a whole cache line per row; with pair_shift 1 two neurons share a reference.
# Invariants  Leaves are rounded up; the rounding of the inner products counts in the query. The height above the foot
#             is a difference in double precision: intercepts, and with them feet, may be large.
# Cost        n_rows * n_references * d multiplications.
# Threads     groups of neurons, dynamic, cut into spans of rows where there are too few; a group is packed by the
#             thread that multiplies it.

from cython cimport floating
from cython.parallel cimport prange
from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport free, malloc

from skfastnn.passes.shared._blas cimport gemm_nt
from skfastnn.passes.shared._products cimport ROWS_AT_ONCE, have_products, multiply_panels, pack_panels
from skfastnn.passes.shared._worth cimport threads_for

cdef extern from "query_kernels.h":
    int GROUP
    void write_line(const float*, float, int, uint8_t*) noexcept nogil

# Rows of a block: a multiple of those that the kernel takes at once, and enough for the library.
cdef int BLOCK_ROWS = 120


def write_leaves(
    uint8_t[:, ::1] leaves,                 # OUT   (n_samples, ld_leaves)
    Py_ssize_t first_sample,
    const floating[:, ::1] X,               # IN    (n_rows, ld) consecutive samples
    const floating[:, ::1] W,               # IN    (n_references, ld)
    const int64_t[::1] neurons,             # IN    (n_references << pair_shift,) whose references they are
    const double[::1] foot,                 # IN    (n_references,)
    double step,
    int pair_shift,                         # 1: two neurons share a reference
    int n_threads,
):
    """Write the leaves of consecutive samples for some neurons.

    Raises
    ------
    ValueError
        If the arrays do not fit each other.
    MemoryError
        If there is none for the scratch.
    """
    cdef Py_ssize_t g, r
    cdef int status = 0
    cdef Py_ssize_t n_rows = X.shape[0]
    cdef Py_ssize_t n_groups = (neurons.shape[0] + GROUP - 1) // GROUP
    if X.shape[1] != W.shape[1] or X.shape[1] % (64 // sizeof(floating)):
        raise ValueError("rows and references must have the same length, of whole vectors")
    if neurons.shape[0] != W.shape[0] << pair_shift or foot.shape[0] != W.shape[0]:
        raise ValueError("there must be a foot for each reference, and the neurons that share it")
    if first_sample < 0 or first_sample + n_rows > leaves.shape[0]:
        raise ValueError("leaves must have a row per sample")
    for r in range(neurons.shape[0]):
        if not 0 <= neurons[r] < leaves.shape[1]:
            raise ValueError("leaves must have a column per neuron")
    if n_groups == 0 or n_rows == 0:
        return
    # spans of whole blocks, so many that every thread has something to do
    cdef Py_ssize_t n_spans = max(1, min((n_threads + n_groups - 1) // n_groups, (n_rows - 1) // BLOCK_ROWS + 1))
    cdef Py_ssize_t span = ((n_rows - 1) // BLOCK_ROWS // n_spans + 1) * BLOCK_ROWS
    cdef double work = .006 * sizeof(floating) * n_rows * W.shape[0] * X.shape[1]
    for g in prange(n_groups * n_spans, nogil=True, num_threads=threads_for(work, n_threads), schedule="dynamic",
                    chunksize=1):
        status += _write_group(&leaves[first_sample, 0], leaves.shape[1], &X[0, 0], g % n_spans * span,
                               min(n_rows, (g % n_spans + 1) * span), X.shape[1], &W[0, 0], W.shape[0],
                               g // n_spans * (GROUP >> pair_shift), &neurons[0], &foot[0], <float> (1 / step),
                               pair_shift)
    if status:
        raise MemoryError("no memory for the scratch of the leaves")


cdef int _write_group(
    uint8_t* leaves, Py_ssize_t ld_leaves,
    const floating* X,            # IN    (n_rows, ld)
    Py_ssize_t first,             # rows to write
    Py_ssize_t last,
    Py_ssize_t ld,
    const floating* W,            # IN    (n_references, ld)
    Py_ssize_t n_references,
    Py_ssize_t reference,         # the first of the group
    const int64_t* neurons,
    const double* foot,
    float steps_per_unit,
    int pair_shift,
) noexcept nogil:
    cdef Py_ssize_t b, i, q, k, count
    cdef Py_ssize_t width = GROUP >> pair_shift
    cdef int n = <int> min(width, n_references - reference)
    # the references of the group, in panels; correlations of a block; rows of the last block
    cdef floating* scratch = <floating*> malloc(
        ((width + ROWS_AT_ONCE) * ld + BLOCK_ROWS * GROUP) * sizeof(floating) + 64)
    cdef float height[64]
    cdef uint8_t line[64]
    if scratch == NULL:
        return -1
    # vectors of the panels must not cross cache lines
    cdef floating* panels = <floating*> (((<size_t> scratch) + 63) // 64 * 64)
    cdef floating* products = panels + width * ld
    cdef floating* rest = products + BLOCK_ROWS * GROUP
    cdef const int64_t* of = neurons + (reference << pair_shift)
    cdef bint together = n == width and _consecutive(of, GROUP)
    cdef bint ours = have_products()
    if ours:
        pack_panels(W + reference * ld, n, width, ld, panels)
    for k in range(n, width):
        height[k] = 0
    for b in range((last - first + BLOCK_ROWS - 1) // BLOCK_ROWS):
        i = first + b * BLOCK_ROWS
        count = min(BLOCK_ROWS, last - i)
        if ours:
            multiply_panels(X + i * ld, count, ld, panels, width, products, GROUP, rest)
        else:
            gemm_nt(count, n, ld, X + i * ld, ld, W + reference * ld, ld, products, GROUP)
        for q in range(count):
            for k in range(n):
                height[k] = <float> (products[q * GROUP + k] - foot[reference + k])
            if together:
                write_line(height, steps_per_unit, pair_shift, leaves + (i + q) * ld_leaves + of[0])
            else:
                write_line(height, steps_per_unit, pair_shift, line)
                for k in range(n << pair_shift):
                    leaves[(i + q) * ld_leaves + of[k]] = line[k]
    free(scratch)
    return 0


cdef bint _consecutive(const int64_t* neurons, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(1, n):
        if neurons[k] != neurons[0] + k:
            return False
    return True
