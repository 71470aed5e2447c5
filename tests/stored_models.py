"""Models of each kind as this version stores them: `python tests/stored_models.py` writes `tests/models/VERSION/`.

Written once for each release, and never again: `tests/handed_over/test_stored_models.py` loads those of all releases.
"""

from pathlib import Path

import joblib
import numpy as np

import skfastnn
from skfastnn import FastReLUClassifier, FastReLURegressor, PiecewiseLinearEncoder

FOLDER = Path(__file__).parent / "models"
STEPS = {"hidden_layer_sizes": 12, "max_iter": 3, "random_state": 0}


def binary(x):
    """Return two classes."""
    return (x[:, 0] + x[:, 1] > 0).astype(int)


def names(x):
    """Return three classes that are strings."""
    return np.array(["low", "middle", "high"])[np.digitize(x[:, 0], [-0.5, 0.5])]


def several(x):
    """Return two labels, none of which rules the other out."""
    return (x[:, :2] > 0).astype(int)


def number(x):
    """Return numbers above zero."""
    return np.exp(np.sin(x[:, 0]) + 0.5 * x[:, 1])


def pair(x):
    """Return two numbers for each row."""
    return np.column_stack([number(x), x[:, 2]])


C, R = FastReLUClassifier, FastReLURegressor
KINDS = {
    "adam": (C(solver="adam", threshold=0.5, **STEPS), names),
    "adam-float32": (R(solver="adam", search="quantized", **STEPS), pair),
    "sgd": (C(solver="sgd", search="halfspace", warm_start=True, **STEPS), several),
    "early-stopping": (R(solver="adam", early_stopping=True, validation_fraction=0.3, **STEPS), number),
    "deep": (C(solver="adam", **{**STEPS, "hidden_layer_sizes": (8, 4)}), binary),
    "gauss-newton": (R(solver="gauss_newton", alpha="loo", **STEPS), number),
    "adam-gauss-newton": (R(solver="adam_gauss_newton", **STEPS), pair),
    "lbfgs": (C(solver="lbfgs", **STEPS), names),
    "poisson": (R(solver="adam", loss="poisson", **STEPS), number),
    "encoded": (R(solver="gauss_newton", encoding="piecewise_linear", **STEPS), number),
    "linear": (C(**{**STEPS, "hidden_layer_sizes": ()}), binary),
    "encoder": (PiecewiseLinearEncoder(beyond=0.25), number),
}


def rows(kind):
    """Return the rows to train on."""
    dtype = np.float32 if kind.endswith("float32") else np.float64
    return np.random.default_rng(0).standard_normal((30, 3)).round(3).astype(dtype)


def output(est, X):
    """Return all that a model says of some rows."""
    if hasattr(est, "transform") and not hasattr(est, "predict"):
        return est.transform(X)
    return est.predict_proba(X) if hasattr(est, "predict_proba") else est.predict(X)


def write():
    """Fit and store one of each kind, with what it says of five rows."""
    folder = FOLDER / skfastnn.__version__
    folder.mkdir(parents=True, exist_ok=True)
    for kind, (est, target) in KINDS.items():
        X = rows(kind)
        est.fit(X, target(X))
        joblib.dump({"model": est, "X": X[:5], "output": output(est, X[:5])}, folder / f"{kind}.joblib", compress=9)


if __name__ == "__main__":
    write()
