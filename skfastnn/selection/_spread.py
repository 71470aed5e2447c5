"""How far off predictions may be: the Gaussian process whose mean is the ridge that was chosen, in units that fit.

The ridge in closed form is the posterior mean of a Gaussian process with the tangent kernel and noise of the ridge's
size (Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006, sections 2.2 and 5.4.2); its standard
deviation says where rows are far from those trained on. Its unit is not believed but measured: so that nine tenths of
the samples, each left out, lie within 1.645 standard deviations of what the others say. Tails are heavier than normal,
so that the unit is that of the intervals people ask for.
"""

import numpy as np
from scipy.linalg import solve_triangular
from scipy.sparse import issparse

from skfastnn.passes.shared._lower import cholesky
from skfastnn.selection._kernel import CONSTANT, rms_norm, tangent_kernel

# Share of the errors that lies within so many standard deviations of a normal distribution.
SHARE, DEVIATIONS = 0.9, 1.6448536269514722
# Rows that are predicted at a time: their kernel with those trained on.
BATCH = 1_000


def unit_of(errors, weight):
    """Return what standardised errors are multiples of, so that `SHARE` of their weight is within `DEVIATIONS`.

    Parameters
    ----------
    errors : ndarray of shape (n_rows, n_outputs)
    weight : ndarray of shape (n_rows,)
        Positive.

    Returns
    -------
    unit : ndarray of shape (n_outputs,)
    """
    size = np.abs(errors)
    order = np.argsort(size, axis=0)
    # the row that is to come, which may be beyond all of these, counts as one
    total = np.cumsum(weight[order], axis=0)
    at = (total < SHARE * (total[-1] + weight.mean())).sum(axis=0).clip(max=len(errors) - 1)
    return np.take_along_axis(size, order, axis=0)[at, np.arange(size.shape[1])] / DEVIATIONS


def posterior(inputs, X, weight, fit, optimism):
    """Return what `standard_deviation` takes: a dict of arrays, numbers, and the encoder of the inputs.

    The network may get others in the end.

    Parameters
    ----------
    inputs : Inputs
        Of the kernel.
    X : ndarray of shape (n_rows, n_features)
        Rows that the ridge was fitted to.
    weight : ndarray of shape (n_rows,)
    fit : RidgeFit
    optimism : float
        Mean squared error that is expected, over that of the rows left out.
    """
    coordinates = inputs.transform(X)
    size = rms_norm(coordinates, weight / weight.sum())
    return {
        "encoder": inputs.encoder, "low": inputs.low, "high": inputs.high, "mean": inputs.mean,
        "factor": inputs.factor / size, "rows": (coordinates / size).astype(np.float32), "root": np.sqrt(weight),
        "ridge": fit.ridge,
        "unit": np.sqrt(optimism) * unit_of(fit.residual / fit.deviation[:, None], weight),
    }  # fmt: skip


def standard_deviation(known, X, n_threads=1):
    """Return the standard deviation of the target, given the features.

    Parameters
    ----------
    known : dict
        That of `posterior`; or with "unit" alone, which is then what all rows have.
    X : ndarray or CSR matrix of shape (n_rows, n_features)
    n_threads : int, default=1

    Returns
    -------
    deviation : ndarray of shape (n_rows, n_outputs), float64
    """
    deviation = np.tile(np.asarray(known["unit"], dtype=np.float64), (X.shape[0], 1))
    if "rows" not in known:
        return deviation
    root, encoder, rows = known["root"], known["encoder"], with_constant(known["rows"])
    factor, ridge = factor_of(rows, root, known["ridge"], n_threads)
    for first in range(0, X.shape[0], BATCH):
        part = slice(first, first + BATCH)
        coordinates = X[part].toarray() if issparse(X) else X[part]
        coordinates = np.clip(coordinates, known["low"], known["high"])
        if encoder is None:  # that of the network may take what is missing for an average
            coordinates = np.where(np.isnan(coordinates), known["mean"], coordinates)
        else:
            coordinates = encoder.transform(coordinates)
        new = with_constant((np.asarray(coordinates, dtype=np.float64) - known["mean"]) * known["factor"])
        told = solve_triangular(factor, root[:, None] * tangent_kernel(rows, new), lower=True, check_finite=False)
        prior = 1 + 2 * np.einsum("ij,ij->i", new, new)
        left = np.maximum(prior - np.einsum("ij,ij->j", told, told), 0.0) + ridge
        deviation[part] *= np.sqrt(left)[:, None]
    return deviation


def factor_of(rows, root, ridge, n_threads):
    """Return the Cholesky factor of the kernel of weighted rows with a ridge, and the ridge.

    That is the least of ten, hundred ... times the one that is given for which there is a factor.
    """
    kernel = tangent_kernel(rows) * root
    kernel *= root[:, None]
    while True:
        factor = kernel.copy()
        factor.flat[:: len(root) + 1] += ridge
        if not cholesky(factor, n_threads):
            return factor, ridge
        ridge *= 10


def with_constant(coordinates):
    """Return rows as the kernel takes them."""
    return np.c_[coordinates.astype(np.float64), np.full(len(coordinates), CONSTANT)]
