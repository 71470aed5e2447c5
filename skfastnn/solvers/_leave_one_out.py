"""The ridge with the least leave-one-out error, from a few Cholesky factors.

An eigendecomposition gives the errors of all ridges for the price of four to seven factors and their inverses. The
error has, as a function of the logarithm of the ridge, one valley mostly, and where rows have copies two: three to five
factors find the lower one, from where a similar kernel had its least or from a usual place.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve

from skfastnn.passes.shared._lower import cholesky, inverse_of_lower

# Logarithms to base 10 of the ridges, in their unit, between which the least error is looked for.
LEAST, LARGEST = -6.0, 2.0
# Where to begin when nothing is known, and the steps downhill.
START, STEP = -2.0, 1.0
# A refinement that moves less than this, in decades, changes no error that could be told from noise.
FINE_ENOUGH = 0.1


@dataclass
class RidgeFit:
    """Kernel ridge regression at one ridge, with its leave-one-out error.

    Attributes
    ----------
    error : float
        Weighted mean, over the rows, of the squared residuals of rows that were left out, added up over outputs.
    residual : ndarray of shape (n_rows, n_outputs)
        Those residuals.
    dual : ndarray of shape (n_rows, n_outputs)
        The fitted function is ``kernel @ dual``.
    log_ridge : float
        Logarithm to base 10 of the ridge, in its unit.
    ridge : float
    deviation : ndarray of shape (n_rows,)
        Standard deviations of the residuals, up to a factor, if the ridge is the variance of noise.
    n_factors : int
        Factors that were computed on the way.
    """

    error: float
    residual: np.ndarray
    dual: np.ndarray
    log_ridge: float
    ridge: float
    deviation: np.ndarray
    n_factors: int = 1


def fit_ridge(kernel, weight, target, log_ridge, n_threads=1, copies=1.0, unit=None):
    """Fit one ridge: minimise ``sum_i w_i (f_i - y_i)^2 + ridge f' K^-1 f``.

    With ``A = S K S``, S the roots of the weights, and ``G = (A + ridge I)^-1``, the residual of a row that is left out
    is ``(G S y)_i / (s_i G_ii)`` (Rifkin and Lippert, "Notes on Regularized Least Squares", 2007). A row of weight k
    fits as k copies do. Where one of c copies is left out, 1 / c of the leverage ``1 - ridge G_ii`` is.

    Parameters
    ----------
    kernel : ndarray of shape (n_rows, n_rows)
        The lower triangle is read.
    weight : ndarray of shape (n_rows,)
        Positive.
    target : ndarray of shape (n_rows, n_outputs)
    log_ridge : float
    n_threads : int, default=1
    copies : ndarray of shape (n_rows,) or float, default=1
        Of the row that a weight stands for; one of them is left out.
    unit : float, default=None
        Of the ridge; None: the kernel's mean diagonal.

    Returns
    -------
    fit : RidgeFit
        Of infinite error where rounding leaves no positive definite matrix.
    """
    root, ridge = np.sqrt(weight), 10.0**log_ridge * (unit or mean_diagonal(kernel, weight))
    A = _factor(kernel, root, ridge, n_threads)
    if A is None:
        return RidgeFit(np.inf, np.zeros_like(target), np.zeros_like(target), log_ridge, ridge, np.ones_like(weight))
    inverse = np.empty_like(A)
    inverse_of_lower(A, inverse, n_threads)
    solution = inverse.T @ (inverse @ (root[:, None] * target))
    left = np.einsum("ij,ij->j", inverse, inverse) / copies + (1 - 1 / copies) / ridge
    residual = solution / (left * root)[:, None]
    error = float(weight @ np.einsum("ij,ij->i", residual, residual) / weight.sum())
    return RidgeFit(error, residual, solution * root[:, None], log_ridge, ridge, 1 / (root * np.sqrt(left)))


def dual_of_ridge(kernel, weight, target, log_ridge, n_threads=1):
    """Return what `fit_ridge` has as `dual`, for half of its price; None where there is no factor."""
    root = np.sqrt(weight)[:, None]
    A = _factor(kernel, root[:, 0], 10.0**log_ridge * mean_diagonal(kernel, weight), n_threads)
    return None if A is None else root * cho_solve((A, True), root * target, check_finite=False)


def _factor(kernel, root, ridge, n_threads):
    """Return the Cholesky factor of a weighted kernel with a ridge; None where rounding leaves none."""
    A = kernel * root
    A *= root[:, None]
    A.flat[:: A.shape[0] + 1] += ridge
    return None if cholesky(A, n_threads) else A


def mean_diagonal(kernel, weight):
    """Return the weighted mean of the kernel's diagonal."""
    return float(np.average(kernel.diagonal(), weights=weight))


def best_ridge(kernel, weight, target, start=START, n_threads=1, copies=1.0, unit=None):
    """Return the fit of the least error found: downhill from `start` or `START`, then to the minimum of a parabola.

    Parameters as of `fit_ridge`.
    """
    fits = {}

    def error(log_ridge):
        if not LEAST <= log_ridge <= LARGEST:
            return np.inf
        if log_ridge not in fits:
            fits[log_ridge] = fit_ridge(kernel, weight, target, log_ridge, n_threads, copies, unit)
        return fits[log_ridge].error

    here = float(np.clip(start, LEAST, LARGEST))
    if abs(here - START) > STEP and error(START) < error(here):
        here = START
    direction = STEP if error(here + STEP) <= error(here) else -STEP
    while error(here + direction) <= error(here) and LEAST <= here + direction <= LARGEST:
        here += direction
    below, above = error(here - STEP), error(here + STEP)
    if np.isfinite(below) and np.isfinite(above) and below + above > 2 * error(here):
        shift = 0.5 * STEP * (below - above) / (below + above - 2 * error(here))
        if abs(shift) >= FINE_ENOUGH:
            error(here + shift)
    best = min(fits.values(), key=lambda fit: (fit.error, -fit.log_ridge))
    best.n_factors = len(fits)
    return best
