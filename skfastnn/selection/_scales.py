"""Learned scales of the original features: a diagonal average gradient outer product.

The scale of each feature is multiplied by the root of the mean squared gradient of the fitted function by it, a few
times (Radhakrishnan, Beaglehole, Pandit and Belkin, "Mechanism for feature learning in neural networks and
backpropagation-free machine learning models", 2024). All coordinates of a feature's encoding share one scale.

Scales know the targets of all rows, and the leave-one-out error does not notice what they owe to the row that is left
out: with 60 features and 117 rows it fell by a third while the error on other rows rose by a half. So it is folds that
say how many rounds are good, and whether any is.
"""

import numpy as np

from skfastnn._data import copies_of
from skfastnn.selection._kernel import CONSTANT, mean_squared_gradient, network_rows, rms_norm, tangent_kernel
from skfastnn.solvers._leave_one_out import best_ridge, dual_of_ridge

ROUNDS, N_FOLDS = 3, 3
# Points at which the gradient is taken.
MAX_POINTS = 300
# A feature loses no more than this in a round, so that it may come back.
LEAST_FACTOR = 0.05


def next_scales(scales, rows, dual, share, feature):
    """Return the scales after one more round, of root-mean-square one; unchanged if the fitted function is constant.

    Parameters
    ----------
    scales : ndarray of shape (n_features,)
    rows : ndarray of shape (n_rows, n_coordinates + 1)
        With these scales, as the kernel takes them.
    dual : ndarray of shape (n_rows, n_outputs)
    share : ndarray of shape (n_rows,)
    feature : ndarray of shape (n_coordinates,)
        The original feature of each coordinate.
    """
    n_points = min(rows.shape[0], MAX_POINTS)
    at = np.arange(n_points) * rows.shape[0] // n_points
    squares = mean_squared_gradient(rows, dual, share, at)[:-1]
    count = np.maximum(np.bincount(feature, minlength=scales.size), 1)
    squares = np.bincount(feature, squares, minlength=scales.size) / count
    if not squares.mean() > 0:
        return scales
    scales = scales * np.maximum(np.sqrt(squares / squares.mean()), LEAST_FACTOR)
    return scales / np.sqrt(np.mean(scales**2))


def held_out_gains(inputs, target, weight, feature, n_features, log_ridge, n_threads=1):
    """Return the error on held-out folds after 0, 1, ... rounds of learned scales, in units of the first.

    Parameters
    ----------
    inputs : ndarray of shape (n_rows, n_coordinates)
        Centred, without scales.
    target : ndarray of shape (n_rows, n_outputs)
    weight : ndarray of shape (n_rows,)
    feature : ndarray of shape (n_coordinates,)
    n_features : int
    log_ridge : float
        Where the search for the ridge begins. The first fold finds that of each round for all.
    n_threads : int, default=1

    Returns
    -------
    gains : ndarray of shape (ROUNDS + 1,)
        All one if there are too few rows, or no error to begin with.
    """
    n = inputs.shape[0]
    fold = np.random.default_rng(0).permutation(n) % N_FOLDS
    errors, log_ridges = np.zeros(ROUNDS + 1), None
    if n < 2 * N_FOLDS:
        return errors + 1
    for k in range(N_FOLDS):
        data = _Fold(inputs, target, weight, fold != k, n_threads)
        errors += data.errors(feature, np.ones(n_features), log_ridges or log_ridge)
        log_ridges = log_ridges or data.log_ridges
    return errors / errors[0] if errors[0] > 0 else np.ones_like(errors)


class _Fold:
    """Rows to fit, and rows to predict."""

    def __init__(self, inputs, target, weight, kept, n_threads):
        self.n_threads = n_threads
        self.weight, self.others_weight = weight[kept], weight[~kept]
        self.share, self.copies = self.weight / self.weight.sum(), copies_of(self.weight)
        self.inputs, self.others = (part - self.share @ inputs[kept] for part in (inputs[kept], inputs[~kept]))
        self.target, self.truth = (part - self.share @ target[kept] for part in (target[kept], target[~kept]))

    def errors(self, feature, scales, log_ridge):
        """Return the error after 0, 1, ... rounds, with given ridges, or the best for what is fitted."""
        errors, self.log_ridges = [], []
        for k in range(ROUNDS + 1):
            scaled = self.inputs * scales[feature]
            rows, size = network_rows(scaled, self.share), rms_norm(scaled, self.share)
            others = np.column_stack([self.others * (scales[feature] / size), np.full(len(self.others), CONSTANT)])
            dual = self._fit(tangent_kernel(rows), log_ridge, k)
            residual = self.truth - tangent_kernel(others, rows) @ dual
            errors.append(self.others_weight @ np.einsum("ij,ij->i", residual, residual))
            if k < ROUNDS:
                scales = next_scales(scales, rows, dual, self.share, feature)
        return np.array(errors)

    def _fit(self, kernel, log_ridge, k):
        start = log_ridge
        if isinstance(log_ridge, list):
            dual = dual_of_ridge(kernel, self.weight, self.target, log_ridge[k], self.n_threads)
            if dual is not None:
                return dual
            start = log_ridge[k]
        elif self.log_ridges:
            start = self.log_ridges[-1]
        fit = best_ridge(kernel, self.weight, self.target, start, self.n_threads, self.copies)
        self.log_ridges.append(fit.log_ridge)
        return fit.dual
