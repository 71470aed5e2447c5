"""The fit loop of solver="lbfgs": SciPy's L-BFGS over all parameters, every neuron computed.

What users of MLPClassifier know as the solver for small networks and small data. It serves where Gauss-Newton does not:
few neurons, several layers, losses without curvature. An iteration is an epoch.
"""

import numpy as np
from scipy.sparse import issparse

from skfastnn._dense_objective import DenseObjective
from skfastnn._fitting import Trainer
from skfastnn._messages import warn
from skfastnn.solvers._solver import Solver


class NoSteps(Solver):
    """The solver of a network whose parameters are moved all at once, by somebody else."""

    n_steps = 0

    def __init__(self):
        """Know no network."""

    def measure(self):
        """Nothing is kept."""

    def state(self):
        """Return no arrays."""
        return {}


class LbfgsTrainer(Trainer):
    """Runs iterations of L-BFGS. Parameters as in `Trainer`."""

    task_name = "iteration"

    def parameters(self):
        self._load_best()
        return self.network.export()

    def _load_best(self):
        self.network.load(*self._in_original_coordinates(*self.objective.unpack(self.best)))

    def fit(self, X, y, sample_weight, n_epochs, validate=None):
        network, schedule, history = self.network, self.schedule, self.history
        first = network.layers[0]
        # rows and weights as large as in MLPClassifier on standardised features: that is what its users' alpha is for,
        # and minimisers begin with a step along the gradient
        self.length = np.sqrt(first.n_features)
        self.size = np.sqrt(2 * first.n_features / (first.n_features + first.n_neurons))
        rows, inside = self._normalised(X)
        total = float(sample_weight.sum())
        self.objective = objective = DenseObjective(
            rows, y.astype(np.float64), sample_weight / total, self.loss, schedule.alpha / total, *inside
        )
        self.best = objective.start

        def note(intermediate_result):
            self.best = intermediate_result.x
            history.n_epochs_begun += 1
            history.n_samples_seen += X.shape[0]
            away = np.where(objective.is_weight, self.best - objective.centre, 0.0)
            loss = float(intermediate_result.fun) - 0.5 * objective.penalty * float(away @ away)
            rates = self._firing(objective)
            history.loss_curve.append(loss)
            history.firing_curve.append(rates)
            if validate is not None:
                self._load_best()
            self._record(validate)
            if history.stopped or (validate is not None and history.n_without_improvement > schedule.n_iter_no_change):
                raise StopIteration
            if len(history.loss_curve) < n_epochs:
                self.progress.epoch_begins(self.task_name, self.parameters)

        try:
            self.progress.epoch_begins(self.task_name, self.parameters)
            result = objective.minimise(note, n_epochs, schedule.max_fun, schedule.tol)
            history.converged = bool(result.success) or validate is not None or history.stopped
        except KeyboardInterrupt:
            history.interrupt(validate is not None)
            warn("Training interrupted by user.")
        self._load_best()
        return history

    def _normalised(self, X):
        """Return the rows as the network sees them, and weights and intercepts for them and the standardised target."""
        network, coordinates = self.network, self.network.layers[0].coordinates
        mean, scale = coordinates.mean.astype(np.float64), coordinates.scale
        coefs, intercepts = ([a.astype(np.float64) for a in arrays] for arrays in network.export())
        intercepts[0] = (intercepts[0] + mean @ coefs[0]) * self.size
        coefs[0] = coefs[0] * (self.size * scale / self.length)
        coefs[1] = coefs[1] / self.size
        coefs[-1] = coefs[-1] / network.target_scale
        intercepts[-1] = (intercepts[-1] - network.target_shift) / network.target_scale
        if mean.any():  # rows of which few numbers are other than zero have none
            X = (X.toarray() if issparse(X) else X) - mean
        return X * (self.length / scale), (coefs, intercepts)

    def _in_original_coordinates(self, coefs, intercepts):
        """Return weights and intercepts for the rows and the target as given."""
        network, coordinates = self.network, self.network.layers[0].coordinates
        coefs, intercepts = list(coefs), list(intercepts)
        coefs[1] = coefs[1] * self.size
        coefs[0] = coefs[0] * (self.length / (self.size * coordinates.scale))
        intercepts[0] = intercepts[0] / self.size - coordinates.mean.astype(np.float64) @ coefs[0]
        coefs[-1] = coefs[-1] * network.target_scale
        intercepts[-1] = intercepts[-1] * network.target_scale + network.target_shift
        return coefs, intercepts

    def _firing(self, objective):
        """Return the share of pairs that fire in each layer, over some rows."""
        coefs, intercepts = objective.unpack(self.best)
        rates, rows = [], objective.rows[:200]
        for W, c in zip(coefs[:-1], intercepts[:-1], strict=True):
            rows = np.maximum(rows @ W + c, 0)
            rates.append(float(np.mean(rows > 0)))
        return rates if len(rates) > 1 else rates[0]
