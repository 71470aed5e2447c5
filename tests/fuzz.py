"""Random estimators on random data: `python tests/fuzz.py --seconds 60 --seed 0`; `--case SEED` repeats one, in words.

A case is a number: the same number is the same data, parameters and calls. What must hold, whatever they are:

- an error is a ValueError or TypeError in words of this package or of scikit-learn; NumPy's do not show through;
- after an error, or an interrupt in time, the estimator is as it was;
- no call takes longer than LONGEST seconds of processor time, and none ends in numbers that are not finite;
- with threshold="auto" or 0 there is always a model;
- the same fit again has the same bits; a prediction depends neither on the rows beside it nor on a copy by pickle.
"""

import argparse
import faulthandler
import pickle
import re
import signal
import sys
import time
import traceback
import warnings
from collections import Counter

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn import set_config
from sklearn.base import clone

from skfastnn import FastReLUClassifier, FastReLURegressor

LONGEST = 20.0
# Parts of messages that are not meant for users: NumPy's and SciPy's own, about arrays that users have never seen.
NOT_IN_WORDS = re.compile(
    "broadcast|zero-size|array element|not aligned|cannot convert float|infs or NaNs|must be finite|is not fitted|"
    "out of bounds|truth value|buffer|contiguous|unpack|matmul|reshape|NoneType|unexpected keyword|has no len",
    re.IGNORECASE,
)
# Warnings of arithmetic: what overflowed is reported in words, or does not matter and is silent.
OF_ARITHMETIC = re.compile("encountered in|divide by zero|overflow|invalid value|ill-conditioned", re.IGNORECASE)


class TooLong(BaseException):
    """A call took too long; no handler takes it for something else."""


class Broken(Exception):
    """A property does not hold."""


# what is drawn


class Draw:
    """Draws from lists and ranges."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def one_of(self, options):
        """Return one of some options."""
        return options[self.rng.integers(len(options))]

    def chance(self, p):
        """Return True with probability p."""
        return bool(self.rng.random() < p)


WIDTHS = ["auto", (), 1, 2, 5, (5, 3), (3, 3, 3), 64, (100,), [33, 20], 512, 2048, 4096]


def named(Estimator, parameter):
    """Return the names that a parameter takes, in the order of the alphabet."""
    return sorted(set().union(*(choice.options for choice in Estimator._parameter_constraints[parameter])))


VALID = {
    "hidden_layer_sizes": WIDTHS,
    "solver": named(FastReLUClassifier, "solver"),
    "alpha": ["auto", "loo", 0, 0.0, 1e-10, 1e-4, 1.0, 1e6],
    "batch_size": ["auto", 1, 2, 3, 50, 1000],
    "learning_rate": named(FastReLUClassifier, "learning_rate"),
    "learning_rate_init": ["auto", 1e-8, 1e-3, 0.1, 10.0, 1e6],
    "power_t": [0.0, 0.5, 3.0],
    "shuffle": [False],
    "tol": [0.0, 1e-2, 1e3],
    "warm_start": [True],
    "momentum": [0.0, 0.5, 1.0],
    "nesterovs_momentum": [False],
    "early_stopping": [True],
    "validation_fraction": [0.0, 0.02, 0.5, 0.97],
    "beta_1": [0.0, 0.99999],
    "beta_2": [0.0, 0.5, 0.999999],
    "epsilon": [1e-300, 1e-8, 1.0, 1e300],
    "n_iter_no_change": [1, 3, np.inf],
    "max_fun": [1, 30],
    "encoding": ["auto", "none", "piecewise_linear"],
    "threshold": ["auto", 0, 0.0, 0.5, 1, 2.0, 3.5, 30.0, [1.0], [0.5, 0.5]],
    "search": named(FastReLUClassifier, "search"),
    "init": ["antisymmetric", "random"],
    "train_output": [False],
    "verbose": [False],
}
OF_CLASSIFIER = {"class_weight": [None, "balanced", {0: 1.0, 1: 5.0}, {0: 0.0}, [{0: 1, 1: 2}] * 3]}
OF_REGRESSOR = {
    "loss": named(FastReLURegressor, "loss"),
    "quantile": [0.01, 0.5, 0.9],
    "huber_delta": [1e-9, 1.35, 1e9],
}
INVALID = [None, "a", -1, -0.5, 1.5, np.nan, np.inf, (), [], {}, [1, "a"], (0,), np.array([1.0]), 10**30, object, True]


def draw_parameters(draw, Estimator):
    """Return parameters, most of them left alone."""
    options = {**VALID, **(OF_CLASSIFIER if Estimator is FastReLUClassifier else OF_REGRESSOR)}
    often = ("hidden_layer_sizes", "solver", "loss")
    share = draw.one_of([0.0, 0.05, 0.2, 0.5])
    chosen = {
        name: draw.one_of(values)
        for name, values in options.items()
        if draw.chance(0.6 if name in often else share)
    }  # fmt: skip
    if draw.chance(0.05):
        chosen[draw.one_of(list(options))] = draw.one_of(INVALID)
    return {"max_iter": draw.one_of([1, 2, 5, 20, 200]), "random_state": int(draw.rng.integers(100)), **chosen}


def draw_rows(draw, n, d):
    """Return features, ndarray of shape (n, d)."""
    rng = draw.rng
    X = rng.standard_normal((n, d))
    kind = draw.one_of(["normal"] * 4 + ["integers", "binary", "zeros", "equal", "repeated", "text", "far", "outlier"])
    if kind == "integers":
        X = rng.integers(-3, 4, (n, d)).astype(float)
    elif kind == "binary":
        X = (X > draw.one_of([0.0, 2.0])).astype(float)
    elif kind == "zeros":
        X *= 0
    elif kind == "equal":
        X = np.tile(X[:1], (n, 1))
    elif kind == "repeated":
        X = X[rng.integers(0, max(n // 5, 1), n)]
    elif kind == "text":
        X *= rng.random((n, d)) < 0.02
    elif kind == "far":
        X += draw.one_of([1e3, 1e8])
    elif kind == "outlier":
        X[rng.integers(n), rng.integers(d)] = draw.one_of([1e6, -1e15, 1e30])
    if draw.chance(0.2):
        X[:, rng.integers(d)] = draw.one_of([0.0, 1.0, 1e9])
    if draw.chance(0.1):
        X *= draw.one_of([1e-30, 1e-6, 1e6, 1e15, 1e30])
    if draw.chance(0.1):
        X[rng.random((n, d)) < 0.1] = np.nan
        if draw.chance(0.3):
            X[:, rng.integers(d)] = np.nan
    if draw.chance(0.01):
        X[rng.integers(n), rng.integers(d)] = np.inf
    return X


def as_given(draw, X):
    """Return the features in one of the types and layouts that users have."""
    dtype = draw.one_of([np.float64] * 3 + [np.float32] * 2 + [np.float16, np.int64, bool])
    if np.issubdtype(dtype, np.floating) or (np.isfinite(X).all() and np.abs(X).max() < 1e9):
        with np.errstate(over="ignore"):
            X = X.astype(dtype)
    layout = draw.one_of(["C"] * 3 + ["F", "strided", "read-only", "frame", "list", "sparse", "sparse"])
    if layout == "F":
        return np.asfortranarray(X)
    if layout == "strided":
        return np.repeat(X, 2, axis=1)[:, ::2]
    if layout == "read-only":
        X.setflags(write=False)
        return X
    if layout == "frame":
        return pd.DataFrame(X, columns=[f"f{k}" for k in range(X.shape[1])])
    if layout == "list":
        return X.tolist()
    if layout == "sparse" and X.dtype != np.float16:
        form = draw.one_of(["csr", "csc", "lil", "bsr"])
        S = draw.one_of([sparse.csr_matrix, sparse.csr_array])(X)
        if draw.chance(0.2) and S.nnz:
            S.data[draw.rng.integers(S.nnz)] = 0  # stored
        return S.asformat(form)
    return X


def draw_labels(draw, X):
    """Return a target of a classifier."""
    rng, n = draw.rng, X.shape[0]
    score = np.nan_to_num(X[:, 0], posinf=0.0) + 0.3 * rng.standard_normal(n)
    kind = draw.one_of(["binary"] * 3 + ["several"] * 3 + ["names", "bool", "one", "multilabel", "every", "wrong"])
    if kind == "binary":
        return (score > np.median(score)).astype(int)
    if kind == "bool":
        return score > 0
    if kind == "one":
        return np.full(n, draw.one_of([0, 1, 7]))
    if kind == "multilabel":
        Y = (rng.random((n, draw.one_of([1, 3, 3, 12]))) < draw.one_of([0.0, 0.1, 0.5, 1.0])).astype(int)
        return sparse.csr_matrix(Y) if draw.chance(0.2) else Y
    if kind == "every":
        return np.arange(n)
    if kind == "wrong":
        return draw.one_of([score, [None] * n, np.full(n, np.nan), np.stack([score > 0] * 3) * 3, np.array(3)])
    y = np.digitize(score, np.quantile(score, np.linspace(0, 1, draw.one_of([2, 3, 10]))[1:]))
    return np.array([f"class {k}" for k in y], dtype=draw.one_of([str, object])) if kind == "names" else y


def draw_numbers(draw, X):
    """Return a target of a regressor."""
    rng, n = draw.rng, X.shape[0]
    score = np.nan_to_num(X[:, 0], posinf=0.0) + 0.3 * rng.standard_normal(n)
    kind = draw.one_of(["plain"] * 4 + ["constant", "outlier", "counts", "several", "scaled", "column", "wrong", "int"])
    if kind == "constant":
        return np.full(n, draw.one_of([0.0, 3.0, -1e9]))
    if kind == "outlier":
        score[rng.integers(n)] = draw.one_of([1e6, -1e12, 1e30, 1e150])
    elif kind == "counts":
        return rng.poisson(draw.one_of([0.01, 1.0, 1e4]), n)
    elif kind == "several":
        Y = np.abs(np.column_stack([score, rng.standard_normal(n), np.ones(n)]))
        return Y[:, : draw.one_of([2, 3])]
    elif kind == "scaled":
        return score * draw.one_of([1e-200, 1e-20, 1e20, 1e200]) + draw.one_of([0, 0, 1e10])
    elif kind == "column":
        return score[:, None]
    elif kind == "wrong":
        return draw.one_of([["a"] * n, np.full(n, np.nan), np.full(n, np.inf), score[:-1], [None] * n, score * 1j])
    elif kind == "int":
        return rng.integers(-5, 6, n)
    return np.abs(score) if draw.chance(0.5) else score


def draw_weights(draw, n):
    """Return sample weights, or None."""
    rng = draw.rng
    if draw.chance(0.7):
        return None
    some = rng.random(n)
    return draw.one_of(
        [np.ones(n), some, rng.integers(0, 3, n), some * 1e-30, some * 1e30, some**40, np.zeros(n), -some, 1 + 0 * some]
    )


# what is called, and what must hold


def frozen(value):
    """Return the state of an estimator as something that `==` compares by value."""
    if isinstance(value, np.ndarray) and value.dtype != object:
        return value.tobytes(), value.shape, value.dtype
    if isinstance(value, dict):
        return {key: frozen(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [frozen(item) for item in value]
    if hasattr(value, "__dict__") and not isinstance(value, type):
        return frozen(vars(value))
    return repr(value)


def raw_of(est, X):
    """Return what the network says before its activation, and check what is made of it."""
    if hasattr(est, "predict_proba"):
        probability = np.asarray(est.predict_proba(X))
        if not ((probability >= 0) & (probability <= 1)).all():
            raise Broken("probabilities are none")
        est.predict(X)
        return np.asarray(est.decision_function(X))
    return np.asarray(est.predict(X))


class Case:
    """An estimator, its data, and the calls that have been made."""

    def __init__(self, seed, talk=False):
        self.draw, self.talk = Draw(seed), talk
        draw = self.draw
        self.Estimator = draw.one_of([FastReLUClassifier, FastReLURegressor])
        self.parameters = draw_parameters(draw, self.Estimator)
        self.est = self.Estimator(**self.parameters)
        self.n = int(draw.one_of([1, 2, 3, 5, 20, 60, 100, 150, 300]))
        self.X = draw_rows(draw, self.n, int(draw.one_of([1, 1, 2, 3, 8, 16, 17, 40])))
        self.y = (draw_labels if self.Estimator is FastReLUClassifier else draw_numbers)(draw, self.X)
        self.given = as_given(draw, self.X)
        self.outcomes, self.n_fits = Counter(), 0

    def say(self, *words):
        """Print what is done, if asked for."""
        if self.talk:
            print(*words, flush=True)

    def run(self):
        """Make some calls."""
        set_config(skip_parameter_validation=False)  # an interrupt within scikit-learn may have left it on
        self.say(self.est, self.X.shape, type(self.given), getattr(self.given, "dtype", ""), "\ny:", self.y)
        for _ in range(self.draw.rng.integers(1, 5)):
            self.draw.one_of([self.fit] * 5 + [self.partial_fit] * 3 + [self.set_params, self.copy, self.interrupted])()

    def fit(self, interrupt=None):
        """Fit, and compare with another fit."""
        more = {"sample_weight": draw_weights(self.draw, self.n), **self.held_out()}
        twin = clone(self.est)
        self.say("   ", {name: np.shape(value) for name, value in more.items()})
        done = self.call("fit", lambda est: est.fit(self.given, self.y, **more), interrupt)
        if not done or interrupt or self.est.warm_start or not self.draw.chance(0.3):
            return
        with warnings.catch_warnings(action="ignore"):
            twin.fit(self.given, self.y, **more)
        for left, right in zip(self.est.coefs_ + self.est.intercepts_, twin.coefs_ + twin.intercepts_, strict=True):
            if not np.array_equal(left, right):
                raise Broken("the same fit again has other weights")

    def first(self, size):
        """Return the first rows as they are given, and their target."""
        X = self.given[:size] if isinstance(self.given, np.ndarray | list | pd.DataFrame) else self.given.tocsr()[:size]
        return X, self.y[:size] if np.shape(self.y) else self.y

    def held_out(self):
        """Return arguments of samples that are held out, most of the time none."""
        if self.draw.chance(0.8):
            return {}
        size = min(self.n, int(self.draw.one_of([1, 2, self.n])))
        X, y = self.first(size)
        more = {"X_val": X, "y_val": y, "sample_weight_val": draw_weights(self.draw, size)}
        if self.draw.chance(0.1):
            del more[self.draw.one_of(list(more))]
        return more

    def partial_fit(self):
        """Train on some of the rows, sometimes on others."""
        if not hasattr(self.est, "partial_fit"):
            return
        size = min(self.n, int(self.draw.one_of([1, 2, self.n])))
        X, y = self.first(size)
        if isinstance(X, np.ndarray) and X.dtype.kind == "f" and self.draw.chance(0.3):
            with np.errstate(over="ignore"):
                X = X * X.dtype.type(self.draw.one_of([0, 1e-3, 100])) + X.dtype.type(self.draw.one_of([0, 1, 1000]))
        more = {"sample_weight": draw_weights(self.draw, size)}
        if self.Estimator is FastReLUClassifier and self.draw.chance(0.9) and np.ndim(self.y) == 1:
            more["classes"] = np.unique(np.asarray(self.y, dtype=object).astype(str) if None in self.y else self.y)
        self.say("   ", size, "rows", {name: type(value) for name, value in more.items()})
        self.call("partial_fit", lambda est: est.partial_fit(X, y, **more))

    def set_params(self):
        """Set some of the parameters."""
        new = draw_parameters(self.draw, self.Estimator)
        new = {name: new[name] for name in self.draw.rng.permutation(list(new))[:2]}
        self.say("set_params", new)
        self.est.set_params(**new)

    def copy(self):
        """Go on with a copy."""
        self.say("pickle")
        self.est = pickle.loads(pickle.dumps(self.est))

    def interrupted(self):
        """Fit, and press Ctrl-C."""
        self.fit(interrupt=10 ** self.draw.rng.uniform(-4, -0.5))

    def call(self, name, run, interrupt=None):
        """Make a call that may fail; return whether it succeeded."""
        before, threshold = frozen(vars(self.est)), self.est.threshold
        self.say(name, f"interrupted after {interrupt:.5f} s" if interrupt else "")
        self.n_fits += 1
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                with timers(interrupt):
                    run(self.est)
            except (ValueError, TypeError) as error:
                self.check_error(error, threshold)
                outcome = f"{type(error).__name__}: {error}"
            except KeyboardInterrupt:
                outcome = "interrupted outside"
            else:
                outcome = "fitted"
        self.say("   ", outcome.splitlines()[0][:300], [str(w.message)[:150] for w in caught])
        ours = [w for w in caught if "sklearn" not in w.filename and not re.search("X contains (inf|NaN)", outcome)]
        for warning in ours:
            if OF_ARITHMETIC.search(str(warning.message)):
                raise Broken(f"warning of arithmetic: {warning.message} ({warning.filename}:{warning.lineno})")
        for text in {outcome.splitlines()[0], *(f"  warning: {w.message}" for w in caught)}:
            self.outcomes[re.sub(r"[-\d.]+(e[+-]?\d+)?", "#", text)[:110]] += 1
        as_before = frozen(vars(self.est)) == before
        if outcome == "interrupted outside" and not as_before:  # after the last line of the fit
            outcome = "fitted"
        if outcome != "fitted" and not as_before:
            raise Broken(f"after an error the estimator has changed ({outcome})")
        if outcome == "fitted" and not as_before:
            self.check_model()
        return outcome == "fitted"

    def check_error(self, error, threshold):
        """Check that an error is in words, and that there is reason for it."""
        if NOT_IN_WORDS.search(str(error)):
            raise Broken(f"an error that is not in words: {error}") from error
        if "firing rate" in str(error) and (isinstance(threshold, str) or np.all(np.asarray(threshold) == 0)):
            raise Broken(f"no model at threshold={threshold!r}: {error}") from error

    def check_model(self):
        """Check predictions."""
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                with timers(None):
                    raw = raw_of(self.est, self.given)
        except ValueError as error:
            # what has not been trained on may be what it does not take
            if re.search("contains NaN|contains infinity|is too large for float", str(error)):
                return
            raise
        if any(OF_ARITHMETIC.search(str(w.message)) for w in caught):
            raise Broken(f"prediction warns of arithmetic: {[str(w.message) for w in caught]}")
        if not np.isfinite(raw).all():
            raise Broken("a prediction is not finite")
        if not np.array_equal(raw_of(pickle.loads(pickle.dumps(self.est)), self.given), raw):
            raise Broken("a copy by pickle predicts otherwise")
        one = int(self.draw.rng.integers(self.n))
        row = self.given.tocsr()[[one]] if sparse.issparse(self.given) else self.given[one : one + 1]
        alone = raw_of(self.est, row)[0]
        single = self.est.coefs_[0].dtype == np.float32
        size = max(np.abs(raw).max(), self.magnitude(row))
        if np.abs(alone - raw[one]).max() > (1e-4 if single else 1e-10) * size:
            raise Broken(f"a row alone is predicted otherwise: {alone} {raw[one]}, of {size}")

        self.check_activations(raw)
        self.check_errors(raw)

    def check_activations(self, raw):
        """Check that the output is made of the activations of the last hidden layer."""
        est = self.est
        H = est.transform(self.given)
        H = H.toarray() if sparse.issparse(H) else np.asarray(H)
        if not np.isfinite(H).all() or (est.n_layers_ > 2 and (H < 0).any()):
            raise Broken("activations are none")
        with np.errstate(over="ignore"):
            output = H @ est.coefs_[-1] + est.intercepts_[-1]
            size = np.abs(H) @ np.abs(est.coefs_[-1]) + np.abs(est.intercepts_[-1]) + self.magnitude(self.given)
        if est.out_activation_ != "exp" and output.size == raw.size:
            wrong = (
                np.abs(output.ravel() - raw.ravel()) > (1e-4 if output.dtype == np.float32 else 1e-10) * size.ravel()
            )
            if wrong.any():
                raise Broken(
                    f"the output is not of the activations: {output.ravel()[wrong][:3]} {raw.ravel()[wrong][:3]}"
                )

    def check_errors(self, raw):
        """Check the standard deviation of predictions, where one is known."""
        if hasattr(self.est, "predict_proba"):
            return
        try:
            mean, deviation = self.est.predict(self.given, return_std=True)
        except ValueError as error:
            if "return_std=True needs" in str(error):
                return
            raise
        if not np.array_equal(mean, raw):
            raise Broken("with a standard deviation the prediction is another")
        if not (np.isfinite(deviation).all() and (deviation >= 0).all() and deviation.shape == mean.shape):
            raise Broken(f"a standard deviation is none: {deviation}")

    def magnitude(self, row):
        """Return the size of the numbers that are summed up for a row, of which rounding is a share."""
        est = self.est
        if est.encoder_ is not None or getattr(est, "out_activation_", "") == "exp":
            return np.inf
        a = np.abs(row.toarray() if sparse.issparse(row) else np.asarray(row, dtype=float))
        for W, c in zip(est.coefs_, est.intercepts_, strict=True):
            a = a @ np.abs(W).astype(float) + np.abs(c)
        return a.max()


class timers:
    """Raise TooLong after so much processor time, and KeyboardInterrupt after some seconds if asked for."""

    def __init__(self, interrupt):
        self.interrupt = interrupt

    def __enter__(self):
        signal.signal(signal.SIGPROF, self.too_long)
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        signal.setitimer(signal.ITIMER_PROF, LONGEST)
        if self.interrupt:
            signal.setitimer(signal.ITIMER_REAL, self.interrupt)

    def __exit__(self, *error):
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.setitimer(signal.ITIMER_PROF, 0)

    @staticmethod
    def too_long(*args):
        """End a call."""
        raise TooLong(f"longer than {LONGEST} s")


def run_case(seed, talk=False):
    """Run a case; return its outcomes, its number of fits, and what went wrong or None."""
    case = Case(seed, talk)
    try:
        case.run()
    except (Exception, TooLong) as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        what = f"{type(error).__name__}: {error} ({last.filename.rsplit('/', 1)[-1]}:{last.lineno} {last.name})"
        if talk:
            traceback.print_exc()
        return case, what
    return case, None


def main():
    """Run cases for some time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--cases", type=int, default=sys.maxsize, help="stop after so many, however fast the machine")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--case", type=int)
    arguments = parser.parse_args()
    faulthandler.enable()
    if arguments.case is not None:
        return run_case(arguments.case, talk=True)[1] is not None
    began, first, outcomes, n_fits, failures = time.monotonic(), arguments.seed * 1_000_000, Counter(), 0, []
    for seed in range(first, first + arguments.cases):
        if time.monotonic() - began > arguments.seconds:
            break
        print(f"\r{seed}", end=" ", file=sys.stderr, flush=True)  # known even after a crash
        case, what = run_case(seed)
        outcomes += case.outcomes
        n_fits += case.n_fits
        if what is not None:
            failures.append(f"--case {seed}: {what}\n  {case.est}".replace("\n    ", " "))
            print(f"\n{failures[-1]}", flush=True)
    print(*(f"{count:6d} {name}" for name, count in outcomes.most_common()), sep="\n")
    # once more, where they are read
    print(f"{n_fits} fits, {len(failures)} failures", *failures, sep="\n")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
