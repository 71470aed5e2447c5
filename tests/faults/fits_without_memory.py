"""Calls in which allocations fail; run by `tests/passes/test_faults.py` with `failing_malloc.c` preloaded.

What must hold: MemoryError or a right result, never a crash; after an error the estimator is as it was, and the same
call gives what it would have given. `--step 1` lets every allocation of every case fail, first one alone and then all
from there on: some minutes.
"""

import argparse
import ctypes
import faulthandler
import os
import pickle
import sys
import warnings
from pathlib import Path

import numpy as np
from sklearn.base import clone

import skfastnn._cyutility
import skfastnn._plan
import skfastnn._prediction
import skfastnn.search.halfspace._halfspace
from cases import CALLS, ESTIMATORS, bits, calls, data
from skfastnn.passes.shared._worth import set_worth_a_thread

SHIM = ctypes.CDLL(None)
SHIM.fail_at.restype, SHIM.fail_at.argtypes = ctypes.c_long, (ctypes.c_char_p, ctypes.c_long, ctypes.c_long)
SHIM.who_failed.argtypes = (ctypes.c_char_p, ctypes.c_long)
ALWAYS = 1 << 40
COMPILED = os.fsencode(Path(skfastnn._cyutility.__file__).parent)


class Case:
    """A call of an estimator, which is repeated while allocations fail."""

    def __init__(self, name, call):
        self.name = f"{name}, {call}"
        self.X, self.y = data(name)
        fitted, self.method = CALLS[call]
        est = clone(ESTIMATORS[name])
        self.stored = pickle.dumps(est.fit(self.X, self.y) if fitted else est)
        self.sites, self.dense = set(), None
        self.right = self.outcome_of(pickle.loads(self.stored))

    def outcome_of(self, est):
        """Call, and return all that comes of it."""
        result = self.method(est, self.X, self.y)
        return bits(est), b"" if result is est else bits(result)

    def run(self, k, n):
        """Call while n allocations fail, from the k-th on; return whether it was an error, and how many there were."""
        est, site, failed = pickle.loads(self.stored), ctypes.create_string_buffer(200), False
        before = bits(est)
        SHIM.fail_at(COMPILED, k, n)
        try:
            result = self.method(est, self.X, self.y)
        except MemoryError:
            failed = True
        finally:
            SHIM.who_failed(site, 200)
            n_calls = SHIM.fail_at(b"", 0, 0)
        if site.value:
            self.sites.add(site.value.decode())
        if failed:
            assert bits(est) == before, "an error has changed the estimator"
            outcome = self.outcome_of(est)
        else:
            outcome = bits(est), b"" if result is est else bits(result)
        if outcome != self.right:
            assert "fit" in self.name, "a prediction is another one"
            assert est.search_ == "dense" != est.search, "the outcome is another one"
            assert outcome[0] == self.without_search(), "without memory for the search, training is not that of 'dense'"
        return failed, n_calls

    def without_search(self):
        """Return what a call leaves behind where there was no memory for the search, and training was dense."""
        if self.dense is None:
            est = pickle.loads(self.stored)
            search = est.search
            self.method(est.set_params(search="dense"), self.X, self.y)
            self.dense = bits(est.set_params(search=search))
        return self.dense

    def check(self, step):
        """Let every so many-th allocation fail, alone and with all that follow; return how many, and errors.

        The first one to fail is not the same for all cases.
        """
        n_calls = self.run(1 << 60, 1)[1]
        n_tried = n_failed = 0
        for n in (1, ALWAYS):
            for k in range(1 + sum(self.name.encode()) % step, n_calls + 1, step):
                print(
                    f"{self.name}, allocation {k} of {n_calls}, {n}", file=sys.stderr, flush=True
                )  # known after a crash
                n_failed += self.run(k, n)[0]
                n_tried += 1
        return n_calls, n_tried, n_failed


def main():
    """Check all cases; print how many allocations there were, how many failed, and how many of these were errors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--step", type=int, default=1, help="of how many allocations one fails")
    parser.add_argument("--only", default="", help="part of the names of the cases")
    arguments = parser.parse_args()
    faulthandler.enable()
    warnings.simplefilter("ignore")
    set_worth_a_thread(1e-3)
    # ways that are for larger data
    skfastnn._prediction.MIN_WEIGHTS_FOR_SPARSE, skfastnn._prediction.MAX_SHARE_FOR_SPARSE = 1, 0.9
    skfastnn.search.halfspace._halfspace.ROWS_JUDGED, skfastnn._plan.FEW_PAIRS = 1, 0
    sites, total = set(), np.zeros(3, dtype=int)
    for name, call in calls(arguments.only):
        case = Case(name, call)
        counts = case.check(arguments.step)
        print(f"{case.name}: {counts[0]} allocations, {counts[1]} failed, {counts[2]} errors", flush=True)
        sites |= case.sites
        total += counts
    print(*sorted(sites), sep="\n")
    print(f"{len(sites)} places, {total[0]} allocations, {total[1]} failed, {total[2]} errors")


if __name__ == "__main__":
    main()
