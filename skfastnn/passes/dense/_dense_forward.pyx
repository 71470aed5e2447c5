# Dense forward pass: the pre-activations of all neurons on all rows, of which the positive ones are listed.
#
# Problem     Z = W X' + c, where the weights are put together from start, anchor and displacement. On small data the
#             products take less time than arrays that come and go between them, so that a block of neurons goes
#             through all of it while it is in the cache.
# Layout      X (n_rows, ld), weights as in _weights.pyx, lists as in _pairs.pyx, with activations. Where the products
#             are ours, X is laid out in panels once, see product_kernels.h: a few neurons' weights, in the first-level
#             cache, meet the rows of a panel side by side, and pre-activations come out neuron by neuron, as they are
#             listed.
# Invariants  Nothing is pending: the solver has caught up, or its last step is taken here, by each neuron before its
#             weights are put together.
# Cost        n_neurons * n_rows * d multiplications, at the speed of the vector units or of the library of linear
#             algebra.
# Threads     blocks of neurons, dynamic; each has a BLAS of its own. X in panels is shared.

from cython cimport floating
from cython.parallel cimport prange
from libc.stdint cimport int32_t
from libc.stdlib cimport free, malloc

import numpy as np

from skfastnn.passes.shared._blas cimport gemm_nt
from skfastnn.passes.shared._pairs cimport PairLists
from skfastnn.passes.shared._products cimport PANEL_VECTORS, ROWS_AT_ONCE, multiply_panels, pack_panels, products_pay
from skfastnn.passes.dense._updates cimport NeuronStep, upcoming_rows
from skfastnn.passes.dense._weights cimport DenseWeights, put_together
from skfastnn.passes.shared._worth cimport threads_for

cdef extern from "forward_kernels.h":
    int SPARE
    int32_t list_positive_f32(
        const float*, int32_t, float, const int32_t*, int32_t*, float*) noexcept nogil
    int32_t list_positive_f64(
        const double*, int32_t, double, const int32_t*, int32_t*, double*) noexcept nogil

cdef enum:
    # neurons of a product: enough for the library, and few enough for the second-level cache
    TOGETHER = 128
    # panels that all of them meet before the next: few enough for that cache as well
    PANELS_TOGETHER = 2


def dense_forward(
    PairLists fired,                        # OUT   pairs that fire, with activations
    DenseWeights weights,                   # IN    moved where the step is taken
    const floating[:, ::1] X,               # IN    (n_rows, ld)
    int n_threads,
    NeuronStep step=None,                   # IN    the solver's last, to be taken by each neuron before it is asked
):
    """List what fires, from all pre-activations; call it while BLAS is limited to one thread.

    Raises
    ------
    ValueError
        If lists, weights and rows do not fit each other, or the step has been taken, or needs the lists.
    MemoryError
        If there is none for the lists.
    """
    cdef Py_ssize_t b, p
    cdef int status = 0
    cdef Py_ssize_t n_rows = X.shape[0], ld = X.shape[1]
    cdef Py_ssize_t panel = PANEL_VECTORS * 64 // sizeof(floating)
    cdef Py_ssize_t width = (n_rows + panel - 1) // panel * panel
    cdef int32_t[::1] index = np.arange(n_rows, dtype=np.int32)
    cdef const int32_t* numbers = &index[0] if n_rows else NULL
    cdef const floating* rows = &X[0, 0] if n_rows else NULL
    cdef floating* scratch = NULL
    cdef floating* panels = NULL
    if fired.itemsize != sizeof(floating):
        raise ValueError("lists and weights must be of the same dtype")
    weights.check_fits(fired.n_neurons, ld, sizeof(floating), False)
    if step is not None:
        step.begin(fired)
    cdef double work = .006 * sizeof(floating) * n_rows * fired.n_neurons * ld
    if products_pay(ld) and n_rows:
        scratch = <floating*> malloc(width * ld * sizeof(floating) + 64)
        if scratch == NULL:
            raise MemoryError("no memory for the rows in panels")
        # vectors of the panels must not cross cache lines
        panels = <floating*> (((<size_t> scratch) + 63) // 64 * 64)
        for p in prange(width // panel, nogil=True, num_threads=threads_for(.3 * n_rows * ld, n_threads),
                        schedule="static"):
            pack_panels(&X[p * panel, 0], n_rows - p * panel, panel, ld, panels + p * panel * ld)
    for b in prange(fired.n_blocks, nogil=True, num_threads=threads_for(work, n_threads), schedule="dynamic",
                    chunksize=1):
        status += _block(fired, b, weights, rows, panels, n_rows, step, numbers)
    free(scratch)
    if status:
        raise MemoryError("no memory for the lists of firing pairs")


cdef int _block(
    PairLists fired,              # OUT
    Py_ssize_t block,
    DenseWeights weights,
    const floating* X,            # IN    (n_rows, ld)
    const floating* panels,       # IN    the same in panels, or NULL
    Py_ssize_t n_rows,
    NeuronStep step,              # IN    or None
    const int32_t* index,         # IN    (n_rows,) 0, 1, 2, ...
) noexcept nogil:
    cdef Py_ssize_t first, last, part, r, p
    cdef Py_ssize_t end = min((block + 1) * fired.block_size, fired.n_neurons)
    cdef Py_ssize_t n_parts = (fired.block_size + TOGETHER - 1) // TOGETHER
    cdef Py_ssize_t ld = weights.ld
    cdef Py_ssize_t panel = PANEL_VECTORS * 64 // sizeof(floating)
    cdef Py_ssize_t width = (n_rows + panel - 1) // panel * panel
    cdef Py_ssize_t some = PANELS_TOGETHER * panel
    cdef Py_ssize_t whole = (TOGETHER + ROWS_AT_ONCE - 1) // ROWS_AT_ONCE * ROWS_AT_ONCE
    # weights, pre-activations, and weights that are too few for a product; scratch of the step
    cdef Py_ssize_t n_numbers = TOGETHER * ld + whole * width + ROWS_AT_ONCE * ld
    cdef floating* W = <floating*> malloc(
        n_numbers * sizeof(floating) + (step.scratch_size() if step is not None else 0))
    cdef floating* Z = W + TOGETHER * ld
    cdef upcoming_rows upcoming
    cdef int status = 0
    if W == NULL:
        return -1
    fired.blocks[block].used = 0
    for part in range(n_parts):
        first = block * fired.block_size + part * TOGETHER
        last = min(first + TOGETHER, end)
        if first >= last:
            break
        for r in range(first, last):
            if step is not None:
                upcoming.n = 0
                step.list_upcoming(r + 1, last, &upcoming)
                step.take(r, W + n_numbers, True, &upcoming)
            put_together(weights, r, <const floating*> NULL, NULL, W + (r - first) * ld)
        if panels == NULL and n_rows:
            gemm_nt(last - first, n_rows, ld, W, ld, X, ld, Z, width)
        else:
            for p in range((width + some - 1) // some):
                multiply_panels(W, last - first, ld, panels + p * some * ld, min(some, width - p * some),
                                Z + p * some, width, Z + whole * width)
        for r in range(first, last):
            status += _list(fired, block, r, Z + (r - first) * width, n_rows,
                            (<const floating*> weights.c_state)[3 * r], index)
    free(W)
    return status


cdef int _list(
    PairLists fired, Py_ssize_t block, Py_ssize_t r, const floating* z, Py_ssize_t n_rows, floating c,
    const int32_t* index,
) noexcept nogil:
    cdef int32_t* rows
    cdef floating* values
    if fired.reserve(block, n_rows + SPARE) < 0:
        return -1
    rows = fired.blocks[block].rows + fired.blocks[block].used
    values = <floating*> fired.blocks[block].values + fired.blocks[block].used
    fired.start[r] = fired.blocks[block].used
    if floating is float:
        fired.count[r] = list_positive_f32(z, <int32_t> n_rows, c, index, rows, values)
    else:
        fired.count[r] = list_positive_f64(z, <int32_t> n_rows, c, index, rows, values)
    fired.blocks[block].used += fired.count[r]
    return 0
