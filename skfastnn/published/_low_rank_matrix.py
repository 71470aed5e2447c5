"""A matrix kept as itself plus low-rank updates that have not been added yet.

It is the structure behind the claim of subquadratic training in Song, Zhang and Zhang [1]_, with operation counters.
Training in this package does not use it: see the notes of :class:`LazyLowRankMatrix`.
"""

import math
from numbers import Integral

import numpy as np
from scipy import sparse
from scipy.linalg.blas import get_blas_funcs
from sklearn.utils import check_array, check_scalar

from skfastnn._given import check_given

# An m x m matrix and an m x m^alpha matrix multiply in m^(2 + o(1)) operations up to this alpha: the published restart
# size is m^alpha.
ALPHA = 0.321334
COUNTS = ("copies", "query_multiplications", "factor_multiplications", "flush_multiplications")
CALLS = ("n_updates", "n_queries", "n_flushes")


def _check_factor(factor, name, n_rows, dtype):
    """Return a dense or sparse factor of an update as a finite dense array with `n_rows` rows."""
    check_given(factor, name)
    factor = check_array(factor, accept_sparse=True, dtype=dtype, input_name=name, ensure_min_features=0)
    if factor.shape[0] != n_rows:
        raise ValueError(f"{name} must have {n_rows} rows, got {factor.shape[0]}.")
    return factor.toarray() if sparse.issparse(factor) else factor


def _check_indices(indices, name, size):
    """Return `indices` as a one-dimensional array of integers in [0, size)."""
    indices = np.asarray(indices)
    if indices.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, got an array of shape {indices.shape}.")
    # an empty list becomes an array of floats
    if indices.size and indices.dtype.kind not in "iu":
        raise TypeError(f"{name} must be integers, got {indices.dtype}.")
    if indices.size and not (0 <= indices.min() and indices.max() < size):
        raise IndexError(f"{name} are out of range: expected 0 <= index < {size}.")
    return indices.astype(np.intp)


def _check_values(values, indices, dtype):
    """Return `values` as finite numbers, one for each index."""
    check_given(values, "values")
    values = check_array(values, ensure_2d=False, dtype=dtype, input_name="values", ensure_min_samples=0)
    if values.shape != indices.shape:
        raise ValueError(f"indices and values must have the same length, got {indices.shape} and {values.shape}.")
    return values


class _Columns:
    """Columns of equal length, with room to append more: those in use are contiguous in Fortran order."""

    def __init__(self, n_rows, dtype):
        self._buffer = np.empty((n_rows, 0), dtype, order="F")
        self.n = 0

    def append(self, columns):
        end = self.n + columns.shape[1]
        if end > self._buffer.shape[1]:
            # twice as much as needed: what is copied stays in proportion to what is appended
            wider = np.empty((columns.shape[0], 2 * end), columns.dtype, order="F")
            wider[:, : self.n] = self.array
            self._buffer = wider
        self._buffer[:, self.n : end] = columns
        self.n = end

    @property
    def array(self):
        return self._buffer[:, : self.n]

    @property
    def nbytes(self):
        return self._buffer.nbytes


class LazyLowRankMatrix:
    """A matrix `W + F E'` that takes low-rank updates lazily and multiplies sparse vectors.

    An update appends its two factors to `F` and `E`. A product reads the columns of `W` that the vector needs, and the
    factors. When `F` and `E` have `rank_limit` columns they are multiplied and added to `W`: a flush.

    Parameters
    ----------
    W : array-like of shape (n_rows, n_columns)
        The matrix at the start. It is copied, to column-major order.
    rank_limit : int, "auto" or None, default=None
        When the factors are flushed: at this number of columns or more. None stands for the published restart size,
        ``n_columns ** 0.321334`` rounded up. "auto": before products on the factors would have taken more
        multiplications than the flush takes, the balance for classical multiplication.

    Attributes
    ----------
    shape : tuple of int
        (n_rows, n_columns).
    dtype : dtype
        float32 or float64, that of `W`; float64 for any other dtype of `W`.
    rank : int
        Columns of the factors at present.
    rank_limit : int, "auto" or None
        As given.
    counters : dict
        Operation counts since construction or the last reset, a new dict at each access. `copies`: numbers written by
        construction and updates, which multiply nothing. Multiplications: `query_multiplications` with entries of
        `W`, `factor_multiplications` with entries of the factors, both by products, and `flush_multiplications`.
        Calls: `n_updates`, `n_queries` (vectors multiplied) and `n_flushes`.
    nbytes : int
        Memory held by the arrays, in bytes.

    Raises
    ------
    ValueError
        If `W` is not a finite two-dimensional array, or if `rank_limit` is less than 1 or another string.
    TypeError
        If `rank_limit` is not of one of these types.

    See Also
    --------
    skfastnn.sketch.TensorSketch : The sketch that goes with it in the same paper.

    Notes
    -----
    With m = n_rows = n_columns, rank R, and k stored entries in a vector, an update of n columns copies 2 n m numbers,
    a product takes k m + R (k + m) multiplications, a transposed product at l columns k l + R (k + l), and a flush
    m^2 R.

    The published bound rests on fast rectangular matrix multiplication, by which a flush takes ``m ** (2 + o(1))``
    whatever R up to the restart size: spread over m^0.321334 columns that is about n m^1.68 for each update of n
    columns. No library multiplies like that. With classical multiplication a flush takes m^2 for each column, so n m^2
    for each update whatever the restart size, and a greater one only adds work to the products. A network that trains
    adds its updates to the k x k entries of `W` that they touch instead, n k^2 multiplications. This class is the
    reference to count against.

    "auto" follows the rule of ski rental: factors and flushes together never take more than twice what flushing each
    update at once would. It flushes after about m products, when the factors may be as large as `W`.

    An overflow shows as an infinite entry; it is not checked for. Calls on the same object must not run concurrently.

    References
    ----------
    .. [1] Song, Zhang, Zhang, "Training Multi-Layer Over-Parametrized Neural Network in Subquadratic Time", 2021,
       arXiv 2112.07628, lazy low-rank maintenance.

    Examples
    --------
    >>> from skfastnn.lowrank import LazyLowRankMatrix
    >>> W = LazyLowRankMatrix([[1.0, 2.0], [3.0, 4.0]], rank_limit=2)
    >>> W.update([[1.0], [0.0]], [[0.0], [10.0]])
    >>> W.query([1], [1.0])
    array([12.,  4.])
    >>> W.rank, W.counters["query_multiplications"], W.counters["factor_multiplications"]
    (1, 2, 3)
    >>> W.update([[0.0], [1.0]], [[5.0], [0.0]])
    >>> W.rank, W.counters["n_flushes"]
    (0, 1)
    >>> W.to_array()
    array([[ 1., 12.],
           [ 8.,  4.]])
    """

    def __init__(self, W, rank_limit=None):
        check_given(W, "W")
        W = check_array(W, dtype=[np.float64, np.float32], input_name="W")
        # products read columns
        self._W = np.array(W, order="F", copy=True)
        self.shape, self.dtype = self._W.shape, self._W.dtype
        self._left, self._right = (_Columns(size, self.dtype) for size in self.shape)
        self.rank_limit = self._check_rank_limit(rank_limit)
        # multiplications with the factors since the last flush; a reset of the counters leaves it alone
        self._rent = 0
        self.reset_counters()
        self._counters["copies"] = self._W.size

    def _check_rank_limit(self, rank_limit):
        if isinstance(rank_limit, str):
            if rank_limit != "auto":
                raise ValueError(f"rank_limit must be an int of at least 1, 'auto' or None, got {rank_limit!r}.")
        elif rank_limit is not None:
            check_scalar(rank_limit, "rank_limit", Integral, min_val=1)
            rank_limit = int(rank_limit)
        return rank_limit

    @property
    def rank(self):
        """Columns of the factors at present."""
        return self._left.n

    def update(self, U, V):
        """Add ``U @ V.T``, in place, and flush if `rank_limit` says so.

        Parameters
        ----------
        U : {array-like, sparse matrix} of shape (n_rows, n)
            Converted to the dtype of the matrix, and to a dense array: the factors are stored in full.
        V : {array-like, sparse matrix} of shape (n_columns, n)
            Converted likewise. n may be 0.

        Raises
        ------
        ValueError
            If a shape is wrong or an entry is not finite; the matrix is then unchanged.

        Examples
        --------
        >>> from skfastnn.lowrank import LazyLowRankMatrix
        >>> W = LazyLowRankMatrix([[1.0, 2.0], [3.0, 4.0]])
        >>> W.update([[1.0], [0.0]], [[0.0], [10.0]])
        >>> W.to_array()
        array([[ 1., 12.],
               [ 3.,  4.]])
        """
        U = _check_factor(U, "U", self.shape[0], self.dtype)
        V = _check_factor(V, "V", self.shape[1], self.dtype)
        if U.shape[1] != V.shape[1]:
            raise ValueError(f"U and V must have the same number of columns, got {U.shape[1]} and {V.shape[1]}.")
        self._left.append(U)
        self._right.append(V)
        self._counters["n_updates"] += 1
        self._counters["copies"] += U.size + V.size
        if self.rank_limit != "auto":
            limit = math.ceil(self.shape[1] ** ALPHA) if self.rank_limit is None else self.rank_limit
            if self.rank >= limit:
                self.flush()

    def query(self, indices, values):
        """Return the product with one sparse vector.

        Parameters
        ----------
        indices : array-like of shape (n_nonzero,), dtype=int
            Where the vector is not zero, in [0, n_columns). The values of an index given twice add up.
        values : array-like of shape (n_nonzero,)
            Its entries there.

        Returns
        -------
        product : ndarray of shape (n_rows,), dtype that of the matrix
            The matrix times the vector.

        Raises
        ------
        IndexError
            If an index is out of range.
        TypeError
            If indices are not integers.
        ValueError
            If the two differ in length or a value is not finite.

        Examples
        --------
        >>> from skfastnn.lowrank import LazyLowRankMatrix
        >>> W = LazyLowRankMatrix([[1.0, 2.0], [3.0, 4.0]])
        >>> W.query([1], [10.0])  # times (0, 10)
        array([20., 40.])
        """
        indices = _check_indices(indices, "indices", self.shape[1])
        values = _check_values(values, indices, self.dtype)
        ends = np.array([0, len(indices)])
        return self._multiply(sparse.csr_matrix((values, indices, ends), shape=(1, self.shape[1])))[0]

    def query_rows(self, H):
        """Return the products with many sparse vectors, ``H @ W.T``.

        Parameters
        ----------
        H : {sparse matrix, array-like} of shape (n_vectors, n_columns)
            One vector per row. Stored entries count as nonzero; a dense array is compressed first.

        Returns
        -------
        products : ndarray of shape (n_vectors, n_rows), dtype that of the matrix
            One product per row.

        Raises
        ------
        ValueError
            If `H` has another number of columns or an entry is not finite.

        Examples
        --------
        >>> from skfastnn.lowrank import LazyLowRankMatrix
        >>> W = LazyLowRankMatrix([[1.0, 2.0], [3.0, 4.0]])
        >>> W.query_rows([[0.0, 10.0], [1.0, 1.0]])
        array([[20., 40.],
               [ 3.,  7.]])
        """
        check_given(H, "H")
        H = check_array(H, accept_sparse="csr", dtype=self.dtype, input_name="H", ensure_min_samples=0)
        if H.shape[1] != self.shape[1]:
            raise ValueError(f"H must have {self.shape[1]} columns, got {H.shape[1]}.")
        return self._multiply(sparse.csr_matrix(H))

    def query_transposed(self, indices, values, columns=None):
        """Return the product of the transpose with one sparse vector, at some of its entries.

        Parameters
        ----------
        indices : array-like of shape (n_nonzero,), dtype=int
            Where the vector is not zero, in [0, n_rows). The values of an index given twice add up.
        values : array-like of shape (n_nonzero,)
            Its entries there.
        columns : array-like of shape (n_wanted,), dtype=int, default=None
            The entries of the product that are wanted, in [0, n_columns); None stands for all. Only the entries of the
            matrix in rows `indices` and columns `columns` are read.

        Returns
        -------
        product : ndarray of shape (n_wanted,) or (n_columns,), dtype that of the matrix
            The transposed matrix times the vector.

        Raises
        ------
        IndexError
            If an index is out of range.
        TypeError
            If indices are not integers.
        ValueError
            If `indices` and `values` differ in length or a value is not finite.

        Examples
        --------
        >>> from skfastnn.lowrank import LazyLowRankMatrix
        >>> W = LazyLowRankMatrix([[1.0, 2.0], [3.0, 4.0]])
        >>> W.query_transposed([0], [10.0], columns=[1])  # times (10, 0), the second entry
        array([20.])
        """
        indices = _check_indices(indices, "indices", self.shape[0])
        values = _check_values(values, indices, self.dtype)
        if columns is not None:
            columns = _check_indices(columns, "columns", self.shape[1])
        n_wanted = self.shape[1] if columns is None else len(columns)
        self._account(1, len(indices) * n_wanted, len(indices) + n_wanted)
        # after the flush that the account may have called for
        right = self._right.array if columns is None else self._right.array[columns]
        block = self._W[indices].T if columns is None else self._W.T[np.ix_(columns, indices)]
        return block @ values + right @ (self._left.array[indices].T @ values)

    def flush(self):
        """Add the product of the factors to the stored matrix and drop them, in place. Without factors do nothing."""
        if self.rank == 0:
            return
        # BLAS adds to the column-major array itself, without another of its size
        gemm = get_blas_funcs("gemm", (self._W,))
        self._W = gemm(1.0, self._left.array, self._right.array, beta=1.0, c=self._W, trans_b=True, overwrite_c=True)
        self._counters["flush_multiplications"] += self._flush_price()
        self._counters["n_flushes"] += 1
        self._left.n = self._right.n = self._rent = 0

    def to_array(self):
        """Return the matrix, updates included; nothing is flushed or counted.

        Returns
        -------
        matrix : ndarray of shape (n_rows, n_columns), dtype that of the matrix
            A new array.
        """
        return self._W + self._left.array @ self._right.array.T

    def _multiply(self, H):
        n_vectors, n_stored = H.shape[0], int(H.nnz)
        self._account(n_vectors, n_stored * self.shape[0], n_stored + n_vectors * self.shape[0])
        # a stored entry adds a multiple of one column of W, which is contiguous
        products = H @ self._W.T
        if self.rank:
            products += (H @ self._right.array) @ self._left.array.T
        return products

    def _account(self, n_queries, n_query, n_factor):
        """Count products about to be made, `n_factor` multiplications for each column of the factors."""
        # flushed before the products that would make the factors dearer than their flush
        if self.rank_limit == "auto" and self._rent + self.rank * n_factor > self._flush_price():
            self.flush()
        self._rent += self.rank * n_factor
        self._counters["n_queries"] += n_queries
        self._counters["query_multiplications"] += n_query
        self._counters["factor_multiplications"] += self.rank * n_factor

    def _flush_price(self):
        return self.shape[0] * self.shape[1] * self.rank

    @property
    def counters(self):
        """Operation counts since construction or the last reset, as a new dict."""
        return dict(self._counters)

    def reset_counters(self):
        """Set all operation counts to zero."""
        self._counters = dict.fromkeys((*COUNTS, *CALLS), 0)

    @property
    def nbytes(self):
        """Memory held by the arrays, in bytes."""
        return self._W.nbytes + self._left.nbytes + self._right.nbytes
