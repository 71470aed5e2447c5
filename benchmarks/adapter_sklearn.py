"""scikit-learn's MLPClassifier in the benchmarks: a plain ReLU network of the same width."""

import time
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from benchmarks.training import Outcome

CHUNK_SIZE = 1000


def _model(problem, settings, epochs):
    return MLPClassifier(
        (settings.width,),
        solver=settings.solver,
        batch_size=settings.n_batch(len(problem.X_train)),
        learning_rate_init=settings.learning_rate,
        momentum=settings.momentum,
        alpha=0.0,
        random_state=settings.seed,
        max_iter=epochs,
        # never stop early
        tol=0.0,
        n_iter_no_change=10**6,
    )


def _fired(model, X):
    """Return the share of positive hidden outputs over the first rows of `X`."""
    return float(np.mean(X[:CHUNK_SIZE] @ model.coefs_[0] + model.intercepts_[0] > 0))


def train(problem, settings, epochs, score=True):
    """Fit for exactly `epochs` epochs and return the Outcome."""
    model = _model(problem, settings, epochs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        start = time.perf_counter()
        model.fit(problem.X_train, problem.y_train)
        seconds = time.perf_counter() - start
    outcome = Outcome(seconds, epochs, learning_rate=settings.learning_rate)
    return _complete(outcome, model, problem, score)


def progress(problem, settings, budget=None):
    """Yield the Outcome after each epoch, by ``partial_fit``, scored outside the clock."""
    model = _model(problem, settings, 1)
    classes = np.unique(problem.y_train)
    outcome = Outcome(0.0, 0, learning_rate=settings.learning_rate)
    while True:
        start = time.perf_counter()
        model.partial_fit(problem.X_train, problem.y_train, classes=classes)
        outcome.seconds += time.perf_counter() - start
        outcome.epochs += 1
        yield _complete(outcome, model, problem, score=True)


def _complete(outcome, model, problem, score):
    outcome.losses = [float(loss) for loss in model.loss_curve_]
    outcome.fired = _fired(model, problem.X_train)
    outcome.accuracy = model.score(problem.X_test, problem.y_test) if score else None
    return outcome
