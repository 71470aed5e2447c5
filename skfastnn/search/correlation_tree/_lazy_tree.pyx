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


def query(
    const uint8_t[:, ::1] leaves,           # IN    (n_samples, ld)
    PairLists pairs,                        # OUT   candidates, lists without values
    const int32_t[::1] index,               # IN    (n_rows,) samples of the batch
    const float[::1] norms,                 # IN    (n_rows,) upper bounds on the norms of the rows
    const float[::1] norms_outside,         # IN    (n_rows,) the same outside the subspace
    const float[:, ::1] rows_inside,        # IN    (n_rows, n_directions) rows in the subspace
    const float[::1] threshold,             # IN    (padded neurons,) thresholds above the foot
    const float[::1] drift,                 # IN    (padded neurons,) upper bounds on the norm of the displacement,
                                            #       outside the subspace where the group is projected
    const float[:, :, ::1] inside,          # IN    (n_groups, n_directions, 64) displacement in the subspace
    const uint8_t[::1] projected,           # IN    (n_groups,) whether to use the subspace
    const uint8_t[::1] wanted,              # IN    (n_groups,) groups to look at; others keep their lists
    int n_threads,
):
    """Collect the candidates of a batch.

    Parameters
    ----------
    leaves, pairs, index, norms, norms_outside, rows_inside, threshold, drift, inside, projected, wanted
        As commented; a group is 64 neurons.
    n_threads : int
    """
    cdef Py_ssize_t b
    cdef int status = 0
    cdef int n_directions = rows_inside.shape[1]
    cdef const float* inside_start = &inside[0, 0, 0] if inside.shape[0] else NULL
    cdef Py_ssize_t n_groups = wanted.shape[0]
    if pairs.block_size % GROUP or leaves.shape[1] < n_groups * GROUP or drift.shape[0] < n_groups * GROUP:
        raise ValueError("blocks, leaves and drift must come in whole groups of neurons")
    if (threshold.shape[0] < n_groups * GROUP or projected.shape[0] != n_groups or pairs.n_neurons > n_groups * GROUP
            or inside.shape[0] != n_groups or inside.shape[1] != n_directions):
        raise ValueError("threshold, inside, projected, wanted and pairs must be of the same neurons")
    if min(norms.shape[0], norms_outside.shape[0], rows_inside.shape[0]) < index.shape[0]:
        raise ValueError("norms and rows_inside must have an entry per row")
    cdef double work = .3 * index.shape[0] * pairs.n_neurons
    for b in prange(pairs.n_blocks, nogil=True, num_threads=threads_for(work, n_threads), schedule="dynamic",
                    chunksize=1):
        status += _query_neurons(&leaves[0, 0], leaves.shape[1], pairs, b, &index[0], index.shape[0], &norms[0],
                                 &norms_outside[0], &rows_inside[0, 0], n_directions, &threshold[0], &drift[0],
                                 inside_start, &projected[0], &wanted[0])
    if status:
        raise MemoryError("no memory for the candidates of a batch")


cdef int _query_neurons(
    const uint8_t* leaves, Py_ssize_t ld, PairLists pairs, Py_ssize_t block, const int32_t* index,
    Py_ssize_t n_rows, const float* norms, const float* norms_outside, const float* rows_inside, int n_directions,
    const float* threshold, const float* drift, const float* inside, const uint8_t* projected,
    const uint8_t* wanted,
) noexcept nogil:
    """Query one block of neurons, group by group and 64 rows at a time."""
    cdef Py_ssize_t first = block * pairs.block_size
    cdef Py_ssize_t last = min(first + pairs.block_size, pairs.n_neurons)
    cdef Py_ssize_t n_words = (n_rows + 63) // 64
    cdef Py_ssize_t r, k, word
    cdef int here
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
        directions = inside + (r // GROUP) * n_directions * GROUP if projected[r // GROUP] else NULL
        norm = norms_outside if projected[r // GROUP] else norms
        for word in range(n_words):
            k = word * 64
            here = <int> min(64, n_rows - k)
            query_block(leaves + r, ld, index + k, here, C_STEP, threshold + r, drift + r,
                        norm + k, directions, rows_inside + k * n_directions, n_directions,
                        bits)
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
