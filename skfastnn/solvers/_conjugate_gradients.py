"""Preconditioned conjugate gradients that keep what the product knows besides.

SciPy's do not return the product with the solution, which costs as much as an iteration to compute again, and here
there are few iterations.

Reference: Golub, Van Loan, "Matrix Computations", 4th edition, section 11.5.
"""

from dataclasses import dataclass

import numpy as np


@dataclass
class Found:
    """What was found.

    Attributes
    ----------
    solution : ndarray
    product : ndarray
        The by-product of the solution.
    residual : ndarray
    n_iterations : int
        In the last descent.
    converged : bool
    """

    solution: np.ndarray
    product: np.ndarray
    residual: np.ndarray
    n_iterations: int = 0
    converged: bool = False


def conjugate_gradients(apply, precondition, right, found, tolerance, n_iterations):
    """Solve ``A a = right`` for A symmetric and positive definite.

    Parameters
    ----------
    apply : callable
        Takes a, returns ``A a`` and a by-product, both linear in a.
    precondition : callable
        Takes a residual, returns about the solution for it; symmetric and positive definite, too.
    right : ndarray
        Of any shape, which all the others have.
    found : Found or None
        To go on with; None: zero.
    tolerance : float
        Norm of the residual to stop at, relative to that of `right`.
    n_iterations : int
        At most.

    Returns
    -------
    found : Found
    """
    if found is None:
        found = Found(np.zeros_like(right), np.zeros_like(right), right.copy())
    a, product, r = found.solution, found.product, found.residual
    enough = tolerance * float(np.linalg.norm(right))
    direction, before, n_done = None, 1.0, 0
    while n_done < n_iterations and np.linalg.norm(r) > enough:
        z = precondition(r)
        slope = float(np.vdot(r, z))
        direction = z if direction is None else z + slope / before * direction
        applied, by_product = apply(direction)
        curvature = float(np.vdot(direction, applied))
        if not (slope > 0 and curvature > 0):  # rounding, or numbers that are not finite: nothing better is found
            break
        length = slope / curvature
        a, product, r = a + length * direction, product + length * by_product, r - length * applied
        before, n_done = slope, n_done + 1
    return Found(a, product, r, n_done, bool(np.linalg.norm(r) <= enough))
