# Half-space reporting: the points of a tree above a hyperplane.
#
# Problem     A neuron is a half-space of the rows: it fires on x if <w, x> > -c. `rows_above` asks a tree over the rows
#             of a batch once per neuron, and has its pre-activations from the same look. `points_above` asks once.
# Layout      Trees as in passes/_boxes.pyx, whose places are the rows of the batch; lists and weights as in
#             passes/_pairs.pyx and passes/_forward.pyx, nothing pending.
# Invariants  Lists are ascending. What is reported is decided by <w, x> + c > 0, computed for the point; boxes leave
#             room for rounding, so that they never decide against it.
# Cost        The boxes that a hyperplane cuts, and the points of leaves that it cuts or that lie above it: d
#             multiplications for each sixteen of them.
# Threads     Blocks of neurons, dynamic, each with scratch of its own.
# Reference   Song, Yang, Zhang, "Does Preprocessing Help Training Over-parameterized Neural Networks?", 2021
#             (arXiv 2110.04622), the algorithm that preprocesses the data.

from cython cimport floating
from cython.parallel cimport prange
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport free, malloc

from skfastnn.passes._boxes cimport BoxTree, box_tree_f32, box_tree_f64
from skfastnn.passes._pairs cimport PairLists

cdef extern from "box_kernels.h":
    int FAN_OUT
    ctypedef struct leaf_run:
        int32_t first, last, inside
    ctypedef struct box_counts:
        int64_t boxes, points
    int32_t leaves_above_f32(const box_tree_f32*, const float*, float, leaf_run*, box_counts*) noexcept nogil
    int32_t leaves_above_f64(const box_tree_f64*, const double*, double, leaf_run*, box_counts*) noexcept nogil
    int32_t report_f32(
        const box_tree_f32*, const float*, float, const leaf_run*, int32_t, int32_t*, float*,
        box_counts*) noexcept nogil
    int32_t report_f64(
        const box_tree_f64*, const double*, double, const leaf_run*, int32_t, int32_t*, double*,
        box_counts*) noexcept nogil


def rows_above(
    BoxTree tree,                           # IN    the rows of the batch
    PairLists pairs,                        # OUT   rows that fire, and activations
    const floating[:, ::1] displacement,    # IN    (n_neurons, ld)
    const floating[:, ::1] start,           # IN    (n_neurons >> pair_shift, ld)
    const floating[:, ::1] anchor,          # IN    (n_neurons, ld)
    int pair_shift,
    const uint8_t[::1] anchored,            # IN    (n_neurons,) rows of anchor that are not zero
    const floating[:, ::1] c_state,         # IN    (n_neurons, 3) intercepts first
    int n_threads,
):
    """List the rows on which each neuron fires; return how many boxes and points were looked at."""
    cdef Py_ssize_t b
    cdef int status = 0
    cdef int64_t boxes = 0
    cdef int64_t points = 0
    cdef box_counts counts
    if pairs.itemsize != sizeof(floating) or tree.dtype.itemsize != sizeof(floating):
        raise ValueError("lists, tree and weights must have one dtype")
    if displacement.shape[0] != pairs.n_neurons or displacement.shape[1] < tree.n_features:
        raise ValueError("weights must be of the neurons of the lists and the features of the tree")
    for b in prange(pairs.n_blocks, nogil=True, num_threads=n_threads, schedule="dynamic", chunksize=1):
        counts = _rows_of_block[floating](
            tree, pairs, b, &displacement[0, 0], &start[0, 0], &anchor[0, 0], displacement.shape[1], pair_shift,
            &anchored[0], &c_state[0, 0])
        status += counts.boxes < 0
        boxes += counts.boxes
        points += counts.points
    if status:
        raise MemoryError("no memory for the lists of firing pairs")
    return boxes, points


cdef box_counts _rows_of_block(
    BoxTree tree,
    PairLists pairs,              # OUT
    Py_ssize_t block,
    const floating* displacement,
    const floating* start,
    const floating* anchor,
    Py_ssize_t ld,
    int pair_shift,
    const uint8_t* anchored,
    const floating* c_state,      # IN    (n_neurons, 3)
) noexcept nogil:
    """Fill the lists of a block; return what it cost, boxes -1 if memory is short."""
    cdef Py_ssize_t r, j
    cdef Py_ssize_t last = min((block + 1) * pairs.block_size, pairs.n_neurons)
    cdef int32_t n_runs, n_found
    cdef box_counts counts
    cdef leaf_run* runs = <leaf_run*> malloc(tree.n_leaves * sizeof(leaf_run))
    cdef floating* w = <floating*> malloc(tree.n_features * sizeof(floating))
    counts.boxes = counts.points = 0
    pairs.used[block] = 0
    for r in range(block * pairs.block_size, last):
        if runs == NULL or w == NULL:
            counts.boxes = -1
            break
        for j in range(tree.n_features):
            w[j] = displacement[r * ld + j] + start[(r >> pair_shift) * ld + j]
            if anchored[r]:
                w[j] += anchor[r * ld + j]
        if floating is float:
            n_runs = leaves_above_f32(&tree.single, w, -c_state[3 * r], runs, &counts)
        else:
            n_runs = leaves_above_f64(&tree.double_, w, -c_state[3 * r], runs, &counts)
        if pairs.reserve(block, _n_points(runs, n_runs)) < 0:
            counts.boxes = -1
            break
        if floating is float:
            n_found = report_f32(
                &tree.single, w, -c_state[3 * r], runs, n_runs, pairs.rows[block] + pairs.used[block],
                <float*> pairs.values[block] + pairs.used[block], &counts)
        else:
            n_found = report_f64(
                &tree.double_, w, -c_state[3 * r], runs, n_runs, pairs.rows[block] + pairs.used[block],
                <double*> pairs.values[block] + pairs.used[block], &counts)
        pairs.start[r] = pairs.used[block]
        pairs.count[r] = n_found
        pairs.used[block] += n_found
    free(runs)
    free(w)
    return counts


cdef Py_ssize_t _n_points(const leaf_run* runs, int32_t n_runs) noexcept nogil:
    """Return the number of points of some runs, or a little more."""
    cdef int32_t k
    cdef Py_ssize_t n = 0
    for k in range(n_runs):
        n += (runs[k].last - runs[k].first) * FAN_OUT
    return n


def points_above(
    BoxTree tree,
    const floating[::1] normal,             # IN    (d,)
    floating offset,
    int32_t[::1] positions,                 # OUT   (n_points,) the first entries
):
    """Report the points with <normal, x> > offset, ascending.

    Returns
    -------
    n_found, n_boxes, n_points : int
        Points reported, and boxes and points looked at.
    """
    cdef int32_t n_runs
    cdef int32_t n_found = 0
    cdef box_counts counts
    if tree.dtype.itemsize != sizeof(floating) or normal.shape[0] != tree.n_features:
        raise ValueError("normal must have the features and the dtype of the tree")
    if positions.shape[0] < tree.n_points:
        raise ValueError("positions must have room for every point")
    counts.boxes = counts.points = 0
    cdef leaf_run* runs = <leaf_run*> malloc(tree.n_leaves * sizeof(leaf_run))
    if runs == NULL:
        raise MemoryError("no memory for the leaves of a query")
    with nogil:
        if floating is float:
            n_runs = leaves_above_f32(&tree.single, &normal[0], offset, runs, &counts)
            n_found = report_f32(&tree.single, &normal[0], offset, runs, n_runs, &positions[0], NULL, &counts)
        else:
            n_runs = leaves_above_f64(&tree.double_, &normal[0], offset, runs, &counts)
            n_found = report_f64(&tree.double_, &normal[0], offset, runs, n_runs, &positions[0], NULL, &counts)
        free(runs)
    return n_found, counts.boxes, counts.points
