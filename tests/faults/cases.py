"""Estimators and calls that are tried with faults, and what is compared."""

import pickle

import numpy as np
from scipy.sparse import csr_array

from skfastnn import FastReLUClassifier, FastReLURegressor
from skfastnn.search import ENGINES

STEPS = {"hidden_layer_sizes": 70, "max_iter": 2, "batch_size": 20, "random_state": 0, "threshold": 0.5}
DEEP = {**STEPS, "hidden_layer_sizes": (70, 10)}
C, R = FastReLUClassifier, FastReLURegressor
ESTIMATORS = {
    **{engine: C(solver="adam", search=engine, **STEPS) for engine in ENGINES["dense"]},
    **{f"sgd {engine}": R(solver="sgd", search=engine, **STEPS) for engine in ENGINES["dense"]},
    "adam sparse": C(solver="adam", **STEPS),
    "sgd sparse": R(solver="sgd", **STEPS),
    "gauss_newton sparse": R(solver="gauss_newton", **STEPS),
    "lbfgs sparse": R(solver="lbfgs", **STEPS),
    "deep": R(solver="adam", **DEEP),
    "deep sgd": C(solver="sgd", **DEEP),
    "deep adam sparse": C(solver="adam", **DEEP),
    "deep lbfgs": C(solver="lbfgs", **DEEP),
    "gauss_newton": R(solver="gauss_newton", **STEPS),
    "gauss_newton correlation_tree": C(solver="gauss_newton", search="correlation_tree", **STEPS),
    "gauss_newton halfspace": R(solver="gauss_newton", search="halfspace", **STEPS),
    "refined": R(solver="adam_gauss_newton", **STEPS),
    "lbfgs": R(solver="lbfgs", **STEPS),
    "auto": R(hidden_layer_sizes=70, random_state=0),
    "auto classifier": C(hidden_layer_sizes=70, random_state=0),
    "held out": C(solver="adam", early_stopping=True, **STEPS),
    "wide": R(solver="adam", **{**STEPS, "hidden_layer_sizes": 600, "threshold": 3.0}),
}  # fmt: skip
# Enough rows for each way of prediction to be taken.
N_TO_PREDICT = 1_100


def data(name, n_rows=70):
    """Return rows and a target; float32 for some."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, 3 if name == "wide" else 50 if "sparse" in name else 6))
    X = X.astype(np.float32 if name in ("quantized", "sgd halfspace", "deep sgd", "sgd sparse") else np.float64)
    y = (X[:, 0] > 0).astype(int) if isinstance(ESTIMATORS[name], C) else np.sin(X[:, 0])
    return (csr_array(X * (rng.random(X.shape) < 0.04)) if "sparse" in name else X), y


def many(X):
    """Return many rows."""
    rows = np.arange(N_TO_PREDICT) % X.shape[0]
    return X[rows] if isinstance(X, np.ndarray) else X.tocsr()[rows]


def predict(est, X, y):
    """Return all that is predicted."""
    rows = many(X)
    if isinstance(est, C):
        return est.predict_proba(rows), est.transform(rows)
    return est.predict(rows), est.transform(rows)


def partial_fit(est, X, y):
    """Go on with some of the rows."""
    classes = {"classes": [0, 1]} if isinstance(est, C) else {}
    return est.partial_fit(X[:30], y[:30], **classes)


CALLS = {
    "first fit": (False, lambda est, X, y: est.fit(X, y)),
    "second fit": (True, lambda est, X, y: est.fit(X, y)),
    "first partial_fit": (False, partial_fit),
    "partial_fit": (True, partial_fit),
    "predict": (True, predict),
}


def calls(part_of_name):
    """Return the names of all estimators and their calls, those alone that have the part."""
    names = []
    for name, est in ESTIMATORS.items():
        learns = hasattr(est, "partial_fit") and est.early_stopping is not True
        names += [(name, call) for call in CALLS if learns or "partial_fit" not in call]
    return [(name, call) for name, call in names if part_of_name in f"{name}, {call}"]


def bits(thing):
    """Return all attributes, as bytes, but for times that were taken."""
    if isinstance(thing, C | R):
        thing = {**vars(thing), "selection_": None}
    return pickle.dumps(pickle.loads(pickle.dumps(thing)))
