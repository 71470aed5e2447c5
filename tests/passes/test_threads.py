"""Threads: the same bits for any number of them, none for little work or in forked children, and BLAS as it was."""

import io
import multiprocessing
import os
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from joblib import Parallel, delayed
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from threadpoolctl import threadpool_info, threadpool_limits

from helpers import REGISTERED_SOLVERS, assert_same_fit
from interrupts import FakeLibrary
from skfastnn import FastReLUClassifier, FastReLURegressor
from skfastnn._threads import _Limit, effective_n_threads, one_blas_thread
from skfastnn.passes.shared._lower import add_lower_products, cholesky, inverse_of_lower
from skfastnn.passes.shared._worth import set_worth_a_thread
from skfastnn.solvers import _gauss_newton
from skfastnn.solvers._preconditioner import NystromPreconditioner

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
FORKS = pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no process is forked here")


def noise(n_samples=400, n_features=40, dtype=np.float64):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n_samples, n_features)).astype(dtype), rng.integers(0, 3, n_samples)


def blas_threads():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


# the same bits


@DTYPES
@pytest.mark.parametrize(
    "parameters",
    [
        {"solver": "gauss_newton", "max_iter": 2},
        {"solver": "gauss_newton", "max_iter": 1, "threshold": 0.0},  # the kernel by tiles
        {"solver": "gauss_newton", "max_iter": 1, "alpha": "loo"},
        {"solver": "gauss_newton", "max_iter": 1, "batch_size": 300},
        {"solver": "adam_gauss_newton", "max_iter": 1},
        {"solver": "adam", "max_iter": 2},
        {"solver": "sgd", "max_iter": 2},
        {"solver": "adam", "max_iter": 2, "hidden_layer_sizes": (64, 64)},
    ],
)
@pytest.mark.parametrize("rows", ["dense", "sparse", "few"])
def test_any_number_of_threads_gives_the_same_bits(parameters, dtype, rows, monkeypatch):
    X, y = noise(60, 800, dtype) if rows == "few" else noise(dtype=dtype)
    if rows == "sparse":
        X = sparse.random_array(
            (400, 900), density=0.02, random_state=np.random.default_rng(0), format="csr", dtype=dtype
        )
    fits = []
    for n_threads in (1, 2, 4):
        monkeypatch.setenv("OMP_NUM_THREADS", str(n_threads))  # also on a machine with fewer cores
        with threadpool_limits(n_threads):
            assert effective_n_threads() == n_threads
            fits.append(FastReLUClassifier(**{"hidden_layer_sizes": 256, **parameters}, random_state=0).fit(X, y))
    for fit in fits[1:]:
        assert_same_fit(fit, fits[0])
        assert fit.loss_curve_ == fits[0].loss_curve_


def test_landmarks_give_the_same_bits_too(monkeypatch):
    X, y = noise(400)
    monkeypatch.setattr(_gauss_newton, "MAX_ROWS", 300)
    monkeypatch.setattr(_gauss_newton, "N_LANDMARKS", 290)
    fits = []
    for n_threads in (1, 2):
        monkeypatch.setenv("OMP_NUM_THREADS", str(n_threads))
        with threadpool_limits(n_threads):
            fits.append(
                FastReLUClassifier(hidden_layer_sizes=256, solver="gauss_newton", max_iter=2, random_state=0).fit(X, y)
            )
    assert_same_fit(*fits)


@DTYPES
@pytest.mark.parametrize("n", [1, 100, 256, 257, 700])
def test_the_factor_of_tiles_is_choleskys(n, dtype):
    rng = np.random.default_rng(n)
    B = rng.normal(size=(n, n + 3)).astype(dtype)
    factors = []
    with one_blas_thread():
        for n_threads in (1, 2, 4):
            A = n * np.eye(n, dtype=dtype)
            add_lower_products(B, B, A, n_threads)
            assert_allclose(np.tril(A), np.tril(B @ B.T + n * np.eye(n)), rtol=1e-3, atol=1e-3 * n)
            assert cholesky(A, n_threads) == 0
            factors.append(np.tril(A))
    assert_array_equal(factors[1], factors[0])
    assert_array_equal(factors[2], factors[0])
    expected = np.linalg.cholesky(B.astype(np.float64) @ B.T + n * np.eye(n))
    tolerance = 1e-4 if dtype == np.float32 else 1e-11
    assert_allclose(factors[0], expected, rtol=tolerance, atol=tolerance * n)


@DTYPES
@pytest.mark.parametrize("n", [1, 128, 300])
def test_the_inverse_of_a_factor(n, dtype):
    rng = np.random.default_rng(n)
    factor = (rng.normal(size=(n, n)) / n + np.eye(n)).astype(dtype)  # what is above the diagonal does not count
    inverses = [np.full((n, n), np.nan, dtype) for _ in range(3)]
    with one_blas_thread():
        for n_threads, out in zip((1, 2, 4), inverses, strict=True):
            inverse_of_lower(factor, out, n_threads)
    assert_array_equal(inverses[1], inverses[0])
    assert_array_equal(inverses[2], inverses[0])
    tolerance = 1e-5 if dtype == np.float32 else 1e-13
    assert_allclose(inverses[0], np.linalg.inv(np.tril(factor.astype(np.float64))), atol=tolerance)


@pytest.mark.parametrize("at", [0, 300, 699])
def test_a_matrix_that_is_not_positive_definite_is_named(at):
    A = np.eye(700)
    A[at, at] = -1.0
    assert cholesky(A, 2) == at + 1


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="square"):
        cholesky(np.ones((3, 4)), 1)
    with pytest.raises(ValueError, match="of its shape"):
        inverse_of_lower(np.eye(3), np.eye(4), 1)
    with pytest.raises(ValueError, match="one shape"):
        add_lower_products(np.ones((3, 4)), np.ones((3, 5)), np.ones((3, 3)), 1)
    with pytest.raises(ValueError, match="a row and a column"):
        add_lower_products(np.ones((3, 4)), np.ones((3, 4)), np.ones((3, 2)), 1)


def test_the_preconditioner_of_landmarks_does_not_depend_on_threads():
    rng = np.random.default_rng(0)
    factor = rng.normal(size=(600, 300))
    K, index = factor @ factor.T, np.arange(0, 600, 2)
    with one_blas_thread():
        arguments = np.ascontiguousarray(K[index]), index, np.ones(600), 0.1
        solutions = [NystromPreconditioner(*arguments, n_threads).solve(factor[:, :2]) for n_threads in (1, 2, 4)]
    assert_array_equal(solutions[1], solutions[0])
    assert_array_equal(solutions[2], solutions[0])


# BLAS


def test_blas_is_as_before_when_calls_that_overlap_have_ended():
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        began, second_began, first_ended = threading.Event(), threading.Event(), threading.Event()
        seen = []

        def first():
            with one_blas_thread():
                began.set()
                second_began.wait(10)
            seen.append(blas_threads())
            first_ended.set()

        def second():
            began.wait(10)
            with one_blas_thread():
                second_began.set()
                first_ended.wait(10)
                seen.append(blas_threads())

        # threads that stay, of which the first to set a limit is not the last to take it back
        with ThreadPoolExecutor(2) as pool:
            for call in [pool.submit(first), pool.submit(second)]:
                call.result(20)
            left = blas_threads()
        assert left == before
        assert [set(threads) for threads in seen] == [{1}, {1}]
        assert blas_threads() == before


def test_blas_is_as_before_after_fits_and_predictions_in_threads():
    X, y = noise(1500, 10)
    est = FastReLURegressor(hidden_layer_sizes=256, solver="adam", max_iter=1, random_state=0).fit(X, y)
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        for _ in range(3):
            short, long = (FastReLUClassifier(hidden_layer_sizes=128, max_iter=k, random_state=0) for k in (1, 3))
            calls = [threading.Thread(target=fit, args=(X[:300], y[:300])) for fit in (short.fit, long.fit)]
            calls += [threading.Thread(target=est.predict, args=(X,)) for _ in range(3)]
            for call in calls:
                call.start()
            for call in calls:
                call.join()
            assert blas_threads() == before


def test_an_error_gives_blas_its_threads_back():
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        with pytest.raises(KeyError), one_blas_thread():
            raise KeyError
        assert blas_threads() == before


def test_each_thread_limits_a_library_on_top_of_openmp_for_itself():
    libraries = [FakeLibrary("openmp"), FakeLibrary("pthreads")]

    def numbers():
        return [library.get_num_threads() for library in libraries]

    limit = _Limit(lambda: libraries)
    with ThreadPoolExecutor(1) as pool:
        limit.take("first")
        limit.take("second")
        assert (numbers(), pool.submit(numbers).result()) == ([1, 1], [4, 1])
        pool.submit(limit.take, "third").result()
        limit.give_back("first")
        assert (numbers(), pool.submit(numbers).result()) == ([1, 1], [1, 1])
        limit.give_back("second")
        assert (numbers(), pool.submit(numbers).result()) == ([4, 1], [1, 1])
        pool.submit(limit.give_back, "third").result()
        assert (numbers(), pool.submit(numbers).result()) == ([4, 4], [4, 4])


# several fits at once


def test_eight_threads_that_fit_and_predict_get_the_bits_of_one():
    X, y = noise(200)
    settings = [
        {"solver": "adam", "threshold": 1.0},
        {"solver": "sgd"},
        {"solver": "gauss_newton"},
        {"solver": "adam", "hidden_layer_sizes": (64, 64)},
    ]
    known = FastReLUClassifier(hidden_layer_sizes=128, solver="adam", max_iter=2, random_state=0).fit(X, y)
    expected_of_known = known.predict_proba(X)

    def fitted(setting):
        est = FastReLUClassifier(**{"hidden_layer_sizes": 128, **setting}, max_iter=2, random_state=0).fit(X, y)
        assert_array_equal(known.predict_proba(X), expected_of_known)
        return est, est.predict_proba(X)

    expected = [fitted(setting) for setting in settings]
    together = threading.Barrier(8)

    def at_once(number):
        together.wait(30)
        return fitted(settings[number % 4])

    with ThreadPoolExecutor(8) as pool:
        for number, (est, output) in enumerate(pool.map(at_once, range(8))):
            assert_same_fit(est, expected[number % 4][0])
            assert_array_equal(output, expected[number % 4][1])


@pytest.mark.parametrize("solver", ["adam", "gauss_newton"])
@pytest.mark.parametrize("workers", ["loky", "spawn"])
def test_workers_of_their_own_get_the_bits_of_this_process(workers, solver):
    X, y = noise(200)
    est = FastReLUClassifier(hidden_layer_sizes=128, solver=solver, max_iter=2, random_state=0).fit(X, y)
    expected = est.predict_proba(X)
    if workers == "loky":
        known, again = Parallel(n_jobs=2)([delayed(est.predict_proba)(X), delayed(est.fit)(X, y)])
    else:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            known, again = pool.apply(est.predict_proba, (X,)), pool.apply(est.fit, (X, y))
    assert_array_equal(known, expected)
    assert_same_fit(again, est)


# the share of a container


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="control groups are of Linux")
@pytest.mark.parametrize(("quota", "expected"), [("100000 100000", 1), ("150000 100000", 2), ("max 100000", 3)])
def test_threads_are_no_more_than_a_container_may_use(quota, expected, monkeypatch):
    really_open, really_exists = open, os.path.exists

    def opened(path, *args, **kwargs):
        return io.StringIO(quota + "\n") if path == "/sys/fs/cgroup/cpu.max" else really_open(path, *args, **kwargs)

    monkeypatch.setattr("builtins.open", opened)
    monkeypatch.setattr("os.path.exists", lambda path: path == "/sys/fs/cgroup/cpu.max" or really_exists(path))
    # three cores, on any machine
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2})
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delenv("LOKY_MAX_CPU_COUNT", raising=False)
    with threadpool_limits(4, user_api="openmp"):
        assert effective_n_threads() == expected


# forked children


@FORKS
@pytest.mark.parametrize("solver", REGISTERED_SOLVERS)
def test_a_forked_child_fits_and_predicts(solver, tmp_path):
    script = tmp_path / "fork.py"
    script.write_text(
        textwrap.dedent("""
        import multiprocessing, sys, warnings
        import numpy as np
        from skfastnn import FastReLUClassifier
        from skfastnn._threads import effective_n_threads
        from skfastnn.passes.shared._worth import set_worth_a_thread

        warnings.simplefilter("ignore")
        set_worth_a_thread(1e-3)
        rng = np.random.default_rng(0)
        X, y = rng.normal(size=(1200, 10)), rng.integers(0, 3, 1200)
        est = FastReLUClassifier(hidden_layer_sizes=512, solver=sys.argv[1], max_iter=2, random_state=0)
        expected = est.fit(X, y).predict_proba(X)
        assert effective_n_threads() == 2

        def child(queue):
            known = est.predict_proba(X)
            queue.put([effective_n_threads(), known, est.fit(X, y).predict_proba(X)])

        context = multiprocessing.get_context("fork")
        queue = context.Queue()
        process = context.Process(target=child, args=(queue,), daemon=True)
        process.start()
        n_threads, *outputs = queue.get(timeout=60)
        assert n_threads == 1 and effective_n_threads() == 2
        assert all(np.array_equal(output, expected) for output in outputs)
        """)
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    subprocess.run([sys.executable, script, solver], env=environment, check=True, timeout=120)


@FORKS
def test_a_child_has_blas_as_before_a_call_of_another_thread(tmp_path):
    script = tmp_path / "fork.py"
    script.write_text(
        textwrap.dedent("""
        import os, threading, warnings
        from threadpoolctl import threadpool_info
        from skfastnn._threads import one_blas_thread

        warnings.simplefilter("ignore")
        blas = lambda: [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
        before, inside, forked = blas(), threading.Event(), threading.Event()

        def limited():
            with one_blas_thread():
                inside.set()
                forked.wait(10)

        thread = threading.Thread(target=limited)
        thread.start()
        inside.wait(10)
        child = os.fork()
        if child == 0:
            with one_blas_thread():
                ok = set(blas()) == {1}
            os._exit(0 if ok and blas() == before else 1)
        forked.set()
        thread.join()
        assert os.waitpid(child, 0)[1] == 0
        assert blas() == before
        """)
    )
    subprocess.run([sys.executable, script], env={**os.environ, "OPENBLAS_NUM_THREADS": "2"}, check=True, timeout=60)


# little work


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts the threads in /proc")
@pytest.mark.parametrize("solver", REGISTERED_SOLVERS)
def test_little_work_starts_no_threads(solver, tmp_path):
    script = tmp_path / "count.py"
    script.write_text(
        textwrap.dedent("""
        import os, sys, warnings
        import numpy as np
        from skfastnn import FastReLUClassifier

        warnings.simplefilter("ignore")
        rng = np.random.default_rng(0)
        X, y = rng.normal(size=(120, 10)), rng.integers(0, 2, 120)
        est = FastReLUClassifier(hidden_layer_sizes=64, solver=sys.argv[1], max_iter=3, random_state=0)
        before = len(os.listdir("/proc/self/task"))
        est.fit(X, y).predict(X)
        assert len(os.listdir("/proc/self/task")) == before
        X, y = rng.normal(size=(3000, 60)), rng.integers(0, 2, 3000)
        est.set_params(hidden_layer_sizes=512, solver="adam", search="dense", max_iter=1, batch_size=1000).fit(X, y)
        assert len(os.listdir("/proc/self/task")) == before + 1
        """)
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "1"}
    subprocess.run([sys.executable, script, solver], env=environment, check=True, timeout=60)


def test_what_is_worth_a_thread_is_a_positive_number():
    with pytest.raises(ValueError, match="positive"):
        set_worth_a_thread(0.0)
