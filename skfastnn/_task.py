"""What goes into training and what comes out of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import isfinite

import numpy as np

from skfastnn._building import without_factors
from skfastnn._data import Data
from skfastnn._fitting import History
from skfastnn._plan import Problem
from skfastnn._prediction import checked_weights
from skfastnn._progress import Progress
from skfastnn._stages import Plan
from skfastnn._start import Start


@dataclass(frozen=True)
class Before:
    """What the calls before have left, to go on with.

    Attributes
    ----------
    coefs, intercepts : list of ndarray
        As the estimator has them.
    start : Start or None
        None without a hidden layer.
    solver_state : dict or None
    neurons : dict
        The order of the neurons in a tree, and the number of samples that had been seen when it was made.
    n_samples_seen : int
    best_score : float or None
        On the rows that are held out, if they are the same again.
    drawn : ndarray of shape (n_drawn, ld) or None
        What the network has drawn for its first layer, if that is still there: `partial_fit` alone keeps it.
    """

    coefs: list
    intercepts: list
    start: Start | None
    solver_state: dict | None
    neurons: dict
    n_samples_seen: int
    best_score: float | None
    drawn: np.ndarray | None

    def parameters(self, n_features, n_outputs, scales):
        """Return checked weights and intercepts for rows as the network takes them."""
        coefs, intercepts = checked_weights(self.coefs, self.intercepts, n_features, n_outputs)
        return without_factors(coefs, scales), intercepts


@dataclass(frozen=True)
class Task:
    """What a call of `fit` is to do.

    Attributes
    ----------
    params : namespace
        Parameters of the estimator.
    problem : Problem
    solver : str
        "auto" resolved.
    data : Data
        To train on.
    held_out : Data or None
    loss : object of `skfastnn._losses`
    score : callable
        Takes an `Outcome`, returns a score.
    random_state : numpy.random.RandomState, or what stands for one in partial_fit
    before : Before or None
        None for a network that is new.
    progress : Progress
        To whom epochs are reported.
    """

    params: object
    problem: Problem
    solver: str
    data: Data
    held_out: Data | None
    loss: object
    score: Callable
    random_state: np.random.RandomState
    before: Before | None
    progress: Progress

    def has_missing(self):
        """Return whether any number of the rows is NaN, those that are held out included."""
        return any(part.has_missing() for part in (self.data, self.held_out) if part is not None)

    def encoded(self, recipe):
        """Return the task with the rows that the network takes, and the solver that trains it."""
        held_out = self.held_out and self.held_out.with_rows(recipe.rows(self.held_out.X))
        return replace(
            self,
            problem=replace(self.problem, widths=recipe.widths) if recipe.as_asked else self.problem,
            solver=recipe.solver or self.solver,
            data=self.data.with_rows(recipe.rows(self.data.X)),
            held_out=held_out,
        )


@dataclass
class Trained:
    """What training has led to.

    Attributes
    ----------
    plan : Plan
    stages : list of Stage
        Those that were run, as they were run.
    coefs, intercepts : list of ndarray
        In the coordinates of the rows as the encoder gives them.
    history : History
    start : Start or None
        None without a hidden layer.
    solver_state : dict or None
        With which another call goes on.
    counters : dict
        Of the search.
    recall : float
        Of the search.
    neurons : dict
        As of `Before`.
    drawn : ndarray or None
        As of `Before`.
    """

    plan: Plan
    stages: list
    coefs: list
    intercepts: list
    history: History
    start: Start | None = None
    solver_state: dict | None = None
    counters: dict | None = None
    recall: float = 1.0
    neurons: dict | None = None
    drawn: np.ndarray | None = None

    def __post_init__(self):
        """Raise ValueError for weights that are not finite."""
        if not all(isfinite(a.min()) and isfinite(a.max()) for a in (*self.coefs, *self.intercepts)):
            rate = self.stages[0].learning_rate_init
            raise ValueError(
                f"The weights are not finite. Lower learning_rate_init (it was {rate:.3g}) or scale the data."
            )

    @property
    def thresholds(self):
        """Of the hidden layers, a list."""
        return [] if self.start is None else self.start.thresholds
