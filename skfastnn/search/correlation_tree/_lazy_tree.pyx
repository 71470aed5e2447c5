# Lazy, truncated correlation trees: one per sample, over the neurons.
#
# Problem     Training wants, for each neuron and batch, a superset of the rows on which the neuron fires, without
#             computing <w, x> for all of them. A tree holds correlations with an earlier, reference weight vector;
#             the change since then is bounded, and the bound makes the QUERY threshold: a leaf is a candidate when
#                 correlation > -(intercept + bound on the change).
# Layout      A leaf is one byte: the correlation in steps of STEP above the foot of its neuron, rounded up. 0 means
#             "at or below the foot" (the tree is truncated there), 255 "anything" (so far above the threshold that it
#             fires or nearly so). leaves (n_samples, ld): a cache line holds the leaves of one sample in a group of 64
#             neurons, the children of one inner node, which are compared with their thresholds by vector code; with a
#             few per cent passing, a maximum per line would hardly ever prune, so none is kept. A sample's leaves lie
#             together: a batch visits samples in no order, and each visit costs a translation of its address.
# Invariants  <w_ref, x> <= foot + STEP * leaf for every leaf below 255. Candidates come in ascending row order, and
#             do not depend on the number of threads.
# Cost        One byte a pair. A query compares every leaf of the batch once, about one cycle each, two with the
#             subspace bound. Leaves are written in _leaves.pyx.
# Threads     blocks of neurons as in _pairs.pyx.
# Reference   Alman, Liang, Song, Zhang, Zhuo, "Bypass Exponential Time Preprocessing: Fast Neural Network Training
#             via Weight-Data Correlation Preprocessing", 2022 (trees, INIT / UPDATE / QUERY). Laziness, truncation
#             and the subspace bound are ours.

from cython.parallel cimport prange
from libc.stdint cimport int32_t, uint8_t, uint64_t
from libc.stdlib cimport free, malloc

from skfastnn.passes.shared._pairs cimport PairLists
from skfastnn.passes.shared._worth cimport threads_for

cdef extern from "query_kernels.h":
    int GROUP
    void query_block(
        const uint8_t*, Py_ssize_t, const int32_t*, int, float, const float*, const float*, const float*,
        const float*, const float*, int, uint64_t*) noexcept nogil
    int lowest_bit(uint64_t) noexcept nogil
    int count_bits(uint64_t) noexcept nogil

GROUP_SIZE = GROUP
# In standard deviations of a pre-activation; 255 steps cover 3.2 of them.
STEP = 0.0125
cdef float C_STEP = STEP


cdef class QueryRows:
    """The rows of a batch, as a query takes them.

    Parameters
    ----------
    index : ndarray of shape (n_rows,), int32
        Samples of the batch.
    norms, norms_outside : ndarray of shape (n_rows,), float32
        Upper bounds on the norms of the rows, and of what is outside the subspace.
    inside : ndarray of shape (n_rows, n_directions), float32
        Rows in the subspace.

    Raises
    ------
    ValueError
        If the arrays are not of the same rows.
    """

    cdef const int32_t[::1] index
    cdef const float[::1] norms, norms_outside
    cdef const float[:, ::1] inside

    def __init__(
        self, const int32_t[::1] index, const float[::1] norms, const float[::1] norms_outside,
        const float[:, ::1] inside,
    ):
        if min(norms.shape[0], norms_outside.shape[0], inside.shape[0]) < index.shape[0]:
            raise ValueError("norms and rows inside must have an entry per row")
        self.index, self.norms, self.norms_outside, self.inside = index, norms, norms_outside, inside


cdef class QueryBounds:
    """How far neurons may be from their references, as a query takes it; a group is 64 neurons.

    Parameters
    ----------
    threshold : ndarray of shape (padded neurons,), float32
        Thresholds above the foot.
    drift : ndarray of shape (padded neurons,), float32
        Upper bounds on the norm of the displacement, outside the subspace where the group is projected.
    inside : ndarray of shape (n_groups, n_directions, 64), float32
        Displacement in the subspace.
    projected : ndarray of shape (n_groups,), uint8
        Whether to use the subspace.

    Raises
    ------
    ValueError
        If the arrays are not of the same neurons.
    """

    cdef const float[::1] threshold, drift
    cdef const float[:, :, ::1] inside
    cdef const uint8_t[::1] projected

    def __init__(
        self, const float[::1] threshold, const float[::1] drift, const float[:, :, ::1] inside,
        const uint8_t[::1] projected,
    ):
        if min(threshold.shape[0], drift.shape[0]) < projected.shape[0] * GROUP or inside.shape[2] != GROUP:
            raise ValueError("threshold, drift and inside must come in whole groups of neurons")
        if inside.shape[0] != projected.shape[0]:
            raise ValueError("inside and projected must be of the same groups")
        self.threshold, self.drift, self.inside, self.projected = threshold, drift, inside, projected


def query(
    const uint8_t[:, ::1] leaves,           # IN    (n_samples, ld)
    PairLists pairs,                        # OUT   candidates, lists without values
    QueryRows rows,                         # IN    the batch
    QueryBounds bounds,                     # IN
    const uint8_t[::1] wanted,              # IN    (n_groups,) groups to look at; others keep their lists
    int n_threads,
):
    """Collect the candidates of a batch."""
    cdef Py_ssize_t b
    cdef int status = 0
    cdef Py_ssize_t n_groups = wanted.shape[0]
    if pairs.block_size % GROUP or leaves.shape[1] < n_groups * GROUP or pairs.n_neurons > n_groups * GROUP:
        raise ValueError("blocks and leaves must come in whole groups of neurons")
    if bounds.projected.shape[0] != n_groups or bounds.inside.shape[1] != rows.inside.shape[1]:
        raise ValueError("bounds, wanted and rows must be of the same groups and directions")
    cdef double work = .3 * rows.index.shape[0] * pairs.n_neurons
    for b in prange(pairs.n_blocks, nogil=True, num_threads=threads_for(work, n_threads), schedule="dynamic",
                    chunksize=1):
        status += _query_block(leaves, pairs, b, rows, bounds, &wanted[0])
    if status:
        raise MemoryError("no memory for the candidates of a batch")


cdef int _query_block(
    const uint8_t[:, ::1] leaves, PairLists pairs, Py_ssize_t block, QueryRows rows, QueryBounds bounds,
    const uint8_t* wanted,
) noexcept nogil:
    """Query one block of neurons, group by group and 64 rows at a time."""
    cdef Py_ssize_t first = block * pairs.block_size
    cdef Py_ssize_t last = min(first + pairs.block_size, pairs.n_neurons)
    cdef Py_ssize_t n_rows = rows.index.shape[0]
    cdef Py_ssize_t n_words = (n_rows + 63) // 64
    cdef int n_directions = <int> rows.inside.shape[1]
    cdef Py_ssize_t r, k, word
    cdef int here
    cdef bint projected
    cdef const float* directions
    cdef const float* norm
    cdef uint64_t bits[64]
    # words of row bits, neuron by neuron
    cdef uint64_t* passed = <uint64_t*> malloc(64 * n_words * sizeof(uint64_t))
    if passed == NULL:
        return -1
    cdef bint everything = _start_block(pairs, block, first, last, wanted)
    r = first
    while r < last:
        if not (everything or wanted[r // GROUP]):
            r += GROUP
            continue
        projected = bounds.projected[r // GROUP]
        directions = &bounds.inside[r // GROUP, 0, 0] if projected else NULL
        norm = &rows.norms_outside[0] if projected else &rows.norms[0]
        for word in range(n_words):
            k = word * 64
            here = <int> min(64, n_rows - k)
            query_block(&leaves[0, r], leaves.shape[1], &rows.index[k], here, C_STEP, &bounds.threshold[r],
                        &bounds.drift[r], norm + k, directions, &rows.inside[k, 0], n_directions, bits)
            for k in range(64):
                passed[k * n_words + word] = bits[k]
        if _emit_group(pairs, block, r, min(r + GROUP, last), passed, n_words) < 0:
            free(passed)
            return -1
        r += GROUP
    free(passed)
    return 0


cdef bint _start_block(
    PairLists pairs, Py_ssize_t block, Py_ssize_t first, Py_ssize_t last, const uint8_t* wanted,
) noexcept nogil:
    """Return whether to start the block anew: when all is wanted, or what is kept is buried in what is not."""
    cdef Py_ssize_t r
    cdef Py_ssize_t live = 0
    cdef bint everything = True
    for r in range(first, last):
        live += pairs.count[r]
    for r in range(first // GROUP, (last + GROUP - 1) // GROUP):
        everything = everything and wanted[r]
    everything = everything or pairs.blocks[block].used > 3 * live + 1024
    if everything:
        pairs.blocks[block].used = 0
    return everything


cdef int _emit_group(
    PairLists pairs, Py_ssize_t block, Py_ssize_t first, Py_ssize_t last, const uint64_t* passed, Py_ssize_t n_words,
) noexcept nogil:
    """Append the row lists of a group of neurons."""
    cdef Py_ssize_t r, word
    cdef Py_ssize_t n_passed = 0
    cdef uint64_t bits
    cdef int32_t* row
    for word in range((last - first) * n_words):
        n_passed += count_bits(passed[word])
    if pairs.reserve(block, n_passed) < 0:
        return -1
    for r in range(first, last):
        pairs.start[r] = pairs.blocks[block].used
        row = pairs.blocks[block].rows + pairs.blocks[block].used
        for word in range(n_words):
            bits = passed[(r - first) * n_words + word]
            while bits:
                row[0] = <int32_t> (word * 64 + lowest_bit(bits))
                row += 1
                bits &= bits - 1
        pairs.count[r] = <int32_t> (row - (pairs.blocks[block].rows + pairs.blocks[block].used))
        pairs.blocks[block].used += pairs.count[r]
    return 0
