"""Approximate inverses of ``shift I + D K D`` that precondition the Gauss-Newton system of all outputs.

K is the tangent kernel shared over outputs, D diagonal. With one output and squared error the Cholesky factor solves
the system itself; otherwise it makes conjugate gradients converge in a few iterations. For more rows than its memory
allows there is a Nystroem approximation from some of the rows.
"""

import numpy as np
from scipy.linalg.lapack import get_lapack_funcs

from skfastnn.passes.shared._lower import add_lower_products, cholesky

# Where rounding makes a matrix indefinite, its diagonal is raised by a growing share of its mean.
FIRST_SHARE, SHARE_GROWTH = 1e-7, 30.0


def _solver(make, shift, n_threads):
    """Return the function that solves with the Cholesky factor of a matrix plus `shift` times the identity.

    Parameters
    ----------
    make : callable
        Returns the matrix, C order, whose lower triangle is read and overwritten; called again when it was
        indefinite to rounding.
    shift : float
    n_threads : int
    """
    share = 0.0
    while True:
        A = make()
        diagonal = A.reshape(-1)[:: A.shape[0] + 1]
        diagonal += max(shift, share * float(diagonal.mean()))
        if cholesky(A, n_threads) == 0:
            # LAPACK is column-major: our lower triangle is its upper one, and nothing is copied
            (potrs,) = get_lapack_funcs(("potrs",), (A,))
            return lambda right: potrs(A.T, right, lower=False)[0]
        if share > 1:
            raise ValueError("the tangent kernel is not finite")
        share = share * SHARE_GROWTH if share else FIRST_SHARE


class CholeskyPreconditioner:
    """The Cholesky factor of ``shift I + D K D``.

    Parameters
    ----------
    K : ndarray of shape (n, n)
        C order; the lower triangle is read.
    scale : ndarray of shape (n,)
        Diagonal of D, not negative.
    shift : float
    n_threads : int
    """

    def __init__(self, K, scale, shift, n_threads):
        factor = np.empty_like(K)  # K itself is needed for other scales and shifts

        def make():
            np.multiply(K, scale, out=factor)
            np.multiply(factor, scale[:, None], out=factor)
            return factor

        self.solve = _solver(make, shift, n_threads)


class NystromPreconditioner:
    """``shift I + D C W^-1 C' D`` with C some columns of the kernel and W their rows: exact on what they span.

    Parameters
    ----------
    rows : ndarray of shape (s, n)
        Rows `index` of K.
    index : ndarray of shape (s,)
    scale : ndarray of shape (n,)
    shift : float
    n_threads : int
    """

    def __init__(self, rows, index, scale, shift, n_threads):
        self.shift = shift
        self.scaled = rows * scale
        W = np.ascontiguousarray(rows[:, index])
        # (shift I + B' W^-1 B)^-1 = (I - B' (shift W + B B')^-1 B) / shift, B = C' D
        floor = float(np.finfo(W.dtype).eps) * W.shape[0] * float(W.diagonal().mean()) * shift

        def make():
            A = shift * W
            add_lower_products(self.scaled, self.scaled, A, n_threads)
            return A

        self._small = _solver(make, floor, n_threads)

    def solve(self, right):
        """Return the solution for right-hand sides of shape (n, k)."""
        return (right - self.scaled.T @ self._small(self.scaled @ right)) / self.shift
