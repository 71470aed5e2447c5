"""skfastnn in the benchmarks: the whole of ``fit`` is inside the clock.

Rates are those of the normalised network, which torch trains, too; the estimator takes them in units of MLPClassifier.
"""

import time
import warnings

from sklearn.exceptions import ConvergenceWarning

from benchmarks.training import Outcome
from skfastnn import FastReLUClassifier
from skfastnn._plan import mlp_unit


def train(problem, settings, epochs, score=True):
    """Fit for exactly `epochs` epochs and return the Outcome."""
    unit = mlp_unit(problem.X_train.shape[1], settings.width) ** (2 if settings.solver == "sgd" else 1)
    rate = "auto" if settings.learning_rate is None else settings.learning_rate / unit
    model = FastReLUClassifier(
        (settings.width,),
        solver=settings.solver,
        batch_size=settings.n_batch(len(problem.X_train)),
        learning_rate="invscaling" if settings.power_t else "constant",
        learning_rate_init=rate,
        power_t=settings.power_t,
        threshold=settings.shift,
        search=settings.search,
        momentum=settings.momentum,
        alpha=0.0,
        random_state=settings.seed,
        max_iter=epochs,
        # never stop early
        tol=0.0,
        n_iter_no_change=10**6,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        start = time.perf_counter()
        model.fit(problem.X_train, problem.y_train)
        seconds = time.perf_counter() - start
    return Outcome(
        seconds,
        epochs,
        losses=[float(loss) for loss in model.loss_curve_],
        accuracy=model.score(problem.X_test, problem.y_test) if score else None,
        fired=float(model.firing_rate_[0]),
        learning_rate=float(model.learning_rate_init_) * unit,
    )


def progress(problem, settings, budget=None):
    """Yield the Outcome of longer and longer fits, each from the start.

    Without a `budget` every number of epochs 1, 2, 3, ... is tried; with one (seconds), the
    numbers double up to the largest that fits, by the time of the two fits before.
    """
    shorter = Outcome(0.0, 0)
    epochs = 1
    while True:
        outcome = train(problem, settings, epochs)
        yield outcome
        if budget is None:
            epochs += 1
            continue
        per_epoch = (outcome.seconds - shorter.seconds) / (epochs - shorter.epochs)
        # 3 % of the budget is left for the clock's jitter
        spare = 0.97 * budget - outcome.seconds
        largest = epochs + int(spare / max(per_epoch, 1e-3))
        if largest < 1.05 * epochs:
            return
        shorter = outcome
        epochs = min(2 * epochs, largest)
