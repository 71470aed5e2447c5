"""The fit loop of Gauss-Newton: steps that are tried, and kept when the objective falls."""

import numpy as np

from skfastnn._fitting import Trainer
from skfastnn.passes.shared._pairs import PairLists
from skfastnn.solvers._gauss_newton import MAX_TRIALS

# Training ends when an iteration gains, or what is left of the loss is, less than this times `tol` of the loss at the
# start: an iteration costs as much as hundreds of steps of first order, and what it would still fit is mostly noise.
# With several outputs, whose iterations solve less of the model, more is left to noise.
STOP_FACTOR, STOP_FACTOR_OF_SEVERAL = 10.0, 100.0


class GaussNewtonTrainer(Trainer):
    """Runs Gauss-Newton iterations; an epoch is one iteration on the full batch, or one on each of several batches.

    Losses, and the firing rate, are those after the step. Parameters as in `Trainer`.
    """

    task_name = "iteration"

    def _prepare(self, X):
        super()._prepare(X)
        self.solver.forget_rows()
        # what fires where the network is, and where it is put to see
        self.fired, self.trial = self.slots[0].fired, PairLists(self.network.n_neurons, self.network.dtype)
        self.known = None

    def fit(self, X, y, sample_weight, n_epochs, validate=None):
        try:
            return super().fit(X, y, sample_weight, n_epochs, validate)
        finally:
            self.solver.restore()

    def _finished(self):
        if self.whole_batch is None:
            return super()._finished()
        # every step is the best that the model knows: one without progress is the last
        factor = STOP_FACTOR if self.network.n_outputs == 1 else STOP_FACTOR_OF_SEVERAL
        enough = factor * self.schedule.tol * self.value_at_start
        return self.decrease <= enough or self.known[1] <= enough or super()._finished()

    def _step(self, batch):
        solver = self.solver
        weight = float(batch.weight)
        if self.known is None:
            self.known = self._evaluate(batch)
            self.fired, self.trial = self.trial, self.fired
        raw, value = self.known
        if not np.isfinite(value):
            return np.inf, weight
        model = self.loss.model(raw, batch.y)
        solver.linearise(self.fired, batch.rows, raw, model, batch.share, weight, whole=batch is self.whole_batch)
        if solver.n_steps == 0:
            self.value_at_start = value
            self._set_ridge(raw, weight)
        self.decrease = self._descend(batch)
        value = self.known[1]
        self.engine.moved(self.fired, solver)
        if batch is not self.whole_batch:
            self.known = None
        return value, weight

    def _set_ridge(self, raw, weight):
        """Set the ridge of the objective of the mean loss: `alpha` times the mean diagonal of the kernel."""
        solver, schedule = self.solver, self.schedule
        unit = self.loss.ridge_scale(self.network.n_outputs) * solver.mean_diagonal / weight
        if isinstance(schedule.alpha, str):
            schedule.alpha = solver.choose_ridge(raw, unit, exact=schedule.alpha == "loo")
        solver.ridge = schedule.alpha * unit

    def _descend(self, batch):
        """Propose until a step lowers the objective, and take it; return by how much."""
        solver = self.solver
        objective = self.known[1] + solver.penalty(solver.here)
        for _ in range(MAX_TRIALS):
            promised = solver.propose()
            if promised <= np.finfo(self.network.dtype).eps * objective:
                solver.reject()
                continue
            outcome = self._evaluate(batch)
            decrease = objective - outcome[1] - solver.penalty(solver.trial)
            if decrease > 0:
                solver.accept(decrease / promised)
                self.fired, self.trial = self.trial, self.fired
                self.known = outcome
                return decrease
            solver.reject()
        solver.restore()
        return 0.0

    def _evaluate(self, batch):
        """Return output and mean loss where the network is; what fires is in `self.trial`."""
        network = self.network
        self._forward(batch, self.trial)
        n_rows, n_outputs = batch.y.shape
        raw = network.output_scale * self.outputs[0, :n_rows, :n_outputs] + network.v
        losses, _ = self.loss.value_and_gradient(raw, batch.y)
        return raw, float(losses @ batch.share)
