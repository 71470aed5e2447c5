"""Fits in which one allocation fails; run by `tests/passes/test_faults.py` with `failing_malloc.c` preloaded.

What must hold: MemoryError or a right result, never a crash; after an error the estimator is as it was, and fits.
"""

import ctypes
import faulthandler
import os
import pickle
import sys
import warnings
from pathlib import Path

import numpy as np

import skfastnn._cyutility
from skfastnn import FastReLUClassifier, FastReLURegressor
from skfastnn.passes.shared._worth import set_worth_a_thread
from skfastnn.search import ENGINES

SHIM = ctypes.CDLL(None)
SHIM.fail_at.restype, SHIM.fail_at.argtypes = ctypes.c_long, (ctypes.c_char_p, ctypes.c_long)
COMPILED = os.fsencode(Path(skfastnn._cyutility.__file__).parent)
STEPS = {"hidden_layer_sizes": 70, "max_iter": 2, "batch_size": 20, "random_state": 0, "threshold": 0.5}
C, R = FastReLUClassifier, FastReLURegressor
CASES = {
    **{engine: C(solver="adam", search=engine, **STEPS) for engine in ENGINES["dense"]},
    "sgd": R(solver="sgd", search="halfspace", **STEPS),
    "deep": R(solver="adam", **{**STEPS, "hidden_layer_sizes": (70, 10)}),
    "gauss_newton": R(solver="gauss_newton", **STEPS),
    "refined": R(solver="adam_gauss_newton", **STEPS),
    "auto": R(hidden_layer_sizes=70, random_state=0),
}  # fmt: skip


def data(name):
    """Return rows and a target; float32 for some."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 6)).astype(np.float32 if name in ("quantized", "sgd") else np.float64)
    return X, (X[:, 0] > 0).astype(int) if isinstance(CASES[name], C) else np.sin(X[:, 0])


def bits(est):
    """Return all attributes, as bytes, but for times that were taken."""
    state = {**vars(est), "selection_": None}
    return pickle.dumps(pickle.loads(pickle.dumps(state)))


def failing(k, call):
    """Make a call in which the k-th allocation of ours fails; return whether it ended with an error, and how many."""
    SHIM.fail_at(COMPILED, k)
    try:
        call()
    except MemoryError:
        return True, SHIM.fail_at(b"", 0)
    return False, SHIM.fail_at(b"", 0)


def some(n, size):
    """Return some of the numbers 1 to n: the first ones, and others up to the last one."""
    chosen = np.concatenate([np.arange(1, size // 3), np.linspace(size // 3, n, size - size // 3)]).astype(int)
    return [int(k) for k in np.unique(chosen) if 1 <= k <= n]


class Case:
    """An estimator, fitted, that is fitted again while an allocation fails."""

    def __init__(self, name):
        self.name = name
        self.X, self.y = data(name)
        self.stored = pickle.dumps(CASES[name].fit(self.X, self.y))
        self.right = {}

    def fit(self, k):
        """Fit while an allocation fails; return whether it ended with an error, and how many allocations there were."""
        est = pickle.loads(self.stored)
        before = bits(est)
        failed, n_calls = failing(k, lambda: est.fit(self.X, self.y))
        if failed:
            assert bits(est) == before, "an error has changed the estimator"
            est.fit(self.X, self.y)
        self.check_predictions(est)
        return failed, n_calls

    def check_predictions(self, est):
        """Compare with a fit that has all the memory; where there was none for the search, with a dense one."""
        search, tolerance = est.search_, 1e-4 if self.X.dtype == np.float32 else 1e-8
        if search not in self.right:
            self.right[search] = pickle.loads(self.stored).set_params(search=search).fit(self.X, self.y).predict(self.X)
        np.testing.assert_allclose(est.predict(self.X), self.right[search], rtol=tolerance, atol=tolerance)

    def check(self, size):
        """Let some of the allocations fail, one at a time; return how many were tried, and how many were errors."""
        numbers, n_failed = some(self.fit(sys.maxsize)[1], size), 0
        for k in numbers:
            print(f"{self.name}, allocation {k}", file=sys.stderr, flush=True)  # known even after a crash
            n_failed += self.fit(k)[0]
        return len(numbers), n_failed


def main():
    """Check all cases; print how many allocations failed, and how many of these were errors."""
    faulthandler.enable()
    warnings.simplefilter("ignore")
    set_worth_a_thread(1e-3)
    for name in CASES:
        print(name, *Case(name).check(int(sys.argv[1])), flush=True)


if __name__ == "__main__":
    main()
