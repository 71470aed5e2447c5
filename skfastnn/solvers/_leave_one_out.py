"""The ridge with the least leave-one-out error, from one eigendecomposition of the tangent kernel."""

import numpy as np
from scipy.linalg import eigh

# Ridges that are tried, in units of the mean diagonal of the kernel.
RIDGES = np.logspace(-6, 2, 49)


def leave_one_out_errors(kernel, scale, target, ridges, copies=1.0):
    """Return the leave-one-out error of kernel ridge regression for a path of ridges.

    The model ``f = K u`` minimises ``sum_i s_i^2 (f_i - y_i)^2 / 2 + ridge u' K u / 2``. With ``A = S K S`` and
    ``G = (A + ridge I)^-1``, the residual of a sample that was left out is ``(G S y)_i / G_ii`` in units of 1 / s_i
    (Rifkin and Lippert, "Notes on Regularized Least Squares", 2007), as in `sklearn.linear_model.RidgeCV`.
    Where one of c copies is left out, 1 / c of the leverage ``1 - ridge G_ii`` is.

    Parameters
    ----------
    kernel : ndarray of shape (n, n)
        The lower triangle is read.
    scale : ndarray of shape (n,)
        Roots s of the weights of the samples, positive.
    target : ndarray of shape (n, n_outputs)
    ridges : ndarray of shape (n_ridges,)
    copies : ndarray of shape (n,) or float, default=1
        Of the sample that a weight stands for; one of them is left out.

    Returns
    -------
    errors : ndarray of shape (n_ridges,)
        Sum of the squared, weighted residuals.
    """
    A = kernel * scale
    A *= scale[:, None]
    values, Q = eigh(A, lower=True, overwrite_a=True, check_finite=False)
    rotated = Q.T @ (scale[:, None] * target)
    squares = Q**2
    errors = np.empty(len(ridges))
    for k, ridge in enumerate(ridges):
        shrunk = 1 / (np.maximum(values, 0) + ridge)
        left = (squares @ shrunk) / copies + (1 - 1 / copies) / ridge
        residual = Q @ (shrunk[:, None] * rotated) / left[:, None]
        errors[k] = np.sum(residual**2, dtype=np.float64)
    return errors


def best_ridge(kernel, scale, target, unit, copies=1.0):
    """Return the ridge of `RIDGES` with the least leave-one-out error; the largest of equals.

    Parameters
    ----------
    kernel, scale, target, copies : see `leave_one_out_errors`
    unit : float
        What a ridge of one means.
    """
    if not unit > 0:  # of a network that no parameter changes
        return float(RIDGES[-1])
    errors = leave_one_out_errors(kernel, scale, target, RIDGES * unit, copies)
    return float(RIDGES[RIDGES.size - 1 - np.argmin(errors[::-1])])
