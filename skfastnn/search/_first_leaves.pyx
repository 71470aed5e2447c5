# INIT of the lazy tree: correlations of every row with every draw, written as leaves at once.
#
# Problem     The tree starts with one inner product for each row and draw, of which a byte is kept. Correlations that
#             go through memory cost as much again as computing them; here those of a block of rows with a group of
#             neurons never leave the cache.
# Layout      X (n_rows, ld), start (n_drawn, ld): rows padded to whole vectors. Leaves (n_samples, ld_leaves), a cache
#             line per row and group of 64 neurons; with pair_shift 1 two neurons share a draw.
# Invariants  Draws behind the last are zero, and nobody asks for their leaves. Leaves are rounded up; the rounding of
#             the inner products counts in the query.
# Cost        n_rows * n_drawn * d multiplications.
# Threads     groups of neurons, dynamic; a group is packed by the thread that multiplies it.

from cython cimport floating
from cython.parallel cimport prange
from libc.stdint cimport uint8_t
from libc.stdlib cimport free, malloc

from skfastnn.passes._blas cimport gemm_nt
from skfastnn.passes._products cimport ROWS_AT_ONCE, have_products, multiply_panels, pack_panels

cdef extern from "query_kernels.h":
    int GROUP
    void write_line(const float*, float, float, int, uint8_t*) noexcept nogil

# Rows of a block: a multiple of those that the kernel takes at once, and enough for the library.
cdef int BLOCK_ROWS = 120


def write_first_leaves(
    uint8_t[:, ::1] leaves,                 # OUT   (n_samples, ld_leaves)
    Py_ssize_t first_sample,
    const floating[:, ::1] X,               # IN    (n_rows, ld) consecutive samples
    const floating[:, ::1] start,           # IN    (n_drawn, ld)
    double foot,
    double step,
    int pair_shift,                         # 1: two neurons share a draw
    int n_threads,
):
    """Write the leaves of consecutive samples for all groups of neurons, which share a foot at the start.

    Raises
    ------
    ValueError
        If the arrays do not fit each other.
    MemoryError
        If there is none for the scratch.
    """
    cdef Py_ssize_t g
    cdef int status = 0
    cdef Py_ssize_t n_groups = ((start.shape[0] << pair_shift) + GROUP - 1) // GROUP
    if X.shape[1] != start.shape[1] or X.shape[1] % (64 // sizeof(floating)):
        raise ValueError("rows and draws must have the same length, of whole vectors")
    if first_sample < 0 or first_sample + X.shape[0] > leaves.shape[0] or n_groups * GROUP > leaves.shape[1]:
        raise ValueError("leaves must have a row per sample and a line per group")
    for g in prange(n_groups, nogil=True, num_threads=n_threads, schedule="dynamic", chunksize=1):
        status += _write_group(&leaves[first_sample, g * GROUP], leaves.shape[1], &X[0, 0], X.shape[0], X.shape[1],
                               &start[g * (GROUP >> pair_shift), 0],
                               <int> min(GROUP >> pair_shift, start.shape[0] - g * (GROUP >> pair_shift)), foot,
                               1 / step, pair_shift)
    if status:
        raise MemoryError("no memory for the scratch of the leaves")


cdef int _write_group(
    uint8_t* leaves, Py_ssize_t ld_leaves, const floating* X, Py_ssize_t n_rows, Py_ssize_t ld, const floating* start,
    int n_drawn, double foot, double steps_per_unit, int pair_shift,
) noexcept nogil:
    cdef Py_ssize_t b, i, q, k
    cdef Py_ssize_t count
    # the draws of a group, in panels; rows of the last block; correlations of a block
    cdef Py_ssize_t width = GROUP >> pair_shift
    cdef floating* scratch = <floating*> malloc(
        ((width + ROWS_AT_ONCE) * ld + BLOCK_ROWS * GROUP) * sizeof(floating) + 64)
    cdef float line[64]
    if scratch == NULL:
        return -1
    # vectors of the panels must not cross cache lines
    cdef floating* panels = <floating*> (((<size_t> scratch) + 63) // 64 * 64)
    cdef floating* products = panels + width * ld
    cdef floating* rest = products + BLOCK_ROWS * GROUP
    cdef bint ours = have_products()
    if ours:
        pack_panels(start, n_drawn, width, ld, panels)
    for b in range((n_rows + BLOCK_ROWS - 1) // BLOCK_ROWS):
        i = b * BLOCK_ROWS
        count = min(BLOCK_ROWS, n_rows - i)
        if ours:
            multiply_panels(X + i * ld, count, ld, panels, width, products, GROUP, rest)
        else:
            gemm_nt(count, n_drawn, ld, X + i * ld, ld, start, ld, products, GROUP)
        for q in range(count):
            for k in range(width):
                line[k] = <float> products[q * GROUP + k] if k < n_drawn else 0
            write_line(line, <float> foot, <float> steps_per_unit, pair_shift, leaves + (i + q) * ld_leaves)
    free(scratch)
    return 0
