"""Sketches of Kronecker products, and what they precondition.

Sample i has two vectors u_i and h_i: the gradient of a network's output at a layer with regard to its weights is the
rank-one matrix u_i h_i', whose entries are those of the Kronecker product u_i x h_i, a row of the Jacobian J. The
sketches map such a row to `n_components` numbers from its two vectors, without forming it.
:func:`sketched_preconditioner` makes of the sketched rows a preconditioner for the Gram matrix J J', and
:func:`solve_gram` solves with it.
"""

import warnings
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from scipy import fft, sparse
from scipy.linalg import cholesky, qr, solve_triangular
from scipy.sparse.linalg import LinearOperator, cg
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array, check_random_state, check_scalar, gen_batches
from sklearn.utils._chunking import get_chunk_n_rows
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.validation import check_is_fitted

from skfastnn._given import check_given


def _check_pair(U, H, n_features=None):
    """Return U and H, dense or CSR, finite, in their common dtype and with the same number of rows."""
    dtypes = [np.float64, np.float32]
    check_given(U, "U")
    check_given(H, "H")
    U = check_array(U, accept_sparse="csr", dtype=dtypes, input_name="U")
    H = check_array(H, accept_sparse="csr", dtype=dtypes, input_name="H")
    if U.shape[0] != H.shape[0]:
        raise ValueError(f"U and H must have the same number of rows, got {U.shape[0]} and {H.shape[0]}.")
    if n_features is not None and (U.shape[1], H.shape[1]) != n_features:
        raise ValueError(
            f"U and H have {U.shape[1]} and {H.shape[1]} features, but the sketch was drawn for"
            f" {n_features[0]} and {n_features[1]}."
        )
    dtype = np.result_type(U.dtype, H.dtype)
    return U.astype(dtype, copy=False), H.astype(dtype, copy=False)


def _to_dense(X):
    return X.toarray() if sparse.issparse(X) else X


class _PairSketch(BaseEstimator):
    """What both sketches share; a subclass draws its maps in `_draw` and applies them in `_sketch`."""

    def __init__(self, n_components=100, *, random_state=None):
        self.n_components = n_components
        self.random_state = random_state

    def fit(self, U, H):
        """Draw the random maps for vectors of these lengths; the numbers in them do not matter.

        Parameters
        ----------
        U : {array-like, sparse matrix} of shape (n_samples, n_left)
            The first vector of each sample, a row.
        H : {array-like, sparse matrix} of shape (n_samples, n_right)
            The second.

        Returns
        -------
        self : object
            The sketch, ready for :meth:`transform`.

        Raises
        ------
        ValueError
            If the two differ in their number of rows, if a number is not finite, or if `n_components` is less than 1.
        TypeError
            If `n_components` is not an integer.
        """
        check_scalar(self.n_components, "n_components", Integral, min_val=1)
        U, H = _check_pair(U, H)
        self.n_features_ = U.shape[1], H.shape[1]
        random_state = check_random_state(self.random_state)
        self.maps_ = tuple(self._draw(n_features, random_state) for n_features in self.n_features_)
        return self

    def transform(self, U, H):
        """Return the sketches of the Kronecker products of the rows.

        Parameters
        ----------
        U : {array-like, sparse matrix} of shape (n_samples, n_left)
            The first vector of each sample, a row.
        H : {array-like, sparse matrix} of shape (n_samples, n_right)
            The second.

        Returns
        -------
        sketches : ndarray of shape (n_samples, n_components)
            A sketch for each row: float32 if `U` and `H` both are, float64 otherwise.

        Raises
        ------
        NotFittedError
            If nothing was drawn yet.
        ValueError
            If a shape is not that of :meth:`fit`, or if a number is not finite.
        """
        check_is_fitted(self)
        return self._sketch(*_check_pair(U, H, self.n_features_))

    def fit_transform(self, U, H):
        """Draw the maps and return the sketches: :meth:`fit`, then :meth:`transform`.

        Parameters
        ----------
        U : {array-like, sparse matrix} of shape (n_samples, n_left)
            The first vector of each sample, a row.
        H : {array-like, sparse matrix} of shape (n_samples, n_right)
            The second.

        Returns
        -------
        sketches : ndarray of shape (n_samples, n_components)
            A sketch for each row: float32 if `U` and `H` both are, float64 otherwise.

        Raises
        ------
        ValueError, TypeError
            As :meth:`fit`.
        """
        return self.fit(U, H).transform(U, H)


class TensorSketch(_PairSketch):
    """Sketches of Kronecker products by convolution of two count sketches.

    Each coordinate of either vector is added to one of `n_components` buckets, chosen at random, with a random sign.
    The circular convolution of the two results is such a count sketch of the Kronecker product, and takes three
    Fourier transforms.

    Parameters
    ----------
    n_components : int, default=100
        Length of a sketch.
    random_state : int, RandomState instance or None, default=None
        An int makes the draw reproducible.

    Attributes
    ----------
    n_features_ : tuple of int
        Lengths of the vectors seen in fit, (n_left, n_right).
    maps_ : tuple of two sparse arrays of shape (n_left, n_components) and (n_right, n_components)
        The count sketches.

    See Also
    --------
    TensorSRHT : Sketches by sampled Hadamard transforms, for rows of any kind.
    sklearn.kernel_approximation.PolynomialCountSketch : The sketch of the power of one vector.

    Notes
    -----
    The expectation, over the draw, of the inner product of two sketches is <u, u'> <h, h'>. A row takes time in
    proportion to its stored entries and to n_components * log(n_components).

    Where vectors have one or two entries each, two rows can fall into the same bucket and become the same, unless
    n_components is of the order of n_samples^2. :class:`TensorSRHT` spreads such rows. With twenty entries both were
    alike.

    References
    ----------
    .. [1] Pham, Pagh, "Fast and Scalable Polynomial Kernels via Explicit Feature Maps", KDD 2013.
    .. [2] Song, Zhang, Zhang, "Training Multi-Layer Over-Parametrized Neural Network in Subquadratic Time", 2021,
       arXiv 2112.07628, tensor-based sketching.

    Examples
    --------
    >>> import numpy as np
    >>> from skfastnn.sketch import TensorSketch
    >>> U, H = np.eye(3), np.ones((3, 4))
    >>> sketches = TensorSketch(1000, random_state=0).fit_transform(U, H)
    >>> sketches.shape
    (3, 1000)
    >>> bool(np.abs(sketches @ sketches.T - (U @ U.T) * (H @ H.T)).max() < 0.5)
    True
    """

    def _draw(self, n_features, random_state):
        buckets = random_state.randint(self.n_components, size=n_features)
        signs = random_state.choice([-1.0, 1.0], size=n_features)
        return sparse.csr_array((signs, buckets, np.arange(n_features + 1)), shape=(n_features, self.n_components))

    def _sketch(self, U, H):
        spectrum = 1.0
        for X, buckets in zip((U, H), self.maps_, strict=True):
            # one product for each stored entry; dense rows are transposed to let the sparse factor come first
            counts = X @ buckets if sparse.issparse(X) else (buckets.T @ X.T).T
            spectrum = spectrum * fft.rfft(_to_dense(counts).astype(U.dtype, copy=False), axis=1)
        return fft.irfft(spectrum, n=self.n_components, axis=1)


def _hadamard_transform(X):
    """Multiply the rows, whose length is a power of two, by the Hadamard matrix of entries +-1, in place."""
    n_rows, width = X.shape
    half = 1
    while half < width:
        pairs = X.reshape(n_rows, width // (2 * half), 2, half)
        left, right = pairs[:, :, 0], pairs[:, :, 1]
        difference = left - right
        left += right
        right[...] = difference
        half *= 2
    return X


class TensorSRHT(_PairSketch):
    """Sketches of Kronecker products by sampling two randomised Hadamard transforms.

    Both vectors get random signs and are transformed; each component is the product of one entry of either,
    chosen at random.

    Parameters
    ----------
    n_components : int, default=100
        Length of a sketch.
    random_state : int, RandomState instance or None, default=None
        An int makes the draw reproducible.

    Attributes
    ----------
    n_features_ : tuple of int
        Lengths of the vectors seen in fit, (n_left, n_right).
    maps_ : tuple of two tuples (signs, sampled)
        Signs of shape (n_left,) or (n_right,), and the sampled entries of the transform, of shape (n_components,).

    See Also
    --------
    TensorSketch : Sketches in time proportional to the stored entries.

    Notes
    -----
    The expectation, over the draw, of the inner product of two sketches is <u, u'> <h, h'>. Vectors are padded with
    zeros to a power of two, P, and made dense: a row takes P log2(P) additions for either vector, and n_components
    products, and all rows together memory for P numbers each.

    References
    ----------
    .. [1] Ahle et al., "Oblivious Sketching of High-Degree Polynomial Kernels", SODA 2020.
    .. [2] Song, Zhang, Zhang, "Training Multi-Layer Over-Parametrized Neural Network in Subquadratic Time", 2021,
       arXiv 2112.07628, tensor-based sketching.

    Examples
    --------
    >>> import numpy as np
    >>> from skfastnn.sketch import TensorSRHT
    >>> U, H = np.eye(3), np.ones((3, 4))
    >>> sketches = TensorSRHT(1000, random_state=0).fit_transform(U, H)
    >>> sketches.shape
    (3, 1000)
    >>> bool(np.abs(sketches @ sketches.T - (U @ U.T) * (H @ H.T)).max() < 0.5)
    True
    """

    def _draw(self, n_features, random_state):
        width = 1 << (n_features - 1).bit_length()
        signs = random_state.choice(np.array([-1, 1], dtype=np.int8), size=n_features)
        return signs, random_state.randint(width, size=self.n_components)

    def _sketch(self, U, H):
        sketches = np.full((U.shape[0], self.n_components), 1 / np.sqrt(self.n_components), U.dtype)
        for X, (signs, sampled) in zip((U, H), self.maps_, strict=True):
            n_samples, n_features = X.shape
            padded = np.zeros((n_samples, 1 << (n_features - 1).bit_length()), X.dtype)
            np.multiply(_to_dense(X), signs, out=padded[:, :n_features])
            sketches *= _hadamard_transform(padded)[:, sampled]
        return sketches


class GramOperator(LinearOperator):
    """The matrix ``(U U') * (H H') + ridge I``, entrywise product, applied to vectors without being formed.

    It is the Gram matrix of the Kronecker products of the rows of `U` and `H`, plus a ridge.

    Parameters
    ----------
    U : {array-like, sparse matrix} of shape (n_samples, n_left)
        The first vector of each sample, a row.
    H : {array-like, sparse matrix} of shape (n_samples, n_right)
        The second.
    ridge : float, default=0.0
        Not negative.

    Raises
    ------
    ValueError
        If the two differ in their number of rows, if a number is not finite, or if `ridge` is negative.

    Notes
    -----
    It is computed afresh for each application, some rows at a time within scikit-learn's `working_memory`. An
    application therefore takes the time of forming the matrix, n_samples^2 inner products of either kind; what it
    saves is the memory for n_samples^2 numbers. The published algorithm needs no better, since it counts
    applications.

    Examples
    --------
    >>> import numpy as np
    >>> from skfastnn.sketch import GramOperator
    >>> GramOperator([[1.0], [2.0]], [[3.0], [1.0]], ridge=0.5) @ np.array([1.0, 0.0])
    array([9.5, 6. ])
    """

    def __init__(self, U, H, ridge=0.0):
        self._U, self._H = _check_pair(U, H)
        self.ridge = _check_ridge(ridge)
        super().__init__(self._U.dtype, (self._U.shape[0], self._U.shape[0]))

    def _rows(self, rows):
        block = safe_sparse_dot(self._U[rows], self._U.T, dense_output=True)
        block *= safe_sparse_dot(self._H[rows], self._H.T, dense_output=True)
        return block

    def _matmat(self, X):
        n_samples = self.shape[0]
        # both factors of a block are held at once
        batch = get_chunk_n_rows(2 * n_samples * self.dtype.itemsize, max_n_rows=n_samples)
        blocks = [self._rows(rows) @ X for rows in gen_batches(n_samples, batch)]
        return np.concatenate(blocks) + self.ridge * X

    def _adjoint(self):
        return self

    def to_array(self):
        """Return the matrix, ridge included.

        Returns
        -------
        matrix : ndarray of shape (n_samples, n_samples)
            A new array, float32 or float64.
        """
        gram = self._rows(slice(None))
        gram.flat[:: self.shape[0] + 1] += self.ridge
        return gram


class TriangularPreconditioner(LinearOperator):
    """The inverse of ``R' R`` for an upper triangular R, applied by two triangular solves.

    Parameters
    ----------
    factor : ndarray of shape (n, n)
        R. Its lower part is not read; its diagonal must not vanish.

    Attributes
    ----------
    factor : ndarray of shape (n, n)
        R.

    Examples
    --------
    >>> import numpy as np
    >>> from skfastnn.sketch import TriangularPreconditioner
    >>> made = TriangularPreconditioner(np.array([[2.0, 0.0], [0.0, 4.0]]))
    >>> made @ np.array([4.0, 16.0])
    array([1., 1.])
    """

    def __init__(self, factor):
        self.factor = factor
        super().__init__(factor.dtype, factor.shape)

    def _matmat(self, X):
        return solve_triangular(self.factor, solve_triangular(self.factor, X, trans="T"))

    def _adjoint(self):
        return self


def _check_ridge(ridge):
    check_scalar(ridge, "ridge", Real, min_val=0)
    if not np.isfinite(ridge):
        raise ValueError(f"ridge must be finite, got {ridge}.")
    return float(ridge)


def sketched_preconditioner(U, H, n_components, ridge=0.0, *, sketch="tensor_sketch", random_state=None):
    """Return a preconditioner for ``(U U') * (H H') + ridge I`` from sketches of the Kronecker products of the rows.

    With the sketches as columns of a matrix A, a QR factorisation of A stacked on ``sqrt(ridge) I`` gives R with
    ``R' R = A' A + ridge I``, which approximates the Gram matrix.

    Parameters
    ----------
    U : {array-like, sparse matrix} of shape (n_samples, n_left)
        The first vector of each sample, a row.
    H : {array-like, sparse matrix} of shape (n_samples, n_right)
        The second.
    n_components : int
        Length of a sketch, more than n_samples without a ridge. With n samples and s components the condition number
        of J' inv(R) is about ``(sqrt(s) + sqrt(n)) / (sqrt(s) - sqrt(n))``, whatever the rows: 3 for s = 4 n.
    ridge : float, default=0.0
        Not negative.
    sketch : {"tensor_sketch", "tensor_srht"}, default="tensor_sketch"
        :class:`TensorSketch` or :class:`TensorSRHT`.
    random_state : int, RandomState instance or None, default=None
        An int makes the draw reproducible.

    Returns
    -------
    preconditioner : TriangularPreconditioner of shape (n_samples, n_samples)
        The inverse of ``R' R``, for :func:`solve_gram`.

    Raises
    ------
    ValueError
        If the sketches, with the ridge, are linearly dependent to rounding: more rows than `n_components`, repeated
        rows or zero rows without a ridge. Also if a parameter or an array is not valid.

    See Also
    --------
    exact_preconditioner : The Cholesky factor of the matrix itself.
    solve_gram : Conjugate gradients with either.

    Notes
    -----
    With n samples and s components the factorisation takes about n^2 (s - n / 3) multiplications; the Cholesky
    factorisation of the Gram matrix takes n^3 / 6. R has as many numbers as the Gram matrix. On rows that are far from
    dependent, sketching makes the conditioning worse; on rows that are nearly dependent it saves most iterations.
    Since applying the Gram matrix costs as much here as forming it, :func:`exact_preconditioner` was faster in all
    that was measured. The sketch is the published one, to compare with.

    References
    ----------
    .. [1] Song, Zhang, Zhang, "Training Multi-Layer Over-Parametrized Neural Network in Subquadratic Time", 2021,
       arXiv 2112.07628, fast regression by sketching and preconditioning.

    Examples
    --------
    >>> import numpy as np
    >>> from skfastnn.sketch import sketched_preconditioner
    >>> U, H = np.eye(3), np.ones((3, 4))
    >>> sketched_preconditioner(U, H, 12, random_state=0).shape
    (3, 3)
    """
    sketches = {"tensor_sketch": TensorSketch, "tensor_srht": TensorSRHT}
    if sketch not in sketches:
        raise ValueError(f"sketch must be one of {sorted(sketches)}, got {sketch!r}.")
    ridge = _check_ridge(ridge)
    columns = sketches[sketch](n_components, random_state=random_state).fit_transform(U, H).T
    if ridge:
        below = np.diag(np.full(columns.shape[1], np.sqrt(ridge), columns.dtype))
        columns = np.concatenate([columns, below])
    n_samples = columns.shape[1]
    (factor,) = qr(columns, mode="r", overwrite_a=True, check_finite=False)
    factor = factor[:n_samples]
    diagonal = np.abs(factor.diagonal())
    if len(factor) < n_samples or diagonal.min() <= n_samples * np.finfo(factor.dtype).eps * diagonal.max():
        raise ValueError(
            "The sketches of the rows are linearly dependent to rounding:"
            f" increase ridge, or n_components to more than the {n_samples} rows."
        )
    return TriangularPreconditioner(factor)


def exact_preconditioner(U, H, ridge=0.0):
    """Return the Cholesky factor of ``(U U') * (H H') + ridge I`` as a preconditioner: its exact inverse to rounding.

    Parameters
    ----------
    U : {array-like, sparse matrix} of shape (n_samples, n_left)
        The first vector of each sample, a row.
    H : {array-like, sparse matrix} of shape (n_samples, n_right)
        The second.
    ridge : float, default=0.0
        Not negative.

    Returns
    -------
    preconditioner : TriangularPreconditioner of shape (n_samples, n_samples)
        The inverse of ``R' R``, for :func:`solve_gram`.

    Raises
    ------
    ValueError
        If the matrix is not positive definite to rounding, or if a parameter or an array is not valid.

    Examples
    --------
    >>> import numpy as np
    >>> from skfastnn.sketch import exact_preconditioner
    >>> exact_preconditioner([[1.0], [2.0]], [[3.0], [1.0]], ridge=1.0).factor.shape
    (2, 2)
    """
    gram = GramOperator(U, H, ridge).to_array()
    try:
        return TriangularPreconditioner(cholesky(gram, overwrite_a=True, check_finite=False))
    except np.linalg.LinAlgError:
        raise ValueError("The Gram matrix is not positive definite to rounding: increase ridge.") from None


class GramSolution(NamedTuple):
    """What :func:`solve_gram` returns.

    Attributes
    ----------
    solution : ndarray of shape (n_samples,)
        g, of the system that was solved.
    n_iter : int
        Iterations of conjugate gradients; each applies the matrix and the preconditioner once.
    residual : float
        Norm of the residual, computed from the solution, as a fraction of that of the right-hand side.

    Examples
    --------
    >>> from skfastnn.sketch import solve_gram
    >>> solution, n_iter, residual = solve_gram([[1.0, 0.0], [0.0, 2.0]], [[1.0, 1.0], [1.0, 0.0]], [2.0, 4.0])
    >>> solution
    array([1., 1.])
    """

    solution: np.ndarray
    n_iter: int
    residual: float


def solve_gram(U, H, right_hand_side, ridge=0.0, *, preconditioner=None, tol=1e-10, max_iter=None):
    """Solve ``((U U') * (H H') + ridge I) g = right_hand_side`` by preconditioned conjugate gradients.

    The matrix is not formed; see :class:`GramOperator`.

    Parameters
    ----------
    U : {array-like, sparse matrix} of shape (n_samples, n_left)
        The first vector of each sample, a row.
    H : {array-like, sparse matrix} of shape (n_samples, n_right)
        The second.
    right_hand_side : array-like of shape (n_samples,)
        Converted to the dtype of the system: float32 if `U` and `H` both are, float64 otherwise.
    ridge : float, default=0.0
        Not negative.
    preconditioner : LinearOperator or ndarray of shape (n_samples, n_samples), default=None
        An approximate inverse, symmetric and positive definite, such as :func:`sketched_preconditioner` and
        :func:`exact_preconditioner` return.
    tol : float, default=1e-10
        Norm of the residual to stop at, as a fraction of that of the right-hand side. float32 reaches about 1e-6.
    max_iter : int, default=None
        None stands for ten times n_samples.

    Returns
    -------
    result : GramSolution
        The named tuple (solution, n_iter, residual).

    Raises
    ------
    ValueError
        If a shape is wrong, a number is not finite, or a parameter is out of range.

    Warns
    -----
    ConvergenceWarning
        If `max_iter` iterations do not reach `tol`.

    Examples
    --------
    >>> import numpy as np
    >>> from skfastnn.sketch import exact_preconditioner, solve_gram
    >>> rng = np.random.default_rng(0)
    >>> U, H, b = rng.normal(size=(50, 20)), rng.normal(size=(50, 30)), rng.normal(size=50)
    >>> solve_gram(U, H, b).n_iter > 5
    True
    >>> solve_gram(U, H, b, preconditioner=exact_preconditioner(U, H)).n_iter
    1
    """
    gram = GramOperator(U, H, ridge)
    n_samples = gram.shape[0]
    check_given(right_hand_side, "right_hand_side")
    right = check_array(right_hand_side, ensure_2d=False, dtype=gram.dtype, input_name="right_hand_side")
    if right.shape != (n_samples,):
        raise ValueError(f"right_hand_side must have shape ({n_samples},), got {right.shape}.")
    if preconditioner is not None and preconditioner.shape != gram.shape:
        raise ValueError(f"preconditioner must have shape {gram.shape}, got {preconditioner.shape}.")
    check_scalar(tol, "tol", Real, min_val=0, include_boundaries="neither")
    if max_iter is not None:
        check_scalar(max_iter, "max_iter", Integral, min_val=1)
    iterates = []
    solution, status = cg(
        gram, right, rtol=tol, atol=0.0, maxiter=max_iter, M=preconditioner, callback=lambda _: iterates.append(None)
    )
    if status:
        warnings.warn(f"{len(iterates)} iterations did not reach tol={tol}.", ConvergenceWarning, stacklevel=2)
    residual = np.linalg.norm(gram @ solution - right) / (np.linalg.norm(right) or 1.0)
    return GramSolution(solution, len(iterates), float(residual))
