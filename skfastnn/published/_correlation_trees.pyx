# Correlation trees: maximum trees over the values <w_r, x_i> + intercept_r of all pairs of a neuron r
# and a sample i.
#
# Problem     Neuron r fires on sample i when the value of the pair is above a threshold. Few pairs
#             fire. The trees report those of one sample, or of one neuron, without a scan, for any
#             threshold chosen at query time, and follow the weights one neuron at a time.
# Layout      nodes (n_trees, 2 * width), C order, one tree per row, width the least power of two
#             that holds the leaves; in a row root 1, children of j at 2j and 2j + 1, leaf l at
#             width + l. Entry 0, unused, and the padding behind the last leaf hold -inf.
#             CorrelationDTree has a tree per sample over the neurons, CorrelationWTree a tree per
#             neuron over the samples.
# Invariants  An inner node is the maximum of its children, so it is above a threshold exactly when a
#             leaf below it is. Leaves are finite: NaN has no place in an order, and an infinite leaf
#             could not be told from an overflow.
# Complexity  n samples, m neurons, d features. Construction O(n m d), one BLAS product. A query that
#             reports k leaves visits the root and both children of each inner node above the
#             threshold, of which a level of 2^t nodes has at most min(2^t, k): in all at most
#             2 k log2(width / k) + 2 k - 1 nodes, or one if k = 0. An update takes n products of
#             length d, and O(log m) nodes in each of n trees (CorrelationDTree) or the O(n) nodes of
#             one tree (CorrelationWTree). Memory 2 * width values per tree.
# Threads     Kernels are serial and release the GIL. Concurrent queries are right, though they may
#             lose counts; an update must not run beside another call on the same object.
# Reference   Alman, Liang, Song, Zhang, Zhuo, "Bypass Exponential Time Preprocessing: Fast Neural
#             Network Training via Weight-Data Correlation Preprocessing", 2022, arXiv 2211.14227

"""Maximum trees that report which neurons fire on a sample, or on which samples a neuron fires."""

from math import isnan
from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_array, check_scalar

from cython cimport floating

from skfastnn._given import check_given


def _build_trees(
    floating[:, ::1] nodes,       # INOUT  (n_trees, 2 * width) leaves in, inner nodes out
):
    """Compute all inner nodes from the leaves, in place; return their number."""
    cdef Py_ssize_t n_trees = nodes.shape[0], width = nodes.shape[1] // 2
    cdef Py_ssize_t tree, node
    cdef floating left, right

    with nogil:
        for tree in range(n_trees):
            for node in range(width - 1, 0, -1):
                left = nodes[tree, 2 * node]
                right = nodes[tree, 2 * node + 1]
                nodes[tree, node] = left if left > right else right
    return n_trees * (width - 1)


cdef Py_ssize_t _replace_leaf(
    floating* tree,               # INOUT  (2 * width,)
    Py_ssize_t node,
    floating value,
) noexcept nogil:
    """Write one leaf and repair the path above it; return the number of inner nodes written."""
    cdef Py_ssize_t n_repaired = 0
    cdef floating sibling

    tree[node] = value
    while node > 1:
        sibling = tree[node ^ 1]
        if sibling > value:
            value = sibling
        node >>= 1
        # an unchanged maximum leaves all its ancestors unchanged too
        if tree[node] == value:
            break
        tree[node] = value
        n_repaired += 1
    return n_repaired


def _replace_leaf_in_all(
    floating[:, ::1] nodes,       # INOUT  (n_trees, 2 * width)
    Py_ssize_t leaf,
    const floating[::1] values,   # IN     (n_trees,)
):
    """Set the same leaf of every tree, in place; return the number of inner nodes that changed."""
    cdef Py_ssize_t n_trees = nodes.shape[0], node = nodes.shape[1] // 2 + leaf
    cdef Py_ssize_t n_repaired = 0, tree

    with nogil:
        for tree in range(n_trees):
            n_repaired += _replace_leaf(&nodes[tree, 0], node, values[tree])
    return n_repaired


def _query_tree(
    const floating[::1] tree,     # IN     (2 * width,)
    double threshold,
    Py_ssize_t[::1] found,        # OUT    (n_leaves,) the first n_found entries
):
    """Write the leaves strictly above a threshold to `found`; return (n_found, n_visited)."""
    # every level leaves at most one right child waiting, and a node number has 63 bits
    cdef Py_ssize_t[64] stack
    cdef Py_ssize_t width = tree.shape[0] // 2, node
    cdef Py_ssize_t n_stack = 1, n_found = 0, n_visited = 0

    stack[0] = 1
    with nogil:
        while n_stack > 0:
            n_stack -= 1
            node = stack[n_stack]
            n_visited += 1
            # in double precision, where a float32 node and the threshold are both exact
            if not (<double> tree[node] > threshold):
                continue
            if node >= width:
                found[n_found] = node - width
                n_found += 1
            else:
                # the left child is popped first, which makes the result ascending
                stack[n_stack] = 2 * node + 1
                stack[n_stack + 1] = 2 * node
                n_stack += 2
    return n_found, n_visited


def _check_index(index, name, size):
    """Return `index` as an int in [0, size)."""
    check_scalar(index, name, Integral)
    if not 0 <= index < size:
        raise IndexError(f"{name} {index} is out of range: expected 0 <= {name} < {size}.")
    return int(index)


def _check_vector(vector, name, size_name, size, dtype):
    """Return `vector` as a finite contiguous array of shape (size,)."""
    check_given(vector, name)
    vector = check_array(
        vector, dtype=dtype, order="C", ensure_2d=False, input_name=name,
        ensure_min_samples=0, ensure_min_features=0,
    )
    if vector.shape != (size,):
        raise ValueError(f"{name} must have shape ({size_name},) = ({size},), got {vector.shape}.")
    return vector


def _check_no_overflow(leaves):
    """Raise if a leaf is not finite; minimum and maximum propagate NaN and need no temporary."""
    if not (np.isfinite(leaves.min()) and np.isfinite(leaves.max())):
        raise ValueError(
            f"The products of weights and samples overflow {leaves.dtype}: rescale the data"
            " or use float64."
        )


class _CorrelationTrees:
    """Data, update and counters shared by both kinds of trees.

    A subclass grows its trees in `_plant` and, in `_write_leaves`, stores the new leaves of one
    neuron and returns the number of inner nodes written.
    """

    def __init__(self, weights, X, intercepts=None):
        dtypes = [np.float64, np.float32]
        for array, name in ((weights, "weights"), (X, "X")):
            check_given(array, name)
        weights = check_array(weights, dtype=dtypes, order="C", input_name="weights")
        # a copy: updates multiply by X, which the caller may overwrite
        X = check_array(X, dtype=dtypes, order="C", copy=True, input_name="X")
        if weights.shape[1] != X.shape[1]:
            sizes = f"{weights.shape[1]} and {X.shape[1]}"
            raise ValueError(f"weights and X must have the same number of features, got {sizes}.")
        self.n_neurons, self.n_features = weights.shape
        self.n_samples = X.shape[0]
        self.dtype = np.result_type(weights, X)
        self._X = X.astype(self.dtype, copy=False)
        if intercepts is None:
            intercepts = np.zeros(self.n_neurons)
        intercepts = _check_vector(intercepts, "intercepts", "n_neurons", self.n_neurons, self.dtype)
        self._intercepts = intercepts.copy()

        self.reset_counters()
        self._plant(weights.astype(self.dtype, copy=False))
        self._counters["dot_products"] += self.n_samples * self.n_neurons

    def _grow(self, tree_rows, leaf_rows, intercepts):
        """Build one tree per row of `tree_rows` with one leaf per row of `leaf_rows`."""
        n_trees, n_leaves = tree_rows.shape[0], leaf_rows.shape[0]
        self._width = 1 << (n_leaves - 1).bit_length()
        self._nodes = np.full((n_trees, 2 * self._width), -np.inf, dtype=self.dtype)
        leaves = self._nodes[:, self._width:self._width + n_leaves]
        with np.errstate(over="ignore", invalid="ignore"):
            np.matmul(tree_rows, leaf_rows.T, out=leaves)
            leaves += intercepts
        _check_no_overflow(leaves)
        _build_trees(self._nodes)

    def update(self, neuron, weight, intercept=None):
        """Replace the weights of one neuron and bring all trees up to date, in place.

        Parameters
        ----------
        neuron : int
            Neuron in [0, n_neurons).
        weight : array-like of shape (n_features,)
            Its new weights, converted to the dtype of the trees.
        intercept : float, default=None
            Its new intercept; None keeps the present one.

        Raises
        ------
        IndexError
            If `neuron` is out of range.
        ValueError
            If `weight` has the wrong shape, if a number is not finite or if a product overflows;
            the trees are then unchanged.
        """
        neuron = _check_index(neuron, "neuron", self.n_neurons)
        weight = _check_vector(weight, "weight", "n_features", self.n_features, self.dtype)
        if intercept is None:
            intercept = self._intercepts[neuron]
        else:
            check_scalar(intercept, "intercept", Real)
            if not np.isfinite(intercept):
                raise ValueError(f"intercept must be finite, got {intercept}.")
        with np.errstate(over="ignore", invalid="ignore"):
            intercept = self.dtype.type(intercept)
            leaves = self._X @ weight
            leaves += intercept
        # before anything is written: a refused update leaves the trees as they were
        _check_no_overflow(leaves)
        self._intercepts[neuron] = intercept
        self._counters["updates"] += 1
        self._counters["dot_products"] += self.n_samples
        self._counters["nodes_repaired"] += self._write_leaves(neuron, leaves)

    def _report(self, tree, n_leaves, threshold):
        """Return the leaves of one tree above the threshold, ascending."""
        check_scalar(threshold, "threshold", Real)
        if isnan(threshold):
            raise ValueError("threshold must not be NaN.")
        # pages that are not written cost nothing: the buffer does not add O(n_leaves) time
        found = np.empty(n_leaves, dtype=np.intp)
        n_found, n_visited = _query_tree(self._nodes[tree], threshold, found)
        self._counters["queries"] += 1
        self._counters["nodes_visited"] += n_visited
        self._counters["reported"] += n_found
        return found[:n_found].copy()

    @property
    def counters(self):
        """Operation counts since construction or the last reset, as a new dict."""
        return dict(self._counters)

    def reset_counters(self):
        """Set all operation counts to zero."""
        names = "queries", "nodes_visited", "reported", "updates", "dot_products", "nodes_repaired"
        self._counters = dict.fromkeys(names, 0)

    @property
    def nbytes(self):
        """Memory held by the arrays, in bytes."""
        return self._nodes.nbytes + self._X.nbytes + self._intercepts.nbytes


class CorrelationDTree(_CorrelationTrees):
    """One maximum tree per sample: which neurons fire on a sample?

    The tree of sample `i` has one leaf per neuron, `<w_r, x_i> + intercept_r`, and each inner node
    holds the maximum of its children. A query descends only into nodes above its threshold.

    Parameters
    ----------
    weights : array-like of shape (n_neurons, n_features)
        Weight vectors, one neuron per row.
    X : array-like of shape (n_samples, n_features)
        Samples. They are copied.
    intercepts : array-like of shape (n_neurons,), default=None
        Intercepts of the neurons; None stands for zeros.

    Attributes
    ----------
    n_samples, n_neurons, n_features : int
        Numbers of trees, of leaves per tree and of entries of a weight vector.
    dtype : dtype
        float32 if `weights` and `X` both are, float64 otherwise; the dtype of the nodes.
    counters : dict
        Operation counts since construction or the last reset, a new dict at each access:
        `queries`, `nodes_visited` (nodes compared with a threshold) and `reported` (indices
        returned) by queries; `updates` and `nodes_repaired` (inner nodes rewritten) by updates;
        `dot_products`, n_samples * n_neurons at construction and n_samples per update.
    nbytes : int
        Memory held by the arrays, in bytes.

    Raises
    ------
    ValueError
        If an array is not finite or has the wrong shape, if `weights` and `X` differ in the number
        of features, or if a product overflows the dtype.

    See Also
    --------
    CorrelationWTree : One tree per neuron: on which samples does a neuron fire?

    Notes
    -----
    Construction takes O(n_samples * n_neurons * n_features) time and two to four values of memory
    per pair. A query that reports k > 0 of m neurons visits at most
    ``2 * k * log2(m / k) + 4 * k`` nodes. An update takes n_samples dot products and repairs, in
    each tree, the path above one leaf up to the first node whose maximum stays.

    References
    ----------
    .. [1] Alman, Liang, Song, Zhang, Zhuo, "Bypass Exponential Time Preprocessing: Fast Neural
       Network Training via Weight-Data Correlation Preprocessing", 2022, arXiv 2211.14227.

    Examples
    --------
    >>> from skfastnn.search import CorrelationDTree
    >>> weights = [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]
    >>> X = [[1.0, 2.0], [3.0, -1.0]]
    >>> trees = CorrelationDTree(weights, X)
    >>> trees.query(0, threshold=1.0)
    array([1, 2])
    >>> trees.update(0, [2.0, 0.0])
    >>> trees.query(0, threshold=1.0)
    array([0, 1, 2])
    >>> trees.counters["dot_products"]
    8
    """

    def _plant(self, weights):
        self._grow(self._X, weights, self._intercepts)

    def _write_leaves(self, neuron, leaves):
        return _replace_leaf_in_all(self._nodes, neuron, leaves)

    def query(self, sample, threshold):
        """Report all neurons whose value on a sample is strictly above a threshold.

        Parameters
        ----------
        sample : int
            Sample in [0, n_samples).
        threshold : float
            Compared as it is, not rounded to the dtype of the trees. May be infinite.

        Returns
        -------
        neurons : ndarray of shape (n_fired,), dtype=intp
            The neurons in ascending order.

        Raises
        ------
        IndexError
            If `sample` is out of range.
        ValueError
            If `threshold` is NaN.
        """
        sample = _check_index(sample, "sample", self.n_samples)
        return self._report(sample, self.n_neurons, threshold)


class CorrelationWTree(_CorrelationTrees):
    """One maximum tree per neuron: on which samples does a neuron fire?

    The tree of neuron `r` has one leaf per sample, `<w_r, x_i> + intercept_r`, and each inner node
    holds the maximum of its children. A query descends only into nodes above its threshold.

    Parameters
    ----------
    weights : array-like of shape (n_neurons, n_features)
        Weight vectors, one neuron per row.
    X : array-like of shape (n_samples, n_features)
        Samples. They are copied.
    intercepts : array-like of shape (n_neurons,), default=None
        Intercepts of the neurons; None stands for zeros.

    Attributes
    ----------
    n_samples, n_neurons, n_features : int
        Numbers of leaves per tree, of trees and of entries of a weight vector.
    dtype : dtype
        float32 if `weights` and `X` both are, float64 otherwise; the dtype of the nodes.
    counters : dict
        Operation counts as in :class:`CorrelationDTree`; an update rewrites one whole tree.
    nbytes : int
        Memory held by the arrays, in bytes.

    Raises
    ------
    ValueError
        If an array is not finite or has the wrong shape, if `weights` and `X` differ in the number
        of features, or if a product overflows the dtype.

    See Also
    --------
    CorrelationDTree : One tree per sample: which neurons fire on a sample?

    Notes
    -----
    Construction and memory are those of :class:`CorrelationDTree`. A query that reports k > 0 of n
    samples visits at most ``2 * k * log2(n / k) + 4 * k`` nodes. An update takes n_samples dot
    products and rebuilds one tree.

    References
    ----------
    .. [1] Alman, Liang, Song, Zhang, Zhuo, "Bypass Exponential Time Preprocessing: Fast Neural
       Network Training via Weight-Data Correlation Preprocessing", 2022, arXiv 2211.14227.

    Examples
    --------
    >>> from skfastnn.search import CorrelationWTree
    >>> weights = [[1.0, 0.0], [0.0, 1.0]]
    >>> X = [[1.0, 2.0], [3.0, -1.0], [2.0, 0.0]]
    >>> trees = CorrelationWTree(weights, X)
    >>> trees.query(0, threshold=1.0)
    array([1, 2])
    >>> trees.update(0, [0.0, 2.0], intercept=1.0)
    >>> trees.query(0, threshold=0.0)
    array([0, 2])
    """

    def _plant(self, weights):
        self._grow(weights, self._X, self._intercepts[:, np.newaxis])

    def _write_leaves(self, neuron, leaves):
        tree = self._nodes[neuron:neuron + 1]
        tree[0, self._width:self._width + self.n_samples] = leaves
        return _build_trees(tree)

    def query(self, neuron, threshold):
        """Report all samples on which a neuron is strictly above a threshold.

        Parameters
        ----------
        neuron : int
            Neuron in [0, n_neurons).
        threshold : float
            Compared as it is, not rounded to the dtype of the trees. May be infinite.

        Returns
        -------
        samples : ndarray of shape (n_fired,), dtype=intp
            The samples in ascending order.

        Raises
        ------
        IndexError
            If `neuron` is out of range.
        ValueError
            If `threshold` is NaN.
        """
        neuron = _check_index(neuron, "neuron", self.n_neurons)
        return self._report(neuron, self.n_samples, threshold)
