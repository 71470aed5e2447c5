# Output of a fitted network in a few dimensions: each row asks a tree over the neurons which of them fire.
#
# Problem     out = max(X W + c, 0) V + v, of which few terms are not zero. A neuron is a point (w, c), a row the normal
#             (x, 1): the neurons that fire are the points above a hyperplane through the origin.
# Layout      Tree over n_features + 1 coordinates, as in _boxes.pyx. Rows are centred on the way, because boxes are
#             wide where rows are far from the origin. V (n_leaves, k, 16) in the order of the tree, zero behind the
#             last neuron.
# Invariants  The output of a row depends on the row and the network alone, to the last bit.
# Cost        For each row the boxes that its hyperplane cuts, and (d + k) multiplications for each sixteen neurons of
#             leaves that it cuts or that lie above it.
# Threads     Blocks of rows, dynamic.
# Reference   Song, Yang, Zhang 2021 (arXiv 2110.04622), the algorithm that preprocesses the weights.

from cython cimport floating
from cython.parallel cimport prange
from libc.math cimport NAN, isfinite
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free, malloc

from skfastnn.passes.shared._boxes cimport BoxTree, box_tree_f32, box_tree_f64
from skfastnn.passes.shared._worth cimport threads_for

cdef extern from "box_kernels.h":
    int FAN_OUT
    ctypedef struct leaf_run:
        int32_t first, last, inside
    ctypedef struct box_counts:
        int64_t boxes, points
    void output_of_row_f32(
        const box_tree_f32*, const float*, leaf_run*, const float*, int, float*, float*, box_counts*) noexcept nogil
    void output_of_row_f64(
        const box_tree_f64*, const double*, leaf_run*, const double*, int, double*, double*,
        box_counts*) noexcept nogil

cdef enum:
    ROWS = 64


def reported_output(
    BoxTree tree,                 # IN    neurons, weights and intercepts
    const floating[:, ::1] X,     # IN    (n_rows, d)
    const floating[::1] centre,   # IN    (d,)
    const floating[:, :, ::1] V,  # IN    (n_leaves, k, 16)
    const floating[::1] v,        # IN    (k,)
    floating[:, ::1] out,         # OUT   (n_rows, k)
    int n_threads,
):
    """Compute the output of a fitted network; return how many boxes and neurons were looked at."""
    cdef Py_ssize_t first
    cdef Py_ssize_t n_rows = X.shape[0]
    cdef int d = X.shape[1], k = V.shape[1]
    cdef int status = 0
    cdef int64_t boxes = 0
    cdef int64_t points = 0
    cdef box_counts counts
    if tree.n_features != d + 1 or centre.shape[0] != d or tree.dtype.itemsize != sizeof(floating):
        raise ValueError("the tree must hold one coordinate more than the rows, of their dtype")
    if V.shape[0] != tree.n_leaves or V.shape[2] != FAN_OUT or v.shape[0] != k:
        raise ValueError("V must have a block per leaf, and v an entry per output")
    if out.shape[0] != n_rows or out.shape[1] != k:
        raise ValueError("out must have one row per row of X")
    # more neurons than these are hardly ever looked at
    cdef double work = .1 * n_rows * min(tree.n_points, 1000) * (d + k)
    for first in prange(0, n_rows, ROWS, nogil=True, num_threads=threads_for(work, n_threads), schedule="dynamic",
                        chunksize=1):
        counts = _output_of_rows[floating](
            tree, first, min(first + ROWS, n_rows), d, k, &X[0, 0], &centre[0], &V[0, 0, 0], &v[0], &out[0, 0])
        status += counts.boxes < 0
        boxes += counts.boxes
        points += counts.points
    if status:
        raise MemoryError("no memory for the leaves of a row")
    return boxes, points


cdef box_counts _output_of_rows(
    BoxTree tree, Py_ssize_t first, Py_ssize_t last, int d, int k, const floating* X, const floating* centre,
    const floating* V, const floating* v, floating* out,
) noexcept nogil:
    """Compute the output of some rows; return what it cost, boxes -1 if memory is short."""
    cdef Py_ssize_t i
    cdef int j
    cdef bint known
    cdef box_counts counts
    cdef leaf_run* runs = <leaf_run*> malloc(tree.n_leaves * sizeof(leaf_run))
    cdef floating* normal = <floating*> malloc((d + 1 + k * FAN_OUT) * sizeof(floating))
    counts.boxes = counts.points = 0
    if runs == NULL or normal == NULL:
        free(runs)
        free(normal)
        counts.boxes = -1
        return counts
    normal[d] = 1
    for i in range(first, last):
        known = True
        for j in range(d):
            normal[j] = X[i * d + j] - centre[j]
            known = known and isfinite(normal[j])
        for j in range(k):
            # boxes are compared, and what is not a number is on neither side
            out[i * k + j] = v[j] if known else NAN
        if not known:
            continue
        if floating is float:
            output_of_row_f32(&tree.single, normal, runs, V, k, normal + d + 1, out + i * k, &counts)
        else:
            output_of_row_f64(&tree.double_, normal, runs, V, k, normal + d + 1, out + i * k, &counts)
    free(runs)
    free(normal)
    return counts
