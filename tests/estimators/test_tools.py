"""The estimators among other tools: dtypes, seeds, pickles, memory maps, grid search, pandas, threads."""

import pickle
import subprocess
import sys
import textwrap
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelBinarizer, StandardScaler
from threadpoolctl import threadpool_limits

import skfastnn
from helpers import BOTH, EVERY_ENGINE, FIRST_ORDER, SMALL, SOLVERS, assert_same_fit, data_for
from skfastnn import FastReLUClassifier, FastReLURegressor, show_versions
from skfastnn.passes.shared._products import compiled_instructions


@BOTH
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@SOLVERS
def test_dtype_is_kept(Estimator, dtype, solver):
    X, y = data_for(Estimator, dtype=dtype)
    est = Estimator(**SMALL, solver=solver).fit(X, y)
    assert {a.dtype for a in est.coefs_ + est.intercepts_} == {np.dtype(dtype)}
    if Estimator is FastReLURegressor:
        assert est.predict(X).dtype == dtype
    else:
        assert est.predict_proba(X).dtype == est.decision_function(X).dtype == dtype


@BOTH
def test_float32_agrees_with_float64(Estimator):
    X, y = data_for(Estimator)
    single, double = Estimator(**FIRST_ORDER).fit(X.astype(np.float32), y), Estimator(**FIRST_ORDER).fit(X, y)
    assert_allclose(single.loss_curve_, double.loss_curve_, rtol=1e-3)


@BOTH
def test_order_in_memory_does_not_matter(Estimator):
    X, y = data_for(Estimator)
    assert_same_fit(Estimator(**SMALL).fit(X, y), Estimator(**SMALL).fit(np.asfortranarray(X), y))


@BOTH
def test_same_seed_same_fit(Estimator):
    X, y = data_for(Estimator)
    est = Estimator(**SMALL)
    assert_same_fit(est.fit(X, y), clone(est).fit(X, y))
    other = Estimator(**{**SMALL, "random_state": 1}).fit(X, y)
    assert not np.array_equal(est.coefs_[0], other.coefs_[0])
    shared = {**SMALL, "random_state": np.random.RandomState(0)}
    assert_same_fit(est, Estimator(**shared).fit(X, y))
    assert not np.array_equal(est.coefs_[0], Estimator(**shared).fit(X, y).coefs_[0])


@BOTH
def test_random_draws_do_not_depend_on_the_number_of_samples(Estimator):
    X, y = data_for(Estimator)
    settings = {**FIRST_ORDER, "learning_rate_init": 1e-12, "alpha": 0.0}
    X = X / np.sqrt(np.mean(np.sum(X**2, axis=1)))
    start, start_of_twice = (
        Estimator(**settings).fit(np.vstack(part), np.hstack(target)) for part, target in (([X], [y]), ([X, X], [y, y]))
    )
    assert_same_fit(start, start_of_twice, rtol=1e-9)


@BOTH
@pytest.mark.parametrize("partial", [False, True])
def test_fitted_estimator_holds_arrays_and_plain_python_only(Estimator, partial):
    X, y = data_for(Estimator)
    est = Estimator(**SMALL).fit(X, y)
    if partial:
        est.partial_fit(X, y)

    def check(value):
        if isinstance(value, (list, tuple)):
            for item in value:
                check(item)
        elif isinstance(value, dict):
            for key, item in value.items():
                assert isinstance(key, str)
                check(item)
        else:
            plain = value is None or type(value) in (bool, int, float, str)
            assert plain or isinstance(value, (np.ndarray, LabelBinarizer)), type(value)

    check(vars(est))


@BOTH
@SOLVERS
@pytest.mark.parametrize("settings", [{}, {"early_stopping": True}])
def test_fitted_size_is_that_of_the_weights(Estimator, solver, settings):
    X, y = data_for(Estimator, dtype=np.float32)
    X = np.tile(X, 8)
    settings = {**settings, "hidden_layer_sizes": (4096,), "solver": solver, "random_state": 0, "max_iter": 2}
    est = Estimator(**settings).fit(X, y)
    assert len(pickle.dumps(est)) <= 1.1 * sum(a.nbytes for a in est.coefs_)


@BOTH
def test_pickle_predicts_and_goes_on(Estimator):
    X, y = data_for(Estimator)
    est = Estimator(**SMALL).fit(X, y).partial_fit(X, y)
    copy = pickle.loads(pickle.dumps(est))
    assert_array_equal(copy.predict(X), est.predict(X))
    assert_same_fit(copy.partial_fit(X, y), est.partial_fit(X, y))


@BOTH
def test_memory_mapped_model_predicts_and_goes_on(Estimator, tmp_path):
    X, y = data_for(Estimator)
    est = Estimator(**SMALL).fit(X, y).partial_fit(X, y)
    joblib.dump(est, tmp_path / "model.joblib")
    mapped = joblib.load(tmp_path / "model.joblib", mmap_mode="r")
    assert isinstance(mapped.coefs_[0], np.memmap)
    assert_array_equal(mapped.predict(X), est.predict(X))
    assert_same_fit(mapped.partial_fit(X, y), est.partial_fit(X, y))


@BOTH
def test_memory_mapped_data(Estimator, tmp_path):
    X, y = data_for(Estimator)
    joblib.dump((X, y, np.ones(100)), tmp_path / "data.joblib")
    X_map, y_map, weight = joblib.load(tmp_path / "data.joblib", mmap_mode="r")
    assert_same_fit(Estimator(**SMALL).fit(X_map, y_map, sample_weight=weight), Estimator(**SMALL).fit(X, y))


def test_prediction_in_chunks():
    X, y = data_for(FastReLUClassifier)
    clf = FastReLUClassifier(**SMALL).fit(X, y)
    with config_context(working_memory=0.01):
        assert_allclose(clf.predict_proba(X), clf.predict_proba(X[:50]).tolist() + clf.predict_proba(X[50:]).tolist())


@BOTH
def test_grid_search_and_pipeline_in_two_processes(Estimator):
    X, y = data_for(Estimator)
    pipeline = make_pipeline(StandardScaler(), Estimator(**SMALL))
    name = f"{Estimator.__name__.lower()}__threshold"
    search = GridSearchCV(pipeline, {name: [0.5, 1.0]}, n_jobs=2, cv=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the workers print theirs
        search.fit(X, y)
        alone = GridSearchCV(pipeline, {name: [0.5, 1.0]}, cv=2).fit(X, y)
    assert_array_equal(search.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"])
    assert search.predict(X).shape == y.shape


@BOTH
def test_feature_names(Estimator):
    X, y = data_for(Estimator)
    frame = pd.DataFrame(X, columns=[f"column {j}" for j in range(8)])
    est = Estimator(**SMALL).fit(frame, pd.Series(y))
    assert_array_equal(est.feature_names_in_, frame.columns)
    assert_array_equal(est.predict(frame), Estimator(**SMALL).fit(X, y).predict(X))
    with pytest.raises(ValueError, match="feature names"):
        est.predict(frame[frame.columns[::-1]])
    with pytest.raises(ValueError, match="feature names"):
        est.partial_fit(frame.rename(columns={"column 0": "other"}), y)


@BOTH
def test_not_fitted(Estimator):
    X, _ = data_for(Estimator)
    for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        if hasattr(Estimator, method):
            with pytest.raises(NotFittedError):
                getattr(Estimator(), method)(X)


@pytest.mark.parametrize("size", [64, np.int64(64), [64], (64,), np.array([64])])
def test_ways_to_name_the_width(size):
    X, y = data_for(FastReLUClassifier)
    clf = FastReLUClassifier(hidden_layer_sizes=size, max_iter=2).fit(X, y)
    assert clf.coefs_[0].shape == (8, 64)


@BOTH
@pytest.mark.parametrize("size", [1, 2, 3, 17])
def test_narrow_layers_train(Estimator, size):
    X, y = data_for(Estimator)
    est = Estimator(hidden_layer_sizes=size, threshold=0.0, max_iter=30, random_state=0).fit(X, y)
    assert est.loss_curve_[-1] < est.loss_curve_[0]


def test_output_layer_can_be_frozen():
    X, y = data_for(FastReLURegressor)
    for solver in ("sgd", "adam"):
        reg = FastReLURegressor(**SMALL, solver=solver, train_output=False).fit(X, y)
        V = np.abs(reg.coefs_[1])
        assert_allclose(V, V[0, 0], rtol=1e-12)
        assert reg.loss_curve_[-1] < reg.loss_curve_[0]


# threads


@BOTH
@SOLVERS
@pytest.mark.parametrize("search", EVERY_ENGINE)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_threads_do_not_change_a_bit(Estimator, solver, search, dtype, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")  # also on a machine with one core
    X, y = data_for(Estimator, 300, dtype)
    fits = []
    for n_threads in (1, 2):
        with threadpool_limits(n_threads):
            fits.append(Estimator(**{**SMALL, "hidden_layer_sizes": 512}, solver=solver, search=search).fit(X, y))
    assert_same_fit(*fits)
    assert fits[0].loss_curve_ == fits[1].loss_curve_
    assert fits[0].firing_curve_ == fits[1].firing_curve_


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts the threads in /proc")
def test_limits_of_threadpoolctl_are_obeyed(tmp_path):
    script = tmp_path / "count.py"
    script.write_text(
        textwrap.dedent("""
        import os, sys, warnings
        import numpy as np
        from threadpoolctl import threadpool_limits
        from skfastnn import FastReLURegressor

        warnings.simplefilter("ignore")
        X = np.random.default_rng(0).normal(size=(1000, 60))
        before = len(os.listdir("/proc/self/task"))
        with threadpool_limits(int(sys.argv[1]), user_api="openmp"):
            FastReLURegressor(hidden_layer_sizes=(4096,), max_iter=2).fit(X, X[:, 0])  # enough to do for several
        print(len(os.listdir("/proc/self/task")) - before)
        """)
    )
    for n_threads, variable in ((1, "3"), (3, "1")):
        environment = {"OMP_NUM_THREADS": variable, "OPENBLAS_NUM_THREADS": "1", "PATH": ""}
        out = subprocess.run(
            [sys.executable, script, str(n_threads)], env=environment, capture_output=True, text=True, check=True
        )
        assert int(out.stdout) == n_threads - 1  # libgomp keeps its threads after the first parallel region


def test_what_goes_into_a_bug_report(capsys):
    show_versions()
    lines = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines() if ": " in line)
    assert lines["numpy"] == np.__version__
    assert lines["skfastnn"] == skfastnn.__version__
    assert int(lines["threads of the compiled loops"]) >= 1
    assert compiled_instructions() in lines["kernels"]


@pytest.mark.filterwarnings("ignore:Maximum iterations")
def test_a_sparse_multilabel_target_is_the_dense_one():
    X, _ = data_for(FastReLUClassifier)
    y = np.column_stack([X[:, 0] > 0, X[:, 1] > X[:, 2]]).astype(int)
    fits = [FastReLUClassifier(**FIRST_ORDER).partial_fit(X, target) for target in (y, sparse.csr_array(y))]
    assert_same_fit(*fits)
