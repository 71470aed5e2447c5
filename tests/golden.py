"""Small fits of every kind, recorded, so that a change that is to change no result can be seen to change none.

`tests/training/test_golden.py` compares with tolerances, as processors round differently. `python tests/golden.py
write` records anew, after a change that is meant to change results. `python tests/golden.py checksums FILE` writes one
line per fit, of the bits of all that was learned, for a comparison on one machine.
"""

import json
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
from scipy.sparse import random_array
from sklearn.datasets import make_classification, make_multilabel_classification, make_regression

from skfastnn import FastReLUClassifier, FastReLURegressor
from skfastnn.passes.shared._products import wide_products
from skfastnn.search import ENGINES

FILE = Path(__file__).with_suffix(".json")
RECORDED_PREDICTIONS = 5


def classes(n_classes=3, dtype=np.float64):
    X, y = make_classification(
        260, 9, n_informative=6, n_classes=n_classes, n_clusters_per_class=1, flip_y=0.1, random_state=n_classes
    )
    return X.astype(dtype), y


def labels():
    return make_multilabel_classification(200, 8, n_classes=4, random_state=0)


def numbers(n_targets=1, dtype=np.float64):
    X, y = make_regression(240, 7, n_targets=n_targets, noise=5.0, random_state=1)
    return X.astype(dtype), np.sin(y / 50) + y / 100


def counts():
    X, y = numbers()
    return X, np.random.RandomState(0).poisson(np.exp(y.clip(-2, 2))).astype(float)


def sparse(dtype=np.float64):
    X = random_array((220, 300), density=0.03, format="csr", random_state=np.random.default_rng(0), dtype=np.float64)
    return X.astype(dtype), (np.asarray(X[:, :30].sum(axis=1)).ravel() > 0.4).astype(int)


def few_rows():
    X, y = make_classification(40, 300, n_informative=20, random_state=3)
    return X, y


def constant_columns():
    X, y = classes()
    return np.hstack([X, np.ones((X.shape[0], 20))]), y


def missing():
    X, y = classes()
    X[np.random.RandomState(0).rand(*X.shape) < 0.1] = np.nan
    return X, y


def weights(X):
    return np.random.RandomState(5).randint(0, 4, size=X.shape[0]).astype(float)


def fit(data, Estimator=FastReLUClassifier, times=1, weighted=False, **parameters):
    """Fit once or, going on, several times."""
    X, y = data
    est = Estimator(random_state=0, warm_start=times > 1, **parameters)
    for _ in range(times):
        est.fit(X, y, sample_weight=weights(X) if weighted else None)
    return est, X


def stream(data, Estimator=FastReLUClassifier, n_parts=5, fitted=False, **parameters):
    """Take a stream in parts, of a network that was fitted before or is new."""
    X, y = data
    est = Estimator(random_state=0, **parameters)
    if fitted:
        est.fit(X[:100], y[:100])
    for k, part in enumerate(np.array_split(np.arange(X.shape[0]), n_parts)):
        classes = {"classes": np.unique(y)} if Estimator is FastReLUClassifier and k == 0 and y.ndim == 1 else {}
        est.partial_fit(X[part], y[part], **classes)
    return est, X


def regress(data, **parameters):
    return fit(data, FastReLURegressor, **parameters)


CASES = {
    "all_auto": lambda: fit(classes()),
    # processors round single precision differently, and by that stop after different numbers of iterations
    "all_auto_two_classes_float32": lambda: fit(classes(2, np.float32), max_iter=4),
    "all_auto_labels": lambda: fit(labels()),
    "all_auto_missing": lambda: fit(missing()),
    "all_auto_weighted": lambda: fit(classes(), weighted=True, class_weight="balanced"),
    "all_auto_sparse": lambda: fit(sparse()),
    "all_auto_numbers": lambda: regress(numbers(3)),
    "all_auto_counts": lambda: regress(counts(), loss="poisson"),
    "all_auto_without_curvature": lambda: regress(numbers(), loss="absolute_error", max_iter=12),
    "all_auto_early_stopping": lambda: fit(classes(), early_stopping=True),
    "gauss_newton": lambda: fit(classes(), solver="gauss_newton", hidden_layer_sizes=300, alpha=0.1, encoding="none"),
    "gauss_newton_batches": lambda: regress(numbers(), solver="gauss_newton", hidden_layer_sizes=200, batch_size=200),
    "gauss_newton_few_rows": lambda: fit(few_rows(), solver="gauss_newton", hidden_layer_sizes=256),
    "gauss_newton_sparse_float32": lambda: fit(
        sparse(np.float32), solver="gauss_newton", hidden_layer_sizes=256, alpha="loo", max_iter=4
    ),
    "gauss_newton_goes_on": lambda: regress(numbers(), solver="gauss_newton", hidden_layer_sizes=200, times=2),
    "gauss_newton_huber": lambda: regress(numbers(2), solver="gauss_newton", loss="huber", hidden_layer_sizes=256),
    "adam": lambda: fit(classes(), solver="adam", hidden_layer_sizes=96, max_iter=12),
    "adam_all_auto": lambda: fit(classes(2), solver="adam", max_iter=12),
    "adam_wide_float32": lambda: fit(
        classes(3, np.float32),
        solver="adam",
        hidden_layer_sizes=512,
        threshold=1.0,
        max_iter=8,
        learning_rate="constant",
    ),
    "adam_rate_given": lambda: fit(
        classes(), solver="adam", hidden_layer_sizes=64, learning_rate_init=0.01, max_iter=8
    ),
    "adam_weighted": lambda: regress(numbers(), solver="adam", hidden_layer_sizes=64, max_iter=12, weighted=True),
    "adam_early_stopping": lambda: regress(
        numbers(), solver="adam", hidden_layer_sizes=64, max_iter=15, early_stopping=True
    ),
    "adam_goes_on": lambda: fit(classes(), solver="adam", hidden_layer_sizes=64, max_iter=5, times=2),
    "adam_early_stopping_goes_on": lambda: fit(
        classes(), solver="adam", hidden_layer_sizes=64, max_iter=5, times=2, early_stopping=True
    ),
    "adam_sparse": lambda: fit(sparse(), solver="adam", hidden_layer_sizes=100, max_iter=10, alpha=1e-3),
    "adam_sparse_all_auto_float32": lambda: fit(sparse(np.float32), solver="adam", max_iter=12),
    "adam_piecewise_linear": lambda: fit(
        missing(), solver="adam", encoding="piecewise_linear", hidden_layer_sizes=64, max_iter=12
    ),
    "adam_constant_columns": lambda: fit(constant_columns(), solver="adam", hidden_layer_sizes=64, max_iter=10),
    "adam_random_start": lambda: fit(classes(), solver="adam", init="random", hidden_layer_sizes=64, max_iter=10),
    "adam_quantile": lambda: regress(numbers(), loss="quantile", quantile=0.7, hidden_layer_sizes=64, max_iter=10),
    "adam_deep": lambda: fit(classes(), solver="adam", hidden_layer_sizes=(64, 32), max_iter=10),
    "adam_deep_sparse": lambda: fit(sparse(), solver="adam", hidden_layer_sizes=(64, 32), max_iter=6),
    "adam_deep_goes_on": lambda: regress(
        numbers(2), solver="adam", hidden_layer_sizes=(48, 24), threshold=0.5, max_iter=4, times=2
    ),
    "adam_gauss_newton": lambda: fit(classes(), solver="adam_gauss_newton", hidden_layer_sizes=256, max_iter=8),
    "adam_gauss_newton_early_stopping": lambda: regress(
        numbers(), solver="adam_gauss_newton", hidden_layer_sizes=128, max_iter=8, early_stopping=True
    ),
    "adam_gauss_newton_goes_on": lambda: regress(
        numbers(), solver="adam_gauss_newton", hidden_layer_sizes=128, max_iter=4, times=2
    ),
    "adam_gauss_newton_sparse": lambda: fit(
        sparse(), solver="adam_gauss_newton", hidden_layer_sizes=128, max_iter=5, alpha=0.1
    ),
    "sgd": lambda: fit(classes(), solver="sgd", hidden_layer_sizes=128, max_iter=10, alpha=1e-3),
    "sgd_goes_on": lambda: regress(
        numbers(2), solver="sgd", hidden_layer_sizes=128, max_iter=5, times=2, learning_rate="adaptive"
    ),
    "sgd_few_rows": lambda: fit(few_rows(), solver="sgd", hidden_layer_sizes=64, max_iter=10, momentum=0.5),
    "sgd_sparse": lambda: fit(sparse(), solver="sgd", hidden_layer_sizes=64, max_iter=8, learning_rate="invscaling"),
    "sgd_deep_early_stopping": lambda: fit(
        classes(), solver="sgd", hidden_layer_sizes=(64, 32), max_iter=8, early_stopping=True
    ),
    "sgd_output_stands": lambda: fit(
        classes(2), solver="sgd", hidden_layer_sizes=64, train_output=False, max_iter=8, nesterovs_momentum=False
    ),
    "lbfgs": lambda: fit(classes(), solver="lbfgs", hidden_layer_sizes=32, max_iter=30),
    "lbfgs_all_auto": lambda: fit(classes(), solver="lbfgs"),
    "lbfgs_deep_early_stopping": lambda: fit(
        classes(), solver="lbfgs", hidden_layer_sizes=(32, 16), max_iter=20, early_stopping=True
    ),
    "lbfgs_goes_on": lambda: regress(
        counts(), loss="poisson", solver="lbfgs", hidden_layer_sizes=24, max_iter=15, times=2
    ),
    "linear": lambda: fit(classes(), hidden_layer_sizes=()),
    "linear_sparse_numbers": lambda: regress(sparse(), hidden_layer_sizes=()),
    "linear_stream": lambda: stream(classes(), hidden_layer_sizes=()),
    "stream": lambda: stream(classes(), hidden_layer_sizes=64),
    "stream_all_auto": lambda: stream(numbers(), FastReLURegressor),
    "stream_of_rows": lambda: stream(numbers(), FastReLURegressor, 80, hidden_layer_sizes=64),
    "stream_after_fit": lambda: stream(classes(), fitted=True, solver="adam", hidden_layer_sizes=64, max_iter=5),
    "stream_after_all_auto": lambda: stream(classes(), fitted=True),
    "stream_sgd": lambda: stream(counts(), FastReLURegressor, loss="poisson", solver="sgd", hidden_layer_sizes=64),
    "stream_sparse_float32": lambda: stream(sparse(np.float32), hidden_layer_sizes=64),
    "stream_deep": lambda: stream(labels(), hidden_layer_sizes=(48, 24)),
    "stream_adam_gauss_newton": lambda: stream(numbers(), FastReLURegressor, solver="adam_gauss_newton"),
    **{
        f"search_{search}": lambda search=search: fit(
            classes(), solver="adam", hidden_layer_sizes=512, threshold=1.0, search=search, max_iter=6
        )
        for search in sorted(ENGINES["dense"])
    },
    **{
        f"search_{search}_{solver}": lambda search=search, solver=solver: regress(
            numbers(), solver=solver, hidden_layer_sizes=300, threshold=0.8, search=search, max_iter=4
        )
        for search, solver in (
            ("correlation_tree", "sgd"),
            ("quantized", "gauss_newton"),
            ("halfspace", "gauss_newton"),
        )
    },
}


def run(name):
    """Return the fitted estimator of a case, and its rows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return CASES[name]()


def output(est, X):
    """Return what the fitted network says about rows."""
    return est.predict_proba(X) if hasattr(est, "predict_proba") else est.predict(X)


def record(name):
    """Return what a case is to be like, in numbers that JSON takes."""
    est, X = run(name)
    norms = [float(np.linalg.norm(a)) for a in (*est.coefs_, *est.intercepts_)]
    words = {key: getattr(est, key) for key in ("solver_", "search_", "n_iter_", "t_", "n_layers_", "out_activation_")}
    numbers = {
        "loss_curve": est.loss_curve_, "firing_curve": est.firing_curve_,
        "validation_scores": est.validation_scores_, "alpha": est.alpha_, "rate": est.learning_rate_init_,
        "norms": norms, "output": output(est, X[:RECORDED_PREDICTIONS]).astype(float).ravel().tolist(),
    }  # fmt: skip
    return words | {key: np.atleast_1d(value).ravel().tolist() for key, value in numbers.items() if value is not None}


def json_numbers(recorded):
    """Return a record with numbers of no more digits than are compared."""
    return {
        key: [float(f"{x:.7g}") for x in value] if isinstance(value, list) else value for key, value in recorded.items()
    }


def checksums(name):
    """Return a line of checksums of the bits of what a case leaves behind."""
    est, X = run(name)
    curves = repr((est.loss_curve_, est.firing_curve_, est.validation_scores_, est.best_loss_))
    arrays = [zlib.crc32(np.ascontiguousarray(a)) for a in (*est.coefs_, *est.intercepts_, output(est, X))]
    numbers = repr((est.alpha_, est.learning_rate_init_, est.threshold_, est.t_, est.n_iter_, est.search_counters_))
    words = est.solver_, est.search_, est.encoder_ is not None, len(est.selection_), est.firing_recall_
    return f"{name} {words} {zlib.crc32(curves.encode())} {zlib.crc32(numbers.encode())} {arrays}"


def written():
    """Return the text of the file of records; a processor without wide products keeps the engines it has no say in."""
    known = json.loads(FILE.read_text()) if FILE.exists() and not wide_products() else {}
    records = {name: json_numbers(record(name)) for name in CASES}
    for name in known.keys() & records.keys():
        records[name]["search_"] = known[name]["search_"]
    return "{\n" + ",\n".join(f"{json.dumps(name)}: {json.dumps(kept)}" for name, kept in records.items()) + "\n}\n"


if __name__ == "__main__":
    command, *files = sys.argv[1:]
    if command == "write":
        FILE.write_text(written())
    else:
        Path(files[0]).write_text("\n".join(checksums(name) for name in CASES) + "\n")
