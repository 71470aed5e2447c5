"""The network of P1 to P3 by plain NumPy: unit rows, a frozen output of +-1, squared loss, all rows at once."""

import numpy as np


def unit_rows(n, d, rng):
    """Return random rows of length one."""
    X = rng.standard_normal((n, d))
    return X / np.linalg.norm(X, axis=1, keepdims=True)


class PaperNetwork:
    """``f(x) = sum_r a_r max(<w_r, x> - b, 0) / sqrt(m)`` with a frozen, on the rows X.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    y : ndarray of shape (n,)
    width : int
    shift : float
    rng : Generator
    """

    def __init__(self, X, y, width, shift, rng):
        self.X, self.y, self.shift = X, y, shift
        self.start = rng.standard_normal((width, X.shape[1]))
        self.W = self.start.copy()
        self.signs = rng.choice([-1.0, 1.0], width) / np.sqrt(width)
        self.refresh()

    def refresh(self):
        """Compute what fires, and the error."""
        Z = self.X @ self.W.T - self.shift
        self.fired = Z > 0
        self.error = (Z * self.fired) @ self.signs - self.y

    @property
    def gram(self):
        """``J J'``: what rows have in common, times the share of the neurons that fire on both."""
        fired = self.fired.astype(np.float32)
        return (self.X @ self.X.T) * (fired @ fired.T) / len(self.signs)

    def move(self, g):
        """Take ``J' g`` from the weights."""
        self.W -= (self.fired * self.signs).T @ (g[:, None] * self.X)
        self.refresh()

    def displacements(self):
        """Return how far each neuron is from its start."""
        return np.linalg.norm(self.W - self.start, axis=1)
