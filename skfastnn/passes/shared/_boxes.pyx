# Points in boxes: the order that makes neighbours of points close to each other, and the boxes around them.
#
# Problem     Half-spaces are to be asked for the points above them without a look at all points. In a few dimensions
#             whole boxes of points lie on one side.
# Layout      Points stand in an order of theirs; box_kernels.h describes the blocks. Level 0 of the groups holds the
#             boxes of leaves of 16 points, level k those of 16 groups of level k - 1, the last level is one group.
# Invariants  Every box holds its points up to rounding, for which queries leave room. An order that is old, or no order
#             at all, costs time and never a point: boxes are made anew from the points as they are.
# Cost        Order: O(n d log n), a k-d tree by medians. Boxes: O(n d), one pass. Memory: that of the points, and an
#             eighth of it for the boxes.
# Threads     Boxes: leaves and groups. The order is the work of one.
# Reference   The bounding volumes of k-d trees; half-space reporting as in Song, Yang, Zhang 2021 (arXiv 2110.04622),
#             where a partition tree stands in their place.

from cython cimport floating
from cython.parallel cimport prange
from libc.math cimport fabs
from libc.stdint cimport int32_t, int64_t

import numpy as np

from skfastnn.passes.shared._worth cimport threads_for

cdef extern from "box_kernels.h":
    int FAN_OUT
    int MAX_LEVELS

LEAF_SIZE = FAN_OUT
MAX_POINTS = 2**31 - FAN_OUT


def spatial_order(const floating[:, ::1] points, Py_ssize_t n_features):
    """Return an order in which neighbours are close: medians along the longest side, down to leaves.

    Parameters
    ----------
    points : ndarray of shape (n_points, ld)
    n_features : int
        The first columns are the coordinates.

    Returns
    -------
    order : ndarray of shape (n_points,), int32

    Raises
    ------
    ValueError
        If there are more than 2^31 - 16 points, or fewer than n_features columns.
    """
    if n_features > points.shape[1]:
        raise ValueError("points must have n_features columns")
    if points.shape[0] > MAX_POINTS:
        raise ValueError("there must be at most %d points, got %d" % (MAX_POINTS, points.shape[0]))
    order = np.arange(points.shape[0], dtype=np.int32)
    cdef int32_t[::1] view = order
    if points.shape[0] > 1 and n_features > 0:
        with nogil:
            _arrange(&points[0, 0], points.shape[1], n_features, &view[0], 0, points.shape[0])
    return order


cdef void _arrange(
    const floating* points,       # IN    rows ld apart
    Py_ssize_t ld,
    Py_ssize_t d,
    int32_t* order,               # INOUT entries first to last
    Py_ssize_t first,
    Py_ssize_t last,
) noexcept nogil:
    cdef Py_ssize_t unit, middle, feature
    while last - first > FAN_OUT:
        feature = _longest_side(points, ld, d, order, first, last)
        if feature < 0:
            return
        # cut where groups end, so that a group is a cell of the tree
        unit = FAN_OUT
        while unit * FAN_OUT < last - first:
            unit *= FAN_OUT
        middle = first + unit * ((last - first + unit - 1) // unit // 2)
        _select(points + feature, ld, order, first, last - 1, middle)
        _arrange(points, ld, d, order, first, middle)
        first = middle


cdef Py_ssize_t _longest_side(
    const floating* points, Py_ssize_t ld, Py_ssize_t d, const int32_t* order, Py_ssize_t first, Py_ssize_t last,
) noexcept nogil:
    """Return the feature with the widest range, -1 if all points are equal."""
    cdef Py_ssize_t j, i
    cdef Py_ssize_t longest = -1
    cdef floating low, high, x
    cdef floating width = 0
    for j in range(d):
        low = points[order[first] * ld + j]
        high = low
        for i in range(first + 1, last):
            x = points[order[i] * ld + j]
            low = min(low, x)
            high = max(high, x)
        if high - low > width:
            width = high - low
            longest = j
    return longest


cdef void _select(
    const floating* x, Py_ssize_t ld, int32_t* order, Py_ssize_t low, Py_ssize_t high, Py_ssize_t k,
) noexcept nogil:
    """Partition order[low : high + 1] so that place k has what sorting would put there (Hoare's selection)."""
    cdef Py_ssize_t i, j
    cdef floating pivot
    cdef int32_t kept
    while low < high:
        pivot = x[order[(low + high) // 2] * ld]
        i = low
        j = high
        while i <= j:
            while x[order[i] * ld] < pivot:
                i += 1
            while x[order[j] * ld] > pivot:
                j -= 1
            if i <= j:
                kept = order[i]
                order[i] = order[j]
                order[j] = kept
                i += 1
                j -= 1
        if k <= j:
            high = j
        elif k >= i:
            low = i
        else:
            return


cdef class BoxTree:
    """Points in boxes.

    Parameters
    ----------
    n_points : int
        At least 1, at most 2^31 - 16: positions, those of whole leaves too, are numbers of 32 bits.
    n_features : int
    dtype : numpy dtype
        float32 or float64.

    Attributes
    ----------
    leaves : ndarray of shape (n_leaves, n_features, 16)
        Coordinates of 16 points each; the last leaf repeats its last point.
    groups : ndarray of shape (n_groups, 2, n_features, 16)
        Centres and half-widths of 16 boxes each, the lowest level first.
    extent : ndarray of shape (n_features,)
        Largest absolute coordinates.
    """

    def __cinit__(self, Py_ssize_t n_points, Py_ssize_t n_features, dtype):
        if not 1 <= n_points <= MAX_POINTS:
            raise ValueError("n_points must be at least 1 and at most %d, got %d" % (MAX_POINTS, n_points))
        if n_features < 1:
            raise ValueError("n_features must be at least 1, got %d" % n_features)
        self.n_points, self.n_features, self.dtype = n_points, n_features, np.dtype(dtype)
        self.n_leaves = (n_points + FAN_OUT - 1) // FAN_OUT
        starts = self._first_groups()
        self.leaves = np.zeros((self.n_leaves, n_features, FAN_OUT), dtype=dtype)
        self.groups = np.zeros((max(starts), 2, n_features, FAN_OUT), dtype=dtype)
        self.extent = np.zeros(n_features, dtype=dtype)
        cdef float[:, :, ::1] leaves32
        cdef double[:, :, ::1] leaves64
        cdef float[:, :, :, ::1] groups32
        cdef double[:, :, :, ::1] groups64
        cdef float[::1] extent32
        cdef double[::1] extent64
        cdef int k
        if self.dtype == np.float32:
            leaves32, groups32, extent32 = self.leaves, self.groups, self.extent
            self.single.leaves, self.single.groups = &leaves32[0, 0, 0], &groups32[0, 0, 0, 0]
            self.single.extent = &extent32[0]
        else:
            leaves64, groups64, extent64 = self.leaves, self.groups, self.extent
            self.double_.leaves, self.double_.groups = &leaves64[0, 0, 0], &groups64[0, 0, 0, 0]
            self.double_.extent = &extent64[0]
        self.single.n_points = self.double_.n_points = n_points
        self.single.d = self.double_.d = n_features
        self.single.n_levels = self.double_.n_levels = len(starts) - 1
        for k in range(len(starts)):
            self.single.first_group[k] = self.double_.first_group[k] = starts[k]

    @property
    def nbytes(self):
        """Bytes of the arrays."""
        return self.leaves.nbytes + self.groups.nbytes + self.extent.nbytes

    def _first_groups(self):
        """Return the number of the first group of each level, and that of all groups."""
        starts, total, below = [0], 0, self.n_leaves
        while True:
            below = -(-below // FAN_OUT)
            total += below
            starts.append(total)
            if below == 1:
                return np.array(starts)

    def fill(self, points, order, int n_threads):
        """Take over points, and put boxes around them.

        Parameters
        ----------
        points : ndarray of shape (n_points, ld)
            The first columns are the coordinates; finite.
        order : ndarray of shape (n_points,), int32, or None
            Point at each place; None: as they come.
        n_threads : int
        """
        if points.shape[0] < self.n_points or points.shape[1] < self.n_features or points.dtype != self.dtype:
            raise ValueError("points must be of the shape and dtype of the tree")
        if order is None:
            order = np.empty(0, dtype=np.int32)
        elif order.shape[0] != self.n_points:
            raise ValueError("order must name every point once")
        levels = self._first_groups()
        if self.dtype == np.float32:
            _fill_leaves[float](points, order, self.n_points, self.leaves, n_threads)
            _fill_groups[float](self.leaves, self.groups, levels, self.extent, n_threads)
        else:
            _fill_leaves[double](points, order, self.n_points, self.leaves, n_threads)
            _fill_groups[double](self.leaves, self.groups, levels, self.extent, n_threads)


cdef _fill_leaves(
    const floating[:, ::1] points,          # IN    (n_points, ld)
    const int32_t[::1] order,               # IN    (n_points,) or empty
    Py_ssize_t n_points,
    floating[:, :, ::1] leaves,             # OUT   (n_leaves, d, 16)
    int n_threads,
):
    cdef Py_ssize_t leaf, k, j, i
    cdef bint ordered = order.shape[0] > 0
    cdef double work = .5 * leaves.shape[0] * FAN_OUT * leaves.shape[1]
    for leaf in prange(leaves.shape[0], nogil=True, num_threads=threads_for(work, n_threads), schedule="static"):
        for k in range(FAN_OUT):
            i = min(leaf * FAN_OUT + k, n_points - 1)
            if ordered:
                i = order[i]
            for j in range(leaves.shape[1]):
                leaves[leaf, j, k] = points[i, j]


cdef _fill_groups(
    const floating[:, :, ::1] leaves,       # IN    (n_leaves, d, 16)
    floating[:, :, :, ::1] groups,          # OUT   (n_groups, 2, d, 16)
    const int64_t[::1] levels,              # IN    (n_levels + 1,) first group of each
    floating[::1] extent,                   # OUT   (d,)
    int n_threads,
):
    cdef Py_ssize_t g, j, k, level, below
    cdef Py_ssize_t first = 0
    cdef Py_ssize_t behind = levels[1]
    cdef Py_ssize_t d = leaves.shape[1]
    cdef Py_ssize_t n_below = leaves.shape[0]
    cdef double work = .5 * n_below * FAN_OUT * d
    for g in prange(first, behind, nogil=True, num_threads=threads_for(work, n_threads), schedule="static"):
        for k in range(FAN_OUT):
            _box_of_points(&leaves[min(g * FAN_OUT + k, n_below - 1), 0, 0], d, &groups[g, 0, 0, k])
    for level in range(1, levels.shape[0] - 1):
        first = levels[level]
        below = levels[level - 1]
        n_below = first - below
        behind = levels[level + 1]
        work = 2. * n_below * d
        for g in prange(first, behind, nogil=True, num_threads=threads_for(work, n_threads), schedule="static"):
            for k in range(FAN_OUT):
                _box_of_boxes(&groups[below + min((g - first) * FAN_OUT + k, n_below - 1), 0, 0, 0], d,
                              &groups[g, 0, 0, k])
    g = groups.shape[0] - 1
    for j in range(d):
        extent[j] = 0
        for k in range(FAN_OUT):
            extent[j] = max(extent[j], fabs(groups[g, 0, j, k]) + groups[g, 1, j, k])


cdef void _box_of_points(const floating* leaf, Py_ssize_t d, floating* box) noexcept nogil:
    cdef Py_ssize_t j, k
    cdef floating low, high
    for j in range(d):
        low = high = leaf[j * FAN_OUT]
        for k in range(1, FAN_OUT):
            low = min(low, leaf[j * FAN_OUT + k])
            high = max(high, leaf[j * FAN_OUT + k])
        _write_box(box, d, j, low, high)


cdef void _box_of_boxes(const floating* group, Py_ssize_t d, floating* box) noexcept nogil:
    cdef Py_ssize_t j, k
    cdef floating low, high, centre, half
    for j in range(d):
        low = group[j * FAN_OUT] - group[(d + j) * FAN_OUT]
        high = group[j * FAN_OUT] + group[(d + j) * FAN_OUT]
        for k in range(1, FAN_OUT):
            centre = group[j * FAN_OUT + k]
            half = group[(d + j) * FAN_OUT + k]
            low = min(low, centre - half)
            high = max(high, centre + half)
        _write_box(box, d, j, low, high)


cdef inline void _write_box(floating* box, Py_ssize_t d, Py_ssize_t j, floating low, floating high) noexcept nogil:
    # halves first: the sum of two large numbers may be infinite
    cdef floating centre = low / 2 + high / 2
    box[j * FAN_OUT] = centre
    box[(d + j) * FAN_OUT] = max(high - centre, centre - low)
