# Half-space reporting: the points of a tree above a hyperplane.
#
# Problem     A neuron fires on x if <w, x> + c > 0: it is a half-space of the rows, and a row is one of the neurons.
#             `rows_above` asks a tree over the rows of a batch once per neuron; `neurons_above` asks a tree over the
#             neurons once per row, which is cheaper when rows are few. Both have the pre-activations from the same
#             look. `points_above` asks once.
# Layout      Trees as in _boxes.pyx, lists as in _pairs.pyx, neurons as in _neuron_points.pyx.
#             Rows stand in the order of their tree; the order of neurons in theirs is an array.
# Invariants  Lists are ascending. What is reported is decided by <w, x> + c > 0, computed for the pair; boxes leave
#             room for rounding, so that they never decide against it.
# Cost        The boxes that a hyperplane cuts, and the points of leaves that it cuts or that lie above it: d
#             multiplications for each sixteen of them. `neurons_above` sorts what it found by neuron.
# Threads     `rows_above`: blocks of neurons, dynamic, each with scratch of its own. The others: one.
# Reference   Song, Yang, Zhang, "Does Preprocessing Help Training Over-parameterized Neural Networks?", 2021
#             (arXiv 2110.04622), the algorithms that preprocess the data and the weights.

from cython cimport floating
from cython.parallel cimport prange
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free, malloc, realloc

from skfastnn.passes.shared._boxes cimport BoxTree, box_tree_f32, box_tree_f64
from skfastnn.passes.shared._pairs cimport PairLists
from skfastnn.passes.shared._worth cimport threads_for

cdef extern from "box_kernels.h":
    int SPARE
    ctypedef struct leaf_run:
        int32_t first, last, inside
    ctypedef struct box_counts:
        int64_t boxes, points
    int32_t points_above_f32(
        const box_tree_f32*, const float*, float, leaf_run*, int32_t*, float*, box_counts*) noexcept nogil
    int32_t points_above_f64(
        const box_tree_f64*, const double*, double, leaf_run*, int32_t*, double*, box_counts*) noexcept nogil

# Entries that queries may write behind the last point they report.
N_SPARE = SPARE


cdef inline int32_t _report(
    BoxTree tree, const floating* normal, floating offset, leaf_run* runs, int32_t* position, floating* value,
    box_counts* counts,
) noexcept nogil:
    if floating is float:
        return points_above_f32(&tree.single, normal, offset, runs, position, value, counts)
    else:
        return points_above_f64(&tree.double_, normal, offset, runs, position, value, counts)


def rows_above(
    BoxTree tree,                           # IN    the rows of the batch
    PairLists pairs,                        # OUT   rows that fire, and activations
    const floating[:, ::1] neurons,         # IN    (n_neurons, d + 1) weights and intercepts
    int n_threads,
):
    """List the rows on which each neuron fires; return how many boxes and points were looked at."""
    cdef Py_ssize_t b
    cdef int status = 0
    cdef int64_t boxes = 0
    cdef int64_t points = 0
    cdef box_counts counts
    if pairs.itemsize != sizeof(floating) or tree.dtype.itemsize != sizeof(floating):
        raise ValueError("lists, tree and neurons must have one dtype")
    if neurons.shape[0] != pairs.n_neurons or neurons.shape[1] != tree.n_features + 1:
        raise ValueError("neurons must be those of the lists, with the features of the tree and an intercept")
    # more points than these are hardly ever looked at
    cdef double work = .2 * pairs.n_neurons * min(tree.n_points, 256) * tree.n_features
    for b in prange(pairs.n_blocks, nogil=True, num_threads=threads_for(work, n_threads), schedule="dynamic",
                    chunksize=1):
        counts = _rows_of_block[floating](tree, pairs, b, &neurons[0, 0])
        status += counts.boxes < 0
        boxes += counts.boxes
        points += counts.points
    if status:
        raise MemoryError("no memory for the lists of firing pairs")
    return boxes, points


cdef box_counts _rows_of_block(
    BoxTree tree, PairLists pairs, Py_ssize_t block, const floating* neurons,
) noexcept nogil:
    """Fill the lists of a block; return what it cost, boxes -1 if memory is short."""
    cdef Py_ssize_t r
    cdef Py_ssize_t d = tree.n_features
    cdef Py_ssize_t last = min((block + 1) * pairs.block_size, pairs.n_neurons)
    cdef const floating* neuron
    cdef box_counts counts
    cdef leaf_run* runs = <leaf_run*> malloc(tree.n_leaves * sizeof(leaf_run))
    counts.boxes = counts.points = 0
    pairs.blocks[block].used = 0
    for r in range(block * pairs.block_size, last):
        if runs == NULL or pairs.reserve(block, tree.n_points + SPARE) < 0:
            counts.boxes = -1
            break
        neuron = neurons + r * (d + 1)
        pairs.start[r] = pairs.blocks[block].used
        pairs.count[r] = _report(tree, neuron, -neuron[d], runs, pairs.blocks[block].rows + pairs.blocks[block].used,
                                 <floating*> pairs.blocks[block].values + pairs.blocks[block].used, &counts)
        pairs.blocks[block].used += pairs.count[r]
    free(runs)
    return counts


cdef struct Found:
    # pairs in the order of the rows
    int32_t* neuron
    char* value
    Py_ssize_t capacity


def neurons_above(
    BoxTree tree,                           # IN    the neurons, weights and intercept
    PairLists pairs,                        # OUT   rows that fire, and activations
    const int32_t[::1] order,               # IN    (n_neurons,) neuron at each place of the tree
    const floating[:, ::1] rows,            # IN    (n_rows, d + 1) rows and a one
):
    """List the rows on which each neuron fires; return how many boxes and points were looked at."""
    cdef Py_ssize_t i
    cdef Py_ssize_t n_rows = rows.shape[0]
    cdef Py_ssize_t n_found = 0
    cdef bint short_of_memory = False
    cdef box_counts counts
    cdef Found found
    if pairs.itemsize != sizeof(floating) or tree.dtype.itemsize != sizeof(floating):
        raise ValueError("lists, tree and rows must have one dtype")
    if tree.n_points != pairs.n_neurons or order.shape[0] != tree.n_points or rows.shape[1] != tree.n_features:
        raise ValueError("tree and order must be of the neurons of the lists, rows of the features of the tree")
    counts.boxes = counts.points = 0
    found.neuron, found.value, found.capacity = NULL, NULL, 0
    cdef leaf_run* runs = <leaf_run*> malloc(tree.n_leaves * sizeof(leaf_run))
    cdef Py_ssize_t* first = <Py_ssize_t*> malloc((n_rows + 1) * sizeof(Py_ssize_t))
    with nogil:
        short_of_memory = runs == NULL or first == NULL
        for i in range(n_rows):
            if short_of_memory or _make_room(&found, n_found + tree.n_points + SPARE, sizeof(floating)) < 0:
                short_of_memory = True
                break
            first[i] = n_found
            n_found += _report(tree, &rows[i, 0], <floating> 0, runs, found.neuron + n_found,
                               <floating*> found.value + n_found, &counts)
        if not short_of_memory:
            first[n_rows] = n_found
            short_of_memory = _sort(pairs, found.neuron, <floating*> found.value, first, n_rows, &order[0]) < 0
        free(runs)
        free(first)
        free(found.neuron)
        free(found.value)
    if short_of_memory:
        raise MemoryError("no memory for the lists of firing pairs")
    return counts.boxes, counts.points


cdef int _make_room(Found* found, Py_ssize_t wanted, Py_ssize_t itemsize) noexcept nogil:
    cdef void* new
    if wanted <= found.capacity:
        return 0
    wanted += wanted // 2
    new = realloc(found.neuron, wanted * sizeof(int32_t))
    if new == NULL:
        return -1
    found.neuron = <int32_t*> new
    new = realloc(found.value, wanted * itemsize)
    if new == NULL:
        return -1
    found.value = <char*> new
    found.capacity = wanted
    return 0


cdef int _sort(
    PairLists pairs, int32_t* neuron, const floating* value, const Py_ssize_t* first, Py_ssize_t n_rows,
    const int32_t* order,
) noexcept nogil:
    """Turn lists by row into lists by neuron: count, make room, distribute."""
    cdef Py_ssize_t i, k, r, block, at
    for r in range(pairs.n_neurons):
        pairs.count[r] = 0
    for k in range(first[n_rows]):
        neuron[k] = order[neuron[k]]
        pairs.count[neuron[k]] += 1
    for block in range(pairs.n_blocks):
        pairs.blocks[block].used = 0
        for r in range(block * pairs.block_size, min((block + 1) * pairs.block_size, pairs.n_neurons)):
            pairs.start[r] = pairs.blocks[block].used
            pairs.blocks[block].used += pairs.count[r]
            pairs.count[r] = 0
        if pairs.reserve(block, 0) < 0:
            return -1
    for i in range(n_rows):
        for k in range(first[i], first[i + 1]):
            r = neuron[k]
            block = r // pairs.block_size
            at = pairs.start[r] + pairs.count[r]
            pairs.blocks[block].rows[at] = <int32_t> i
            (<floating*> pairs.blocks[block].values)[at] = value[k]
            pairs.count[r] += 1
    return 0


def points_above(
    BoxTree tree,
    const floating[::1] normal,             # IN    (d,)
    floating offset,
    int32_t[::1] positions,                 # OUT   (n_points + N_SPARE,) the first entries
):
    """Report the points with <normal, x> > offset, ascending.

    Returns
    -------
    n_found, n_boxes, n_points : int
        Points reported, and boxes and points looked at.
    """
    cdef int32_t n_found = 0
    cdef box_counts counts
    if tree.dtype.itemsize != sizeof(floating) or normal.shape[0] != tree.n_features:
        raise ValueError("normal must have the features and the dtype of the tree")
    if positions.shape[0] < tree.n_points + SPARE:
        raise ValueError("positions must have room for every point and N_SPARE more")
    counts.boxes = counts.points = 0
    cdef leaf_run* runs = <leaf_run*> malloc(tree.n_leaves * sizeof(leaf_run))
    if runs == NULL:
        raise MemoryError("no memory for the leaves of a query")
    with nogil:
        n_found = _report[floating](tree, &normal[0], offset, runs, &positions[0], NULL, &counts)
        free(runs)
    return n_found, counts.boxes, counts.points
