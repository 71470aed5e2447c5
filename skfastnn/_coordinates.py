"""Normalised coordinates: where the rows lie and how far they spread, and how a stream's statistics follow its batches.

Training takes place in normalised coordinates: centred rows of root-mean-square norm one. A whole fit measures them
once. `partial_fit` sees the rows in parts, and what it has seen first may be unlike the rest: one row, another unit,
another offset. So the statistics of all rows so far are kept, and the coordinates follow them; weights are
re-expressed, which leaves the function as it is. The folds of the neurons stay where they were drawn, though, around
the first rows. As long as a stream is young, the network is therefore drawn anew where its rows turn out to lie
elsewhere.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import gen_batches

# Rows of data handled at a time in double precision.
CHUNK_ROWS = 2048
# Share of numbers other than zero below which rows are not centred, so that what is zero stays zero.
LOW_DENSITY = 0.05
# A stream is young as long as it has seen no more than so many times the rows of a batch, or so many rows.
YOUNG_BATCHES, YOUNG_ROWS = 3, 64
# Rows elsewhere: a spread by this factor, or a distance of the means in spreads; and rows that have nothing to do with
# those before, from so many of them on, which alone then say where rows lie.
OTHER_SPREAD, OTHER_MEAN = 1.5, 0.5
STRANGE_SPREAD, STRANGE_MEAN, ENOUGH_ROWS = 5.0, 3.0, 8
# Spreads from the mean beyond which a batch counts for less: a stray one must not decide where all rows lie.
FAR = 5.0


@dataclass
class Coordinates:
    """Normalised coordinates: ``(x - mean) / scale``.

    Rows of which few numbers are other than zero are not centred, which would cost the zeros; the intercepts of the
    network start so that it makes no difference there. What the numbers are decides, not how they are stored.

    Attributes
    ----------
    mean : ndarray of shape (n_features,)
        What is subtracted: the weighted mean of the rows, or zero.
    scale : float
        Weighted root-mean-square norm of the centred rows.
    offset : ndarray of shape (n_features,) or None
        Mean of the rows in these coordinates; None where they are centred.
    features : ndarray of shape (n_features,) or None
        Columns of the data that these are, ascending; None: all.
    """

    mean: np.ndarray
    scale: float
    offset: np.ndarray | None = None
    features: np.ndarray | None = None

    @classmethod
    def from_data(cls, X, sample_weight):
        """Measure rows; parameters as of `Statistics.of_rows`."""
        return Statistics.of_rows(X, sample_weight).coordinates(X.dtype)


@dataclass
class Statistics:
    """Weight, mean and spread of rows.

    Attributes
    ----------
    weight : float
        Number of rows, or their weights.
    mean : ndarray of shape (n_columns,), float64
    square : float
        Weighted mean of the squared distance from the mean.
    filled : float
        Share of the numbers that are not zero.
    """

    weight: float
    mean: np.ndarray
    square: float
    filled: float = 1.0

    @classmethod
    def of_rows(cls, X, sample_weight):
        """Measure rows.

        Parameters
        ----------
        X : ndarray or sparse matrix of shape (n_samples, n_features)
        sample_weight : ndarray of shape (n_samples,)
            Positive.
        """
        total = sample_weight.sum(dtype=np.float64)
        weight = sample_weight.astype(np.float64) / total
        mean = np.asarray(
            sum(weight[part] @ X[part].astype(np.float64) for part in gen_batches(X.shape[0], CHUNK_ROWS))
        )
        # a sum is off by rounding, of which Adam would make whole steps: centred, a constant column is to be zero
        row = X[[0]].toarray() if issparse(X) else X[:1]
        constant = constant_columns(X, mean, row)
        mean[constant] = row[0, constant]
        return cls(float(total), mean, mean_square_distance(X, weight, mean), density(X, weight))

    @property
    def spread(self):
        """Root-mean-square distance from the mean; zero where it is the rounding of a constant."""
        spread = float(np.sqrt(max(self.square, 0.0)))
        return spread if spread > 1e-7 * np.linalg.norm(self.mean) else 0.0

    def coordinates(self, dtype):
        """Return normalised coordinates for these rows, in numbers of type `dtype`.

        Data without any spread are scaled by their norm alone. Rows of which few numbers are other than zero are not
        centred, which would cost the zeros.
        """
        mean, scale = self.mean, self.spread
        if scale == 0:
            mean, scale = np.zeros_like(mean), float(np.linalg.norm(mean)) or 1.0
        if self.filled < LOW_DENSITY:
            return Coordinates(np.zeros(mean.size, dtype=dtype), scale, (mean / scale).astype(dtype))
        return Coordinates(mean.astype(dtype), scale)

    def merged(self, other):
        """Return the statistics of these and of other rows; stray ones count for less."""
        step = other.mean - self.mean
        distance = float(np.sqrt(step @ step + other.square))
        weight = other.weight
        if self.spread > 0 and distance > FAR * self.spread:
            weight *= (FAR * self.spread / distance) ** 2
        total = self.weight + weight
        share = weight / total
        square = (1 - share) * self.square + share * other.square + share * (1 - share) * float(step @ step)
        filled = (1 - share) * self.filled + share * other.filled
        return Statistics(self.weight + other.weight, self.mean + share * step, square, filled)

    def lie_elsewhere(self, other, spread, mean):
        """Return whether other rows spread, or lie apart, by more than such factors."""
        mine, theirs = self.spread, other.spread
        if mine == 0 or theirs == 0:
            return mine != theirs
        apart = float(np.linalg.norm(other.mean - self.mean))
        return max(mine, theirs) > spread * min(mine, theirs) or apart > mean * max(mine, theirs)


def recent_rows(recent, batch):
    """Return the statistics of the last few rows, of several batches where each has few.

    Parameters
    ----------
    recent : Statistics or None
        What was returned for the batch before.
    batch : Statistics
    """
    if recent is None or recent.weight >= ENOUGH_ROWS or batch.weight >= ENOUGH_ROWS:
        return batch
    return recent.merged(batch)


def follow(drawn, before, batch, recent=None):
    """Return the statistics of a stream after a batch, and whether the network is to be drawn anew.

    Parameters
    ----------
    drawn : Statistics
        Of the rows by which the network was drawn.
    before : Statistics
        Of all rows so far.
    batch : Statistics
    recent : Statistics, default=None
        Of it and of batches before it, where it has few rows; None: of it alone.

    Returns
    -------
    statistics : Statistics
    anew : bool
    """
    after, recent = before.merged(batch), batch if recent is None else recent
    if before.weight > max(YOUNG_BATCHES * batch.weight, YOUNG_ROWS):
        return after, False
    if recent.weight >= ENOUGH_ROWS and recent.spread > 0:
        if before.lie_elsewhere(recent, STRANGE_SPREAD, STRANGE_MEAN):
            return recent, True
    return after, drawn.lie_elsewhere(after, OTHER_SPREAD, OTHER_MEAN)


def mean_square_distance(X, weight, mean):
    """Return the weighted mean of the squared distance of rows from a point.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n_samples, n_features)
    weight : ndarray of shape (n_samples,)
        Of sum one.
    mean : ndarray of shape (n_features,)
    """
    total = 0.0
    for part in gen_batches(X.shape[0], CHUNK_ROWS):
        if issparse(X):
            rows = X[part].astype(np.float64)
            squares = rows.multiply(rows).sum(axis=1) + mean @ mean
            total += weight[part] @ (np.asarray(squares).ravel() - 2 * (rows @ mean))
        else:
            rows = X[part] - mean
            total += weight[part] @ np.einsum("ij,ij->i", rows, rows)
    return float(max(total, 0.0))


def constant_columns(X, mean, row):
    """Return the columns of X whose numbers are all those of a row, where that is about the mean.

    Empty columns of sparse X, of which there may be very many, are not among them.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features)
    mean : ndarray of shape (n_features,)
    row : ndarray of shape (1, n_features)

    Returns
    -------
    columns : ndarray of shape (n_constant,), int64
        Ascending.
    """
    near = np.abs(row[0] - mean) <= 1e-6 * np.abs(mean)
    constant = np.flatnonzero(near & np.isfinite(mean))
    if issparse(X):
        constant = constant[row[0, constant] != 0]
    for part in gen_batches(X.shape[0], CHUNK_ROWS):
        if constant.size == 0:
            break
        numbers = X[part][:, constant]
        numbers = numbers.toarray() if issparse(numbers) else numbers
        constant = constant[(numbers == row[0, constant]).all(axis=0)]
    return constant


def density(X, weight):
    """Return the weighted share of the numbers in X that are not zero, however X is stored.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n_samples, n_features)
    weight : ndarray of shape (n_samples,)
    """
    if issparse(X):
        per_row = np.diff(np.concatenate([[0], np.cumsum(X.data != 0)])[X.indptr])
    else:
        per_row = np.count_nonzero(X, axis=1)
    return float((weight * per_row).sum() / weight.sum(dtype=np.float64)) / X.shape[1]
