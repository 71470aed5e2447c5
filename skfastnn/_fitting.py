"""The fit loop: epochs, batches, learning rates, stopping, history. One pass works for every solver and engine."""

from dataclasses import dataclass, field
from math import isfinite
from typing import NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skfastnn._messages import warn
from skfastnn._progress import Progress
from skfastnn._threads import effective_n_threads
from skfastnn.networks._network import aligned_zeros
from skfastnn.networks._training_rows import Batch, training_rows
from skfastnn.passes.shared._pairs import PairLists

# Outputs, which are added up in double precision, beyond which training has diverged.
LARGEST_OUTPUT = np.finfo(np.float64).max ** 0.25


@dataclass
class History:
    """What a fit leaves behind besides the weights."""

    loss_curve: list = field(default_factory=list)
    firing_curve: list = field(default_factory=list)
    validation_scores: list = field(default_factory=list)
    validation_losses: list = field(default_factory=list)
    best_loss: float = np.inf
    best_score: float = -np.inf
    best_parameters: tuple = None
    n_without_improvement: int = 0
    n_epochs_begun: int = 0
    n_samples_seen: int = 0
    interrupted: bool = False
    stopped: bool = False
    converged: bool = False

    def take_loss(self, tol):
        """Take note of the last loss of training."""
        self._take(self.loss_curve[-1] <= self.best_loss - tol)
        self.best_loss = min(self.best_loss, self.loss_curve[-1])

    def take_score(self, score, loss, tol, parameters):
        """Take note of how rows that are held out fare; keep what `parameters` returns if it is the best so far."""
        self._take(score >= self.best_score + tol)
        if score > self.best_score:
            self.best_score, self.best_parameters = score, parameters()
        self.validation_scores.append(score)
        self.validation_losses.append(loss)

    def interrupt(self, validated):
        """Take note of Ctrl-C, wherever it came: an epoch stands in all curves or in none."""
        self.interrupted = True
        curves = [self.loss_curve, self.firing_curve]
        curves += [self.validation_scores, self.validation_losses] if validated else []
        n_epochs = min(map(len, curves))
        for curve in curves:
            del curve[n_epochs:]
        if not validated:
            self.best_loss = min(self.loss_curve, default=np.inf)

    def _take(self, improved):
        self.n_without_improvement = 0 if improved else self.n_without_improvement + 1

    def line(self):
        """Return what there is to say about the last epoch."""
        rates = ", ".join(f"{rate:.2%}" for rate in np.atleast_1d(self.firing_curve[-1])) if self.firing_curve else ""
        fired = f", fired = {rates}" if rates else ""
        score = f", validation score = {self.validation_scores[-1]:.6f}" if self.validation_scores else ""
        return f"Iteration {len(self.loss_curve)}, loss = {self.loss_curve[-1]:.8f}{fired}{score}"


@dataclass
class Schedule:
    """How long to train and with which steps; names as in the constructor of the estimators.

    `unit` is the step that a rate of one stands for.
    """

    learning_rate: str
    learning_rate_init: float
    power_t: float
    alpha: float
    batch_size: int
    shuffle: bool
    tol: float
    n_iter_no_change: float
    max_fun: int = 15_000
    unit: float = 1.0

    def __post_init__(self):
        self.rate = self.learning_rate_init

    def shrink(self):
        """React to a lack of progress; return whether training goes on."""
        if self.learning_rate != "adaptive" or self.rate <= 1e-6 * self.learning_rate_init:
            return False
        self.rate /= 5.0
        return True


class Slot(NamedTuple):
    """What a step works on: buffers of the rows of a batch, and lists of what fires on them."""

    buffers: tuple
    fired: PairLists


class Trainer:
    """Runs epochs of a solver over training data.

    Parameters
    ----------
    network : skfastnn.networks._network.Network
    solver : skfastnn.solvers._solver.Solver
    engine : skfastnn.search._engine.SearchEngine
    loss : object of skfastnn._losses
    schedule : Schedule
    random_state : numpy.random.RandomState
        Shuffles the samples.

    Attributes
    ----------
    history : History
    progress : Progress
        To whom epochs are reported.
    """

    task_name = "epoch"

    def __init__(self, network, solver, engine, loss, schedule, random_state):
        self.network, self.solver, self.engine = network, solver, engine
        self.loss, self.schedule, self.random_state = loss, schedule, random_state
        self.n_threads = effective_n_threads()
        self.history, self.progress = History(), Progress()

    def fit(self, X, y, sample_weight, n_epochs, validate=None):
        """Train for some epochs or until progress stops.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
        y : ndarray of shape (n_samples, n_outputs)
            Target of the raw output.
        sample_weight : ndarray of shape (n_samples,)
            Positive.
        n_epochs : int
        validate : callable or None
            Takes the network and returns a score and a loss; the weights of the best score are then kept.

        Returns
        -------
        history : History
        """
        history = self.history
        self.first_sample, self.n_samples_to_see = history.n_samples_seen, n_epochs * X.shape[0]
        self._prepare(X)
        try:
            for epoch in range(n_epochs):
                history.n_epochs_begun = epoch + 1
                self.progress.epoch_begins(self.task_name, self.parameters)
                if not self._epoch(y, sample_weight, epoch):
                    break
                self._record(validate)
                if history.stopped or self._finished():
                    history.converged = True
                    break
        except KeyboardInterrupt:
            history.interrupt(validate is not None)
            warn("Training interrupted by user.")
        self.solver.catch_up()
        return history

    def parameters(self):
        """Return weights and intercepts where the network is; steps that wait are taken."""
        self.solver.catch_up()
        return self.network.export()

    def _finished(self):
        """Return whether progress has stopped; a schedule that can still shrink the steps goes on."""
        history, schedule = self.history, self.schedule
        # a rate that falls to zero ends where it was meant to, unless held-out rows say otherwise
        if history.n_without_improvement <= schedule.n_iter_no_change:
            return False
        if schedule.learning_rate == "linear" and not history.validation_scores:
            return False
        history.n_without_improvement = 0
        return not schedule.shrink()

    def _prepare(self, X):
        first, last = self.network.layers[0], self.network.layers[-1]
        self.rows = training_rows(X, first, self.n_threads)
        self.engine.build(self.rows, first, self.n_threads)
        batch_size = self.schedule.batch_size
        # of a batch that is everything each neuron has so many rows that products take longer than its way from memory
        self.solver.defers = batch_size < self.rows.n_samples and self.engine.takes_steps(self.solver)
        # a step that was deferred needs its own rows and lists until the next pass has taken it
        self.slots = [
            Slot(self.rows.buffers(batch_size), PairLists(first.n_neurons, first.dtype))
            for _ in range(1 + self.solver.defers)
        ]
        self.outputs = aligned_zeros((self.slots[0].fired.n_blocks, batch_size, first.ld_out), first.dtype)
        self.error = aligned_zeros((batch_size, last.ld_out), last.dtype)
        self.whole_batch = None

    def _order(self, n):
        # a single batch is the same in any order, and then its rows need no gathering
        if self.schedule.shuffle and self.schedule.batch_size < n:
            return self.random_state.permutation(n).astype(np.int32)
        return np.arange(n, dtype=np.int32)

    def _batch(self, index, y, sample_weight):
        """Return the samples `index` as a batch; one that has all of them is made once."""
        if self.whole_batch is not None:
            return self.whole_batch
        index = self.engine.arrange(index)
        self.slots.reverse()
        batch = Batch(index, *self.rows.gather(index, *self.slots[0].buffers), y[index], sample_weight[index])
        if index.size == y.shape[0]:
            self.whole_batch = batch
        return batch

    def _epoch(self, y, sample_weight, epoch):
        """Run one epoch; return False when the loss stopped being finite."""
        n, history = y.shape[0], self.history
        batch_size = self.schedule.batch_size
        order = self._order(n)
        fired_before = self._count_fired()
        total_loss = total_weight = 0.0
        for first in range(0, n, batch_size):
            batch = self._batch(order[first : first + batch_size], y, sample_weight)
            loss, weight = self._step(batch)
            if not isfinite(loss):
                self._warn_diverged(epoch)
                return False
            total_loss += loss * weight
            total_weight += weight
            history.n_samples_seen += batch.index.size
        rates = self._rates(self._count_fired() - fired_before, n)
        history.loss_curve.append(float(total_loss / total_weight))
        history.firing_curve.append(rates)
        return True

    def _count_fired(self):
        """Return how many pairs fired so far."""
        return self.engine.counters["fired"]

    def _rates(self, n_fired, n_rows):
        """Return the share of pairs that fired, as it goes into the history."""
        return n_fired / (n_rows * self.network.n_neurons)

    def _step(self, batch):
        """Take a step; return the loss before it, infinite where none was taken, and the weight of the batch."""
        fired = self.slots[0].fired
        self._forward(batch, fired)
        loss, gradient = self._evaluate_loss(self.outputs[0], batch)
        if gradient is None:
            return loss, batch.weight
        error = self._output_error(gradient)
        penalty = self.schedule.alpha / batch.weight
        self.solver.step(fired, batch.rows, error, gradient.sum(axis=0), self._rate(), penalty)
        self.engine.moved(fired, self.solver)
        return loss, batch.weight

    def _evaluate_loss(self, output, batch):
        """Return the mean loss, and its gradient by the scaled output; infinity and None where it is not finite."""
        last = self.network.layers[-1]
        n_rows, n_outputs = batch.y.shape
        raw = last.output_scale * output[:n_rows, :n_outputs] + last.v
        losses, gradient = self.loss.value_and_gradient(raw, batch.y)
        loss = float(losses @ batch.share)
        # stop while the weights are finite: a loss is infinite before they are
        if not isfinite(loss) or np.abs(raw).max() > LARGEST_OUTPUT:
            return np.inf, None
        return loss, gradient * batch.share[:, None]

    def _output_error(self, gradient):
        """Return the derivative of the loss by the unscaled output, padded."""
        error = self.error[: gradient.shape[0]]
        np.multiply(self.network.layers[-1].output_scale, gradient, out=error[:, : gradient.shape[1]])
        return error

    def _forward(self, batch, fired):
        """List what fires in the first layer; the output is in `self.outputs[0]`."""
        self.engine.forward(batch, fired, self.solver.layers[0], self.outputs)

    def _rate(self):
        schedule = self.schedule
        if schedule.learning_rate == "invscaling":
            return schedule.learning_rate_init / (self.history.n_samples_seen + 1) ** schedule.power_t
        if schedule.learning_rate == "linear":
            done = (self.history.n_samples_seen - self.first_sample) / self.n_samples_to_see
            return schedule.rate * (1 - done)
        return schedule.rate

    def _record(self, validate):
        history, tol = self.history, self.schedule.tol
        if validate is None:
            history.take_loss(tol)
        else:
            self.solver.catch_up()
            history.take_score(*validate(self.network), tol, self.network.export)
        history.stopped = self.progress.epoch_ends(history.line, self.parameters)

    def _warn_diverged(self, epoch):
        rate = self.schedule.rate / self.schedule.unit
        warn(
            f"The loss stopped being finite in epoch {epoch + 1}; training stopped and the last finite weights "
            f"were kept. Lower learning_rate_init (it was {rate:.3g}) or scale the data.",
            ConvergenceWarning,
        )
