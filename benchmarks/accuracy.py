"""Accuracy on many small data sets beside tuned peers: the cases ``uci`` and ``uci-regression``.

Every method gets a small grid, tried in the order written: the first of the best is taken.

uci              the grid on `tune_train` / `tune_test` of a data set, then the mean accuracy of its four folds
uci-regression   the grid by three folds of the training part of the first split (2,000 rows of it at most), then the
                 mean root-mean-square error of the splits; features and target standardised on the training part
"""

import importlib
import itertools
from functools import partial

import numpy as np

from benchmarks.data import FILES
from benchmarks.framework import Entry, case
from benchmarks.measure import timed

MAX_TUNING_ROWS = 2_000


def _grid(**values):
    return [dict(zip(values, chosen, strict=True)) for chosen in itertools.product(*values.values())]


def _estimator(name, **fixed):
    """Return a function that makes an estimator, of d features; `scale` is that of an SVM's gamma, times d."""
    module, _, cls = name.rpartition(".")

    def make(d, scale=None, **parameters):
        kernel = {} if scale is None else {"gamma": scale / d}
        return getattr(importlib.import_module(module), cls)(**fixed, **kernel, **parameters)

    return make


# the features that are drawn, or those that Adam learns; what works in most places first
_DRAWN = {"solver": ("gauss_newton",), "max_iter": (10,)}
_LEARNED = {"solver": ("adam_gauss_newton",), "hidden_layer_sizes": ((512,),)}
_MLP_GRID = {"hidden_layer_sizes": ((100,), (512,)), "alpha": (1e-4, 1e-2, 1.0)}
CLASSIFIERS = {
    "skfastnn": (
        _estimator("skfastnn.FastReLUClassifier", random_state=0),
        _grid(**_DRAWN, threshold=(0.5, 1.0), alpha=(0.1, 0.01, 1.0, 1e-3, 1e-4))
        + _grid(**_LEARNED, threshold=(0.0,), learning_rate_init=(0.01,), alpha=(0.1, 0.01, 1.0, 1e-3)),
    ),
    "SVC": (_estimator("sklearn.svm.SVC"), _grid(C=(1, 10, 0.1, 100, 0.01, 1000), scale=(1, 0.3, 3, 0.1, 10))),
    "forest": (_estimator("sklearn.ensemble.RandomForestClassifier", n_estimators=500, random_state=0), [{}]),
    "MLP": (_estimator("sklearn.neural_network.MLPClassifier", max_iter=400, random_state=0), _grid(**_MLP_GRID)),
}
REGRESSORS = {
    "skfastnn": (
        _estimator("skfastnn.FastReLURegressor", random_state=0),
        _grid(**_DRAWN, threshold=(1.0, 0.5), alpha=(1e-2, 1e-1, 1e-3, 1e-4))
        + _grid(**_LEARNED, threshold=(0.0, 0.5), learning_rate_init=(0.1, 0.03, 0.3), alpha=(1e-4, 1e-2)),
    ),
    "SVR": (
        _estimator("sklearn.svm.SVR"),
        _grid(C=(1, 10, 100, 1000), scale=(1, 0.3, 3, 0.1), epsilon=(0.1, 0.01)),
    ),
    "boosting": (
        _estimator("sklearn.ensemble.HistGradientBoostingRegressor", random_state=0),
        _grid(learning_rate=(0.1, 0.03), max_leaf_nodes=(31, 8), max_iter=(100, 400)),
    ),
    "MLP": (
        _estimator("sklearn.neural_network.MLPRegressor", max_iter=1000, random_state=0),
        _grid(**_MLP_GRID, learning_rate_init=(1e-3, 1e-2)),
    ),
}


def _classify(run, set, method):
    make, grid = CLASSIFIERS[method]
    with np.load(FILES["uci_classification"].path) as file:
        part = {key.split("/")[1]: file[key] for key in file.files if key.startswith(set + "/")}
    X, y = part["X"], part["y"]

    def score(parameters, train, test):
        return make(X.shape[1], **parameters).fit(X[train], y[train]).score(X[test], y[test])

    def tuned():
        best = grid[0]
        if len(grid) > 1:
            best = max(grid, key=lambda parameters: score(parameters, part["tune_train"], part["tune_test"]))
        return best, np.mean([score(best, part[f"fold{i}_train"], part[f"fold{i}_test"]) for i in range(4)])

    seconds, (best, accuracy) = timed(tuned)
    return {"seconds": seconds, "accuracy": accuracy, "chosen": str(best)}


def _regress(run, set, method, n_splits):
    make, grid = REGRESSORS[method]
    with np.load(FILES["uci_regression"].path) as file:
        X, y = file[f"{set}/X"], file[f"{set}/y"]
        tests = [file[f"{set}/split{i}_test"] for i in range(n_splits)]
    everything = np.arange(y.size)

    def error(parameters, train, test):
        centre, spread = X[train].mean(axis=0), X[train].std(axis=0)
        spread[spread == 0] = 1
        shift, scale = y[train].mean(), y[train].std()
        model = make(X.shape[1], **parameters).fit((X[train] - centre) / spread, (y[train] - shift) / scale)
        predicted = model.predict((X[test] - centre) / spread) * scale + shift
        return float(np.sqrt(np.mean((predicted - y[test]) ** 2)))

    def tuning_error(parameters):
        rows = np.random.default_rng(0).permutation(np.setdiff1d(everything, tests[0]))[:MAX_TUNING_ROWS]
        thirds = np.array_split(rows, 3)
        return np.mean([error(parameters, np.setdiff1d(rows, third), third) for third in thirds])

    def tuned():
        best = min(grid, key=tuning_error)
        return best, np.mean([error(best, np.setdiff1d(everything, test), test) for test in tests])

    seconds, (best, mean_error) = timed(tuned)
    return {"seconds": seconds, "rmse": mean_error, "chosen": str(best)}


def _sets(source):
    """Return the names of the sets of a file, the smallest first."""
    with np.load(FILES[source].path) as file:
        sizes = {key.split("/")[0]: file[key].size for key in file.files if key.endswith("/y")}
    return sorted(sizes, key=sizes.get)


@case("uci", data=("uci_classification",), repeats=1, mean_over="set", small={"n_sets": 1})
def classification(n_sets=None):
    """UCI classification, 45 sets: mean accuracy of four folds beside an SVM, a forest and an MLP, all tuned."""
    names = _sets("uci_classification")[:n_sets]
    return [
        Entry(method, partial(_classify, method=method), {"set": name}, once=True)
        for name in names
        for method in CLASSIFIERS
    ]


@case("uci-regression", data=("uci_regression",), repeats=1, mean_over="set", small={"n_sets": 1, "n_splits": 1})
def regression(n_sets=None, n_splits=20):
    """UCI regression, five sets: root-mean-square errors of 20 splits beside an SVM, boosting and an MLP, all tuned."""
    names = _sets("uci_regression")[:n_sets]
    return [
        Entry(method, partial(_regress, method=method, n_splits=n_splits), {"set": name}, dtype="float64", once=True)
        for name in names
        for method in REGRESSORS
    ]
