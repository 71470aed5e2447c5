"""Piecewise-linear encoding of numerical features, with which a network bends as easily as a tree splits.

Layout: each coordinate is clip((x - origin) * slope, low, high) - shift of *one* feature x, be it the raw feature, a
bin or the mark of a missing value. So the fitted encoder is a table of six numbers for each coordinate, and encoding is
a gather followed by a few operations on whole arrays: quick for a single row as well.
Invariants: finite X gives a finite code, whatever its magnitude; arithmetic is in float64, and features are brought to
magnitude 1 by a power of two first, which rounds nothing. A zero of sparse training data is encoded as zero.
"""

from numbers import Integral, Real

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils import gen_batches
from sklearn.utils._param_validation import Interval, Options
from sklearn.utils.validation import _check_feature_names_in, _check_sample_weight, check_is_fitted, validate_data

from skfastnn._documentation import DocumentedMixin
from skfastnn._given import check_features, check_given, check_numbered, check_weights
from skfastnn._sparse_input import canonical
from skfastnn._stored import StoredMixin

CHUNK = 1 << 15  # numbers that are encoded at a time: they stay in the cache of a core
RAW_LIMIT = 1e6  # standard deviations up to which the raw coordinate goes; training data of up to 1e12 rows stay below
OPEN_LIMIT = 12.0  # how many bins an open bin goes on beyond the training data; a narrow one would explode otherwise
NARROWEST = 1e-300  # bins below this are dropped, of features of magnitude 1: the inverse of a width has to be finite
TIE = 1e-12  # relative rounding of sums of weights

ORIGIN, SLOPE, LOW, HIGH, SHIFT, MISSING = range(6)  # rows of the table of coordinates


class PiecewiseLinearEncoder(StoredMixin, DocumentedMixin, TransformerMixin, BaseEstimator):
    """Encode numerical features piecewise linearly, beside the standardised features themselves.

    For each feature, edges t_0 < ... < t_k are placed at quantiles of the training data. Coordinate i of the code is
    ``clip((x - t_i) / (t_{i+1} - t_i), 0, 1)``: a thermometer that fills up bin by bin, so that the distance of two
    codes grows with the number of edges between them. The first bin is open below and the last one above. A linear
    function of the code is any continuous function that is linear between the edges, which neural networks and other
    smooth models otherwise have to build from many neurons.

    Parameters
    ----------
    n_bins : int, default=12
        Number of bins of a feature. Quantiles that coincide count once, so that there may be fewer. A feature of at
        most `n_bins + 1` distinct values has its edges at these values. A feature of one or two distinct values, or
        of which one value fills more than a share of 1 - 1 / `n_bins`, has no bins.

    include_raw : bool, default=True
        Whether the standardised feature is a coordinate too. Features without bins are encoded by it in any case.

    add_indicator : bool, default=True
        Whether a feature of which values were missing at :meth:`fit` gets a coordinate that is 1 where it is missing,
        0 elsewhere (before centring).

    beyond : float >= 0, default=inf
        How far a feature may be beyond its range in the training data, in units of that range; what is farther counts
        as if it were there. A single wild value would otherwise be all that a smooth model sees.

    Attributes
    ----------
    edges_ : list of n_features_in_ ndarrays of shape (n_edges,), dtype float64
        The edges of each feature, ascending, in its own units; empty if the feature has no bins.

    feature_indices_ : ndarray of shape (n_features_out,), dtype intp
        The feature that each coordinate encodes, ascending.

    n_features_in_ : int
        Number of features seen during :meth:`fit`.

    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during :meth:`fit`, if all are strings.

    See Also
    --------
    sklearn.preprocessing.KBinsDiscretizer : Bins as categories; the place within a bin is lost.
    sklearn.preprocessing.SplineTransformer : Smooth local bumps, without a raw coordinate.

    Notes
    -----
    *Order and scale.* The coordinates of a feature stand together: raw, bins from below, missing. The raw coordinate
    has unit variance on the training data, bins and marks are between 0 and 1; all are then centred with their training
    means. The encoding does not depend on the unit of a feature.

    *Missing values* (NaN) are accepted in any feature. The coordinates of a missing value are at their means, so 0,
    except for the indicator. Means and quantiles are those of the values that are there.

    *Extremes.* Beyond the training data the raw coordinate and the open bins go on linearly, the bins for at most
    twelve bin widths, the raw coordinate up to 1e6 standard deviations. The raw coordinate is not robust: a single
    value of 1e6 leaves all others next to zero; the bins, made of quantiles, still tell these apart. A feature that was
    constant or missing throughout is encoded as one coordinate that is always zero.

    *Sparse X* is encoded as CSR in which zero stays zero: a code is shifted by the code of zero, not by the mean.
    Features that are zero but for a share of 1 / `n_bins` have no bins: they are divided by their standard deviation.
    An encoder fitted to sparse X encodes dense X the same way; one fitted to dense X gives a dense code of sparse X.

    *Weights.* A weight of k is the same as k copies of the row, a weight of 0 the same as leaving the row out.

    References
    ----------
    Y. Gorishniy, I. Rubachev, A. Babenko: On embeddings for numerical features in tabular deep learning. NeurIPS 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from skfastnn.preprocessing import PiecewiseLinearEncoder
    >>> X = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, np.nan], [4.0, 1.0]])
    >>> encoder = PiecewiseLinearEncoder(n_bins=2).fit(X)
    >>> encoder.get_feature_names_out()
    array(['x0', 'x0_bin0', 'x0_bin1', 'x1', 'x1_missing'], dtype=object)
    >>> encoder.edges_[0]
    array([0. , 1.5, 4. ])
    >>> encoder.transform(X)[:, 4]
    array([-0.25, -0.25,  0.75, -0.25])
    """

    _parameter_constraints: dict = {
        "n_bins": [Interval(Integral, 1, None, closed="left")],
        "include_raw": ["boolean"],
        "add_indicator": ["boolean"],
        "beyond": [Interval(Real, 0, None, closed="left"), Options(Real, {np.inf})],
    }

    def __init__(self, n_bins=12, *, include_raw=True, add_indicator=True, beyond=np.inf):
        self.n_bins = n_bins
        self.include_raw = include_raw
        self.add_indicator = add_indicator
        self.beyond = beyond

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None):
        """Place the edges.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data; NaN is a missing value.

        y : None
            Ignored.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, not negative.

        Returns
        -------
        self : PiecewiseLinearEncoder
            The fitted encoder.

        Raises
        ------
        ValueError
            If X has infinite values, or weights are negative or all zero.

        Examples
        --------
        >>> from skfastnn.preprocessing import PiecewiseLinearEncoder
        >>> PiecewiseLinearEncoder(n_bins=2).fit([[0.0], [1.0], [2.0], [4.0]]).edges_
        [array([0. , 1.5, 4. ])]
        """
        X = self._validate(X, reset=True, accept_sparse="csc")
        if sample_weight is not None:
            sample_weight = _check_weights(sample_weight, X)
        columns = _sparse_columns(X, sample_weight) if issparse(X) else _dense_columns(X, sample_weight)
        self._unit = np.empty(X.shape[1])
        self.edges_, tables, suffixes = [], [], []
        for j, (values, weights) in enumerate(columns):
            self._unit[j], edges, table, names = self._fit_feature(values, weights)
            self.edges_.append(edges)
            tables.append(table)
            suffixes += names
        self._table, self._suffixes = np.hstack(tables), np.array(suffixes, dtype=object)
        self.feature_indices_ = np.repeat(np.arange(X.shape[1]), [table.shape[1] for table in tables])
        self._keeps_zeros = issparse(X)
        if self._keeps_zeros:
            self._table[SHIFT] = 0.0
            self._table[SHIFT] = self._encode_rows(np.zeros((1, X.shape[1])))[0]
        self._table[MISSING] -= self._table[SHIFT]
        return self

    def transform(self, X):
        """Encode X.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data; NaN is a missing value.

        Returns
        -------
        X_out : {ndarray, sparse matrix} of shape (n_samples, n_features_out), dtype float32 if X is, else float64
            The code; a CSR matrix or array if both X and the training data are sparse.

        Raises
        ------
        NotFittedError
            If the encoder was not fitted yet.
        ValueError
            If X has infinite values or another number of features.

        Examples
        --------
        Beside the standardised feature, how full the bin from 0 to 1.5 is, and that from 1.5 to 4, less their means:

        >>> from skfastnn.preprocessing import PiecewiseLinearEncoder
        >>> encoder = PiecewiseLinearEncoder(n_bins=2).fit([[0.0], [1.0], [2.0], [4.0]])
        >>> encoder.transform([[1.5], [4.0]]).round(2)
        array([[-0.17,  0.33, -0.3 ],
               [ 1.52,  0.33,  0.7 ]])
        """
        check_is_fitted(self)
        X = self._validate(X, reset=False, accept_sparse="csr")
        return self._encode_sparse(X) if issparse(X) and self._keeps_zeros else self._encode(X)

    def get_feature_names_out(self, input_features=None):
        """Return the names of the coordinates: that of the feature, with `_bin0`, `_bin1`, ... or `_missing` behind it.

        Parameters
        ----------
        input_features : array-like of str of shape (n_features_in_,), default=None
            Names of the features; by default those seen during :meth:`fit`, or `x0`, `x1`, ...

        Returns
        -------
        feature_names_out : ndarray of shape (n_features_out,), dtype object
            The names.

        Raises
        ------
        NotFittedError
            If the encoder was not fitted yet.
        ValueError
            If `input_features` are not as many as the features, or not those seen during :meth:`fit`.

        Examples
        --------
        >>> from skfastnn.preprocessing import PiecewiseLinearEncoder
        >>> encoder = PiecewiseLinearEncoder(n_bins=2).fit([[0.0], [1.0], [2.0], [4.0]])
        >>> encoder.get_feature_names_out(["age"])
        array(['age', 'age_bin0', 'age_bin1'], dtype=object)
        """
        check_is_fitted(self)
        return _check_feature_names_in(self, input_features)[self.feature_indices_] + self._suffixes

    def _validate(self, X, reset, accept_sparse):
        rules = {"dtype": (np.float64, np.float32), "ensure_all_finite": "allow-nan"}
        if reset:
            check_numbered(X)
        else:
            check_features(self, X)
        check_given(X)
        X = validate_data(self, X, reset=reset, accept_sparse=accept_sparse, **rules)
        return canonical(X)

    def _fit_feature(self, values, weights):
        """Encode one feature, given by its distinct values, ascending, NaN last, and their weights.

        Return the power of two that brings it to magnitude 1, its edges, the columns of the table that are its
        coordinates, and what their names end in.
        """
        shares = weights / weights.sum()
        missing = shares[-1] if np.isnan(values[-1]) else 0.0
        if missing:
            values, shares = values[:-1], shares[:-1]
        # features without two different values are multiplied by zero: their coordinates are, whatever comes
        unit = _power_of_two(values) if values.size > 1 else 0.0
        edges, parts, names = np.empty(0), [], []
        if unit:
            values, shares = values * unit, shares / shares.sum()
            edges = _place_edges(values, shares, self.n_bins)
            if self.include_raw or not edges.size:
                parts.append(_raw_coordinate(values, shares))
                names.append("")
            if edges.size:
                parts.append(_bin_coordinates(values, shares, edges))
                names += [f"_bin{i}" for i in range(edges.size - 1)]
            if np.isfinite(self.beyond):
                parts = [_bounded(part, values[0], values[-1], self.beyond) for part in parts]
            edges = edges / unit
        else:
            parts.append(_given_coordinate(0.0, 0.0))
            names.append("")
        if self.add_indicator and 0 < missing < 1:
            parts.append(_given_coordinate(missing, 1.0))
            names.append("_missing")
        return unit, edges, np.hstack(parts), names

    def _encode(self, X):
        """Encode X without a check of it: what estimators call that have validated their rows, for one row or many.

        Parameters
        ----------
        X : ndarray or CSR matrix of shape (n_samples, n_features_in_), dtype float32 or float64
            Rows without infinite values; NaN is a missing value.

        Returns
        -------
        code : ndarray of shape (n_samples, n_features_out), dtype as X
            The code. It costs about ten calls of NumPy for each chunk of CHUNK numbers, one chunk for a few rows.
        """
        n_rows, n_out = X.shape[0], self._table.shape[1]
        if n_rows * n_out <= CHUNK and not issparse(X):
            return self._encode_rows(X).astype(X.dtype, copy=False)
        code = np.empty((n_rows, n_out), X.dtype)
        for rows in gen_batches(n_rows, max(1, CHUNK // n_out)):
            code[rows] = self._encode_rows(X[rows].toarray() if issparse(X) else X[rows])
        return code

    def _encode_rows(self, X):
        """Encode an ndarray: (n, n_features_in_) -> (n, n_features_out), float64."""
        with np.errstate(over="ignore"):  # the bounds bring infinity back
            scaled = np.multiply(X, self._unit, dtype=np.float64)
            code = _codes(scaled[:, self.feature_indices_], self._table)
        missing = np.isnan(X)
        if missing.any():
            np.copyto(code, self._table[MISSING], where=missing[:, self.feature_indices_])
        return code

    def _encode_sparse(self, X):
        """Encode CSR as CSR of the same class and dtype: each stored entry becomes the coordinates of its feature."""
        width = np.bincount(self.feature_indices_, minlength=self.n_features_in_)
        counts = width[X.indices]
        ends = np.r_[0, np.cumsum(counts)]
        first = (np.cumsum(width) - width)[X.indices]
        indices = np.arange(ends[-1]) + np.repeat(first - ends[:-1], counts)
        with np.errstate(over="ignore"):
            scaled = np.multiply(X.data, self._unit[X.indices], dtype=np.float64)
            code = _codes(np.repeat(scaled, counts), self._table[:, indices])
        missing = np.repeat(np.isnan(X.data), counts)
        code[missing] = self._table[MISSING, indices[missing]]
        coded = type(X)((code.astype(X.dtype), indices, ends[X.indptr]), shape=(X.shape[0], self._table.shape[1]))
        coded.eliminate_zeros()
        return coded


def _codes(code, table):
    """Turn values of features of magnitude 1 into coordinates, in place; the last axis is that of table, (6, n)."""
    origin, slope, low, high, shift, _ = table
    code -= origin
    code *= slope
    np.maximum(code, low, out=code)
    np.minimum(code, high, out=code)
    code -= shift
    return code


def _check_weights(sample_weight, X):
    """Return the weights as an ndarray of shape (n_samples,), float64, the largest being 1, or raise ValueError."""
    check_weights(sample_weight, X)
    weights = _check_sample_weight(sample_weight, X, dtype=np.float64)
    if weights.min() < 0:
        raise ValueError("sample_weight must not be negative.")
    if not weights.any():
        raise ValueError("sample_weight is zero for all rows; at least one weight must be positive.")
    return weights / weights.max()


def _distinct(values, weights):
    """Return the values that have weight, ascending, each once, NaN last, and the sums of their weights; in float64."""
    if weights is None:
        values, counts = np.unique(values, return_counts=True)
        return values.astype(np.float64), counts.astype(np.float64)
    values, place = np.unique(values, return_inverse=True)
    sums = np.bincount(place, weights)
    return values[sums > 0].astype(np.float64), sums[sums > 0]


def _dense_columns(X, weights):
    """Yield the distinct values of each column of an ndarray and their weights."""
    for column in X.T:
        yield _distinct(column, weights)


def _sparse_columns(X, weights):
    """Yield the same of CSC: the entries that are not stored are a zero that weighs as much as their rows together."""
    n_rows = X.shape[0]
    weights = np.ones(n_rows) if weights is None else weights
    total = weights.sum()
    for start, end in zip(X.indptr[:-1], X.indptr[1:], strict=True):
        stored = weights[X.indices[start:end]]
        rest = total - stored.sum() if end - start < n_rows else 0.0
        rest = rest if rest > TIE * total else 0.0
        yield _distinct(np.append(X.data[start:end], X.dtype.type(0)), np.append(stored, rest))


def _power_of_two(values):
    """Return the power of two that brings the largest magnitude of values to [0.5, 1), or as near as float64 can."""
    exponent = np.frexp(max(abs(values[0]), abs(values[-1])))[1]
    return np.ldexp(1.0, np.clip(-exponent, -1022, 1022))


def _place_edges(values, shares, n_bins):
    """Return the edges of distinct values, ascending, with shares that sum to 1; none if a bin or two ends are all.

    The quantile at p is the least value whose cumulated share is at least p, or its mean with the next value where the
    share is just p ("averaged_inverted_cdf" of NumPy): it does not change when all weights are multiplied.
    """
    if shares.max() > 1 - (1 - TIE) / n_bins:
        return np.empty(0)
    if values.size <= n_bins + 1:
        edges = values
    else:
        cumulated, levels = np.cumsum(shares), np.arange(1, n_bins) / n_bins
        last = values.size - 1
        below = values[np.minimum(np.searchsorted(cumulated, levels * (1 - TIE)), last)]
        above = values[np.minimum(np.searchsorted(cumulated, levels * (1 + TIE)), last)]
        edges = np.concatenate([values[:1], (below + above) / 2, values[-1:]])
    edges = edges[np.diff(edges, prepend=-np.inf) > NARROWEST]
    return edges if edges.size > 2 else np.empty(0)


def _raw_coordinate(values, shares):
    """Return the column of the table, shape (6, 1), for the standardised feature."""
    mean = values[0] + shares @ (values - values[0])
    deviation = max(np.sqrt(shares @ (values - mean) ** 2), NARROWEST)  # it may be 0 if all but one value hardly weigh
    return np.array([[mean], [1 / deviation], [-RAW_LIMIT], [RAW_LIMIT], [0.0], [0.0]])


def _bin_coordinates(values, shares, edges):
    """Return the columns of the table, shape (6, n_bins), for the bins between edges; the mean is the shift."""
    n_bins = edges.size - 1
    table = np.zeros((6, n_bins))
    table[ORIGIN], table[SLOPE] = edges[:-1], 1 / np.diff(edges)
    table[HIGH] = 1.0
    table[LOW, 0], table[HIGH, -1] = -OPEN_LIMIT, 1 + OPEN_LIMIT
    # a mean is the share of the bins above, which is full of ones, and what the values in the bin itself give
    place = np.searchsorted(edges[1:-1], values, side="right")
    above = 1 - np.cumsum(np.bincount(place, shares, n_bins))
    within = np.bincount(place, shares * (values - edges[place]), n_bins) * table[SLOPE]
    table[SHIFT] = table[MISSING] = above + within
    return table


def _bounded(table, least, largest, beyond):
    """Return columns of the table whose coordinates stop where the feature is so far beyond its range."""
    margin = beyond * (largest - least)
    table[LOW] = np.maximum(table[LOW], (least - margin - table[ORIGIN]) * table[SLOPE])
    table[HIGH] = np.minimum(table[HIGH], (largest + margin - table[ORIGIN]) * table[SLOPE])
    return table


def _given_coordinate(mean, missing):
    """Return the column of the table, shape (6, 1), for a coordinate that is zero unless the value is missing."""
    return np.array([[0.0], [1.0], [0.0], [0.0], [mean], [missing]])
