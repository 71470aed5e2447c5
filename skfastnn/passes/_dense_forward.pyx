# Dense forward pass: the pre-activations of all neurons on all rows, of which the positive ones are listed.
#
# Problem     Z = W X' + c, where the weights are put together from start, anchor and displacement. On small data the
#             products take less time than arrays that come and go between them, so that a block of neurons goes
#             through all of it while it is in the cache.
# Layout      X (n_rows, ld), displacement and anchor (n_neurons, ld), start (n_neurons >> pair_shift, ld): rows
#             padded to 64 bytes. Lists as in _pairs.pyx, with activations.
# Invariants  Nothing is pending: the solver has caught up.
# Cost        n_neurons * n_rows * d multiplications, at the speed of the library of linear algebra.
# Threads     blocks of neurons, dynamic; each has a BLAS of its own.

from cython cimport floating
from cython.parallel cimport prange
from libc.stdint cimport int32_t, uint8_t
from libc.stdlib cimport free, malloc

from skfastnn.passes._blas cimport gemm_nt
from skfastnn.passes._pairs cimport PairLists

cdef extern from "vector_kernels.h":
    void whole_weights_f32(
        const float*, const float*, const float*, const float*, float, float, Py_ssize_t, float*) noexcept nogil
    void whole_weights_f64(
        const double*, const double*, const double*, const double*, double, double, Py_ssize_t,
        double*) noexcept nogil

# Neurons of a product: enough for the library, and few enough for the cache.
cdef int TOGETHER = 128


def dense_forward(
    PairLists fired,                        # OUT   pairs that fire, with activations
    const floating[:, ::1] X,               # IN    (n_rows, ld)
    const floating[:, ::1] displacement,    # IN    (n_neurons, ld)
    const floating[:, ::1] start,           # IN    (n_neurons >> pair_shift, ld)
    const floating[:, ::1] anchor,          # IN    (n_neurons, ld)
    int pair_shift,
    const uint8_t[::1] anchored,            # IN    (n_neurons,) rows of anchor that are not zero
    const floating[:, ::1] c_state,         # IN    (n_neurons, 3) intercepts first
    int n_threads,
):
    """List what fires, from all pre-activations; call it while BLAS is limited to one thread.

    Raises
    ------
    ValueError
        If lists, weights and rows do not fit each other.
    MemoryError
        If there is none for the lists.
    """
    cdef Py_ssize_t b
    cdef int status = 0
    if fired.itemsize != sizeof(floating) or not fired.n_neurons == displacement.shape[0] == c_state.shape[0]:
        raise ValueError("lists and weights must be of the same neurons and dtype")
    if not X.shape[1] == displacement.shape[1] == start.shape[1] == anchor.shape[1]:
        raise ValueError("rows and weights must have the same length")
    for b in prange(fired.n_blocks, nogil=True, num_threads=n_threads, schedule="dynamic", chunksize=1):
        status += _block(fired, b, &X[0, 0], X.shape[0], X.shape[1], &displacement[0, 0], &start[0, 0], &anchor[0, 0],
                         pair_shift, &anchored[0], &c_state[0, 0])
    if status:
        raise MemoryError("no memory for the lists of firing pairs")


cdef int _block(
    PairLists fired, Py_ssize_t block, const floating* X, Py_ssize_t n_rows, Py_ssize_t ld,
    const floating* displacement, const floating* start, const floating* anchor, int pair_shift,
    const uint8_t* anchored, const floating* c_state,
) noexcept nogil:
    cdef Py_ssize_t first, last, part, r
    cdef Py_ssize_t end = min((block + 1) * fired.block_size, fired.n_neurons)
    cdef Py_ssize_t n_parts = (fired.block_size + TOGETHER - 1) // TOGETHER
    cdef const floating* anchor_r
    cdef floating* W = <floating*> malloc(TOGETHER * (ld + n_rows) * sizeof(floating))
    cdef floating* Z = W + TOGETHER * ld
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
            anchor_r = anchor + r * ld if anchored[r] else NULL
            if floating is float:
                whole_weights_f32(start + (r >> pair_shift) * ld, anchor_r, displacement + r * ld, NULL, 1, 0, ld,
                                  W + (r - first) * ld)
            else:
                whole_weights_f64(start + (r >> pair_shift) * ld, anchor_r, displacement + r * ld, NULL, 1, 0, ld,
                                  W + (r - first) * ld)
        gemm_nt(last - first, n_rows, ld, W, ld, X, ld, Z, n_rows)
        for r in range(first, last):
            status += _list_positive(fired, block, r, Z + (r - first) * n_rows, n_rows, c_state[3 * r])
    free(W)
    return status


cdef int _list_positive(
    PairLists fired, Py_ssize_t block, Py_ssize_t r, const floating* z, Py_ssize_t n_rows, floating c,
) noexcept nogil:
    cdef Py_ssize_t i
    cdef int32_t kept = 0
    cdef int32_t* rows
    cdef floating* values
    cdef floating activation
    if fired.reserve(block, n_rows) < 0:
        return -1
    rows = fired.blocks[block].rows + fired.blocks[block].used
    values = <floating*> fired.blocks[block].values + fired.blocks[block].used
    for i in range(n_rows):
        # written always, counted when positive: no branch to mispredict
        activation = z[i] + c
        rows[kept] = <int32_t> i
        values[kept] = activation
        kept += activation > 0
    fired.start[r] = fired.blocks[block].used
    fired.count[r] = kept
    fired.blocks[block].used += kept
    return 0
