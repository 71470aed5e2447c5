"""Losses of the raw output: value, gradient, curvature, and the way from the raw output to a prediction.

A loss is the weighted mean over samples; over several outputs it is the mean for regression and the sum for
classification, as in scikit-learn's MLP.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, softmax, xlogy

# Least probability, and variance of a yes or no, in a curvature: a sample that the network is sure of, but wrong, would
# ask for a step without bounds, and one of a hundred classes for logits of a hundred.
LEAST_PROBABILITY = 0.05
# Least curvature of other losses, relative to the largest.
LEAST_CURVATURE = 1e-6


# Least rate of events that training starts from, where there are none yet.
LEAST_RATE = 1e-6

# Least share of the step with which training goes on from where it was.
LEAST_SHARE = 0.02


@dataclass
class Curvature:
    """Second-order model of a loss: per sample a positive semidefinite H and the gradient g, as a root of H.

    ``H = S S'`` with ``S = diag(scale) (I - d d')``, d the direction of a sample, of length one, or none.

    Attributes
    ----------
    scale : ndarray of shape (n_samples, n_outputs)
    minus_gradient : ndarray of shape (n_samples, n_outputs)
        The solution t of ``S t = -g``.
    direction : ndarray of shape (n_samples, n_outputs) or None
    """

    scale: np.ndarray
    minus_gradient: np.ndarray
    direction: np.ndarray | None = None

    def project(self, a):
        """Return a without its part along the directions."""
        if self.direction is None:
            return a
        return a - self.direction * np.einsum("ij,ij->i", self.direction, a)[:, None]

    def root(self, a):
        """Return ``S a``."""
        return self.scale * self.project(a)

    def transposed_root(self, u):
        """Return ``S' u``."""
        return self.project(self.scale * u)

    @property
    def mean_scale(self):
        """Root of the mean of the eigenvalues of H that are not zero by construction, of shape (n_samples, 1)."""
        free = self.scale.shape[1]
        if self.direction is None:
            return np.sqrt(np.einsum("ij,ij->i", self.scale, self.scale) / free)[:, None]
        trace = np.einsum("ij,ij->i", self.scale**2, 1 - self.direction**2)
        return np.sqrt(trace / (free - 1))[:, None]


def scale_of(shift, spread):
    """Return what a target of this mean and standard deviation is divided by; a constant one, to rounding, by one."""
    return np.where(spread > 1e-12 * np.abs(shift), spread, 1.0)


def _diagonal_curvature(h, gradient):
    """Return the curvature of a loss whose outputs do not interact: second and first derivatives."""
    scale = np.sqrt(np.maximum(h, LEAST_CURVATURE * h.max(axis=0)))
    return Curvature(scale, -gradient / scale)


class SquaredError:
    """Half the squared error."""

    has_curvature = True
    # loss from which on nothing is left to gain by training otherwise
    negligible = 0.0
    out_activation = "identity"
    # change of an output by the first step of Adam: a third of the target's standard deviation
    first_change = 0.35

    def standardisation(self, y, weight):
        """Return the shift and scale of the target for training, two float64 ndarray of shape (n_outputs,)."""
        shift, spread = self.moments(y, weight)
        return shift, scale_of(shift, spread)

    def moments(self, y, weight):
        """Return the mean and the standard deviation of the target, two float64 ndarray of shape (n_outputs,)."""
        y = y.astype(np.float64, copy=False)
        shift = np.average(y, axis=0, weights=weight)
        largest = np.abs(y - shift).max(axis=0)
        unit = np.where(largest > 0, largest, 1.0)  # squares of large numbers overflow
        return shift, largest * np.sqrt(np.average(((y - shift) / unit) ** 2, axis=0, weights=weight))

    def follow(self, before, batch):
        """Return the statistics of the target in a stream after a batch: dicts of weight, shift and spread."""
        total = before["weight"] + batch["weight"]
        share = batch["weight"] / total
        step = batch["shift"] - before["shift"]
        spread = np.hypot(np.sqrt(1 - share) * before["spread"], np.sqrt(share) * batch["spread"])
        spread = np.hypot(spread, np.sqrt(share * (1 - share)) * step)
        return {"weight": total, "shift": before["shift"] + share * step, "spread": spread}

    def share_left(self, raw, y, weight):
        """Return how large the gradient is, compared to that of the output to start from; at most one.

        A first step of Adam is as long whatever there is to gain; on a network that has been trained it would undo what
        it has learned.
        """
        _, gradient = self.value_and_gradient(raw, y)
        start = np.broadcast_to(self.initial_output(y, weight).astype(raw.dtype), raw.shape)
        _, reference = self.value_and_gradient(start, y)
        left, whole = (np.sqrt(np.mean(np.square(g, dtype=np.float64))) for g in (gradient, reference))
        return float(np.clip(left / whole, LEAST_SHARE, 1.0)) if whole > 0 and np.isfinite(left) else 1.0

    def value_and_gradient(self, raw, y):
        """Return the loss of each sample and its derivative by the raw output.

        Parameters
        ----------
        raw, y : ndarray of shape (n_samples, n_outputs)

        Returns
        -------
        loss : ndarray of shape (n_samples,)
        gradient : ndarray of shape (n_samples, n_outputs)
        """
        residual = raw - y
        return 0.5 * np.mean(residual**2, axis=1), residual / raw.shape[1]

    def curvature(self, y, weight):
        """Return an estimate of the largest second derivative where training starts."""
        return 1.0 / y.shape[1]

    def ridge_scale(self, n_outputs):
        """Return the curvature of an output, in units of which a ridge is given: the mean over outputs has 1 / n."""
        return 1.0 / n_outputs

    def model(self, raw, y):
        """Return the second-order model of the loss of each sample, a `Curvature`; None where there is none.

        Parameters
        ----------
        raw, y : ndarray of shape (n_samples, n_outputs)
        """
        _, gradient = self.value_and_gradient(raw, y)
        return _diagonal_curvature(np.full_like(raw, 1.0 / raw.shape[1]), gradient)

    def predict(self, raw):
        """Return the prediction for raw outputs."""
        return raw

    def initial_output(self, y, weight):
        """Return the raw output to start from, ndarray of shape (n_outputs,)."""
        return np.zeros(y.shape[1])


class Huber(SquaredError):
    """Squared error up to `delta`, linear beyond; delta in standard deviations of the target."""

    def __init__(self, delta):
        self.delta = delta

    def value_and_gradient(self, raw, y):
        residual = raw - y
        size = np.abs(residual)
        loss = np.where(size <= self.delta, 0.5 * residual**2, self.delta * (size - 0.5 * self.delta))
        return loss.mean(axis=1), np.clip(residual, -self.delta, self.delta) / raw.shape[1]

    def model(self, raw, y):
        # the parabola that touches the loss at the residual and lies above it
        _, gradient = self.value_and_gradient(raw, y)
        size = np.maximum(np.abs(raw - y), self.delta)
        return _diagonal_curvature(self.delta / size / raw.shape[1], gradient)


class Quantile(SquaredError):
    """Pinball loss of a quantile."""

    has_curvature = False

    def __init__(self, quantile):
        self.quantile = quantile

    def value_and_gradient(self, raw, y):
        residual = raw - y
        slope = np.where(residual > 0, 1 - self.quantile, -self.quantile)
        return (slope * residual).mean(axis=1), (slope * (residual != 0)).astype(raw.dtype) / raw.shape[1]

    def curvature(self, y, weight):
        # a kink has none; this is that of a kink rounded off over a fifth of a standard deviation of the target. With a
        # tenth of it the steps do not settle (sgd, 200 epochs: loss .48 and .50, against .095 and .10)
        return 5.0 / y.shape[1]

    def model(self, raw, y):
        return None

    def initial_output(self, y, weight):
        order = np.argsort(y, axis=0)
        below = np.cumsum(weight[order], axis=0, dtype=np.float64)
        first = np.argmax(below >= self.quantile * below[-1], axis=0)
        columns = np.arange(y.shape[1])
        return y[order[first, columns], columns]


class AbsoluteError(Quantile):
    """Absolute error."""

    def __init__(self):
        super().__init__(0.5)

    def value_and_gradient(self, raw, y):
        loss, gradient = super().value_and_gradient(raw, y)
        return 2 * loss, 2 * gradient


class NotStandardised(SquaredError):
    """A loss whose target has a scale of its own."""

    def follow(self, before, batch):
        return before

    def moments(self, y, weight):
        return np.zeros(y.shape[1]), np.ones(y.shape[1])


class Poisson(NotStandardised):
    """Half the Poisson deviance, with an exponential link."""

    out_activation = "exp"

    def value_and_gradient(self, raw, y):
        rate = np.exp(raw)
        return np.mean(xlogy(y, y) - y * raw - y + rate, axis=1), (rate - y) / raw.shape[1]

    def curvature(self, y, weight):
        return float(np.average(y, axis=0, weights=weight).max()) / y.shape[1]

    def model(self, raw, y):
        rate = np.exp(raw)
        return _diagonal_curvature(np.maximum(rate, LEAST_RATE) / raw.shape[1], (rate - y) / raw.shape[1])

    def predict(self, raw):
        return exp(raw)

    def initial_output(self, y, weight):
        return np.log(np.maximum(np.average(y, axis=0, weights=weight), LEAST_RATE))


class SoftmaxLogLoss(NotStandardised):
    """Log-loss of several classes; y is one-hot."""

    negligible = 0.02
    first_change = 1.0

    out_activation = "softmax"

    def value_and_gradient(self, raw, y):
        # in every step: three quarters of the time that scipy.special.log_softmax takes for a batch of 200
        relative = raw - raw.max(axis=1, keepdims=True)
        odds = np.exp(relative)
        total = odds.sum(axis=1, keepdims=True)
        return np.log(total[:, 0]) - np.einsum("ij,ij->i", y, relative), odds / total - y

    def ridge_scale(self, n_outputs):
        return 1.0

    def model(self, raw, y):
        # H = diag(p) - p p'
        p = softmax(raw, axis=1)
        root = np.sqrt(np.maximum(p, LEAST_PROBABILITY))
        direction = root / np.linalg.norm(root, axis=1, keepdims=True)
        ahead = (y - p) / root
        return Curvature(root, ahead - direction * np.einsum("ij,ij->i", direction, ahead)[:, None], direction)

    def predict(self, raw):
        return softmax(raw, axis=1)


class BinaryLogLoss(NotStandardised):
    """Log-loss of yes or no, summed over the columns of a multilabel target."""

    negligible = 0.02
    first_change = 1.0

    out_activation = "logistic"

    def value_and_gradient(self, raw, y):
        loss = np.logaddexp(0, raw) - y * raw
        return loss.sum(axis=1), expit(raw) - y

    def curvature(self, y, weight):
        return 0.25

    def ridge_scale(self, n_outputs):
        return 1.0

    def model(self, raw, y):
        p = expit(raw)
        return _diagonal_curvature(np.maximum(p * (1 - p), LEAST_PROBABILITY), p - y)

    def predict(self, raw):
        return expit(raw)


def activate(raw, out_activation):
    """Return the prediction for raw outputs of a network with this activation, "identity" or "exp"."""
    return exp(raw) if out_activation == "exp" else raw


def exp(raw):
    """Return the exponential of raw outputs, bounded by what the type holds: an output is a number, however large."""
    return np.exp(np.minimum(raw, np.floor(np.log(np.finfo(raw.dtype).max))))


def regression_loss(name, *, quantile, huber_delta):
    """Return the loss that a regressor's `loss` parameter names."""
    if name == "huber":
        return Huber(huber_delta)
    if name == "quantile":
        return Quantile(quantile)
    plain = {"squared_error": SquaredError, "poisson": Poisson, "absolute_error": AbsoluteError}
    return plain[name]()
