"""Ctrl-C at random moments, and between any two lines of what changes settings of the process."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from interrupts import FakeLibrary, interrupt_at
from skfastnn import FastReLUClassifier, FastReLURegressor
from skfastnn._fitting import History
from skfastnn._threads import _Takers
from skfastnn.solvers._gauss_newton import GaussNewton

FAULTS = Path(__file__).parents[1] / "faults"


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="the system has no timer that interrupts")
def test_calls_are_done_or_not_done_whenever_ctrl_c_comes():
    environment = {**os.environ, "PYTHONPATH": str(FAULTS), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, FAULTS / "fits_interrupted.py", "--times", "1", "--seed", "0"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(FAULTS)}
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]


def test_libraries_get_their_threads_back_wherever_ctrl_c_comes():
    def use(takers, libraries):
        try:
            takers.add("one", libraries)
        finally:
            try:
                takers.discard("one", libraries)
            finally:
                takers.discard("one", libraries)

    n_lines, interrupted = 0, True
    while interrupted:
        n_lines += 1
        takers, libraries = _Takers(), [FakeLibrary("openmp"), FakeLibrary("pthreads")]
        interrupted = interrupt_at(n_lines, lambda takers=takers, libraries=libraries: use(takers, libraries))
        assert [library.get_num_threads() for library in libraries] == [4, 4]
    assert n_lines > 20


def test_what_is_silenced_is_not_when_ctrl_c_comes(monkeypatch):
    X = np.random.default_rng(0).standard_normal((30, 3))
    reg = FastReLURegressor(hidden_layer_sizes=8, random_state=0).fit(X, X[:, 0])

    class Leaves(np.errstate):
        def __exit__(self, *error):
            raise KeyboardInterrupt  # as if it came before the first line

    before = np.geterr()
    monkeypatch.setattr(np, "errstate", Leaves)
    with pytest.raises(KeyboardInterrupt):
        reg.predict(X)
    assert np.geterr() == before


@pytest.mark.parametrize("validated", [False, True])
def test_an_epoch_stands_in_all_curves_or_in_none(validated):
    def epoch(history, loss):
        history.loss_curve.append(loss)
        history.firing_curve.append(0.5)
        if validated:
            history.take_score(-loss, loss, 1e-4, lambda: "weights")
        else:
            history.take_loss(1e-4)

    n_lines, interrupted = 0, True
    while interrupted:
        n_lines += 1
        history = History()
        epoch(history, 3.0)
        interrupted = interrupt_at(n_lines, lambda history=history: epoch(history, 2.0))
        history.interrupt(validated)
        curves = [history.loss_curve, history.firing_curve]
        curves += [history.validation_scores, history.validation_losses] if validated else []
        assert {len(curve) for curve in curves} in ({1}, {2})
        assert history.best_loss == (np.inf if validated else min(history.loss_curve))


@pytest.mark.filterwarnings("ignore:Maximum iterations", "ignore:Not enough memory")
def test_a_kernel_is_not_kept_for_rows_in_another_order(monkeypatch):
    X = np.random.default_rng(0).standard_normal((200, 4))
    clf = FastReLUClassifier(hidden_layer_sizes=64, solver="gauss_newton", max_iter=2, random_state=0)
    right = clf.set_params(search="dense").fit(X, X[:, 0] > 0).coefs_
    propose = GaussNewton.propose
    n_calls = 0

    def without_memory(self):
        nonlocal n_calls
        n_calls += 1
        promised = propose(self)
        if n_calls == 1:
            raise MemoryError("none")
        return promised

    monkeypatch.setattr(GaussNewton, "propose", without_memory)
    clf.set_params(search="halfspace").fit(X, X[:, 0] > 0)
    assert n_calls > 1
    assert clf.search_ == "dense"
    for left, right_ in zip(clf.coefs_, right, strict=True):
        assert_allclose(left, right_, rtol=1e-9)
