"""Inputs as users have them: the cases ``r8`` (sparse text), ``golub`` (genes) and ``predict``.

Defaults on both sides, but for the width and, where an epoch is timed, their number; `golub` has `alpha=0`, too: the
libraries penalise different things, and the losses are compared.
"""

from functools import partial

import numpy as np

from benchmarks.data import FILES, load, load_r8
from benchmarks.framework import Entry, case
from benchmarks.measure import PeakMemory, epoch_seconds, median_seconds, timed

# epochs behind a time per epoch
TIMED = 10


def _forever(epochs):
    return {"max_iter": epochs, "tol": 0.0, "n_iter_no_change": 10**6, "alpha": 0.0}


def _text_model(width=None, **settings):
    from skfastnn import FastReLUClassifier

    return FastReLUClassifier(*([width] if width else []), **settings)


def _text_mlp(width=None, **settings):
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier(*([width] if width else []), **settings)


def _mlp(width, epochs, seed=0):
    return _text_mlp(width, random_state=seed, **_forever(epochs))


def _text_epoch(run, m, epochs):
    X, y, *_ = load_r8()
    seconds, model = epoch_seconds(_text_model(m, max_iter=epochs, random_state=run.seed).fit, X, y)
    return {"epoch_seconds": np.median(seconds[1:]), "fired": model.firing_rate_[0], "epochs": epochs}


def _mlp_epoch(run, m):
    """Return the seconds of an epoch, as the difference of two fits."""
    X, y, *_ = load_r8()
    short = timed(_text_mlp(m, max_iter=1).fit, X, y)[0]
    longer = timed(_text_mlp(m, max_iter=2).fit, X, y)[0]
    return {"epoch_seconds": longer - short, "epochs": 2}


def _text_fit(run, make, m=None, epochs=None):
    X, y, X_test, y_test = load_r8()
    limit = {"max_iter": epochs} if epochs else {}
    seconds, model = timed(make(m, random_state=run.seed, **limit).fit, X, y)
    return {"seconds": seconds, "accuracy": model.score(X_test, y_test), "epochs": model.n_iter_}


def _text_memory(run, m, solver):
    """Return the peak memory of a fit on R8, in bytes of the weights."""
    X, y, *_ = load_r8()
    _text_model(64, solver=solver, max_iter=1).fit(X, y)
    memory = PeakMemory()
    model = _text_model(m, solver=solver, max_iter=2).fit(X, y)
    return {"peak_of_weights": memory.growth() * 2**20 / model.coefs_[0].nbytes}


@case("r8", data=("r8", "r8_test"), small={"m": 256, "wide": 1_024, "epochs": 2})
def r8(m=1_024, wide=16_384, epochs=None):
    """R8, tf-idf, 5,485 x 19,956 with 58 entries a row: seconds per epoch beside MLPClassifier, accuracy, memory."""
    fit = partial(_text_fit, epochs=epochs)
    return [
        Entry("skfastnn", partial(_text_epoch, epochs=epochs or TIMED), {"m": m}),
        Entry("skfastnn", partial(_text_epoch, epochs=3), {"m": wide}),
        Entry("MLPClassifier", _mlp_epoch, {"m": m}, dtype="float32"),
        Entry("skfastnn, nothing set", partial(fit, make=_text_model), {}),
        Entry("skfastnn, whole fit", partial(fit, make=_text_model), {"m": m}),
        Entry("MLPClassifier, nothing set", partial(fit, make=_text_mlp), {}, once=True),
        *(Entry("skfastnn, memory", _text_memory, {"m": wide, "solver": s}, once=True) for s in ("sgd", "adam")),
    ]


def _genes(name):
    with np.load(FILES["gene_expression"].path) as file:
        return file[f"{name}/X"], file[f"{name}/y"]


def _genes_fit(run, m, epochs, done, make):
    from sklearn.preprocessing import StandardScaler

    X, y = _genes("golub")
    X = StandardScaler().fit_transform(X)
    seconds, model = timed(make(m, done, run.seed).fit, X, y)
    # every epoch costs the same
    return {"seconds": seconds / done * epochs, "loss": model.loss_, "epochs": done}


def _fast_genes(width, epochs, seed):
    from skfastnn import FastReLUClassifier

    return FastReLUClassifier(width, solver="sgd", random_state=seed, **_forever(epochs))


def _genes_folds(run, set, make, n_repeats):
    from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X, y = _genes(set)
    folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=n_repeats, random_state=0)
    seconds, scores = timed(lambda: cross_val_score(make_pipeline(StandardScaler(), make()), X, y, cv=folds))
    return {"seconds": seconds, "accuracy": scores.mean()}


def _classifier(**settings):
    from skfastnn import FastReLUClassifier

    return FastReLUClassifier(random_state=0, **settings)


def _linear():
    from sklearn.svm import LinearSVC

    return LinearSVC(max_iter=100_000)


@case("golub", data=("gene_expression",), small={"m": 256, "epochs": 5, "sets": ()})
def golub(m=4_096, epochs=200, n_repeats=10, sets=("golub", "alon")):
    """golub 72 x 7,129, m=4,096: whole fits beside MLPClassifier, 200 epochs; five folds beside a linear SVC."""
    fit = partial(_genes_fit, epochs=epochs)
    makers = {
        "skfastnn": _classifier,
        "skfastnn, alpha=loo": partial(_classifier, alpha="loo"),
        "skfastnn, sgd": partial(_classifier, solver="sgd"),
        "LinearSVC": _linear,
    }
    return [
        Entry("skfastnn", partial(fit, done=epochs, make=_fast_genes), {"m": m}),
        Entry("MLPClassifier", partial(fit, done=min(5, epochs), make=_mlp), {"m": m}),
        *(
            Entry(name, partial(_genes_folds, make=make, n_repeats=n_repeats), {"set": which}, once=True)
            for which in sets
            for name, make in makers.items()
        ),
    ]


def _predictor(m, make):
    problem = load("mnist-400")
    return make(m).fit(problem.X_train, problem.y_train), problem.X_test


def _fast_wide(m):
    return _classifier(hidden_layer_sizes=m, solver="adam", max_iter=1)


def _predict(run, m, rows, make):
    """Return the seconds of predictions, and the growth of memory in the first."""
    from sklearn import config_context

    model, X = _predictor(m, make)
    memory = PeakMemory()
    with config_context(working_memory=64):
        model.predict(X[:rows])
    growth = memory.growth()
    return {
        "predict_seconds": median_seconds(lambda: model.predict(X[:rows]), 3 if rows > 1 else 200),
        "peak_mb": growth,
    }


def _product(run, m, rows):
    model, X = _predictor(m, _fast_wide)
    W, out = model.coefs_[0], np.empty((rows, m), dtype=X.dtype)
    return {"predict_seconds": median_seconds(lambda: np.dot(X[:rows], W, out=out), 3)}


@case("predict", data=("mnist",), small={"m": 1_024})
def predict(m=16_384):
    """MNIST 10,000 x 784, m=16,384: prediction beside the product it needs, its memory, and the time of a row."""
    return [
        entry
        for rows in (10_000, 1)
        for entry in (
            Entry("skfastnn", partial(_predict, make=_fast_wide), {"m": m, "rows": rows}),
            Entry("X @ W", _product, {"m": m, "rows": rows}),
            Entry("MLPClassifier", partial(_predict, make=partial(_mlp, epochs=1)), {"m": m, "rows": rows}),
        )
    ]
