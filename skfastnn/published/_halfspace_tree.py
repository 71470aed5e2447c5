"""Half-space reporting for use by itself: a dynamic set of points that is asked for those above a hyperplane."""

from numbers import Real

import numpy as np
from sklearn.utils import check_array, check_scalar

from skfastnn._given import check_given, check_numbered
from skfastnn.passes.shared._boxes import LEAF_SIZE, BoxTree, spatial_order
from skfastnn.search.halfspace._halfspace_query import N_SPARE, points_above

COUNTERS = ("queries", "boxes_visited", "points_scanned", "reported", "points_indexed")


class _Part:
    """A static tree over some of the points, in an order of its own.

    Attributes
    ----------
    numbers : ndarray of shape (n,), int32
        Number of the point at each place.
    n_deleted : int
    """

    def __init__(self, points, numbers):
        coordinates = points[numbers]
        order = spatial_order(coordinates, points.shape[1])
        self.numbers = numbers[order]
        self.n_deleted = 0
        self.tree = BoxTree(numbers.size, points.shape[1], points.dtype)
        self.tree.fill(coordinates, order, 1)


class HalfspaceTree:
    """Points in a few dimensions that report which of them lie above a hyperplane.

    Points are grouped in boxes, boxes in larger boxes. A query looks only into boxes that the hyperplane cuts; a box
    that lies above it is reported as a whole, without a look at its points.

    Parameters
    ----------
    points : array-like of shape (n_points, n_features)
        The points, numbered from 0 in the order given. They are copied. There may be none of them.

    Attributes
    ----------
    n_points : int
        Points in the set: those added and not deleted.
    n_features : int
        Coordinates of a point.
    dtype : dtype
        float32 if `points` is, float64 otherwise.
    counters : dict
        Operation counts since construction or the last reset, a new dict at each access: `queries`, `boxes_visited`
        (boxes compared with a hyperplane), `points_scanned` (points compared), `reported` (points returned), and
        `points_indexed` (points put in a tree: at construction, when trees are merged after additions, and when a
        tree is half empty after deletions).
    nbytes : int
        Memory held by the arrays, in bytes.

    Raises
    ------
    ValueError
        If `points` is not finite or not two-dimensional.

    See Also
    --------
    CorrelationDTree : Trees that report the neurons that fire on a sample, in any dimension.

    Notes
    -----
    A query costs the boxes that the hyperplane cuts and what it reports. The paper's structure for near-linear memory
    takes O(n^(1 - 1/floor(d/2)) + k) for k reported points in theory; boxes along the axes have no such bound, and do
    about as well up to d = 3. They degrade with the dimension: see the user guide for the share of points scanned.

    Additions go to a tree of their own; trees of about the same size are merged, so that there are O(log n) of them and
    an addition costs O(log^2 n) amortised (Bentley and Saxe's logarithmic method). Deleted points are left out of
    answers, and a tree half of whose points are deleted is built anew.

    References
    ----------
    .. [1] Song, Yang, Zhang, "Does Preprocessing Help Training Over-parameterized Neural Networks?", 2021,
       arXiv 2110.04622, section on half-space reporting.
    .. [2] Agarwal, Eppstein, Matousek, "Dynamic Half-Space Reporting, Geometric Optimization, and Minimum Spanning
       Trees", 1992.

    Examples
    --------
    >>> from skfastnn.search import HalfspaceTree
    >>> tree = HalfspaceTree([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
    >>> tree.query([1.0, 1.0], offset=0.5)
    array([1, 2])
    >>> tree.add([[3.0, 3.0]])
    array([3])
    >>> tree.delete([1])
    >>> tree.query([1.0, 1.0], offset=0.5)
    array([2, 3])
    """

    def __init__(self, points):
        points = self._check_points(points, dtype=[np.float64, np.float32])
        self.n_features, self.dtype = points.shape[1], points.dtype
        self._points = np.empty((0, self.n_features), dtype=self.dtype)
        self._present, self._owner = np.empty(0, dtype=bool), np.empty(0, dtype=np.int32)
        self._n_numbers = 0
        self._parts = []
        self.reset_counters()
        self.add(points)

    @staticmethod
    def _check_points(points, dtype):
        check_numbered(points, "points")
        check_given(points, "points")
        return check_array(points, dtype=dtype, order="C", input_name="points", ensure_min_samples=0)

    @property
    def n_points(self):
        """Points in the set."""
        return sum(part.numbers.size - part.n_deleted for part in self._parts)

    def add(self, points):
        """Add points.

        Parameters
        ----------
        points : array-like of shape (n_new, n_features)
            Converted to the dtype of the tree.

        Returns
        -------
        numbers : ndarray of shape (n_new,), dtype=intp
            Their numbers, by which queries report and `delete` knows them; numbers are never used again.

        Raises
        ------
        ValueError
            If a coordinate is not finite or the number of features differs.
        """
        points = self._check_points(points, dtype=self.dtype)
        if points.shape[1] != self.n_features:
            raise ValueError(f"points must have {self.n_features} features, got {points.shape[1]}.")
        numbers = np.arange(self._n_numbers, self._n_numbers + points.shape[0])
        if points.shape[0] == 0:
            return numbers
        self._make_room(numbers[-1] + 1)
        self._points[numbers] = points
        self._present[numbers] = True
        self._n_numbers += points.shape[0]
        self._index(numbers.astype(np.int32))
        return numbers

    def _make_room(self, n_wanted):
        if n_wanted > self._points.shape[0]:
            n_free = max(n_wanted, 2 * self._points.shape[0]) - self._n_numbers
            self._points = np.concatenate([self._points[: self._n_numbers], np.zeros((n_free, self.n_features))])
            self._points = self._points.astype(self.dtype, copy=False)
            self._present = np.concatenate([self._present[: self._n_numbers], np.zeros(n_free, dtype=bool)])
            self._owner = np.concatenate([self._owner[: self._n_numbers], np.zeros(n_free, dtype=np.int32)])

    def _index(self, numbers):
        """Put points in a tree, together with those of trees that are not larger than twice what they join."""
        while self._parts and self._parts[-1].numbers.size <= max(2 * numbers.size, LEAF_SIZE):
            earlier = self._parts.pop().numbers
            numbers = np.concatenate([earlier[self._present[earlier]], numbers])
        if numbers.size:
            self._parts.append(_Part(self._points, numbers))
            # trees are told apart by their first point, which is in one of them at a time
            self._owner[numbers] = self._parts[-1].numbers[0]
            self._counters["points_indexed"] += numbers.size

    def delete(self, numbers):
        """Delete points.

        Parameters
        ----------
        numbers : array-like of shape (n_deleted,)
            Numbers of points in the set, each once.

        Raises
        ------
        IndexError
            If there is no such point, or no longer; nothing is deleted then.
        """
        numbers = np.atleast_1d(np.asarray(numbers))
        if numbers.size == 0:
            return
        if not np.issubdtype(numbers.dtype, np.integer) or numbers.ndim != 1:
            raise IndexError("numbers must be a list of integers")
        known = (numbers >= 0) & (numbers < self._n_numbers)
        known[known] = self._present[numbers[known]]
        if not known.all() or np.unique(numbers).size < numbers.size:
            wrong = numbers[~known][0] if not known.all() else "given twice"
            raise IndexError(f"numbers must name points of the set, each once: {wrong} does not.")
        self._present[numbers] = False
        n_deleted = dict(zip(*np.unique(self._owner[numbers], return_counts=True), strict=True))
        parts, self._parts = self._parts, []
        for part in parts:
            part.n_deleted += n_deleted.get(part.numbers[0], 0)
            if 2 * part.n_deleted > part.numbers.size:
                self._index(part.numbers[self._present[part.numbers]])
            else:
                self._parts.append(part)

    def query(self, normal, offset):
        """Report all points with ``<normal, point> > offset``.

        Parameters
        ----------
        normal : array-like of shape (n_features,)
            Normal vector of the hyperplane, of any length.
        offset : float
            What inner products with it have to exceed. Both are converted to the dtype of the tree, in which inner
            products are computed.

        Returns
        -------
        numbers : ndarray of shape (n_reported,), dtype=intp
            The numbers of these points, ascending.

        Raises
        ------
        ValueError
            If a number is NaN, or `normal` is infinite or of the wrong shape.

        Examples
        --------
        >>> from skfastnn.search import HalfspaceTree
        >>> HalfspaceTree([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]]).query([1.0, 1.0], offset=1.5)
        array([2])
        """
        check_given(normal, "normal")
        normal = check_array(normal, dtype=self.dtype, order="C", ensure_2d=False, input_name="normal")
        if normal.shape != (self.n_features,):
            raise ValueError(f"normal must have shape ({self.n_features},), got {normal.shape}.")
        check_scalar(offset, "offset", Real)
        if np.isnan(offset):
            raise ValueError("offset must not be NaN.")
        found = []
        for part in self._parts:
            places = np.empty(part.numbers.size + N_SPARE, dtype=np.int32)
            n_found, n_boxes, n_scanned = points_above(part.tree, normal, offset, places)
            numbers = part.numbers[places[:n_found]]
            found.append(numbers[self._present[numbers]] if part.n_deleted else numbers)
            self._counters["boxes_visited"] += n_boxes
            self._counters["points_scanned"] += n_scanned
        numbers = np.sort(np.concatenate(found)).astype(np.intp) if found else np.empty(0, dtype=np.intp)
        self._counters["queries"] += 1
        self._counters["reported"] += numbers.size
        return numbers

    @property
    def counters(self):
        """Operation counts since construction or the last reset, as a new dict."""
        return dict(self._counters)

    def reset_counters(self):
        """Set all operation counts to zero."""
        self._counters = dict.fromkeys(COUNTERS, 0)

    @property
    def nbytes(self):
        """Memory held by the arrays, in bytes."""
        trees = sum(part.numbers.nbytes + part.tree.nbytes for part in self._parts)
        return self._points.nbytes + self._present.nbytes + self._owner.nbytes + trees

    def __getstate__(self):
        # trees are made of what else is here
        state = self.__dict__.copy()
        state["_parts"] = [part.numbers[self._present[part.numbers]] for part in self._parts]
        return state

    def __setstate__(self, state):
        self.__dict__.update(state, _parts=[])
        for numbers in state["_parts"]:
            if numbers.size:
                self._index(numbers)
