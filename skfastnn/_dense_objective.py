"""The penalised loss of a small dense network, and its gradient, as a function of one vector: for minimisers."""

import numpy as np
from scipy.optimize import minimize
from sklearn.utils.extmath import safe_sparse_dot


class DenseObjective:
    """Mean loss of a plain ReLU network plus half the penalty times the squared distance from where it started.

    Parameters
    ----------
    rows : ndarray or CSR matrix of shape (n_samples, n_features)
    target : ndarray of shape (n_samples, n_outputs)
    share : ndarray of shape (n_samples,)
        Shares of the samples in the mean loss.
    loss : object of `skfastnn._losses`
    penalty : float
    coefs, intercepts : list of ndarray
        Where it starts; with no hidden layer the list of coefs has one matrix.
    """

    def __init__(self, rows, target, share, loss, penalty, coefs, intercepts):
        self.rows, self.target, self.share, self.loss, self.penalty = rows, target, share[:, None], loss, penalty
        self.shapes = [a.shape for a in (*coefs, *intercepts)]
        self.n_layers = len(coefs)
        self.start = self.pack(coefs, intercepts)
        self.centre = self.start
        self.is_weight = np.repeat([len(shape) == 2 for shape in self.shapes], [np.prod(s) for s in self.shapes])

    @staticmethod
    def pack(coefs, intercepts):
        """Return all parameters as one vector of float64."""
        return np.concatenate([np.ravel(a).astype(np.float64) for a in (*coefs, *intercepts)])

    def unpack(self, theta):
        """Return weights and intercepts, two lists of arrays."""
        ends = np.cumsum([np.prod(shape) for shape in self.shapes])
        arrays = [a.reshape(shape) for a, shape in zip(np.split(theta, ends[:-1]), self.shapes, strict=True)]
        return arrays[: self.n_layers], arrays[self.n_layers :]

    def loss_and_gradient(self, theta, part=slice(None)):
        """Return the mean loss without the penalty, and its gradient, over some of the rows."""
        coefs, intercepts = self.unpack(theta)
        share = self.share[part] / self.share[part].sum()
        inputs = [self.rows[part]]
        for W, c in zip(coefs[:-1], intercepts[:-1], strict=True):
            inputs.append(np.maximum(safe_sparse_dot(inputs[-1], W) + c, 0))
        raw = safe_sparse_dot(inputs[-1], coefs[-1]) + intercepts[-1]
        losses, error = self.loss.value_and_gradient(raw, self.target[part])
        value, error = float(losses @ share[:, 0]), error * share
        by_weights, by_intercepts = [], []
        for W, below in zip(reversed(coefs), reversed(inputs), strict=True):
            by_weights.append(safe_sparse_dot(below.T, error))
            by_intercepts.append(error.sum(axis=0))
            if below is not inputs[0]:
                error = (error @ W.T) * (below > 0)
        return value, self.pack(by_weights[::-1], by_intercepts[::-1])

    def __call__(self, theta):
        """Return the objective and its gradient."""
        value, gradient = self.loss_and_gradient(theta)
        away = np.where(self.is_weight, theta - self.centre, 0.0)
        return value + 0.5 * self.penalty * float(away @ away), gradient + self.penalty * away

    def minimise(self, note, n_iterations, max_fun, tol):
        """Run L-BFGS from the start, and return SciPy's result; `note` is told of every iteration, and may stop it."""
        return minimize(
            self, self.start, jac=True, method="L-BFGS-B", callback=note,
            options={"maxiter": n_iterations, "maxfun": max_fun, "gtol": tol},
        )  # fmt: skip
