"""Accuracy on many small data sets beside tuned peers: the cases ``uci`` and ``uci-regression``.

Every method gets a small grid, tried in the order written: the first of the best is taken.

uci              the grid on `tune_train` / `tune_test` of a data set, then the mean accuracy of its four folds
uci-regression   the grid by three folds of the training part of the first split (2,000 rows of it at most), then the
                 mean root-mean-square error of the splits; features and target standardised on the training part
"""

import itertools
import multiprocessing
import os
import time
import warnings

import numpy as np

from benchmarks.data import DATA

MAX_TUNING_ROWS = 2_000


def _grid(**values):
    return [dict(zip(values, chosen, strict=True)) for chosen in itertools.product(*values.values())]


def _fast_classifier(d, **parameters):
    from skfastnn import FastReLUClassifier

    return FastReLUClassifier(random_state=0, **parameters)


def _mlp_classifier(d, **parameters):
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier(max_iter=400, random_state=0, **parameters)


def _svc(d, scale, **parameters):
    from sklearn.svm import SVC

    return SVC(gamma=scale / d, **parameters)


def _forest(d):
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(500, random_state=0)


def _fast_regressor(d, **parameters):
    from skfastnn import FastReLURegressor

    return FastReLURegressor(random_state=0, **parameters)


def _mlp_regressor(d, **parameters):
    from sklearn.neural_network import MLPRegressor

    return MLPRegressor(max_iter=1000, random_state=0, **parameters)


def _svr(d, scale, **parameters):
    from sklearn.svm import SVR

    return SVR(gamma=scale / d, **parameters)


def _boosting(d, **parameters):
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(random_state=0, **parameters)


# the features that are drawn, or those that Adam learns; what works in most places first
_DRAWN = {"solver": ("gauss_newton",), "max_iter": (10,)}
_LEARNED = {"solver": ("adam_gauss_newton",), "hidden_layer_sizes": ((512,),)}
CLASSIFIERS = {
    "skfastnn": (
        _fast_classifier,
        _grid(**_DRAWN, threshold=(0.5, 1.0), alpha=(0.1, 0.01, 1.0, 1e-3, 1e-4))
        + _grid(**_LEARNED, threshold=(0.0,), learning_rate_init=(0.01,), alpha=(0.1, 0.01, 1.0, 1e-3)),
    ),
    "SVC": (_svc, _grid(C=(1, 10, 0.1, 100, 0.01, 1000), scale=(1, 0.3, 3, 0.1, 10))),
    "forest": (_forest, [{}]),
    "MLP": (_mlp_classifier, _grid(hidden_layer_sizes=((100,), (512,)), alpha=(1e-4, 1e-2, 1.0))),
}
REGRESSORS = {
    "skfastnn": (
        _fast_regressor,
        _grid(**_DRAWN, threshold=(1.0, 0.5), alpha=(1e-2, 1e-1, 1e-3, 1e-4))
        + _grid(**_LEARNED, threshold=(0.0, 0.5), learning_rate_init=(0.1, 0.03, 0.3), alpha=(1e-4, 1e-2)),
    ),
    "SVR": (_svr, _grid(C=(1, 10, 100, 1000), scale=(1, 0.3, 3, 0.1), epsilon=(0.1, 0.01))),
    "boosting": (_boosting, _grid(learning_rate=(0.1, 0.03), max_leaf_nodes=(31, 8), max_iter=(100, 400))),
    "MLP": (
        _mlp_regressor,
        _grid(hidden_layer_sizes=((100,), (512,)), alpha=(1e-4, 1e-2, 1.0), learning_rate_init=(1e-3, 1e-2)),
    ),
}


def _classify(task):
    """Return (data set, method, accuracy, chosen parameters, seconds)."""
    name, method = task
    make, grid = CLASSIFIERS[method]
    with np.load(DATA / "uci_classification.npz") as file:
        part = {key.split("/")[1]: file[key] for key in file.files if key.startswith(name + "/")}
    X, y = part["X"], part["y"]
    start = time.perf_counter()

    def score(parameters, train, test):
        return make(X.shape[1], **parameters).fit(X[train], y[train]).score(X[test], y[test])

    best = grid[0]
    if len(grid) > 1:
        best = max(grid, key=lambda parameters: score(parameters, part["tune_train"], part["tune_test"]))
    folds = [score(best, part[f"fold{i}_train"], part[f"fold{i}_test"]) for i in range(4)]
    return name, method, float(np.mean(folds)), best, time.perf_counter() - start


def _regress(task):
    """Return (data set, method, error, chosen parameters, seconds)."""
    name, method, n_splits = task
    make, grid = REGRESSORS[method]
    with np.load(DATA / "uci_regression.npz") as file:
        X, y = file[f"{name}/X"], file[f"{name}/y"]
        tests = [file[f"{name}/split{i}_test"] for i in range(n_splits)]
    start = time.perf_counter()

    def error(parameters, train, test):
        centre, spread = X[train].mean(axis=0), X[train].std(axis=0)
        spread[spread == 0] = 1
        shift, scale = y[train].mean(), y[train].std()
        model = make(X.shape[1], **parameters).fit((X[train] - centre) / spread, (y[train] - shift) / scale)
        predicted = model.predict((X[test] - centre) / spread) * scale + shift
        return float(np.sqrt(np.mean((predicted - y[test]) ** 2)))

    def tuning_error(parameters):
        rows = np.setdiff1d(np.arange(y.size), tests[0])
        rows = np.random.default_rng(0).permutation(rows)[:MAX_TUNING_ROWS]
        thirds = np.array_split(rows, 3)
        return np.mean([error(parameters, np.setdiff1d(rows, third), third) for third in thirds])

    best = min(grid, key=tuning_error)
    errors = [error(best, np.setdiff1d(np.arange(y.size), test), test) for test in tests]
    return name, method, float(np.mean(errors)), best, time.perf_counter() - start


def _start_worker():
    warnings.simplefilter("ignore")


def _run(function, tasks, n_processes):
    """Run tasks in processes of one thread each; return {data set: {method: value}} and the seconds per method."""
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"
    values, seconds = {}, {}
    context = multiprocessing.get_context("spawn")
    with context.Pool(n_processes, _start_worker) as pool:
        for name, method, value, best, spent in pool.imap_unordered(function, tasks):
            values.setdefault(name, {})[method] = value
            seconds[method] = seconds.get(method, 0.0) + spent
            print(f"{name} {method}: {value:.4f} {best} {spent:.1f} s", flush=True)
    return values, seconds


def classification(n_processes, max_rows=None):
    """Run the case ``uci`` and print its table."""
    with np.load(DATA / "uci_classification.npz") as file:
        sizes = {key.split("/")[0]: file[key].size for key in file.files if key.endswith("/y")}
    names = sorted(
        (name for name in sizes if max_rows is None or sizes[name] <= max_rows), key=lambda name: -sizes[name]
    )
    tasks = [(name, method) for name in names for method in CLASSIFIERS]
    values, seconds = _run(_classify, tasks, n_processes)
    print(f"\nmean accuracy over {len(names)} data sets (seconds in all)")
    for method in CLASSIFIERS:
        print(f"{method:10} {np.mean([values[name][method] for name in names]):.4f}  ({seconds[method]:,.0f} s)")


def regression(n_processes, n_splits=20):
    """Run the case ``uci-regression`` and print its table."""
    with np.load(DATA / "uci_regression.npz") as file:
        sizes = {key.split("/")[0]: file[key].size for key in file.files if key.endswith("/y")}
    names = sorted(sizes, key=lambda name: -sizes[name])
    tasks = [(name, method, n_splits) for name in names for method in REGRESSORS]
    values, seconds = _run(_regress, tasks, n_processes)
    ranks = {method: [] for method in REGRESSORS}
    print(f"\nroot-mean-square error, mean of {n_splits} splits")
    for name in names:
        for rank, method in enumerate(sorted(REGRESSORS, key=values[name].get), start=1):
            ranks[method].append(rank)
        print(f"{name:18}", *(f"{method} {values[name][method]:.4f}" for method in REGRESSORS))
    print("mean rank         ", *(f"{method} {np.mean(ranks[method]):.1f}" for method in REGRESSORS))
    print("seconds in all    ", *(f"{method} {seconds[method]:,.0f}" for method in REGRESSORS))


CASES = {"uci": classification, "uci-regression": regression}
