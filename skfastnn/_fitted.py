"""What a fit leaves behind: fitted attributes, what another call goes on with, and warnings."""

from functools import cached_property

import numpy as np
from sklearn.base import is_regressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from skfastnn._messages import warn
from skfastnn._recipe import EPOCHS_TO_TRY
from skfastnn._start import Start
from skfastnn._task import Before
from skfastnn.search.heavy._heavy_search import warn_if_missed
from skfastnn.selection import unit_of

# Loss at the end over that of the first epoch, from which on training is said to have diverged.
DIVERGED = 1.5


def keep(estimator, task, trained):
    """Set the fitted attributes from what was trained.

    Parameters
    ----------
    estimator : FastReLUClassifier or FastReLURegressor
    task : Task
    trained : Trained
    """
    first, thresholds = trained.stages[0], trained.thresholds
    recipe, alpha = trained.plan.recipe, trained.stages[-1].alpha
    weights = trained.coefs, trained.intercepts
    vars(estimator).update(predicting(*weights, recipe, trained.start, task.loss))
    estimator.plan_ = [trained.plan.describe(stage, thresholds) for stage in trained.stages]
    estimator.solver_, estimator.search_ = trained.plan.solver, first.search
    estimator.threshold_ = thresholds if len(thresholds) > 1 else float(sum(thresholds))
    estimator.learning_rate_init_ = first.learning_rate_init
    # interrupted before a ridge was found: so far there was no penalty
    estimator.alpha_ = 0.0 if isinstance(alpha, str) else float(alpha)
    estimator.search_counters_, estimator.firing_recall_ = trained.counters, trained.recall
    keep_history(estimator, trained.history, task.before is None, task.held_out is not None)
    estimator._neurons, estimator._solver_state = trained.neurons, trained.solver_state
    estimator._drawn = trained.drawn
    estimator._random_state = task.random_state.get_state(legacy=False)


def predicting(coefs, intercepts, recipe, start, loss):
    """Return the attributes that predictions need, a dict.

    Parameters
    ----------
    coefs, intercepts : list of ndarray
        In the coordinates of the rows as the encoder gives them.
    recipe : Recipe
    start : Start or None
        None without a hidden layer.
    loss : object of `skfastnn._losses`
    """
    return {
        "coefs_": coefs, "intercepts_": intercepts, "encoder_": recipe.encoder, "n_layers_": len(coefs) + 1,
        "n_outputs_": intercepts[-1].size, "out_activation_": loss.out_activation, "_scales": recipe.scales,
        "_start": None if start is None else start.state(), "_neurons": {"order": None, "n_seen": 0},
    }  # fmt: skip


def keep_history(estimator, history, first_call, stopped_early):
    """Set what the fit says about itself; curves go on in `partial_fit` and with `warm_start`.

    Parameters
    ----------
    estimator : FastReLUClassifier or FastReLURegressor
    history : History
    first_call, stopped_early : bool
        Whether curves begin; whether rows were held out.
    """
    estimator.loss_curve_ = ([] if first_call else estimator.loss_curve_) + history.loss_curve
    estimator.firing_curve_ = ([] if first_call else estimator.firing_curve_) + history.firing_curve
    nothing = [0.0] * (len(estimator.coefs_) - 1)
    curve = estimator.firing_curve_
    estimator.firing_rate_ = np.atleast_1d(curve[-1]).tolist() if curve else nothing
    estimator.loss_ = estimator.loss_curve_[-1] if estimator.loss_curve_ else np.inf
    estimator.n_iter_ = max(1, len(history.loss_curve))
    estimator.t_ = history.n_samples_seen
    if stopped_early:
        scores, losses = ([], []) if first_call else (estimator.validation_scores_, estimator.validation_loss_curve_)
        estimator.best_loss_ = None
        estimator.validation_scores_ = (scores or []) + history.validation_scores
        estimator.validation_loss_curve_ = (losses or []) + history.validation_losses
        estimator.best_validation_score_ = history.best_score
    else:
        earlier = None if first_call else estimator.best_loss_
        estimator.best_loss_ = min(history.best_loss, np.inf if earlier is None else earlier)
        estimator.validation_scores_ = estimator.validation_loss_curve_ = estimator.best_validation_score_ = None


def keep_insights(estimator, recipe, kind):
    """Set what the choice of a recipe says about features, about samples that are left out, and about errors.

    Parameters
    ----------
    estimator : FastReLUClassifier or FastReLURegressor
    recipe : Recipe
    kind : ndarray of shape (n_samples,) or None
        Which of the samples that differ each sample is; None if not all of them were compared.
    """
    for name in ("feature_importances_", *estimator._left_out_names):
        vars(estimator).pop(name, None)
    known, insights = recipe.left_out, recipe.insights
    estimator._posterior = None
    if is_regressor(estimator):  # which alone says how sure it is
        constant = None if known is None else {"unit": unit_of(known.error, known.weight)}
        estimator._posterior = constant if insights is None else insights.posterior
    if insights is None:
        return
    estimator.feature_importances_ = insights.importances
    if kind is not None and insights.loo_prediction is not None:
        estimator._keep_left_out(insights.loo_prediction[kind])


def what_was_kept(estimator, same_held_out):
    """Return what another call goes on with, `Before`.

    Parameters
    ----------
    estimator : FastReLUClassifier or FastReLURegressor
        Fitted.
    same_held_out : bool
        Whether the samples that are held out are those of the call before.
    """
    return Before(
        estimator.coefs_, estimator.intercepts_, Start.from_state(estimator._start), estimator._solver_state,
        estimator._neurons, estimator.t_, estimator.best_validation_score_ if same_held_out else None,
        getattr(estimator, "_drawn", None),
    )  # fmt: skip


def random_state_of(estimator, goes_on, incremental):
    """Return the generator of random numbers of a call, which may go on where the one before has ended."""
    if not goes_on:
        return check_random_state(estimator.random_state)
    resumed = Resumed(estimator._random_state)
    return resumed if incremental else resumed.generator


class Resumed:
    """What `partial_fit` draws from: a generator that goes on where another has ended, made for the first number.

    To make one takes as long as a step, and a call of one batch draws nothing.

    Parameters
    ----------
    state : dict
        As `numpy.random.RandomState.get_state` returns it.
    """

    def __init__(self, state):
        self._state = state

    @cached_property
    def generator(self):
        """A `numpy.random.RandomState`."""
        generator = np.random.RandomState()
        generator.set_state(self._state)
        return generator

    def permutation(self, n):
        """Return the first n integers in random order."""
        return self.generator.permutation(n)

    def get_state(self, legacy=False):
        """Return where the generator is, a dict."""
        return self.generator.get_state(legacy=legacy) if "generator" in vars(self) else self._state

    def set_state(self, state):
        """Go on from another state."""
        self._state = state
        vars(self).pop("generator", None)


def warn_of(trained, max_iter, incremental):
    """Warn if training has diverged, silenced the network, not converged, or if a search has missed much."""
    history, losses = trained.history, trained.history.loss_curve
    told = incremental or history.best_parameters is not None  # or by an epoch without a finite loss, begun in vain
    if losses and losses[-1] > DIVERGED * losses[0] and not (told or history.n_epochs_begun > len(losses)):
        warn(
            f"The loss grew from {losses[0]:.3g} in the first epoch to {losses[-1]:.3g} in the last: training has "
            f"diverged. Lower learning_rate_init (it was {trained.stages[0].learning_rate_init:.3g}).",
            ConvergenceWarning,
        )
    if not incremental and history.firing_curve and np.min(history.firing_curve[-1]) == 0:
        warn(
            "No neuron fired in the last epoch: training has silenced the network. Lower learning_rate_init "
            f"(it was {trained.stages[0].learning_rate_init:.3g}) or scale the data.",
            ConvergenceWarning,
        )
    chosen = trained.plan.recipe.epochs == max_iter >= EPOCHS_TO_TRY[-1]
    used_up = history.n_epochs_begun == max_iter and not chosen
    used_up = used_up or trained.plan.solver == "lbfgs"  # or max_fun is used up
    if used_up and not (incremental or history.converged or history.interrupted):
        warn(f"Maximum iterations ({max_iter}) reached and the optimization hasn't converged yet.", ConvergenceWarning)
    warn_if_missed(trained.counters)
