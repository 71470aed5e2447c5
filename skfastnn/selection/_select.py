"""Choice of what a network sees, and of the ridge, by leave-one-out error, before there is a network."""

from dataclasses import dataclass
from time import perf_counter

import numpy as np

from skfastnn._data import copies_of
from skfastnn._threads import one_blas_thread
from skfastnn.selection._budget import Budget, gradient_operations, kernel_operations, ridge_operations
from skfastnn.selection._inputs import Inputs, candidate_inputs
from skfastnn.selection._kernel import mean_squared_gradient, network_rows, tangent_kernel
from skfastnn.selection._scales import MAX_POINTS, N_FOLDS, ROUNDS, held_out_gains, next_scales
from skfastnn.selection._spread import posterior
from skfastnn.solvers._leave_one_out import START, RidgeFit, best_ridge, fit_ridge

# Rows that candidates are compared on, and their ridges found; the winner is then fitted to all, up to so many.
CHOICE_ROWS, MAX_ROWS = 1_000, 5_000
# A candidate has to be better by this share to be preferred to a simpler one.
MARGIN = 0.02
# And by this share more where scales are learned: what they owe to the rows that judge them does not show (40
# classification sets, parts held out: log-loss -.003 +- .002; no choice of 13 regressions changes).
MARGIN_OF_SCALES = 0.05
# Scales are learned where the error without them is within this share of the least.
PROMISING = 1.3
# Factors of a search that begins where a similar kernel had its least error, for the budget.
EXPECTED_FACTORS = 4


@dataclass(frozen=True)
class Candidate:
    """What a network may see.

    Attributes
    ----------
    encoding : {"none", "standardize", "piecewise_linear"}
    scales : bool
        Whether the original features have learned scales.
    """

    encoding: str
    scales: bool = False


@dataclass
class Selection:
    """The candidate that was chosen, and why.

    Attributes
    ----------
    candidate : Candidate
    inputs : Inputs
        Its map of rows, with learned scales.
    alpha : float
        Ridge, in units of the kernel's mean diagonal.
    error : float
        Leave-one-out error: weighted mean of squared residuals, added up over outputs. With learned
        scales it is at least what folds say.
    table : list of dict
        One record for each candidate that was tried: candidate, alpha, error, seconds.
    loo_prediction : ndarray of shape (n_rows, n_outputs) or None
        What the winner predicts for each row when that is left out; None where there are too many rows. Learned scales
        have seen the row.
    posterior : dict or None
        What `standard_deviation` takes.
    operations : float
        What was spent of the budget.
    importances : ndarray of shape (n_features,) or None
        Shares of the features in the mean squared gradient of the fitted function, by inputs of unit spread.
    """

    candidate: Candidate
    inputs: Inputs
    alpha: float
    error: float
    table: list
    loo_prediction: np.ndarray | None = None
    posterior: dict | None = None
    operations: float = 0.0
    importances: np.ndarray | None = None

    @property
    def scales(self):
        """Learned scales of the original features, ndarray of shape (n_features,), or None."""
        return self.inputs.scales


@dataclass
class Trial:
    """A candidate that was fitted."""

    candidate: Candidate
    inputs: Inputs
    rows: np.ndarray
    fit: RidgeFit
    error: float

    @property
    def alpha(self):
        """Ridge in units of the kernel's mean diagonal."""
        return 10.0**self.fit.log_ridge


class Chooser:
    """Tries candidates on some rows, as long as the budget lasts."""

    def __init__(self, X, target, weight, budget, n_threads):
        self.X, self.target, self.weight, self.budget = X, target, weight, budget
        self.n_threads = n_threads
        self.share, self.copies = weight / weight.sum(), copies_of(weight)
        self.table = []

    def cost(self, inputs, n_factors=EXPECTED_FACTORS):
        """Return the operations that a trial is expected to take."""
        n, d = self.X.shape[0], inputs.feature.size
        return kernel_operations(n, d) + ridge_operations(n, self.target.shape[1], n_factors)

    def try_inputs(self, inputs, start=START, fit_kernel=best_ridge):
        """Fit the kernel of some inputs, with the best ridge, or another that `fit_kernel` takes."""
        began = perf_counter()
        rows = network_rows(inputs.transform(self.X), self.share)
        fit = fit_kernel(tangent_kernel(rows), self.weight, self.target, start, self.n_threads, self.copies)
        self.budget.spend(self.cost(inputs, fit.n_factors))
        candidate = Candidate(inputs.encoding, inputs.scales is not None)
        trial = Trial(candidate, inputs, rows, fit, fit.error)
        seconds = perf_counter() - began
        self.table.append(
            {"candidate": candidate, "alpha": trial.alpha, "error": trial.error, "seconds": seconds}
        )  # fmt: skip
        return trial

    def learn_scales(self, trial):
        """Return the trial of what was fitted, with learned scales; None if they gain nothing or are not affordable."""
        began, first, plain = perf_counter(), len(self.table), trial
        if not self.budget.affords(self.scales_cost(plain.inputs)):
            return None
        gains = held_out_gains(
            plain.inputs.transform(self.X), self.target, self.weight, plain.inputs.feature, self.X.shape[1],
            plain.fit.log_ridge, self.n_threads,
        )  # fmt: skip
        self.budget.spend(self.folds_cost(plain.inputs))
        scales = np.ones(self.X.shape[1])
        for _ in range(np.argmin(gains)):
            scales = next_scales(scales, trial.rows, trial.fit.dual, self.share, plain.inputs.feature)
            trial = self.try_inputs(plain.inputs.with_scales(scales), trial.fit.log_ridge)
        if trial is plain:
            return None
        trial.error = max(trial.fit.error, plain.error * gains.min())
        self.table[first:] = [self.table[-1] | {"error": trial.error, "seconds": perf_counter() - began}]
        return trial

    def folds_cost(self, inputs):
        """Return the operations of learning scales on folds."""
        (n, d), k = self.X.shape, self.target.shape[1]
        d, kept = inputs.feature.size, n - n // N_FOLDS
        a_round = kernel_operations(n, d) + gradient_operations(kept, min(kept, MAX_POINTS), d)
        n_factors = (EXPECTED_FACTORS + N_FOLDS - 1) / N_FOLDS
        return N_FOLDS * (ROUNDS + 1) * (a_round + ridge_operations(kept, k, n_factors))

    def scales_cost(self, inputs):
        """Return the most operations that learned scales are expected to take."""
        return self.folds_cost(inputs) + ROUNDS * self.cost(inputs)


def select(X, target, sample_weight, *, encoder_factory=None, missing=False, budget, n_threads=1):
    """Choose what a network should see, and its ridge, by the leave-one-out error of infinitely wide ones.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
        May contain NaN if there is an encoder that takes it.
    target : ndarray of shape (n_rows, n_outputs)
        Standardised targets, or indicators of classes.
    sample_weight : ndarray of shape (n_rows,)
        Positive.
    encoder_factory : callable, default=None
        Makes a transformer such as `skfastnn.preprocessing.PiecewiseLinearEncoder`.
    missing : bool, default=False
        Whether other rows have NaN: then only what is encoded is chosen.
    budget : float
        Operations that may be spent; the first candidate is tried whatever it costs.
    n_threads : int, default=1

    Returns
    -------
    selection : Selection
    """
    X, target = np.asarray(X, dtype=np.float64), np.asarray(target, dtype=np.float64)
    weight = np.asarray(sample_weight, dtype=np.float64)
    n, mean = X.shape[0], weight @ target / weight.sum()
    few = np.sort(np.random.default_rng(0).permutation(n)[:CHOICE_ROWS])
    all_inputs = candidate_inputs(X, weight / weight.sum(), encoder_factory, missing)
    budget = Budget(budget)
    whole = Chooser(X, target - mean, weight, budget, n_threads)
    chooser = Chooser(X[few], (target - mean)[few], weight[few], budget, n_threads)
    # what a fit on all rows takes is put aside before candidates spend it
    last = max(whole.cost(inputs, 1) for inputs in all_inputs) if CHOICE_ROWS < n <= MAX_ROWS else np.inf
    aside = last if budget.affords(last) else 0.0
    budget.spend(aside)
    with one_blas_thread():
        best = choose(chooser, all_inputs)
        budget.spend(-aside)
        if aside > 0:
            # a ridge is about as large as the noise of a row, however many there are
            few_best, best = best, whole.try_inputs(best.inputs, best.fit.log_ridge, fit_ridge)
            best.error *= few_best.error / max(few_best.fit.error, np.finfo(float).tiny)
    loo_prediction = target - best.fit.residual if len(best.fit.residual) == n else None
    last = whole if aside > 0 else chooser
    optimism = max(best.error / max(best.fit.error, np.finfo(float).tiny), 1.0)
    return Selection(
        best.candidate, best.inputs, best.alpha, best.error, chooser.table, loo_prediction,
        posterior(best.inputs, last.X, last.weight, best.fit, optimism), budget.given - budget.left,
        importances(best, X.shape[1], last.share),
    )  # fmt: skip


def importances(trial, n_features, share):
    """Return the shares of the original features in what the fitted function varies by, ndarray of shape (n_features,).

    A feature counts by the mean squared derivative along each of its inputs, times the variance of that input; those of
    a constant function are zero.
    """
    rows = trial.rows
    at = np.arange(min(len(rows), MAX_POINTS)) * len(rows) // min(len(rows), MAX_POINTS)
    squares = mean_squared_gradient(rows, trial.fit.dual, share, at)[:-1] * (share @ rows[:, :-1] ** 2)
    by_feature = np.bincount(trial.inputs.feature, squares, minlength=n_features)
    return by_feature / (by_feature.sum() or 1.0)


def choose(chooser, all_inputs):
    """Try the inputs, then those that promise most with learned scales; return the simplest trial of the best.

    Parameters
    ----------
    chooser : Chooser
    all_inputs : list of Inputs
        That of the least risk first.
    """
    plain = []
    for inputs in all_inputs:
        if not plain or chooser.budget.affords(chooser.cost(inputs)):
            plain.append(chooser.try_inputs(inputs, plain[-1].fit.log_ridge if plain else START))
    by_error = sorted(plain, key=lambda trial: trial.error)
    # scales that are learned on features as they are and on standardised ones become the same
    affine = [trial for trial in by_error if trial.inputs.encoder is None][:1]
    encoded = [trial for trial in by_error if trial.inputs.encoder is not None]
    start = sorted(affine + encoded, key=lambda trial: trial.error)
    scaled = [chooser.learn_scales(trial) for trial in start if trial.error <= PROMISING * by_error[0].error]
    trials = plain + [trial for trial in scaled if trial is not None]
    counted = [trial.error * (1 if trial.inputs.scales is None else 1 + MARGIN_OF_SCALES) for trial in trials]
    return next(trial for trial, error in zip(trials, counted, strict=True) if error <= (1 + MARGIN) * min(counted))
