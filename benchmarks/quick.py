"""Small fits of every solver, and predictions, on made data: the case ``quick``, which `compare` runs."""

from functools import partial

import numpy as np

from benchmarks.data import made
from benchmarks.framework import Entry, case
from benchmarks.measure import median_seconds, timed


def _fit(run, kind, m, solver, n_rows, sparse=False, **settings):
    """Return the seconds of a fit, the shorter of two, so that nothing is loaded inside the clock."""
    from scipy.sparse import csr_array

    from skfastnn import FastReLUClassifier

    problem = made(n_rows)
    X = csr_array(problem.X_train) if sparse else problem.X_train
    model = FastReLUClassifier(m, solver=solver, random_state=run.seed, tol=0.0, **settings)
    seconds = min(timed(model.fit, X, problem.y_train)[0] for _ in range(2))
    return {"seconds": seconds, "loss": model.loss_, "accuracy": model.score(problem.X_test, problem.y_test)}


def _predict(run, kind, m, solver, n_rows):
    from skfastnn import FastReLUClassifier

    problem = made(n_rows)
    model = FastReLUClassifier(m, solver=solver, max_iter=1, random_state=run.seed)
    model.fit(problem.X_train[:400], problem.y_train[:400])
    seconds = median_seconds(lambda: model.predict(problem.X_train), 5)
    return {"seconds": seconds, "classes": len(np.unique(model.predict(problem.X_train)))}


def _solver(kind):
    return "sgd" if kind == "predict" else kind.partition(",")[0]


@case("quick", repeats=5, small={"m": 256, "n_rows": 300})
def quick(m=4_096, n_rows=2_000):
    """Small fits of every solver, dense and sparse rows, and predictions, on made data; what `compare` runs."""
    fit = partial(_fit, n_rows=n_rows)
    kinds = {
        "sgd": (fit, m, {"max_iter": 4}),
        "adam": (fit, m, {"max_iter": 4}),
        "adam, all fire": (fit, m // 4, {"max_iter": 4, "threshold": 0.0}),
        "adam, sparse rows": (fit, m, {"max_iter": 4, "sparse": True}),
        "adam, two layers": (fit, (m // 4, m // 4), {"max_iter": 2}),
        "gauss_newton": (partial(_fit, n_rows=n_rows // 2), m // 4, {"max_iter": 2}),
        "predict": (partial(_predict, n_rows=n_rows), m, {}),
    }
    return [
        Entry("skfastnn", partial(measure, m=width, solver=_solver(kind), **settings), {"kind": kind})
        for kind, (measure, width, settings) in kinds.items()
    ]
