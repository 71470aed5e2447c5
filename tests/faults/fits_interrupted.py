"""Calls that Ctrl-C ends at random moments; run by `tests/solvers/test_ctrl_c.py`.

What must hold: the estimator is as it was, or holds a network that works; `partial_fit` is done or not done. Whatever
was kept, the next call gives what it gives without an interrupt, and BLAS, NumPy and scikit-learn are set as they were.
No Ctrl-C is lost. `--times 100` takes some minutes.
"""

import argparse
import faulthandler
import pickle
import signal
import sys
import time
import warnings
from collections import Counter

import numpy as np
from sklearn import get_config
from sklearn.base import clone
from threadpoolctl import threadpool_info

from cases import CALLS, ESTIMATORS, C, bits, calls, data
from skfastnn._messages import _quiet

# From one that works on a small problem to one that may be stopped in the middle of an epoch.
N_ROWS = 400


class Clock:
    """Presses Ctrl-C after some seconds, unless it is stopped before."""

    def __init__(self):
        self.n_pressed = 0
        signal.signal(signal.SIGALRM, self.press)

    def press(self, *args):
        """Do what Python does at Ctrl-C."""
        self.n_pressed += 1
        raise KeyboardInterrupt

    def run(self, seconds, call):
        """Call; return what it returns, or None, and whether it was interrupted, and whether outside."""
        self.n_pressed, result, outside = 0, None, False
        try:
            signal.setitimer(signal.ITIMER_REAL, seconds)
            result = call()
            signal.setitimer(signal.ITIMER_REAL, 0)
        except KeyboardInterrupt:
            outside = True
        return result, self.n_pressed > 0, outside


def surroundings():
    """Return settings of the process that calls change while they run."""
    pools = [(pool["filepath"], pool["num_threads"]) for pool in threadpool_info() if pool["user_api"] == "blas"]
    # an interrupt within scikit-learn's `config_context` is its own affair
    config = {name: value for name, value in get_config().items() if name != "skip_parameter_validation"}
    return sorted(pools), np.geterr(), config, _quiet.get()


class Case:
    """A call of an estimator, which is repeated and interrupted."""

    def __init__(self, name, call):
        self.name = f"{name}, {call}"
        fitted, self.method = CALLS[call]
        self.whole = "fit" not in call or "partial_fit" in call  # done or not done
        self.X, self.y = data(name, N_ROWS)
        est = clone(ESTIMATORS[name])
        self.stored = pickle.dumps(est.fit(self.X, self.y) if fitted else est)
        began = time.perf_counter()
        self.right = self.outcome_of(pickle.loads(self.stored))
        self.seconds = time.perf_counter() - began

    def outcome_of(self, est):
        """Call, and return all that comes of it."""
        result = self.method(est, self.X, self.y)
        return bits(est), b"" if result is est else bits(result)

    def check(self, clock, times, rng):
        """Interrupt so many times; return how often it was in time, and how often something was kept."""
        outcomes = Counter()
        around = surroundings()
        for number in range(times):
            est = pickle.loads(self.stored)
            before, seconds = bits(est), self.seconds * rng.uniform(0.0, 1.05)
            print(f"{self.name}, interrupt {number} after {seconds:.6f} s", file=sys.stderr, flush=True)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                _, pressed, outside = clock.run(seconds + 1e-6, lambda est=est: self.method(est, self.X, self.y))
            told = outside or any("interrupted by user" in str(warning.message) for warning in caught)
            assert told or not pressed, "an interrupt was lost"
            assert surroundings() == around, f"settings of the process have changed: {surroundings()}, not {around}"
            after = bits(est)
            kept = after != before
            outcomes["too late" if not pressed else "kept" if kept else "as before"] += 1
            if kept:
                self.check_model(est)
            if self.whole and kept:
                assert after == self.right[0], "neither done nor not done"
            else:
                again = est if not kept else est.set_params(warm_start=False)
                assert self.outcome_of(again) == self.right, "another call gives something else"
        return outcomes

    def check_model(self, est):
        """Check that a network works, and can be copied."""
        assert all(np.isfinite(a).all() for a in est.coefs_ + est.intercepts_)
        raw, copied = (
            one.decision_function(self.X) if isinstance(est, C) else one.predict(self.X)
            for one in (est, pickle.loads(pickle.dumps(est)))
        )
        assert np.isfinite(raw).all()
        assert np.array_equal(raw, copied)
        assert est.n_iter_ == max(1, len(est.loss_curve_[-est.n_iter_ :]))


def main():
    """Interrupt all cases; print how often each outcome was."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=100, help="interrupts of each call")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="part of the names of the cases")
    arguments = parser.parse_args()
    faulthandler.enable()
    clock, rng, total = Clock(), np.random.default_rng(arguments.seed), Counter()
    for name, call in calls(arguments.only):
        with warnings.catch_warnings(action="ignore"):
            outcomes = Case(name, call).check(clock, arguments.times, rng)
        print(f"{name}, {call}: {dict(outcomes)}", flush=True)
        total += outcomes
    print(f"{sum(total.values())} calls: {dict(total)}")


if __name__ == "__main__":
    main()
