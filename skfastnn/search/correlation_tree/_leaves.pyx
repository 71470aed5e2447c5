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
from skfastnn.passes.shared._shapes cimport require_vectors
from skfastnn.passes.shared._worth cimport threads_for

from skfastnn.search.correlation_tree._lazy_tree import STEP as _STEP

cdef extern from "query_kernels.h":
    int GROUP
    void write_line(const float*, float, int, uint8_t*) noexcept nogil

# Rows of a block: a multiple of those that the kernel takes at once, and enough for the library.
cdef int BLOCK_ROWS = 120


cdef float STEPS_PER_UNIT = <float> (1 / _STEP)


cdef class References:
    """Weights that leaves are made of, and whose they are.

    Parameters
    ----------
    W : ndarray of shape (n_references, ld)
        Rows of whole vectors.
    neurons : ndarray of shape (n_references << pair_shift,), int64
    foot : ndarray of shape (n_references,), float64
    pair_shift : int
        1 where two neurons share a reference.

    Raises
    ------
    ValueError
        If the arrays do not fit each other.
    """

    cdef readonly Py_ssize_t n_references, ld
    cdef readonly object W
    cdef const int64_t[::1] neurons
    cdef const double[::1] foot
    cdef int pair_shift

    def __init__(self, W, const int64_t[::1] neurons, const double[::1] foot, int pair_shift):
        self.n_references, self.ld = W.shape
        require_vectors(self.ld, W.itemsize)
        if neurons.shape[0] != self.n_references << pair_shift or foot.shape[0] != self.n_references:
            raise ValueError("there must be a foot for each reference, and the neurons that share it")
        self.W, self.neurons, self.foot, self.pair_shift = W, neurons, foot, pair_shift


def write_leaves(
    uint8_t[:, ::1] leaves,                 # OUT   (n_samples, ld_leaves)
    Py_ssize_t first_sample,
    const floating[:, ::1] X,               # IN    (n_rows, ld) consecutive samples
    References references,                  # IN
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
    cdef const floating[:, ::1] W = references.W
    cdef Py_ssize_t n_rows = X.shape[0], n_neurons = references.neurons.shape[0]
    cdef Py_ssize_t n_groups = (n_neurons + GROUP - 1) // GROUP
    if X.shape[1] != references.ld:
        raise ValueError("rows and references must have the same length")
    if first_sample < 0 or first_sample + n_rows > leaves.shape[0]:
        raise ValueError("leaves must have a row per sample")
    for r in range(n_neurons):
        if not 0 <= references.neurons[r] < leaves.shape[1]:
            raise ValueError("leaves must have a column per neuron")
    if n_groups == 0 or n_rows == 0:
        return
    # spans of whole blocks, so many that every thread has something to do
    cdef Py_ssize_t n_spans = max(1, min((n_threads + n_groups - 1) // n_groups, (n_rows - 1) // BLOCK_ROWS + 1))
    cdef Py_ssize_t span = ((n_rows - 1) // BLOCK_ROWS // n_spans + 1) * BLOCK_ROWS
    cdef double work = .006 * sizeof(floating) * n_rows * W.shape[0] * X.shape[1]
    for g in prange(n_groups * n_spans, nogil=True, num_threads=threads_for(work, n_threads), schedule="dynamic",
                    chunksize=1):
        status += _write_group(&leaves[first_sample + g % n_spans * span, 0], leaves.shape[1],
                               &X[g % n_spans * span, 0], min(span, n_rows - g % n_spans * span), &W[0, 0],
                               references, g // n_spans)
    if status:
        raise MemoryError("no memory for the scratch of the leaves")


cdef int _write_group(
    uint8_t* leaves,              # OUT   (n_rows, ld_leaves)
    Py_ssize_t ld_leaves,
    const floating* X,            # IN    (n_rows, ld)
    Py_ssize_t n_rows,
    const floating* W,            # IN    (n_references, ld) all of them
    References references,
    Py_ssize_t group,
) noexcept nogil:
    cdef Py_ssize_t b, i, q, k, count
    cdef int pair_shift = references.pair_shift
    cdef Py_ssize_t ld = references.ld, width = GROUP >> pair_shift
    cdef Py_ssize_t reference = group * width
    cdef int n = <int> min(width, references.n_references - reference)
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
    cdef const int64_t* of = &references.neurons[reference << pair_shift]
    cdef bint together = n == width and _consecutive(of, GROUP)
    cdef bint ours = have_products()
    if ours:
        pack_panels(W + reference * ld, n, width, ld, panels)
    for k in range(n, width):
        height[k] = 0
    for b in range((n_rows + BLOCK_ROWS - 1) // BLOCK_ROWS):
        i = b * BLOCK_ROWS
        count = min(BLOCK_ROWS, n_rows - i)
        if ours:
            multiply_panels(X + i * ld, count, ld, panels, width, products, GROUP, rest)
        else:
            gemm_nt(count, n, ld, X + i * ld, ld, W + reference * ld, ld, products, GROUP)
        for q in range(count):
            for k in range(n):
                height[k] = <float> (products[q * GROUP + k] - references.foot[reference + k])
            if together:
                write_line(height, STEPS_PER_UNIT, pair_shift, leaves + (i + q) * ld_leaves + of[0])
            else:
                write_line(height, STEPS_PER_UNIT, pair_shift, line)
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
